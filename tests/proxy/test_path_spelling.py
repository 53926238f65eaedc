"""One spelling of a path."""

import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.path_spelling import written_alike


@pytest.mark.parametrize(
    ("path", "alike"),
    [
        ("/a%2fb/%c3%A9/x%zz", "/a%2Fb/%C3%A9/x%zz"),
        ("/users/%40me/%3a%2B%7eold", "/users/@me/:+~old"),
        ("/v1/a%3bb%3fc%25d%20e", "/v1/a%3Bb%3Fc%25d%20e"),
        ("/a/b", "/a/b"),
    ],
)
def test_spellings_of_one_place_are_one(path: str, alike: str) -> None:
    """What needs no encoding has none, and what does has it in capitals; what is not encoded keeps its case."""
    assert written_alike(path) == alike


@given(st.text(alphabet="aZ9-._~!$&'()*+,=:@/;?%# \u00e9", max_size=20), st.randoms())
def test_however_a_path_is_encoded_it_is_written_alike(text: str, random: object) -> None:
    """Each byte encoded or not, in capitals or not: the spelling is the same, and means the same."""

    def spelled(char: str) -> str:
        must = char in "/;?%# " or not char.isascii()
        escapes = "".join(f"%{byte:02X}" for byte in char.encode())
        chosen = escapes if must or random.random() < 0.5 else char  # type: ignore[attr-defined]  # a Random
        return chosen.lower() if chosen is escapes and random.random() < 0.5 else chosen  # type: ignore[attr-defined]  # a Random

    path = "".join(map(spelled, text))
    alike = written_alike(path)
    assert alike == written_alike(alike) == quote(text, safe="!$&'()*+,=:@~")
    assert unquote(alike) == text
    assert not re.search("%[0-9A-F]?[a-f]", alike)
