"""The fixed profile under which mitmproxy's layers run."""

import dataclasses

import pytest
from mitmproxy.connection import Client
from mitmproxy.version import VERSION

from proxy.listener.profile import OPTIONS, TESTED_VERSIONS, GovernedContext, LayerOptions, check_version


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
