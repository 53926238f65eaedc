"""What happened: recent calls, and the story of one, from the human to the last byte."""

import re
from urllib.parse import urlencode

from starlette.responses import Response

from proxy.console import words
from proxy.console.chains import Party, of_record
from proxy.console.needs import Story
from proxy.console.pages import Site, Visit
from proxy.console.task_pages import task_behind

_SHOWN = 50
_PLACE = re.compile(r"[0-9-]{1,500}")
_MOST_PAGES = 50  # that lead back one by one; from further on, the way back is to the newest


class CallPages:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def list(self, visit: Visit) -> Response:
        """One page of calls, the latest first, as far as they match the filter; `back` is how one came to it."""
        query = visit.request.query_params
        asked = {name: query.get(name, "").strip() for name in ("agent", "outcome", "principal", "task")}
        asked["outcome"] = asked["outcome"] if asked["outcome"] in words.ENDINGS else ""
        before = query.get("before", "")
        page = await visit.desk.calls.page(
            limit=_SHOWN,
            agent=asked["agent"] or None,
            outcome=asked["outcome"] or None,
            task=asked["task"] or None,
            principal=asked["principal"] or None,
            before=before or None,
        )
        return self._site.render(
            "calls.html",
            visit,
            stories=page.stories,
            asked=asked,
            before=before,
            links=links(asked, before, query.get("back", ""), page.older),
            agents=list(visit.desk.agents.ids()),
        )

    async def story(self, visit: Visit) -> Response:
        """One call as a tree, with every record that tells of it."""
        story, records = await visit.desk.calls.get(visit.request.path_params["id"])
        return self._site.render(
            "call.html",
            visit,
            story=story,
            records=records,
            parties=parties_of(story),
            task=await task_behind(visit, story.get("task")),
        )


def parties_of(story: Story) -> list[Party]:
    """From the first party to the agent, each with how well the step to it is proven."""
    return of_record(story.get("chain"), story.get("levels"), story.get("methods"))


def links(asked: dict[str, str], before: str, back: str, older: str) -> dict[str, str]:
    """Where to go from a page: `newest` and `newer`, unless it is the first, and `older`, if there is one."""
    trail = [place for place in back.split(",") if _PLACE.fullmatch(place)][-_MOST_PAGES:]
    found = {}
    if before:
        found["newest"] = _link(asked, "", [])
        found["newer"] = _link(asked, trail[-1] if trail else "", trail[:-1])
    if older:
        found["older"] = _link(asked, older, [*trail, before] if before else [])
    return found


def _link(asked: dict[str, str], before: str, trail: list[str]) -> str:
    said = [(name, value) for name, value in (*asked.items(), ("before", before), ("back", ",".join(trail))) if value]
    return "/calls" + (f"?{urlencode(said)}" if said else "")
