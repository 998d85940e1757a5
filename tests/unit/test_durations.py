"""Durations are read as people write them, and refused with words that help."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from recovery.model.durations import Duration, parse_duration, write_duration


class Settings(BaseModel):
    wait: Duration = 5.0


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("5s", 5.0),
        ("500ms", 0.5),
        ("1m", 60.0),
        ("1h", 3600.0),
        ("365d", 31_536_000.0),
        ("1h30m", 5400.0),
        ("1.5m", 90.0),
        (" 10 s ", 10.0),
        ("0s", 0.0),
        ("7", 7.0),
        (7, 7.0),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_read_as_it_is_written(written, seconds):
    assert Settings(wait=written).wait == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "5x",
        "s",
        "-5s",
        "-5",
        -1,
        True,
        None,
        [],
        "1e9s",
        float("inf"),
        float("nan"),
        "5s!",
        10**400,
        "١s x",
    ],
)
def test_what_is_no_duration_is_refused_with_the_way_out(written):
    with pytest.raises(ValidationError) as problem:
        Settings(wait=written)
    text = str(problem.value)
    assert "write a number and a unit" in text or "must be 0 or more" in text


def test_a_hostile_duration_is_refused_quickly():
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration("1s" * 500_000 + "x")


def test_a_duration_is_written_back_as_people_write_it():
    assert Settings(wait="90s").model_dump(mode="json") == {"wait": "90s"}
    assert Settings(wait="2h").model_dump(mode="json") == {"wait": "2h"}
    assert Settings(wait="250ms").model_dump(mode="json") == {"wait": "250ms"}
    assert Settings(wait="2h").model_dump() == {"wait": 7200.0}


@given(st.integers(0, 10**9))
def test_writing_and_reading_give_the_same_milliseconds(milliseconds):
    seconds = milliseconds / 1000
    assert parse_duration(write_duration(seconds)) == pytest.approx(seconds, abs=1e-6)
