"""How writers write a secret. test_leaks.py finds all of it in the pieces of an answer."""

import html
import json
import string
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.inspection.disguises import could_begin, encoded, pattern_of, units

type Writer = Callable[[str], str]


def percent(kept: str) -> Writer:
    return lambda text: quote(text, safe=kept)


def replacing(table: dict[str, str]) -> Writer:
    return lambda text: "".join(table.get(char, char) for char in text)


HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
WRITERS: dict[str, Writer] = {
    "encodeURIComponent": percent("!'()*"),
    "encodeURI": percent(";,/?:@&=+$#!'()*"),
    "escape": percent("@*_+-./"),
    "a path as Go writes it": percent("$&+:=@"),
    "a path of RFC 3986": percent("!$&'()*+,;=:@"),
    "a query in small letters": lambda text: quote(text, safe="").lower() if text.islower() else quote(text, safe=""),
    "a form": quote_plus,
    "a form as Java writes it": lambda text: quote_plus(text, safe="*").replace("~", "%7E"),
    "a URL in a URL": lambda text: quote(quote(text, safe=""), safe=""),
    "Jinja": replacing(HTML | {'"': "&#34;", "'": "&#39;"}),
    "Django": html.escape,
    "PHP": replacing(HTML | {'"': "&quot;", "'": "&#039;"}),
    "XML": replacing(HTML | {'"': "&quot;", "'": "&apos;"}),
    "Go": replacing(HTML | {'"': "&#34;", "'": "&#39;", "+": "&#43;"}),
    "Handlebars": replacing(HTML | {'"': "&quot;", "'": "&#x27;", "`": "&#x60;", "=": "&#x3D;"}),
    "Mustache": replacing(HTML | {'"': "&quot;", "'": "&#39;", "/": "&#x2F;", "`": "&#x60;", "=": "&#x3D;"}),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, with its slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON in HTML": lambda text: replacing({"<": "\\u003c", "&": "\\u0026", "=": "\\u003D"})(json.dumps(text)[1:-1]),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "Python": lambda text: repr(text + "\"'")[1:-4],
    "a script": replacing({"'": "\\x27", '"': "\\x22", "/": "\\x2f", "&": "\\x26"}),
}
SECRETS = [
    "ab+cd/EFgh12==",
    "sk-live!weird*(a)'b~c",
    "p@ss:w0rd$&,;x",
    "a b<c>\"d'e`f=g/h",
    "/starts-with-one",
    "x\\y%41",
]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("secret", SECRETS)
def test_what_common_writers_escape_here_and_there_is_found(write: Writer, secret: str) -> None:
    """Whichever characters they let alone."""
    assert pattern_of(units(secret)).search(f"... {write(secret)} ...".encode())


@pytest.mark.parametrize("write", ["Django", "a form", "a URL in a URL", "JSON", "JSON in JSON"])
@pytest.mark.parametrize("secret", ["pa\\\\ssw0rd99", 'x\\\\"y;zzz', "pass%25word99x", "%25%2525ab"])
def test_a_secret_that_looks_escaped_itself_is_found_where_it_is_written_whole(write: str, secret: str) -> None:
    """Of two backslashes, or of a percent sign before a 25, one may be the spelling of the other."""
    text = WRITERS[write](secret).encode()
    assert pattern_of(units(secret)).search(text) or any(form in text for form in encoded(secret))


@pytest.mark.parametrize("secret", ["ghp_abcDEF0123456789", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln-_"])
def test_a_token_that_nobody_escapes_needs_no_pattern(secret: str) -> None:
    """It stands there as it is, or encoded as a whole."""
    assert units(secret) == ()
    assert secret.encode() in encoded(secret)
    assert "".join(f"\\u{ord(char):04x}" for char in secret).encode() in encoded(secret)


def test_text_that_only_resembles_it_is_let_alone() -> None:
    """Another character, or another number of them, is another text."""
    pattern = pattern_of(units("ab/cd+ef"))
    for text in (b"ab-cd+ef", b"ab%2Ecd+ef", b"ab/cd/ef", b"ab//cd+ef", b"ab&#48;cd+ef", b"ab\\/cd+e"):
        assert pattern.search(text) is None


SPECIAL = st.text(st.sampled_from(string.ascii_lowercase[:3] + string.punctuation + " "), min_size=1, max_size=8)


@given(secret=SPECIAL, draw=st.data())
def test_every_beginning_of_it_is_known_for_one(secret: str, draw: st.DataObject) -> None:
    """However each character is written and wherever the text breaks off; what is whole is found."""
    spelled = units(secret + "/")
    text = b"".join(draw.draw(st.sampled_from(unit)) for unit in spelled)
    assert all(could_begin(spelled, text[:at]) for at in range(1, len(text)))
    assert not could_begin(spelled, b"\n" + text)
