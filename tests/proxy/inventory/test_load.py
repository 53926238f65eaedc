"""The inventory as one consistent value."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.errors import ConfigurationError, Mistake
from proxy.facts import Service
from proxy.inventory.files import Snapshot, take_snapshot
from proxy.inventory.load import build, examine
from tests.fakes.inventories import AGENTS, HORIZON, PEOPLE, SERVICES, load_inventory, write_inventory


def test_a_good_inventory_is_looked_up_by_id(tmp_path):
    """Everything written is there, with its own types, in one value."""
    inventory = load_inventory(write_inventory(tmp_path)).inventory
    assert set(inventory.people) == {"alice", "bob"}
    assert set(inventory.teams) == {"support"}
    assert inventory.agents["support-bot"].expires == date(2027, 1, 31)
    assert inventory.services["crm"].tools[0].route.path == "/customers/{id}"
    assert inventory.datasets["customers"].selectors[0].access == "read"


def test_named_files_are_read_once_and_their_paths_become_absolute(tmp_path):
    """OpenAPI document, CA bundle and secret file are relative to the file that names them."""
    (tmp_path / "openapi").mkdir()
    (tmp_path / "openapi" / "crm.json").write_text('{"openapi": "3.1.0"}')
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    services = SERVICES.replace("    trust", "    openapi: openapi/crm.json\n    ca_bundle: ca.pem\n    trust")
    loaded = load_inventory(write_inventory(tmp_path, services=services.replace("env:CRM_KEY", "file:keys/crm")))
    crm = loaded.inventory.services["crm"]
    assert crm.openapi == str(tmp_path / "openapi" / "crm.json")
    assert crm.ca_bundle == str(tmp_path / "ca.pem")
    assert crm.bindings[0].secret == f"file:{tmp_path}/keys/crm"
    (tmp_path / "openapi" / "crm.json").unlink()
    assert loaded.openapi(crm) == b'{"openapi": "3.1.0"}'


def test_a_document_that_was_not_read_is_a_configuration_error(tmp_path):
    """A service of another inventory, or without a document, gives no bytes."""
    loaded = load_inventory(write_inventory(tmp_path))
    for openapi in (None, "/elsewhere.json"):
        with pytest.raises(ConfigurationError):
            loaded.openapi(Service(id="x", owner="alice", url="https://x", openapi=openapi))


def test_a_mistake_that_others_find_is_given_its_place(tmp_path, monkeypatch):
    """Whoever judges the loaded value knows names only; the entry's file and line are found again."""
    monkeypatch.chdir(tmp_path)
    loaded = load_inventory(write_inventory(tmp_path))
    found = Mistake("inventory", 0, "services[crm].tools[x].route", "is wrong")
    assert str(loaded.locate(found)) == "services.yaml:2: services[crm].tools[x].route: is wrong"
    for other in (
        Mistake("f", 3, "services[crm]", ""),
        Mistake("f", 0, "services[gone]", ""),
        Mistake("f", 0, "", "x"),
    ):
        assert loaded.locate(other) == other


def version_of(folder: Path, **files: str) -> str:
    return load_inventory(write_inventory(folder, **files)).inventory.version


def test_the_version_follows_the_content_and_nothing_else(tmp_path):
    """Comments, order, folder and spread over files do not change it; any fact, or the bytes of a named file, does."""
    base = version_of(tmp_path / "a")
    assert base.startswith("sha256:")
    assert len(base) == 71
    assert version_of(tmp_path / "b", people="# who\n" + PEOPLE) == base
    assert version_of(tmp_path / "c", people="", agents="", services=PEOPLE + AGENTS + SERVICES) == base
    assert version_of(tmp_path / "d", agents=AGENTS.replace("2027-01-31", "2027-01-30")) != base
    bundled = SERVICES.replace("    trust", "    ca_bundle: ca.pem\n    trust")
    versions = set()
    for content in ("one", "two"):
        folder = tmp_path / content
        folder.mkdir()
        (folder / "ca.pem").write_text(f"-----BEGIN CERTIFICATE-----\n{content}")
        versions.add(version_of(folder, services=bundled))
    assert len(versions | {base}) == 3


def test_every_mistake_of_every_file_is_told_at_once(tmp_path, monkeypatch):
    """Form, references and service rules of several files come in one error."""
    monkeypatch.chdir(tmp_path)
    write_inventory(
        tmp_path,
        people=PEOPLE.replace("name: Bob Brown", "nmae: Bob"),
        agents=AGENTS.replace("technical_owner: bob", "technical_owner: eve"),
        services=SERVICES.replace("https://crm", "ftp://crm").replace("env:CRM_KEY", "hunter2"),
    )
    with pytest.raises(ConfigurationError) as wrong:
        load_inventory(tmp_path)
    places = [str(mistake).split(" ", 1)[0] for mistake in wrong.value.mistakes]
    assert places == ["people.yaml:6:", "people.yaml:7:", "agents.yaml:4:", "services.yaml:4:", "services.yaml:12:"]
    assert "hunter2" not in str(wrong.value)


def test_one_unreadable_file_refuses_the_whole(tmp_path):
    """A file that is listed but cannot be read is never left out in silence."""
    write_inventory(tmp_path)
    (tmp_path / "more.yaml").mkdir()
    with pytest.raises(ConfigurationError, match=r"more\.yaml: is not a regular file"):
        load_inventory(tmp_path)


def test_examining_names_the_documents_even_when_there_are_mistakes(tmp_path):
    """What a wrong inventory refers to is known, so that its arrival can be noticed."""
    services = SERVICES.replace("    trust", "    openapi: crm.json\n    trust")
    examined = examine(take_snapshot(write_inventory(tmp_path, services=services)), HORIZON)
    assert examined.loaded is None
    assert examined.named == {tmp_path / "crm.json"}


_LINES = (PEOPLE + AGENTS + SERVICES).splitlines(keepends=True)


_EDIT = st.sampled_from(["drop", "twice", "indent", "swap", "7", "[]", "{a: b}", "x"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, len(_LINES) - 1), _EDIT), min_size=1, max_size=4))
def test_a_spoiled_inventory_loads_or_is_a_configuration_error(edits):
    """Lines dropped, doubled, moved or overwritten: an inventory, or located mistakes; never anything else."""
    lines = list(_LINES)
    for at, edit in edits:
        before, colon, _ = lines[at].partition(":")
        changed = {"drop": "", "twice": lines[at] * 2, "indent": "  " + lines[at], "swap": lines[-at]}
        lines[at] = changed.get(edit, f"{before}{colon} {edit}\n")
    snapshot = Snapshot({Path("/inventory/all.yaml"): "".join(lines).encode()})
    try:
        outcome = build(snapshot, HORIZON).inventory.version
    except ConfigurationError as wrong:
        outcome = wrong.mistakes
        assert all(mistake.file for mistake in wrong.mistakes)  # noqa: PT017 - either outcome is right
    assert outcome
