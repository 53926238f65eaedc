"""What TLS is told on its way. tests/proxy/listener/test_tunnel.py and test_upstream_layer.py show it with sockets."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers import tls

from proxy.errors import Refused
from proxy.listener.tls_hooks import answer_hook

HOUSE: Any = SimpleNamespace(agent_tls=SimpleNamespace(connection=lambda host, _: f"for {host}"))


def data(sni: str | None = "a.test") -> Any:
    """What mitmproxy hands to its hooks."""
    context = SimpleNamespace(server=SimpleNamespace(address=("a.test", 443)))
    return SimpleNamespace(context=context, client_hello=SimpleNamespace(sni=sni), ssl_conn=None)


def test_an_agent_is_shown_the_certificate_of_its_tunnel_s_host() -> None:
    """The host that it asked for, and no other."""
    hook = tls.TlsStartClientHook(data())
    answer_hook(hook, HOUSE)
    assert hook.data.ssl_conn == "for a.test"


def test_another_name_in_tls_is_refused() -> None:
    """A tunnel is to one host."""
    answer_hook(tls.TlsClienthelloHook(data()), HOUSE)
    for sni in ("b.test", None):
        with pytest.raises(Refused):
            answer_hook(tls.TlsClienthelloHook(data(sni)), HOUSE)


def test_what_is_not_known_is_an_error() -> None:
    """A hook of another version might want something of us."""

    @dataclass
    class OtherHook(commands.StartHook):
        name = "other"

    with pytest.raises(TypeError, match="OtherHook"):
        answer_hook(OtherHook(), HOUSE)
    for harmless in (tls.TlsEstablishedClientHook, tls.TlsFailedClientHook, tls.TlsFailedServerHook):
        answer_hook(harmless(data()), HOUSE)
