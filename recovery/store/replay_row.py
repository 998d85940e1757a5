"""The table of replays."""

import peewee as pw

from recovery.store.fields import JsonField, Lease, TimeField


class ReplayRow(Lease):
    """A person's order to run failed executions again after an outage, and how far it has come.

    People write `yes_at` and `cancel_at`; everything else that changes is the worker's. The lease is held while n8n is
    read; `run_at` is when it is next looked at, null once it is over.
    """

    site = pw.TextField()
    workflow = pw.TextField(default="")  # its id or name, as it was asked for; "" for more than one
    tag = pw.TextField(default="")  # of the workflows that are meant; without both: all
    since = TimeField()  # what failed from then on
    until = TimeField()  # and before then
    dry = pw.BooleanField(default=False)  # it is counted, and nothing else
    ambiguous = pw.TextField(default="ask")  # what becomes of what may repeat an effect: ask | retry | leave
    rate_per_second = pw.FloatField(null=True)  # where it is to be slower than replay.rate
    at_once = pw.IntegerField(null=True)  # and fewer at once than replay.per_component
    most = pw.IntegerField(null=True)  # how many chains, the oldest first
    who = pw.TextField()
    state = pw.TextField()
    because = pw.TextField()
    read = pw.IntegerField(default=0)  # how many of n8n's executions were read so far
    counts = JsonField(default=dict)  # see recovery.decide.counting.Tally
    newest_id = pw.BigIntegerField(null=True)  # n8n's newest execution when it was read: what came later is read anew
    asked_at = TimeField()
    yes_at = TimeField(null=True)  # a person has said yes to it
    cancel_at = TimeField(null=True)  # a person wants no more of it
    cancelled_by = pw.TextField(null=True)
    started_at = TimeField(null=True)  # the first could begin
    released_at = TimeField(null=True)  # when the last one was released, for the rate
    ended_at = TimeField(null=True)

    class Meta:
        table_name = "replays"
