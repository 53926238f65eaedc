"""Reading a token's text in one way only. What each mistake is refused with stands in `test_tokens`."""

import pytest

from proxy.errors import Refused
from proxy.identity.compact import MAX_BYTES, read
from tests.fakes.issuer import b64, claims, header, sign


def test_a_token_is_read_into_its_parts() -> None:
    """Header, claims and the exact payload bytes come out; the type loses its case and prefix."""
    unverified = read(sign(claims(), header(typ="application/AT+JWT", kid=None)))
    assert unverified.claims == claims()
    assert (unverified.algorithm, unverified.typ, unverified.key_id) == ("ES256", "at+jwt", None)
    assert unverified.payload.startswith(b'{"iss"')


def test_the_size_is_bounded() -> None:
    """A token of 8 KiB is read; one character more is not."""
    assert MAX_BYTES == 8192
    head = b'{"alg":"ES256"}'
    room = MAX_BYTES - len(b64(head)) - 2 - 4
    payload = b'{"x":"' + b"x" * (room * 3 // 4 - 8) + b'"}'
    token = f"{b64(head)}.{b64(payload)}.AAAA"
    token += "A" * (-(len(token) - MAX_BYTES) // 4 * 4)
    assert read(token).typ == ""
    with pytest.raises(Refused, match="token_too_large"):
        read(token + "A" * 8)


def test_nesting_is_bounded() -> None:
    """Sixteen levels are read, seventeen are not."""
    deep = {"x": 1}
    for _ in range(15):
        deep = {"x": deep}
    assert read(sign(deep)).claims == deep
    with pytest.raises(Refused, match="token_claims_json"):
        read(sign({"x": deep}))
