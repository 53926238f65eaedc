"""`countersign inventory`, over the whole house."""

import json
from pathlib import Path
from typing import Any

DOCUMENT = {"people": [{"id": "zoe", "name": "Zoe"}]}


def test_what_is_in_force_is_shown_with_its_place(give: Any, config: Path) -> None:
    """Every entry, or those of one section."""
    everything = give("inventory", "show").out
    assert "support-bot" in everything
    assert "agents.yaml:" in everything
    people = give("inventory", "show", "--section", "people").out
    assert "support-bot" not in people
    assert give("inventory", "show", "--section", "partners").out == "there are no partners\n"
    unknown = give("inventory", "show", "--section", "agent")
    assert (unknown.status, "`agent` is no section of the inventory: choose of people, " in unknown.err) == (2, True)
    assert json.loads(give("inventory", "show", "--json").out)["sources"] == []


def test_a_document_is_brought(give: Any, config: Path, tmp_path: Path) -> None:
    """For a source that the settings name; with a mistake, nothing changes and it is said where."""
    document = tmp_path / "people.json"
    document.write_text(json.dumps(DOCUMENT))
    unknown = give("inventory", "put", "cmdb", document)
    assert (unknown.status, "none of the `inventory_sources`" in unknown.err) == (2, True)
    text = config.read_text()
    assert "inventory_sources: []" in text
    config.write_text(text.replace("inventory_sources: []", "inventory_sources: [{id: cmdb}]"))
    assert give("inventory", "put", "cmdb", document).out.startswith("cmdb is kept: sha256:")
    assert "zoe" in give("inventory", "show").out
    document.write_text(json.dumps({"people": [*DOCUMENT["people"], {"id": "alice", "name": "Another"}]}))
    twice = give("inventory", "put", "cmdb", document)
    assert (twice.status, "people[alice].id: `alice` is here again" in twice.err) == (2, True)
    assert "zoe" in give("inventory", "show").out


def test_what_is_no_document_is_not_sent(give: Any, config: Path, tmp_path: Path) -> None:
    """A file that is not there, is no JSON, or no object."""
    for content in (None, "{", "[]"):
        document = tmp_path / f"{hash(content)}.json"
        if content:
            document.write_text(content)
        assert give("inventory", "put", "cmdb", document).status == 2
