"""The table of workflows that are tagged in n8n."""

import peewee as pw

from recovery.store.fields import Table, TimeField


class TaggedRow(Table):
    """A workflow that a tag of ours is on, as n8n was last asked; one without has no row."""

    site = pw.TextField()
    workflow_id = pw.TextField()
    name = pw.TextField(default="")
    critical = pw.BooleanField(default=False)
    ignored = pw.BooleanField(default=False)
    since = TimeField()  # when a tag of ours was first seen on it
    failures = pw.IntegerField(default=0)  # that were left alone, because it is ignored
    failed_at = TimeField(null=True)  # when the last of them happened

    class Meta:
        table_name = "tagged_workflows"
        indexes = ((("site", "workflow_id"), True), (("workflow_id",), False))
