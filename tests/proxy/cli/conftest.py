"""Commands as a person gives them, in this process; and a running server for those that need one."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.cli.main import main
from proxy.starter import write_starter


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


type Give = Callable[..., Said]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Give:
    """Gives a command and reads what it says. No command may answer a mistake with a traceback."""

    def run(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["countersign", *map(str, arguments)])
        capsys.readouterr()
        status = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        out, err = capsys.readouterr()
        assert "Traceback" not in err, err
        return Said(status, out, err)

    return run


def write_config(directory: Path) -> Path:
    """The starter configuration on free ports."""
    write_starter(directory)
    config = directory / "countersign.yaml"
    text = config.read_text()
    for port in ("8080", "8081", "8082"):
        assert f"127.0.0.1:{port}" in text
        text = text.replace(f"127.0.0.1:{port}", "127.0.0.1:0")
    config.write_text(text)
    return config


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A starter configuration; commands without `--config` find it."""
    made = write_config(tmp_path / "house")
    monkeypatch.setenv("COUNTERSIGN_CONFIG", str(made))
    return made


def add_stranger(config: Path) -> str:
    """A person of the inventory who answers for nothing."""
    people = config.parent / "inventory" / "people.yaml"
    people.write_text(people.read_text().replace("people:\n", "people:\n  - id: mallory\n    name: Mallory\n", 1))
    return "mallory"


def start_serve(config: Path, *options: str) -> tuple[subprocess.Popen[str], list[str]]:
    """`countersign serve`, ready, and its start-up lines."""
    command = [sys.executable, "-m", "proxy.cli", "serve", "--config", str(config), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line)
        if line == "ready\n":
            return process, lines
    process.wait()
    process.stderr.close()
    raise AssertionError("serve does not start:\n" + "".join(lines))


def stop(process: subprocess.Popen[str]) -> int:
    """Ends a server as an operator does; its exit status."""
    process.terminate()
    status = process.wait(30)
    assert process.stderr is not None
    process.stderr.close()
    return status


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """The configuration of a running server, and what it said when it started."""
    config = write_config(tmp_path_factory.mktemp("served") / "house")
    process, lines = start_serve(config)
    yield config, lines
    assert stop(process) == 0
