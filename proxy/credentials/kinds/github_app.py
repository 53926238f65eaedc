"""A GitHub App: its key signs for ten minutes at most, and that buys a token for a few repositories."""

from datetime import datetime

import orjson

from policies.model import Json
from proxy.credentials.endpoints import EndpointReply
from proxy.credentials.interfaces import Held
from proxy.credentials.means import Means
from proxy.credentials.oauth import signed
from proxy.credentials.placing import SLOT, as_basic, as_bearer
from proxy.credentials.references import checked
from proxy.facts import GitHubAppBinding
from proxy.stages import Identity, Injection, Request, Secret

_SKEW, _LIFE = 60, 540
_RANKS = {"read": 1, "write": 2, "admin": 3}
_IMPLIED = {"metadata": "read"}  # GitHub adds it to every token


class GitHubApp:
    """Installation tokens, narrowed to the binding's repositories and permissions, ended with their task."""

    def __init__(self, means: Means) -> None:
        self._references = means.references
        self._endpoints = means.endpoints
        self._held = means.held

    async def obtain(self, binding: GitHubAppBinding, request: Request, identity: Identity, now: float) -> Injection:  # noqa: ARG002 - the seam's
        """The token of this delegation, as the API or as git over HTTPS takes it."""
        token = await self._held.get(self, binding, identity, now)
        if binding.use == "git":
            return as_basic(binding, token, "x-access-token", SLOT)
        return as_bearer(binding, token)

    async def fetch(self, binding: GitHubAppBinding, identity: Identity, now: float) -> Held[Secret]:  # noqa: ARG002 - the token says nothing of it
        """A new installation token; one that can do more than was asked for is not used."""
        url = f"{binding.api_url.rstrip('/')}/app/installations/{binding.installation_id}/access_tokens"
        asked = {"repositories": list(binding.repositories), "permissions": dict(binding.permissions)}
        headers = _headers(self._app_token(binding, now)) | {"content-type": "application/json"}
        reply = await self._endpoints.call(binding, "POST", url, headers, orjson.dumps(asked))
        members = reply.members(201)
        _require_narrow(reply, members, binding)
        token, until = members.get("token"), members.get("expires_at")
        if not isinstance(token, str) or not isinstance(until, str):
            raise reply.unusable("no token with an expiry")
        try:
            expires = datetime.fromisoformat(until).timestamp()
        except ValueError:
            raise reply.unusable("an expiry that is no date") from None
        return Held(checked(f"{binding.private_key} ({binding.id})", token), now, expires, revocable=True)

    async def revoke(self, binding: GitHubAppBinding, held: Held[Secret], now: float) -> None:  # noqa: ARG002 - the seam's
        """Ends the token; 401 means that it has ended already."""
        url = f"{binding.api_url.rstrip('/')}/installation/token"
        reply = await self._endpoints.call(binding, "DELETE", url, _headers(held.value.value))
        if reply.status not in {204, 401}:
            raise reply.unusable(f"status {reply.status}")

    def _app_token(self, binding: GitHubAppBinding, now: float) -> str:
        """Ten minutes in all, a minute of which is for clocks that differ."""
        claims: dict[str, str | int] = {"iss": binding.app_id, "iat": int(now) - _SKEW, "exp": int(now) + _LIFE}
        return signed(self._references, binding.private_key, claims, "RS256")


def _headers(token: str) -> dict[str, str]:
    return {
        "accept": "application/vnd.github+json",
        "authorization": f"Bearer {token}",
        "user-agent": "countersign",
        "x-github-api-version": "2022-11-28",
    }


def _names(repositories: Json) -> set[str]:
    """The names of these repositories; one that cannot be read is none of ours."""
    listed = repositories if isinstance(repositories, list) else [None]
    return {str(each.get("name")).lower() if isinstance(each, dict) else "" for each in listed}


def _require_narrow(reply: EndpointReply, members: dict[str, Json], binding: GitHubAppBinding) -> None:
    allowed = _IMPLIED | dict(binding.permissions)
    granted = members.get("permissions")
    if members.get("repository_selection") != "selected" or not isinstance(granted, dict):
        raise reply.unusable("a token that is not for selected repositories")
    told = members.get("repositories")  # older servers do not say
    if told is not None and not _names(told) <= {name.lower() for name in binding.repositories}:
        raise reply.unusable("other repositories than the binding allows")
    for name, level in granted.items():
        if _RANKS.get(str(level), 9) > _RANKS.get(allowed.get(name, ""), 0):
            raise reply.unusable("more permissions than the binding allows")
