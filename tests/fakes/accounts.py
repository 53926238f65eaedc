"""Calls of our own making, the tokens that account for them, and tokens that somebody else would like to pass off."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization

from policies.model import Decision, Mode, Outcome
from proxy.downstream.signer import Signer
from proxy.downstream.txn_token import Minter
from proxy.downstream.verifier import Verifier
from proxy.facts import Agent, Person, Service, Tool
from proxy.stages import (
    Arrived,
    Attributed,
    Call,
    Chain,
    Decided,
    Described,
    Hop,
    HopLevel,
    Identity,
    Principal,
    Proven,
    Request,
)

NOW = 1_795_000_000.0
DOMAIN = "prod.example"
PLACE = "https://crm.internal"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
BODY = b'{"amount":20}'
OLIVIA = Person(id="olivia", name="Olivia")


def chain(*agents: str, root: str = "human:alice", levels: tuple[HopLevel, ...] = (), complete: bool = True) -> Chain:
    """From this root through these agents; every hop verified if nothing else is said."""
    kind, _, name = root.partition(":")
    parties = [Principal(kind, name), *(Principal("agent", agent) for agent in agents)]  # type: ignore[arg-type] # a kind
    hops = [
        Hop(delegator, delegate, level, "jwt_svid", "sha256:e")
        for delegator, delegate, level in zip(parties, parties[1:], levels or ("verified",) * len(agents), strict=False)
    ]
    return Chain(parties[0], tuple(hops), complete)


def decided(
    through: Chain | None = None,
    *,
    trust: Any = "internal",
    path: str = "/v1/refunds",
    query: str = "",
    mode: Mode = Mode.ENFORCE,
    tool: bool = True,
) -> Decided:
    """A refund that may happen."""
    known = through or chain("bot")
    agent = Agent(id=known.members[-1].id, owner="olivia", purpose="x", expires="2099-01-01", review_due="2099-01-01")  # type: ignore[arg-type] # read as from YAML
    proven = Proven(agent.id, "opaque_handle", "hnd_1", NOW, NOW + 3600, "task_1", on_behalf_of="alice")
    identity = Identity(agent, OLIVIA, known, proven, ())
    request = Request("POST", "https", "crm.internal", 443, path, query, (("host", "crm.internal"),), BODY)
    tools = (Tool(name="create_refund", effect="pay"),)
    service = Service(id="crm", owner="olivia", url=PLACE, trust=trust, tools=tools)
    call = Call("rest", service, tools[0] if tool else None, "crm/x", {}, (), "sha256:" + "ab" * 32, b"")
    arrived = Arrived("call_1", NOW, "conn_1", "connect", "127.0.0.1", request)
    decision = Decision(Outcome.ALLOW, (), "sha256:policy", mode=mode, would=Outcome.ALLOW)
    return Decided(Described(Attributed(arrived, identity), call), decision)


def signer(folder: Path) -> Signer:
    return Signer.open(folder / "downstream.keys", NOW)


def minted(signer: Signer, through: Chain | None = None, *, now: float = NOW, **more: Any) -> str:
    """The token of such a call."""
    token = Minter(signer, DOMAIN, 60).mint(decided(through, **more), None, TRACE, now)
    assert token is not None
    return token.value


def verifier(signer: Signer, *, now: float = NOW + 1, **more: Any) -> Verifier:
    """A service's verifier, that knows this signer's keys."""
    given: dict[str, Any] = {
        "trust_domain": DOMAIN,
        "destination": PLACE,
        "jwks": signer.jwks(now),
        "clock": lambda: now,
    }
    return Verifier(**(given | more))


def claims_of(token: str) -> dict[str, Any]:
    """What it says, believed."""
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def signed_again(signer: Signer, token: str, **changes: Any) -> str:
    """The same with other claims, by whoever has our key: None takes a claim away, a mapping changes a part."""
    claims = claims_of(token)
    for name, value in changes.items():
        if value is None:
            del claims[name]
        elif isinstance(value, Mapping) and name in {"tctx", "rctx"}:
            claims[name] = {key: part for key, part in (claims[name] | value).items() if part is not None}
        else:
            claims[name] = value
    return signer.sign(claims)


def with_parts(token: str, *, head: Any = None, payload: Any = None) -> str:
    """The same signature under another head or payload."""
    first, second, third = token.split(".")
    return ".".join([first if head is None else packed(head), second if payload is None else packed(payload), third])


def hmac_signed(signer: Signer, token: str) -> str:
    """The classic: our public key taken for the secret of an HMAC."""
    import hashlib
    import hmac

    public = signer._ring.current.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = packed({"typ": "txntoken+jwt", "alg": "HS256", "kid": signer.key_id})
    signed = f"{head}.{token.split('.')[1]}"
    return f"{signed}.{b64(hmac.digest(public, signed.encode(), hashlib.sha256))}"


def packed(value: Any) -> str:
    return b64(value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode())


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
