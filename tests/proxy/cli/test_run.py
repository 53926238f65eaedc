"""`countersign run`."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.waiting import PATIENCE
from tests.proxy.cli.conftest import start_serve, stop, write_config

SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


def command(config: Path, *program: str, agent: str = "support-bot") -> list[str]:
    start = [sys.executable, "-m", "proxy.cli", "run", "--config", str(config), "--agent", agent]
    return [*start, "--for", "alice", "--", *program]


def handles(give: Any, config: Path) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(give("handle", "list", "--all", "--json", "-c", config).out)
    return listed


def test_the_child_gets_a_handle_that_dies_with_it(give: Any, serving: tuple[Path, list[str]]) -> None:
    """Its environment leads through the proxy with a fresh handle; afterwards the handle is revoked."""
    config = serving[0]
    done = subprocess.run(command(config, sys.executable, "-c", SHOW), capture_output=True, text=True, check=True)
    environment = json.loads(done.stdout)
    proxy = next(line.split()[1] for line in serving[1] if line.startswith("proxy"))
    handle = environment["COUNTERSIGN_HANDLE"]
    assert environment["HTTPS_PROXY"] == proxy.replace("http://", f"http://support-bot:{handle}@")
    assert Path(environment["SSL_CERT_FILE"]).read_text().count("BEGIN CERTIFICATE") > 1
    newest = max(handles(give, config), key=lambda row: row["issued_at"])
    assert newest["on_behalf_of"] == "alice"
    assert newest["revoked_reason"] == "the program has ended"


def tasks(give: Any, config: Path) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(give("task", "list", "--json", "-c", config).out)
    return listed


def test_a_task_is_begun_for_the_program_and_ends_with_it(give: Any, serving: tuple[Path, list[str]]) -> None:
    """It declares what was asked for, the handle is of it, and both are over when the program is."""
    config = serving[0]
    options = ["--tool", "crm/*", "--dataset", "read:customers", "--ttl", "600", "--purpose", "close tickets"]
    given = command(config, sys.executable, "-c", SHOW)
    given[given.index("--") : given.index("--")] = options
    done = subprocess.run(given, capture_output=True, text=True, check=True)
    task = tasks(give, config)[0]
    assert (task["purpose"], task["tools"], task["datasets"]) == ("close tickets", ["crm/*"], ["read:customers"])
    assert task["root"] == {"kind": "human", "id": "alice"}
    assert (task["state"], task["reason"]) == ("completed", "the program has ended")
    newest = max(handles(give, config), key=lambda row: row["issued_at"])
    assert (newest["task"], newest["live"]) == (task["id"], False)
    assert json.loads(done.stdout)["COUNTERSIGN_HANDLE"].startswith("csh_")


def test_a_task_that_was_ended_meanwhile_is_not_ended_again(give: Any, serving: tuple[Path, list[str]]) -> None:
    """The program's exit status stands, and it is said in words."""
    config = serving[0]
    given = command(config, sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read(); sys.exit(3)")
    given[given.index("--") : given.index("--")] = ["--tool", "crm/*"]
    with subprocess.Popen(
        given, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        task = tasks(give, config)[0]
        assert task["state"] == "active"
        give("task", "end", task["id"], "--reason", "enough", "-c", config)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3
    assert "is completed, and cannot become completed" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tool", "crm/*", "--task", "task_1"), "under one task"),
        (("--ttl", "600"), "give --tool too"),
        (("--dataset", "read:customers"), "give --tool too"),
        (("--tool", "nowhere/x"), "no service `nowhere`"),
        (("--tool", "crm/*", "--ttl", "0"), "ends within"),
        (("--tool", "crm/*", "--for", "nobody"), "no active person `nobody`"),
    ],
)
def test_without_its_task_the_program_is_not_started(
    give: Any, serving: tuple[Path, list[str]], tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    """Exit status 2 and a sentence; nothing is begun, and nothing runs."""
    before = len(tasks(give, serving[0]))
    said = give("run", "-c", serving[0], "--agent", "support-bot", *options, "--", "touch", tmp_path / "ran")
    assert (said.status, words in said.err) == (2, True), said.err
    assert len(tasks(give, serving[0])) == before
    assert not (tmp_path / "ran").exists()


def test_the_exit_status_and_the_pipes_are_the_childs(serving: tuple[Path, list[str]]) -> None:
    """Nothing is added to what the child reads and writes, and its status is ours."""
    program = "import sys; sys.stdout.write(sys.stdin.read()); sys.stderr.write('err'); sys.exit(7)"
    done = subprocess.run(
        command(serving[0], sys.executable, "-c", program), input="in", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "in", "err")


def test_killed_by_sigterm_it_revokes_the_handle_all_the_same(give: Any, serving: tuple[Path, list[str]]) -> None:
    """The signal goes to the child; when that has ended, so has the handle."""
    config = serving[0]
    program = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
    with subprocess.Popen(command(config, *program), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert any(row["live"] for row in handles(give, config))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM
    assert not any(row["live"] for row in handles(give, config))


def test_the_server_may_go_away_meanwhile(tmp_path: Path) -> None:
    """The child's status stands; that its handle could not be revoked, and when it ends, is said in words."""
    config = write_config(tmp_path / "house")
    server, _ = start_serve(config)
    program = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read(); sys.exit(3)"]
    with subprocess.Popen(
        command(config, *program), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        server.kill()
        stop(server)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3
    assert "is not revoked" in errors
    assert "ends by itself at" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("agent", "program", "words"),
    [
        ("nobody", ("true",), "no agent `nobody`"),
        ("support-bot", ("no-such-program-here",), "there is no such program"),
        ("support-bot", (), "there is no program to run"),
    ],
)
def test_what_cannot_be_governed_is_not_started(
    give: Any, serving: tuple[Path, list[str]], agent: str, program: tuple[str, ...], words: str
) -> None:
    """Exit status 2 and a sentence; no handle is left."""
    said = give("run", "--config", serving[0], "--agent", agent, "--", *program)
    assert said.status == 2
    assert words in said.err
    assert not any(row["live"] for row in handles(give, serving[0]))


def test_without_a_server_nothing_is_started(give: Any, config: Path, tmp_path: Path) -> None:
    """A program that nobody governs does not run."""
    said = give("run", "--agent", "support-bot", "--", "touch", tmp_path / "ran")
    assert said.status == 2
    assert "countersign serve is not running" in said.err
    assert not (tmp_path / "ran").exists()


def test_an_agent_without_an_owner_is_not_started(give: Any, tmp_path: Path) -> None:
    """The reason is the one that its calls would be given."""
    config = write_config(tmp_path / "house")
    agents = config.parent / "inventory" / "agents.yaml"
    agents.write_text(agents.read_text().replace("    owner: alice  ", "    # owner: alice  "))
    server, _ = start_serve(config)
    try:
        said = give("run", "--config", config, "--agent", "support-bot", "--", "touch", tmp_path / "ran")
    finally:
        stop(server)
    assert said.status == 2
    assert "has no owner" in said.err
    assert not (tmp_path / "ran").exists()
