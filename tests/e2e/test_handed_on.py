"""A call reaches an internal service, and the agent behind it goes on with it: with the very token that came along."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from proxy.app.core import Core, open_core
from proxy.app.serve import Running, serving
from proxy.stages import Principal
from proxy.tasks.delegation import Proof
from proxy.tasks.task import NewTask
from tests.fakes.accounts import claims_of
from tests.fakes.serving import configured, on_loopback
from tests.fakes.upstream import Upstream, upstream
from tests.fakes.waiting import PATIENCE

OURS = "https://gov.test"
URN = "urn:ietf:params:oauth"
CUSTOMER = "/v1/customers/c-7"
MORE = f"downstream: {{trust_domain: test.example}}\nidentity: {{token_issuer: {OURS}}}\n"
BEHIND = (
    "    trust: internal\n    agent: other-bot\n    onward: {get_customer: [crm/export_customers], create_refund: []}\n"
)


@dataclass
class House:
    """A real serve, a CRM that keeps what it was sent, and the two agents' handles."""

    core: Core
    running: Running
    crm: Upstream
    caller: str
    behind: str

    async def called(self, method: str = "GET", path: str = CUSTOMER, **body: Any) -> str:
        """The transaction token that came along with a call of the caller."""
        proxy = f"http://agent:{self.caller}@{self.running.proxy}"
        async with httpx.AsyncClient(proxy=proxy, trust_env=False, timeout=PATIENCE) as client:
            answer = await client.request(method, f"http://127.0.0.1:{self.crm.port}{path}", **body)
        assert answer.status_code == 200, answer.text
        (token,) = self.crm.seen[-1].field("txn-token")
        return token

    async def goes_on(self, token: str, *actions: str, handle: str = "", agent: str = "other-bot") -> httpx.Response:
        """What the agent behind the service, or another one, gets for it."""
        form = {
            "grant_type": f"{URN}:grant-type:token-exchange",
            "subject_token": token,
            "subject_token_type": f"{URN}:token-type:txn_token",
            "actor_token": agent,
            "actor_token_type": "urn:countersign:token-type:client",
        }
        if actions:
            task = {"type": "countersign_task", "actions": actions, "purpose": "answer the call", "ttl_seconds": 3000}
            form["authorization_details"] = json.dumps([task])
        shown = {"authorization": f"Bearer {handle or self.behind}"}
        async with httpx.AsyncClient(base_url=self.running.console, trust_env=False, timeout=PATIENCE) as client:
            return await client.post("/oauth2/token", data=form, headers=shown)


@contextlib.asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    """The caller has a task for all of the CRM, for Alice."""
    async with upstream() as crm:
        inventory = on_loopback(crm.port).replace("    trust: internal\n", BEHIND)
        async with open_core(configured(folder, inventory=inventory, more=MORE)) as core, serving(core) as running:
            begun = await core.tasks.create(_task(core.clock()), by="e2e", now=core.clock())
            handle = {"purpose": "e2e", "ttl": 600.0, "issued_by": "e2e", "now": core.clock()}
            caller, _ = await core.handles.issue(agent="support-bot", task=begun.id, **handle)
            behind, _ = await core.handles.issue(agent="other-bot", **handle)
            yield House(core, running, crm, caller, behind)


def _task(now: float) -> NewTask:
    shown = Proof("opaque_handle", "verified", "sha256:aa")
    return NewTask(
        "support-bot", "e2e", now + 3600, ("crm/*",), ("read:customers", "read:exports"),
        principal=Principal("human", "alice"), proof=shown,
    )  # fmt: skip


def refused(answer: httpx.Response) -> str:
    """Why nothing was given."""
    assert answer.status_code == 400, answer.text
    assert "access_token" not in answer.json()
    return str(answer.json()["error"])


def test_the_agent_behind_a_service_goes_on_to_what_that_call_needs(tmp_path: Path) -> None:
    """Only it, once, for the tools that are written for the tool that was called, and for a quarter of an hour."""

    async def main() -> None:
        async with house(tmp_path) as it:
            token = await it.called()
            assert refused(await it.goes_on(token, "crm/export_customers", handle=it.caller, agent="support-bot")) == (
                "unauthorized_client"
            )
            granted = await it.goes_on(token, "crm/export_customers")
            assert granted.status_code == 200, granted.text
            said = claims_of(granted.json()["access_token"])
            assert (said["sub"], said["act"]["sub"], said["act"]["act"]["sub"]) == ("alice", "other-bot", "support-bot")
            assert (said["scope"], said["exp"] - said["iat"] <= 120) == ("crm/export_customers", True)
            task = await it.core.tasks.find(said["task"])
            assert task is not None
            assert task.deadline - task.created_at <= 900
            assert refused(await it.goes_on(token, "crm/export_customers")) == "invalid_grant"  # used before
            for actions in (("crm/create_refund",), ("crm/*",), ("crm/export_customers", "crm/get_customer")):
                assert refused(await it.goes_on(await it.called(), *actions)) == "invalid_scope"
            assert refused(await it.goes_on(await it.called())) == "invalid_authorization_details"

    asyncio.run(main())


def test_a_call_of_a_tool_that_goes_on_to_nothing_hands_nothing_on(tmp_path: Path) -> None:
    """The token of another call of the same service, by the same agent, for the same person, is no way around it."""

    async def main() -> None:
        async with house(tmp_path) as it:
            token = await it.called("POST", "/v1/refunds", json={"customer": "c-7", "amount": 5})
            assert claims_of(token)["tctx"]["tool"] == "crm/create_refund"
            assert refused(await it.goes_on(token, "crm/export_customers")) == "invalid_scope"

    asyncio.run(main())
