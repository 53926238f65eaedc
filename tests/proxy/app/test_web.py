"""The two sockets of the control API: bound with clear words, served together, closed together."""

import asyncio
import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from proxy.app import web as module
from proxy.app.web import bind, web_servers
from proxy.control.guard import peer_of
from proxy.control.operator_socket import bind_operator_socket
from proxy.errors import CountersignError
from tests.fakes.waiting import PATIENCE


async def who(request: Request) -> PlainTextResponse:
    peer = peer_of(request.scope)
    return PlainTextResponse("nobody" if peer is None else f"uid {peer.uid}")


def application() -> Starlette:
    return Starlette(routes=[Route("/", who)])


def test_both_sockets_are_served_and_only_one_knows_the_operator(tmp_path):
    """Over TCP a caller is nobody; over the operator's socket the kernel says who it is."""

    async def main():
        listening, operator = bind("127.0.0.1", 0), bind_operator_socket(tmp_path / "c" / "operator.sock")
        port = listening.getsockname()[1]
        async with web_servers(application(), listening, operator):
            async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
                assert (await client.get(f"http://127.0.0.1:{port}/")).text == "nobody"
            over = httpx.AsyncHTTPTransport(uds=str(tmp_path / "c" / "operator.sock"))
            async with httpx.AsyncClient(transport=over, trust_env=False) as client:
                assert (await client.get("http://localhost/")).text.startswith("uid ")
        listening.close()
        operator.close()
        with pytest.raises(OSError, match=str(port)):
            await asyncio.open_connection("127.0.0.1", port)

    asyncio.run(main())


def test_a_port_in_use_is_said_in_words():
    """The address, what is wrong with it, and which setting to change."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(
            CountersignError,
            match=r"cannot listen on 127\.0\.0\.1:\d+: address already in use; choose another in `listen`",
        ),
    ):
        bind("127.0.0.1", taken.getsockname()[1])


def test_ipv6_is_bound_as_such():
    """A host with colons is an IPv6 address."""
    if not socket.has_ipv6:
        pytest.skip("this machine speaks no IPv6")
    with bind("::1", 0) as listening:
        assert listening.family == socket.AF_INET6


def test_a_server_that_does_not_start_is_an_error(tmp_path, monkeypatch):
    """If a server ends before it serves, we do not go on without it."""

    async def nothing(self, sockets):
        return None

    monkeypatch.setattr(module._Server, "serve", nothing)

    async def main():
        with bind("127.0.0.1", 0) as listening, bind_operator_socket(tmp_path / "c" / "o") as operator:
            async with web_servers(application(), listening, operator):
                raise AssertionError("served")

    with pytest.raises(CountersignError, match="the control API does not start"):
        asyncio.run(main())


def test_answers_do_not_wait_for_acknowledgements():
    """Head and body of an answer go out at once, on every connection that is accepted."""
    with bind("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()) as client:
        accepted, _ = listening.accept()
        with accepted:
            assert client.getpeername() == listening.getsockname()
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
