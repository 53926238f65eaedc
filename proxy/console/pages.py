"""From a request to a page: who is looking, what they are shown, and what a mistake looks like."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from proxy.console.assets import Assets
from proxy.console.forgery import FIELD, check_origin, check_token, token_for
from proxy.console.forms import Form, read_form
from proxy.console.needs import Desk, Door
from proxy.console.templating import environment
from proxy.errors import CountersignError, Declined, StoreUnavailable
from proxy.facts import Person
from proxy.holds.mistakes import HoldError
from proxy.tasks.mistakes import TaskMistake
from telemetry.errors import AuditUnavailable

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One signed-in person's request. A handler that has one has a proven person; there is no other way to it."""

    request: Request
    desk: Desk
    person: Person
    cookie: str = field(repr=False)


type Page = Callable[[Visit], Awaitable[Response]]
type Act = Callable[[Visit, Form], Awaitable[Response]]
type Endpoint = Callable[[Request], Awaitable[Response]]


class Site:
    """What every page shares: the door, the templates, the clock, and the addresses that we are served under."""

    def __init__(self, door: Door, *, clock: Callable[[], float], origins: tuple[str, ...]) -> None:
        self.door = door
        self.clock = clock
        self.origins = origins
        self.secure = bool(origins) and all(origin.startswith("https://") for origin in origins)
        self.assets = Assets.load()
        self._templates = environment(self.assets)

    def page(self, handler: Page) -> Endpoint:
        """A page for signed-in people. It only shows; it is what GET and HEAD may do."""

        async def endpoint(request: Request) -> Response:
            visit = await self._visit(request)
            if isinstance(visit, Response):
                return visit
            try:
                return await handler(visit)
            except (CountersignError, AuditUnavailable) as error:
                return self.mistake(error, visit)

        return endpoint

    def act(self, handler: Act) -> Endpoint:
        """A form of a signed-in person: sent by our page, with this session's token, or nothing happens."""

        async def endpoint(request: Request) -> Response:
            visit = await self._visit(request)
            if isinstance(visit, Response):
                return visit
            try:
                check_origin(request, self.origins)
                form = await read_form(request)
                check_token(visit.cookie, form.get(FIELD))
                return await handler(visit, form)
            except (CountersignError, AuditUnavailable) as error:
                return self.mistake(error, visit)

        return endpoint

    def render(self, template: str, visit: Visit | None = None, *, status: int = 200, **values: object) -> HTMLResponse:
        """This template as a page, under the console's content security policy."""
        common: dict[str, object] = {
            "now": self.clock(),
            "person": visit.person if visit else None,
            "csrf": token_for(visit.cookie) if visit else "",
            "names": visit.desk.agents.names() if visit else {},
            "here": visit.request.url.path if visit else "",
        }
        body = self._templates.get_template(template).render({**common, **values})
        return HTMLResponse(body, status, _HEADERS)

    def mistake(self, error: Exception, visit: Visit | None) -> Response:
        """A page that says what was not done and what to do; never a traceback."""
        said = told(error)
        gone = said.status == 404 and visit is not None and visit.request.method in {"GET", "HEAD"}
        return self.render("mistake.html", visit, status=said.status, code=said.code, text=str(said), gone=gone)

    async def _visit(self, request: Request) -> Visit | Response:
        cookie = request.cookies.get(self.door.cookie, "")
        try:
            desk = await self.door.with_session(cookie)
        except (CountersignError, AuditUnavailable) as error:
            return self.mistake(error, None)
        person = desk.caller.person if desk else None
        if desk is not None and person is not None:
            return Visit(request, desk, person, cookie)
        return self._turn_away(request, cookie)

    def _turn_away(self, request: Request, cookie: str) -> Response:
        if request.method not in {"GET", "HEAD"}:
            text = "You are not signed in any more, so nothing was done. Sign in, look again, and decide then."
            place = f"?next={quote(page_of(request))}"
            return self.render("mistake.html", status=401, code="not_signed_in", text=text, gone=False, place=place)
        if not cookie and request.headers.get("sec-fetch-site") == "cross-site":
            # A strict cookie is not sent when a link is followed from mail or chat: come again, from here.
            return self.render("again.html")
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/login?next={quote(request.url.path + query)}", 303, _HEADERS)


def page_of(request: Request) -> str:
    """The page whose form has this address: what it does is the last part."""
    return request.url.path.rpartition("/")[0] or "/"


async def back_to_page(request: Request) -> Response:
    """For a browser that asks for a form's address, as a phone does that had put its tab to sleep after a mistake."""
    return RedirectResponse(page_of(request), 303, _HEADERS)


def told(error: Exception) -> Declined:
    """Any of our own errors, in words for the page."""
    match error:
        case Declined():
            return error
        case HoldError():
            return Declined(409, error.code, str(error))
        case TaskMistake():
            return Declined(404 if error.code.endswith("_unknown") else 409, error.code, str(error))
        case StoreUnavailable() | AuditUnavailable():
            return Declined(503, "unavailable", "This cannot be written down at the moment, so it was not done.")
        case _:
            return Declined(422, "invalid", str(error))
