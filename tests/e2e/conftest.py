"""Real services and a real `countersign serve`, started once for all tests that do not break them."""

from collections.abc import Iterator

import pytest

from proxy.demo.stage import Stage, open_stage

# The notes may be shared as well, if the owner says so: what the demo does not need.
SEARCH = "      - {name: search_notes, effect: read}\n"
SEARCH_WITH_SCHEMA = """\
      - name: search_notes
        effect: read
        input_schema: {type: object, required: [query], properties: {query: {type: string}}}
"""
HELD_SEARCH = """
@id("searching-for-everything")
@hold("owner")
@reason("a search that finds everything wants sign-off")
forbid (principal, action == Action::"notes/search_notes", resource)
when { context.arguments.query like "everything*" };
"""


def more_to_hold(stage: Stage) -> None:
    """MCP calls are held too, and often enough that the limits on asking people would stop the tests."""
    replace(stage.agents_file, SEARCH, SEARCH_WITH_SCHEMA)
    replace(stage.config, "inline_wait_seconds: 0", "inline_wait_seconds: 0, new_per_minute: 60, open_per_agent: 50")
    with (stage.directory / "policies" / "support.cedar").open("a") as file:
        file.write(HELD_SEARCH)


def replace(path, old: str, new: str) -> None:
    """The file with this piece of it replaced, which must be there."""
    text = path.read_text()
    assert old in text, f"{path.name} has no {old!r}"
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """The demo's stage without its agent."""
    with open_stage(agent=False, prepare=more_to_hold) as made:
        yield made
