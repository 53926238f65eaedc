"""Query parameters that carry credentials: what an agent sends under such a name never goes upstream."""

import re
from collections.abc import Iterable
from urllib.parse import unquote_plus

from proxy.errors import Refused, refuse
from proxy.strict_json import fold

_MOST_DECODINGS = 4
_SEPARATORS = re.compile(r"[&;]")
_CUT = re.compile(r"[\[\x00].*", re.DOTALL)
_ODD_ESCAPE = re.compile(r"%u00([0-9a-fA-F]{2})", re.IGNORECASE)


def without_parameters(query: str, names: frozenset[str]) -> str:
    """The query without these parameters, however they are encoded and in whatever letter case.

    Refused is what only a lax reader takes for one of them: `key[]`, ` key`, `%256bey`, `%u006bey`, `a;key=...`.
    """
    folded = frozenset(map(fold, names))
    kept = [piece for piece in query.split("&") if fold(_decoded(piece)) not in folded]
    left = "&".join(kept)
    for name in sorted(names):
        if holds(left, name):
            raise _lookalike(name)
    return left


def require_apart(fields: Iterable[str], names: frozenset[str]) -> None:
    """Refuses a body of which any reader, a lax one too, would find one of these fields to be such a parameter.

    Many services read query and body as one, and then the body's has precedence over ours.
    """
    found = set[str]().union(*map(_names, fields))
    for name in sorted(names):
        if _lax(_unescaped(name)) in found:
            raise refuse(
                "credential_in_body",
                403,
                f"A field of this request's body could be taken for `{name}`, which carries the credential of this "
                "service in its query. Leave it out; the credential is set on its way.",
                "fix_request",
            )


def holds(query: str, name: str) -> bool:
    """Whether any reader, a lax one too, would find this parameter in the query."""
    wanted = _lax(_unescaped(name))
    return any(wanted in _names(piece.partition("=")[0]) for piece in _SEPARATORS.split(query))


def _decoded(piece: str) -> str:
    return unquote_plus(piece.partition("=")[0])


def _names(written: str) -> set[str]:
    """What forgiving readers find in this name: PHP cuts it at `[`, or takes a `[` that nothing closes for `_`."""
    plain = _unescaped(written)
    return {_lax(plain), _lax(plain.replace("[", "_", 1))}


def _lax(plain: str) -> str:
    return fold(_CUT.sub("", plain).strip()).replace(" ", "_").replace(".", "_")


def _unescaped(name: str) -> str:
    """The name as it is once nothing in it is encoded any more, if that takes no more than a few steps."""
    for _ in range(_MOST_DECODINGS):
        decoded = unquote_plus(_ODD_ESCAPE.sub(r"%\1", name))
        if decoded == name:
            break
        name = decoded
    return name


def _lookalike(name: str) -> Refused:
    return refuse(
        "credential_in_query",
        403,
        f"A parameter of this request could be taken for `{name}`, which carries the credential of this service. "
        "Leave it out; it is set on its way.",
        "fix_request",
    )
