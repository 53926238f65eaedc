"""The credential for one request: obtained at its moment, put into its place, for its destination only."""

import ipaddress

from proxy.credentials.bindings import binding_for, place_of
from proxy.credentials.held import Ended
from proxy.credentials.interfaces import TokenMint
from proxy.credentials.means import Means
from proxy.credentials.references import References, unavailable
from proxy.credentials.registry import KINDS
from proxy.credentials.strip import signed_query
from proxy.errors import refuse
from proxy.facts import Obtained, Service
from proxy.stages import Identity, Injection, Released, Request


class Broker:
    """Prepares what a request gets on its way upstream. No binding: nothing. A binding that fails: a refusal."""

    def __init__(self, references: References, mint: TokenMint | None = None) -> None:
        means = Means(references, mint=mint)
        self._held = means.held
        self._kinds = {name: kind(means) for name, kind in KINDS.items()}

    async def prepare(self, service: Service, request: Request, identity: Identity, now: float) -> Injection:
        """The headers to put onto this request, and the secrets to look for in its answer."""
        if request.query:
            _require_unsigned(service, request)
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
        kind = self._kinds.get(binding.kind)
        if kind is None:
            raise unavailable(binding.reference, f"binding {binding.id}: `{binding.kind}` is not a kind of binding")
        return await kind.obtain(binding, request, identity, now)

    def rejected(self, released: Released, now: float) -> None:
        """The service answered 401. The call is not sent again; but whoever calls next gets what is obtained anew."""
        binding = released.injection.binding
        if isinstance(binding, Obtained):
            self._held.doubt(binding, released.decided.described.attributed.identity, now)

    async def sweep(self, now: float, ended: Ended) -> None:
        """Ends what was obtained for identities that have ended. Ask this every second or so."""
        await self._held.sweep(now, ended)

    async def close(self, now: float) -> None:
        """Ends everything that was obtained and can be ended."""
        await self._held.close(now)


def _require_unsigned(service: Service, request: Request) -> None:
    """A presigned URL is a credential, which the agent must not bring to a service that we sign for."""
    if any(binding.kind == "aws_sigv4" for binding in service.bindings) and signed_query(request.query):
        raise refuse(
            "credential_in_query",
            403,
            "This URL carries a signature of its own. Send the plain request; it is signed on its way.",
            "fix_request",
        )


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
