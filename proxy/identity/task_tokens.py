"""Our own task tokens as evidence: a profile of its own, which no foreign issuer can meet (RFC 9068, RFC 8693).

What a token says of its chain is for those who read it. Which task it is of, and that this task lives, is all that
counts here; the chain is that of the task.
"""

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import jwt

from policies.model import Json
from proxy.errors import Refused
from proxy.identity.challenges import unproven
from proxy.identity.compact import Unverified, read
from proxy.identity.issuers import IssuerSettings
from proxy.identity.key_sets import KeySet, read_key_set
from proxy.identity.possession import confirmation
from proxy.identity.signed_tokens import check_signature

TYP = "at+jwt"
ALGORITHM = "ES256"
MAX_LIFE = 900  # INVARIANT: proxy.tasks.forgetting forgets ends of tokens no sooner
MAX_ACTORS = 8
MAX_ENDS = 48  # of a chain of eight, each shown by a certificate of one of many copies

_CLAIMS = frozenset(
    {
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "jti",
        "client_id",
        "task",
        "instance",
        "act",
        "via",
        "scope",
        "authorization_details",
        "cnf",
    }
    | {"sub_profile"}
)
_REQUIRED = frozenset({"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "task"})
_TEXT = re.compile(r"[\x21-\x7e]{1,2600}")
_KEYS_FOR = 60.0
_UNKNOWN_FOR = 1.0  # a made-up name of a key makes us read them no more often than this
_CACHED = 1 << 14  # above the 10,000 live ones of a large house: cycled through, a smaller cache misses every time


@dataclass(frozen=True, slots=True)
class TaskToken:
    """What a token of ours says, once its signature and every claim were checked.

    `actor` is the agent that holds it. `via` are the scopes of what it was obtained with, whose end is its end.
    `bound_to` is the certificate with which it must be shown, if there is one. `instance` is the running copy of the
    agent that it was given to, as far as that was shown. `key_id` is that of our key that signed it.
    """

    id: str
    task: str
    actor: str
    client: str
    issued_at: float
    not_after: float
    via: tuple[str, ...]
    digest: str
    claims: Mapping[str, Json]
    bound_to: str = ""
    instance: str = ""
    key_id: str = ""


class TaskTokenReader:
    """Verifies tokens of this issuer for this audience. `jwks` are our own keys, at a time.

    `epoch` moves when some of them are withdrawn: what was verified before counts no more.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        jwks: Callable[[float], Mapping[str, Json]],
        epoch: Callable[[], int] = lambda: 0,
    ) -> None:
        # INVARIANT: the URL is never fetched; the profile wants a place, and our keys are at hand
        self._profile = IssuerSettings(issuer, audience, (ALGORITHM,), jwks_url="https://127.0.0.1/jwks.json")
        self._jwks = jwks
        self._keys: tuple[KeySet, float] | None = None
        self._known: OrderedDict[str, TaskToken] = OrderedDict()
        self._epoch, self._read_at = epoch, epoch()

    @property
    def issuer(self) -> str:
        return self._profile.issuer

    @property
    def epoch(self) -> int:
        """That of our keys now."""
        return self._epoch()

    @property
    def audience(self) -> str:
        return self._profile.audience

    def holds(self, name: str, now: float) -> bool:  # noqa: ARG002 - as proxy.identity.lineage asks for the keys of any issuer
        """Ours count until their scope is ended: what one of them began outlives the time for which it is published."""
        return True

    async def current(self, now: float) -> object:
        """Ours are at hand."""
        return self._current(now, _KEYS_FOR)

    def recognises(self, token: str) -> bool:
        """Whether the token says that it is ours. Nothing is believed by that."""
        try:
            return read(token).claims.get("iss") == self.issuer
        except Refused:
            return False

    def verify(self, token: str, now: float) -> TaskToken:
        """What this token says at `now`; else a refusal, whatever the text is."""
        if self._read_at != self.epoch:
            self._known.clear()
            self._keys, self._read_at = None, self.epoch
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        known = self._known.get(digest)
        if known is None:
            known = self._verify(token, digest, now)
            self._known[digest] = known
            if len(self._known) > _CACHED:
                self._known.popitem(last=False)
        if not now < known.not_after:
            raise unproven("identity_expired", "task_token_expired")
        return known

    def _verify(self, token: str, digest: str, now: float) -> TaskToken:
        unverified = read(token)
        if unverified.typ != TYP or unverified.algorithm != ALGORITHM:
            raise unproven("identity_invalid", "task_token_type")
        check_signature(token, unverified, self._key(unverified.key_id, now))
        return _believed(unverified, self._profile, digest, now)

    def _key(self, key_id: str | None, now: float) -> jwt.PyJWK:
        """A key is published long before it signs; but who changes it twice in a minute signs with one that is new."""
        for age in (_KEYS_FOR, _UNKNOWN_FOR) if key_id is not None else ():
            key = self._current(now, age).find(key_id)
            if key is not None:
                return key
        raise unproven("identity_invalid", "task_token_key")

    def _current(self, now: float, age: float) -> KeySet:
        """The keys as they were at most so long ago."""
        if self._keys is None or not 0 <= now - self._keys[1] < age:
            document = json.dumps(self._jwks(now)).encode()
            self._keys = (read_key_set(document, self._profile), now)
        return self._keys[0]


def _believed(unverified: Unverified, profile: IssuerSettings, digest: str, now: float) -> TaskToken:
    claims = unverified.claims
    if not claims.keys() >= _REQUIRED or not claims.keys() <= _CLAIMS:
        raise unproven("identity_invalid", "task_token_claims")
    if claims["iss"] != profile.issuer or claims["aud"] != profile.audience:
        raise unproven("identity_invalid", "task_token_audience")
    for name in ("sub", "jti", "client_id", "task", "instance"):
        value = claims[name] if name in _REQUIRED else claims.get(name, "-")
        if not isinstance(value, str) or not _TEXT.fullmatch(value):
            raise unproven("identity_invalid", f"task_token_claim: {name}")
    issued, expires = _seconds(claims, "iat"), _seconds(claims, "exp")
    if not issued <= now or not issued < expires <= issued + MAX_LIFE:
        raise unproven("identity_invalid", "task_token_lifetime")
    return TaskToken(
        id=cast("str", claims["jti"]),
        task=cast("str", claims["task"]),
        actor=current_actor(claims),
        client=cast("str", claims["client_id"]),
        issued_at=float(issued),
        not_after=float(expires),
        via=_via(claims),
        digest=digest,
        claims=claims,
        bound_to=confirmation(claims["cnf"]) if "cnf" in claims else "",
        instance=cast("str", claims.get("instance", "")),
        key_id=unverified.key_id or "",
    )


def current_actor(claims: Mapping[str, Json]) -> str:
    """Who acts: the outermost actor, or the subject where there is none (RFC 8693 section 4.1).

    Every level must be an object that names somebody, and there are not more than we ever mint.
    """
    found: list[str] = []
    level: Json = claims.get("act") if "act" in claims else {"sub": claims["sub"]}
    while level is not None:
        if not isinstance(level, dict) or not isinstance(level.get("sub"), str):
            raise unproven("identity_invalid", "task_token_actor")
        found.append(cast("str", level["sub"]))
        if len(found) > MAX_ACTORS:
            raise unproven("identity_invalid", "task_token_actors")
        if "act" in level and level["act"] is None:
            raise unproven("identity_invalid", "task_token_actor")
        level = level.get("act")
    if not found:
        raise unproven("identity_invalid", "task_token_actor")
    return found[0]


def _via(claims: Mapping[str, Json]) -> tuple[str, ...]:
    via = claims.get("via", [])
    if not isinstance(via, list) or len(via) > MAX_ENDS or not all(isinstance(one, str) for one in via):
        raise unproven("identity_invalid", "task_token_claim: via")
    return tuple(cast("list[str]", via))


def _seconds(claims: Mapping[str, Json], name: str) -> int:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise unproven("identity_invalid", f"task_token_claim: {name}")
    return value
