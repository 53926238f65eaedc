"""Which revocations end what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tasks.epochs import Epochs
from proxy.tasks.interfaces import Revocation

AT = Revocation("agent:a", 100.0, "person:bob", "why")
SIGNED_OUT = Revocation("principal:alice", 100.0, "person:bob", "why")
MINE = ("global", "agent:a", "principal:alice", "task:t")
ENDED_SINCE = ("principal:alice",)


@pytest.mark.parametrize(
    ("issued_at", "dead"),
    [(99.0, True), (100.0, True), (100.001, False), (float("nan"), True), (float("-inf"), True)],
)
def test_what_was_issued_by_then_is_dead(issued_at: float, dead: bool) -> None:
    """Of a person, what was issued up to and at that moment is ended; a time that is none counts as ended."""
    assert (Epochs([SIGNED_OUT]).dead(MINE, issued_at) is SIGNED_OUT) is dead


@pytest.mark.parametrize("issued_at", [99.0, 100.0, 1e12])
@pytest.mark.parametrize("scope", ["agent:a", "handle:h", "token:t", "task:t", "global"])
def test_what_is_no_person_is_dead_until_it_is_lifted(scope: str, issued_at: float) -> None:
    """An agent that fetches itself a fresh credential does not bring itself back, nor does a clock that is set back."""
    ended = Revocation(scope, 100.0, "person:bob", "why")
    assert Epochs([ended]).dead((scope,), issued_at) is ended


@pytest.mark.parametrize("scope", ["token:https://idp|1", "handle:hnd_1"])
def test_what_came_of_a_credential_is_dead_however_young_it_is(scope: str) -> None:
    """One credential is issued once: what is younger was obtained with it, perhaps before word of its end came."""
    gone = Revocation(scope, 100.0, "person:bob", "why")
    assert Epochs([gone]).dead(("global", scope), 1e12) is gone


def test_other_scopes_live() -> None:
    """Only one's own scopes count."""
    epochs = Epochs([AT])
    assert epochs.dead(("global", "agent:b", "agent:a2"), 1.0) is None
    assert Epochs().dead(MINE, 1.0) is None


def test_no_scopes_is_dead() -> None:
    """What nothing could ever end does not live."""
    assert Epochs().dead((), 1e12) is not None


def test_a_frozen_scope_is_not_dead() -> None:
    """It is frozen, whatever was issued when; and only where the scope is one's own."""
    frozen = Revocation("global", 100.0, "person:bob", "", "freeze")
    both = Epochs([frozen, AT])
    assert (Epochs([frozen]).dead(MINE, 50.0), both.dead(MINE, 50.0)) == (None, AT)
    assert (both.frozen(MINE), both.frozen(("agent:a",)), Epochs().frozen(MINE)) == ((frozen,), (), ())


def test_no_end_becomes_a_freeze() -> None:
    """A freeze that comes after the end of the same scope loosens nothing; the other way round it is tightened."""
    frozen = Revocation("agent:a", 200.0, "person:bob", "", "freeze")
    ended = Epochs([AT]).with_revocation(frozen)
    assert (ended.dead(MINE, 1.0), ended.frozen(MINE)) == (AT, ())
    tightened = Epochs([frozen]).with_revocation(AT)
    assert (tightened.dead(MINE, 1.0), tightened.frozen(MINE)) == (AT, ())


def test_a_snapshot_never_changes() -> None:
    """Adding and lifting give new snapshots; the old one stays as it was."""
    empty = Epochs()
    revoked = empty.with_revocation(AT)
    lifted = revoked.without("agent:a")
    assert (empty.dead(MINE, 1.0), revoked.dead(MINE, 1.0), lifted.dead(MINE, 1.0)) == (None, AT, None)
    with pytest.raises(TypeError):
        revoked.by_scope["global"] = AT  # type: ignore[index]  # that it is read-only is what is shown


@given(st.lists(st.tuples(st.sampled_from(MINE), st.floats(0, 200)), max_size=8), st.floats(0, 200))
def test_revoking_never_revives(revoked: list[tuple[str, float]], issued_at: float) -> None:
    """Whatever order revocations come in, the latest of a scope counts, and more of them never revive anything."""
    epochs = Epochs()
    for scope, at in revoked:
        before = epochs.dead(MINE, issued_at)
        epochs = epochs.with_revocation(Revocation(scope, at, "x", ""))
        assert before is None or epochs.dead(MINE, issued_at) is not None
    expected = any(at >= issued_at or scope not in ENDED_SINCE for scope, at in revoked)
    assert (epochs.dead(MINE, issued_at) is not None) == expected
