"""AWS Signature Version 4, signed anew: what the agent signed with, a placeholder or not, is dropped."""

from dataclasses import replace

from proxy.credentials.assumed_role import assume_role
from proxy.credentials.interfaces import Held
from proxy.credentials.means import Means
from proxy.credentials.sigv4 import Keys, Scope, sign
from proxy.credentials.strip import without_agent_credentials
from proxy.errors import refuse
from proxy.facts import AwsSigV4Binding
from proxy.stages import Identity, Injection, Request, Secret

# A body in chunks whose only check is a checksum that follows them: nothing in it depends on the agent's keys.
_UNSIGNED_CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class AwsSigV4:
    """Signs with our keys, or with those of a role's session that carries the chain.

    Answers are searched for the secret key and the session token. The signature itself is none: it fits this one
    request, for minutes, and AWS quotes it when it explains a mistake.
    """

    def __init__(self, means: Means) -> None:
        self._references = means.references
        self._endpoints = means.endpoints
        self._held = means.held

    async def obtain(self, binding: AwsSigV4Binding, request: Request, identity: Identity, now: float) -> Injection:
        """The signature and what belongs to it. A request that only the agent's own keys could sign is refused."""
        payload = _payload(request)
        if "+" in request.query:
            raise refuse(
                "request_ambiguous",
                400,
                "A `+` in the query is a space to some and a plus to others, so it cannot be signed. "
                "Write `%20` or `%2B`.",
                "fix_request",
            )
        if binding.role_arn is None:
            keys, source = self._keys(binding), binding.reference
        else:
            keys, source = await self._held.get(self, binding, identity, now), binding.role_arn
        # INVARIANT: what is signed here is what `proxy.upstreams.outgoing` leaves, which strips by the same rule.
        bare = replace(request, headers=without_agent_credentials(request.headers, Injection()))
        headers = sign(bare, keys, Scope(binding.region, binding.service), now, payload)
        secrets = [Secret(source, keys.secret_access_key)]
        if keys.session_token:
            secrets.append(Secret(f"{source} (session)", keys.session_token))
        return Injection(headers, tuple(secrets), binding)

    async def fetch(self, binding: AwsSigV4Binding, identity: Identity, now: float) -> Held[Keys]:
        """The keys of a new session."""
        keys = self._keys(binding)
        return await assume_role(binding, keys, identity, now, by=self._endpoints, references=self._references)

    async def revoke(self, binding: AwsSigV4Binding, held: Held[Keys], now: float) -> None:
        """Nothing: STS sessions end by themselves, and none is held as revocable."""

    def _keys(self, binding: AwsSigV4Binding) -> Keys:
        read = self._references.read
        token = "" if binding.session_token is None else read(binding.session_token).value
        return Keys(read(binding.access_key_id).value, read(binding.secret_access_key).value, token)


def _payload(request: Request) -> str | None:
    """How the body is digested: by its SHA-256 (None), unless it comes in chunks."""
    said = [value.strip() for name, value in request.headers if name == "x-amz-content-sha256"]
    if not any(value.upper().startswith("STREAMING-") for value in said):
        return None
    if said == [_UNSIGNED_CHUNKS]:
        return _UNSIGNED_CHUNKS
    raise refuse(
        "credential_unsignable",
        400,
        "This body is signed chunk by chunk, which cannot be signed anew. Send it in one piece, or with unsigned "
        "chunks and a trailing checksum.",
        "fix_request",
    )
