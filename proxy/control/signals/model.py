"""Who tells us of events, whom we tell, and what was told. Values without behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass

from policies.model import Json
from proxy.control.signals.subjects import Subject
from proxy.identity.issuers import IssuerSettings


@dataclass(frozen=True, slots=True)
class Transmitter:
    """Whom we hear. It is believed about subjects of its own, and about no others.

    `secret` is a reference: what it shows when it pushes, or what we show when we poll. Where it is to be `discovered`,
    the URL of its profile is that of its configuration. With `knows_scopes` its
    opaque identifiers are scopes of ours. It is silent when nothing came for `heartbeat` seconds.
    """

    profile: IssuerSettings
    poll_url: str | None = None
    secret: str | None = None
    subject_issuers: frozenset[str] = frozenset()
    email_domains: frozenset[str] = frozenset()
    knows_scopes: bool = False
    heartbeat: float | None = None
    discovered: bool = False

    @property
    def issuer(self) -> str:
        return self.profile.issuer

    @property
    def name(self) -> str:
        """As it stands in the record, and beside what it ended."""
        return f"transmitter:{self.issuer}"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Whom we tell. Without `url` it fetches. `secret` is a reference: what we show to it, or it to us."""

    id: str
    audience: str
    url: str | None = None
    secret: str | None = None
    ca_bundle: str | None = None
    by_scope: bool = False
    kinds: frozenset[str] = frozenset()
    heartbeat: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a token. `uri` is its type."""

    uri: str
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a verified token says, and who says it."""

    transmitter: Transmitter
    token_id: str
    issued_at: int
    subject: Subject
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A token that waits for its receiver. It is signed when it goes, so that its key is a current one."""

    receiver: str
    token_id: str
    made_at: float
    claims: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Telling:
    """That a receiver is told of the end of a scope at `at`, by these tokens."""

    receiver: str
    scope: str
    at: float
    tokens: tuple[Outgoing, ...]
