"""The TLS that we speak: to agents with a leaf of our own authority, to upstreams with their proof demanded."""

import ipaddress
from collections import OrderedDict
from pathlib import Path

import certifi
from OpenSSL import SSL

from proxy.errors import CountersignError
from proxy.listener.ca import MAX_LEAVES, Authority

_ALPN = b"http/1.1"
_ALPN_2 = b"h2"
# The name is matched against subjectAltName only, and a wildcard only as a whole label.
_HOST_FLAGS = SSL._lib.X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | SSL._lib.X509_CHECK_FLAG_NEVER_CHECK_SUBJECT  # type: ignore[attr-defined]  # noqa: SLF001 - pyOpenSSL offers no other way to have OpenSSL verify the host


class AgentTls:
    """Server side, one cached context per host, so that keys are not loaded for each connection."""

    def __init__(self, authority: Authority, *, http2: bool = False) -> None:
        self._authority = authority
        self._select = _select_newest if http2 else select_http1
        self._contexts: OrderedDict[str, tuple[SSL.Context, float]] = OrderedDict()

    def connection(self, host: str, now: float) -> SSL.Connection:
        """A connection that proves to be this host, and speaks HTTP/1.1, or HTTP/2 if that was asked for."""
        context, renew_at = self._contexts.get(host, (None, 0.0))
        if context is None or renew_at <= now:
            leaf = self._authority.leaf(host, now)
            context = tls_context(SSL.TLS_SERVER_METHOD)
            context.use_certificate(leaf.certificate)
            context.use_privatekey(self._authority.leaf_key)
            context.set_alpn_select_callback(self._select)  # type: ignore[arg-type]  # its second return type is private
            self._contexts[host] = (context, leaf.renew_at)
            if len(self._contexts) > MAX_LEAVES:
                self._contexts.popitem(last=False)
        connection = SSL.Connection(context)
        connection.set_accept_state()
        return connection


class UpstreamTls:
    """Client side: the upstream must prove its name, against public roots or the service's own bundle."""

    def __init__(self, default_bundle: Path | None) -> None:
        self._default = str(default_bundle or certifi.where())
        self._contexts: dict[tuple[str, int], SSL.Context] = {}
        self._context_for(self._default)

    def connection(self, host: str, ca_bundle: str | None) -> SSL.Connection:
        """A connection that ends in an error unless the peer proves to be this host."""
        connection = SSL.Connection(self._context_for(ca_bundle or self._default))
        parameters = SSL._lib.SSL_get0_param(connection._ssl)  # type: ignore[attr-defined]  # noqa: SLF001 - see _HOST_FLAGS
        SSL._lib.X509_VERIFY_PARAM_set_hostflags(parameters, _HOST_FLAGS)  # type: ignore[attr-defined]  # noqa: SLF001 - see _HOST_FLAGS
        try:
            packed = ipaddress.ip_address(host).packed
        except ValueError:
            name = host.encode("ascii")
            connection.set_tlsext_host_name(name)
            done = SSL._lib.X509_VERIFY_PARAM_set1_host(parameters, name, len(name))  # type: ignore[attr-defined]  # noqa: SLF001 - see _HOST_FLAGS
        else:
            done = SSL._lib.X509_VERIFY_PARAM_set1_ip(parameters, packed, len(packed))  # type: ignore[attr-defined]  # noqa: SLF001 - see _HOST_FLAGS
        if done != 1:
            raise CountersignError(f"cannot have TLS verify the name `{host}`")
        connection.set_alpn_protos([_ALPN])
        connection.set_connect_state()
        return connection

    def _context_for(self, bundle: str) -> SSL.Context:
        """The context for this bundle as it is on disk now: a bundle that was replaced is read again."""
        try:
            key = (bundle, Path(bundle).stat().st_mtime_ns)
            context = self._contexts.get(key)
            if context is None:
                context = tls_context(SSL.TLS_CLIENT_METHOD)
                context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
                context.load_verify_locations(bundle)
                self._contexts = {kept: value for kept, value in self._contexts.items() if kept[0] != bundle}
                self._contexts[key] = context
        except (OSError, SSL.Error) as error:
            raise CountersignError(f"{bundle}: cannot read the trusted certificates") from error
        return context


def tls_context(method: int) -> SSL.Context:
    """A context with what holds of all our TLS: 1.2 or newer, and nothing renegotiated."""
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    return context


def select_http1(_connection: SSL.Connection, offered: list[bytes]) -> bytes | object:
    """HTTP/1.1 if it is offered; who offers only others is not told of any."""
    return _ALPN if _ALPN in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _select_newest(connection: SSL.Connection, offered: list[bytes]) -> bytes | object:
    return _ALPN_2 if _ALPN_2 in offered else select_http1(connection, offered)
