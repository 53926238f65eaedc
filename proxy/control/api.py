"""The control process's web application: the API, with room for the console beside it."""

from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from proxy.control.door import Door
from proxy.control.guard import Guard
from proxy.control.needs import ControlDeps
from proxy.control.openapi import describe
from proxy.control.probes import probes
from proxy.control.problems import on_error, problem
from proxy.control.routes import Entry, Permission, entries
from proxy.errors import CountersignError, Declined
from telemetry.errors import AuditUnavailable


def create_api(deps: ControlDeps, door: Door, beside: Sequence[BaseRoute] = ()) -> Starlette:
    """The application. `beside` are the console's routes; everything is behind the same guard."""
    table = entries(door)

    @cache
    def document() -> dict[str, Any]:
        return describe(table)

    routes: list[BaseRoute] = [*probes(deps, document), *(_route(entry, door) for entry in table), *beside]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, origins=deps.origins)],
        exception_handlers={
            CountersignError: on_error,
            AuditUnavailable: on_error,
            HTTPException: _on_http,
            Exception: on_error,
        },
    )
    app.router.redirect_slashes = False  # one address for one thing
    return app


def _route(entry: Entry, door: Door) -> Route:
    return Route(entry.path, _behind(entry, door), methods=[entry.method])


def _behind(entry: Entry, door: Door) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        desk = await door.desk_of(request)
        match entry.permission:
            case Permission.MEMBER:
                pass
            case Permission.PERSON if desk.caller.person is not None:
                pass
            case Permission.OPERATOR if desk.caller.is_operator:
                pass
            case Permission.PERSON:
                raise Declined(403, "person_required", "only a person does this: say as whom, with `Countersign-As`")
            case _:
                raise Declined(403, "operator_required", "only the operator does this, over the local socket")
        return await entry.handler(request, desk)

    return endpoint


async def _on_http(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code, text = {
        404: ("route_unknown", "there is nothing at this address; see /openapi.json"),
        405: ("method_unknown", "this address does not take this method; see /openapi.json"),
    }.get(status, ("request_invalid", "this request cannot be read"))
    return problem(Declined(status, code, text))
