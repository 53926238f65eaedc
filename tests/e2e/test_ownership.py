"""Owners who leave in the middle of traffic, and come back; over the wire, from the identity provider on."""

from collections.abc import Iterator

import httpx
import pytest

from proxy.demo.stage import Stage, open_stage
from tests.e2e.conftest import replace
from tests.e2e.driving import CRM, Flowing, issue, proxied, records, stage_time, until
from tests.fakes.waiting import PATIENCE

TOKEN = "scim-e2e-0815-4711"


def with_scim(stage: Stage) -> None:
    """The identity provider may say who has left."""
    token = stage.directory / "scim.token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    text = stage.config.read_text()
    assert "\ncontrol: {" in text
    stage.config.write_text(text.replace("control: {", "control: {scim_token: file:scim.token, ", 1))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A stage of its own, since its owner leaves."""
    with open_stage(agent=False, prepare=with_scim) as made:
        yield made


def provider(stage: Stage) -> httpx.Client:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.Client(base_url=f"{stage.console}/scim/v2", headers=headers, timeout=PATIENCE, trust_env=False)


def called(stage: Stage, handle: str) -> tuple[int, str]:
    """Status and reason of a call on a connection of its own: what was open before is cut, at any moment."""
    with proxied(stage, handle) as client:
        answer = client.get(f"{CRM}/v1/customers/c-7")
    return answer.status_code, "" if answer.is_success else answer.json()["reason"]


def test_when_an_owner_leaves_open_streams_are_cut_within_a_second(stage: Stage) -> None:
    """From the provider's answer: the stream ends, calls are refused, the log tells of it; until the owner is back."""
    made = issue(stage)
    stream = Flowing(stage, made["handle"])
    with provider(stage) as scim:
        gone = scim.patch("/Users/olivia", json={"Operations": [{"op": "Replace", "path": "active", "value": "False"}]})
        said = stage_time(stage)
        assert (gone.status_code, gone.json()["active"]) == (200, False)
        assert stream.cut() - said < 1.0
        assert called(stage, made["handle"]) == (403, "agent_owner_inactive")
        until(lambda: records(stage, type="ownership.orphaned"), "the SOC is told")
        back = scim.put("/Users/olivia", json={"active": True})
        assert back.json()["active"] is True
        assert called(stage, made["handle"]) == (200, "")
    (ended,) = until(lambda: records(stage, type="call.aborted", task=made["task"]), "the end is on record")
    assert ended["error"]["reason"] == "agent_owner_inactive"
    until(lambda: records(stage, type="ownership.restored"), "the SOC is told that it has an owner again")


def test_an_agent_that_becomes_privileged_waits_for_its_owners_word(stage: Stage) -> None:
    """An edit of its class refuses its next call; the owner attests it, and the handle of before is good again."""
    handle = issue(stage)["handle"]

    assert called(stage, handle) == (200, "")
    replace(
        stage.agents_file,
        "    team: support\n    purpose:",
        "    agent_class: privileged\n    team: support\n    purpose:",
    )
    until(lambda: called(stage, handle) == (403, "agent_unattested"), "the new class is in force")
    with stage.person("olivia") as owner:
        item = owner.get("/v1/reviews/agent:support-bot").json()
        assert item["due"] is None
        body = {"digest": item["digest"], "note": "privileged from today on, ticket SUP-9"}
        assert owner.post("/v1/reviews/agent:support-bot/attest", json=body).status_code == 200
    assert called(stage, handle) == (200, "")
    (attested,) = records(stage, type="review.attested")
    assert attested["change"]["by"] == "person:olivia"
