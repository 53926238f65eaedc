"""Who may see an agent, and end what."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from proxy.control.callers import Caller, Named, answers_for, may_end, may_see_agent, seen_agents, signer, speaks_for
from proxy.control.kill_switch import KINDS
from proxy.control.responders import OWNERS_KINDS
from proxy.errors import Declined
from proxy.facts import Deputy, Instances, Process
from tests.fakes.control_house import FAR, NOW, inventory

FACTS = inventory()
SOC = frozenset({"soc"})
OPERATOR = Caller(None, "cli", "local_operator", "uid=0")


def caller(person: str) -> Caller:
    return Caller(FACTS.people[person], "api", "token", "pcr_1")


NAMED = Named(
    handles={"hnd_a": "support-bot", "hnd_b": "builder"},
    tasks={"task_a": frozenset({"support-bot", "builder"}), "task_b": frozenset({"builder"}), "task_c": frozenset()},
)


@pytest.mark.parametrize(
    ("who", "agent", "sees"),
    [
        ("alice", "support-bot", True),  # the owner
        ("eve", "support-bot", True),  # a deputy within the dates
        ("carol", "support-bot", True),  # an auditor
        ("carol", "gone", True),
        ("bob", "support-bot", False),
        ("frank", "support-bot", False),
        ("dave", "support-bot", False),  # has left
        ("alice", "builder", False),
        ("alice", "stray", False),  # nobody's
        ("alice", "gone", False),
        ("alice", "", False),
    ],
)
def test_who_sees_an_agent(who: str, agent: str, sees: bool) -> None:
    """Those who answer for it, auditors, and the operator; nobody else."""
    assert may_see_agent(caller(who), agent, FACTS, SOC, NOW) is sees
    assert may_see_agent(OPERATOR, agent, FACTS, SOC, NOW)


def test_without_auditors_named_nobody_is_one() -> None:
    """An empty set of audit teams makes no auditor, also not of someone without teams."""
    assert not may_see_agent(caller("carol"), "support-bot", FACTS, frozenset(), NOW)
    assert not may_see_agent(caller("frank"), "support-bot", FACTS, frozenset(), NOW)


def test_an_auditor_who_has_left_sees_nothing() -> None:
    """Team membership does not outlive the person's being active."""
    gone = FACTS.people["carol"].model_copy(update={"active": False})
    assert not may_see_agent(Caller(gone, "api", "token", "x"), "support-bot", FACTS, SOC, NOW)


def test_a_caller_without_person_is_the_operator_only_by_the_local_socket() -> None:
    """A caller with no person and no local assurance sees and ends nothing."""
    nobody = Caller(None, "api", "token", "x")
    assert not nobody.is_operator
    assert not may_see_agent(nobody, "support-bot", FACTS, SOC, NOW)
    assert not may_end(nobody, "agent:support-bot", FACTS, NAMED, NOW)


def test_whom_the_operator_names_is_no_operator() -> None:
    """A person sees and ends what is theirs, by whatever socket they come."""
    frank = replace(caller("frank"), assurance="local_operator")
    assert not frank.is_operator
    assert not may_see_agent(frank, "support-bot", FACTS, SOC, NOW)
    assert not may_end(frank, "agent:support-bot", FACTS, NAMED, NOW)


def test_a_technical_owner_answers_as_the_owner_does() -> None:
    """Nobody does who has left, whatever they are to it."""
    agent = FACTS.agents["support-bot"].model_copy(update={"owner": "alice", "technical_owner": "frank"})
    for name in ("alice", "frank"):
        person = FACTS.people[name]
        assert answers_for(person, agent, NOW)
        assert not answers_for(person.model_copy(update={"active": False}), agent, NOW)
    assert not answers_for(FACTS.people["bob"], agent, NOW)


@pytest.mark.parametrize(("start", "end", "counts"), [(0, 0, True), (-1, 1, True), (1, 2, False), (-2, -1, False)])
def test_a_deputy_counts_only_within_the_dates(start: int, end: int, counts: bool) -> None:
    """Both days included; neither the day before the first nor the day after the last."""
    today = datetime.fromtimestamp(NOW, UTC).date()
    deputy = Deputy(person="eve", start=today + timedelta(start), end=today + timedelta(end))
    agent = FACTS.agents["support-bot"].model_copy(update={"deputies": (deputy,)})
    assert answers_for(FACTS.people["eve"], agent, NOW) is counts


@pytest.mark.parametrize(
    ("who", "start", "end", "speaks"),
    [
        ("bob", FAR, FAR, True),  # the owner
        ("eve", date(2020, 1, 1), FAR, True),
        ("eve", date(2020, 1, 1), date(2020, 1, 2), False),
        ("alice", date(2020, 1, 1), FAR, False),
        ("dave", date(2020, 1, 1), FAR, False),  # has left
    ],
)
def test_who_speaks_for_a_process(who: str, start: date, end: date, speaks: bool) -> None:
    """Its owner, and deputies within their dates; they end it too, and nobody else does."""
    deputies = tuple(Deputy(person=name, start=start, end=end) for name in ("eve", "dave"))
    process = Process(id="night", owner="bob", purpose="p", trigger="queue", reference="q", agents=(), expires=FAR,
                      review_due=FAR, deputies=deputies)  # fmt: skip
    assert speaks_for(FACTS.people[who], process, NOW) is speaks
    facts = FACTS.model_copy(update={"processes": {"night": process}})
    assert may_end(caller(who), "process:night", facts, NAMED, NOW) is speaks


@pytest.mark.parametrize(
    ("who", "scope", "may"),
    [
        ("alice", "agent:support-bot", True),
        ("eve", "agent:support-bot", True),
        ("alice", "instance:support-bot/pod-7", True),
        ("alice", "instance:builder/pod-7", False),
        ("alice", "handle:hnd_a", True),
        ("bob", "task:task_b", True),
        ("alice", "task:task_a", False),  # also another owner's agent works in it
        ("alice", "agent:builder", False),
        ("alice", "handle:hnd_b", False),
        ("alice", "handle:unknown", False),
        ("alice", "task:", False),
        ("alice", "task:task_c", False),  # of nobody
        ("alice", "global", False),
        ("alice", "owner:alice", False),
        ("alice", "team:support", False),
        ("bob", "service:payments", False),
        ("carol", "agent:support-bot", False),  # an auditor reads, and ends nothing
        ("dave", "agent:support-bot", False),
    ],
)
def test_who_ends_what(who: str, scope: str, may: bool) -> None:
    """An owner: their agents, and tasks and handles of those alone. The operator: anything."""
    assert may_end(caller(who), scope, FACTS, NAMED, NOW) is may
    assert may_end(OPERATOR, scope, FACTS, NAMED, NOW)


@pytest.mark.parametrize(
    ("who", "scope", "may"),
    [
        ("bob", "instance:support-bot/blue", True),
        ("alice", "instance:support-bot/blue", True),  # the agent, and so all of its copies, is theirs
        ("bob", "instance:support-bot/green", False),
        ("bob", "instance:support-bot/", False),
        ("bob", "instance:gone/blue", False),
        ("bob", "agent:support-bot", False),
        ("dave", "instance:support-bot/red", False),  # has left
    ],
)
def test_the_owner_of_one_copy_ends_that_copy_alone(who: str, scope: str, may: bool) -> None:
    """Whoever is accountable for a running copy can end it, and nothing else of that agent."""
    copies = Instances(issuer="https://id.example", subject="{instance}", owners={"blue": "bob", "red": "dave"})
    agent = FACTS.agents["support-bot"].model_copy(update={"instances": (copies,)})
    facts = FACTS.model_copy(update={"agents": {"support-bot": agent}})
    assert may_end(caller(who), scope, facts, NAMED, NOW) is may


@pytest.mark.parametrize(
    ("who", "allowed", "code"),
    [
        (caller("alice"), False, ""),
        (caller("alice"), True, ""),
        (replace(caller("alice"), assurance="local_operator"), True, ""),
        (replace(caller("alice"), assurance="local_operator"), False, "operator_may_not_sign"),
        (OPERATOR, True, "person_required"),
        (OPERATOR, False, "person_required"),
    ],
)
def test_a_person_signs_for_themselves(who: Caller, *, allowed: bool, code: str) -> None:
    """The operator in their name only where the settings say so, and in nobody's name never."""
    if not code:
        assert signer(who, operator_may_sign=allowed).id == "alice"
        return
    with pytest.raises(Declined) as caught:
        signer(who, operator_may_sign=allowed)
    assert (caught.value.status, caught.value.code) == (403, code)


def test_callers_are_named_for_the_record() -> None:
    """A person by id, the operator by local user."""
    assert caller("alice").name == "person:alice"
    assert OPERATOR.name == "operator:uid=0"


@pytest.mark.parametrize(
    ("who", "asked", "seen"),
    [
        ("alice", None, ["support-bot"]),
        ("alice", "support-bot", ["support-bot"]),
        ("alice", "builder", []),
        ("alice", "gone", []),
        ("frank", None, []),
        ("dave", None, []),
        ("carol", None, None),
        ("carol", "gone", ["gone"]),
    ],
)
def test_of_which_agents_a_list_may_tell(who: str, asked: str | None, seen: list[str] | None) -> None:
    """An owner: of theirs; an auditor and the operator: of all, also those that are gone."""
    assert seen_agents(caller(who), asked, FACTS, SOC, NOW) == seen
    assert seen_agents(OPERATOR, None, FACTS, SOC, NOW) is None


@pytest.mark.parametrize("kind", sorted({*KINDS} - {*OWNERS_KINDS}))
def test_nobody_answers_for_another_kind_of_scope(kind: str) -> None:
    """Which is why lists leave them out for owners without a look at each."""
    for who in FACTS.people:
        for name in ("alice", "support-bot", "payments"):
            assert not may_end(caller(who), f"{kind}:{name}", FACTS, NAMED, NOW)
