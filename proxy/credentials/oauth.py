"""Tokens from an authorization server: how we show who we are, and which answers we take."""

import base64
from collections.abc import Iterable
from urllib.parse import quote_plus, urlencode

import jwt
from cryptography.exceptions import UnsupportedAlgorithm

from policies.model import Json
from proxy.credentials.endpoints import EndpointReply, Endpoints
from proxy.credentials.interfaces import Held
from proxy.credentials.references import References, checked, unavailable
from proxy.facts import OAuthClient
from proxy.stages import Secret
from telemetry.ids import new_id

# RFC 6749 section 5.1 only recommends `expires_in`; without it a token counts for this long.
UNSAID_LIFE = 300.0
LONGEST_LIFE = 86_400.0
_ASSERTION_LIFE = 60

type Pairs = list[tuple[str, str]]


class TokenEndpoint:
    """Asks an authorization server for access tokens, and tells it when one is not needed any more."""

    def __init__(self, references: References, endpoints: Endpoints) -> None:
        self._references = references
        self._endpoints = endpoints

    async def token(self, binding: OAuthClient, form: Pairs, now: float, *, exchanged: bool = False) -> Held[Secret]:
        """The access token that this grant yields; anything but a bearer token of at most our scope is a refusal."""
        asked = [*form, *_targets(binding)]
        reply = await self._post(binding, binding.token_url, asked, now)
        members = reply.members(200)
        if exchanged:
            _require_access_token(reply, members)
        token = members.get("access_token")
        kind = members.get("token_type")
        if not isinstance(kind, str) or kind.lower() != "bearer" or not isinstance(token, str):
            raise reply.unusable("no bearer token")
        _require_narrow(reply, members.get("scope"), binding)
        expires = now + _life(members.get("expires_in"))
        secret = checked(f"{binding.token_url} ({binding.id})", token)
        return Held(secret, now, expires, revocable=binding.revocation_url is not None)

    async def revoke(self, binding: OAuthClient, held: Held[Secret], now: float) -> None:
        """Ends a token (RFC 7009): 200 also means that the server does not know it any more."""
        if binding.revocation_url is None:
            return
        form = [("token", held.value.value), ("token_type_hint", "access_token")]
        reply = await self._post(binding, binding.revocation_url, form, now)
        if reply.status != 200:
            raise reply.unusable(f"status {reply.status}")

    async def _post(self, binding: OAuthClient, url: str, form: Pairs, now: float) -> EndpointReply:
        headers, shown = self._client(binding, now)
        headers["content-type"] = "application/x-www-form-urlencoded"
        return await self._endpoints.call(binding, "POST", url, headers, urlencode([*form, *shown]).encode("ascii"))

    def _client(self, binding: OAuthClient, now: float) -> tuple[dict[str, str], Pairs]:
        """What shows that we are the client: headers and form fields (RFC 6749 section 2.3, RFC 7523)."""
        if binding.client_auth == "private_key_jwt":
            return {}, [
                ("client_id", binding.client_id),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", self._assertion(binding, now)),
            ]
        secret = self._references.read(binding.secret).value
        if binding.client_auth == "client_secret_post":
            return {}, [("client_id", binding.client_id), ("client_secret", secret)]
        pair = f"{quote_plus(binding.client_id)}:{quote_plus(secret)}"
        return {"authorization": "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")}, []

    def _assertion(self, binding: OAuthClient, now: float) -> str:
        claims: dict[str, str | int] = {
            "iss": binding.client_id,
            "sub": binding.client_id,
            "aud": binding.assertion_audience or binding.token_url,
            "jti": new_id("jwt"),
            "iat": int(now),
            "exp": int(now) + _ASSERTION_LIFE,
        }
        headers = None if binding.key_id is None else {"kid": binding.key_id}
        return signed(self._references, binding.secret, claims, binding.algorithm, headers)


def signed(
    references: References,
    reference: str,
    claims: dict[str, str | int],
    algorithm: str,
    headers: dict[str, str] | None = None,
) -> str:
    """A JWT over these claims by the private key behind this reference."""
    key = references.read_key(reference).value
    try:
        return jwt.encode(claims, key, algorithm=algorithm, headers=headers)
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError) as error:
        # The cause may quote the key.
        raise unavailable(reference, f"not a private key for {algorithm}: {type(error).__name__}") from None


def _targets(binding: OAuthClient) -> Pairs:
    pairs = [("scope", " ".join(binding.scope))] if binding.scope else []
    pairs += [("resource", resource) for resource in binding.resource]
    return pairs + [("audience", audience) for audience in binding.audience]


def _require_access_token(reply: EndpointReply, members: dict[str, Json]) -> None:
    """RFC 8693 section 2.2.1: the answer must say which kind of token it issued."""
    issued = members.get("issued_token_type")
    if issued not in {f"urn:ietf:params:oauth:token-type:{kind}" for kind in ("access_token", "jwt")}:
        raise reply.unusable("not issued as an access token")


def _require_narrow(reply: EndpointReply, granted: Json, binding: OAuthClient) -> None:
    """A token with more scope than we asked for is not ours to use. Unsaid means: as asked (section 5.1)."""
    if granted is None or not binding.scope:
        return
    if not isinstance(granted, str) or not _words(granted.split(" ")) <= set(binding.scope):
        raise reply.unusable("more scope than the binding allows")


def _words(words: Iterable[str]) -> set[str]:
    return {word for word in words if word}


def _life(expires_in: Json) -> float:
    """Seconds from `expires_in`; some servers write the number as text."""
    if isinstance(expires_in, str) and expires_in.isascii() and expires_in.isdigit():
        expires_in = int(expires_in[:9])
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float):
        return UNSAID_LIFE
    return min(LONGEST_LIFE, max(0.0, float(expires_in)))
