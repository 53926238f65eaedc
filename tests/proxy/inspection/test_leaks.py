"""No secret comes back, whatever the pieces that an answer arrives in."""

import base64
import json
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.inspection.leaks import Leaked, LeakScanner, is_readable, scan_headers
from proxy.stages import Secret

VALUE = 'sk+live/"5\\%=~abc'
SECRET = Secret("env:CRM_TOKEN", VALUE)
OTHER = Secret("file:/run/other", "another-secret-value")


def scan(*chunks: bytes, secrets: tuple[Secret, ...] = (SECRET, OTHER)) -> tuple[bytes, str | None]:
    """What went out, and which secret stopped it."""
    scanner = LeakScanner(secrets)
    out = b""
    try:
        for chunk in chunks:
            out += scanner.feed(chunk)
        return out + scanner.end(), None
    except Leaked as leaked:
        return out, leaked.reference


DISGUISES = {
    "raw": VALUE.encode(),
    "percent": quote(VALUE, safe="").encode(),
    "percent, slashes kept": quote(VALUE).encode(),
    "percent, lower case": quote(VALUE, safe="").replace("%2B", "%2b").replace("%2F", "%2f").replace("%22", "%22")
    .replace("%5C", "%5c").replace("%3D", "%3d").encode(),
    "percent, all of it": "".join(f"%{byte:02X}" for byte in VALUE.encode()).encode(),
    "json": json.dumps(VALUE)[1:-1].encode(),
    "json, escaped slashes": json.dumps(VALUE)[1:-1].replace("/", "\\/").encode(),
    "json of Gson": json.dumps(VALUE)[1:-1].replace("=", "\\u003d").encode(),
    "json of .NET": json.dumps(VALUE)[1:-1].replace("+", "\\u002B").encode(),
    "html": VALUE.replace('"', "&quot;").encode(),
    "utf-16": VALUE.encode("utf-16-le"),
    "utf-32, big-endian": VALUE.encode("utf-32-be"),
    "hex": VALUE.encode().hex().encode(),
    "HEX": VALUE.encode().hex().upper().encode(),
    "base64": base64.b64encode(VALUE.encode()),
    "base64 of user:secret": base64.b64encode(b"user:" + VALUE.encode()),
    "base64url after one byte": base64.urlsafe_b64encode(b"x" + VALUE.encode() + b"yz"),
    "base64 after two bytes": base64.b64encode(b"xy" + VALUE.encode() + b"z"),
}  # fmt: skip


@pytest.mark.parametrize("form", DISGUISES.values(), ids=DISGUISES)
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_every_disguise_is_found(form: bytes, size: int) -> None:
    """In one piece or byte by byte, the secret stops the answer, and nothing of it has gone out.

    Of base64, what stands for the bytes before the secret may have gone.
    """
    body = b'{"you sent": "' + form + b'"}'
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    out, leaked = scan(*chunks)
    assert leaked == "env:CRM_TOKEN"
    others = {b"dXNlcjp": 7, b"eHN": 2, b"eHl": 3}
    ahead = next((length for start, length in others.items() if form.startswith(start)), 0)
    assert (b'{"you sent": "' + form[:ahead]).startswith(out)


def test_which_secret_leaked_is_told_and_nothing_else() -> None:
    """The refusal names the reference for the record; the value is in no text."""
    scanner = LeakScanner((SECRET, OTHER))
    with pytest.raises(Leaked) as caught:
        scanner.feed(b"... another-secret-value ...")
    refusal = caught.value.refusal
    assert (caught.value.reference, refusal.reason, refusal.status) == ("file:/run/other", "secret_leaked", 502)
    assert "another-secret-value" not in f"{caught.value} {caught.value!r} {refusal!r}"
    assert "file:" not in refusal.detail
    with pytest.raises(Leaked):
        scanner.feed(b"harmless")
    assert scanner.end() == b""


def test_nothing_is_held_back_that_cannot_be_a_start() -> None:
    """An event of a stream goes out as it comes, unless its end could be the start of a secret."""
    scanner = LeakScanner((SECRET,))
    assert scanner.feed(b"data: tick\n\n") == b"data: tick\n\n"
    assert scanner.feed(b"data: sk+li") == b"data: "
    assert scanner.feed(b"fe\n\n") == b"sk+life\n\n"
    assert scanner.feed(b"sk+live") == b""
    assert scanner.end() == b"sk+live"


def test_without_secrets_chunks_pass_as_they_are() -> None:
    """No copy, no look: the very same bytes."""
    chunk = b"x" * 10
    scanner = LeakScanner(())
    assert scanner.feed(chunk) is chunk
    assert scanner.end() == b""


def test_an_empty_secret_is_an_error() -> None:
    """It would be found in everything, or in nothing; neither is an answer."""
    with pytest.raises(ValueError, match="env:EMPTY"):
        LeakScanner((Secret("env:EMPTY", ""),))


TEXTS = st.text(st.sampled_from('ab1+/"\\%= ~é'), min_size=8, max_size=14)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[Secret, bytes]:
    """A secret, and a body made of pieces of it, whole disguises, and noise."""
    value = draw(TEXTS)
    raw = value.encode()
    forms = [
        raw,
        quote(value, safe="").encode(),
        base64.b64encode(b"u:" + raw),
        json.dumps(value).encode(),
        b"ab",
        b"\n",
    ]
    pieces = draw(
        st.lists(
            st.tuples(st.sampled_from(forms), st.integers(0, 20), st.integers(0, 60)).map(lambda p: p[0][p[1] : p[2]]),
            max_size=8,
        )
    )
    return Secret("env:X", value), b"".join(pieces)


@given(made=bodies(), cuts=st.lists(st.integers(0, 200), max_size=12))
def test_the_pieces_make_no_difference(made: tuple[Secret, bytes], cuts: list[int]) -> None:
    """However a body is cut: the same verdict; all of it without a leak; and never the secret in what went out."""
    secret, body = made
    whole, leaked = scan(body, secrets=(secret,))
    points = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    out, found = scan(*(body[start:end] for start, end in pairwise(points)), secrets=(secret,))
    assert found == leaked
    assert secret.value.encode() not in out
    if leaked is None:
        assert out == whole == body
    else:
        assert body.startswith(out)
    assert (secret.value.encode() in body) <= (leaked is not None)


@given(before=st.binary(max_size=7), after=st.binary(max_size=7), value=TEXTS)
def test_base64_of_anything_around_is_found(before: bytes, after: bytes, value: str) -> None:
    """Wherever the secret lies in what was encoded, it is found."""
    encoded = base64.b64encode(before + value.encode() + after)
    assert scan(encoded, secrets=(Secret("env:X", value),))[1] == "env:X"


@pytest.mark.parametrize(
    "headers",
    [
        (("location", f"https://x.example/?key={quote(VALUE, safe='')}"),),
        (("content-type", "text/plain"), ("x-echo", f"Bearer {VALUE}")),
        (("x-echo", base64.b64encode(b"user:" + VALUE.encode()).decode()),),
        ((f"X-{VALUE.upper()}", "1"),),
    ],
)
def test_headers_are_scanned(headers: tuple[tuple[str, str], ...]) -> None:
    """A secret in a header's name or value, in any disguise, is found."""
    with pytest.raises(Leaked):
        scan_headers(headers, (OTHER, SECRET))
    scan_headers(headers, ())
    scan_headers(headers, (OTHER,))


def test_odd_header_bytes_are_scanned_too() -> None:
    """Bytes that are no text do not hide anything, nor break anything."""
    scan_headers((("x-odd", "\udcff\udcfe"),), (SECRET,))
    with pytest.raises(Leaked):
        scan_headers((("x-odd", f"\udcff{VALUE}"),), (SECRET,))


@pytest.mark.parametrize(
    ("headers", "readable"),
    [
        ((), True),
        ((("content-encoding", "identity"),), True),
        ((("Content-Encoding", "gzip"),), False),
        ((("content-encoding", "identity"), ("content-encoding", "br")), False),
        ((("content-encoding", "identity, gzip"),), False),
    ],
)
def test_an_encoded_body_cannot_be_scanned(headers: tuple[tuple[str, str], ...], readable: bool) -> None:
    """What hides its content is told apart from what does not."""
    assert is_readable(headers) is readable
