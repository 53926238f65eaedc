"""`countersign check`: every mistake at once, before it matters."""

import sys

import typer

from proxy.cli import show
from proxy.cli.options import DEFAULT_CONFIG, AsJson, Config


def check(config: Config = DEFAULT_CONFIG, json: AsJson = False) -> None:
    """Report every mistake in the configuration, before it matters.

    In the inventory and the policies, too: each with its file and line, and what to do.

    Exit status: 0 there is none, 2 there are some. Warnings do not count.

    \b
    countersign check --config countersign/countersign.yaml
    countersign check --json | jq -r ".mistakes[].file"
    """
    from proxy.checkup import check_all

    checkup = check_all(config)
    if json:
        show.as_json(
            {
                "mistakes": [_fields(mistake) for mistake in checkup.mistakes],
                "warnings": [_fields(warning) for warning in checkup.warnings],
            }
        )
    else:
        for mistake in checkup.mistakes:
            print(mistake, file=sys.stderr)
        for warning in checkup.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        if not checkup.mistakes:
            print(f"{config}: no mistakes")
    if checkup.mistakes:
        raise typer.Exit(2)


def _fields(mistake: object) -> dict[str, object]:
    return {name: getattr(mistake, name, "") for name in ("file", "line", "field", "text")}
