"""OpenBao or Vault: a dynamic secret under a lease, or a stored one."""

import contextlib
from dataclasses import dataclass, field

import orjson

from policies.model import Json
from proxy.credentials.endpoints import EndpointReply
from proxy.credentials.interfaces import Held
from proxy.credentials.means import Means
from proxy.credentials.placing import SLOT, as_basic, in_place
from proxy.credentials.references import checked
from proxy.errors import Refused
from proxy.facts import VaultBinding
from proxy.stages import Identity, Injection, Request, Secret


@dataclass(frozen=True, slots=True)
class Leased:
    """A secret, the name that goes with it, and what ends it: its lease, or the login it was read with."""

    secret: Secret
    username: str = ""
    lease: str = ""
    login: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class _Login:
    """What we show to Vault. `own` tokens were given out to this delegation alone, and live until `expires_at`."""

    token: str = field(repr=False)
    own: bool = False
    expires_at: float = float("inf")


class Vault:
    """Each delegation reads for itself, with a login of its own where AppRole gives one.

    Leases end with the login that took them, so a secret counts no longer than its login does.
    """

    def __init__(self, means: Means) -> None:
        self._references = means.references
        self._endpoints = means.endpoints
        self._held = means.held

    async def obtain(self, binding: VaultBinding, request: Request, identity: Identity, now: float) -> Injection:
        """The secret of this delegation, in its place or as HTTP Basic."""
        leased = await self._held.get(self, binding, identity, now)
        if binding.username_field is not None:
            return as_basic(binding, leased.secret, leased.username, SLOT)
        return in_place(binding, leased.secret, request)

    async def fetch(self, binding: VaultBinding, identity: Identity, now: float) -> Held[Leased]:  # noqa: ARG002 - Vault knows us, not them
        """A new secret. A login that yields none, or only a stored one, is ended at once; so is a lease of no use."""
        login = await self._login(binding, now)
        held: Held[Leased] | None = None
        try:
            held = await self._read(binding, login, now)
        finally:
            if login.own and (held is None or not held.revocable):
                await self._forget(binding, login)
        return held

    async def revoke(self, binding: VaultBinding, held: Held[Leased], now: float) -> None:  # noqa: ARG002 - the seam's
        """Ends the lease, with its login if that was only for this."""
        if held.value.login:
            await self._end_login(binding, held.value.login)
        else:
            await self._end_lease(binding, self._references.read(binding.token or "").value, held.value.lease)

    async def _login(self, binding: VaultBinding, now: float) -> _Login:
        if binding.token is not None:
            return _Login(self._references.read(binding.token).value)
        read = self._references.read
        shown = {"role_id": read(binding.role_id or "").value, "secret_id": read(binding.secret_id or "").value}
        path = f"auth/{binding.approle_mount}/login"
        reply = await self._call(binding, "POST", path, "", orjson.dumps(shown))
        given = reply.members(200).get("auth")
        token = given.get("client_token") if isinstance(given, dict) else None
        life = _seconds(given.get("lease_duration")) if isinstance(given, dict) else 0.0
        if not isinstance(token, str):
            raise reply.unusable("no token")
        # 0 stands for a token without end.
        return _Login(checked(reply.url, token).value, own=True, expires_at=now + life if life else float("inf"))

    async def _read(self, binding: VaultBinding, login: _Login, now: float) -> Held[Leased]:
        reply = await self._call(binding, "GET", binding.path, login.token)
        members = reply.members(200)
        lease = members.get("lease_id")
        lease = lease if isinstance(lease, str) else ""
        try:
            secret = checked(f"{binding.path}#{binding.field} ({binding.id})", _text(reply, members, binding.field))
            username = "" if binding.username_field is None else _text(reply, members, binding.username_field)
        except Refused:
            if lease and not login.own:  # a wrong `field` must not leave a new account behind with each try
                with contextlib.suppress(Refused):
                    await self._end_lease(binding, login.token, lease)
            raise
        if not lease:
            return Held(Leased(secret, username), now, min(now + binding.refresh_seconds, login.expires_at))
        expires = min(now + _seconds(members.get("lease_duration")), login.expires_at)
        leased = Leased(secret, username, lease, login.token if login.own else "")
        return Held(leased, now, expires, revocable=True)

    async def _forget(self, binding: VaultBinding, login: _Login) -> None:
        try:
            await self._end_login(binding, login.token)
        except Refused:
            return  # it ends by itself, and nothing hangs on it

    async def _end_lease(self, binding: VaultBinding, token: str, lease: str) -> None:
        reply = await self._call(binding, "PUT", "sys/leases/revoke", token, orjson.dumps({"lease_id": lease}))
        if reply.status not in {200, 204}:
            raise reply.unusable(f"status {reply.status}")

    async def _end_login(self, binding: VaultBinding, token: str) -> None:
        """403 means that it has ended already."""
        reply = await self._call(binding, "POST", "auth/token/revoke-self", token)
        if reply.status not in {200, 204, 403}:
            raise reply.unusable(f"status {reply.status}")

    async def _call(
        self, binding: VaultBinding, method: str, path: str, token: str, content: bytes = b""
    ) -> EndpointReply:
        headers = {"x-vault-request": "true"}
        if token:
            headers["x-vault-token"] = token
        if binding.namespace is not None:
            headers["x-vault-namespace"] = binding.namespace
        if content:
            headers["content-type"] = "application/json"
        return await self._endpoints.call(binding, method, f"{binding.url.rstrip('/')}/v1/{path}", headers, content)


def _text(reply: EndpointReply, members: dict[str, Json], field: str) -> str:
    """The text at this dotted place below `data`."""
    here: Json = members.get("data")
    for part in field.split("."):
        here = here.get(part) if isinstance(here, dict) else None
    if not isinstance(here, str):
        raise reply.unusable(f"no text at `{field}`")
    return here


def _seconds(value: Json) -> float:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0.0
