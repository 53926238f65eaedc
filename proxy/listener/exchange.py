"""One released call and its answer: what is sent, and what of the answer may be passed on. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from mitmproxy.connection import Server

from proxy.errors import Refusal
from proxy.inspection.leaks import Leaked, is_readable, scan_headers
from proxy.listener.account import Account
from proxy.listener.agent_reader import End
from proxy.listener.answer import opening
from proxy.listener.answer_reader import AnswerReader
from proxy.listener.canonical import Incoming
from proxy.listener.head import ResponseHead, UpstreamFault
from proxy.listener.outgoing import Unsendable, outgoing_bytes
from proxy.listener.profile import GovernedServer
from proxy.listener.session import Session
from proxy.listener.streaming import BodyGuard, Cut
from proxy.stages import Reply

WEBSOCKET = Refusal("websocket_not_allowed", 403, "This service may not be called over WebSocket.")
LATE = "upstream_timeout"
STALLED = "answer_stalled"  # nothing more of it came, or was taken
UNSENDABLE = Refusal("unsendable", 502, "The call could not be written as one request to the service.")


@dataclass(frozen=True, slots=True)
class Passed:
    """What may go to the agent now. `done`: the answer is complete; `switched`: WebSocket follows."""

    data: bytes
    done: bool = False
    switched: bool = False


class Exchange:
    """From a permit in force to the last byte of the answer. `delivered` and `ended` raise UpstreamFault or Cut.

    `server` is set once the request is on its way, `begun` once the agent has a part of the answer.
    """

    def __init__(self, account: Account, incoming: Incoming, session: Session) -> None:
        self.account = account
        self.server: Server | None = None
        self.raw = b""
        self.begun = False
        self.close = incoming.close
        self._incoming = incoming
        self._session = session
        self._released = account.permit.released
        self._chunked = False
        self._status = 0
        self._guard: BodyGuard | None = None
        options = session.options
        self._reader = AnswerReader(
            self._released.upstream.method,
            websocket=incoming.websocket,
            max_bytes=options.max_header_bytes,
            max_count=options.max_header_count,
        )

    @property
    def reusable(self) -> bool:
        """Whether the upstream connection may carry another request."""
        return self._reader.reusable

    def prepare(self) -> Refusal | None:
        """Writes the request. The refusal, if it must not or cannot be sent after all."""
        destination = self.account.permit.destination
        if self._incoming.websocket and not destination.allow_websocket:
            return WEBSOCKET
        try:
            self.raw = outgoing_bytes(
                self._released.upstream,
                self._released.injection,
                destination,
                websocket=self._incoming.websocket,
            )
        except Unsendable:
            return UNSENDABLE
        return None

    def sending(self, server: Server) -> None:
        """The next thing that happens is a byte going upstream on this connection; its answer is awaited."""
        self.server = server
        self.account.sending()
        self._expect_within(self.account.permit.destination.answer_within or self._session.options.answer_timeout)

    def rest(self) -> bytes:
        """What came after a 101."""
        return self._reader.rest()

    def delivered(self, data: bytes) -> Passed:
        """The upstream has sent this."""
        self._reader.feed(data)
        self.got_on()
        return self._pass_on(self._reader.next_item)

    def got_on(self) -> None:
        """More of an answer has come, or something has passed on its WebSocket: it may be silent again for a while."""
        if self._status:
            silence = self.account.permit.destination.silence_within or self._session.options.silence_timeout
            self._expect_within(silence)

    @property
    def late(self) -> bool:
        """Whether more should have come by now: then it was we who closed the connection, or are about to."""
        by = self.server.answer_by if isinstance(self.server, GovernedServer) else None
        return by is not None and self._session.clock() >= by

    def ended(self) -> Passed:
        """The upstream has closed the connection, or we have, because its answer does not begin or get on."""
        if self.late:
            raise UpstreamFault(STALLED if self._status else LATE)
        broken = isinstance(self.server, GovernedServer) and self.server.broken
        return self._pass_on(iter([self._reader.closed(broken=broken), None]).__next__)

    def fault(self, error: str, *, sent: bool) -> Reply:
        """What the agent is told in place of an answer."""
        refusal = fault_refusal(error, sent=sent)
        return self.word(replace(refusal, extra={"executed": None}) if sent else refusal)

    def word(self, refusal: Refusal) -> Reply:
        """This failure of the call, as its protocol says such things."""
        return self._session.gate.word(self._released, refusal)

    def _pass_on(self, next_item: Callable[[], ResponseHead | bytes | End | None]) -> Passed:
        out: list[bytes] = []
        body: list[bytes] = []  # searched and framed as one: what tiny chunks cost is the upstream's to choose
        while (item := next_item()) is not None:
            if isinstance(item, bytes):
                body.append(item)
            elif isinstance(item, ResponseHead):
                out.append(self._head(item))
                if item.status == 101:
                    return Passed(b"".join(out), switched=True)
            else:
                assert self._guard is not None
                out += [self._searched(body), self._framed(self._guard.end())]
                out.append(self._closing())
                self._expect_within(None)
                return Passed(b"".join(out), done=True)
        out.append(self._searched(body))
        return Passed(b"".join(out))

    def _searched(self, body: list[bytes]) -> bytes:
        if not body:
            return b""
        assert self._guard is not None
        return self._framed(self._guard.feed(b"".join(body)))

    def _head(self, head: ResponseHead) -> bytes:
        """The answer's head, if it holds no secret and announces a body that can be searched for one."""
        secrets = self._released.injection.secrets
        try:
            scan_headers((*head.fields, ("reason", head.reason)), secrets)
        except Leaked:
            raise Cut("secret_leaked") from None
        if secrets and not is_readable(head.fields):
            raise UpstreamFault("the answer is encoded, so it cannot be searched for secrets")
        self._status = head.status
        self._guard = BodyGuard(secrets, self._still_allowed, self._session.clock)
        self.got_on()
        self.account.received(0)
        return self._opening(head)

    def _expect_within(self, seconds: float | None) -> None:
        if isinstance(self.server, GovernedServer):
            self.server.answer_by = None if seconds is None else self._session.clock() + seconds

    def _still_allowed(self) -> str | None:
        return self._session.still_allowed(self.account)

    def _opening(self, head: ResponseHead) -> bytes:
        close = self.close or self._session.draining
        start = opening(head, method=self._incoming.draft.method, version=self._incoming.version, close=close)
        self.close = start.close
        self._chunked = start.chunked
        return start.raw

    def _framed(self, data: bytes) -> bytes:
        if not data:
            return b""
        self.account.received(len(data))
        return b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data

    def _closing(self) -> bytes:
        self.account.finish(self._status)
        return b"0\r\n\r\n" if self._chunked else b""


def fault_refusal(error: str, *, sent: bool) -> Refusal:
    """What an agent is told about a call that was released and brought no answer."""
    if error == "secret_leaked":
        detail = "The service's answer held a credential that must not reach an agent, so it was cut."
        return Refusal("secret_leaked", 502, detail, internal=error)
    if error == LATE:
        detail = "The service was called, and did not begin to answer in time. It may have done what it was asked to."
        return Refusal(LATE, 504, detail, internal=error)
    if not sent and "certificate verify failed" in error.lower():
        detail = (
            f"The service's certificate is not trusted here ({error[:200]}). "
            "Report it: who runs Countersign can name its authority (`ca_bundle`, `trusted_roots`)."
        )
        return Refusal("upstream_unreachable", 502, detail, internal=error)
    if not sent:
        detail = f"The service could not be reached: {error[:200]}."
        return Refusal("upstream_unreachable", 502, detail, "retry", internal=error)
    detail = f"The service was called, but its answer could not be passed on: {error[:200]}."
    return Refusal("upstream_failed", 502, detail, internal=error)
