"""Follows what agents were asked: reads their answers, and gives up on what nobody takes or answers."""

from datetime import datetime
from functools import partial

from recovery.decide import asking
from recovery.model import StepState
from recovery.store import components, database, requests, steps
from recovery.store.tables import RequestRow
from recovery.worker.by_hand import go_on
from recovery.worker.context import Context
from recovery.worker.guarding import ASIDE, work_on_all


def follow_requests(ctx: Context, now: datetime) -> None:
    """Every request that is answered, or is no longer to be waited for."""

    def aside(row: RequestRow, why: str) -> None:
        requests.set_aside(row, now + ASIDE)

    with database.decide():
        deaf_until = ctx.ears.deaf_until(now)
        work_on_all(partial(requests.find_due, now), partial(_follow_all, ctx, now, deaf_until), "request", aside)


def _follow_all(ctx: Context, now: datetime, deaf_until: datetime | None, rows: list[RequestRow]) -> None:
    for row in rows:
        if row.answered_at:
            _read_answer(ctx, row, now)
        else:
            _judged(ctx, row, asking.judge(_view_of(ctx, row, deaf_until), now), now)


def _view_of(ctx: Context, row: RequestRow, deaf_until: datetime | None) -> asking.RequestView:
    agent = requests.find_agent(row.agent)
    return asking.RequestView(
        agent=row.agent,
        what=row.what,
        until=row.until,
        taken_at=row.taken_at,
        seen_at=agent.seen_at if agent else None,
        offers=tuple(agent.offers) if agent else (),
        deaf_until=deaf_until,
        known=row.agent in ctx.policy.agents,
    )


def _judged(ctx: Context, row: RequestRow, word: asking.Wait | asking.GiveUp | asking.Lose, now: datetime) -> None:
    if isinstance(word, asking.Wait):
        requests.look_later(row, word.until)
    elif isinstance(word, asking.GiveUp):
        if requests.withdraw(row):
            _end_step(ctx, row, StepState.FAILED, word.because, now)
    elif requests.lose(row):
        _end_step(ctx, row, StepState.UNKNOWN, word.because, now)


def _read_answer(ctx: Context, row: RequestRow, now: datetime) -> None:
    requests.end(row)
    state, words = asking.meaning_of(row.agent, row.what, row.answer or {})
    _end_step(ctx, row, state, words, now)


def _end_step(ctx: Context, row: RequestRow, state: StepState, words: str, now: datetime) -> None:
    """The step that waited for it ends so; what comes too late for it is kept in history alone."""
    step = steps.find_step(row.step_id)
    if step.state != StepState.RUNNING:
        steps.note_late(step, words, now)
        return
    if state is StepState.UNKNOWN:
        steps.lose_step(step, words, now)
    elif state is StepState.SUCCEEDED:
        steps.finish_step(step, state, now, result=words)
        components.note_acted(step.component, now)
    else:
        steps.finish_step(step, state, now, error=words)
    go_on(ctx, step, now)
