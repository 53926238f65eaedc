"""What a person is told of tunnels that were refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.shim.telling import Teller


def told(*answers: tuple[str, bytes]) -> list[str]:
    """What is said of these answers to a CONNECT to a.test:443."""
    said: list[str] = []
    teller = Teller(said.append)
    for status, body in answers:
        teller.answered("a.test:443", status, body)
    return said


def test_each_reason_is_said_once() -> None:
    """With its words; a program that tries for ever fills no screen."""
    one, other = b'{"reason": "stale", "detail": "Wait."}', b'{"reason": "agent_unknown", "detail": "Stop."}'
    assert told(("503", one), ("503", one), ("403", other), ("503", one)) == [
        "a.test:443 was refused: Wait. (stale)",
        "a.test:443 was refused: Stop. (agent_unknown)",
    ]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b'{"reason": "x"}', b"[" * 100_000, b"\xff"])
def test_an_answer_without_a_reason_is_said_as_such(body: bytes) -> None:
    """Whatever it is instead."""
    assert told(("500", body)) == ["a.test:443 was refused: Countersign gave no reason. (status 500)"]


def test_only_so_much_is_said() -> None:
    """Whatever invents reasons."""
    assert len(told(*(("403", b'{"reason": "r%d", "detail": "d"}' % n) for n in range(100)))) == 32


@given(reason=st.text(), detail=st.text(), target=st.text())
def test_what_is_said_is_one_line_that_moves_no_cursor(reason: str, detail: str, target: str) -> None:
    """It may have been written by anybody."""
    said: list[str] = []
    Teller(said.append).refused(target, reason * 50, detail * 50)
    assert said[0].isprintable()
    assert len(said[0]) < 1000
