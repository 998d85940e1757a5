"""Tells n8n-medic's own history as it is written, in the demo's voice."""

from typing import Any

from tests.demo_voice import Voice
from tests.story.medic import Medic

FIRST = "first failure of this cause: "
CANARY, RESTART = "retry_executions", "run_command"


class History:
    """Follows incidents, and tells each line of their history once."""

    def __init__(self, medic: Medic, voice: Voice):
        self._medic, self._voice = medic, voice
        self._told: set[int] = set()

    def follow(self, component: str) -> dict[str, Any] | None:
        """Tell what is new of a component's newest incident, and give it."""
        found = self._medic.incidents(component=component)
        return self._tell_new(found[0]["id"]) if found else None

    def follow_all(self) -> None:
        """Tell what is new of every incident."""
        for one in reversed(self._medic.incidents()):
            self._tell_new(one["id"])

    def _tell_new(self, incident_id: int) -> dict[str, Any]:
        incident = self._medic.incident(incident_id)
        fresh = [event for event in incident["events"] if event["id"] not in self._told]
        for event in sorted(fresh, key=lambda one: one["id"]):
            self._told.add(event["id"])
            if line := in_words(event, incident):
                self._voice.medic(line)
        return incident


def in_words(event: dict[str, Any], incident: dict[str, Any]) -> str:
    """One line of history as a sentence; "" for lines that the tour leaves out."""
    teller = {"incident": _incident, "recovery": _recovery, "step": _step, "order": _order}.get(event["subject"])
    return teller(event, incident) if teller else ""


def _incident(event: dict[str, Any], incident: dict[str, Any]) -> str:
    name, because = incident["component"], event["because"].replace(FIRST, "")
    words = {
        "open": f"opens incident {incident['id']} on {name}: {because.removeprefix(f'looked at {name}: ')}",
        "needs_human": f"calls a person about {name}: {because}",
        "resolved": f"resolves incident {incident['id']}: {because}",
    }
    return words.get(event["after"], "")


def _recovery(event: dict[str, Any], incident: dict[str, Any]) -> str:
    state, _, rest = event["after"].partition(", ")
    return f"waits for {rest.partition(',')[0]} before it tries again" if state == "waiting" else ""


def _step(event: dict[str, Any], incident: dict[str, Any]) -> str:
    name, state, because = event["subject_id"].split(" ")[-1], event["after"], event["because"].replace("\n", " ")
    if name == CANARY:
        words = {"failed": "it failed", "succeeded": "it succeeded", "skipped": "leaves it alone"}
        if state == "running":
            return f"picks one execution to go first: {because.removeprefix('one execution goes first: ')}"
        return f"{words[state]}: {because}" if state in words else ""
    if state not in ("succeeded", "failed"):
        return ""
    return f"runs the restart command: {because}" if name == RESTART else f"runs its own check: {because}"


def _order(event: dict[str, Any], incident: dict[str, Any]) -> str:
    return f"{event['who']} ordered it: {event['because']}" if event["after"] == "done" else ""
