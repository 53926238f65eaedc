"""The listener with real sockets: real clients, real TLS, real upstreams; only the gate is a fake."""

import asyncio

import httpx
import requests

from tests.fakes.agents import rig


def test_httpx_through_connect() -> None:
    """An unmodified httpx client gets an upstream's answer through a tunnel that we look into."""

    async def run() -> None:
        async with rig() as r, httpx.AsyncClient(proxy=r.proxy, verify=r.trust()) as client:
            answer = await client.post("https://a.test/v1/things?x=1", json={"a": 1})
            assert (answer.status_code, answer.text) == (200, "hello")
            arrived, evidence = r.gate.calls[0]
            assert evidence is None
            assert arrived.entrance == "connect"
            assert arrived.request.authority == "a.test"
            assert (arrived.request.path, arrived.request.query) == ("/v1/things", "x=1")
            assert arrived.request.body == b'{"a":1}'
            assert r.gate.tunnels[0][1].credentials == (("basic", "countersign_x"),)
            assert r.upstream.seen[0].first_line == "POST /v1/things?x=1 HTTP/1.1"
            assert r.upstream.seen[0].field("host") == ["a.test"]
            assert r.upstream.seen[0].body == b'{"a":1}'
        assert [(a.status, a.response_bytes, a.sent) for a in r.gate.answers] == [(200, 5, True)]
        assert r.gate.gone == [arrived.connection]

    asyncio.run(run())


def test_requests_through_connect() -> None:
    """The same for requests, which speaks HTTP/1.0 to the proxy."""

    async def run() -> None:
        async with rig() as r:

            def ask() -> str:
                with requests.Session() as session:
                    return session.get("https://a.test/", proxies={"https": r.proxy}, verify=r.ca).text

            assert await asyncio.to_thread(ask) == "hello"

    asyncio.run(run())
