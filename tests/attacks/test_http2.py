"""What HTTP/2 makes possible that HTTP/1.1 does not: smuggling by fields, and work that costs its sender nothing."""

import asyncio
import time
from collections.abc import Callable

import pytest

from proxy.errors import Refusal
from tests.fakes.agents import Rig, rig
from tests.fakes.gate import FakeGate
from tests.fakes.h2_agent import H2Agent, Headers, h2_agent, head
from tests.fakes.waiting import until

GET, POST = head(), head("POST")
ENDED = 0  # instead of a status: the whole connection


def but(name: str, value: str) -> Headers:
    """A request whose one pseudo-field is another."""
    return [(key, value if key == name else old) for key, old in GET]


# Fields of a request without a body, and the status that they get.
TABLE: dict[str, tuple[Headers, int]] = {
    "upper-case name": ([*GET, ("X-A", "1")], ENDED),
    "empty name": ([*GET, ("", "1")], ENDED),
    "space in a name": ([*GET, ("x a", "1")], ENDED),
    "colon in a name": ([*GET, ("x:a", "1")], ENDED),
    "line break in a name": ([*GET, ("x\r\nhost", "b.test")], ENDED),
    "brackets in a name": ([*GET, ("x(a)", "1")], 400),
    "line break in a value": ([*GET, ("x", "1\r\nhost: b.test")], ENDED),
    "line feed in a value": ([*GET, ("x", "1\nhost: b.test")], ENDED),
    "request in a value": ([*GET, ("x", "1\r\n\r\nGET /admin HTTP/1.1\r\nhost: a.test\r\n\r\n")], ENDED),
    "NUL in a value": ([*GET, ("x", "a\0b")], ENDED),
    "control byte in a value": ([*GET, ("x", "a\x01b")], 400),
    "byte above ASCII in a value": ([*GET, ("x", "\xff")], 400),
    "space around a value": ([*GET, ("x", " 1")], ENDED),
    "connection": ([*GET, ("connection", "close")], ENDED),
    "keep-alive": ([*GET, ("keep-alive", "5")], ENDED),
    "proxy-connection": ([*GET, ("proxy-connection", "close")], ENDED),
    "transfer-encoding": ([*POST, ("transfer-encoding", "chunked")], ENDED),
    "upgrade": ([*GET, ("upgrade", "websocket")], ENDED),
    "te": ([*GET, ("te", "gzip")], ENDED),
    "no method": ([(":scheme", "https"), (":authority", "a.test"), (":path", "/")], ENDED),
    "no scheme": ([(":method", "GET"), (":authority", "a.test"), (":path", "/")], ENDED),
    "no path": ([(":method", "GET"), (":scheme", "https"), (":authority", "a.test")], ENDED),
    "no authority": ([(":method", "GET"), (":scheme", "https"), (":path", "/"), ("host", "a.test")], 400),
    "neither authority nor host": ([(":method", "GET"), (":scheme", "https"), (":path", "/")], ENDED),
    "two methods": ([(":method", "GET"), *GET], ENDED),
    "two paths": ([*GET, (":path", "/admin")], ENDED),
    "two authorities": ([*GET, (":authority", "b.test")], ENDED),
    "pseudo-field behind a field": ([("x", "1"), *GET], ENDED),
    "unknown pseudo-field": ([*GET, (":x", "1")], ENDED),
    "pseudo-field of an answer": ([*GET, (":status", "200")], ENDED),
    "protocol without CONNECT": ([*GET, (":protocol", "websocket")], ENDED),
    "CONNECT": ([(":method", "CONNECT"), (":authority", "b.test:443")], ENDED),
    "CONNECT as a whole request": (but(":method", "CONNECT"), 501),
    "extended CONNECT": ([*but(":method", "CONNECT"), (":protocol", "websocket")], 400),
    "another scheme": (but(":scheme", "http"), 400),
    "scheme in capitals": (but(":scheme", "HTTPS"), 400),
    "another authority": (but(":authority", "b.test"), 421),
    "another port": (but(":authority", "a.test:8443"), 421),
    "authority with user information": (but(":authority", "u@a.test"), 400),
    "empty authority": (but(":authority", ""), 400),
    "authority with a space": (but(":authority", "a.test b"), 400),
    "another host": ([*GET, ("host", "b.test")], ENDED),
    "host in other letters": ([*GET, ("host", "A.test")], ENDED),
    "two hosts": ([*GET, ("host", "b.test"), ("host", "a.test")], 421),
    "the same host twice": ([*GET, ("host", "a.test"), ("host", "a.test")], 421),
    "space in the path": (but(":path", "/a HTTP/1.1"), 400),
    "line break in the path": (but(":path", "/ HTTP/1.1\r\nx: y"), ENDED),
    "absolute path": (but(":path", "https://b.test/"), 400),
    "path of an authority": (but(":path", "a.test:443"), 400),
    "asterisk": (but(":path", "*"), 400),
    "empty path": (but(":path", ""), ENDED),
    "fragment": (but(":path", "/#x"), 400),
    "dot segment": (but(":path", "/v1/../admin"), 400),
    "encoded slash at the end": (but(":path", "/v1%2f"), 400),
    "encoded slash and dots": (but(":path", "/v1%2f.."), 400),
    "double slash": (but(":path", "//admin"), 400),
    "path above ASCII": (but(":path", "/\xff"), 400),
    "method with a request": (but(":method", "GET /admin HTTP/1.1"), 400),
    "lower-case method": (but(":method", "get"), 501),
    "unknown method": (but(":method", "FOO"), 501),
    "PRI": (but(":method", "PRI"), 501),
    "method override": ([*POST, ("x-http-method-override", "DELETE")], 400),
    "path override": ([*GET, ("x-original-url", "/admin")], 400),
    "underscored twin": ([*GET, ("content_length", "5")], 400),
    "two lengths": ([*POST, ("content-length", "0"), ("content-length", "4")], 400),
    "length list": ([*POST, ("content-length", "0, 0")], ENDED),
    "length with a sign": ([*POST, ("content-length", "+0")], 400),
    "length without a body": ([*POST, ("content-length", "4")], 400),
    "announced body too large": ([*POST, ("content-length", "99999999")], 413),
    "two content types": ([*GET, ("content-type", "a/b"), ("content-type", "c/d")], 400),
    "two Authorizations": ([*GET, ("authorization", "Bearer a"), ("authorization", "Bearer b")], 400),
    "announced trailers": ([*POST, ("trailer", "x")], 400),
    "unknown expectation": ([*POST, ("expect", "magic")], 417),
    "large fields": ([*GET, *(("x", "a" * 8000) for _ in range(9))], 431),
    "many fields": ([*GET, *(("x", "1") for _ in range(250))], 431),
    "very many fields": ([*GET, *(("x", "1") for _ in range(5000))], ENDED),
}  # fmt: skip


def test_fields() -> None:
    """Every row is refused, on its stream or with its connection, and recorded; nothing of it reaches the upstream."""

    async def run() -> None:
        wrong: list[str] = []
        async with rig(http2=True) as r:
            for name, (fields, status) in TABLE.items():
                async with h2_agent(r) as agent:
                    got = await agent.answer(agent.begin(fields))
                    found = got.status if got.fields else ENDED
                    recorded = [refusal.status for refusal, _ in r.gate.refusals]
                    if (found, recorded) != (status, [status or 400]) or r.upstream.connections or r.gate.calls:
                        wrong.append(f"{name}: {found}, recorded {recorded}")
                    if status and (await agent.answer(agent.get())).status != 200:
                        wrong.append(f"{name}: the next request is not answered")
                    if r.gate.calls:
                        r.upstream.connections = 0
                        r.gate.calls.clear()
                    r.gate.refusals.clear()
        assert wrong == []

    asyncio.run(run())


async def refusal_of(r: Rig, status: int) -> Refusal:
    await until(lambda: bool(r.gate.refusals))
    assert [refusal.status for refusal, _ in r.gate.refusals] == [status]
    assert r.gate.calls == []
    assert r.upstream.connections == 0
    return r.gate.refusals[0][0]


def send_body(agent: H2Agent, fields: Headers, *pieces: bytes, end: bool = True) -> int:
    number = agent.begin(fields, end=False)
    for index, piece in enumerate(pieces):
        agent.connection.send_data(number, piece, end_stream=end and index == len(pieces) - 1)
    agent.flush()
    return number


@pytest.mark.parametrize(
    ("fields", "pieces", "status"),
    [
        ([*POST, ("content-length", "3")], [b"abcd"], ENDED),
        ([*POST, ("content-length", "5")], [b"abcd"], ENDED),
        (GET, [b"abcd"], 400),
        ([*POST, ("content-encoding", "gzip")], [b"abcd"], 415),
        (POST, [b"a"] * 5000, 400),
    ],
    ids=["longer than said", "shorter than said", "GET with a body", "compressed", "tiny frames"],
)
def test_bodies(fields: Headers, pieces: list[bytes], status: int) -> None:
    """A body that two readers could take for two things is refused, and so is one that is all work."""

    async def run() -> None:
        async with rig(http2=True) as r, h2_agent(r) as agent:
            got = await agent.answer(send_body(agent, fields, *pieces))
            assert (got.status if got.fields else ENDED) == status
            await refusal_of(r, status or 400)

    asyncio.run(run())


def test_an_empty_frame_is_not_a_body() -> None:
    """A GET that ends with an empty frame of data is a GET."""

    async def run() -> None:
        async with rig(http2=True) as r, h2_agent(r) as agent:
            assert (await agent.answer(send_body(agent, GET, b""))).status == 200
            assert r.upstream.seen[0].first_line == "GET / HTTP/1.1"

    asyncio.run(run())


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_too_large(announced: bool) -> None:
    """It is refused as soon as it is known, the agent is told to stop, and the connection goes on."""

    async def run() -> None:
        async with rig(http2=True) as r, h2_agent(r) as agent:
            fields = [*POST, ("content-length", str(2**21))] if announced else POST
            number = agent.begin(fields, end=False)
            await agent.upload(number, 2**21)
            got = await agent.answer(number)
            assert got.status == 413
            await agent.until(lambda: got.reset is not None)
            assert got.reset == 0
            await refusal_of(r, 413)
            assert (await agent.answer(agent.get())).status == 200

    asyncio.run(run())


def test_trailers() -> None:
    """Fields behind a body are refused, whatever they are."""

    async def run() -> None:
        async with rig(http2=True) as r, h2_agent(r) as agent:
            number = send_body(agent, POST, b"ab", end=False)
            agent.connection.send_headers(number, [("x-role", "admin")], end_stream=True)
            agent.flush()
            assert (await agent.answer(number)).status == 400
            assert (await refusal_of(r, 400)).reason == "trailers_refused"

    asyncio.run(run())


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


HEADERS = frame(1, 5, 1, b"\x82\x87\x84\x41\x06a.test")  # GET / of https
FLOODS: dict[str, Callable[[int], bytes]] = {
    "pings": lambda i: frame(6, 0, 0, i.to_bytes(8)),
    "pongs": lambda i: frame(6, 1, 0, i.to_bytes(8)),
    "settings": lambda i: frame(4, 0, 0),
    "acknowledged settings": lambda i: frame(4, 1, 0),
    "unknown settings": lambda i: frame(
        4, 0, 0, b"".join((256 + (i * 40 + n) % 60_000).to_bytes(2) + bytes(4) for n in range(40))
    ),
    "table sizes": lambda i: frame(4, 0, 0, b"\0\1" + (i * 10).to_bytes(4)),
    "priorities": lambda i: frame(2, 0, 2 * i + 1, b"\0\0\0\0\x10"),
    "window updates": lambda i: frame(8, 0, 0, b"\0\0\0\1"),
    "unknown frames": lambda i: frame(0x42, 0, 0),
    "resets of nothing": lambda i: (HEADERS if not i else b"") + frame(3, 0, 1, b"\0\0\0\x08"),
    "empty data": lambda i: (frame(1, 4, 1, b"\x83\x87\x84\x41\x06a.test") if not i else b"") + frame(0, 0, 1),
    "data behind the end": lambda i: (HEADERS + frame(3, 0, 1, b"\0\0\0\x08") if not i else b"") + frame(0, 0, 1),
    "rapid resets": lambda i: frame(1, 5, 2 * i + 1, HEADERS[9:]) + frame(3, 0, 2 * i + 1, b"\0\0\0\x08"),
    "streams reset by us": lambda i: frame(1, 4, 2 * i + 1, b"\x83" + HEADERS[10:])
    + frame(8, 0, 2 * i + 1, b"\x7f\xff\xff\xff"),
    "streams too many": lambda i: frame(1, 4, 2 * i + 1, b"\x83" + HEADERS[10:]),
    "continuations": lambda i: frame(1, 1, 1, HEADERS[9:]) if not i else frame(9, 0, 1),
    "a block without end": lambda i: frame(1 if not i else 9, 0, 1, b"\0" * 2000),
    "expanding fields": lambda i: frame(
        1, 5, 2 * i + 1, HEADERS[9:] + (b"\x40\x01x\x7f\xa1\x1e" + b"a" * 4000 if not i else b"") + b"\xbe" * 2000
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FLOODS)
def test_floods(name: str) -> None:
    """Whatever is free to send is taken a few thousand times at most; then the connection ends, and it is recorded."""

    async def run() -> None:
        gate = FakeGate(wait=asyncio.Event())
        async with rig(gate=gate, http2=True) as r, h2_agent(r) as agent:
            while not agent.settings:
                await agent.read()
            raw = b"".join(FLOODS[name](index) for index in range(20_000))
            began = time.process_time()
            agent.wire.send(raw)
            rest = await agent.wire.rest()
            assert time.process_time() - began < 3
            assert len(rest) < 2**18
            await until(lambda: not r.listener.connections())
            assert [refusal.reason for refusal, _ in gate.refusals] in (["flooded"], ["malformed_request"])
            assert len(gate.calls) <= 201
            assert (gate.answers, gate.never_sent, r.upstream.connections) == ([], [], 0)

    asyncio.run(run())


def test_taking_back_now_and_then_is_no_flood() -> None:
    """An agent that takes back half of what it asks for, and gets the rest, goes on for ever."""

    async def run() -> None:
        async with rig(http2=True) as r, h2_agent(r) as agent:
            for _ in range(300):
                agent.cancel(agent.get("/not-wanted"))
                assert (await agent.answer(agent.get())).status == 200
            assert len(r.listener.connections()) == 1

    asyncio.run(run())


def test_another_name_in_the_handshake() -> None:
    """HTTP/2 does not let a connection be used for another host that its certificate could be taken for."""

    async def run() -> None:
        async with rig(http2=True, names=("a.test", "b.test")) as r, h2_agent(r) as agent:
            assert (await agent.answer(agent.get(host="b.test"))).status == 421
            assert r.gate.calls == []

    asyncio.run(run())


def test_no_settings_at_all() -> None:
    """What does not begin like HTTP/2 after HTTP/2 was agreed on is ended and recorded."""

    async def run() -> None:
        async with rig(http2=True) as r:
            for raw in (b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", bytes(100), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r"):
                wire = await r.tunnel(tls=False)
                context = r.trust()
                context.set_alpn_protocols(["h2"])
                await wire.start_tls(context, "a.test")
                wire.send(raw)
                await wire.rest()
                await wire.close()
            await until(lambda: len(r.gate.refusals) == 3)
            assert {refusal.reason for refusal, _ in r.gate.refusals} == {"malformed_request"}
            assert r.upstream.connections == 0

    asyncio.run(run())
