"""Reports come at their hour by the clock on the wall, once, count what happened, and stay away where nothing did."""

from datetime import UTC, datetime, timedelta

import pytest

from recovery.model import AlertPolicy, Audit, AuditFinding, AuditSeverity, Fix, ReportPlan, Severity
from recovery.store import audits
from recovery.store.tables import AlertRow
from recovery.worker.reporting import next_report_at, plan_reports
from tests.story.desk import ALL, Desk, plan
from tests.story.engine import restartable

pytestmark = pytest.mark.usefixtures("store")
DAILY = ReportPlan("daily", "0 8 * * *", empty=False)
SEOUL = {"timezone": "Asia/Seoul"}


def reporting(clock, patch, *reports: ReportPlan, **more) -> Desk:
    clock.now = datetime(2026, 11, 29, 3, tzinfo=UTC)  # noon in Seoul
    desk = Desk(clock, patch, ALL, AlertPolicy(reports=reports or (DAILY,), **SEOUL), **more)
    plan_reports(desk.engine.ctx, clock.now)
    return desk


def test_a_report_of_the_day_comes_at_eight_over_all_but_phones(fake_clock, monkeypatch):
    components = {"quiet": restartable("quiet")} | plan("leaf", Severity.LOW)
    desk = reporting(fake_clock, monkeypatch, components=components)
    desk.engine.outside.heals_on_restart = True
    desk.fail("quiet", "leaf")
    desk.wait(20 * 3_600 - 1_200, 600)
    assert "report" not in desk.kinds()
    desk.wait(1_260, 60)
    assert desk.count("report") == {"team": 1, "mail": 1}
    told = desk.of("team", "report")[0]
    assert told.at >= datetime(2026, 11, 29, 23, tzinfo=UTC) and told.facts["period"] == "daily"
    assert (told.facts["failed"], told.facts["healed"], told.facts["needs_human"]) == (2, 1, 1)
    assert told.facts["healed_share"] == 0.5 and told.facts["until"] == "2026-11-29T23:00:00+00:00"
    assert [(item["component"], item["what"]) for item in told.facts["items"]] == [("quiet", "healed_quietly")]
    assert told.facts["items"][0]["link"].startswith("http://medic.test/incidents/")


def test_a_day_without_a_failure_is_not_reported_and_the_next_one_is_planned(fake_clock, monkeypatch):
    desk = reporting(fake_clock, monkeypatch)
    desk.wait(3 * 86_400, 3_600)
    assert desk.told == []
    assert AlertRow.select().where(AlertRow.state == "held").count() == 2, "the next one of each channel"


def test_what_still_needs_a_person_and_what_an_audit_found_is_reported_though_nothing_failed(fake_clock, monkeypatch):
    desk = reporting(fake_clock, monkeypatch, components=plan("a"))
    desk.fail("a")
    desk.wait(21 * 3_600, 3_600)
    assert [item["component"] for item in desk.of("team", "report")[0].facts["failing"]] == ["a"]
    found = [finding("Orders", AuditSeverity.INFO), finding("", AuditSeverity.BAD)]
    earlier, now = fake_clock.now - timedelta(days=9), fake_clock.now
    audits.keep_audit(Audit("default", earlier, 1, 50, tuple(found[:1])), earlier, "medic")
    audits.keep_audit(Audit("default", now, 1, 50, tuple(found)), now, "medic")
    desk.wait(24 * 3_600, 3_600)
    again = desk.of("team", "report")[1].facts
    assert (again["failed"], [item["component"] for item in again["failing"]]) == (0, ["a"])
    assert again["failing"][0]["link"].startswith("http://medic.test/incidents/")
    assert (again["found"], [one["workflow"] for one in again["findings"]]) == (1, [""]), "the other is known"


def finding(workflow: str, severity: AuditSeverity) -> AuditFinding:
    return AuditFinding(workflow and "w1", workflow, "no_timeout", severity, "because", Fix.NONE, "")


def test_a_report_that_fell_due_while_nobody_worked_comes_once_afterwards(fake_clock, monkeypatch):
    desk = reporting(fake_clock, monkeypatch, components=plan("a"))
    desk.fail("a")
    fake_clock.advance(30 * 3_600)
    plan_reports(desk.engine.ctx, fake_clock.now)  # as a new worker does
    desk.engine.tick()
    assert desk.count("report") == {"team": 1, "mail": 1}
    assert desk.of("team", "report")[0].facts["until"] == "2026-11-29T23:00:00+00:00", "of the day that it was for"


def test_a_weekly_report_goes_where_the_configuration_says_even_if_it_is_empty(fake_clock, monkeypatch):
    desk = reporting(fake_clock, monkeypatch, ReportPlan("weekly", "0 8 * * 1", ("phone", "gone")))
    desk.wait(86_400, 3_600)
    [told] = desk.told
    assert (told.channel, told.facts["period"], told.facts["failed"], told.facts["since"]) == (
        "phone", "weekly", 0, "2026-11-22T23:00:00+00:00",
    )  # fmt: skip


def test_a_changed_hour_replaces_the_planned_report(fake_clock, monkeypatch):
    desk = reporting(fake_clock, monkeypatch, components=plan("a"))
    desk.engine.ctx.alerting = AlertPolicy(reports=(ReportPlan("daily", "0 13 * * *", ("team",)),), **SEOUL)
    plan_reports(desk.engine.ctx, fake_clock.now)
    held = AlertRow.select().where(AlertRow.state == "held")
    assert [(row.channel, row.held_until) for row in held] == [("team", datetime(2026, 11, 29, 4, tzinfo=UTC))]


@pytest.mark.parametrize(
    ("after", "cron", "due"),
    [
        (
            datetime(2026, 3, 28, 12, tzinfo=UTC),
            "30 2 * * *",
            datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        ),  # 2:30 is skipped
        (datetime(2026, 10, 24, 12, tzinfo=UTC), "30 8 * * *", datetime(2026, 10, 25, 7, 30, tzinfo=UTC)),
        (datetime(2026, 10, 24, 12, tzinfo=UTC), "0 0 30 2 *", None),
    ],
)
def test_the_hour_is_that_of_the_clock_on_the_wall_also_where_it_is_set(after, cron, due):
    found = next_report_at(cron, "Europe/Berlin", after)
    assert (found is None) == (due is None) and (due is None or abs((found - due).total_seconds()) <= 3_600)
    assert found is None or found > after
