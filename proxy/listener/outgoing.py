"""Writes a released request as HTTP/1.1, exactly as it was released."""

from proxy.listener.head import well_formed_request
from proxy.stages import Destination, Injection, Request

_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class Unsendable(Exception):
    """A released request that cannot be sent as one request to its destination. A bug, or a broken secret."""


def outgoing_bytes(upstream: Request, injection: Injection, destination: Destination, *, websocket: bool) -> bytes:
    """Head and body of this request; raises Unsendable if it would not be exactly one request for this place."""
    if (upstream.scheme, upstream.host, upstream.port) != (destination.scheme, destination.host, destination.port):
        raise Unsendable("the request is for another place than the call")
    if not destination.allow_encoded_slash and "%2f" in upstream.path.lower():
        raise Unsendable("the path holds a slash that this service was not said to take")
    target = f"{upstream.path}?{upstream.query}" if upstream.query else upstream.path
    replaced = {name.lower() for name, _ in injection.headers}
    if not replaced.isdisjoint(_OURS | {"accept-encoding"}):
        raise Unsendable("a credential must not say how the request is read, or its answer written")
    lines = [f"{upstream.method} {target} HTTP/1.1", f"host: {upstream.authority}"]
    lines += [f"{name}: {value}" for name, value in upstream.headers if _passes(name, replaced, injection)]
    lines += [f"{name.lower()}: {value}" for name, value in injection.headers]
    if injection.secrets:
        lines.append("accept-encoding: identity")  # an answer that is compressed cannot be searched for them
    if websocket:
        lines += ["connection: Upgrade", "upgrade: websocket"]
    if upstream.body or upstream.method in _WITH_BODY:
        lines.append(f"content-length: {len(upstream.body)}")
    try:
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
    except UnicodeEncodeError:
        raise Unsendable("the request holds letters that cannot be sent") from None
    if not well_formed_request(head) or head.count(b"\r\n") != len(lines) + 1:
        raise Unsendable("the request would not be read as one request")
    return head + upstream.body


def _passes(name: str, replaced: set[str], injection: Injection) -> bool:
    lower = name.lower()
    return lower not in _OURS and lower not in replaced and not (injection.secrets and lower == "accept-encoding")
