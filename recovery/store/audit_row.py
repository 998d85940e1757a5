"""The table of audits."""

import peewee as pw

from recovery.store.fields import JsonField, Lease, TimeField


class AuditRow(Lease):
    """The last audit of one n8n, and when the next one is due (`run_at`): planned, or because a person asks for it."""

    site = pw.TextField(unique=True)
    asked_at = TimeField(null=True)  # a person waits for the next one
    asked_by = pw.TextField(default="")
    made_at = TimeField(null=True)  # when the last one ended
    score = pw.IntegerField(default=0)
    workflows = pw.IntegerField(default=0)
    findings = JsonField(default=list)  # each as a mapping, with `since`: microseconds of when it was first found

    class Meta:
        table_name = "audits"
