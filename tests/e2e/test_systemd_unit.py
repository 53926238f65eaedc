"""The systemd unit in deploy/systemd: what it starts exists, and it starts with as little as the unit leaves it."""

import shlex
import stat
from pathlib import Path

import pytest
import typer.main

from proxy.cli.main import app
from tests.proxy.cli.conftest import start_serve, stop, write_config

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "countersign.service"
CONFIG = "/etc/countersign/countersign.yaml"


def settings(name: str) -> list[str]:
    """What the unit says of this, in order."""
    return [line.partition("=")[2] for line in UNIT.read_text().splitlines() if line.startswith(f"{name}=")]


@pytest.mark.parametrize(("name", "command"), [("ExecStartPre", "check"), ("ExecStart", "serve")])
def test_what_the_unit_starts_exists(name: str, command: str) -> None:
    """The configuration is checked, then served; both commands are ours, with options that they have."""
    (line,) = settings(name)
    assert shlex.split(line) == ["/usr/local/bin/countersign", command, "--config", CONFIG]
    options = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]  # a group
    assert any("--config" in option.opts for option in options)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("User", "countersign"),
        ("StateDirectory", "countersign"),
        ("StateDirectoryMode", "0700"),
        ("RuntimeDirectoryMode", "0755"),
        ("UMask", "0077"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("CapabilityBoundingSet", ""),
        ("LimitCORE", "0"),
    ],
)
def test_the_unit_leaves_it_little(name: str, value: str) -> None:
    """A user of its own without rights, one directory to write, closed to others, and no image of its memory."""
    assert settings(name) == [value]


def test_the_unit_shows_it_who_connects() -> None:
    """In a user namespace the kernel could not name the users at the UNIX sockets: nobody would be known there."""
    assert settings("PrivateUsers") == []
    assert "AF_UNIX" in settings("RestrictAddressFamilies")[0].split()


def test_it_writes_nothing_but_its_state(tmp_path: Path) -> None:
    """With its state in a directory of its own, made for it with mode 0700, the configuration may be read-only."""
    config = write_config(tmp_path / "etc")
    state = tmp_path / "lib"
    state.mkdir(mode=0o700)
    config.write_text(config.read_text().replace("state: state\n", f"state: {state}\n"))
    before = written(config.parent)
    process, _ = start_serve(config)
    assert stop(process) == 0
    assert written(config.parent) == before
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def written(folder: Path) -> dict[Path, int]:
    """Everything in this folder, and when it was last written."""
    return {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}
