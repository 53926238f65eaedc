"""What happened: recent calls, and the story of one, from the human to the last byte."""

from starlette.responses import Response

from proxy.console import words
from proxy.console.needs import Story
from proxy.console.pages import Site, Visit

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
        agents = [card.agent.id for card in visit.desk.agents.list()]
        return self._site.render(
            "calls.html", visit, stories=stories, asked={**asked, "outcome": known}, agents=agents, most=_SHOWN
        )

    async def story(self, visit: Visit) -> Response:
        """One call as a tree, with every record that tells of it."""
        story, records = await visit.desk.calls.get(visit.request.path_params["id"])
        return self._site.render("call.html", visit, story=story, records=records, chain=chain_of(story))


def chain_of(story: Story) -> list[dict[str, str]]:
    """The parties from the human to the agent, each with how well the step to it is proven."""
    chain, levels = story.get("chain"), story.get("levels")
    if not isinstance(chain, list):
        return []
    steps = ["", *(levels if isinstance(levels, list) else [])]
    parties = []
    for place, member in enumerate(chain):
        kind, _, name = str(member).partition(":")
        level = str(steps[place]) if place < len(steps) else ""
        parties.append({"kind": kind.replace("_", " "), "id": name, "level": words.LEVELS.get(level, level)})
    return parties
