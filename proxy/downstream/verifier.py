"""For receiving services: verifies the account that Countersign sends with a call. Needs PyJWT, nothing else of ours.

It comes with the whole distribution. A service that does not want all of that copies
`proxy/downstream/{__init__,account,asgi,key_set,profile,reading,replays,verifier}.py` under the same names, beside an
empty `proxy/__init__.py`, and installs `pyjwt[crypto]`.

from proxy.downstream.asgi import RequireCountersign
from proxy.downstream.verifier import Verifier

app = RequireCountersign(app, Verifier(trust_domain="prod.example", destination="https://crm.internal",
                                       jwks_url="https://countersign.prod.example/.well-known/jwks.json"))
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jwt

from proxy.downstream.account import Account, account_of
from proxy.downstream.key_set import KeySet, origin
from proxy.downstream.profile import ALGORITHM, MAX_LIFETIME, Rejected, digest, issuer_of, trust_domain
from proxy.downstream.reading import Unverified, read
from proxy.downstream.replays import InMemory, Replays

_JWS = jwt.PyJWS(options={"verify_signature": True, "enforce_minimum_key_length": True})


class Verifier:
    """Verifies tokens of one trust domain, for the service that is called under `destination`.

    `destination` is one origin or several, such as `https://crm.internal`, exactly as in Countersign's inventory: never
    taken from a request, or a token for one service would do for all. The keys come from `jwks_url`, for which
    `ca_file` vouches in place of the system's roots, or are given as `jwks`. `leeway` is how far clocks may differ.

    Each token counts once, as far as `replays` knows: by default that is what this process has seen. Of several workers
    each would accept it once, so give them one `replays` that they share, such as one over your database.
    """

    def __init__(  # noqa: PLR0913 - each is an option by name
        self,
        *,
        trust_domain: str,
        destination: str | Sequence[str],
        jwks_url: str = "",
        jwks: Mapping[str, Any] | None = None,
        ca_file: str | None = None,
        leeway: int = 5,
        replays: Replays | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if bool(jwks_url) == (jwks is not None):
            raise ValueError("give either `jwks_url` or `jwks`")
        self.trust_domain = _domain(trust_domain)
        self._issuer = issuer_of(trust_domain)
        self._destinations = frozenset([destination] if isinstance(destination, str) else destination)
        if not self._destinations or not all(map(_is_origin, self._destinations)):
            raise ValueError("`destination` is an origin without a path, such as https://crm.internal")
        given = json.dumps(jwks).encode()
        self._keys = KeySet(origin(jwks_url, ca_file) if jwks_url else lambda: given)
        self._leeway = leeway
        self._replays = replays or InMemory()
        self._clock = clock

    def verify(self, token: str, *, method: str, target: str) -> Account:
        """The account of this request; raises `Rejected`. `target` is path and query as they came over the wire.

        Each token passes once. The body is for the caller to compare, with `require_body`.
        """
        now, unverified = self._clock(), read(token)
        check_signature(token, unverified, self._keys.find(unverified.key_id, now))
        claims = unverified.claims  # proven, from here on
        check_issuance(claims, self._issuer, self.trust_domain)
        account = account_of(claims, self._issuer)
        check_times(account, now, self._leeway)
        self._check_request(account, method, target)
        self._replays.use(account.id, account.expires_at + self._leeway, now)
        return account

    async def verify_async(self, token: str, *, method: str, target: str) -> Account:
        """The same in an event loop, which does not stand still while keys are fetched."""
        key_id = read(token).key_id
        if self._keys.lacks(key_id, self._clock()):
            await asyncio.to_thread(self._keys.find, key_id, self._clock())
        return self.verify(token, method=method, target=target)

    def _check_request(self, account: Account, method: str, target: str) -> None:
        if account.destination not in self._destinations:
            raise Rejected("destination_differs", "The Txn-Token is for a call of another service.")
        if account.method != method:
            raise Rejected("method_differs", "The Txn-Token is for another method.")
        if account.target_sha256 != digest(target.encode("utf-8", "surrogatepass")):
            raise Rejected("target_differs", "The Txn-Token is for another path or query.")


def require_body(account: Account, body: bytes) -> None:
    """Raises `Rejected` unless this is the body that was decided on."""
    if account.body_sha256 != digest(body):
        raise Rejected("body_differs", "The Txn-Token is for another body.")


def check_issuance(claims: Mapping[str, Any], issuer: str, domain: str) -> None:
    """Raises `Rejected` unless this was made by this issuer, for this trust domain alone."""
    if claims.get("iss") != issuer:
        raise Rejected("token_issuer", "The Txn-Token was made by another issuer.")
    if claims.get("aud") != domain:
        raise Rejected("token_audience", "The Txn-Token is for another trust domain.")


def check_times(account: Account, now: float, leeway: int) -> None:
    """Raises `Rejected` unless it is valid now, and lives no longer than such tokens may."""
    if not account.issued_at < account.expires_at <= account.issued_at + MAX_LIFETIME:
        raise Rejected("token_lifetime", f"A Txn-Token lives for at most {MAX_LIFETIME} seconds.")
    if account.issued_at > now + leeway:
        raise Rejected("token_not_yet_valid", "The Txn-Token is from the future; compare the clocks.")
    if not now < account.expires_at + leeway:
        raise Rejected("token_expired", "The Txn-Token has expired.")


def check_signature(token: str, unverified: Unverified, key: jwt.PyJWK) -> None:
    """Raises `Rejected` unless this key signed the very bytes that were read."""
    try:
        proven = _JWS.decode_complete(token, key, algorithms=[ALGORITHM])
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise Rejected("token_signature", "The signature of the Txn-Token is not valid.") from error
    if proven["payload"] != unverified.payload:
        raise Rejected("token_signature", "The Txn-Token can be read in two ways.")


_domain = trust_domain  # the parameter of the same name hides it


def _is_origin(text: str) -> bool:
    scheme, _, rest = text.partition("://")
    return scheme in {"http", "https"} and bool(rest) and text == text.lower() and not set(rest) & set("/?#@ ")
