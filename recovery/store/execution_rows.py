"""The tables of broken executions: chains, and which n8n execution belongs to which."""

import peewee as pw

from recovery.store.fields import JsonField, Lease, Table, TimeField


class ExecutionRow(Lease):
    """A chain of n8n executions, root to leaf, that an incident broke or that a replay runs again.

    `run_at` null: nothing is due. Waiting with `run_at`: released for replay. Retrying with `run_at`: followed.
    """

    site = pw.TextField()
    root_id = pw.TextField()
    leaf_id = pw.TextField()
    workflow_id = pw.TextField()
    workflow_name = pw.TextField()
    incident_id = pw.BigIntegerField(null=True)
    replay_id = pw.BigIntegerField(null=True)  # the replay that runs it, or ran it, again; then no incident does
    state = pw.TextField()
    because = pw.TextField()
    mode = pw.TextField(default="")
    facts = JsonField(default=dict)
    retries = pw.IntegerField(default=0)
    asks = pw.BooleanField(default=False)  # a person must decide whether to run it again
    permit = pw.TextField(null=True)  # who allowed an ambiguous retry
    looks = pw.IntegerField(default=0)
    unread = pw.IntegerField(default=0)  # errors in a row that a ready n8n answered with
    seen_id = pw.TextField(null=True)  # the retry that was seen running
    failed_at = TimeField()
    started_at = TimeField(null=True)  # the retry under way was asked for
    heard_at = TimeField()
    recovered_at = TimeField(null=True)

    class Meta:
        table_name = "executions"
        indexes = ((("site", "root_id"), True),)


class MemberRow(Table):
    """Which chain an n8n execution belongs to. No chain: it failed before first contact."""

    site = pw.TextField()
    execution_id = pw.TextField()
    chain_id = pw.BigIntegerField(null=True, index=True)

    class Meta:
        table_name = "members"
        indexes = ((("site", "execution_id"), True),)
