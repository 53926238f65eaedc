"""The keys that vouched for what a credential was obtained with: once such a key is withdrawn, it is refused too.

Each is a scope, `key:<issuer>|<name>`, that goes from token to task to token. It counts while the issuer's document has
the key, as it is read now: so it does after a restart, and whatever has become of the clock. Where an issuer has no
keys, but is asked about each token, its word on that one is in the place of a key. That of a client's own key
is `key:agent:<client>|<name>`: its document is the inventory (proxy.identity.belonging).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proxy.errors import refuse

_KIND = "key:"
_CLIENT = "key:agent:"


class Keys(Protocol):
    """One document of keys."""

    def holds(self, name: str, now: float) -> bool | None:
        """Whether the key of this name is in it; None if it was not read yet, which it will be from now on, or if what
        was read is too old to say.

        Refuses itself, where there is more to say than that.
        """
        ...

    async def current(self, now: float) -> object: ...


type KeysOf = Callable[[str], Iterable[Keys]]


def name_of(public: PublicKeyTypes) -> str:
    """The name of a key, whatever document, certificate or format it comes in."""
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()[:32]


def scope_of_key(issuer: str, name: str) -> tuple[str, ...]:
    """The scope of this key of this issuer; nothing if it was not by a key that it was proven."""
    return (f"{_KIND}{issuer}|{name}",) if name else ()


def scope_of_client_key(client: str, name: str) -> str:
    """The scope of this key of a client's own."""
    return f"{_CLIENT}{client}|{name}"


async def read_unread(scopes: Iterable[str], keys_of: KeysOf, now: float) -> None:
    """Reads what was not read since the start, or not for too long; refuses (503) if it cannot be had."""
    for issuer, name in keys_of_issuers(scopes):
        for keys in keys_of(issuer):
            if keys.holds(name, now) is None:
                await keys.current(now)


def require_unwithdrawn(scopes: Iterable[str], keys_of: KeysOf, now: float) -> None:
    """Refuses unless each key among these scopes is still one of its issuer's. A key of an issuer that is not known
    any more is none."""
    for issuer, name in keys_of_issuers(scopes):
        held = {keys.holds(name, now) for keys in keys_of(issuer)}
        if True in held:
            continue
        if None in held:
            raise refuse(
                "identity_unavailable",
                503,
                "It cannot be said at the moment whether the keys behind this credential still count.",
                "retry",
                internal=f"no keys of {issuer} were read, or not for too long",
            )
        raise refuse(
            "identity_expired",
            403,
            "A key of the issuer that vouched for what this was obtained with has been withdrawn.",
            internal=f"key {name} of {issuer}",
        )


def keys_of_clients(scopes: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each key of a client's own among these scopes: the client, and the key's name."""
    for scope in scopes:
        if scope.startswith(_CLIENT):
            client, _, name = scope.removeprefix(_CLIENT).rpartition("|")
            yield client, name


def keys_of_issuers(scopes: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each key of an issuer's among these scopes: the issuer, and the key's name."""
    for scope in scopes:
        if scope.startswith(_KIND) and not scope.startswith(_CLIENT):
            issuer, _, name = scope.removeprefix(_KIND).rpartition("|")
            yield issuer, name
