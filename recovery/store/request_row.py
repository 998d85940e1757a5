"""The tables of what agents are asked to restart, and of the agents that ask for it."""

import peewee as pw

from recovery.store.fields import JsonField, Table, TimeField


class RequestRow(Table):
    """What an agent is asked to restart, for a step that ends with its answer. It is carried out at most once.

    `state`: asked; taken (by the agent, under a mark that it made up before); then over: ended, withdrawn (nobody had
    taken it) or lost (nobody knows what became of it). `wake_at`: when the worker looks at it; at once where there is
    an answer that it has not read.
    """

    step_id = pw.BigIntegerField(unique=True)
    incident_id = pw.BigIntegerField(index=True)
    recovery_id = pw.BigIntegerField(index=True)
    agent = pw.TextField()
    what = pw.TextField()
    state = pw.TextField(default="asked")
    asked_at = TimeField()
    until = TimeField()  # not taken later, and answered by then
    taken_at = TimeField(null=True)
    mark = pw.TextField(null=True)
    answered_at = TimeField(null=True)
    answer = JsonField(null=True)
    wake_at = TimeField(null=True, index=True)

    class Meta:
        table_name = "requests"
        indexes = ((("agent", "state"), False),)


class AgentRow(Table):
    """An agent that asks for requests: when it last did, and the names of what it may restart."""

    name = pw.TextField(unique=True)
    seen_at = TimeField()
    offers = JsonField(default=list)

    class Meta:
        table_name = "agents"
