"""Text from agents, made safe to judge: what the eye cannot see, or would misread, is spelled out.

Values keep every character: nothing is cut, translated or normalised. What is invisible, controls the
terminal, turns the direction of text, or looks like a space and is none, is shown by its code point.
"""

import unicodedata
from collections.abc import Iterator

from markupsafe import Markup, escape

_NAMES = {
    "\t": "tab",
    "\r": "CR",
    "\x00": "NUL",
    "\x1b": "ESC",
    "\u00a0": "no-break space",
    "\u00ad": "soft hyphen",
    "\u200b": "zero-width space",
    "\u200c": "zero-width non-joiner",
    "\u200d": "zero-width joiner",
    "\u2060": "word joiner",
    "\ufeff": "byte-order mark",
    "\u202a": "left-to-right embedding",
    "\u202b": "right-to-left embedding",
    "\u202c": "end of direction",
    "\u202d": "left-to-right override",
    "\u202e": "right-to-left override",
    "\u2066": "left-to-right isolate",
    "\u2067": "right-to-left isolate",
    "\u2068": "first-strong isolate",
    "\u2069": "end of isolate",
}
# Letters with no ink of their own that are not in the categories below.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_ALIKE = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "MATHEMATICAL", "FULLWIDTH")


def shown(text: object) -> Markup:
    """The text as HTML, escaped, with every hidden character spelled out."""
    return Markup("").join(_pieces(str(text)))


def _pieces(text: str) -> Iterator[Markup]:
    plain: list[str] = []
    for place, character in enumerate(text):
        if _plain(text, place, character):
            plain.append(character)
            continue
        yield escape("".join(plain))
        plain.clear()
        yield _glyph(character)
    yield escape("".join(plain))


def _plain(text: str, place: int, character: str) -> bool:
    if character == " ":
        # a space at an end, or beside another one, is as good as invisible
        around = (text[place - 1 : place] or " ") + (text[place + 1 : place + 2] or " ")
        return " " not in around and "\n" not in around
    if character in _BLANK or _selects_variation(character):
        return False
    return unicodedata.category(character) not in _HIDDEN


def _selects_variation(character: str) -> bool:
    """Variation selectors can carry hidden bytes, one selector each."""
    return 0xFE00 <= ord(character) <= 0xFE0F or 0xE0100 <= ord(character) <= 0xE01EF


def _glyph(character: str) -> Markup:
    if character == " ":
        return Markup('<span class="glyph space" title="space">␣</span>')
    if character == "\n":
        return Markup('<span class="glyph" title="line break">↵</span>\n')
    code = f"U+{ord(character):04X}"
    name = _NAMES.get(character) or unicodedata.name(character, "unnamed").lower()
    return Markup('<span class="glyph" title="{}">{}</span>').format(name, f"{code} {name}")


def warnings(text: str) -> list[str]:
    """What a reader should know about this text before trusting their eyes."""
    found = []
    scripts = sorted(_scripts(text))
    if len(scripts) > 1 and any(script in _ALIKE for script in scripts):
        found.append("mixed scripts: " + ", ".join(script.capitalize() for script in scripts))
    elif scripts and scripts[0] in _ALIKE:
        found.append(f"written in {scripts[0].capitalize()} letters")
    if any(not _plain(text, place, character) and character not in " \n" for place, character in enumerate(text)):
        found.append("has invisible or control characters, spelled out here")
    if not unicodedata.is_normalized("NFC", text):
        found.append("has letters composed of several characters")
    return found


def _scripts(text: str) -> set[str]:
    """The scripts of its letters and digits, as far as the characters' names tell."""
    if text.isascii():
        return set()
    named = (unicodedata.name(character, "") for character in text if character.isalnum())
    return {_script(name) for name in named if name}


def _script(name: str) -> str:
    if name.startswith("DIGIT "):
        return "LATIN"
    return name.partition(" ")[0]
