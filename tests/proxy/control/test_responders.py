"""Who may stop what, and who may bring it back."""

import pytest

from proxy.control.callers import NOTHING_NAMED, Caller
from proxy.control.responders import Levers, may_respond
from proxy.tasks.interfaces import Revocation
from tests.fakes.control_house import NOW, inventory

FACTS = inventory()
SOC = frozenset({"soc"})
OPERATOR = Caller(None, "cli", "local_operator", "uid=0")


def caller(person: str) -> Caller:
    return Caller(FACTS.people[person], "console", "session", "x")


def levers(who: Caller, responders: frozenset[str] = SOC) -> Levers:
    return Levers(who, FACTS, NOTHING_NAMED, responders, NOW)


def row(by: str) -> Revocation:
    return Revocation("agent:support-bot", NOW, by, "x")


def test_a_responder_is_active_and_of_a_named_team() -> None:
    """Nobody by default; the operator always."""
    assert may_respond(OPERATOR, frozenset())
    assert may_respond(caller("carol"), SOC)
    assert not may_respond(caller("carol"), frozenset())
    assert not may_respond(caller("alice"), SOC)
    gone = FACTS.people["carol"].model_copy(update={"active": False})
    assert not may_respond(Caller(gone, "console", "session", "x"), SOC)
    assert not may_respond(Caller(None, "api", "token", "x"), SOC)


@pytest.mark.parametrize(
    ("who", "by", "may"),
    [
        ("alice", "person:alice", True),
        ("alice", "person:eve", True),  # a deputy answers for it as she does
        ("alice", "person:carol", False),  # a responder
        ("alice", "person:bob", False),
        ("alice", "person:dave", False),  # has left
        ("alice", "person:nobody", False),
        ("alice", "operator:uid=0", False),
        ("alice", "countersign", False),
        ("carol", "person:carol", True),
        ("carol", "person:alice", False),
        ("carol", "operator:uid=0", False),
        ("bob", "person:bob", False),  # he ended it when it was his, and it is not any more
        ("frank", "person:alice", False),
    ],
)
def test_what_is_ended_is_lifted_by_whom(who: str, by: str, may: bool) -> None:
    """By who ended it, while they still may end it; by those who answer for it, if one of them ended it."""
    assert levers(caller(who)).lift(row(by)) is may
    assert levers(OPERATOR).lift(row(by))


def test_nothing_is_replaced_to_become_ones_own() -> None:
    """A responder's name may take the place of one who answers for it; nobody's that of the operator or a stranger."""
    carol = levers(caller("carol"))
    assert carol.replace(row("person:alice"))
    for by in ("operator:uid=0", "person:frank", "countersign"):
        assert not carol.replace(row(by))
        assert not levers(caller("alice")).replace(row(by))
    assert not levers(caller("alice")).replace(row("person:carol"))
    assert levers(OPERATOR).replace(row("person:carol"))


def test_a_scope_that_nobody_answers_for_is_the_responders_and_the_operators() -> None:
    """An owner ends neither a service nor everything."""
    for scope in ("global", "service:payments", "team:support", "agent:builder"):
        assert not levers(caller("alice")).end(scope)
        assert levers(caller("carol")).end(scope)
        assert not levers(caller("carol"), frozenset()).end(scope)
