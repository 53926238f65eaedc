"""A stream as its receiver sees it (SSF 1.0 section 8.1): it looks at it, and has it tried out.

Who is told of what stands in our settings, and nowhere else: nobody makes, changes or ends a stream from without. Each
receiver has one, by its own name, so that a client which looks before it makes one finds what is agreed.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from policies.model import Json
from proxy.control.bearer import shows_bearer
from proxy.control.signals.model import Receiver
from proxy.control.signals.words import POLL, PUSH, SESSION_REVOKED
from proxy.credentials.references import References
from proxy.errors import Refused, StoreUnavailable
from proxy.strict_json import loads

MIN_VERIFICATION_SECONDS = 10
_MOST_STATE = 1024


class Verify(Protocol):
    """Puts a verification event in line for this receiver, with what it wants to recognise it by."""

    async def __call__(self, receiver: Receiver, state: str | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of these receivers. Who shows the token of none of them is told of none."""

    issuer: str
    receivers: Mapping[str, Receiver]
    references: References
    verify: Verify
    clock: Callable[[], float]
    _verified: dict[str, float] = field(default_factory=dict)

    def endpoints(self) -> dict[str, Json]:
        """What our configuration says of them."""
        return {
            "configuration_endpoint": f"{self.issuer}/ssf/streams",
            "status_endpoint": f"{self.issuer}/ssf/status",
            "verification_endpoint": f"{self.issuer}/ssf/verify",
        }

    def routes(self) -> list[Route]:
        """Where that is."""
        return [
            Route("/ssf/streams", _told(self._show), methods=["GET"]),
            Route("/ssf/streams", _told(self._no_change), methods=["POST", "PUT", "PATCH", "DELETE"]),
            Route("/ssf/status", _told(self._status), methods=["GET"]),
            Route("/ssf/status", _told(self._no_change), methods=["POST"]),
            Route("/ssf/verify", _told(self._try_out), methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        receiver = self._receiver(request)
        stream = self._stream(receiver)
        if "stream_id" not in request.query_params:
            return JSONResponse([stream])
        _require_own(request.query_params["stream_id"], receiver)
        return JSONResponse(stream)

    async def _status(self, request: Request) -> Response:
        receiver = self._receiver(request)
        _require_own(request.query_params.get("stream_id"), receiver)
        return JSONResponse({"stream_id": receiver.id, "status": "enabled"})

    async def _no_change(self, request: Request) -> Response:
        self._receiver(request)
        if request.method == "POST" and request.url.path == "/ssf/streams":
            raise _No(409, "you have a stream: GET it here; what it tells is agreed upon in our settings")
        raise _No(403, "what a stream tells, and whether, is agreed upon in our settings")

    async def _try_out(self, request: Request) -> Response:
        receiver = self._receiver(request)
        stream, state = _asked(await request.body())
        _require_own(stream, receiver)
        now = self.clock()
        if abs(now - self._verified.get(receiver.id, float("-inf"))) < MIN_VERIFICATION_SECONDS:
            raise _No(429, f"at most every {MIN_VERIFICATION_SECONDS} seconds")
        self._verified[receiver.id] = now  # before anything is awaited: several may ask at once
        await self.verify(receiver, state)
        return Response(None, 204)

    def _stream(self, receiver: Receiver) -> dict[str, Json]:
        delivery: dict[str, Json] = {"method": POLL, "endpoint_url": f"{self.issuer}/ssf/poll"}
        if receiver.url is not None:
            delivery = {"method": PUSH, "endpoint_url": receiver.url}
        return {
            "stream_id": receiver.id,
            "iss": self.issuer,
            "aud": receiver.audience,
            "events_supported": [SESSION_REVOKED],
            "events_requested": [SESSION_REVOKED],
            "events_delivered": [SESSION_REVOKED],
            "delivery": delivery,
            "min_verification_interval": MIN_VERIFICATION_SECONDS,
        }

    def _receiver(self, request: Request) -> Receiver:
        receiver = shown_by(request, self.receivers.values(), self.references)
        if receiver is None:
            raise _No(401, "show the token that was agreed upon, as `Bearer`")
        return receiver


def shown_by(request: Request, receivers: Iterable[Receiver], references: References) -> Receiver | None:
    """Exactly one, by the token that it shows; of two with one token neither."""
    shown = [one for one in receivers if one.secret is not None and shows_bearer(request, _secret(one, references))]
    return shown[0] if len(shown) == 1 else None


def _secret(receiver: Receiver, references: References) -> str:
    return references.read(str(receiver.secret)).value


class _No(Exception):
    """What is asked is not done; the status is of SSF 1.0 section 8.1, the text says why."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


def _require_own(stream: object, receiver: Receiver) -> None:
    if stream != receiver.id:
        raise _No(404, "there is no such stream of yours: GET /ssf/streams lists it")


def _asked(body: bytes) -> tuple[object, str | None]:
    try:
        said = loads(body, max_bytes=8192, max_depth=4)
    except ValueError as error:
        raise _No(400, "send a JSON object with `stream_id`") from error
    if not isinstance(said, dict):
        raise _No(400, "send a JSON object with `stream_id`")
    state = said.get("state")
    if state is not None and (not isinstance(state, str) or len(state) > _MOST_STATE):
        raise _No(400, f"`state` is a text of at most {_MOST_STATE} characters")
    return said.get("stream_id"), state


def _told(act: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await act(request)
        except _No as no:
            headers = {"www-authenticate": "Bearer"} if no.status == 401 else {}
            return JSONResponse({"description": str(no)}, no.status, headers)
        except (StoreUnavailable, Refused):
            return Response(None, 503, {"retry-after": "1"})

    return endpoint
