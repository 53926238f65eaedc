"""`countersign run` as the local shim; tests/e2e/test_shim.py has real clients."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import shimmed
from proxy.cli.shim_wanted import ShimWanted
from proxy.cli.shimmed import needs_handle, needs_server, read_wanted
from tests.proxy.cli.conftest import start_serve, stop, write_config

SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


def wanted(*sources: str, **more: Any) -> ShimWanted:
    given: dict[str, Any] = {"through": None, "roots": None, "token_url": None, "key": None}
    return ShimWanted(agent="support-bot", sources=sources, config=Path("countersign.yaml"), **(given | more))


ELSEWHERE: dict[str, Any] = {"through": "https://gov.test:8443", "roots": Path("roots.pem")}


@pytest.mark.parametrize(
    ("asked", "handle", "server"),
    [
        (wanted(), True, True),
        (wanted(**ELSEWHERE), True, True),
        (wanted("k8s:/token"), False, True),
        (wanted("k8s:/token", **ELSEWHERE), False, False),
        (wanted("peer", through="unix:/p.sock", roots=Path("roots.pem")), False, False),
        (wanted("task:crm/x", **ELSEWHERE), True, True),
        (wanted("task:crm/x", key=Path("agent.key"), **ELSEWHERE), False, True),
        (wanted("task:crm/x", key=Path("agent.key"), token_url="https://gov.test/t", **ELSEWHERE), False, False),
    ],
)  # fmt: skip
def test_what_is_needed(asked: ShimWanted, handle: bool, server: bool) -> None:
    """A handle where nothing else shows the agent; the server of this machine only where something is asked of it."""
    choices = read_wanted(asked)
    assert (needs_handle(choices, asked), needs_server(choices, asked)) == (handle, server)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration of a server with no TLS, no UNIX socket and no token endpoint."""
    config = write_config(tmp_path_factory.mktemp("bare") / "house")
    server, _ = start_serve(config)
    yield config
    stop(server)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--with", "nonsense"), "is not one of"),
        (("--with", "peer"), "set `listen.local`"),
        (("--with", "x509:a.pem,a.key"), "set `listen.proxy_tls`"),
        (("--with", "k8s:/token", "--for", "alice"), "are said by a handle"),
        (("--with", "k8s:/token", "--task", "t"), "are said by a handle"),
        (("--shim", "--through", "http://gov.example.com:8080"), "in plain text"),
        (("--shim", "--roots", "/nowhere/roots.pem"), "cannot be read"),
        (("--with", "task:crm/x", "--token-url", "http://gov.test/oauth2/token"), "https URL of the token endpoint"),
        (("--with", "task:crm/x", "--key", "/nowhere/key"), "cannot be read"),
        (("--with", "k8s:/nowhere/token"), "there is no credential for the proxy: "),
        (("--shim", "--user", "no-such-user"), "no such user"),
        (("--user", "root"), "user of its own"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_runs(
    give: Any, bare: Path, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    """Exit status 2, a sentence, no program, and no handle that is left."""
    said = give("run", "-c", bare, "--agent", "support-bot", *options, "--", "touch", tmp_path / "ran")
    assert said.status == 2
    assert words in said.err
    assert not (tmp_path / "ran").exists()
    assert not json.loads(give("handle", "list", "--json", "-c", bare).out)


def test_the_environment_leads_to_the_shim(bare: Path) -> None:
    """A password on loopback, our roots, and nothing of the handle."""
    command = [sys.executable, "-m", "proxy.cli", "run", "--config", str(bare), "--agent", "support-bot", "--shim"]
    done = subprocess.run([*command, "--", sys.executable, "-c", SHOW], capture_output=True, text=True, check=True)
    environment = json.loads(done.stdout)
    assert environment["HTTPS_PROXY"].startswith("http://support-bot:")
    assert "@127.0.0.1:" in environment["HTTPS_PROXY"]
    assert environment["NODE_USE_ENV_PROXY"] == "1"
    assert Path(environment["SSL_CERT_FILE"]).is_file()
    assert environment["COUNTERSIGN_HANDLE"] == ""
    assert not [value for value in environment.values() if "csh_" in value]


def test_a_refusal_is_said_beside_what_the_program_writes(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, by name: what the program says itself stays as it is."""
    shimmed._say("a.test:443 was refused: Stop. (agent_unknown)")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "countersign run: a.test:443 was refused: Stop. (agent_unknown)\n")
