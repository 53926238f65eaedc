"""`countersign init`: a configuration to begin with."""

from pathlib import Path
from typing import Annotated

import typer


def init(directory: Annotated[Path, typer.Argument(help="Where to write; must not hold a configuration yet.")]) -> None:
    """Write a configuration to begin with, and say what to do next.

    A commented configuration, a small inventory, and baseline policies. Nothing that exists is replaced.

    \b
    countersign init countersign
    """
    from proxy.starter import write_starter

    written = write_starter(directory)
    for path in written:
        print(f"wrote {path}")
    print(
        f"""
Next:
  1. Say who is who: edit {directory}/inventory/*.yaml (people, agents with their owners, services, datasets).
  2. Say what may happen: edit {directory}/policies/*.cedar.
  3. countersign check --config {directory}/countersign.yaml
  4. countersign serve --config {directory}/countersign.yaml
  5. countersign run --config {directory}/countersign.yaml --agent support-bot --for alice -- YOUR PROGRAM"""
    )
