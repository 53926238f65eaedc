"""From a request to the desk of the one who sent it; or no desk, and then nothing can be done."""

from starlette.requests import Request

from proxy.control.bearer import bearer_of
from proxy.control.callers import Caller, Channel
from proxy.control.desk import Desk, desk_for
from proxy.control.events import EventFeed
from proxy.control.guard import Peer, peer_of
from proxy.control.needs import ControlDeps
from proxy.control.people import Issued
from proxy.errors import Declined


def unproven() -> Declined:
    """Nothing shown proves anybody."""
    return Declined(401, "not_signed_in", "send a personal token as `Authorization: Bearer csp_...`, or sign in")


class Door:
    """Proves callers. Whoever shows something that does not hold is turned away, whatever else they show."""

    def __init__(self, deps: ControlDeps, feed: EventFeed) -> None:
        self._deps = deps
        self._feed = feed

    @property
    def cookie(self) -> str:
        """The session cookie's name; over TLS the browser itself binds it to this host (`__Host-`)."""
        return "__Host-countersign" if self._deps.secure else "countersign_session"

    async def desk_of(self, request: Request) -> Desk:
        """The desk of this request's sender; 401 if nobody is proven."""
        peer = peer_of(request.scope)
        if peer is not None:
            return self._desk(self._local(peer, request.headers.getlist("countersign-as")))
        if "countersign-as" in request.headers:
            raise Declined(403, "operator_required", "`Countersign-As` is for the operator, over the local socket")
        if "authorization" in request.headers:
            return await self._bearer(bearer_of(request))
        desk = await self.with_session(request.cookies.get(self.cookie, ""), channel="api")
        if desk is None:
            raise unproven()
        return desk

    async def with_session(self, cookie: str, *, channel: Channel = "console") -> Desk | None:
        """The desk of whoever holds this browser session; None if it has ended."""
        proof = await self._deps.people.prove_session(cookie, self._deps.clock())
        if proof is None:
            return None
        return self._desk(Caller(proof.person, channel, "session", proof.credential.id))

    async def open_with_token(self, token: str, replaces: str) -> Issued | None:
        """A new session for the holder of this personal token; the session it replaces ends."""
        now = self._deps.clock()
        return await self._opened(await self._deps.people.open_with_token(token, now), replaces)

    async def open_with_code(self, code: str, replaces: str) -> Issued | None:
        """A new session for the holder of this sign-in code; the session it replaces ends."""
        now = self._deps.clock()
        return await self._opened(await self._deps.people.open_with_code(code, now), replaces)

    async def close(self, cookie: str) -> None:
        """The session has ended."""
        await self._deps.people.close_session(cookie, self._deps.clock())

    async def _opened(self, issued: Issued | None, replaces: str) -> Issued | None:
        if issued is None:
            return None
        await self.close(replaces)
        await self._deps.record(
            {
                "type": "person.signed_in",
                "change": {"what": f"person:{issued.person}", "by": f"person:{issued.person}", "kind": "session",
                           "reason": "", "details": [f"session={issued.id}"]},
            }
        )  # fmt: skip
        return issued

    async def _bearer(self, token: str | None) -> Desk:
        proof = None if token is None else await self._deps.people.prove_token(token, self._deps.clock())
        if proof is None:
            raise unproven()
        return self._desk(Caller(proof.person, "api", "token", proof.credential.id))

    def _local(self, peer: Peer, persons: list[str]) -> Caller:
        proof = f"uid={peer.uid}"
        if not persons:
            return Caller(None, "cli", "local_operator", proof)
        person = self._deps.inventory().people.get(persons[0]) if len(persons) == 1 else None
        if person is None or not person.active:
            raise Declined(403, "person_unknown", "`Countersign-As` must name one active person of the inventory")
        return Caller(person, "cli", "local_operator", f"operator:{proof}")

    def _desk(self, caller: Caller) -> Desk:
        return desk_for(caller, self._deps, self._feed)
