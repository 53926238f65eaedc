"""A control process that hears an identity provider and tells receivers: real store, real keys, real routes."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from proxy.control.api import create_api
from proxy.control.signals.endpoints import SignalDeps, signal_routes
from proxy.control.signals.hearing import Hearing
from proxy.control.signals.model import Transmitter
from proxy.control.signals.set_keys import open_set_signer
from proxy.control.signals.sets import SetReader
from proxy.control.signals.silence import Silence
from proxy.control.signals.words import CAEP
from proxy.credentials.references import References
from proxy.downstream.signer import Signer
from proxy.facts import Subject
from proxy.identity.issuers import IssuerSettings
from tests.fakes.control_house import House
from tests.fakes.issuer import ISSUER, NOW, jwk, key_set, sign

OURS = "https://gov.example"
SECRET = "idp-shows-this-0815"
FRANK = "frank@idp"
BOT = "bot@idp"
REVOKED = f"{CAEP}session-revoked"


def set_claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token at NOW about Frank, changed as told; None leaves a claim out."""
    good = {
        "iss": ISSUER,
        "jti": "set-1",
        "iat": int(NOW) - 5,
        "aud": OURS,
        "sub_id": {"format": "iss_sub", "iss": ISSUER, "sub": FRANK},
        "events": {REVOKED: {"event_timestamp": int(NOW) - 6, "reason_admin": {"en": "left the company"}}},
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def set_header(**changes: Any) -> dict[str, Any]:
    """The header of a good token, changed as told; None leaves a member out."""
    good = {"alg": "RS256", "typ": "secevent+jwt", "kid": "k1"}
    return {name: value for name, value in (good | changes).items() if value is not None}


def set_token(head: Any = None, *, kind: str = "RS256", name: str = "k1", **changes: Any) -> str:
    """A token of the identity provider, signed by its real key."""
    return sign(set_claims(**changes), set_header() if head is None else head, kind=kind, name=name)


@cache
def _event_keys() -> bytes:
    """Made once for the whole run: RSA keys take their time."""
    with tempfile.TemporaryDirectory() as folder:
        open_set_signer(Path(folder) / "keys", 0)
        return (Path(folder) / "keys").read_bytes()


def set_signer(folder: Path) -> Signer:
    """A signer of events with real keys."""
    path = folder / "signals.keys"
    path.touch(mode=0o600)
    path.write_bytes(_event_keys())
    return open_set_signer(path, 0)


def transmitter(folder: Path, **changes: Any) -> Transmitter:
    """The identity provider, with its keys in a file."""
    keys = folder / "idp.jwks.json"
    keys.write_bytes(key_set(jwk("RS256")))
    profile = IssuerSettings(ISSUER, OURS, ("RS256",), typ="secevent+jwt", jwks_file=keys)
    return Transmitter(**({"profile": profile, "email_domains": frozenset({"corp.example"})} | changes))


class SignalHouse(House):
    """The provider knows Frank, whose address is frank@corp.example, and the support bot."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        super().__init__(folder)
        self.now = NOW
        people, agents = dict(self.facts.people), dict(self.facts.agents)
        frank = {"identities": (Subject(issuer=ISSUER, subject=FRANK),), "email": "Frank@corp.example"}
        people["frank"] = people["frank"].model_copy(update=frank)
        bot = {"identities": (Subject(issuer=ISSUER, subject=BOT),)}
        agents["support-bot"] = agents["support-bot"].model_copy(update=bot)
        self.facts = self.facts.model_copy(update={"people": people, "agents": agents})
        self.idp = transmitter(folder, **changes)
        self.silence = Silence([self.idp], self.log.append, NOW)
        self.revoke: Any = self.revocations.revoke
        self.hearing = self._hearing()
        self._routed()

    def _hearing(self) -> Hearing:
        return Hearing(
            SetReader([self.idp]),
            self.store,
            self.revoke,
            record=self.log.append,
            inventory=lambda: self.facts,
            silence=self.silence,
            clock=lambda: self.now,
        )

    def rebuilt(self, revoke: Any = None) -> None:
        """As after a restart; with another way to end things, if given."""
        self.revoke = revoke or self.revoke
        self.hearing = self._hearing()
        self._routed()

    def _routed(self) -> None:
        deps = SignalDeps(self.hearing, None, References(), self.log.append, lambda: self.now)
        self.app = create_api(self.deps, self.door, signal_routes(deps))

    async def push(self, token: str | bytes, **headers: str) -> httpx.Response:
        """What the provider is answered."""
        sent = {"content-type": "application/secevent+jwt"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        async with self.client() as client:
            return await client.post("/ssf/events", content=token, headers=sent)

    async def take(self, **changes: Any) -> None:
        """A token that is taken."""
        answer = await self.push(set_token(**changes))
        assert (answer.status_code, answer.content) == (202, b""), answer.text

    async def err(self, token: str | bytes, **headers: str) -> str:
        """The error that this token gets."""
        answer = await self.push(token, **headers)
        assert answer.status_code == 400, answer.text
        assert answer.headers["content-language"] == "en"
        assert set(answer.json()) == {"err", "description"}
        return str(answer.json()["err"])

    def ended(self) -> dict[str, str]:
        """What is in force, each scope with its kind."""
        return {one.scope: one.kind for one in self.revocations.in_force()}
