"""Task tokens for the program, obtained and renewed at the token endpoint (RFC 6749 section 4.4, RFC 9396)."""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from proxy.errors import CountersignError
from proxy.shim.sources import Renewed, SourceFailed, TokenSource, checked

TYPE = "countersign_task"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 30

type Fields = Mapping[str, str]
type Post = Callable[[Fields, Fields], Awaitable[tuple[int, Any]]]  # form, headers; status, JSON
type Show = Callable[[], Awaitable[tuple[Fields, Fields]]]  # form, headers


class TaskTokens:
    """A task of its own for the program, with these tools and datasets (`crm/x`, `read:y`), and its tokens.

    Each is for the same task as the first.
    `show` is how the program's agent shows itself to the endpoint; it may differ from one request to the next.
    """

    def __init__(self, post: Post, bounds: tuple[str, ...], show: Show, clock: Callable[[], float] = time.time) -> None:
        self._post = post
        self._show = show
        self._clock = clock
        self._detail: dict[str, Any] = {
            "type": TYPE,
            "actions": [one for one in bounds if "/" in one],
            "datatypes": [one for one in bounds if "/" not in one],
        }
        self._token = Renewed(self._fetch, clock)

    async def token(self) -> str:
        return await self._token.get()

    async def _fetch(self) -> tuple[str, float]:
        form, headers = await self._show()
        wanted = {"grant_type": "client_credentials", "authorization_details": json.dumps([self._detail])}
        now = self._clock()
        status, answer = await self._post({**wanted, **form}, headers)
        if status != 200:
            said = answer.get("error_description") or answer.get("error") if isinstance(answer, dict) else None
            raise SourceFailed(f"the token endpoint gives no token: {said or status}")
        try:
            token, life = checked(answer["access_token"], "the token endpoint"), float(answer["expires_in"])
            self._detail = {"type": TYPE, "task_id": answer["authorization_details"][0]["task_id"]}
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise SourceFailed("the token endpoint's answer cannot be understood") from error
        return token, now + life


@dataclass(frozen=True, slots=True)
class AgentKey:
    """An agent's own key, as a way to show itself (RFC 7523)."""

    agent: str
    issuer: str
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    key_id: str | None

    async def show(self) -> tuple[Fields, Fields]:
        """A fresh assertion for one request."""
        now = int(time.time())
        claims = {"iss": self.agent, "sub": self.agent, "aud": self.issuer, "iat": now, "jti": token_hex(16)}
        algorithm = "EdDSA" if isinstance(self.key, ed25519.Ed25519PrivateKey) else "ES256"
        headers = {"kid": self.key_id} if self.key_id is not None else None
        signed = jwt.encode({**claims, "exp": now + ASSERTION_SECONDS}, self.key, algorithm, headers)
        return {"client_assertion_type": ASSERTION, "client_assertion": signed}, {}


def by_handle(handle: TokenSource) -> Show:
    """The connection handle, as a way to show itself."""

    async def show() -> tuple[Fields, Fields]:
        return {}, {"authorization": f"Bearer {await handle.token()}"}

    return show


def read_agent_key(path: Path, agent: str, issuer: str) -> AgentKey:
    """The key in this file, a private JWK or PEM; raises `CountersignError` with words."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CountersignError(f"`{path}` cannot be read: {(error.strerror or str(error)).lower()}") from error
    try:
        if raw.lstrip().startswith(b"{"):
            known = jwt.PyJWK.from_json(raw.decode())
            key, key_id = known.key, known.key_id
        else:
            key, key_id = load_pem_private_key(raw, None), None
    except (ValueError, TypeError, KeyError, jwt.PyJWTError) as error:
        raise CountersignError(f"`{path}` does not hold a private key, as JWK or PEM") from error
    fits = isinstance(key, ed25519.Ed25519PrivateKey) or (
        isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)
    )
    if not fits:
        raise CountersignError(f"`{path}` is not a private key of P-256 or Ed25519")
    return AgentKey(agent, issuer, key, key_id)
