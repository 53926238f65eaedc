"""Ending because somebody else said so."""

import asyncio

import pytest

from proxy.control.signals.ends import Ending
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.revocations import RevocationService
from tests.fakes.stores import MemoryRevocationStore


@pytest.mark.parametrize(
    ("before", "freeze", "kind"),
    [
        (None, True, "freeze"),
        (None, False, "revoke"),
        ("freeze", True, "freeze"),
        ("freeze", False, "revoke"),
        ("revoke", True, "revoke"),
        ("revoke", False, "revoke"),
    ],
)
def test_nothing_is_made_less(before, freeze, kind):
    """A freeze never takes the place of an end, whoever ended it."""

    async def main():
        store = MemoryRevocationStore()
        service = RevocationService(store, RevocationFeed(store))
        if before is not None:
            await service.revoke("agent:a", "operator", "x", 10.0, kind=before)
        await Ending(service.revoke, service.in_force).end("agent:a", "transmitter:t", "y", 20.0, freeze=freeze)
        (row,) = service.in_force()
        assert (row.kind, row.at, row.by) == (kind, 20.0, "transmitter:t")

    asyncio.run(main())
