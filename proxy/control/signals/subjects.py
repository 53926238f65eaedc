"""Whom an event is about: subject identifiers, read in one way only (RFC 9493, SSF 1.0)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from policies.model import Json
from proxy.control.signals.words import SetRefused

_ISSUER = re.compile(r"[\x21-\x7b\x7d\x7e]{1,512}")
_VISIBLE = re.compile(r"[\x21-\x7e]{1,2048}")
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}@[a-z0-9.-]{1,253}", re.IGNORECASE)
_SPIFFE = re.compile(r"(spiffe://[a-z0-9._-]{1,255})/[A-Za-z0-9._/-]{1,1700}")
_PART = re.compile(r"[a-z_]{1,64}")
_MOST_PARTS = 16


@dataclass(frozen=True, slots=True)
class Email:
    """Somebody by an e-mail address, in lower case."""

    address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class IssSub:
    """A subject of an issuer of tokens; also a SPIFFE ID, whose issuer is its trust domain."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class Opaque:
    """A name that only the two sides know."""

    id: str


type Simple = Email | IssSub | Opaque


@dataclass(frozen=True, slots=True)
class Complex:
    """Everything that fits all parts at once. A part of a format that we do not know is None."""

    parts: Mapping[str, Simple | None]


type Subject = Simple | Complex


def read_subject(value: Json) -> Subject:
    """The one subject that this identifier means; `SetRefused` for anything else."""
    if not isinstance(value, dict):
        raise _wrong("`sub_id` is not an object")
    if value.get("format") == "complex":
        return _complex(value)
    found = _simple(value)
    if found is None:
        raise _wrong("`sub_id` has a format that is not known here: use `email`, `iss_sub`, `opaque` or `complex`")
    return found


def _complex(value: Mapping[str, Json]) -> Complex:
    parts = {name: part for name, part in value.items() if name != "format"}
    if not 1 <= len(parts) <= _MOST_PARTS or not all(_PART.fullmatch(name) for name in parts):
        raise _wrong("a complex `sub_id` has between one and sixteen parts, each with a plain name")
    return Complex({name: _part(part) for name, part in parts.items()})


def _part(value: Json) -> Simple | None:
    if not isinstance(value, dict) or value.get("format") == "complex":
        raise _wrong("a part of a complex `sub_id` is a simple identifier")
    return _simple(value)


def _simple(value: Mapping[str, Json]) -> Simple | None:
    match value.get("format"):
        case "email":
            return Email(_member(value, "email", _EMAIL).lower())
        case "iss_sub":
            _only(value, "iss", "sub")
            return IssSub(_member(value, "iss", _ISSUER, exact=False), _member(value, "sub", _VISIBLE, exact=False))
        case "opaque":
            return Opaque(_member(value, "id", _VISIBLE))
        case "uri" if _SPIFFE.fullmatch(str(value.get("uri"))):
            identifier = _member(value, "uri", _SPIFFE)
            return IssSub(identifier[: identifier.index("/", len("spiffe://"))], identifier)
        case str():
            return None
    raise _wrong("an identifier has no `format`")


def _member(value: Mapping[str, Json], name: str, form: re.Pattern[str], *, exact: bool = True) -> str:
    if exact:
        _only(value, name)
    found = value.get(name)
    if not isinstance(found, str) or not form.fullmatch(found):
        raise _wrong(f"`{name}` of an identifier is missing, or cannot be one")
    return found


def _only(value: Mapping[str, Json], *names: str) -> None:
    """RFC 9493 section 3: an identifier has no members but those of its format."""
    if value.keys() != {"format", *names}:
        raise _wrong(f"an identifier of format `{value.get('format')}` has exactly {', '.join(names)}"[:200])


def _wrong(text: str) -> SetRefused:
    return SetRefused("invalid_request", text)
