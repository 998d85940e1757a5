"""Tells each recipient of a channel apart, so that one bad address silences nobody."""

from collections.abc import Callable

from recovery.model import Done, DoorError

__all__ = ["tell_each"]

# What only this recipient may be the reason for; anything else would fail for the others just the same.
OWN_KINDS = frozenset({"client", "status"})


def tell_each(recipients: list[str], tell: Callable[[str], object]) -> Done:
    """Tell every recipient; done where at least one was told, and the detail names those who were not and why.

    The outbox holds one row for the channel. To ask again for the sake of one recipient would wake all the others
    again each time, so that is not done; who must be told for certain gets a channel of their own.

    Raises:
        DoorError: nobody was told. Transient if any of the failures is.
    """
    told: list[str] = []
    failures: list[tuple[str, DoorError]] = []
    for recipient in recipients:
        try:
            tell(recipient)
            told.append(recipient)
        except DoorError as error:
            failures.append((recipient, error))
            if error.kind not in OWN_KINDS:
                break
    missed = "; ".join(f"{who}: {error}" for who, error in failures)
    if told:
        untried = [who for who in recipients if who not in told and who not in dict(failures)]
        rest = f", not told: {missed}" if missed else ""
        return Done(f"told {', '.join(told)}{rest}" + (f"; not tried: {', '.join(untried)}" if untried else ""))
    raise _summed_up(failures, missed)


def _summed_up(failures: list[tuple[str, DoorError]], missed: str) -> DoorError:
    hopeful = [error for _, error in failures if not error.permanent]
    worst = (hopeful or [failures[-1][1]])[-1]
    return DoorError(missed, worst.kind, worst.permanent, worst.retry_after_seconds)
