"""The credential for one request: read at its moment, put into its place, for its destination only."""

import ipaddress
import re

from proxy.credentials.bindings import binding_for, place_of
from proxy.credentials.references import References, unavailable
from proxy.errors import refuse
from proxy.facts import Binding, Service
from proxy.stages import Injection, Request

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SLOT = "{secret}"

# Headers that frame or route a message; a secret in one of them would change where it goes or how it is read.
_NOT_FOR_SECRETS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect",
     "content-encoding", "accept-encoding", "content-type", "traceparent", "tracestate", "keep-alive"}
)  # fmt: skip


class Broker:
    """Prepares what a request gets on its way upstream. No binding: nothing. A binding that fails: a refusal."""

    def __init__(self, references: References) -> None:
        self._references = references

    def prepare(self, service: Service, request: Request) -> Injection:
        """The headers to put onto this request, and the secrets to look for in its answer."""
        binding = binding_for(service, request)
        if binding is None:
            return Injection()
        if request.scheme != "https" and not _stays_on_this_machine(service):
            raise refuse(
                "credential_plaintext",
                503,
                "This call needs a credential, which may not travel unencrypted, so it did not pass.",
                internal=f"binding {binding.id} of {service.id} over plain http",
            )
        name = _header_of(binding)
        secret = self._references.read(binding.secret)
        value = binding.value.replace(_SLOT, secret.value)
        return Injection(((name, value),), (secret,), binding)


def _header_of(binding: Binding) -> str:
    name = binding.header.lower()
    if not _TOKEN.fullmatch(name) or name in _NOT_FOR_SECRETS or name.startswith("proxy-"):
        raise unavailable(binding.secret, f"binding {binding.id}: `{binding.header}` is not a header for secrets")
    if _SLOT not in binding.value or not binding.value.isascii() or not binding.value.isprintable():
        raise unavailable(binding.secret, f"binding {binding.id}: `value` has no `{_SLOT}`")
    return name


def _stays_on_this_machine(service: Service) -> bool:
    """Whether a plain-http service is registered as private and is dialled at a loopback address."""
    if not service.allow_private_addresses:
        return False
    host = service.connect.rpartition(":")[0].strip("[]") if service.connect else place_of(service.url)[1]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
