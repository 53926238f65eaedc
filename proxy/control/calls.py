"""What happened, as one caller may see it: recent calls, and one call from the human to the last byte."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policies.model import Json
from proxy.control.call_reading import CallReader
from proxy.control.callers import Caller, may_see_agent
from proxy.control.needs import ControlDeps, Place
from proxy.control.stories import ENDINGS, Story, story_of
from proxy.errors import Declined

MAX_CALLS = 500
_PLACE = re.compile(r"[0-9]{1,15}(-[0-9]{1,15}){0,31}")


@dataclass(frozen=True, slots=True)
class Page:
    """Calls, the most recently changed first. `older` is the `before` of the next page; empty: there is none."""

    stories: list[Story]
    older: str


class CallDesk:
    """Reads the audit log for one caller."""

    def __init__(self, caller: Caller, deps: ControlDeps) -> None:
        self._caller = caller
        self._deps = deps

    async def recent(
        self, *, limit: int = 100, agent: str | None = None, outcome: str | None = None, task: str | None = None
    ) -> list[Story]:
        """The latest calls that match; None does not restrict."""
        return (await self.page(limit=limit, agent=agent, outcome=outcome, task=task)).stories

    async def page(
        self,
        *,
        limit: int = 100,
        agent: str | None = None,
        outcome: str | None = None,
        task: str | None = None,
        principal: str | None = None,
        before: str | None = None,
    ) -> Page:
        """The calls that match, before this place in the log. A page with few, or none, may still have an older one.

        `principal` is the id of whom a call was made for: the person, the process or the agent at the root.
        """
        if outcome is not None and outcome not in ENDINGS:
            raise Declined(422, "outcome_unknown", f"`outcome` is one of {', '.join(sorted(ENDINGS))}")
        if not 1 <= limit <= MAX_CALLS:
            raise Declined(422, "limit_out_of_range", f"`limit` is 1 to {MAX_CALLS}")
        wanted = (("agent", agent), ("ending", outcome), ("task", task), ("principal", principal))
        asked = [(key, value) for key, value in wanted if value]
        reader = CallReader(self._deps.records, _place(before))
        stories: list[Story] = []
        last: Place | None = None
        async for story, place in reader.calls():
            if not all(_told(story, key) == value for key, value in asked) or not self.sees(story):
                continue
            if len(stories) == limit:
                return Page(stories, _written(last))
            stories.append(story)
            last = place
        if reader.ended:
            return Page(stories, "")
        return Page(stories, _written(last if len(stories) == limit else reader.reached))

    async def get(self, call_id: str) -> tuple[Story, list[Mapping[str, Any]]]:
        """One call's story, and its records as they stand in the log."""
        records = list(await self._deps.records.of_call(call_id))
        if not records or not self.sees(story := story_of(records)):
            raise Declined(404, "call_unknown", "there is no such call in the log, or it is not yours to see")
        return story, records

    def sees(self, story: Story) -> bool:
        """True for calls of agents that this caller may see; without a known agent, for auditors and the operator."""
        agent, deps = story["agent"], self._deps
        name = agent if isinstance(agent, str) else ""
        return may_see_agent(self._caller, name, deps.inventory(), deps.auditors, deps.clock())


def _told(story: Story, key: str) -> Json:
    """What a story says of this; of whom it was made for, only the id."""
    value = story[key]
    return value.partition(":")[2] if key == "principal" and isinstance(value, str) else value


def _place(before: str | None) -> Place | None:
    if not before:
        return None
    if not _PLACE.fullmatch(before):
        raise Declined(422, "place_unknown", "`before` is what `older` said on the page before")
    return tuple(map(int, before.split("-")))


def _written(place: Place | None) -> str:
    return "-".join(map(str, place or ()))
