"""Sign-off at the terminal, a connection that waits for it, and what an agent may ask meanwhile."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from proxy.demo.stage import Stage
from tests.e2e.driving import CRM, approve, countersign, issue, pending, proxied, until


@pytest.fixture
def agent(stage: Stage) -> Iterator[httpx.Client]:
    """A client of the agent's."""
    with proxied(stage, issue(stage)["handle"]) as client:
        yield client


def refund(client: httpx.Client, customer: str, **headers: str) -> httpx.Response:
    return client.post(f"{CRM}/v1/refunds", json={"customer": customer, "amount": 60_000}, headers=headers)


def test_an_owner_approves_at_the_terminal(stage: Stage, agent: httpx.Client) -> None:
    """Listed, shown with its arguments, approved as the owner, and released once."""
    hold = refund(agent, "terminal").json()["hold_id"]
    assert hold in countersign(stage, "holds", "list").stdout
    shown = countersign(stage, "holds", "show", hold).stdout
    assert 'customer = "terminal"' in shown
    assert "60000" in shown
    done = countersign(stage, "holds", "approve", hold, "--as", "olivia")
    assert (done.returncode, done.stdout.split(":")[0]) == (0, f"{hold} is approved")
    assert refund(agent, "terminal").status_code == 201
    # while the outcome is being stored the answer is that the approval is used; then it is asked for anew
    until(lambda: refund(agent, "terminal").status_code == 428, "the same again is held anew")
    traced = countersign(stage, "trace", hold)
    assert "approved by olivia" in traced.stdout


@pytest.mark.parametrize(("person", "words"), [("alice", "not yours"), ("bob", ""), ("nobody", "active person")])
def test_who_may_not_sign_is_told(stage: Stage, agent: httpx.Client, person: str, words: str) -> None:
    """Neither the human for whom the agent acts, nor somebody else, nor nobody: exit status 2, still held."""
    hold = refund(agent, f"not-by-{person}").json()["hold_id"]
    done = countersign(stage, "holds", "approve", hold, "--as", person)
    assert done.returncode == 2
    assert done.stderr.startswith("countersign: ")
    assert hold in {row["id"] for row in pending(stage)}
    assert words in done.stderr


def test_without_a_person_nothing_is_signed(stage: Stage, agent: httpx.Client) -> None:
    """The operator is no approver: whose decision it is must be said."""
    hold = refund(agent, "by-nobody").json()["hold_id"]
    done = countersign(stage, "holds", "approve", hold)
    assert done.returncode == 2
    assert "--as" in done.stderr


def test_a_denial_reaches_the_agent_with_its_reason(stage: Stage, agent: httpx.Client) -> None:
    """The reason is passed on, the approver's name is not; the same call is refused from then on."""
    hold = refund(agent, "denied").json()["hold_id"]
    done = countersign(stage, "holds", "deny", hold, "--as", "olivia", "--reason", "no such order")
    assert done.returncode == 0, done.stderr
    answer = refund(agent, "denied")
    assert (answer.status_code, answer.json()["reason"]) == (403, "approval_denied")
    assert "no such order" in answer.json()["detail"]
    assert "olivia" not in answer.text.lower()


def test_a_waiting_connection_is_released_by_the_approval(stage: Stage, agent: httpx.Client) -> None:
    """An agent that is willing to wait gets the service's answer itself, without asking again."""
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(refund, agent, "waits", prefer="wait=30")
        (hold,) = until(lambda: [row for row in pending(stage) if "waits" in row["effect"]], "it is held")
        approve(stage, hold["id"])
        assert waiting.result().status_code == 201
    assert stage.ask("GET", f"/v1/holds/{hold['id']}")["state"] == "executed"


def test_the_agent_may_ask_how_its_hold_stands(stage: Stage, agent: httpx.Client) -> None:
    """The address in the answer tells the agent's own holds, through the proxy, and no approver's name."""
    held = refund(agent, "asked-after").json()
    status = agent.get(held["status_url"])
    assert status.status_code == 200, status.text
    assert status.json()["approval_status"] == "pending"
    approve(stage, held["hold_id"])
    assert agent.get(held["status_url"]).json()["approval_status"] == "approved"
    assert "olivia" not in json.dumps(agent.get(held["status_url"]).json()).lower()
