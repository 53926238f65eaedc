"""`countersign run` as the local shim, before a real server: real clients, and no usable credential in their hands."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.app.local import open_control
from proxy.cli.api import request
from proxy.demo.stage import Stage, end, open_stage, start_server
from proxy.settings import load_settings
from proxy.shim.handles import Handles
from tests.e2e.conftest import replace
from tests.e2e.driving import CRM, Program, proxied, python_client, records, until
from tests.e2e.test_http_clients import command
from tests.fakes.waiting import PATIENCE
from tests.fakes.world import Clock

LISTEN = '"127.0.0.1:0", control'
ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)), flush=True)"
CLIENTS = ["curl", "requests", "httpx", "node"]


def all_doors(stage: Stage) -> None:
    """TLS to the proxy, a UNIX socket, and a token endpoint."""
    local = stage.directory / "run" / "proxy.sock"
    replace(stage.config, LISTEN, f'"127.0.0.1:0", proxy_tls: "127.0.0.1:0", local: "{local}", control')


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with open_stage(agent=False, prepare=all_doors) as made:
        yield made


@contextlib.contextmanager
def shimmed(stage: Stage, program: list[str], *options: str) -> Iterator[Program]:
    """This program, under `countersign run` as the shim."""
    told = stage.command("run", "--agent", "support-bot", *options)
    process = subprocess.Popen([*told, "--", *program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Program(process)
    finally:
        end(process)


def status(stage: Stage) -> dict[str, Any]:
    told: dict[str, Any] = stage.ask("GET", "/v1/status")
    return told


@pytest.mark.parametrize("client", CLIENTS)
def test_real_clients_pass_through_the_shim(stage: Stage, client: str) -> None:
    """An allowed call is answered, a forbidden one refused in words, by clients that know nothing of it."""
    with shimmed(stage, command(client), "--for", "alice", "--shim") as program:
        assert program.call("GET", "/v1/customers/c-7")[0] == 200
        assert program.call("GET", "/v1/exports/customers")[1]["reason"] == "no_permit"


@pytest.mark.parametrize("through", ["unix", "tls"])
def test_every_way_to_the_proxy(stage: Stage, through: str) -> None:
    """By the UNIX socket, and in TLS."""
    told = status(stage)
    url = f"unix:{told['local']}" if through == "unix" else f"https://{told['proxy_tls']}"
    with shimmed(stage, python_client("web.py", "requests"), "--for", "alice", "--shim", "--through", url) as program:
        assert program.call("GET", "/v1/customers/c-7")[0] == 200
    peer = records(stage, type="call.decided")[-1]["client"]["ip"]
    assert peer == (f"unix:uid={os.geteuid()}" if through == "unix" else "127.0.0.1")


def test_the_environment_holds_no_credential_of_the_proxy(stage: Stage) -> None:
    """Only the local password, which the proxy itself does not take; the handle ends with the program."""
    with shimmed(stage, [sys.executable, "-c", ENVIRONMENT + "; input()"], "--for", "alice", "--shim") as program:
        environment = program.hear()
        assert not [name for name, value in environment.items() if "csh_" in value]
        assert environment["COUNTERSIGN_HANDLE"] == environment["COUNTERSIGN_GATEWAY"] == ""
        password = environment["HTTPS_PROXY"].split("@")[0].rpartition(":")[2]
        proxy = f"http://support-bot:{password}@{status(stage)['proxy']}"
        with (
            httpx.Client(proxy=proxy, trust_env=False, timeout=PATIENCE) as thief,
            pytest.raises(httpx.ProxyError, match="407"),
        ):
            thief.get(f"{CRM}/v1/customers/c-7")
        live = stage.ask("GET", "/v1/handles?agent=support-bot&live=true")["handles"]
        assert live
    assert not stage.ask("GET", "/v1/handles?agent=support-bot&live=true")["handles"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(environment["HTTPS_PROXY"].rpartition(":")[2])))


def test_others_on_this_machine_are_not_served(stage: Stage) -> None:
    """Whoever finds the port has nothing without the password."""
    with shimmed(stage, [sys.executable, "-c", ENVIRONMENT + "; input()"], "--for", "alice", "--shim") as program:
        port = program.hear()["HTTPS_PROXY"].rpartition(":")[2]
        for shown in ("", "support-bot:guess@"):
            proxy = f"http://{shown}127.0.0.1:{port}"
            with (
                httpx.Client(proxy=proxy, trust_env=False, timeout=PATIENCE) as other,
                pytest.raises(httpx.ProxyError, match="407"),
            ):
                other.get(f"{CRM}/v1/customers/c-7")


def test_a_handle_is_renewed_for_its_task(stage: Stage) -> None:
    """What the shim asks of the control API when half of a handle's life is over is granted, for the same task."""

    async def run() -> tuple[str, str]:
        clock = Clock(time.time())
        async with open_control(load_settings(stage.config), running=True) as client:

            async def again(task: str | None) -> dict[str, Any]:
                wanted = {"agent": "support-bot", "on_behalf_of": "alice", "purpose": "e2e"}
                return await request(client, "POST", "/v1/handles", wanted | ({"task": task} if task else {}))

            handles = Handles(again, clock)
            first = await handles.token()
            clock.now += 1801
            return first, await handles.token()

    first, second = asyncio.run(run())
    assert first != second
    for handle in (first, second):
        with proxied(stage, handle) as agent:
            assert agent.get(f"{CRM}/v1/customers/c-7").status_code == 200
    tasks = {record["task"] for record in records(stage, type="call.decided")[-2:]}
    assert len(tasks) == 1


def test_task_tokens(stage: Stage) -> None:
    """The program works in a task of its own, with the tools that were named and no others."""
    with shimmed(
        stage, python_client("tunnels.py"), "--for", "alice", "--with", "task:crm/get_customer,read:customers"
    ) as program:
        heard = program.ask(host="crm.demo.internal", path="/v1/customers/c-7")
        assert heard["status"] == 200, heard
        heard = program.ask(host="crm.demo.internal", path="/v1/refunds")
        assert (heard["status"], json.loads(heard["text"])["reason"]) == (403, "task_tool_undeclared")
    decided = records(stage, type="call.decided")[-1]
    assert records(stage, type="token.issued")[-1]["task"] == decided["task"]


def test_the_server_is_killed_and_comes_back(stage: Stage) -> None:
    """Meanwhile the program hears 502 and why; afterwards its next call passes, on the same shim."""
    through = f"unix:{status(stage)['local']}"
    options = ("--for", "alice", "--shim", "--through", through)
    with shimmed(stage, python_client("tunnels.py"), *options) as program:
        assert program.ask(host="crm.demo.internal", path="/v1/customers/c-7")["status"] == 200
        assert stage.server is not None
        kill(stage)
        heard = program.ask(host="crm.demo.internal", path="/v1/customers/c-7")
        assert (heard["status"], json.loads(heard["text"])["reason"]) == (502, "proxy_unreachable")
        start_server(stage)
        heard = until(lambda: answered(program), "the proxy is back")
        assert heard["status"] == 200


def answered(program: Program) -> dict[str, Any] | None:
    heard = program.ask(host="crm.demo.internal", path="/v1/customers/c-7")
    return heard if heard["status"] == 200 else None


def kill(stage: Stage) -> None:
    """SIGKILL to `countersign serve` itself, below the leash that ends with us."""
    assert stage.server is not None
    children = Path(f"/proc/{stage.server.pid}/task/{stage.server.pid}/children").read_text().split()
    for pid in children or [str(stage.server.pid)]:
        os.kill(int(pid), 9)
    stage.server.wait(PATIENCE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_program_of_another_user(stage: Stage) -> None:
    """It cannot open the operator's socket or read the state, and its calls pass."""
    user = "nobody"
    reach = f"""
import json, os, socket
try:
    socket.socket(socket.AF_UNIX).connect({str(stage.directory / "state" / "control" / "operator.sock")!r})
    opened = True
except OSError:
    opened = False
roots = open(os.environ["SSL_CERT_FILE"]).read()
print(json.dumps({{"uid": os.getuid(), "home": os.environ["HOME"], "opened": opened, "roots": bool(roots)}}))
"""
    python = shutil.which("python3", path="/usr/bin:/bin")
    curl = shutil.which("curl")
    if python is None or curl is None:
        pytest.skip("there is no python3 or curl that every user can run")
    with shimmed(stage, [python, "-c", reach], "--for", "alice", "--shim", "--user", user) as program:
        seen = program.hear()
        assert seen["uid"] not in {0, os.geteuid()}
        assert (seen["opened"], seen["roots"]) == (False, True)
        assert seen["home"] != os.environ["HOME"]
    told = stage.command("run", "--agent", "support-bot", "--for", "alice", "--user", user)
    done = subprocess.run(
        [*told, "--", curl, "-s", f"{CRM}/v1/customers/c-7"], capture_output=True, text=True, check=True, cwd="/"
    )
    assert json.loads(done.stdout)["name"] == "Ada Example"
