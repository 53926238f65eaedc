"""The rules of a service: where it is, what it offers, and which secret goes where."""

import re
from collections.abc import Iterable, Iterator

from proxy.errors import Mistake
from proxy.facts import Route, Service, Tool
from proxy.inventory.addresses import Place, is_loopback, is_private, parse_host_port, parse_url
from proxy.inventory.bindings import wrong_binding
from proxy.inventory.read import Entry

_METHOD = re.compile(r"(?!CONNECT$|TRACE$)[A-Z]{3,16}")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_LITERAL = r"[A-Za-z0-9._~!$&'()*+,:=@-]"
_SEGMENT = re.compile(rf"{_LITERAL}+|{_LITERAL}*\{{[^{{}}/]+\}}{_LITERAL}*")
_PARAMETER = re.compile(r"\{[^}]*\}")


def wrong_destination(entry: Entry[Service]) -> Iterator[Mistake]:
    """Every mistake within one service."""
    service = entry.fact
    try:
        place = parse_url(service.url)
    except ValueError as error:
        yield entry.mistake(str(error), "url")
        place = None
    yield from _private(entry, place)
    yield from _connect(entry)
    if service.ca_bundle is not None and place is not None and place.scheme == "http":
        yield entry.mistake("has no effect on an `http://` URL; remove it, or use `https://`", "ca_bundle")
    yield from _slashes(entry)
    yield from _tools(entry)
    for index in range(len(service.bindings)):
        yield from wrong_binding(entry, index)
        if place is not None and place.scheme == "http" and not _may_be_plain(service, place):
            text = (
                "would send a secret in plain text, since the service's `url` is `http://`; use `https://` "
                "(only a loopback host with `allow_private_addresses: true` may do without)"
            )
            yield entry.mistake(text, "bindings", index)
    yield from _twice(entry, "bindings", [binding.id for binding in service.bindings])


def _slashes(entry: Entry[Service]) -> Iterator[Mistake]:
    """An encoded slash is an exception for services that are known to take it for what it is."""
    service = entry.fact
    if not service.takes_slashes:
        return
    if service.protocol == "mcp":
        yield entry.mistake("has no effect on an MCP service, which has one path; remove it", "paths")
    for index, binding in enumerate(service.bindings):
        if binding.kind == "aws_sigv4" and binding.service.startswith("s3"):
            text = "is S3, which takes an encoded slash for a separator; remove `paths.encoded_slash`"
            yield entry.mistake(text, "bindings", index, "service")


def overlapping(entries: Iterable[Entry[Service]]) -> Iterator[Mistake]:
    """Two services that claim the same requests, or reach one host in two ways."""
    claimed: dict[Place, Entry[Service]] = {}
    reached: dict[tuple[str, int], Entry[Service]] = {}
    for entry in entries:
        try:
            place = parse_url(entry.fact.url)
        except ValueError:
            continue
        if place in claimed:
            other = claimed[place]
            yield entry.mistake(f"is also the URL of `{other.fact.id}` ({other.place}); give each its own path", "url")
        claimed.setdefault(place, entry)
        neighbour = reached.setdefault((place.host, place.port), entry)
        if _way(neighbour) != _way(entry):
            text = (
                f"is on the same host and port as `{neighbour.fact.id}` ({neighbour.place}), so both need the same "
                "scheme, `connect`, `ca_bundle` and `allow_private_addresses`"
            )
            yield entry.mistake(text, "url")


def _way(entry: Entry[Service]) -> tuple[object, ...]:
    service = entry.fact
    bundle = service.ca_bundle and entry.path(service.ca_bundle)
    return service.url.partition(":")[0], service.connect, bundle, service.allow_private_addresses


def _may_be_plain(service: Service, place: Place) -> bool:
    if not (service.allow_private_addresses and is_loopback(place.host)):
        return False
    try:
        return service.connect is None or is_loopback(parse_host_port(service.connect)[0])
    except ValueError:
        return False


def _private(entry: Entry[Service], place: Place | None) -> Iterator[Mistake]:
    """A place that every call would be refused for is told at once."""
    service = entry.fact
    if place and is_private(place.host) and not service.allow_private_addresses and service.connect is None:
        yield entry.mistake(
            f"names the private address `{place.host}`; set `allow_private_addresses: true` if that is meant", "url"
        )


def _connect(entry: Entry[Service]) -> Iterator[Mistake]:
    service = entry.fact
    if service.connect is None:
        return
    try:
        host, _ = parse_host_port(service.connect)
    except ValueError as error:
        yield entry.mistake(str(error), "connect")
        return
    if is_private(host) and not service.allow_private_addresses:
        yield entry.mistake(
            f"names the private address `{host}`; set `allow_private_addresses: true` if that is meant", "connect"
        )


def _tools(entry: Entry[Service]) -> Iterator[Mistake]:
    service = entry.fact
    if service.protocol == "mcp" and service.openapi is not None:
        yield entry.mistake("is for REST services; an MCP server describes its tools itself", "openapi")
    yield from _twice(entry, "tools", [tool.name for tool in service.tools], "name")
    shapes: dict[tuple[str, str], str] = {}
    for index, tool in enumerate(service.tools):
        if not _VISIBLE.fullmatch(tool.name):
            yield entry.mistake("must be visible ASCII characters", "tools", index, "name")
        yield from _route(entry, index, tool)
        if tool.route is not None:
            shape = (tool.route.method, _PARAMETER.sub("{}", tool.route.path))
            if shape in shapes:
                text = f"matches the same requests as the route of `{shapes[shape]}`; keep one"
                yield entry.mistake(text, "tools", index, "route")
            shapes.setdefault(shape, tool.name)


def _route(entry: Entry[Service], index: int, tool: Tool) -> Iterator[Mistake]:
    service, route = entry.fact, tool.route
    if service.protocol == "mcp":
        if route is not None:
            yield entry.mistake("is for REST services; an MCP tool is found by its name", "tools", index, "route")
    elif route is None:
        if service.openapi is None:
            text = "is missing, so no request can ever be this tool; add `method` and `path`"
            yield entry.mistake(text, "tools", index, "route")
    else:
        if not _METHOD.fullmatch(route.method):
            yield entry.mistake(
                "must be a method in capitals, such as `GET`; not `CONNECT` or `TRACE`",
                "tools",
                index,
                "route",
                "method",
            )
        if wrong := _wrong_template(route):
            yield entry.mistake(wrong, "tools", index, "route", "path")


def _wrong_template(route: Route) -> str:
    if not route.path.startswith("/"):
        return "must start with `/`"
    segments = route.path.removesuffix("/").split("/")[1:]
    for segment in segments:
        if not _SEGMENT.fullmatch(segment) or segment in {".", ".."}:
            return f"has the segment `{segment}`; each is plain text with at most one `{{name}}` in it"
    names = _PARAMETER.findall(route.path)
    repeated = {name for name in names if names.count(name) > 1}
    return f"has `{repeated.pop()}` twice; give each its own name" if repeated else ""


def _twice(entry: Entry[Service], section: str, names: list[str], field: str = "id") -> Iterator[Mistake]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield entry.mistake(f"`{name}` is here twice; keep one", section, index, field)
