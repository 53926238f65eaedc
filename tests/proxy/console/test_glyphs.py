"""What the eye cannot see is spelled out; what an agent wrote never becomes markup."""

import html
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.console.glyphs import shown, warnings


def plain(page: str) -> str:
    """What a person reads: tags dropped, entities resolved."""
    return html.unescape(re.sub(r"<[^>]*>", "", page))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("c_8812\u202e21", "U+202E right-to-left override"),
        ("a\u200bb", "U+200B zero-width space"),
        ("a\u2066b\u2069", "U+2066 left-to-right isolate"),
        ("a\u00adb", "U+00AD soft hyphen"),
        ("a\u00a0b", "U+00A0 no-break space"),
        ("a\tb", "U+0009 tab"),
        ("\x1b[31mred", "U+001B ESC"),
        ("a\rb", "U+000D CR"),
        ("a\x00b", "U+0000 NUL"),
        ("a\x9bb", "U+009B unnamed"),
        ("\U000e0041", "U+E0041 tag latin capital letter a"),
        ("a\ufe0fb", "U+FE0F variation selector-16"),
        ("a\U000e0100b", "U+E0100 variation selector-17"),
        ("a\u3164b", "U+3164 hangul filler"),
        ("a\u2800b", "U+2800 braille pattern blank"),
        ("a\u2028b", "U+2028 line separator"),
        ("\ud800", "U+D800 unnamed"),
        ("\ue000", "U+E000 unnamed"),
        ("a\nb", "↵"),
        (" a", "␣"),
        ("a ", "␣"),
        ("a  b", "␣␣"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text: str, seen: str) -> None:
    """Invisible, directional, control and look-alike-space characters appear by code point and name."""
    assert seen in plain(shown(text))


@pytest.mark.parametrize("text", ["plain", "a b", "größer", "日本語", "مرحبا", "emoji 🎉", "x = 1; y < 2 & z"])
def test_ordinary_text_is_left_alone(text: str) -> None:
    """What people can read is shown as it is, in any language."""
    assert plain(shown(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\"'><svg/onload=alert(1)>",
        "{{7*7}}",
        "&lt;b&gt;",
        "</textarea>",
    ],
)
def test_markup_stays_text(text: str) -> None:
    """Nothing that an agent wrote opens a tag or an attribute."""
    page = str(shown(text))
    assert plain(page) == text
    assert not re.search(r"<(?!/?span\b)", page)


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=40))
def test_nothing_hidden_is_left_and_nothing_is_lost(text: str) -> None:
    """For any text: no hidden character remains, and no tag but our own is there."""
    page = str(shown(text))
    assert not re.search(r"<(?!/?span\b)", page)
    for character in plain(page):
        assert character in " \n" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    visible = [
        each
        for each in text
        if unicodedata.category(each)[0] in "LNPS" and each not in "\u115f\u1160\u3164\uffa0\u2800"
    ]
    read = plain(page)
    place = -1
    for character in visible:
        place = read.find(character, place + 1)
        assert place >= 0


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("\u0440\u0430ypal", "mixed scripts: Cyrillic, Latin"),
        ("p\u0430ypal.com", "mixed scripts: Cyrillic, Latin"),
        ("\u03b1lpha", "mixed scripts: Greek, Latin"),
        ("\u0440\u0430\u0443\u0441\u0430", "written in Cyrillic letters"),
        ("\uff50\uff41\uff59", "written in Fullwidth letters"),
        ("a\u200b", "invisible"),
        ("e\u0301", "several characters"),
    ],
)
def test_what_would_be_misread_is_pointed_out(text: str, warned: str) -> None:
    """Mixed and look-alike scripts, hidden characters, and letters in pieces."""
    assert any(warned in each for each in warnings(text))


@pytest.mark.parametrize("text", ["", "plain text 42", "größer", "two\nlines", "日本語 text", "450.00 EUR"])
def test_ordinary_text_raises_no_warning(text: str) -> None:
    """A warning on everything would be a warning on nothing."""
    assert warnings(text) == []
