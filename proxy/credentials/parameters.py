"""Query parameters that carry credentials: what an agent sends under such a name never goes upstream."""

import re
from urllib.parse import unquote_plus

from proxy.errors import Refused, refuse
from proxy.strict_json import fold

_MOST_DECODINGS = 4
_SEPARATORS = re.compile(r"[&;]")
_CUT = re.compile(r"[\[\x00].*", re.DOTALL)


def without_parameters(query: str, names: frozenset[str]) -> str:
    """The query without these parameters, however they are encoded and in whatever letter case.

    Refused is what only a lax reader takes for one of them: `key[]`, ` key`, `%256bey`, `a;key=...`.
    """
    folded = frozenset(map(fold, names))
    lax = frozenset(map(_lax, names))
    kept = [piece for piece in query.split("&") if fold(_decoded(piece)) not in folded]
    for piece in kept:
        if any(_lax(each.partition("=")[0]) in lax for each in _SEPARATORS.split(piece)):
            raise _lookalike(min(names))
    return "&".join(kept)


def holds(query: str, name: str) -> bool:
    """Whether any reader, a lax one too, would find this parameter in the query."""
    wanted = _lax(name)
    return any(_lax(piece.partition("=")[0]) == wanted for piece in _SEPARATORS.split(query))


def _decoded(piece: str) -> str:
    return unquote_plus(piece.partition("=")[0])


def _lax(name: str) -> str:
    """The name that the most forgiving of readers finds in this one."""
    for _ in range(_MOST_DECODINGS):
        decoded = unquote_plus(name)
        if decoded == name:
            break
        name = decoded
    return fold(_CUT.sub("", name).strip()).replace(" ", "_").replace(".", "_")


def _lookalike(name: str) -> Refused:
    return refuse(
        "credential_in_query",
        403,
        f"A parameter of this request could be taken for `{name}`, which carries the credential of this service. "
        "Leave it out; it is set on its way.",
        "fix_request",
    )
