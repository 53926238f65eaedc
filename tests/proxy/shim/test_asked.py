"""What a program may ask of the shim, and what becomes of it on the way to the proxy."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.shim.asked import read_asked

PASSWORD = "the-local-password"


def basic(password: str = PASSWORD, user: str = "support-bot") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def head(first: str, *fields: str, shown: str | None = basic()) -> bytes:
    lines = [first, *fields, *([f"Proxy-Authorization: {shown}"] if shown is not None else []), "", ""]
    return "\r\n".join(lines).encode()


CONNECT = "CONNECT a.test:443 HTTP/1.1"


def refused(raw: bytes) -> tuple[str, int]:
    with pytest.raises(Refused) as error:
        read_asked(raw, PASSWORD)
    return error.value.refusal.reason, error.value.refusal.status


def test_a_tunnel_goes_on_with_the_real_credential() -> None:
    """The local password stays here; the connection is said to be for this alone."""
    asked = read_asked(head(CONNECT, "Host: a.test:443", "X-Other: 1"), PASSWORD)
    assert asked.tunnel
    assert asked.for_proxy("token") == (
        b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\nx-other: 1\r\n"
        b"proxy-authorization: Bearer token\r\nconnection: close\r\n\r\n"
    )


def test_where_the_connection_itself_proves_no_credential_is_added() -> None:
    """By certificate or UNIX socket alone."""
    raw = read_asked(head("GET http://a.test/x?y HTTP/1.1", "Host: a.test"), PASSWORD).for_proxy(None)
    assert raw == b"GET http://a.test/x?y HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "shown",
    [
        None, "", basic("wrong"), basic(""), basic(PASSWORD + "x"), basic(PASSWORD[:-1]), f"Bearer {PASSWORD}",
        "Basic !!!", f"Basic {base64.b64encode(PASSWORD.encode()).decode()}", "Basic /zr/",
    ],
)  # fmt: skip
def test_who_does_not_know_the_password_is_not_served(shown: str | None) -> None:
    """Nothing, something else, or the password in another form."""
    assert refused(head(CONNECT, shown=shown)) == ("local_password_required", 407)


def test_a_second_credential_is_refused() -> None:
    """Whatever its order or spelling: only ours goes on."""
    for other in (basic("other"), "Bearer stolen", basic()):
        for fields in ((f"Proxy-Authorization: {other}",), (f"PROXY-authorization:{other}",)):
            assert refused(head(CONNECT, *fields)) == ("local_password_required", 407)


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ("GET / HTTP/1.1", "malformed_request"),
        ("GET https://a.test/ HTTP/1.1", "malformed_request"),
        ("GET ftp://a.test/ HTTP/1.1", "malformed_request"),
        ("GET http://a.test/ HTTP/2.0", "version_not_supported"),
        ("GET  http://a.test/ HTTP/1.1", "malformed_request"),
        ("CONNECT a.test:443 HTTP/1.1\nProxy-Authorization: x", "malformed_request"),
    ],
)
def test_what_is_not_for_a_proxy_or_not_well_formed(first: str, reason: str) -> None:
    """Refused, and not mended."""
    assert refused(head(first))[0] == reason


@pytest.mark.parametrize("field", [" Folded: x", "Proxy-Authorization : x", "A:\x00b", "A: b\rProxy-Authorization: c"])
def test_fields_that_two_readers_would_read_differently(field: str) -> None:
    """They could carry a credential past us."""
    assert refused(head(CONNECT, "Host: a.test", field))[0] == "malformed_request"


@given(
    raw=st.binary(max_size=300), names=st.lists(st.sampled_from(["proxy-authorization", "Proxy-Authorization", "a"]))
)
def test_whatever_comes_is_refused_or_has_our_credential_alone(raw: bytes, names: list[str]) -> None:
    """No bytes make anything else of us."""
    fields = b"".join(name.encode() + b": " + raw.replace(b"\r\n", b"") + b"\r\n" for name in names)
    start = CONNECT.encode() + b"\r\n" + f"Proxy-Authorization: {basic()}\r\n".encode()
    try:
        sent = read_asked(start + fields + b"\r\n", PASSWORD).for_proxy("ours")
    except Refused:
        return
    assert sent.lower().count(b"proxy-authorization") - raw.lower().count(b"proxy-authorization") * len(names) <= 1
    assert b"proxy-authorization: Bearer ours\r\n" in sent
