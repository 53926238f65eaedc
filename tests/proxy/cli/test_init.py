"""`countersign init`."""

from pathlib import Path
from typing import Any


def test_what_it_writes_can_be_checked_at_once(give: Any, tmp_path: Path) -> None:
    """It says which files it wrote and the next commands, and what it wrote has no mistakes."""
    said = give("init", tmp_path / "house")
    assert said.status == 0
    assert "Next:" in said.out
    assert f"countersign serve --config {tmp_path}/house/countersign.yaml" in said.out
    for line in said.out.splitlines():
        if line.startswith("wrote "):
            assert Path(line.removeprefix("wrote ")).is_file()
    assert give("check", "-c", tmp_path / "house" / "countersign.yaml").status == 0


def test_nothing_is_replaced(give: Any, config: Path) -> None:
    """Where there is a configuration, it stays."""
    before = config.read_text()
    said = give("init", config.parent)
    assert said.status == 2
    assert "is already there" in said.err
    assert config.read_text() == before
