"""Into which header or query parameter a secret goes, and in which form."""

import base64
import re
from urllib.parse import quote

from proxy.credentials.parameters import holds
from proxy.credentials.references import unavailable
from proxy.facts import Binding, StaticBinding, VaultBinding
from proxy.stages import Injection, Request, Secret

SLOT = "{secret}"

_PARAMETER = re.compile(r"[A-Za-z0-9_.~-]{1,64}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

# Headers that frame or route a message; a secret in one of them would change where it goes or how it is read.
_NOT_FOR_SECRETS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect",
     "content-encoding", "accept-encoding", "content-type", "traceparent", "tracestate", "keep-alive"}
)  # fmt: skip


def in_place(binding: StaticBinding | VaultBinding, secret: Secret, request: Request) -> Injection:
    """The secret where this binding wants it."""
    if binding.query is not None:
        return in_query(binding, secret, binding.query, request)
    return in_header(binding, secret, binding.header, binding.value)


def in_query(binding: Binding, secret: Secret, name: str, request: Request) -> Injection:
    """The secret as this parameter; refused for a request that could still be read as bringing one of its own."""
    if not _PARAMETER.fullmatch(name):
        raise unavailable(secret.reference, f"binding {binding.id}: `{name}` is not a parameter for secrets")
    if holds(request.query, name):
        raise unavailable(secret.reference, f"binding {binding.id}: the request still has a `{name}` of its own")
    # INVARIANT: `proxy.inspection.leaks` looks for this spelling, and for every other that a service may echo.
    return Injection((), (secret,), binding, f"{name}={quote(secret.value, safe='')}")


def in_header(binding: Binding, secret: Secret, header: str, value: str) -> Injection:
    """The secret in its place in `value`, in this header."""
    name = header.lower()
    if not _TOKEN.fullmatch(name) or name in _NOT_FOR_SECRETS or name.startswith("proxy-"):
        raise unavailable(secret.reference, f"binding {binding.id}: `{header}` is not a header for secrets")
    if SLOT not in value or not value.isascii() or not value.isprintable():
        raise unavailable(secret.reference, f"binding {binding.id}: `value` has no `{SLOT}`")
    return Injection(((name, value.replace(SLOT, secret.value)),), (secret,), binding)


def as_bearer(binding: Binding, secret: Secret) -> Injection:
    """The secret as a bearer token (RFC 6750 section 2.1)."""
    return in_header(binding, secret, "authorization", f"Bearer {SLOT}")


def as_basic(binding: Binding, secret: Secret, username: str, password: str) -> Injection:
    """The secret, in its place in one of the two, as HTTP Basic (RFC 7617)."""
    pair = f"{username.replace(SLOT, secret.value)}:{password.replace(SLOT, secret.value)}"
    if f"{username}{password}".count(SLOT) != 1 or pair.partition(":")[0] != username.replace(SLOT, secret.value):
        raise unavailable(secret.reference, f"binding {binding.id}: user name and password do not make one pair")
    if not pair.isascii() or not pair.isprintable():
        raise unavailable(secret.reference, f"binding {binding.id}: characters that a header cannot carry")
    encoded = base64.b64encode(pair.encode("ascii")).decode("ascii")
    secrets = (secret, Secret(f"{secret.reference} (Basic)", encoded))
    return Injection((("authorization", f"Basic {encoded}"),), secrets, binding)
