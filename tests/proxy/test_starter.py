"""A configuration to begin with."""

from datetime import date
from pathlib import Path

import pytest
from pydantic import BaseModel

from proxy.errors import ConfigurationError
from proxy.settings import Settings, load_settings
from proxy.settings.load import with_absolute_paths
from proxy.settings.model import Control
from proxy.starter import example, write_starter

TODAY = date(2026, 12, 1)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_everything_is_written_and_listed(tmp_path):
    """Configuration, inventory and policies are there, and nothing else is left over."""
    written = write_starter(tmp_path / "new" / "place", TODAY)
    assert sorted(path.relative_to(tmp_path / "new" / "place").as_posix() for path in written) == names(
        tmp_path / "new" / "place"
    )
    assert {"countersign.yaml", "inventory/people.yaml", "inventory/agents.yaml", "policies/baseline.cedar"} <= set(
        names(tmp_path / "new" / "place")
    )
    assert list((tmp_path / "new" / "place").glob(".countersign-*")) == []


def test_dates_are_counted_from_today(tmp_path):
    """The agent's expiry and review lie ahead, whenever one begins."""
    write_starter(tmp_path, TODAY)
    agents = (tmp_path / "inventory" / "agents.yaml").read_text()
    assert "expires: 2027-12-01 " in agents
    assert "review_due: 2027-03-01 " in agents


@pytest.mark.parametrize("there", ["countersign.yaml", "inventory", "policies"])
def test_nothing_is_replaced(tmp_path, monkeypatch, there):
    """If any of it is there already, nothing is written at all."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / there).write_text("mine")
    with pytest.raises(ConfigurationError) as wrong:
        write_starter(tmp_path, TODAY)
    assert str(wrong.value) == f"{there}: is already there, and nothing is replaced; choose another directory"
    assert names(tmp_path) == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_a_place_in_a_repository_keeps_its_own_ignore_file(tmp_path):
    """Other files do not matter, and a `.gitignore` that is there stays as it is."""
    (tmp_path / ".gitignore").write_text("mine")
    (tmp_path / "README.md").write_text("mine")
    write_starter(tmp_path, TODAY)
    assert (tmp_path / ".gitignore").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_a_persons_mistake(tmp_path):
    """A file where the directory should be is told in words."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file: cannot be written: file exists"):
        write_starter(tmp_path / "file", TODAY)


def test_the_example_holds_every_setting_at_its_default(tmp_path):
    """The commented file, read back, is the defaults but for what it says; each explanation stands in it."""
    path = tmp_path / "countersign.yaml"
    path.write_text(example())
    first = Settings(control=Control(operator_may_sign=True))
    assert load_settings(path) == with_absolute_paths(first, tmp_path)
    assert "(but for `operator_may_sign`)" in example()
    groups = [type(field.default) for field in Settings.model_fields.values() if isinstance(field.default, BaseModel)]
    for model in (Settings, *groups):
        for name, field in model.model_fields.items():
            assert f"# {field.description}\n" in example()
            assert f"{name}:" in example()


def test_what_the_example_shows_is_good_once_it_is_uncommented(tmp_path):
    """Taking the comment signs away leaves a configuration without a mistake: whom to believe, and whom to tell."""
    text = example().replace("  #     ", "        ").replace("  #   - ", "      - ")
    for name in ("issuers", "trust_domains", "kubernetes", "transmitters", "receivers"):
        text = text.replace(f"  {name}: []\n", f"  {name}:\n")
    text = text.replace("  token_issuer:\n", "  token_issuer: https://gov.example.com\n")
    for name in ("issuer.jwks.json", "prod.bundle.json", "cluster.jwks.json", "idp.jwks.json"):
        (tmp_path / name).write_text('{"keys": []}')
    path = tmp_path / "countersign.yaml"
    path.write_text(text)
    settings = load_settings(path)
    identity, signals = settings.identity, settings.signals
    assert identity.issuers[0].issuer == "https://issuer.example.com"
    assert identity.trust_domains[0].trust_domain == "prod.example.com"
    assert identity.kubernetes[0].issuer == "https://kubernetes.example.com"
    assert signals.transmitters[0].email_domains == ("example.com",)
    assert signals.receivers[0].url == "https://crm.example.com/ssf/events"
