"""What happened: recent calls, and the story of one, from the human to the last byte."""

from starlette.responses import Response

from proxy.console import words
from proxy.console.chains import Party, of_record
from proxy.console.needs import Story
from proxy.console.pages import Site, Visit
from proxy.console.task_pages import task_behind

_SHOWN = 100


class CallPages:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def list(self, visit: Visit) -> Response:
        """The latest calls, as far as they match the filter."""
        asked = {name: visit.request.query_params.get(name, "").strip() for name in ("agent", "outcome", "task")}
        known = asked["outcome"] if asked["outcome"] in words.ENDINGS else ""
        stories = await visit.desk.calls.recent(
            limit=_SHOWN, agent=asked["agent"] or None, outcome=known or None, task=asked["task"] or None
        )
        agents = list(visit.desk.agents.ids())
        return self._site.render(
            "calls.html", visit, stories=stories, asked={**asked, "outcome": known}, agents=agents, most=_SHOWN
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
