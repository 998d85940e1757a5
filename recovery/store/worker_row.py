"""The table of our own processes."""

import peewee as pw

from recovery.store.fields import Table, TimeField


class WorkerRow(Table):
    """A process of ours and its last heartbeat."""

    name = pw.TextField(unique=True)
    part = pw.TextField(default="worker")  # worker | web
    started_at = TimeField()
    beat_at = TimeField()
    offline = pw.BooleanField(default=False)  # its machine is

    class Meta:
        table_name = "workers"
