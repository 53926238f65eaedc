"""HTTP clients as people use them, each through `countersign run`, with no line about us in their code."""

import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.demo.stage import Stage
from tests.e2e.driving import CLIENTS, Program, approve, governed, python_client, until

CLIENT_NAMES = ["curl", "requests", "httpx", "node"]
AMOUNTS = {name: 20_000 + number for number, name in enumerate(CLIENT_NAMES)}


def command(name: str) -> list[str]:
    if name == "node":
        return [node(), str(CLIENTS / "web.mjs")]
    if name == "curl" and shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    return python_client("web.py", name)


def node() -> str:
    """Node of a version that reads the proxy's variables when told to."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no node here")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < 24:
        pytest.skip(f"node 24 or newer is missing: {version} reads no proxy variables")
    return found


@pytest.fixture(scope="module", params=CLIENT_NAMES)
def client(request: pytest.FixtureRequest, stage: Stage) -> Iterator[tuple[str, Program]]:
    """One client under `countersign run`."""
    with governed(stage, *command(request.param)) as program:
        yield request.param, program


def test_an_allowed_call_is_answered_by_the_service(client: tuple[str, Program]) -> None:
    """The service's own answer comes back, over TLS that the client verified, with a key that it never had."""
    status, answer = client[1].call("GET", "/v1/customers/c-7")
    assert (status, answer["name"]) == (200, "Ada Example")


def test_a_refused_call_says_why(client: tuple[str, Program]) -> None:
    """The refusal is a problem document with a stable reason, and names nothing of the policy."""
    status, answer = client[1].call("GET", "/v1/exports/customers")
    assert (status, answer["reason"], answer["executed"]) == (403, "no_permit", False)
    assert answer["detail"].startswith("NOT EXECUTED.")


def test_a_held_call_runs_once_after_its_approval(stage: Stage, client: tuple[str, Program]) -> None:
    """Held, approved, sent again: executed, once; sent yet again, it is held anew."""
    name, program = client
    refund = {"customer": f"for-{name}", "amount": AMOUNTS[name]}
    status, answer = program.call("POST", "/v1/refunds", refund)
    assert (status, answer["reason"]) == (428, "approval_pending")
    approve(stage, answer["hold_id"])
    status, made = program.call("POST", "/v1/refunds", refund)
    assert (status, made["customer"]) == (201, refund["customer"])
    # while the outcome is being stored the answer is that the approval is used; then it is asked for anew
    again = until(lambda: held(program, refund), "the same again is held anew")
    assert again["hold_id"] != answer["hold_id"]
    _, books = program.call("GET", "/v1/refunds")
    assert sum(entry["customer"] == refund["customer"] for entry in books["refunds"]) == 1


def held(program: Program, refund: dict[str, object]) -> dict[str, Any] | None:
    """The answer, if it is that this is held."""
    status, answer = program.call("POST", "/v1/refunds", refund)
    assert status in {422, 428}, answer
    return answer if status == 428 else None


def test_what_is_unknown_is_refused(client: tuple[str, Program]) -> None:
    """A host that the inventory does not have is not reached, and the client is told so in words."""
    heard = client[1].ask(method="GET", url="https://elsewhere.example/", headers={}, body=None)
    assert heard["status"] == 403
    assert "service_unknown" in heard["text"]
