"""The table of what people asked for."""

import peewee as pw

from recovery.store.fields import JsonField, Table, TimeField


class OrderRow(Table):
    """What a person asked for. `taken_at` null until the worker has carried it out or refused it."""

    incident_id = pw.BigIntegerField(null=True, index=True)  # null: an action by hand, while nothing was open
    what = pw.TextField()
    step = pw.IntegerField(null=True)
    stage = pw.IntegerField(null=True)
    component = pw.TextField(default="")  # on which an action is run by hand
    action = pw.TextField(default="")  # the one that is run by hand, or about which was decided
    given = JsonField(null=True)  # arguments in place of the configured ones; nothing secret
    shown = JsonField(null=True)  # all its arguments, redacted, as the person was shown what it would do
    dry = pw.BooleanField(default=False)  # only what it would do is told
    until = TimeField(null=True)  # of a snooze
    note = pw.TextField(default="")
    who = pw.TextField()
    asked_at = TimeField()
    taken_at = TimeField(null=True)
    outcome = pw.TextField(null=True)  # done | refused
    because = pw.TextField(null=True)

    class Meta:
        table_name = "orders"
