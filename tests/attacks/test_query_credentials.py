"""Attacks on a credential that travels in a query, on a real house with a hostile service behind it."""

import base64
import gzip
from urllib.parse import quote

import pytest

from tests.attacks.conftest import House, reason_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

SPELLINGS: dict[str, tuple[str, str]] = {
    "a dummy": ("?key=dummy&a=1", "a=1&"),
    "none": ("", ""),
    "twice": ("?key=own&a=1&key=own", "a=1&"),
    "encoded": ("?%6bey=own", ""),
    "encoded, in capitals": ("?%4B%45%59=own&a=1", "a=1&"),
    "another letter case": ("?KEY=own", ""),
    "without a value": ("?key", ""),
    "a name that begins with it": ("?keys=1", "keys=1&"),
}


@pytest.mark.parametrize(("query", "left"), SPELLINGS.values(), ids=SPELLINGS.keys())
def test_the_service_sees_ours_and_no_other(house: House, query: str, left: str) -> None:
    """Once, at the end, whatever the agent sent under that name."""
    house.answers[b"ok"] = OK
    before = len(house.service.seen)
    assert house.ask(f"/keyed/x/ok{query}").endswith(b"ok")
    (seen,) = house.service.seen[before:]
    secret = quote(house.stage.crm_key, safe="")
    assert seen.split(b" ")[1] == f"/maps/x/ok?{left}key={secret}".encode()
    assert b"own" not in seen
    assert b"dummy" not in seen


LOOKALIKES = {
    "brackets": "?key[]=own",
    "an index": "?key[0]=own",
    "encoded brackets": "?key%5B%5D=own",
    "a blank": "?%20key=own",
    "a plus": "?+key=own",
    "encoded twice": "?%256bey=own",
    "NUL": "?key%00=own",
    "a semicolon": "?a=1;key=own",
    "encoded as in old servers of Microsoft": "?%u006bey=own",
}


@pytest.mark.parametrize("query", LOOKALIKES.values(), ids=LOOKALIKES.keys())
def test_what_a_lax_service_would_take_for_it_goes_nowhere(house: House, query: str) -> None:
    """A second reading of the same name would be the agent's own key."""
    before = len(house.service.seen)
    assert reason_of(house.ask(f"/keyed/x/ok{query}")) == "credential_in_query"
    assert len(house.service.seen) == before


def leaks(house: House) -> dict[str, bytes]:
    """Every place of an answer in which a service may repeat its URL."""
    url = f"/maps/x/leak?key={quote(house.stage.crm_key, safe='')}".encode()
    page = b"<p>no such page: " + url.replace(b"&", b"&amp;") + b"</p>"
    chunks = b"".join(b"1\r\n" + page[at : at + 1] + b"\r\n" for at in range(len(page))) + b"0\r\n\r\n"
    coded = gzip.compress(page)
    plain = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s"
    return {
        "redirect to another host": b"HTTP/1.1 302 F\r\nLocation: https://evil.test" + url
        + b"\r\nContent-Length: 0\r\n\r\n",
        "redirect to itself": b"HTTP/1.1 307 T\r\nLocation: " + url + b"\r\nContent-Length: 0\r\n\r\n",
        "Link": b"HTTP/1.1 200 OK\r\nLink: <" + url + b">; rel=next\r\nContent-Length: 0\r\n\r\n",
        "error page": b"HTTP/1.1 404 No\r\nContent-Length: %d\r\n\r\n" % len(page) + page,
        "error page, in chunks of a byte": b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
        "error page of HTTP/1.0": b"HTTP/1.0 500 Oh\r\n\r\n" + page,
        "compressed": plain % (len(coded), b"Content-Encoding: gzip\r\n", coded),
        "in base64": plain % (len(base64.b64encode(page)), b"", base64.b64encode(page)),
        "encoded once more": plain % (len(quote(url)), b"", quote(url).encode()),
        "after interim answers": b"HTTP/1.1 103 E\r\nLink: <" + url + b">\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page) + page,
        "reason phrase": b"HTTP/1.1 404 No " + url + b"\r\nContent-Length: 0\r\n\r\n",
    }  # fmt: skip


PLACES = (
    "redirect to another host", "redirect to itself", "Link", "error page", "error page, in chunks of a byte",
    "error page of HTTP/1.0", "compressed", "in base64", "encoded once more", "after interim answers", "reason phrase",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_the_secret_never_comes_back(house: House, place: str) -> None:
    """A redirect, an error page, an encoding: the answer is cut before the secret in it."""
    house.answers[b"leak"] = leaks(house)[place]
    said = house.ask("/keyed/x/leak?key=dummy")
    assert house.secret not in said
    assert quote(house.secret).encode() not in said
    assert base64.b64encode(house.secret)[:20] not in said


def test_nothing_that_is_kept_has_it(house: House) -> None:
    """Neither the log of the calls nor any other file of the house holds the secret, but the one it is read from."""
    house.answers[b"ok"] = OK
    assert house.ask("/keyed/x/ok?key=dummy").endswith(b"ok")
    for path in house.stage.directory.rglob("*"):
        if path.is_file() and path.name != "crm.key":
            assert house.secret not in path.read_bytes(), path
