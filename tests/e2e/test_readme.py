"""Every command in the README and its guides, run as it stands, in order, by somebody who has just installed it."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *(ROOT / "deploy" / "guide" / f"{name}.md" for name in ("ownership", "ending"))]
CI = (ROOT / ".ci" / "run").read_text()
COMMANDS = [
    line.removeprefix("$ ").partition("   #")[0].strip()
    for page in PAGES
    for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]
AGENT = """\
import json, urllib.error, urllib.request
refund = json.dumps({"customer": "c-7", "amount": 45000}).encode()
request = urllib.request.Request(
    "https://crm.example.com/api/refunds", refund, {"content-type": "application/json"}, method="POST"
)
try:
    urllib.request.urlopen(request)
except urllib.error.HTTPError as error:
    print(error.read().decode())
"""


class Newcomer:
    """A person at a terminal: a folder, an environment, and a server that runs in another terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self.server: subprocess.Popen[str] | None = None
        self.seen = ""

    def type(self, command: str) -> str:
        """What the command prints; it must succeed."""
        if command == "source .venv/bin/activate":
            return ""  # whoever runs the tests has done so
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self.environment[name] = value
            return ""
        if " serve " in command:
            self.serve(command)
            return ""
        done = subprocess.run(
            shlex.split(self.filled_in(command)),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"`{command}` exits with {done.returncode}: {done.stderr}{done.stdout}"
        self.seen += done.stdout
        return done.stdout

    def filled_in(self, command: str) -> str:
        """The command with the ids that this person has seen, and without waiting for ever."""
        for kind in ("hld", "task", "call"):
            found = re.findall(rf"{kind}_[0-9a-f]{{32}}", self.seen)
            if f"{kind}_..." in command:
                assert found, f"nothing printed a {kind}_ id before `{command}`"
                command = command.replace(f"{kind}_...", found[-1])
        return command.replace(" tail -f", " tail")

    def serve(self, command: str) -> None:
        self.server = subprocess.Popen(
            shlex.split(command), cwd=self.folder, env=self.environment, stderr=subprocess.PIPE, text=True
        )
        assert self.server.stderr is not None
        for line in self.server.stderr:
            if line.strip() == "ready":
                return
        raise AssertionError("countersign serve does not start")


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    """Somebody with an empty folder and an agent program of their own."""
    (tmp_path / "your_agent.py").write_text(AGENT)
    person = Newcomer(tmp_path)
    yield person
    if person.server is not None:
        person.server.send_signal(signal.SIGTERM)
        person.server.communicate(timeout=PATIENCE)


def test_every_command_of_the_readme_works(newcomer: Newcomer) -> None:
    """The three five-minute starts, typed one after another, do what the README says."""
    said: dict[str, str] = {}
    for command in COMMANDS:
        if command.startswith("pip install uv"):
            continue
        said[command] = newcomer.type(command)
        if command.startswith("countersign init"):
            free_the_ports(newcomer.folder / "countersign" / "countersign.yaml")
    assert "NOT EXECUTED" in said["countersign run --agent support-bot --for bob -- python your_agent.py"]
    assert "/sign-in?code=" in said["countersign person link alice"]
    assert "create_refund" in said["countersign holds list"]
    assert "is approved" in said["countersign holds approve hld_... --as alice"]
    assert "bob" in said["countersign trace call_..."]
    assert "create_refund" in said["countersign trace principal:bob"]
    assert "the log stands" in said["countersign audit verify"]


def free_the_ports(config: Path) -> None:
    """Any free ports instead of the usual ones, which somebody on this machine may have."""
    config.write_text(re.sub(r"127\.0\.0\.1:80\d\d", "127.0.0.1:0", config.read_text()))


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("pip install uv")])
def test_the_two_commands_are_those_that_the_build_runs(command: str) -> None:
    """What the README promises of a fresh machine is what `.ci/run` does on one."""
    run = command.removeprefix("pip install uv && ")
    assert run in CI
    assert "pip install -q uv" in CI


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *(ROOT / "deploy" / "guide").glob("*.md")], ids=lambda page: page.name
)
def test_a_page_leads_to_what_is_there(page: Path) -> None:
    """Every file that a page links to exists, and every page with commands is among those that are run."""
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).exists(), target
    assert page in PAGES or "```console" not in text
