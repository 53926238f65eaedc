"""A connection handle for the program, of which only we know: issued anew, for the same task, before it ends."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from proxy.errors import CountersignError
from proxy.shim.sources import Renewed, SourceFailed, checked

type Issue = Callable[[str | None], Awaitable[Mapping[str, Any]]]


class Handles:
    """`issue` gives a new handle, of this task if one is named. `issued` are the ids of all, to be revoked at the end.

    An agent that was ended meanwhile gets no new one, and the old one is dead.
    """

    def __init__(self, issue: Issue, clock: Callable[[], float] = time.time) -> None:
        self._issue = issue
        self._task: str | None = None
        self._handle = Renewed(self._fetch, clock)
        self.issued: list[Mapping[str, Any]] = []

    async def token(self) -> str:
        return await self._handle.get()

    async def settle(self) -> None:
        """Nothing more is issued when this returns, if nobody asks for it."""
        await self._handle.settle()

    async def _fetch(self) -> tuple[str, float]:
        try:
            made = await self._issue(self._task)
        except CountersignError as error:
            raise SourceFailed(str(error)) from error
        self.issued.append(made)
        self._task = str(made["task"])
        return checked(str(made["handle"]), "the control API"), float(made["not_after"])
