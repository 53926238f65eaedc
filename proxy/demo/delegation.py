"""The story of a task that is handed on: from a person through two agents to a service that knows them all."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx

from proxy.demo import tell
from proxy.demo.ledger import HOST
from proxy.demo.stage import PATIENCE, Stage, end, spawn, start_ledger, told
from proxy.demo.tell import expect

ENTRIES = f"https://{HOST}/v1/entries"
CHAIN = re.compile(
    r"human:olivia -> agent:support-bot \(verified, \w+\) -> agent:refund-checker \(verified, \w+\); olivia answers .*"
)
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a kind
HANDLE = "urn:countersign:token-type:handle"


def handed_on(stage: Stage) -> None:
    """A person's task, a part of which one agent hands to another; the task ends, and so does that part."""
    with _ledger(stage) as ledger, stage.person("olivia") as olivia:
        asked = {
            "agent": "support-bot",
            "purpose": "compare the refunds with the ledger",
            "tools": ["ledger/*"],
            "on_behalf_of": "olivia",
            "ttl_seconds": 600,
        }
        task = told(olivia.post("/v1/tasks", json=asked))["id"]
        tell.words("Olivia begins a task; support-bot, whose it is, hands a part of it to refund-checker:")
        token = _token_for_the_checker(stage, task)
        with _checker(stage, token):
            line = stage.act("get", ENTRIES)
            tell.exchange(line)
            expect(line["status"] == 200, "the handed-on call is answered", line)
            _known(ledger)
            at = time.time()
            told(olivia.post(f"/v1/tasks/{task}/complete", json={"reason": "demo: the work is done"}))
            line = stage.act("get", ENTRIES)
            took = time.time() - at
            tell.words("Olivia's task ends. The same agent, with the same token, on the same connection:")
            tell.exchange(line)
            expect(line["status"] == 403, "with the task, what was handed on ends", line)
    tell.words(f"Refused {took * 1000:.0f} ms after the end. The ledger heard nothing of it.")


@contextlib.contextmanager
def _ledger(stage: Stage) -> Iterator[subprocess.Popen[str]]:
    """The internal service, for as long as the story lasts: a second one at its socket would hear half of the calls."""
    process = start_ledger(stage)
    try:
        yield process
    finally:
        end(process)


def _known(ledger: subprocess.Popen[str]) -> None:
    """The service has said who was behind the call."""
    assert ledger.stdout is not None
    line = ledger.stdout.readline().strip()
    tell.labelled("ledger says", line, "green")
    expect(CHAIN.fullmatch(line), "the ledger knows everybody on the way", line)


def _token_for_the_checker(stage: Stage, task: str) -> str:
    """The token endpoint is shown both agents' credentials; it gives the second one a token for its part."""
    whose = {"agent": "support-bot", "task": task, "ttl_seconds": 300}
    first = stage.ask("POST", "/v1/handles", {**whose, "purpose": "demo"})["handle"]
    second = stage.ask("POST", "/v1/handles", {"agent": "refund-checker", "purpose": "demo"})["handle"]
    own = _ask(stage, "support-bot", first, grant_type="client_credentials")
    part = [{"type": "countersign_task", "actions": ["ledger/list_entries"], "purpose": "look at the entries"}]
    return _ask(
        stage,
        "refund-checker",
        second,
        grant_type=EXCHANGE,
        subject_token=own,
        subject_token_type=ACCESS_TOKEN,
        actor_token=second,
        actor_token_type=HANDLE,
        authorization_details=json.dumps(part),
    )


def _ask(stage: Stage, agent: str, handle: str, **form: str) -> str:
    answer = httpx.post(
        f"{stage.console}/oauth2/token", data=form, auth=(agent, handle), timeout=PATIENCE, trust_env=False
    )
    token: str = told(answer)["access_token"]
    return token


@contextlib.contextmanager
def _checker(stage: Stage, token: str) -> Iterator[None]:
    """The second agent, in the place of the first. It shows its token to the proxy, and knows nothing else."""
    proxy = stage.proxy.replace("http://", f"http://refund-checker:{token}@")
    environment: dict[str, Any] = {
        **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        "HTTPS_PROXY": proxy,
        "SSL_CERT_FILE": str(stage.directory / "state" / "ca" / "bundle.pem"),
    }
    command = [sys.executable, "-m", "proxy.demo.agent"]
    first = stage.agent
    stage.agent = spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    try:
        yield
    finally:
        end(stage.agent)
        stage.agent = first
