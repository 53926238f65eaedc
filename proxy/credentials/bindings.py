"""Which binding a request gets: exactly one, or none. Pure.

A path pattern is matched against the whole path. `{name}` stands for exactly one segment, a last `*` for
everything below, every other segment for itself in any spelling. `*` as method stands for any method. A binding
belongs to its service's own scheme, host and port.
"""

from functools import lru_cache
from urllib.parse import urlsplit

from proxy.errors import refuse
from proxy.facts import Binding, Service
from proxy.path_spelling import written_alike
from proxy.stages import Request

_LITERAL, _ONE, _REST = 2, 1, 0

type _Rank = tuple[int, ...]


def binding_for(service: Service, request: Request) -> Binding | None:
    """The most specific binding that matches; None if none does. Two that match equally well are a refusal."""
    if not service.bindings or (request.scheme, request.host, request.port) != place_of(service.url):
        return None
    best: list[Binding] = []
    best_rank: _Rank = ()
    for binding in service.bindings:
        rank = _rank(binding, request.method, request.path)
        if rank is None or rank < best_rank:
            continue
        best, best_rank = ([*best, binding] if rank == best_rank else [binding]), rank
    if len(best) > 1:
        raise refuse(
            "credential_ambiguous",
            503,
            "It is not clear which credential this call should get, so it did not pass.",
            internal=f"bindings of {service.id} match equally: {', '.join(binding.id for binding in best)}",
        )
    return best[0] if best else None


def parameters_of(service: Service, request: Request) -> frozenset[str]:
    """The query parameters that carry credentials in this request: of every binding that matches, the best or not."""
    named = [binding for binding in service.bindings if binding.parameter is not None]
    if not named or (request.scheme, request.host, request.port) != place_of(service.url):
        return frozenset()
    matching = [binding for binding in named if _rank(binding, request.method, request.path) is not None]
    return frozenset([name for binding in matching if (name := binding.parameter) is not None])


@lru_cache(maxsize=1024)
def place_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a service's URL."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def _rank(binding: Binding, method: str, path: str) -> _Rank | None:
    """How specifically a binding matches: by path, segment for segment, then by method. None if it does not."""
    if method in binding.methods:
        by_method = 1
    elif "*" in binding.methods:
        by_method = 0
    else:
        return None
    ranks = [rank for pattern in binding.paths if (rank := _path_rank(pattern, path)) is not None]
    return (*max(ranks), by_method) if ranks else None


@lru_cache(maxsize=1024)  # asked more than once for each call: for what may end it, and for what it gets
def _path_rank(pattern: str, path: str) -> _Rank | None:
    wanted, given = _segments(pattern), _segments(path)
    rest = wanted[-1] == "*"
    if rest:
        wanted = wanted[:-1]
    other_length = len(given) <= len(wanted) if rest else len(given) != len(wanted)
    if other_length or not pattern.startswith("/"):
        return None
    rank: list[int] = []
    for want, got in zip(wanted, given, strict=False):
        if want == got:
            rank.append(_LITERAL)
        elif got and want.startswith("{") and want.endswith("}"):
            rank.append(_ONE)
        else:
            return None
    # An end says more than `everything below`, so a path named in full comes before its own wildcard.
    rank.append(_REST if rest else _LITERAL + 1)
    return tuple(rank)


@lru_cache(maxsize=4096)
def _segments(path: str) -> tuple[str, ...]:
    # In one spelling: no agent chooses between two credentials by writing `%40` or `%2f`.
    return tuple(written_alike(path).split("/"))
