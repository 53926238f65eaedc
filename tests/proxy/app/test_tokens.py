"""The token endpoint over a core: from a handle to a task token to a call, and to its end."""

import asyncio

import httpx

from proxy.app.control import control_application
from proxy.app.core import open_core
from proxy.app.tokens import oauth_deps
from proxy.stages import Evidence, Released
from telemetry.metrics import Metrics
from tests.fakes.serving import configured
from tests.fakes.waiting import PATIENCE, until
from tests.fakes.world import arrived, get, problem

ISSUER = "http://127.0.0.1:8700"


def client_of(core):
    app = control_application(core, (ISSUER,), dict, Metrics())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ISSUER)


def test_without_an_issuer_there_is_no_token_endpoint(tmp_path):
    """Nothing configured means nothing issued, and no key is made for it."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings) as core:
            assert (oauth_deps(core), core.signer, core.own_tokens) == (None, None, None)
            async with client_of(core) as client:
                assert (await client.get("/.well-known/oauth-authorization-server")).status_code == 404

    asyncio.run(main())


def test_a_task_token_makes_calls_until_its_task_ends(tmp_path):
    """Got with a handle, taken by the proxy, bounded by what it declared, cut with the task's end."""
    settings = configured(tmp_path)
    settings = settings.model_copy(update={"identity": settings.identity.model_copy(update={"token_issuer": ISSUER})})

    async def main():
        async with open_core(settings) as core, client_of(core) as client:
            told = (await client.get("/.well-known/oauth-authorization-server")).json()
            keys = (await client.get(told["jwks_uri"])).json()["keys"]
            assert {key["alg"] for key in keys} <= {"ES256"}
            handle, _ = await core.handles.issue(
                agent="support-bot", purpose="t", ttl=600, issued_by="t", now=core.clock(), on_behalf_of="alice",
                task="nightly",
            )  # fmt: skip
            detail = '[{"type": "countersign_task", "actions": ["crm/get_customer"], "datatypes": ["read:customers"]}]'
            form = {"grant_type": "client_credentials", "authorization_details": detail}
            answer = await client.post(told["token_endpoint"], data=form, headers={"authorization": f"Bearer {handle}"})
            body = answer.json()
            shown = Evidence("127.0.0.1", (("bearer", body["access_token"]),))
            released = await core.pipeline.admit_call(arrived(get()), shown)
            assert isinstance(released, Released), released
            identity = released.decided.described.attributed.identity
            assert [member.id for member in identity.chain.members] == ["alice", "support-bot"]
            refused = await core.pipeline.admit_call(arrived(get("/v1/exports/customers")), shown)
            assert problem(refused)["reason"] == "task_tool_undeclared"
            task = body["authorization_details"][0]["task_id"]
            await core.tasks.end(task, "completed", by="test", reason="done", now=core.clock())
            await until(lambda: core.pipeline.still_allowed("conn_1", released) is not None)
            assert problem(await core.pipeline.admit_call(arrived(get()), shown))["status"] in {403, 407}

    asyncio.run(main())


def test_a_suspended_task_is_known_after_a_restart(tmp_path):
    """What was suspended before stays so, and what was ended by its scope while nobody was here is over."""
    settings = configured(tmp_path)

    async def main():
        from tests.fakes.tasks import new_task

        async with open_core(settings) as core:
            now = core.clock()
            asked = new_task(tools=("crm/*",), datasets=(), deadline=now + 600)
            one, two = [await core.tasks.create(asked, by="t", now=now) for _ in range(2)]
            await core.tasks.suspend(one.id, by="t", reason="t", now=now)
            await core.revocations.revoke(f"task:{two.id}", "t", "t", now)
        async with open_core(settings) as core:
            assert core.tasks.suspended(one.scopes)
            async with asyncio.timeout(PATIENCE):
                while not (await core.tasks.find(two.id)).ended:
                    await asyncio.to_thread(lambda: None)

    asyncio.run(main())
