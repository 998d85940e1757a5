"""The table of what came of actions."""

import peewee as pw

from recovery.store.fields import Table, TimeField


class OutcomeRow(Table):
    """Whether one run of an action helped. It is dropped together with its recovery."""

    failure_type = pw.TextField()
    component = pw.TextField()
    action = pw.TextField()
    after_seconds = pw.FloatField(default=0.0)  # how long after the stage before it its stage begins
    hour = pw.IntegerField()  # of the day in UTC, 0 to 23
    succeeded = pw.BooleanField()
    seconds = pw.FloatField()  # from its start until its component was healthy, or it was known that it is not
    at = TimeField()
    recovery_id = pw.BigIntegerField()
    step = pw.IntegerField()  # the action's number within the recovery

    class Meta:
        table_name = "outcomes"
        indexes = (
            (("recovery_id", "step"), True),
            (("failure_type", "action", "at"), False),
            (("failure_type", "component", "action", "at"), False),
        )
