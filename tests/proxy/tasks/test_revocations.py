"""The kill switch."""

import asyncio

import pytest

from proxy.errors import CountersignError, StoreUnavailable
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.interfaces import Revocation
from proxy.tasks.revocations import RevocationService
from tests.fakes.stores import MemoryRevocationStore

SCOPES = ("global", "agent:a")


def parts() -> tuple[MemoryRevocationStore, RevocationFeed, RevocationService]:
    store = MemoryRevocationStore()
    feed = RevocationFeed(store)
    return store, feed, RevocationService(store, feed)


def test_revoking_is_durable_and_at_once() -> None:
    """When it returns, the row is stored and the scope is dead here, without waiting for a poll."""
    store, feed, service = parts()
    revoked = asyncio.run(service.revoke("agent:a", "person:bob", "odd", 100.0))
    assert revoked == Revocation("agent:a", 100.0, "person:bob", "odd")
    assert store.rows == {"agent:a": revoked}
    assert feed.epochs.dead(SCOPES, 100.0) == revoked
    assert feed.epochs.dead(SCOPES, 100.5) is None
    assert service.in_force() == [revoked]


def test_a_failing_store_is_told() -> None:
    """A revocation that could not be made durable raises, so that nobody believes in it."""
    store, feed, service = parts()
    store.failing = True
    with pytest.raises(StoreUnavailable):
        asyncio.run(service.revoke("agent:a", "person:bob", "odd", 100.0))
    assert feed.epochs.dead(SCOPES, 50.0) is None


@pytest.mark.parametrize(("scope", "by"), [("agents:a", "person:bob"), ("agent:a", "")])
def test_a_mistake_revokes_nothing(scope: str, by: str) -> None:
    """A misspelt scope, or nobody asking, is a mistake that is told before anything is written."""
    store, _, service = parts()
    with pytest.raises(CountersignError):
        asyncio.run(service.revoke(scope, by, "odd", 100.0))
    assert store.rows == {}


def test_a_clock_that_went_back_revives_nothing() -> None:
    """A second revocation with an earlier clock does not move the end of the scope back."""
    _, feed, service = parts()
    asyncio.run(service.revoke("agent:a", "person:bob", "odd", 100.0))
    again = asyncio.run(service.revoke("agent:a", "person:bob", "odd", 90.0))
    assert again.at == 100.0
    assert feed.epochs.dead(SCOPES, 95.0) == again


def test_lifting() -> None:
    """A lifted scope lives again, at once; lifting what is not revoked says False."""
    store, feed, service = parts()
    asyncio.run(service.revoke("agent:a", "person:bob", "odd", 100.0))
    assert asyncio.run(service.lift("agent:a")) is True
    assert (feed.epochs.dead(SCOPES, 50.0), store.rows) == (None, {})
    assert asyncio.run(service.lift("agent:a")) is False
    with pytest.raises(CountersignError):
        asyncio.run(service.lift("agents:a"))
