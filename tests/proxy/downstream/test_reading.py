"""Reading a token before it is believed."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.downstream.profile import MAX_BYTES, Rejected
from proxy.downstream.reading import read
from tests.fakes.accounts import b64, claims_of, minted, packed, signer, with_parts

HEAD = {"typ": "txntoken+jwt", "alg": "ES256", "kid": "k"}


def reason(token: str) -> str:
    with pytest.raises(Rejected) as rejected:
        read(token)
    return rejected.value.reason


def test_a_real_token_is_read(tmp_path: Path) -> None:
    """Its key's id and its claims are there, still unproven."""
    made = signer(tmp_path)
    token = minted(made)
    read_back = read(token)
    assert (read_back.key_id, read_back.claims) == (made.key_id, claims_of(token))
    assert json.loads(read_back.payload) == read_back.claims


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (HEAD | {"alg": "none"}, "token_algorithm"),
        (HEAD | {"alg": "HS256"}, "token_algorithm"),
        (HEAD | {"alg": "ES384"}, "token_algorithm"),
        (HEAD | {"alg": "es256"}, "token_algorithm"),
        (HEAD | {"alg": ["ES256"]}, "token_algorithm"),
        ({"typ": "txntoken+jwt", "kid": "k"}, "token_algorithm"),
        (HEAD | {"typ": "JWT"}, "token_type"),
        (HEAD | {"typ": "at+jwt"}, "token_type"),
        (HEAD | {"typ": "application/txntoken+jwt"}, "token_type"),
        ({"alg": "ES256", "kid": "k"}, "token_type"),
        ({"typ": "txntoken+jwt", "alg": "ES256"}, "token_malformed"),
        (HEAD | {"kid": ""}, "token_malformed"),
        (HEAD | {"kid": 7}, "token_malformed"),
        (HEAD | {"kid": "k" * 129}, "token_malformed"),
        (HEAD | {"jku": "https://evil.example/keys"}, "token_malformed"),
        (HEAD | {"jwk": {"kty": "oct"}}, "token_malformed"),
        (HEAD | {"crit": ["b64"], "b64": False}, "token_malformed"),
        ([HEAD], "token_malformed"),
        (b'{"typ":"txntoken+jwt","alg":"none","alg":"ES256","kid":"k"}', "token_malformed"),
    ],
)
def test_heads_that_we_never_write(tmp_path: Path, head, expected: str) -> None:
    """One algorithm, one type, one key by its id, and nothing that brings keys or changes what is signed."""
    assert reason(with_parts(minted(signer(tmp_path)), head=head)) == expected


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"7",
        b"{",
        b"\xff{}",
        b'{"aud":"a","aud":"b"}',
        b'{"act":{"sub":"a","sub":"b"}}',
        b'{"exp":NaN}',
        b'{"exp":1e400}',
        b'{"exp":1.5}',
        b'{"act":' * 20 + b"{}" + b"}" * 20,
        b"[" * 2900,
        b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}",
    ],
)
def test_payloads_that_can_be_read_in_two_ways_or_not_at_all(payload: bytes) -> None:
    """Duplicate members, no JSON, numbers that are no whole numbers, and nesting beyond reason are refused."""
    assert reason(f"{packed(HEAD)}.{b64(payload) or 'e'}.AAAA") == "token_malformed"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "a.b",
        "a.b.c.d",
        "a.b.",
        ".b.c",
        "e30.e30.AA==",
        "e30.e3 0.AAAA",
        "e30.e30.AAAA\n",
        "é.b.c",
        "e31.e30.AAAA",
    ],
)
def test_what_is_no_compact_jws(token: str) -> None:
    """Three parts of canonical base64url, and nothing around them."""
    assert reason(token) == "token_malformed"


def test_a_long_token_is_not_even_looked_at(tmp_path: Path) -> None:
    """The limit is what the minting end keeps to."""
    token = minted(signer(tmp_path))
    assert reason(token + "A" * (MAX_BYTES + 1 - len(token))) == "token_too_large"


@given(st.text(max_size=200) | st.binary(max_size=150).map(lambda data: f"{packed(HEAD)}.{b64(data)}.AAAA"))
def test_any_text_is_read_or_rejected(text: str) -> None:
    """Nothing else is ever raised."""
    try:
        read(text)
    except Rejected as rejected:
        assert rejected.reason.startswith("token_")  # noqa: PT017 - either is right
