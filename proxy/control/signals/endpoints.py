"""The routes of signals: events come in, receivers fetch theirs (RFC 8935, RFC 8936), and what we are is told."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from policies.model import Json
from proxy.control.bearer import shows_bearer
from proxy.control.needs import Record
from proxy.control.signals.hearing import Hearing
from proxy.control.signals.interfaces import Outbox
from proxy.control.signals.model import Outgoing, Receiver
from proxy.control.signals.sending import give_up
from proxy.control.signals.streams import Streams, Verify, shown_by
from proxy.control.signals.words import MEDIA_TYPE, POLL, PUSH, SPEC_VERSION, SetRefused
from proxy.credentials.references import References
from proxy.downstream.signer import Signer
from proxy.errors import Refused, StoreUnavailable
from proxy.strict_json import loads
from telemetry.errors import AuditUnavailable

log = logging.getLogger("countersign.signals")

LONG_POLL = 25.0

_JSON = "application/json"
_MOST_POLLED = 100
_MOST_SAID = 1000


@dataclass(frozen=True, slots=True)
class Telling:
    """The side that tells: who we are, whom we tell, and with which keys. `news` is set when more is in line."""

    issuer: str
    receivers: Mapping[str, Receiver]
    outbox: Outbox
    signer: Signer
    news: Callable[[], asyncio.Event]
    verify: Verify


@dataclass(frozen=True, slots=True)
class SignalDeps:
    """None for the side that is not configured: then it is not there."""

    hearing: Hearing | None
    telling: Telling | None
    references: References
    record: Record
    clock: Callable[[], float]


def signal_routes(deps: SignalDeps) -> list[Route]:
    """The routes of what is configured."""
    routes: list[Route] = []
    if deps.hearing is not None:
        routes.append(Route("/ssf/events", _guarded(_Push(deps.hearing, deps.references).take), methods=["POST"]))
    if deps.telling is not None:
        telling = deps.telling
        streams = Streams(telling.issuer, telling.receivers, deps.references, telling.verify, deps.clock)
        routes += [
            *streams.routes(),
            Route("/ssf/poll", _guarded(_Poll(telling, deps).answer), methods=["POST"]),
            Route("/ssf/jwks.json", _told(lambda: telling.signer.jwks(deps.clock())), methods=["GET"]),
            Route(
                "/.well-known/ssf-configuration",
                _told(lambda: _configuration(telling) | streams.endpoints()),
                methods=["GET"],
            ),
        ]
    return routes


class _Push:
    """Takes one token a request (RFC 8935 section 2)."""

    def __init__(self, hearing: Hearing, references: References) -> None:
        self._hearing = hearing
        self._references = references

    async def take(self, request: Request) -> Response:
        _require_type(request, MEDIA_TYPE)
        try:
            token = (await request.body()).decode("ascii")
        except UnicodeDecodeError as error:
            raise SetRefused("invalid_request", "the body is not a token") from error
        presented = self._hearing.open(token)
        transmitter = presented.transmitter
        if transmitter.poll_url is not None:
            raise SetRefused("access_denied", "events of this transmitter are fetched, not pushed")
        secret = transmitter.secret
        if secret is not None and not shows_bearer(request, self._references.read(secret).value):
            raise SetRefused("authentication_failed", "show the token that was agreed upon, as `Bearer`")
        await self._hearing.hear(presented)
        return Response(None, 202)


class _Poll:
    """Gives one receiver what is in line for it, and hears what it took (RFC 8936 section 2)."""

    def __init__(self, telling: Telling, deps: SignalDeps) -> None:
        self._telling = telling
        self._deps = deps

    async def answer(self, request: Request) -> Response:
        receiver = self._receiver(request)
        _require_type(request, _JSON)
        asked = _asked(await request.body())
        outbox = self._telling.outbox
        waiting = {one.token_id: one for one in await outbox.outgoing(receiver.id, _MOST_SAID)}
        for token_id, why in asked.refused.items():
            if token_id in waiting:
                await give_up(waiting[token_id], f"it was refused: {why}", self._deps.record)
        done = [one for one in (*asked.taken, *asked.refused) if one in waiting]
        await outbox.drop_outgoing(receiver.id, done)
        found = await self._next(receiver, asked)
        sets = {one.token_id: self._telling.signer.sign(one.claims) for one in found[: asked.most]}
        return JSONResponse({"sets": sets, "moreAvailable": len(found) > len(sets)})

    async def _next(self, receiver: Receiver, asked: "_Asked") -> list[Outgoing]:
        news = self._telling.news()  # before we look, so that nothing comes in between
        found = await self._telling.outbox.outgoing(receiver.id, asked.most + 1)
        if not found and asked.waits and asked.most:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), LONG_POLL)
            found = await self._telling.outbox.outgoing(receiver.id, asked.most + 1)
        return found

    def _receiver(self, request: Request) -> Receiver:
        """Exactly one, by the token that it shows."""
        fetching = [one for one in self._telling.receivers.values() if one.url is None]
        receiver = shown_by(request, fetching, self._deps.references)
        if receiver is None:
            raise SetRefused("authentication_failed", "show the token that was agreed upon, as `Bearer`")
        return receiver


@dataclass(frozen=True, slots=True)
class _Asked:
    most: int
    waits: bool
    taken: Collection[str]
    refused: Mapping[str, str]


def _asked(body: bytes) -> _Asked:
    try:
        said = loads(body, max_bytes=65_536, max_depth=8)
    except ValueError as error:
        raise SetRefused("invalid_request", f"the request cannot be read: {error}") from error
    if not isinstance(said, dict):
        raise SetRefused("invalid_request", "the request is not an object")
    most, at_once = said.get("maxEvents", _MOST_POLLED), said.get("returnImmediately", False)
    taken, refused = said.get("ack", []), said.get("setErrs", {})
    fits = (
        isinstance(most, int) and not isinstance(most, bool) and most >= 0 and isinstance(at_once, bool)
        and isinstance(taken, list) and all(isinstance(one, str) for one in taken)
        and isinstance(refused, dict) and len(taken) + len(refused) <= _MOST_SAID
    )  # fmt: skip
    if not fits:
        raise SetRefused("invalid_request", "a member of the request is not what RFC 8936 says")
    whys = {name: ascii(one)[:200] for name, one in cast("dict[str, Json]", refused).items()}
    return _Asked(min(cast("int", most), _MOST_POLLED), not at_once, cast("list[str]", taken), whys)


def _require_type(request: Request, kind: str) -> None:
    said = request.headers.getlist("content-type")
    if len(said) != 1 or said[0].partition(";")[0].strip().lower() != kind:
        raise SetRefused("invalid_request", f"send `Content-Type: {kind}`")


def _guarded(act: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Whatever fails is told as RFC 8935 says; what may work later, so that it is sent again."""

    async def endpoint(request: Request) -> Response:
        try:
            return await act(request)
        except SetRefused as refused:
            log.info("events: %s: %s", refused.err, refused)
            said = {"err": refused.err, "description": str(refused)}
            return JSONResponse(said, 400, {"content-language": "en"})
        except (StoreUnavailable, AuditUnavailable, Refused) as error:
            log.error("an event cannot be taken now: %s", error)  # noqa: TRY400 - the text says what is wrong
            return Response(None, 503, {"retry-after": "1"})

    return endpoint


def _told(what: Callable[[], Mapping[str, Json]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_: Request) -> Response:
        return JSONResponse(dict(what()), headers={"cache-control": "public, max-age=300"})

    return endpoint


def _configuration(telling: Telling) -> dict[str, Json]:
    """SSF 1.0 section 7.1."""
    return {
        "spec_version": SPEC_VERSION,
        "issuer": telling.issuer,
        "jwks_uri": f"{telling.issuer}/ssf/jwks.json",
        "delivery_methods_supported": [PUSH, POLL],
        "default_subjects": "ALL",
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6750"}],
    }
