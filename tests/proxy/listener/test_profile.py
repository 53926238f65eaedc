"""The fixed profile under which mitmproxy's layers run."""

import dataclasses

import pytest
from mitmproxy.connection import Client, Server
from mitmproxy.version import VERSION

from proxy.listener.permit import Permit
from proxy.listener.profile import (
    OPTIONS,
    TESTED_VERSIONS,
    GovernedClient,
    GovernedContext,
    GovernedServer,
    LayerOptions,
    check_version,
)
from proxy.stages import Arrived, Destination, Request
from tests.fakes.gate import released


def test_the_installed_version_is_tested() -> None:
    """What is installed here is what the tests have been run with."""
    assert VERSION in TESTED_VERSIONS
    check_version()


def test_nothing_passes_unseen() -> None:
    """No raw relay, no early connections, no streaming past inspection, no HTTP/2 or HTTP/3, headers validated."""
    assert dataclasses.asdict(LayerOptions()) == {
        "rawtcp": False,
        "websocket": True,
        "http2": False,
        "http3": False,
        "connection_strategy": "lazy",
        "validate_inbound_headers": True,
        "keep_host_header": False,
        "store_streamed_bodies": False,
        "stream_large_bodies": None,
        "body_size_limit": None,
        "proxy_debug": False,
        "tcp_timeout": 60,
    }


def test_options_cannot_be_changed() -> None:
    """Not even by someone who has the object."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        OPTIONS.rawtcp = True


def test_forks_share_the_client_and_not_the_layers() -> None:
    """A fork is for another branch of layers of the same connection."""
    context = GovernedContext(Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2)))
    fork = context.fork()
    assert fork.client is context.client
    assert fork.options is OPTIONS
    assert fork.layers is not context.layers


def test_a_connection_is_only_itself() -> None:
    """What bears the same id is another connection: it finds no socket, and nothing is sent to it."""
    request = Request("GET", "http", "a.test", 80, "/", "", (), b"")
    arrived = Arrived("call_1", 0.0, "c", "connect", "p", request)
    server = GovernedServer(Permit(released(arrived, request), Destination("http", "a.test", 80)))
    client = GovernedClient(peername=("p", 1), sockname=("s", 2))
    assert {server: 1, client: 2} == {client: 2, server: 1}
    assert client != GovernedClient(peername=("p", 1), sockname=("s", 2), id=client.id)
    assert Client(peername=("p", 1), sockname=("s", 2), id=client.id) not in {client: 2}
    assert Server(address=None, id=server.id) not in {server: 1}
