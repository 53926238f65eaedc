"""What happened, as one caller may see it: recent calls, and one call from the human to the last byte."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from proxy.control.callers import Caller, may_see_agent
from proxy.control.needs import ControlDeps
from proxy.control.stories import ENDINGS, Story, stories_of, story_of
from proxy.errors import Declined

MAX_CALLS = 500
_WINDOW = 4_000  # records looked at for one list: about the last thousand calls


class CallDesk:
    """Reads the audit log for one caller."""

    def __init__(self, caller: Caller, deps: ControlDeps) -> None:
        self._caller = caller
        self._deps = deps

    async def recent(
        self, *, limit: int = 100, agent: str | None = None, outcome: str | None = None, task: str | None = None
    ) -> list[Story]:
        """The latest calls that match, the most recently changed first; None does not restrict."""
        if outcome is not None and outcome not in ENDINGS:
            raise Declined(422, "outcome_unknown", f"`outcome` is one of {', '.join(sorted(ENDINGS))}")
        if not 1 <= limit <= MAX_CALLS:
            raise Declined(422, "limit_out_of_range", f"`limit` is 1 to {MAX_CALLS}")
        asked = [(key, value) for key, value in (("agent", agent), ("ending", outcome), ("task", task)) if value]
        told = stories_of(await self._deps.records.recent(_WINDOW))
        matching = (story for story in told if all(story[key] == value for key, value in asked) and self.sees(story))
        return list(islice(matching, limit))

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
