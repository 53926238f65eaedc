"""Counting frames. tests/attacks/test_http2.py floods the real listener."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.listener.http2.meter import PREFACE, Allowance, Flood, FrameMeter


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def frame(kind: int, size: int, flags: int = 0) -> bytes:
    return size.to_bytes(3) + bytes([kind, flags]) + bytes(4 + size)


def begun(clock: Clock, max_block: int = 1000) -> FrameMeter:
    meter = FrameMeter(max_block, clock)
    meter.feed(bytes(PREFACE))
    return meter


def test_an_allowance_comes_back() -> None:
    """With time, and with work that was done, and never to more than the most."""
    clock = Clock()
    allowance = Allowance(2, 1, clock)
    assert [allowance.spend(1) for _ in range(3)] == [True, True, False]
    clock.now = 2
    assert allowance.spend(1)
    allowance.earn(100)
    assert [allowance.spend(1) for _ in range(3)] == [True, True, False]


def test_data_is_free_and_the_rest_is_not() -> None:
    """Data that is not empty may go on for ever; everything else runs out."""
    meter = begun(Clock())
    for _ in range(5000):
        meter.feed(frame(0, 10))
    with pytest.raises(Flood):
        meter.feed(frame(6, 8) * 1001)


def test_answers_pay_for_requests() -> None:
    """An agent whose requests are answered may go on for ever, window updates, resets and all."""
    meter = begun(Clock())
    for _ in range(2000):
        meter.feed(frame(1, 10, 4) + frame(8, 4) * 2)
        meter.sent_data()
        meter.answered()
        meter.reset()


def test_resets_run_out() -> None:
    """An agent that only takes back what it asks for is stopped."""
    meter = begun(Clock())
    for _ in range(200):
        meter.reset()
    with pytest.raises(Flood):
        meter.reset()


def test_a_block_is_bounded() -> None:
    """Continuations count together with what they continue."""
    meter = begun(Clock())
    meter.feed(frame(1, 600) + frame(9, 300, 4) + frame(1, 600))
    with pytest.raises(Flood):
        meter.feed(frame(9, 500))


def test_what_does_not_get_on() -> None:
    """A frame, or a block of fields, that has begun and not ended is noticed, however it trickles."""
    clock = Clock()
    meter = begun(clock)
    assert meter.unfinished is None
    meter.feed(frame(0, 10)[:5])
    assert meter.unfinished == 0
    clock.now = 1
    meter.feed(frame(0, 10)[5:12])
    assert meter.unfinished == 0
    meter.feed(frame(0, 10)[12:])
    assert meter.unfinished is None
    meter.feed(frame(1, 10))
    clock.now = 2
    meter.feed(frame(9, 10))
    assert meter.unfinished == 1
    meter.feed(frame(9, 0, 4) + b"\0")
    assert meter.unfinished == 2


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 40)), max_size=30), st.integers(1, 50))
def test_how_the_bytes_are_split_makes_no_difference(frames: list[tuple[int, int]], step: int) -> None:
    """The same frames in other pieces are judged alike."""

    def fed(pieces: list[bytes]) -> tuple[bool, bool]:
        meter = FrameMeter(100, Clock())
        try:
            for piece in pieces:
                meter.feed(piece)
        except Flood:
            return True, False
        return False, meter.unfinished is None

    raw = bytes(PREFACE) + b"".join(frame(kind, size) for kind, size in frames)
    assert fed([raw]) == fed([raw[at : at + step] for at in range(0, len(raw), step)])
