"""Plain HTTP into a call: the tool by its route, and one object of arguments whatever their place."""

from policies.model import Json
from proxy import strict_json
from proxy.errors import refuse
from proxy.protocols import fields
from proxy.protocols.bodies import Body, read_body
from proxy.protocols.catalog import Entry
from proxy.protocols.datasets import datasets_of
from proxy.protocols.envelope import body_part, http_part, seal
from proxy.protocols.operations import Operation, Place, Schema, check_lookalikes, conflict, from_text
from proxy.protocols.paths import with_slashes_encoded
from proxy.protocols.routes import AmbiguousRoute, Match
from proxy.stages import Attributed, Call, Request

# Methods that may be asked as an API question; any other needs a tool whose route names it.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def describe_rest(attributed: Attributed, entry: Entry) -> Call:
    """The call that this request is. No tool where no route fits: policy is then asked about the API."""
    request = attributed.arrived.request
    below = entry.below(request.path)
    if below == ("",):
        below = ()  # `/api` and `/api/` are both the root of a service at `/api`
    match = _matched(request, entry, below)
    operation = match.target if match else None
    query, body = _query(request), read_body(request)
    arguments = _Arguments(operation).merged(match.values if match else {}, query, body)
    tool = operation.tool if operation else None
    service = entry.service
    envelope, digest = seal(
        attributed.identity,
        {
            "service": service.id,
            "tool": tool.name if tool else None,
            "credential": entry.credential_pin,
            "http": http_part(request, query),
            "body": _sealed(request, body),
        },
    )
    return Call(
        protocol="rest",
        service=service,
        tool=tool,
        operation=f"{service.id}/{tool.name}" if tool else f"{service.id} {request.method} {request.path}",
        arguments=arguments,
        datasets=datasets_of(entry.selectors, tool.name if tool else None, with_slashes_encoded(below), arguments),
        digest=digest,
        envelope=envelope,
    )


def _matched(request: Request, entry: Entry, below: tuple[str, ...]) -> Match[Operation] | None:
    try:
        match = entry.routes.match(request.method, below)
    except AmbiguousRoute:
        raise refuse(
            "route_ambiguous",
            400,
            "This path could be taken for more than one operation of the service. Send it exactly as documented.",
            "fix_request",
        ) from None
    if match is None and request.method not in _METHODS:
        raise refuse("method_unknown", 405, f"The service has no operation with the method {request.method[:20]!a}.")
    return match


def _query(request: Request) -> tuple[tuple[str, str], ...]:
    try:
        return fields.pairs(request.query)
    except ValueError as error:
        raise refuse(
            "query_ambiguous", 400, f"The query cannot be read in one way only: {error}.", "fix_request"
        ) from error


def _sealed(request: Request, body: Body) -> Json:
    """The body by its digest, so that two bodies share one only if they say the same."""
    if body.kind == "none":
        return None
    if body.kind == "form":
        pairs: list[Json] = [[name, value] for name, value in body.pairs]
        return body_part(body.media, "pairs", strict_json.canonical(pairs))
    try:
        return body_part(body.media, "jcs", strict_json.canonical(body.value, plain=body.plain))
    except ValueError:
        return body_part(body.media, "raw", request.body)


class _Arguments:
    """Merges path, query and body into one object. One name has one value, in one place, or the call is refused."""

    __slots__ = ("_folded", "_found", "_operation", "_properties")

    def __init__(self, operation: Operation | None) -> None:
        self._operation = operation
        self._properties: dict[str, Schema] = dict(operation.properties) if operation else {}
        self._found: dict[str, Json] = {}
        self._folded: set[str] = set()

    def merged(self, path: dict[str, str], query: tuple[tuple[str, str], ...], body: Body) -> dict[str, Json]:
        self._add_texts("path", tuple(path.items()))
        self._add_texts("query", query)
        if body.kind == "form":
            self._add_texts("body", body.pairs)
        elif isinstance(body.value, dict):
            for name, value in body.value.items():
                self._add("body", name, value)
        elif body.kind == "json":
            self._add("body", "body", body.value)
        if self._operation is not None and self._operation.shape is not None:
            check_lookalikes(self._operation.shape, self._found)
        return self._found

    def _add_texts(self, place: Place, pairs: tuple[tuple[str, str], ...]) -> None:
        grouped: dict[str, list[str]] = {}
        for name, text in pairs:
            grouped.setdefault(name, []).append(text)
        for name, texts in grouped.items():
            argument = self._operation.argument(place, name) if self._operation else name
            self._add(place, name, from_text(self._properties.get(argument), name, texts))

    def _add(self, place: Place, name: str, value: Json) -> None:
        argument = self._operation.argument(place, name) if self._operation else name
        folded = strict_json.fold(argument)
        if folded == "_method":
            raise refuse(
                "method_override",
                400,
                "The argument `_method` changes the method. Send the real method.",
                "fix_request",
            )
        if folded in self._folded:
            raise conflict(name)
        self._folded.add(folded)
        self._found[argument] = value
