"""What goes back to the agent: the upstream's answer without its hop-by-hop fields, or a reply of our own."""

import re
from dataclasses import dataclass
from http import HTTPStatus

from proxy.listener.head import Fields, ResponseHead, UpstreamFault
from proxy.stages import Reply

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "alt-svc"}
)
# Only we speak of approvals; and a session that our credential opened is a credential, not for the agent. It could
# not use one anyway: `Cookie` never goes upstream.
_PREFIXES = ("proxy-", "countersign-", "x-countersign-", "approval-", "set-cookie")
_UNSAFE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


@dataclass(frozen=True, slots=True)
class Opening:
    """The head to send, and how the body after it is framed. `close`: the connection ends with the answer."""

    raw: bytes
    chunked: bool
    close: bool


def opening(head: ResponseHead, *, method: str, version: str, close: bool) -> Opening:
    """The answer's head for an agent that asked with this method and HTTP version."""
    lines = [f"HTTP/1.1 {head.status} {head.reason}"]
    lines += [f"{name}: {value}" for name, value in end_to_end(head)]
    if head.status == 101:
        return _switching(head, lines)
    length = announced_length(head)
    bodiless = method == "HEAD" or head.status in {204, 304}
    chunked = False
    if length is not None:
        lines.append(f"content-length: {length}")
    elif not bodiless:
        if version == "HTTP/1.1":
            chunked = True
            lines.append("transfer-encoding: chunked")
        else:
            close = True
    lines += _connection(version, close=close)
    return Opening(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), chunked, close)


def end_to_end(head: ResponseHead) -> Fields:
    """The fields that are for the agent, without the length, which is for its connection."""
    dropped = set(_HOP_BY_HOP)
    for name, value in head.fields:
        if name == "connection":
            dropped.update(option.strip().lower() for option in value.split(","))
    return tuple(field for field in head.fields if field[0] not in dropped and not field[0].startswith(_PREFIXES))


def announced_length(head: ResponseHead) -> str | None:
    """The length that the answer says it has, if it may say so."""
    if head.status == 204:
        return None
    return next((value for name, value in head.fields if name == "content-length"), None)


def _switching(head: ResponseHead, lines: list[str]) -> Opening:
    """A 101 to WebSocket. Extensions were not offered, so that none may be in use."""
    names = [name for name, _ in head.fields]
    upgrade = [value.lower() for name, value in head.fields if name == "upgrade"]
    if upgrade != ["websocket"] or "sec-websocket-extensions" in names:
        raise UpstreamFault("the upstream switched to something other than plain WebSocket")
    lines += ["upgrade: websocket", "connection: Upgrade"]
    return Opening(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), chunked=False, close=True)


def own_reply(reply: Reply, *, method: str, version: str, close: bool) -> bytes:
    """A reply of our own, whole."""
    status = reply_status(reply)
    bodiless = status in {204, 304}
    lines = [f"HTTP/1.1 {status} {_phrase(status)}"]
    lines += [f"{name}: {value}" for name, value in reply_fields(reply)]
    if not bodiless:
        lines.append(f"content-length: {len(reply.body)}")
    lines += _connection(version, close=close)
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
    return head if bodiless or method == "HEAD" else head + reply.body


def reply_status(reply: Reply) -> int:
    """A final status, whatever the reply says."""
    return reply.status if 200 <= reply.status <= 599 else 503


def reply_fields(reply: Reply) -> Fields:
    """The reply's fields, of which none concerns the connection or can be taken for two."""
    return tuple(
        (_UNSAFE.sub(" ", name.lower()), _UNSAFE.sub(" ", value))
        for name, value in reply.headers
        if name.lower() not in _HOP_BY_HOP
    )


def _connection(version: str, *, close: bool) -> list[str]:
    if close:
        return ["connection: close"]
    return ["connection: keep-alive"] if version == "HTTP/1.0" else []


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"
