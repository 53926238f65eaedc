"""Requests that two readers could take for two things: the upstream sees nothing of them, and they are recorded."""

import asyncio

import pytest

from tests.fakes.agents import CREDENTIAL, Rig, Wire, rig

GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.test\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
EMPTY = b"Content-Length: 0\r\n\r\n"
FOUR = b"Content-Length: 4\r\n\r\nabcd"

# What is sent inside a tunnel to a.test, and the status that it gets.
IN_TUNNEL: dict[str, tuple[bytes, int]] = {
    "bare CR in a value": (GET + b"X: a\rb\r\n\r\n", 400),
    "NUL in a value": (GET + b"X: a\0b\r\n\r\n", 400),
    "control byte in a value": (GET + b"X: a\x01b\r\n\r\n", 400),
    "byte above ASCII in a value": (GET + b"X: \xff\r\n\r\n", 400),
    "folded field": (GET + b"X: a\r\n b\r\n\r\n", 400),
    "folded first field": (b"GET / HTTP/1.1\r\n Host: a.test\r\n\r\n", 400),
    "bare LF line ends": (b"GET / HTTP/1.1\nHost: a.test\n\n", 400),
    "one bare LF": (b"GET / HTTP/1.1\r\nHost: a.test\nX: 1\r\n\r\n", 400),
    "leading CRLF": (b"\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "leading LF": (b"\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "space before the colon": (b"GET / HTTP/1.1\r\nHost : a.test\r\n\r\n", 400),
    "space in a name": (GET + b"X Y: 1\r\n\r\n", 400),
    "empty name": (GET + b": 1\r\n\r\n", 400),
    "no colon": (GET + b"X\r\n\r\n", 400),
    "duplicate Host": (GET + b"Host: b.test\r\n\r\n", 400),
    "the same Host twice": (GET + b"Host: a.test\r\n\r\n", 400),
    "no Host": (b"GET / HTTP/1.1\r\nX: 1\r\n\r\n", 400),
    "another Host": (b"GET / HTTP/1.1\r\nHost: b.test\r\n\r\n", 421),
    "another port": (b"GET / HTTP/1.1\r\nHost: a.test:8443\r\n\r\n", 421),
    "Host with user information": (b"GET / HTTP/1.1\r\nHost: a.test@b.test\r\n\r\n", 400),
    "Host with a trailing dot": (b"GET / HTTP/1.1\r\nHost: a.test.\r\n\r\n", 400),
    "Host list": (b"GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n", 400),
    "Host_ twin": (GET + b"Content_Length: 5\r\n\r\n", 400),
    "absolute form": (b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "absolute form elsewhere": (b"GET https://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "fragment": (b"GET /#x HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "space in the target": (b"GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "request in the target": (b"GET /a HTTP/1.1 HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "lower-case method": (b"get / HTTP/1.1\r\nHost: a.test\r\n\r\n", 501),
    "mixed-case method": (b"Get / HTTP/1.1\r\nHost: a.test\r\n\r\n", 501),
    "invented method": (b"FOO@BAR / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "unknown method": (b"FOO / HTTP/1.1\r\nHost: a.test\r\n\r\n", 501),
    "TRACE": (b"TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", 501),
    "control bytes before the method": (b"\x00\x01\x02GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "letters that look like a method": ("GE\u0422 / HTTP/1.1\r\nHost: a.test\r\n\r\n".encode(), 400),
    "nested CONNECT": (b"CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n", 501),
    "HTTP/3.7": (b"GET / HTTP/3.7\r\nHost: a.test\r\n\r\n", 505),
    "HTTP/9.9": (b"GET / HTTP/9.9\r\nHost: a.test\r\n\r\n", 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "TLS in TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "SSH": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", 400),
    "length and chunked": (POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", 400),
    "the same length twice": (POST + b"Content-Length: 4\r\n" + FOUR, 400),
    "length list": (POST + b"Content-Length: 4, 4\r\n\r\nabcd", 400),
    "length with a sign": (POST + b"Content-Length: +4\r\n\r\nabcd", 400),
    "length with a zero in front": (POST + b"Content-Length: 04\r\n\r\nabcd", 400),
    "hexadecimal length": (POST + b"Content-Length: 0x4\r\n\r\nabcd", 400),
    "empty length": (POST + b"Content-Length:\r\n\r\nabcd", 400),
    "unknown coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "coding list": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked twice": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked in HTTP/1.0": (b"POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "bad chunk size": (POST + CHUNKED + b"-1\r\n\r\n", 400),
    "chunk longer than said": (POST + CHUNKED + b"1\r\nabc\r\n0\r\n\r\n", 400),
    "chunk line with a bare LF": (POST + CHUNKED + b"3;x\nabc\r\n0\r\n\r\n", 400),
    "trailers": (POST + CHUNKED + b"0\r\nX: 1\r\n\r\n", 400),
    "announced trailers": (POST + b"Trailer: X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "GET with a body": (GET + b"" + FOUR, 400),
    "compressed body": (POST + b"Content-Encoding: gzip\r\n" + FOUR, 415),
    "unknown content coding": (POST + b"Content-Encoding: foo\r\n" + FOUR, 415),
    "two content types": (POST + b"Content-Type: a/b\r\nContent-Type: c/d\r\n" + EMPTY, 400),
    "two Authorizations": (GET + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", 400),
    "method override": (POST + b"X-HTTP-Method-Override: DELETE\r\n" + EMPTY, 400),
    "method override with underscores": (POST + b"X_HTTP_METHOD_OVERRIDE: DELETE\r\n" + EMPTY, 400),
    "path override": (GET + b"X-Original-URL: /admin\r\n\r\n", 400),
    "Connection names Authorization": (GET + b"Connection: Authorization\r\n\r\n", 400),
    "Connection names Content-Length": (POST + b"Connection: content-length\r\n" + EMPTY, 400),
    "unknown upgrade": (GET + b"Connection: upgrade\r\nUpgrade: foo\r\n\r\n", 400),
    "WebSocket without a version": (GET + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", 400),
    "unknown expectation": (POST + b"Expect: magic\r\n" + FOUR, 417),
    "header too large": (GET + b"X: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    "header that never ends": (GET + b"X: " + b"a" * 70_000, 431),
    "too many headers": (GET + b"" + b"X: 1\r\n" * 250 + b"\r\n", 431),
    "target too large": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a.test\r\n\r\n", 431),
    "announced body too large": (POST + b"Content-Length: 99999999\r\n\r\n", 413),
    "announced with Expect": (POST + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", 413),
    "chunked body too large": (POST + CHUNKED + (b"8000\r\n" + b"a" * 0x8000 + b"\r\n") * 40, 413),
    "chunk size without end": (POST + CHUNKED + b"1" * 70_000, 400),
    "dot segment": (b"GET /v1/../admin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "single dot": (b"GET /v1/./admin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "encoded dots": (b"GET /v1/%2e%2e/admin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "encoded slash at an edge": (b"GET /v1/%2fadmin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "encoded slashes around dots": (b"GET /v1%2f..%2Fadmin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "slash encoded twice": (b"GET /v1%252fadmin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "encoded backslash": (b"GET /v1%5cadmin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "backslash": (b"GET /v1\\admin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "double encoding": (b"GET /v1/%252e%252e/admin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "overlong encoding": (b"GET /v1/%c0%ae%c0%ae/admin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "encoded NUL": (b"GET /v1/a%00b HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "encoded line break": (b"GET /v1/a%0d%0ab HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "encoded letter": (b"GET /v1/%61dmin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "fullwidth slash": (b"GET /v1%ef%bc%8fadmin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "double slash": (b"GET /v1//admin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "leading double slash": (b"GET //b.test/admin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "path parameter": (b"GET /v1;x/..;/admin HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    "broken encoding": (b"GET /v1/%zz HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
}  # fmt: skip

TO_PROXY: dict[str, tuple[bytes, int]] = {
    "path only": (GET + b"", 400),
    "https target": (b"GET https://a.test/ HTTP/1.1\r\nHost: a.test\r\n", 400),
    "ftp target": (b"GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n", 400),
    "user information": (b"GET http://a.test@b.test/ HTTP/1.1\r\nHost: b.test\r\n", 400),
    "backslash authority": (b"GET http://a.test\\@b.test/ HTTP/1.1\r\nHost: a.test\r\n", 400),
    "query authority": (b"GET http://a.test?@b.test/ HTTP/1.1\r\nHost: b.test\r\n", 421),
    "fragment authority": (b"GET http://a.test#@b.test/ HTTP/1.1\r\nHost: a.test\r\n", 400),
    "Host is another": (b"GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\n", 421),
    "Host has another port": (b"GET http://a.test/ HTTP/1.1\r\nHost: a.test:81\r\n", 421),
    "no Host": (b"GET http://a.test/ HTTP/1.1\r\n", 400),
    "port 0": (b"GET http://a.test:0/ HTTP/1.1\r\nHost: a.test:0\r\n", 400),
    "port too large": (b"GET http://a.test:65536/ HTTP/1.1\r\nHost: a.test:65536\r\n", 400),
    "octal address": (b"GET http://0177.0.0.1/ HTTP/1.1\r\nHost: 0177.0.0.1\r\n", 400),
    "decimal address": (b"GET http://2130706433/ HTTP/1.1\r\nHost: 2130706433\r\n", 400),
    "hexadecimal address": (b"GET http://0x7f000001/ HTTP/1.1\r\nHost: 0x7f000001\r\n", 400),
    "short address": (b"GET http://127.1/ HTTP/1.1\r\nHost: 127.1\r\n", 400),
    "address with a scope": (b"GET http://[fe80::1%25eth0]/ HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n", 400),
    "long IPv6": (b"GET http://[0:0:0:0:0:0:0:1]/ HTTP/1.1\r\nHost: [0:0:0:0:0:0:0:1]\r\n", 400),
    "CONNECT without a port": (b"CONNECT a.test HTTP/1.1\r\nHost: a.test\r\n", 400),
    "CONNECT with user information": (b"CONNECT u@a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n", 400),
    "CONNECT with a path": (b"CONNECT a.test:443/x HTTP/1.1\r\nHost: a.test:443\r\n", 400),
    "CONNECT to port 0": (b"CONNECT a.test:0 HTTP/1.1\r\nHost: a.test:0\r\n", 400),
    "CONNECT to a large port": (b"CONNECT a.test:65536 HTTP/1.1\r\nHost: a.test:65536\r\n", 400),
    "CONNECT with another Host": (b"CONNECT a.test:443 HTTP/1.1\r\nHost: b.test:443\r\n", 421),
    "CONNECT with a body": (b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nContent-Length: 4\r\n", 400),
    "CONNECT with a large head": (b"CONNECT a.test:443 HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n", 431),
    "lower-case connect": (b"connect a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n", 501),
    "TLS to the proxy": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
}  # fmt: skip

TO_GATEWAY: dict[str, tuple[bytes, int]] = {
    "absolute form": (b"GET http://evil.test/svc/x HTTP/1.1\r\nHost: g.test\r\n\r\n", 400),
    "no service": (b"GET / HTTP/1.1\r\nHost: g.test\r\n\r\n", 404),
    "dots for a service": (b"GET /../svc/x HTTP/1.1\r\nHost: g.test\r\n\r\n", 404),
    "encoded service": (b"GET /%73vc/x HTTP/1.1\r\nHost: g.test\r\n\r\n", 404),
    "service in capitals": (b"GET /SVC/x HTTP/1.1\r\nHost: g.test\r\n\r\n", 404),
    "dots behind the service": (b"GET /svc/../other HTTP/1.1\r\nHost: g.test\r\n\r\n", 400),
    "CONNECT": (b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", 501),
    "two Hosts": (b"GET /svc/x HTTP/1.1\r\nHost: g.test\r\nHost: h.test\r\n\r\n", 400),
}


async def refused(r: Rig, wire: Wire, raw: bytes, status: int) -> None:
    """Sends, and expects one answer with this status, the end of the connection, a record, and nothing upstream."""
    wire.send(raw)
    answer = await wire.rest()
    await wire.close()
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert bytes(r.upstream.raw) == b""
    assert r.upstream.connections == 0
    assert r.gate.calls == []
    assert [refusal.status for refusal, _ in r.gate.refusals] == [status]


def each(rows: dict[str, tuple[bytes, int]], **options: bool) -> None:
    async def run() -> None:
        wrong: list[str] = []
        async with rig(**options) as r:
            for name, (raw, status) in rows.items():
                if rows is IN_TUNNEL:
                    wire = await r.tunnel()
                else:
                    wire = await r.dial(gateway=rows is TO_GATEWAY)
                if rows is TO_PROXY and not raw.startswith(b"\x16"):
                    raw += f"{CREDENTIAL}\r\n\r\n".encode()
                try:
                    await refused(r, wire, raw, status)
                except (AssertionError, TimeoutError) as error:
                    wrong.append(f"{name}: {str(error).splitlines()[:1] or type(error).__name__}")
                r.gate.refusals.clear()
        assert wrong == []

    asyncio.run(run())


def test_inside_a_tunnel() -> None:
    """Every row is refused with its status, and nothing of it reaches the upstream."""
    each(IN_TUNNEL)


def test_at_the_proxy() -> None:
    """Every row is refused with its status, and nothing of it reaches the upstream."""
    each(TO_PROXY)


def test_at_the_gateway() -> None:
    """Every row is refused with its status, and nothing of it reaches the upstream."""
    each(TO_GATEWAY, gateway=True)


@pytest.mark.parametrize("raw", [row[0] for row in IN_TUNNEL.values() if len(row[0]) < 300])
def test_byte_by_byte(raw: bytes) -> None:
    """Splitting the bytes changes nothing: the raw relay that a first short packet once opened is not there."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel(tls=False)
            for byte in raw:
                wire.send(bytes([byte]))
                await asyncio.sleep(0)
            wire.writer.write_eof()
            await wire.rest()
            await wire.close()
            assert r.upstream.connections == 0
            assert r.gate.calls == []

    asyncio.run(run())


def test_what_follows_a_refused_request_is_not_read() -> None:
    """The rest of the connection cannot be trusted, so a request behind a refused one is never answered."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel()
            good = GET + b"\r\n"
            await refused(r, wire, b"GET / HTTP/1.1\r\nHost: b.test\r\n\r\n" + good, 421)

    asyncio.run(run())


def test_pipelined_requests_are_judged_one_by_one() -> None:
    """Two requests in one packet are two calls, and their answers come in order."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel()
            wire.send(
                b"GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n"
                b"POST /2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi"
            )
            assert (await wire.answer())[0] == 200
            assert (await wire.answer())[0] == 200
            assert [arrived.request.path for arrived, _ in r.gate.calls] == ["/1", "/2"]
            assert [seen.first_line for seen in r.upstream.seen] == ["GET /1 HTTP/1.1", "POST /2 HTTP/1.1"]
            await wire.close()

    asyncio.run(run())
