"""Calls from the newest to the oldest, page by page, over logs in which their records are mixed."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.control import call_reading
from proxy.control.call_reading import CallReader
from tests.fakes.control_house import Log


def log_of(*events: str) -> Log:
    """A log of these records: `+a` decides the call `a`, `-a` completes it, `!a` refuses it, `.` is of no call."""
    log = Log(lambda: 1_795_000_000.0)
    kinds = {"+": "call.decided", "-": "call.completed", "!": "call.refused"}

    async def write() -> None:
        for number, event in enumerate(events):
            said: dict[str, Any] = {"type": "policy.changed", "at": 1_795_000_000.0 + number}
            if event != ".":
                said |= {"type": kinds[event[0]], "call": event[1:]}
            await log.append(said)

    asyncio.run(write())
    return log


def pages(log: Log, size: int) -> list[list[tuple[str, str]]]:
    """All pages of this size: (call, ending)."""

    async def read() -> list[list[tuple[str, str]]]:
        found: list[list[tuple[str, str]]] = []
        before: tuple[int, ...] | None = None
        while True:
            reader, page = CallReader(log, before), []
            async for story, place in reader.calls():
                page.append((str(story["call"]), str(story["ending"])))
                before = place
                if len(page) == size:
                    break
            if page:
                found.append(page)
            if len(page) < size:
                assert reader.ended
                return found

    return asyncio.run(read())


def test_each_call_is_where_its_newest_record_is() -> None:
    """Once, with how it ended, however far apart its records are; what belongs to no call is passed over."""
    log = log_of("+a", "+b", ".", "-b", "!c", "-a", "+d")
    assert pages(log, 10) == [[("d", "in_flight"), ("a", "served"), ("c", "refused"), ("b", "served")]]
    assert pages(log, 1) == [[("d", "in_flight")], [("a", "served")], [("c", "refused")], [("b", "served")]]


def test_a_call_that_ended_on_a_newer_page_is_not_told_again() -> None:
    """Not as one that is under way, though only its beginning is left in what is older."""
    assert pages(log_of("+a", "+b", "-b", "-a"), 1) == [[("a", "served")], [("b", "served")]]


@pytest.mark.parametrize("window", [1, 2, 3])
def test_records_that_are_far_apart_are_one_call(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    """Farther than is read at a time: the rest of such a call is looked for in the whole log."""
    monkeypatch.setattr(call_reading, "WINDOW", window)
    monkeypatch.setattr(call_reading, "MOST_WINDOWS", 50)
    log = log_of("+a", "!b", "!c", "!d", "!e", "-a", "!f", "!g")
    told = [("g", "refused"), ("f", "refused"), ("a", "served"), *((call, "refused") for call in "edcb")]
    assert [call for page in pages(log, 2) for call in page] == told


def test_a_reader_stops_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many records it says how far it came, and the next one goes on from there."""
    monkeypatch.setattr(call_reading, "WINDOW", 2)
    monkeypatch.setattr(call_reading, "MOST_WINDOWS", 3)
    log = log_of(*(f"!c{number}" for number in range(9)))

    async def read(before: tuple[int, ...] | None) -> tuple[list[str], CallReader]:
        reader = CallReader(log, before)
        return [str(story["call"]) async for story, _ in reader.calls()], reader

    first, reader = asyncio.run(read(None))
    assert (first, reader.reached, reader.ended) == (["c8", "c7", "c6", "c5"], (5,), False)
    second, reader = asyncio.run(read(reader.reached))
    assert (second, reader.reached, reader.ended) == (["c4", "c3", "c2", "c1"], (1,), False)
    third, reader = asyncio.run(read(reader.reached))
    assert (third, reader.ended) == (["c0"], True)


@st.composite
def histories(draw: st.DrawFn) -> list[str]:
    """Calls that begin, end or do not, in any order in which a beginning comes before its end."""
    events: list[str] = []
    under_way: list[str] = []
    for number in range(draw(st.integers(0, 12))):
        for _ in range(draw(st.integers(0, 2))):
            if under_way:
                events.append("-" + under_way.pop(draw(st.integers(0, len(under_way) - 1))))
        refused = draw(st.booleans())
        events.append(f"{'!' if refused else '+'}c{number}")
        if not refused:
            under_way.append(f"c{number}")
    return events


@settings(deadline=None)
@given(histories(), st.integers(1, 5))
def test_pages_together_are_the_one_long_list(events: list[str], size: int) -> None:
    """Every call once, in the order of the newest records, each as it ended."""
    log = log_of(*events)
    newest = {event[1:]: index for index, event in enumerate(events)}
    endings = {"+": "in_flight", "-": "served", "!": "refused"}
    expected = [(call, endings[events[index][0]]) for call, index in sorted(newest.items(), key=lambda one: -one[1])]
    assert [call for page in pages(log, size) for call in page] == expected
