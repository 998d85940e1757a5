"""What a replay finds, counted: what becomes of each failed chain, and why."""

from collections import Counter
from typing import Any

from recovery.model import Ambiguous, Lot

MOST_LISTED = 200
MOST_REASONS = 100
OTHER = "other reasons"
WITHOUT_REASON = (Lot.REPLAY, Lot.SUCCEEDED)


class Tally:
    """Counts chains by workflow, lot and reason. What it keeps is bounded, however many chains there are.

    Its JSON: `total` {lot: number, with `failed` for all}; `workflows` [{id, name, failed, lot: number}];
    `why` [{lot, because, count}]; `listed` [{execution_id, workflow_id, workflow, because}] of the ambiguous ones.
    """

    def __init__(self, ambiguous: str = Ambiguous.ASK) -> None:
        self._lists = ambiguous == Ambiguous.ASK
        self._names: dict[str, str] = {}
        self._lots: dict[str, Counter[str]] = {}
        self._why: Counter[tuple[str, str]] = Counter()
        self._listed: list[dict[str, str]] = []

    def add(self, workflow_id: str, name: str, lot: Lot, because: str, execution_id: str) -> None:
        """One failed chain."""
        self._names[workflow_id] = name or workflow_id
        self._lots.setdefault(workflow_id, Counter())[lot] += 1
        if lot not in WITHOUT_REASON:
            known = (lot, because) in self._why or len(self._why) < MOST_REASONS
            self._why[lot, because if known else OTHER] += 1
        if lot is Lot.AMBIGUOUS and self._lists and len(self._listed) < MOST_LISTED:
            told = {"execution_id": execution_id, "workflow_id": workflow_id, "workflow": self._names[workflow_id]}
            self._listed.append({**told, "because": because})

    @property
    def to_replay(self) -> int:
        """How many are to be run again."""
        return sum(lots[Lot.REPLAY] for lots in self._lots.values())

    def as_json(self) -> dict[str, Any]:
        """Everything, for the row and for people."""
        total: Counter[str] = sum(self._lots.values(), Counter())
        workflows = [
            {"id": one, "name": self._names[one], **_counted(lots)}
            for one, lots in sorted(self._lots.items(), key=lambda item: (-item[1].total(), item[0]))
        ]
        why = [{"lot": lot, "because": because, "count": count} for (lot, because), count in self._why.most_common()]
        return {"total": _counted(total), "workflows": workflows, "why": why, "listed": self._listed}


def _counted(lots: Counter[str]) -> dict[str, int]:
    return {"failed": lots.total(), **{lot.value: lots[lot] for lot in Lot}}
