"""Tokens as forgers make them: from the outside without a key, and from the inside with our own."""

import asyncio
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from proxy.downstream.profile import digest
from proxy.downstream.signer import Signer
from tests.e2e.identity_provider import PEOPLE
from tests.e2e.three_hops import OURS, PATH, House
from tests.fakes.accounts import b64, chain, claims_of, decided, packed
from tests.fakes.issuer import jwk, private_key
from tests.fakes.waiting import PATIENCE

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
DEEP = json.loads('{"sub":"x","act":' * 40 + '{"sub":"x"}' + "}" * 40)


@dataclass(frozen=True, slots=True)
class Scene:
    """A running house, and real tokens of every kind, all alive: those of the provider, and those that we minted."""

    it: House
    human: str
    id_token: str
    orchestrators: str
    own: str
    first: str
    second: str

    @property
    def signer(self) -> Signer:
        made = self.it.core.signer
        assert made is not None
        return made

    def ours(self, **claims: Any) -> str:
        """The sub-agent's token with other claims, signed with our key."""
        return by_us(self.signer, self.second, **claims)

    def bytes(self, payload: bytes) -> str:
        """The sub-agent's token with these bytes for claims, signed with our key."""
        return by_us(self.signer, self.second, payload=payload)

    def txn(self, *agents: str, root: str = "human:alice", **rctx: Any) -> str:
        """A new transaction token for a call that the service takes, through these agents."""
        minter = self.it.core.pipeline._parts.minter
        assert minter is not None
        made = minter.mint(
            decided(chain(*(agents or ("orchestrator", "researcher")), root=root)), None, "a" * 32, time.time()
        )
        assert made is not None
        place = {"dst": "https://crm.test", "method": "GET", "target_sha256": digest(PATH.encode())}
        said = claims_of(made.value)["rctx"] | place | {"body_sha256": digest(b"")} | rctx
        return by_us(self.signer, made.value, rctx=said)


async def scene_of(it: House) -> Scene:
    """Everybody has logged in and shown themselves."""
    human, id_token = await asyncio.to_thread(it.idp.login, "alice", PEOPLE["alice"], OURS)
    own, first = await it.own("orchestrator"), await it.first()
    return Scene(it, human, id_token, it.from_idp("orchestrator"), own, first, await it.second(first))


def head_of(token: str) -> dict[str, Any]:
    """Its JOSE header."""
    found: dict[str, Any] = jwt.get_unverified_header(token)
    return found


def changed(token: str, *, head: dict[str, Any] | None = None, **claims: Any) -> str:
    """The same signature under a header or claims that were changed: None takes one away."""
    first, second, third = token.split(".")
    if head is not None:
        first = packed(_without_none(head_of(token) | head))
    if claims:
        second = packed(_without_none(claims_of(token) | claims))
    return f"{first}.{second}.{third}"


def spliced(head: str, payload: str, signature: str) -> str:
    """Pieces of three tokens."""
    return ".".join([head.split(".", maxsplit=1)[0], payload.split(".")[1], signature.split(".")[2]])


def respelled(token: str) -> str:
    """The same signature bytes in another spelling: the last character's unused bits are set."""
    last = ALPHABET.index(token[-1])
    return token[:-1] + ALPHABET[last | 1]


def by_us(signer: Signer, token: str, head: dict[str, Any] | None = None, payload: bytes = b"", **claims: Any) -> str:
    """What somebody signs who has our own key: any header, any claims, or any bytes."""
    said = payload or json.dumps(_without_none(claims_of(token) | claims)).encode()
    signed = f"{packed(_without_none(head_of(token) | (head or {})))}.{b64(said)}"
    return f"{signed}.{b64(_es256(signer._ring.current.private, signed.encode()))}"


def by_mallory(token: str, **head: Any) -> str:
    """The same claims signed by a key of the forger's own, which the header may bring along."""
    signed = f"{packed(head_of(token) | {'alg': 'ES256'} | head)}.{token.split('.')[1]}"
    return f"{signed}.{b64(_es256(private_key('ES256', 'mallory'), signed.encode()))}"


def mallorys_key() -> dict[str, Any]:
    return jwk("ES256", "mallory")


def by_hmac(token: str, public: Any) -> str:
    """The classic: the public key, as PEM, taken for the secret of an HMAC."""
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signed = f"{packed(head_of(token) | {'alg': 'HS256'})}.{token.split('.')[1]}"
    return f"{signed}.{b64(hmac.digest(pem, signed.encode(), hashlib.sha256))}"


def published_key(url: str) -> Any:
    """The first public key of this JWK set."""
    document = httpx.get(url, trust_env=False, timeout=PATIENCE).json()
    return jwt.PyJWK(document["keys"][0]).key


def twice(token: str, member: str, value: Any) -> bytes:
    """The payload with one member named twice, the forged one last."""
    text = json.dumps(claims_of(token))
    return (text[:-1] + f", {json.dumps(member)}: {json.dumps(value)}}}").encode()


def _es256(key: Any, signed: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def _without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
