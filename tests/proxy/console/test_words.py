"""Codes as words."""

from typing import get_args

import pytest

from proxy.console import words
from proxy.control.callers import Assurance
from proxy.facts import Effect
from proxy.holds.model import State
from proxy.identity.methods import METHODS
from proxy.stages import HopLevel
from proxy.tasks.task import STATES


def test_every_state_and_effect_has_words() -> None:
    """A state or effect that is added later needs a word here."""
    assert set(words.STATES) == {state.value for state in State}
    assert set(words.EFFECTS) == set(get_args(Effect.__value__))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "time is up"),
        (0, "time is up"),
        (1, "1 s left"),
        (119, "119 s left"),
        (120, "2 min left"),
        (7500, "2 h 5 min left"),
        (90000, "1 d 1 h left"),
    ],
)
def test_time_left_is_rounded_down(seconds: float, text: str) -> None:
    """Never more than there is."""
    assert words.left(seconds) == text


def test_times_and_roles_are_told_plainly() -> None:
    """UTC to the second; an unknown role is shown as it is."""
    assert words.moment(0.5) == "1970-01-01 00:00:00 UTC"
    assert words.moment(None) == "never"
    assert words.machine(1.0) == "1970-01-01T00:00:01Z"
    assert words.machine(None) == ""
    assert words.stamp("2026-11-22T10:15:00.123456Z") == "2026-11-22 10:15:00 UTC"
    assert words.stamp("odd") == "odd"
    assert words.took(1500) == "1.5 ms"
    assert words.took(2_300_000) == "2.3 s"
    assert words.took(None) == ""
    assert [words.role(code) for code in ("owner", "team:x", "person:y", "team:", "new")] == [
        "the agent's owner", "someone of team x", "y", "team:", "new",
    ]  # fmt: skip


def test_tasks_and_chains_have_words() -> None:
    """Each state of a task, each level of proof and each way of it; one without a word is shown as its code."""
    assert set(words.TASK_STATES) == STATES
    assert set(words.LEVEL_MEANS) == set(words.LEVEL_MARKS) == set(get_args(HopLevel.__value__))
    assert set(words.METHODS) == METHODS | set(get_args(Assurance.__value__))
    assert (words.method("jwt_svid"), words.method("new_way")) == ("JWT-SVID", "new_way")
    assert [words.amount(number) for number in (0, 10, 12.5, 0.000001, 1_000_000)] == [
        "0", "10", "12.5", "0.000001", "1,000,000",
    ]  # fmt: skip
