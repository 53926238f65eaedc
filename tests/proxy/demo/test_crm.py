"""The demo's customer system, asked directly."""

import ssl
from collections.abc import Iterator

import httpx
import pytest

from proxy.demo.stage import Stage
from tests.fakes.waiting import PATIENCE


@pytest.fixture
def crm(stage: Stage) -> Iterator[httpx.Client]:
    """A client that knows the address and the private root, and not the key."""
    trust = ssl.create_default_context(cafile=str(stage.root))
    trust.check_hostname = False
    with httpx.Client(
        base_url=f"https://127.0.0.1:{stage.ports['crm']}", verify=trust, trust_env=False, timeout=PATIENCE
    ) as client:
        yield client


def test_it_wants_its_key(stage: Stage, crm: httpx.Client) -> None:
    """Without the key, or with another: 401. That the agent gets answers shows that the key was put in."""
    key = {"authorization": f"Bearer {stage.crm_key}"}
    assert crm.get("/v1/customers/c-7").status_code == 401
    assert crm.get("/v1/customers/c-7", headers={"authorization": "Bearer other"}).status_code == 401
    assert crm.post("/v1/refunds", json={}).status_code == 401
    assert crm.get("/v1/customers/c-7", headers=key).json()["customer"] == "c-7"


def test_what_it_does_not_have_it_says(stage: Stage, crm: httpx.Client) -> None:
    """Any other path is 404."""
    key = {"authorization": f"Bearer {stage.crm_key}"}
    assert crm.get("/elsewhere", headers=key).status_code == 404
    assert crm.post("/elsewhere", json={}, headers=key).status_code == 404
