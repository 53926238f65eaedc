"""`countersign inventory`: what is in force, where each entry comes from, and documents from elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from policies.model import Json
from proxy.cli import show
from proxy.cli.api import call
from proxy.cli.options import DEFAULT_CONFIG, AsJson, Config
from proxy.errors import CountersignError

app = typer.Typer(name="inventory", help="Show what is in force, and bring documents.", no_args_is_help=True)

MAX_BYTES = 4 << 20


@app.command(name="show")
def show_(
    section: Annotated[str | None, typer.Option(help="Only this section, such as agents.")] = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Show every entry that is in force, and where it is written.

    \b
    countersign inventory show --section agents
    """
    from proxy.inventory.read import SECTIONS

    if section not in {None, *SECTIONS}:
        raise CountersignError(f"`{section}` is no section of the inventory: choose of {', '.join(SECTIONS)}")
    answer = call(config, "GET", "/v1/inventory")
    if json:
        show.as_json(answer)
        return
    rows = [row for row in answer["entries"] if section in {None, row["section"]}]
    for row in rows:
        row["source"] = row["source"] or "files"
    show.table(
        rows, {"section": "section", "id": "id", "source": "source", "place": "place"}, empty=f"there are no {section}"
    )


@app.command()
def put(
    source: Annotated[str, typer.Argument(help="The source's id in `inventory_sources`.")],
    document: Annotated[Path, typer.Argument(help="A JSON document with sections of an inventory.")],
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Bring the document of a source. It is in force within a second, or every mistake in it is said.

    Whoever was in the one before and is not in this one has left, at once, even if there are mistakes in it.

    \b
    countersign inventory put cmdb agents.json
    """
    try:
        raw = document.read_bytes()
    except OSError as error:
        raise CountersignError(f"{document}: cannot be read: {(error.strerror or '').lower()}") from error
    answer = call(config, "PUT", f"/v1/inventory/{source}", _object(document, raw))
    show.as_json(answer) if json else print(f"{source} is kept: {answer['digest']}")


def _object(document: Path, raw: bytes) -> dict[str, Json]:
    from proxy.strict_json import loads

    try:
        value = loads(raw, max_bytes=MAX_BYTES)
    except ValueError as error:
        raise CountersignError(f"{document}: cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise CountersignError(f"{document}: must be a JSON object with the sections of an inventory")
    return value
