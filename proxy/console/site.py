"""Every page and form of the console. A route that is not here does not exist."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from proxy.console.agent_pages import AgentPages
from proxy.console.call_pages import CallPages
from proxy.console.hold_pages import HoldPages
from proxy.console.kill_switch_pages import KillSwitchPages
from proxy.console.needs import Door
from proxy.console.pages import Site, back_to_page
from proxy.console.review_pages import ReviewPages
from proxy.console.signing_in import SigningIn
from proxy.console.task_pages import TaskPages


def create_console(door: Door, *, clock: Callable[[], float], origins: tuple[str, ...]) -> list[BaseRoute]:
    """The console's routes, to be served beside the control API under the same names."""
    site = Site(door, clock=clock, origins=origins)
    holds, calls, agents, signing_in = HoldPages(site), CallPages(site), AgentPages(site), SigningIn(site)
    reviews = ReviewPages(site)
    tasks, kill_switch = TaskPages(site), KillSwitchPages(site)
    routes = [
        Route("/static/{name}", site.assets.serve, methods=["GET"]),
        Route("/login", signing_in.ask, methods=["GET"]),
        Route("/login", signing_in.with_token, methods=["POST"]),
        Route("/sign-in", signing_in.link, methods=["GET"]),
        Route("/sign-in", signing_in.with_link, methods=["POST"]),
        Route("/logout", site.act(signing_in.leave), methods=["POST"]),
        Route("/", site.page(holds.queue), methods=["GET"]),
        Route("/holds", _home, methods=["GET"]),
        Route("/holds/{id}", site.page(holds.card), methods=["GET"]),
        Route("/holds/{id}/approve", site.act(holds.approve), methods=["POST"]),
        Route("/holds/{id}/deny", site.act(holds.deny), methods=["POST"]),
        Route("/holds/{id}/revoke", site.act(holds.take_back), methods=["POST"]),
        Route("/holds/{id}/reconcile", site.act(holds.reconcile), methods=["POST"]),
        Route("/calls", site.page(calls.list), methods=["GET"]),
        Route("/calls/{id}", site.page(calls.story), methods=["GET"]),
        Route("/agents", site.page(agents.list), methods=["GET"]),
        Route("/agents/{id}", site.page(agents.one), methods=["GET"]),
        Route("/agents/{id}/end", site.act(agents.end), methods=["POST"]),
        Route("/agents/{id}/freeze", site.act(agents.freeze), methods=["POST"]),
        Route("/agents/{id}/lift", site.act(agents.lift), methods=["POST"]),
        Route("/reviews", site.page(reviews.list), methods=["GET"]),
        Route("/reviews/{what}", site.page(reviews.one), methods=["GET"]),
        Route("/reviews/{what}/attest", site.act(reviews.attest), methods=["POST"]),
        Route("/reviews/{what}/end", site.act(reviews.end), methods=["POST"]),
        Route("/tasks", site.page(tasks.list), methods=["GET"]),
        Route("/tasks/{id}", site.page(tasks.one), methods=["GET"]),
        Route("/tasks/{id}/suspend", site.act(tasks.suspend), methods=["POST"]),
        Route("/tasks/{id}/resume", site.act(tasks.resume), methods=["POST"]),
        Route("/tasks/{id}/end", site.act(tasks.end), methods=["POST"]),
        Route("/kill-switch", site.page(kill_switch.show), methods=["GET"]),
        Route("/kill-switch/confirm", site.act(kill_switch.confirm), methods=["POST"]),
        Route("/kill-switch/stop", site.act(kill_switch.stop), methods=["POST"]),
        Route("/kill-switch/lift", site.act(kill_switch.lift), methods=["POST"]),
    ]
    shown = {route.path for route in routes if "GET" in (route.methods or ())}
    return [*routes, *(Route(route.path, back_to_page, methods=["GET"]) for route in routes if route.path not in shown)]


async def _home(_: Request) -> Response:
    return RedirectResponse("/", 303)
