"""What TLS asks for on its way: the certificate that we show an agent, and what an upstream is verified by."""

import time

from mitmproxy.proxy import commands
from mitmproxy.proxy.layers import tls

from proxy.listener.house import House
from proxy.listener.profile import GovernedServer
from proxy.listener.tunnel import check_server_name


def answer_hook(hook: commands.StartHook, house: House) -> None:
    """Gives TLS its parameters; raises the refusal of an agent that asks for another host.

    A hook that is not known here is not harmless, and an error.
    """
    if isinstance(hook, tls.TlsClienthelloHook):
        address = hook.data.context.server.address
        assert address is not None
        check_server_name(hook.data.client_hello.sni, address[0])
    elif isinstance(hook, tls.TlsStartClientHook):
        address = hook.data.context.server.address
        assert address is not None
        hook.data.ssl_conn = house.agent_tls.connection(address[0], time.time())
    elif isinstance(hook, tls.TlsStartServerHook):
        server = hook.data.conn
        assert isinstance(server, GovernedServer)
        place = server.destination
        hook.data.ssl_conn = house.upstream_tls.connection(place.host, place.ca_bundle)
    elif not isinstance(
        hook,
        tls.TlsEstablishedServerHook | tls.TlsEstablishedClientHook | tls.TlsFailedClientHook | tls.TlsFailedServerHook,
    ):
        raise TypeError(type(hook).__name__)
