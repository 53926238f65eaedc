"""Each token once."""

import pytest

from proxy.downstream.profile import Rejected
from proxy.downstream.replays import InMemory


def reason(store: InMemory, token: str, until: float, now: float) -> str:
    with pytest.raises(Rejected) as rejected:
        store.use(token, until, now)
    return rejected.value.reason


def test_the_second_use_is_refused():
    """Another id passes; the same one does not, until its token has expired anyway."""
    store = InMemory()
    store.use("a", 60.0, 0.0)
    store.use("b", 60.0, 0.0)
    assert reason(store, "a", 60.0, 30.0) == "token_replayed"
    assert reason(store, "a", 60.0, 60.0) == "token_replayed"


def test_a_full_store_refuses_and_forgets_only_what_has_expired():
    """What is still valid is never forgotten to make room."""
    store = InMemory(most=2)
    store.use("a", 10.0, 0.0)
    store.use("b", 20.0, 0.0)
    assert reason(store, "c", 30.0, 5.0) == "replay_store_full"
    assert reason(store, "a", 10.0, 5.0) == "token_replayed"
    store.use("c", 30.0, 11.0)
    assert reason(store, "b", 20.0, 11.0) == "token_replayed"


def test_memory_is_bounded():
    """Ids leave with their tokens."""
    store = InMemory(most=10)
    for number in range(1000):
        store.use(str(number), number + 5.0, float(number))
    assert len(store._used) <= 7
