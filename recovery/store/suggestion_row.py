"""The table of suggestions."""

import peewee as pw

from recovery.store.fields import JsonField, Table, TimeField


class SuggestionRow(Table):
    """What the outcomes speak for in a playbook. Taken by a person it holds for new recoveries until it is taken back.

    A way is JSON: {"action", "after_seconds" of its stage, "successes", "tries"}. A stage is {"after_seconds",
    "attempts", "actions": names, "one_of"}.
    """

    key = pw.TextField(unique=True)
    component = pw.TextField()
    failure_type = pw.TextField()
    playbook = pw.TextField()  # "" for the one that needs no writing down
    worse = JsonField()  # the way that is tried first as it is configured
    better = JsonField()  # the one that is to be tried before it
    before = JsonField()  # the stages as they are without it
    after = JsonField()  # and with it
    offered_at = TimeField()
    taken_at = TimeField(null=True)
    taken_by = pw.TextField(null=True)

    class Meta:
        table_name = "suggestions"
        indexes = ((("component", "failure_type"), False),)
