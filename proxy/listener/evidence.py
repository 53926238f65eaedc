"""Collects what a connection or request presents to say who it is. Nothing is verified here."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from proxy.stages import Entrance, Evidence, LocalPeer

MAX_CREDENTIAL = 8 * 1024

# What a transport is asked for, to learn which certificates were shown in TLS to the proxy itself.
CERTIFICATES = "countersign_certificates"


class _Unreadable(Exception):
    """Why a credential cannot be read; never the credential."""


@dataclass(frozen=True, slots=True)
class SocketEvidence:
    """What the socket proves of who is at its other end, whatever is said over it.

    `certificates` is asked when a request has come: at the time of the connection there is no handshake yet.
    """

    local: LocalPeer | None = None
    certificates: Callable[[], tuple[bytes, ...]] = tuple

    def beside(self, presented: Evidence) -> Evidence:
        """What was presented, and this."""
        return replace(presented, certificates=self.certificates(), local=self.local)


def collect(peer: str, entrance: Entrance, fields: Mapping[str, Sequence[str]]) -> Evidence:
    """Every credential in these fields. One that cannot be read, or comes twice, makes all of it malformed.

    A proxy reads `Proxy-Authorization` only. The gateway is the agent's server, so it reads
    `Authorization` and `X-Api-Key` too.
    """
    names = ("proxy-authorization", "authorization", "x-api-key") if entrance == "gateway" else ("proxy-authorization",)
    credentials: list[tuple[str, str]] = []
    try:
        for name in names:
            values = fields.get(name, ())
            if len(values) > 1:
                raise _Unreadable(f"more than one `{name}` field")
            read = _bearer if name == "x-api-key" else _read
            credentials.extend(read(value, name) for value in values)
    except _Unreadable as reason:
        return Evidence(peer, (), str(reason))
    return Evidence(peer, tuple(credentials))


def _read(value: str, name: str) -> tuple[str, str]:
    if len(value) > MAX_CREDENTIAL:
        raise _Unreadable(f"`{name}` is longer than {MAX_CREDENTIAL} bytes")
    scheme, _, rest = value.partition(" ")
    rest = rest.strip(" ")
    match scheme.lower():
        case "bearer":
            return _bearer(rest, name)
        case "basic":
            return "basic", _password(rest, name)
        case _:
            raise _Unreadable(f"`{name}` uses neither Basic nor Bearer")


def _bearer(token: str, name: str) -> tuple[str, str]:
    if not token or " " in token or "," in token or len(token) > MAX_CREDENTIAL:
        raise _Unreadable(f"`{name}` holds no single token")
    return "bearer", token


def _password(encoded: str, name: str) -> str:
    """RFC 7617: base64 of `user:password`, UTF-8. The user name is a label, and is not looked at."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        raise _Unreadable(f"`{name}` is not base64 of UTF-8 text") from None
    _, colon, password = text.partition(":")
    if not colon or not password or not password.isprintable():
        raise _Unreadable(f"`{name}` holds no password")
    return password
