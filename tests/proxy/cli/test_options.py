"""Options that commands share."""

from pathlib import Path
from typing import Any

from proxy.cli.options import DEFAULT_CONFIG


def test_the_configuration_is_found_in_the_environment(give: Any, config: Path) -> None:
    """COUNTERSIGN_CONFIG stands for `--config`; else it is `countersign.yaml` here."""
    assert give("check").out == f"{config}: no mistakes\n"
    assert Path("countersign.yaml") == DEFAULT_CONFIG


def test_an_option_wins_over_the_environment(give: Any, config: Path, tmp_path: Path) -> None:
    """What is typed is meant."""
    assert "other.yaml" in give("check", "-c", tmp_path / "other.yaml").err
