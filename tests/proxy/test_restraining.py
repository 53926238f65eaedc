"""From an allow to a hold: who must sign, what stays as it was, and what nobody could sign."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model import Clause, Outcome
from proxy.errors import Refused
from proxy.restraining import restrained
from proxy.stages import Decided, Restraint
from tests.fakes.held_calls import NOW, OWNER_SIGNS, decided

TODAY = datetime.fromtimestamp(NOW, UTC).date()
FROZEN = Restraint("agent_frozen", "frozen: agent:refunds by operator:uid=0: odd", NOW - 10)
OVERDUE = Restraint("review_overdue", "the review by the owner is overdue")
OWNER_FROZEN = Restraint("owner_frozen", "frozen: owner:olga by operator:uid=0: odd", NOW - 10, "olga")
FAR = ["global_frozen", "service_frozen", "credential_frozen"]


def allowed(**changes: object) -> Decided:
    """A refund that policy allows."""
    return decided(outcome=Outcome.ALLOW, requirement=None, **changes)  # type: ignore[arg-type]  # as many as given


def lifecycle(decision: Decided) -> Decided:
    call = replace(decision.described.call, lifecycle=True, tool=None)
    return replace(decision, described=replace(decision.described, call=call))


def with_agent(decision: Decided, **facts: object) -> Decided:
    attributed = decision.described.attributed
    agent = attributed.identity.agent.model_copy(update=facts)
    identity = replace(attributed.identity, agent=agent)
    return replace(decision, described=replace(decision.described, attributed=replace(attributed, identity=identity)))


def alone(**changes: object) -> Decided:
    """The same of an agent without a technical owner; Dan is its deputy."""
    return with_agent(allowed(**changes), technical_owner=None)


def roles(decision: Decided) -> list[tuple[str, ...]]:
    assert decision.decision.requirement is not None
    return [clause.roles for clause in decision.decision.requirement.clauses]


def test_without_restraints_nothing_changes() -> None:
    """The decision of the policies is the decision."""
    one = allowed()
    assert restrained(one, (), TODAY) is one


def test_an_allow_becomes_a_hold_for_the_owner() -> None:
    """With what restrains it as the reason, in the requirement that people read and in the record."""
    held = restrained(allowed(), (FROZEN, OVERDUE), TODAY)
    assert held.decision.outcome is Outcome.HOLD
    assert held.restraints == (FROZEN, OVERDUE)
    assert roles(held) == [("owner",)]
    assert held.decision.requirement is not None
    assert held.decision.requirement.reasons == (FROZEN.text, OVERDUE.text)
    assert held.decision.requirement.rules == ("agent_frozen", "review_overdue")
    assert [reason.code for reason in held.decision.reasons] == ["agent_frozen", "review_overdue"]


def test_a_hold_needs_the_owner_as_well() -> None:
    """What policy asks for stays asked for."""
    held = restrained(decided(), (FROZEN,), TODAY)
    assert held.decision.requirement is not None
    assert held.decision.requirement.clauses == (*OWNER_SIGNS.clauses, Clause(("owner",)))
    assert held.decision.requirement.rollback == OWNER_SIGNS.rollback


@given(st.sampled_from(Outcome), st.lists(st.sampled_from([FROZEN, OVERDUE]), min_size=1), st.booleans())
def test_a_restraint_never_loosens(outcome: Outcome, restraints: list[Restraint], house_keeping: bool) -> None:
    """A denial stays a denial, and nothing but housekeeping is simply allowed."""
    before = decided(outcome=outcome, requirement=OWNER_SIGNS if outcome is Outcome.HOLD else None)
    after = restrained(lifecycle(before) if house_keeping else before, tuple(restraints), TODAY)
    if outcome is Outcome.DENY:
        assert after.decision.outcome is Outcome.DENY
    elif not house_keeping:
        assert after.decision.outcome is Outcome.HOLD


def test_housekeeping_is_as_policy_says_while_the_agent_is_frozen() -> None:
    """An agent that cannot open a session could not even ask."""
    passed = restrained(lifecycle(allowed()), (FROZEN, OVERDUE), TODAY)
    assert (passed.decision.outcome, passed.restraints) == (Outcome.ALLOW, (FROZEN, OVERDUE))


@pytest.mark.parametrize("reason", FAR)
def test_housekeeping_is_refused_where_the_service_or_everything_is_frozen(reason: str) -> None:
    """Nothing is to reach it but what a person let through, and nobody is asked about pings."""
    with pytest.raises(Refused) as caught:
        restrained(lifecycle(allowed()), (FROZEN, Restraint(reason, "frozen: x")), TODAY)
    assert (caught.value.refusal.reason, caught.value.refusal.next_action) == (reason, "wait")


def test_a_frozen_owner_does_not_sign() -> None:
    """Those who stand in for them do: the technical owner, and deputies within their dates."""
    assert roles(restrained(allowed(), (OWNER_FROZEN,), TODAY)) == [("person:nora", "person:dan")]
    assert roles(restrained(alone(), (OWNER_FROZEN,), TODAY)) == [("person:dan",)]


@pytest.mark.parametrize(
    ("root", "restraints"),
    [
        (None, (OWNER_FROZEN, Restraint("principal_frozen", "frozen: principal:dan", NOW, "dan"))),
        ("dan", (OWNER_FROZEN,)),
    ],
)
def test_what_nobody_can_sign_is_refused(root: str | None, restraints: tuple[Restraint, ...]) -> None:
    """Whoever could is frozen too, or is whom the agent acts for: refused at once, and said so."""
    with pytest.raises(Refused) as caught:
        restrained(alone(root=root), restraints, TODAY)
    assert caught.value.refusal.reason == "approval_impossible"
    assert "frozen" in caught.value.refusal.detail


def test_nobody_signs_for_what_they_asked_for_themselves() -> None:
    """Where the agent acts for its own owner, the freeze is for somebody else to answer."""
    assert roles(restrained(alone(root="olga"), (FROZEN,), TODAY)) == [("person:dan",)]


def test_a_deputy_out_of_their_dates_does_not_sign() -> None:
    """Only who stands in today."""
    with pytest.raises(Refused, match="approval_impossible"):
        restrained(alone(), (OWNER_FROZEN,), date(2099, 1, 1))


def test_who_is_accountable_in_place_of_the_owner_signs() -> None:
    """Where somebody else answers for the agent today, the role of the owner is theirs."""
    assert roles(restrained(with_agent(allowed(), owner="gone"), (FROZEN,), TODAY)) == [("owner",)]
