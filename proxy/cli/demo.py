"""`countersign demo`: the product's job, seen in a minute."""

import importlib.util
import signal
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.errors import CountersignError

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.demo.stage import Stage


def demo(
    yes: Annotated[
        bool, typer.Option("--yes", help="Sign as the owner through the public API, without a click.")
    ] = False,
) -> None:
    """Show the whole product with real traffic, in a minute.

    Starts a real API, a real MCP server and a real agent on free ports, and tells what becomes of its calls.

    Exit status: 0 if every story went as told, 1 if one differs.

    \b
    countersign demo          waits for your click in the console at one place
    countersign demo --yes    signs by itself, and takes under a minute
    """
    if importlib.util.find_spec("mcp") is None:
        raise CountersignError(
            "the demo needs the MCP SDK: `uv run countersign demo` in a checkout has it (the extra `demo`)"
        )
    from proxy.demo import tell

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)  # as Ctrl-C does: through everything that cleans up
    try:
        _play(yes=yes)
    except tell.StoryDiffersError as error:
        print(f"countersign demo: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


def _play(*, yes: bool) -> None:
    from proxy.demo import delegation, stories, tell
    from proxy.demo.stage import open_stage

    told: list[tuple[str, Callable[[Stage], None]]] = [
        ("Allowed", stories.allowed),
        ("Refused: a tool", stories.tool_refused),
        ("Refused: a dataset", stories.dataset_refused),
        ("A secret that the agent never sees", stories.secret_injected),
        ("Held for sign-off, approved, released once", lambda stage: stories.held_and_released(stage, yes=yes)),
        ("One byte changed: held anew", stories.one_byte_changed),
        ("No owner, no calls", stories.owner_removed),
        ("Revoked in the middle of a stream", stories.revoked_in_a_stream),
        ("Handed on, and known all the way", delegation.handed_on),
        ("Who did what for whom", stories.traced),
        ("Evidence", stories.verified),
    ]
    began = time.monotonic()
    tell.words("Starting a customer system, a note service, Countersign, and an agent that knows nothing of it ...")
    with open_stage() as stage:
        tell.words(f"countersign serve runs; its console is at {stage.console}")
        for number, (name, story) in enumerate(told, 1):
            tell.title(number, name)
            story(stage)
        tell.words("")
    tell.words(f"All {len(told)} stories went as told, in {time.monotonic() - began:.0f} s.")


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
