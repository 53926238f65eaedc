"""How people prove who they are: personal tokens, one-time sign-in codes, and browser sessions."""

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from proxy.control.interfaces import PersonCredential, PersonCredentialStore
from proxy.errors import Declined
from proxy.facts import Inventory, Person
from telemetry.ids import new_id

type Kind = Literal["token", "sign_in_code", "session"]

TOKEN_LIFE = 90 * 24 * 3600
MAX_TOKEN_LIFE = 366 * 24 * 3600
CODE_LIFE = 10 * 60
SESSION_LIFE = 8 * 3600

_PREFIXES: dict[Kind, str] = {"token": "csp_", "sign_in_code": "csc_", "session": "css_"}
_LENGTH = 4 + 43  # a prefix, and 32 random bytes in base64url


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential. `secret` is shown once and stored nowhere."""

    id: str
    secret: str = field(repr=False)
    person: str
    not_after: float


@dataclass(frozen=True, slots=True)
class Proof:
    """A person, and the live credential that proved them."""

    person: Person
    credential: PersonCredential


class PeopleService:
    """Issues and checks the credentials of people. Someone unknown or inactive has none that work."""

    def __init__(self, store: PersonCredentialStore, inventory: Callable[[], Inventory]) -> None:
        self._store = store
        self._inventory = inventory

    async def issue_token(self, person: str, *, ttl: float, by: str, now: float) -> Issued:
        """A personal token for the API and for signing in."""
        if not 60 <= ttl <= MAX_TOKEN_LIFE:
            raise Declined(422, "ttl_out_of_range", f"a token lives 60 seconds to {MAX_TOKEN_LIFE // 86400} days")
        return await self._issue("token", person, now + ttl, by=by, now=now)

    async def issue_sign_in_code(self, person: str, *, by: str, now: float) -> Issued:
        """A code for one sign-in within ten minutes."""
        return await self._issue("sign_in_code", person, now + CODE_LIFE, by=by, now=now)

    async def prove_token(self, token: str, now: float) -> Proof | None:
        """Who this personal token belongs to; None if it is not a live token of an active person."""
        return await self._prove("token", token, now)

    async def prove_session(self, cookie: str, now: float) -> Proof | None:
        """Who this browser session belongs to; None if it has ended."""
        return await self._prove("session", cookie, now)

    async def open_with_token(self, token: str, now: float) -> Issued | None:
        """A new session for the holder of this token; it ends with the token."""
        proof = await self.prove_token(token, now)
        return await self._open(proof.credential, now) if proof else None

    async def open_with_code(self, code: str, now: float) -> Issued | None:
        """A new session for the holder of this code, exactly once."""
        if not _well_formed("sign_in_code", code):
            return None
        row = await self._store.use_sign_in_code(_digest(code), now)
        if row is None or row.kind != "sign_in_code" or not self._active(row.person) or now >= row.not_after:
            return None
        return await self._open(row, now)

    async def close_session(self, cookie: str, now: float) -> None:
        """The session has ended when this returns."""
        proof = await self.prove_session(cookie, now)
        if proof is not None:
            await self._store.revoke_credential(proof.credential.id, now)

    async def revoke_all(self, person: str, now: float) -> int:
        """Ends every token, code and session of this person; says how many were live."""
        rows = [row for row in await self._store.list_credentials(person) if row.revoked_at is None]
        ended = [await self._store.revoke_credential(row.id, now) for row in rows if now < row.not_after]
        return sum(ended)

    async def _issue(self, kind: Kind, person: str, not_after: float, *, by: str, now: float) -> Issued:
        if not self._active(person):
            raise Declined(404, "person_unknown", f"there is no active person `{person}` in the inventory")
        secret = _PREFIXES[kind] + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
        row = PersonCredential(new_id("pcr"), _digest(secret), kind, person, now, not_after, by)
        await self._store.add_credential(row)
        return Issued(row.id, secret, person, not_after)

    async def _open(self, proven_by: PersonCredential, now: float) -> Issued:
        end = now + SESSION_LIFE
        if proven_by.kind == "token":
            end = min(end, proven_by.not_after)
        return await self._issue("session", proven_by.person, end, by=f"credential:{proven_by.id}", now=now)

    async def _prove(self, kind: Kind, secret: str, now: float) -> Proof | None:
        if not _well_formed(kind, secret):
            return None
        row = await self._store.credential_by_digest(_digest(secret))
        if row is None or row.kind != kind or row.revoked_at is not None or not row.issued_at <= now < row.not_after:
            return None
        person = self._active(row.person)
        return Proof(person, row) if person else None

    def _active(self, person: str) -> Person | None:
        known = self._inventory().people.get(person)
        return known if known is not None and known.active else None


def _well_formed(kind: Kind, secret: str) -> bool:
    return len(secret) == _LENGTH and secret.startswith(_PREFIXES[kind]) and secret.isascii()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
