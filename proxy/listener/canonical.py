"""One request, one meaning: from a well-formed head to the request that is judged, digested and sent.

Whatever two readers could take for two things is refused, never mended: the bytes decided are the bytes sent.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

from proxy.errors import Refused, refuse
from proxy.listener.evidence import collect
from proxy.listener.head import Fields, RequestHead
from proxy.listener.headers import Rule, rule_for
from proxy.listener.target import read_authority, read_path
from proxy.names import identifier
from proxy.stages import Entrance, Evidence, Request, authority

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
GATEWAY_HOST = "gateway.invalid"

# What `Connection` may name: fields that are hop-by-hop anyway, so that naming them changes nothing.
_CONNECTION_OPTIONS = frozenset(
    {"close", "keep-alive", "upgrade", "te", "http2-settings", "proxy-connection", "proxy-authorization"}
)
_LENGTH = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a connection's requests go, as far as the connection itself says so."""

    entrance: Entrance
    scheme: Literal["http", "https"] = "http"
    host: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request whose head has been read and whose body has not. `length` None means chunked."""

    entrance: Entrance
    draft: Request
    evidence: Evidence | None
    length: int | None
    close: bool
    version: str
    expects_continue: bool = False
    websocket: bool = False
    service_hint: str | None = None
    traceparent: str | None = None

    @property
    def is_tunnel(self) -> bool:
        return self.draft.method == "CONNECT"

    def request(self, body: bytes) -> Request:
        """The canonical request with this body."""
        return replace(self.draft, body=body) if body else self.draft


def canonical(head: RequestHead, place: Place, peer: str, *, open_ended: bool = False) -> Incoming:
    """What this head asks for at this place; raises the refusal if it is ambiguous or not for us.

    `open_ended`: a body follows whose end the protocol marks by itself, as HTTP/2 does.
    """
    kept, read = _sort(head.fields)
    if head.method == "CONNECT":
        return _tunnel(head, place, read, peer)
    if head.method not in METHODS:
        raise refuse("method_not_supported", 501, "This method is not passed on.", "fix_request")
    scheme, host, port, target, hint = _destination(head, place, read)
    path, query = read_path(target)
    length = _framing(head, read, open_ended=open_ended)
    options = _connection_options(read)
    websocket = _websocket(head, read, options)
    headers = (("host", authority(scheme, host, port)), *kept, *_rebuilt(read, place.entrance, websocket=websocket))
    return Incoming(
        entrance=place.entrance,
        draft=Request(head.method, scheme, host, port, path, query, headers, b""),
        evidence=None if place.entrance == "connect" else collect(peer, place.entrance, read),
        length=length,
        close=_closes(head.version, options),
        version=head.version,
        expects_continue=_expects_continue(head, read, length),
        websocket=websocket,
        service_hint=hint,
        traceparent=_single(read, "traceparent"),
    )


def _sort(fields: Fields) -> tuple[Fields, dict[str, list[str]]]:
    """(the fields that go on, the fields that are read here)."""
    kept: list[tuple[str, str]] = []
    read: dict[str, list[str]] = {}
    once: set[str] = set()
    for field in fields:
        name = field[0]
        rule = rule_for(name)
        if rule is Rule.KEEP:
            kept.append(field)
        elif rule is Rule.READ:
            read.setdefault(name, []).append(field[1])
        elif rule is Rule.ONCE:
            if name in once:
                raise _refused_field(name, "came twice")
            once.add(name)
            kept.append(field)
        elif rule is Rule.REFUSE:
            raise _refused_field(name, "would let a server act on another request than the one that is judged")
    return tuple(kept), read


def _destination(
    head: RequestHead, place: Place, read: dict[str, list[str]]
) -> tuple[Literal["http", "https"], str, int, str, str | None]:
    """(scheme, host, port, origin-form target, service named by a gateway path)."""
    hosts = read.get("host", [])
    if len(hosts) != 1:
        raise refuse("host_invalid", 400, "The request needs exactly one `Host` field.", "fix_request")
    if place.entrance == "forward":
        scheme, separator, rest = head.target.partition("://")
        if scheme.lower() != "http" or not separator:
            detail = "A proxy takes `http://host/path` targets, and CONNECT for everything else."
            raise refuse("target_invalid", 400, detail, "fix_request")
        named, target = _split_authority(rest)
        host, port = read_authority(named, 80)
        _same_host(hosts[0], host, port, 80)
        return "http", host, port, target, None
    if not head.target.startswith("/"):
        raise refuse("target_invalid", 400, "The request target must be a path that starts with `/`.", "fix_request")
    if place.entrance == "gateway":
        read_authority(hosts[0], 80)
        hint, target = _gateway_path(head.target)
        return "http", GATEWAY_HOST, 80, target, hint
    if hosts[0] != authority(place.scheme, place.host, place.port):  # which is how nearly every client writes it
        _same_host(hosts[0], place.host, place.port, 443 if place.scheme == "https" else 80)
    return place.scheme, place.host, place.port, head.target, None


def _split_authority(rest: str) -> tuple[str, str]:
    end = min((index for index in (rest.find("/"), rest.find("?"), rest.find("#")) if index >= 0), default=len(rest))
    target = rest[end:]
    return rest[:end], target if target.startswith("/") else f"/{target}"


def _same_host(field: str, host: str, port: int, default_port: int) -> None:
    if read_authority(field, default_port) != (host, port):
        detail = "The `Host` field names another place than the one this request goes to."
        raise refuse("host_mismatch", 421, detail, "fix_request")


def _gateway_path(target: str) -> tuple[str, str]:
    path, mark, query = target.partition("?")
    hint, _, rest = path[1:].partition("/")
    try:
        identifier(hint)
    except ValueError:
        detail = "The first segment of the path must be the id of a service."
        raise refuse("service_unknown", 404, detail, "fix_request") from None
    return hint, f"/{rest}{mark}{query}"


def _framing(head: RequestHead, read: dict[str, list[str]], *, open_ended: bool) -> int | None:
    """The body's length, or None if only its end tells; raises the refusal for what could be read otherwise."""
    lengths, codings = read.get("content-length", []), read.get("transfer-encoding", [])
    if "trailer" in read:
        raise refuse("trailers_refused", 400, "Requests with trailers are not passed on.", "fix_request")
    if codings:
        if lengths or codings != ["chunked"] or head.version != "HTTP/1.1":
            raise _bad_framing()
        length = None
    elif len(lengths) > 1 or (lengths and _LENGTH.fullmatch(lengths[0]) is None):
        raise _bad_framing()
    elif lengths:
        length = int(lengths[0])
    else:
        length = None if open_ended else 0
    if length != 0:
        if head.method in {"GET", "HEAD"}:
            raise refuse("body_refused", 400, f"A {head.method} request must not have a body.", "fix_request")
        encodings = read.get("content-encoding", [])
        if encodings and (len(encodings) > 1 or encodings[0].lower() != "identity"):
            detail = "Send the body without Content-Encoding: a compressed body cannot be judged."
            raise refuse("content_encoding_refused", 415, detail, "fix_request")
    return length


def _bad_framing() -> Refused:
    detail = "The length of the request's body is not given in exactly one valid way."
    return refuse("framing_refused", 400, detail, "fix_request")


def _connection_options(read: dict[str, list[str]]) -> frozenset[str]:
    values = read.get("connection")
    if not values:
        return frozenset()
    options = frozenset(option.strip(" \t").lower() for value in values for option in value.split(",")) - {""}
    if not options <= _CONNECTION_OPTIONS:
        raise _refused_field("connection", "names a field that must reach the server")
    return options


def _closes(version: str, options: frozenset[str]) -> bool:
    return "close" in options or (version == "HTTP/1.0" and "keep-alive" not in options)


def _websocket(head: RequestHead, read: dict[str, list[str]], options: frozenset[str]) -> bool:
    """Whether this asks for a WebSocket. `h2c` is ignored (RFC 9110 section 7.8); other upgrades are refused."""
    values = read.get("upgrade")
    if not values or [value.lower() for value in values] == ["h2c"]:
        return False
    version = [value for name, value in head.fields if name == "sec-websocket-version"]
    if (
        [value.lower() for value in values] != ["websocket"]
        or "upgrade" not in options
        or head.method != "GET"
        or head.version != "HTTP/1.1"
        or version != ["13"]
    ):
        raise refuse("upgrade_refused", 400, "The only upgrade that is passed on is WebSocket 13.", "fix_request")
    return True


def _expects_continue(head: RequestHead, read: dict[str, list[str]], length: int | None) -> bool:
    values = read.get("expect")
    if not values:
        return False
    if len(values) > 1 or values[0].lower() != "100-continue":
        raise refuse("expectation_failed", 417, "The only expectation that is met is `100-continue`.", "fix_request")
    return length != 0 and head.version != "HTTP/1.0"


def _rebuilt(read: dict[str, list[str]], entrance: Entrance, *, websocket: bool) -> Fields:
    """The fields that were read here and that still go on."""
    fields: list[tuple[str, str]] = []
    if entrance != "gateway":
        for name in ("authorization", "x-api-key"):
            value = _single(read, name)
            if value is not None:
                fields.append((name, value))
    if websocket:
        fields.append(("upgrade", "websocket"))
    return tuple(fields)


def _single(read: dict[str, list[str]], name: str) -> str | None:
    values = read.get(name)
    if not values:
        return None
    if len(values) > 1:
        raise _refused_field(name, "came twice")
    return values[0]


def _tunnel(head: RequestHead, place: Place, read: dict[str, list[str]], peer: str) -> Incoming:
    if place.entrance != "forward":
        raise refuse("method_not_supported", 501, "CONNECT is only for the proxy's own port.", "fix_request")
    host, port = read_authority(head.target, None)
    hosts = read.get("host", [])
    if len(hosts) > 1 or "content-length" in read or "transfer-encoding" in read:
        raise malformed_connect()
    if hosts:
        # Some clients leave the port out here (`Host: a.test`): that still names the same place.
        _same_host(hosts[0], host, port, port)
    options = _connection_options(read)
    return Incoming(
        entrance="connect",
        draft=Request("CONNECT", "https", host, port, "/", "", (), b""),
        evidence=collect(peer, "forward", read),
        length=0,
        close=_closes("HTTP/1.1", options),
        version=head.version,
    )


def malformed_connect() -> Refused:
    return refuse("malformed_request", 400, "A CONNECT request has one `Host` field and no body.", "fix_request")


def _refused_field(name: str, why: str) -> Refused:
    return refuse("header_refused", 400, f"The header field `{name}` {why}.", "fix_request")
