"""The command as a whole: its help, its exit statuses, and how mistakes are said."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from proxy.cli import at_socket
from proxy.cli import main as module
from proxy.cli.main import app

WITHOUT_JSON = {"demo", "init", "serve", "run", "audit prove"}
HEAVY = ("mitmproxy", "httpx", "pydantic", "starlette", "uvicorn", "mcp", "cryptography", "cedarpy")


def commands() -> Iterator[tuple[str, Any]]:
    """Every command, with its path of words."""

    def walk(words: tuple[str, ...], group: Any) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from walk((*words, name), command)
            else:
                yield " ".join((*words, name)), command

    yield from walk((), typer.main.get_command(app))


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_how_it_is_used(give: Any, name: str) -> None:
    """`--help` and `-h` have a sentence and at least one example that begins with the command itself."""
    said = give(*name.split(), "--help")
    assert said.status == 0
    assert f"  countersign {name}" in said.out.replace("\n\n", "\n"), said.out
    assert give(*name.split(), "-h").out == said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_answer_that_a_program_would_read_comes_as_json(name: str) -> None:
    """Each command but those that run programs or write files has `--json`."""
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert ("--json" in options) is (name not in WITHOUT_JSON)


@pytest.mark.parametrize("group", ["", "agent", "task", "handle", "holds", "review", "person", "inventory", "audit"])
def test_the_lists_of_commands_are_whole_sentences(give: Any, group: str) -> None:
    """Each command is told in one line that is not cut off."""
    said = give(*group.split(), "--help")
    assert said.status == 0
    assert "..." not in said.out.split("Commands:")[1]


def test_without_a_command_the_help_is_shown(give: Any) -> None:
    """Just `countersign` says what there is."""
    said = give()
    assert "Commands:" in said.out + said.err
    assert give("no-such-command").status == 2


def test_the_version_is_told(give: Any) -> None:
    """`--version` names the product and its version."""
    said = give("--version")
    assert (said.status, said.out.split()[0]) == (0, "countersign")


NEEDING_CONFIG = [
    ("check",),
    ("serve",),
    ("run", "--agent", "support-bot", "--", "true"),
    ("status",),
    ("revoke", "global", "--reason", "x"),
    ("freeze", "global", "--reason", "x"),
    ("lift", "global", "--reason", "x"),
    ("revocations",),
    ("trace", "call_1"),
    ("agent", "list"),
    ("agent", "show", "support-bot"),
    ("task", "begin", "--agent", "support-bot", "--purpose", "x", "--tool", "crm/*"),
    ("task", "list"),
    ("task", "show", "task_1"),
    ("task", "suspend", "task_1", "--reason", "x"),
    ("task", "resume", "task_1", "--reason", "x"),
    ("task", "end", "task_1", "--reason", "x"),
    ("handle", "list"),
    ("handle", "issue", "support-bot"),
    ("handle", "revoke", "hnd_1", "--reason", "x"),
    ("holds", "list"),
    ("holds", "show", "hld_1"),
    ("holds", "approve", "hld_1"),
    ("holds", "deny", "hld_1", "--reason", "x"),
    ("person", "link", "alice"),
    ("person", "token", "alice"),
    ("audit", "verify"),
    ("audit", "show", "--call", "call_1"),
    ("audit", "tail"),
    ("audit", "prove", "call_1", "--output", "evidence"),
]


@pytest.mark.parametrize("command", NEEDING_CONFIG, ids=" ".join)
def test_a_missing_configuration_is_a_mistake_in_words(give: Any, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Exit status 2, and a sentence that names the file."""
    said = give(*with_config(command, tmp_path / "none.yaml"))
    assert said.status == 2
    assert "none.yaml: cannot be read: no such file or directory; name yours by `--config`" in said.err


@pytest.mark.parametrize("what", ["a directory", "not text", "not yaml"])
def test_an_unreadable_configuration_is_a_mistake_in_words(give: Any, tmp_path: Path, what: str) -> None:
    """Whatever is in its place: exit status 2, and sentences that name the file."""
    path = tmp_path / "countersign.yaml"
    match what:
        case "a directory":
            path.mkdir()
        case "not text":
            path.write_bytes(b"\xff\xfe\x00")
        case _:
            path.write_text("listen: [1, 2")
    for command in (("status",), ("serve",), ("check",), ("audit", "verify")):
        said = give(*with_config(command, path))
        assert said.status == 2
        assert "countersign.yaml" in said.err


def test_a_configuration_that_may_not_be_read_is_a_mistake_in_words(give: Any, config: Path) -> None:
    """Without the right to read it: exit status 2, and the reason."""
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    config.chmod(0)
    said = give("status")
    assert said.status == 2
    assert "permission denied" in said.err


@pytest.mark.parametrize(
    "command", [("status",), ("run", "--agent", "support-bot", "--", "true"), ("audit", "verify"), ("trace", "call_1")]
)
def test_another_user_is_told_whose_it_is(
    give: Any, config: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """The state is closed to everybody but the one who serves: exit status 2, and who may, never a traceback."""
    real, state = Path.stat, config.parent / "state"

    def closed(path: Path, **how: Any) -> os.stat_result:
        if state in path.parents:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, **how)

    monkeypatch.setattr(Path, "stat", closed)
    monkeypatch.setattr(at_socket.socket.socket, "connect", lambda *_: closed(state / "control"))
    said = give(*command)
    assert said.status == 2
    assert "only the user who runs `countersign serve` may open this; give the command as that user" in said.err


def with_config(command: tuple[str, ...], path: Path) -> list[str | Path]:
    before, dashes, after = list(command), [], []
    if "--" in command:
        at = command.index("--")
        before, dashes, after = list(command[:at]), ["--"], list(command[at + 1 :])
    return [*before, "--config", path, *dashes, *after]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("handle", "issue", "nobody"), "no agent `nobody`"),
        (("handle", "issue", "support-bot", "--for", "nobody"), "no active person `nobody`"),
        (("handle", "issue", "support-bot", "--task", "a b"), "a b"),
        (("handle", "revoke", "hnd_nothing", "--reason", "x"), "no such handle"),
        (("holds", "show", "hld_nothing"), "no such hold"),
        (("holds", "approve", "hld_nothing", "--as", "alice"), "no such hold"),
        (("holds", "deny", "hld_nothing", "--reason", "x", "--as", "nobody"), "active person"),
        (("person", "link", "nobody"), "no such active person"),
        (("person", "token", "nobody"), "no such active person"),
        (("revoke", "agent", "--reason", "x"), "agent"),
        (("lift", "agent:support-bot", "--reason", "x"), "neither ended nor frozen"),
        (("trace", "call_nothing"), "call_nothing"),
        (("audit", "show"), "--call, --task or --hold"),
        (("audit", "prove", "call_nothing", "--output", "evidence"), "call_nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_id_is_a_mistake_in_words(give: Any, config: Path, command: tuple[str, ...], words: str) -> None:
    """Exit status 2, and one sentence that says which, with no server running too."""
    give("person", "link", "alice")  # so that there is a log to look into
    said = give(*command)
    assert said.status == 2
    assert words in said.err
    assert said.err.count("\n") == 1, said.err


def test_a_bug_is_told_from_a_mistake(
    give: Any, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What nobody expected ends with 70, where it happened, and a request to report it."""

    def broken() -> None:
        raise RuntimeError("unexpected")

    monkeypatch.setattr(module, "app", broken)
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 70
    assert "this is a bug" in capsys.readouterr().err


def test_a_reader_that_leaves_ends_the_command_quietly(config: Path) -> None:
    """`countersign ... | head -0` prints no traceback, whenever the pipe breaks."""
    command = f"{sys.executable} -m proxy.cli --help"
    done = subprocess.run(
        ["bash", "-c", f"{command} | true; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.strip() in {"0", "1", "141"}


def test_a_command_loads_only_what_it_needs() -> None:
    """The list of commands is there before any heavy library: each is loaded by the command that needs it."""
    check = f"import sys, proxy.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
