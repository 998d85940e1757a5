"""Partial indexes: they keep the cost of a tick apart from how much waits or is over."""

INDEXES = (
    "CREATE INDEX IF NOT EXISTS signals_untriaged ON signals (id) WHERE triaged_at IS NULL",
    "CREATE INDEX IF NOT EXISTS incidents_wake ON incidents (wake_at) WHERE wake_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS recoveries_wake ON recoveries (wake_at) WHERE wake_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS steps_due ON steps (run_at) WHERE run_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS steps_remembered ON steps (component, name, id) WHERE memory IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS steps_begun ON steps (started_at)",
    "CREATE INDEX IF NOT EXISTS steps_restarting ON steps (host, finished_at) WHERE host IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS steps_acted ON steps (component, finished_at)",
    "CREATE INDEX IF NOT EXISTS steps_leased ON steps (lease_until) WHERE lease_until IS NOT NULL",
    "CREATE UNIQUE INDEX IF NOT EXISTS steps_by_hand ON steps (order_id, number) WHERE order_id IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS executions_due ON executions (run_at) WHERE run_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS executions_leased ON executions (lease_until) WHERE lease_until IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS executions_waiting ON executions (incident_id, state, failed_at)",
    "CREATE INDEX IF NOT EXISTS executions_workflow ON executions (workflow_id, state)",
    "CREATE INDEX IF NOT EXISTS executions_replayed ON executions (replay_id, workflow_id, state, failed_at)"
    " WHERE replay_id IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS replays_due ON replays (run_at) WHERE run_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS replays_leased ON replays (lease_until) WHERE lease_until IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS components_due ON components (run_at) WHERE run_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS components_leased ON components (lease_until) WHERE lease_until IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS alerts_due ON alerts (run_at) WHERE run_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS alerts_leased ON alerts (lease_until) WHERE lease_until IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS orders_untaken ON orders (id) WHERE taken_at IS NULL",
)
