"""The tables of what people are told: messages, what each channel was told of an incident, what is told together."""

import peewee as pw

from recovery.store.fields import JsonField, Lease, Table, TimeField


class AlertRow(Lease):
    """One message owed to people over one channel. Held: `held_until` says until when, and null waits for an event."""

    key = pw.TextField(unique=True)
    incident_id = pw.BigIntegerField(index=True)  # 0: it is about no single incident
    kind = pw.TextField()
    channel = pw.TextField()
    severity = pw.TextField()
    state = pw.TextField()
    facts = JsonField(default=dict)
    tries = pw.IntegerField(default=0)
    created_at = TimeField(index=True)
    held_until = TimeField(null=True)
    released_at = TimeField(null=True)  # it was to be sent from then on
    after_id = pw.BigIntegerField(null=True)  # the message on its incident that must be told before it
    thread_id = pw.BigIntegerField(null=True)
    bundle_id = pw.BigIntegerField(null=True)
    pass_on_at = TimeField(null=True)  # it calls a person: another channel carries it too, if it was not taken by then
    passed_over = pw.BooleanField(default=False)
    delivered_at = TimeField(null=True)
    because = pw.TextField(default="")
    error = pw.TextField(null=True)

    class Meta:
        table_name = "alerts"  # its later indexes are in indexes.py: they can be made only after their columns


class ThreadRow(Table):
    """What one channel was told of one episode of an incident."""

    incident_id = pw.BigIntegerField()
    episode = pw.IntegerField()
    channel = pw.TextField()
    owed_at = TimeField(null=True)  # it was first to be told, alone or in a storm
    told_at = TimeField(null=True)  # a message of its own was last to be sent
    called = pw.IntegerField(default=0)  # of how many calls for a person it was told
    bundle_id = pw.BigIntegerField(null=True)  # what told of it together with others, last
    memory = JsonField(null=True)  # what the channel remembers of it

    class Meta:
        table_name = "threads"
        indexes = ((("incident_id", "episode", "channel"), True), (("channel", "owed_at"), False))


class BundleRow(Table):
    """What one channel is told together: a storm, a digest, or what its budget held back. One open of each kind."""

    kind = pw.TextField()
    channel = pw.TextField()
    open_key = pw.TextField(null=True, unique=True)
    began_at = TimeField()
    told_at = TimeField(null=True)
    counted = JsonField(null=True)  # what was told last
    memory = JsonField(null=True)

    class Meta:
        table_name = "bundles"


class LineRow(Table):
    """One thing that a bundle tells of."""

    bundle_id = pw.BigIntegerField()
    mark = pw.TextField()  # what it is one line for: an incident, or a message
    incident_id = pw.BigIntegerField(index=True)
    component = pw.TextField()
    severity = pw.TextField()
    what = pw.TextField()
    message = pw.TextField(default="")
    at = TimeField()

    class Meta:
        table_name = "lines"
        indexes = ((("bundle_id", "mark"), True),)


class CallRow(Table):
    """How far the call for a person has come, one for each incident. `due_at`: when somebody is next told."""

    incident_id = pw.BigIntegerField(unique=True)
    called_at = TimeField()
    told_at = TimeField()
    steps = pw.IntegerField(default=0)
    reminders = pw.IntegerField(default=0)
    due_at = TimeField(null=True)
    snoozed_until = TimeField(null=True)
    because = pw.TextField(default="")
    link = pw.TextField(default="")  # where they can act; "": where they see it

    class Meta:
        table_name = "calls"


class SilenceRow(Table):
    """Incidents that nobody is told of until it ends. The web writes them, the worker heeds them."""

    matcher = JsonField()  # {"component": [], "failure_type": [], "severity": [], "label": {}}: what is empty fits all
    starts_at = TimeField()
    ends_at = TimeField(index=True)
    note = pw.TextField(default="")
    who = pw.TextField()
    created_at = TimeField()

    class Meta:
        table_name = "silences"


class ChannelRow(Table):
    """Whether a channel works: since when it fails, and when people were told of that."""

    name = pw.TextField(unique=True)
    failing_since = TimeField(null=True)
    troubled_at = TimeField(null=True)
    error = pw.TextField(default="")

    class Meta:
        table_name = "channels"
