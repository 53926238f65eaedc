"""Signing in, with a personal token or by a one-time link, and signing out. GET never signs anybody in."""

import re

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from proxy.console.forgery import check_origin
from proxy.console.forms import Form, read_form
from proxy.console.needs import Opened
from proxy.console.pages import Site, Visit
from proxy.errors import CountersignError
from telemetry.errors import AuditUnavailable

_OUR_PAGES = re.compile(
    r"/((holds|calls|agents|reviews|tasks)(/[A-Za-z0-9._:-]{1,80})?|kill-switch)?(\?[A-Za-z0-9._~:%&=+-]{1,400})?"
)


class SigningIn:
    """The pages that need no session, and the form that ends one."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def ask(self, request: Request) -> Response:
        """The page with the token's field."""
        return self._site.render("login.html", next=_place(request.query_params.get("next")), wrong=False)

    async def with_token(self, request: Request) -> Response:
        """A session for the holder of the token in the form."""
        return await self._open(request, "token")

    async def link(self, request: Request) -> Response:
        """The page that a sign-in link opens: a button. Mail scanners may look at it as often as they like."""
        return self._site.render("link.html", code=request.query_params.get("code", ""), wrong=False)

    async def with_link(self, request: Request) -> Response:
        """A session for the holder of the link's code, once."""
        return await self._open(request, "code")

    async def leave(self, visit: Visit, _: Form) -> Response:
        """The session has ended."""
        await self._site.door.close(visit.cookie)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(self._site.door.cookie, secure=self._site.secure, httponly=True, samesite="strict")
        return response

    async def _open(self, request: Request, kind: str) -> Response:
        site = self._site
        replaces = request.cookies.get(site.door.cookie, "")
        try:
            check_origin(request, site.origins)
            form = await read_form(request)
            secret, after = form.get(kind, "").strip(), _place(form.get("next"))
            open_ = site.door.open_with_token if kind == "token" else site.door.open_with_code
            opened = await open_(secret, replaces)
        except (CountersignError, AuditUnavailable) as error:
            return site.mistake(error, None)
        if opened is None:
            page = "login.html" if kind == "token" else "link.html"
            return site.render(page, status=403, next=after, code="", wrong=True)
        return self._with_cookie(RedirectResponse(after, 303), opened)

    def _with_cookie(self, response: Response, opened: Opened) -> Response:
        site = self._site
        life = max(0, int(opened.not_after - site.clock()))
        response.set_cookie(
            site.door.cookie,
            opened.secret,
            max_age=life,
            path="/",
            secure=site.secure,
            httponly=True,
            samesite="strict",
        )
        return response


def _place(asked: object) -> str:
    """Where to go after signing in: one of our own pages, else the first."""
    return asked if isinstance(asked, str) and _OUR_PAGES.fullmatch(asked) else "/"
