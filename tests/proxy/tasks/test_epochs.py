"""Which revocations end what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tasks.epochs import Epochs
from proxy.tasks.interfaces import Revocation

AT = Revocation("agent:a", 100.0, "person:bob", "why")
MINE = ("global", "agent:a", "task:t")


@pytest.mark.parametrize(
    ("issued_at", "dead"),
    [(99.0, True), (100.0, True), (100.001, False), (float("nan"), True), (float("-inf"), True)],
)
def test_what_was_issued_by_then_is_dead(issued_at: float, dead: bool) -> None:
    """A revocation ends what was issued up to and at its moment; a time that is none counts as ended."""
    assert (Epochs([AT]).dead(MINE, issued_at) is AT) is dead


def test_other_scopes_live() -> None:
    """Only one's own scopes count."""
    epochs = Epochs([AT])
    assert epochs.dead(("global", "agent:b", "agent:a2"), 1.0) is None
    assert Epochs().dead(MINE, 1.0) is None


def test_no_scopes_is_dead() -> None:
    """What nothing could ever end does not live."""
    assert Epochs().dead((), 1e12) is not None


def test_a_frozen_scope_is_dead_too() -> None:
    """Until freezing has its own meaning, it stops everything."""
    frozen = Revocation("global", 100.0, "person:bob", "", "freeze")
    assert Epochs([frozen]).dead(MINE, 50.0) is frozen


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
    assert (epochs.dead(MINE, issued_at) is not None) == any(at >= issued_at for _, at in revoked)
