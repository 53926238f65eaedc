"""A key that vouched for what something was obtained with: it counts while its issuer has it, and no longer."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from proxy.errors import Refused
from proxy.identity.lineage import (
    Keys,
    keys_of_clients,
    name_of,
    read_unread,
    require_unwithdrawn,
    scope_of_client_key,
    scope_of_key,
)
from proxy.tasks.scopes import checked_scope
from tests.fakes.issuer import ISSUER, NOW, private_key

NAME = name_of(private_key("ES256").public_key())
SCOPES = ("global", *scope_of_key(ISSUER, NAME))


@dataclass
class Document:
    """Keys of these names; None: not read yet, and `there` then."""

    names: frozenset[str] | None
    there: frozenset[str] = frozenset()
    read: list[float] = field(default_factory=list)

    def holds(self, name: str, now: float) -> bool | None:
        return None if self.names is None else name in self.names

    async def current(self, now: float) -> object:
        self.read.append(now)
        self.names = self.there
        return self


def of(*documents: Document, issuer: str = ISSUER) -> dict[str, tuple[Document, ...]]:
    return {issuer: documents}


HELD, GONE, UNREAD = Document(frozenset({NAME})), Document(frozenset({"another"})), Document(None)


@pytest.mark.parametrize(
    ("documents", "reason"),
    [
        (of(HELD), None),
        (of(GONE, HELD), None),
        (of(GONE), "identity_expired"),
        (of(Document(frozenset())), "identity_expired"),
        (of(UNREAD), "identity_unavailable"),
        (of(GONE, UNREAD), "identity_unavailable"),
        (of(HELD, issuer="https://other.example"), "identity_expired"),
        ({}, "identity_expired"),
    ],
)
def test_a_key_counts_while_its_issuer_has_it(documents: dict[str, tuple[Document, ...]], reason: str | None) -> None:
    """Withdrawn, of an issuer that is not configured any more, or not known yet: refused, and each in its own words."""

    def keys_of(issuer: str) -> Iterable[Keys]:
        return documents.get(issuer, ())

    if reason is None:
        require_unwithdrawn(SCOPES, keys_of, NOW)
        return
    with pytest.raises(Refused) as caught:
        require_unwithdrawn(SCOPES, keys_of, NOW)
    assert caught.value.refusal.reason == reason


def test_what_hangs_on_no_key_asks_for_none() -> None:
    """A handle, a user of this machine, a signed assertion."""
    assert scope_of_key(ISSUER, "") == ()
    require_unwithdrawn(("global", "token:x|y", "agent:bot"), lambda _: (), NOW)


def test_what_was_not_read_since_the_start_is_read() -> None:
    """So that a restart neither forgets what was withdrawn, nor ends what was not."""
    unread = Document(None, frozenset({NAME}))
    asyncio.run(read_unread(SCOPES, lambda _: (unread, HELD), NOW))
    assert (unread.read, HELD.read) == ([NOW], [])
    require_unwithdrawn(SCOPES, lambda _: (unread,), NOW)


def test_a_key_has_one_name_and_a_scope_that_can_be_ended() -> None:
    """Whatever it is called in a document; another key has another."""
    assert NAME == name_of(private_key("ES256").public_key()) != name_of(private_key("RS256").public_key())
    assert [checked_scope(one) for one in scope_of_key(ISSUER, NAME)] == [f"key:{ISSUER}|{NAME}"]


def test_a_client_s_own_key_is_none_of_an_issuer() -> None:
    """No document of an issuer has it, so that it is never looked for there; it can be ended by its scope too."""
    own = scope_of_client_key("support-bot", NAME)
    assert checked_scope(own) == f"key:agent:support-bot|{NAME}"
    assert list(keys_of_clients((*SCOPES, own, "agent:bot", "principal:a|b"))) == [("support-bot", NAME)]
    require_unwithdrawn((own,), lambda _: (), NOW)
    asyncio.run(read_unread((own,), lambda _: pytest.fail("asked"), NOW))
