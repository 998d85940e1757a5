"""The settings of alerts: what they mean, and every mistake in them told at once."""

import pytest
import yaml

from recovery.config import ConfigProblems, load_config
from recovery.model import Budget, Hours, Severity

CHANNELS = [{"name": "hook", "kind": "webhook", "url": "http://127.0.0.1:9/x"}]


def load(tmp_path, **alerts):
    file = tmp_path / "medic.yaml"
    file.write_text(yaml.safe_dump({"alerts": {"channels": CHANNELS, **alerts}}))
    return load_config(file, {})


def problems(tmp_path, text: str) -> dict[str, tuple[int | None, str]]:
    file = tmp_path / "medic.yaml"
    file.write_text(text)
    with pytest.raises(ConfigProblems) as found:
        load_config(file, {})
    return {one.where: (one.line, one.expected) for one in found.value.problems}


def test_without_settings_people_are_told_by_severity_and_daily(tmp_path):
    policy = load(tmp_path).alert_policy()
    assert (policy.hold_seconds, policy.digest_seconds, policy.remind_seconds) == (300, 1_800, 3_600)
    assert [(one.period, one.cron, one.empty) for one in policy.reports] == [("daily", "0 8 * * *", False)]
    assert policy.storm.most == 10 and policy.storm.close_seconds == 1_200


def test_all_of_it_is_read(tmp_path):
    file = tmp_path / "medic.yaml"
    file.write_text("""
alerts:
  timezone: Asia/Seoul
  hold: 0s
  channels: [{name: hook, kind: webhook, url: "http://127.0.0.1:9/x", budget: 20/d}]
  storm: {incidents: 3, within: 2m}
  routes:
    - name: night
      match: {severity: [low], label: {team: shop}}
      during: {from: 22:00, until: "07:00", days: [Friday]}
      digest: 1h
  people: [{name: kim, channels: [hook]}]
  rotations: [{name: ops, people: [kim], starts: 2026-01-05, at: "09:30", timezone: Europe/Berlin}]
  escalation: [{after: 0s, channels: [hook]}, {after: 15m, rotation: ops}]
  quiet_hours: [{from: "23:00", until: "24:00", let_through: [critical, high], hold_needs_human: true}]
  reports: {daily: false, weekly: {cron: "0 9 * * 1", empty: true}}
""")
    config = load_config(file, {})
    policy = config.alert_policy()
    assert config.channel_plans()[0].budget == Budget(20, 86_400)
    assert policy.routes[0].during == Hours(1_320, 420, (4,), "Asia/Seoul") and policy.routes[0].digest_seconds == 3_600
    assert policy.rotations[0].at == 570 and policy.rotations[0].timezone == "Europe/Berlin"
    assert policy.escalation[1].after_seconds == 900 and policy.escalation[1].rotation == "ops"
    assert policy.quiet_hours[0].hours.end == 1_440 and Severity.HIGH in policy.quiet_hours[0].let_through
    assert [(one.period, one.empty) for one in policy.reports] == [("weekly", True)]


def test_every_mistake_is_told_with_its_line(tmp_path):
    found = problems(tmp_path, """alerts:
  timezone: Mars/Olympus
  channels:
    - {name: hook, kind: webhook, url: "http://127.0.0.1:9/x", budget: 0/h}
  routes:
    - {name: a, channels: [hok]}
    - {name: a, hold: 1m, report: true}
    - {name: b, during: {from: "25:00", until: "07:00"}}
  people: [{name: kim, channels: [nobody]}]
  rotations: [{name: ops, people: [lee], starts: yesterday}]
  escalation: [{after: 5m}, {after: 1m, rotation: night}]
  quiet_hours: [{from: "23:00", until: 99999999999999999999, days: [someday]}]
  reports: {daily: {cron: "at eight"}}
  remind_after: 0s
""")  # fmt: skip
    wanted = {
        "alerts.timezone": 2, "alerts.channels[0].budget": 4, "alerts.routes[0].channels[0]": 6,
        "alerts.routes[1].name": 7, "alerts.routes[1]": 7, "alerts.routes[2].during.from": 8,
        "alerts.people[0].channels[0]": 9, "alerts.rotations[0].people[0]": 10, "alerts.rotations[0].starts": 10,
        "alerts.escalation[0]": 11, "alerts.escalation[1].rotation": 11, "alerts.quiet_hours[0].until": 12,
        "alerts.quiet_hours[0].days[0]": 12, "alerts.remind_after": 14,
    }  # fmt: skip
    assert {where: found.get(where, (None, ""))[0] for where in wanted} == wanted
    assert any(where.startswith("alerts.reports.daily") and line == 13 for where, (line, _) in found.items())
    assert "hook" in found["alerts.routes[0].channels[0]"][1]


def test_steps_must_come_in_their_order(tmp_path):
    with pytest.raises(ConfigProblems, match="in the order"):
        load(tmp_path, escalation=[{"after": "5m", "channels": ["hook"]}, {"after": "1m", "channels": ["hook"]}])


@pytest.mark.parametrize("zone", ["../../etc/passwd", "", "UTC\n", "/etc/localtime", "x" * 10_000])
def test_absurd_time_zones_are_refused(tmp_path, zone):
    with pytest.raises(ConfigProblems, match="timezone"):
        load(tmp_path, timezone=zone)
