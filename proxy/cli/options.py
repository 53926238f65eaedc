"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="COUNTERSIGN_CONFIG", help="The configuration file.", show_default=True, metavar="FILE"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
As = Annotated[
    str | None,
    typer.Option("--as", metavar="PERSON", help="Act as this person; only for who may read the state directory."),
]
DEFAULT_CONFIG = Path("countersign.yaml")


def command[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Marks a command that `main` registers: each of its parameters is an option that a person sees."""
    return function
