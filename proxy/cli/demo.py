"""`countersign demo`: the product's job, seen in a minute."""

import importlib.util
import time
from collections.abc import Callable
from typing import Annotated

import typer

from proxy.errors import CountersignError


def demo(
    yes: Annotated[
        bool, typer.Option("--yes", help="Sign as the owner through the public API, without a click.")
    ] = False,
) -> None:
    """Start a real API, a real MCP server and a real agent on free ports, and show what Countersign does.

    \b
    countersign demo          waits for your click in the console at one place
    countersign demo --yes    signs by itself, and takes under a minute
    """
    if importlib.util.find_spec("mcp") is None:
        raise CountersignError("the demo needs the MCP SDK: pip install 'countersign-proxy[demo]'")
    from proxy.demo import stories, tell
    from proxy.demo.stage import Stage, open_stage

    told: list[tuple[str, Callable[[Stage], None]]] = [
        ("Allowed", stories.allowed),
        ("Refused: a tool", stories.tool_refused),
        ("Refused: a dataset", stories.dataset_refused),
        ("A secret that the agent never sees", stories.secret_injected),
        ("Held for sign-off, approved, released once", lambda stage: stories.held_and_released(stage, yes=yes)),
        ("One byte changed: held anew", stories.one_byte_changed),
        ("No owner, no calls", stories.owner_removed),
        ("Revoked in the middle of a stream", stories.revoked_in_a_stream),
        ("Who did what for whom", stories.traced),
        ("Evidence", stories.verified),
    ]
    began = time.monotonic()
    with open_stage() as stage:
        tell.words(f"countersign serve runs; its console is at {stage.console}")
        for number, (name, story) in enumerate(told, 1):
            tell.title(number, name)
            story(stage)
    tell.words(f"\nAll {len(told)} stories went as told, in {time.monotonic() - began:.0f} s.")
