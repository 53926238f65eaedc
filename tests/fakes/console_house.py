"""A control house with the console beside its API, and people who visit it with a browser's habits."""

import re
from pathlib import Path
from typing import Any

import httpx

from proxy.console.site import create_console
from proxy.control.api import create_api
from proxy.holds.view import HoldView
from tests.fakes.control_house import ORIGIN, House


class ConsoleHouse(House):
    """The whole web application of the control process."""

    def __init__(
        self, folder: Path, *, origins: tuple[str, ...] = (ORIGIN,), responders: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(folder, origins=origins, responders=responders)
        pages = create_console(self.door, clock=lambda: self.now, origins=origins)
        self.app: Any = create_api(self.deps, self.door, pages)

    async def visitor(self, person: str, **headers: str) -> httpx.AsyncClient:
        """A browser in which this person is signed in; its forms come from our own pages."""
        cookie = f"{self.door.cookie}={await self.session(person)}"
        return self.client(cookie=cookie, origin=ORIGIN, **headers)

    async def form(self, client: httpx.AsyncClient, path: str) -> dict[str, str]:
        """The hidden fields of the deciding form on this page."""
        return hidden((await client.get(path)).text)


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the last form that has any."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))


def ballot(view: HoldView, csrf: str, **other: str) -> dict[str, str]:
    """The fields of a card's form."""
    return {
        "csrf": csrf,
        "row_version": str(view.row_version),
        "action_digest": view.action_digest,
        "display_digest": view.display_digest,
        "reason": "",
    } | other
