"""The table of what `medic connect` has changed in an n8n."""

import peewee as pw

from recovery.store.fields import JsonField, Table, TimeField


class WiringRow(Table):
    """One change of an n8n. It is written down before it is made, so that it can be taken back whatever happens."""

    site = pw.TextField()
    kind = pw.TextField()
    key = pw.TextField()
    name = pw.TextField()
    target = pw.TextField(default="")  # its id in n8n
    before = JsonField(default=dict)
    after = JsonField(default=dict)
    because = pw.TextField(default="")
    state = pw.TextField()  # begun, done, void (it was never made) or undone
    begun_at = TimeField()
    ended_at = TimeField(null=True)

    class Meta:
        table_name = "wirings"
        indexes = ((("site", "state"), False),)
