"""Which revocations end what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tasks.epochs import FIRST, Epochs, place_of
from proxy.tasks.interfaces import KINDS, Revocation, RevocationKind

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
    assert (both.of("global", "freeze"), both.of("global", "revoke"), both.ended) == (frozen, None, {AT.scope: AT})
    assert (Epochs([frozen]).dead(MINE, 50.0), both.dead(MINE, 50.0)) == (None, AT)
    assert (both.frozen(MINE), both.frozen(("agent:a",)), Epochs().frozen(MINE)) == ((frozen,), (), ())


@pytest.mark.parametrize("freeze_first", [False, True])
def test_who_signs_in_again_is_still_frozen(freeze_first: bool) -> None:
    """An end and a freeze of one scope stand beside each other, in whatever order they came."""
    frozen = Revocation("principal:alice", 50.0 if freeze_first else 200.0, "person:bob", "", "freeze")
    epochs = Epochs()
    for row in (frozen, SIGNED_OUT) if freeze_first else (SIGNED_OUT, frozen):
        epochs = epochs.with_revocation(row)
    assert (epochs.dead(MINE, 99.0), epochs.dead(MINE, 300.0)) == (SIGNED_OUT, None)
    assert epochs.frozen(MINE) == (frozen,)
    thawed, lives = epochs.without("principal:alice", ["freeze"]), epochs.without("principal:alice", ["revoke"])
    assert (thawed.dead(MINE, 99.0), thawed.frozen(MINE)) == (SIGNED_OUT, ())
    assert (lives.dead(MINE, 99.0), lives.frozen(MINE)) == (None, (frozen,))
    assert epochs.without("principal:alice").rows == ()


def test_the_last_end_of_a_scope_counts() -> None:
    """In whatever order two of them come; of two at one moment, the one that came last."""
    later = Revocation("principal:alice", 200.0, "person:eve", "again")
    same = Revocation("principal:alice", 100.0, "person:eve", "at once")
    assert Epochs([SIGNED_OUT]).with_revocation(later).rows == (later,)
    assert Epochs([later]).with_revocation(SIGNED_OUT).rows == (later,)
    assert Epochs([SIGNED_OUT]).with_revocation(same).rows == (same,)
    assert Epochs([later]).dead(MINE, 150.0) is later


def test_lifting_one_scope_lifts_no_other() -> None:
    """Neither an end nor a freeze of anything else."""
    frozen = Revocation("agent:a", 100.0, "person:bob", "", "freeze")
    epochs = Epochs([AT, SIGNED_OUT, frozen])
    assert set(epochs.without("principal:alice").rows) == {AT, frozen}
    assert epochs.without("agent:b").rows == epochs.rows


def test_a_snapshot_never_changes() -> None:
    """Adding and lifting give new snapshots; the old one stays as it was."""
    empty = Epochs()
    revoked = empty.with_revocation(AT)
    lifted = revoked.without("agent:a")
    assert (empty.dead(MINE, 1.0), revoked.dead(MINE, 1.0), lifted.dead(MINE, 1.0)) == (None, AT, None)
    with pytest.raises(TypeError):
        revoked.ended["global"] = AT  # type: ignore[index]  # that it is read-only is what is shown


@given(
    st.lists(st.tuples(st.sampled_from(MINE), st.floats(0, 200), st.sampled_from(KINDS)), max_size=8), st.floats(0, 200)
)
def test_more_revocations_never_revive_or_thaw(came: list[tuple[str, float, RevocationKind]], issued_at: float) -> None:
    """Whatever ends and freezes come in whatever order, none of them undoes another."""
    epochs = Epochs()
    for scope, at, kind in came:
        before = epochs.dead(MINE, issued_at), {row.scope for row in epochs.frozen(MINE)}
        epochs = epochs.with_revocation(Revocation(scope, at, "x", "", kind))
        assert before[0] is None or epochs.dead(MINE, issued_at) is not None
        assert before[1] <= {row.scope for row in epochs.frozen(MINE)}
    ends = [(scope, at) for scope, at, kind in came if kind == "revoke"]
    assert (epochs.dead(MINE, issued_at) is not None) == any(
        at >= issued_at or scope not in ENDED_SINCE for scope, at in ends
    )
    assert {row.scope for row in epochs.frozen(MINE)} == {scope for scope, _, kind in came if kind == "freeze"}
    assert len(epochs.rows) == len({(scope, kind) for scope, _, kind in came})
    shuffled = Epochs()
    for scope, at, kind in reversed(came):
        shuffled = shuffled.with_revocation(Revocation(scope, at, "x", "", kind))
    assert set(shuffled.rows) == set(epochs.rows)


def test_what_is_new_is_told_from_what_was_known() -> None:
    """New scopes, later ends and other reasons; ends first. Of itself nothing is new, nor of an equal one."""
    frozen = Revocation("agent:a", 90.0, "person:bob", "look", "freeze")
    before = Epochs([AT, SIGNED_OUT])
    later = Revocation(AT.scope, 101.0, AT.by, AT.reason)
    assert before.since(Epochs()) == [AT, SIGNED_OUT]
    assert Epochs([frozen, later, SIGNED_OUT]).since(before) == [later, frozen]
    assert before.with_all([frozen]).since(before) == [frozen]
    assert before.without("agent:a").since(before) == []
    assert before.since(before) == Epochs([AT, SIGNED_OUT]).since(before) == []


def test_of_two_of_one_kind_the_later_one_counts() -> None:
    """In whichever order they come; what takes no other's place makes no other snapshot."""
    later = Revocation(AT.scope, 101.0, "person:carol", "again")
    for rows in ([AT, later], [later, AT]):
        assert Epochs(rows).rows == Epochs().with_all(rows).rows == (later,)
    now = Epochs([later])
    assert now.with_all([AT]) is now
    assert now.standing(AT.scope) == now.standing(AT.scope, ["revoke"]) == (later,)
    assert (now.standing(AT.scope, ["freeze"]), now.standing("agent:b")) == ((), ())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([1.0, 2.0]), st.sampled_from(KINDS))))
def test_all_of_it_can_be_read_in_pieces(made: list[tuple[str, float, RevocationKind]]) -> None:
    """The latest first, each once, from behind any of them."""
    epochs = Epochs(Revocation(f"agent:{name}", at, "x", "", kind) for name, at, kind in made)
    rows = list(epochs.latest_first)
    assert sorted(rows, key=lambda row: -row.at) == rows
    assert list(epochs.after(FIRST)) == rows
    for index, row in enumerate(rows):
        assert list(epochs.after(place_of(row))) == rows[index + 1 :]
