"""`countersign check`."""

import json
from pathlib import Path
from typing import Any


def test_every_mistake_is_reported_at_once(give: Any, config: Path) -> None:
    """In all files, each with its place and what to do; exit status 2; the same for programs."""
    agents = config.parent / "inventory" / "agents.yaml"
    agents.write_text(agents.read_text().replace("    team: support", "    taem: support"))
    config.write_text(config.read_text().replace("mode: enforce", "mode: maybe"))
    said = give("check")
    assert said.status == 2
    assert "agents.yaml:7" in said.err
    assert "taem" in said.err
    assert "countersign.yaml" in said.err
    assert "mode" in said.err
    told = json.loads(give("check", "--json").out)
    assert {Path(mistake["file"]).name for mistake in told["mistakes"]} == {"agents.yaml", "countersign.yaml"}


def test_warnings_are_no_mistakes(give: Any, config: Path) -> None:
    """A secret that is not set here is a warning; the exit status is 0."""
    said = give("check")
    assert (said.status, said.out) == (0, f"{config}: no mistakes\n")
    assert "warning: " in said.err
    assert "CRM_API_KEY" in said.err
