"""What services are told of the calls that reach them: internal ones all of it, others nothing."""

from proxy.downstream.txn_token import Minter
from proxy.downstream.verifier import Verifier
from proxy.stages import Released
from tests.fakes.accounts import DOMAIN, claims_of, signer
from tests.fakes.world import INVENTORY, SECRET, Broken, arrived, get, mcp, refund, run

STOLEN = (("txn-token", "an.agents.own"), ("txn_token", "another"))


def minting(house) -> Verifier:
    """From now on calls are accounted for; what the internal service verifies that with."""
    made = signer(house.folder)
    house.broken(minter=Minter(made, DOMAIN, 60))
    return Verifier(
        trust_domain=DOMAIN, destination="https://crm.test", jwks=made.jwks(house.clock()), clock=house.clock
    )


def told(released: Released) -> list[str]:
    return [value for name, value in released.upstream.headers if name.replace("_", "-") == "txn-token"]


def test_an_internal_service_is_told_who_calls(tmp_path):
    """One token, ours, which its own verifier believes; the log has its id and not one byte of it."""

    async def scenario(house):
        verifier = minting(house)
        released = await house.released(get(headers=STOLEN))
        (token,) = told(released)
        account = verifier.verify(token, method="GET", target=released.upstream.path)
        assert str(account) == "human:alice -> agent:support-bot (endorsed, opaque_handle)"
        assert (account.owner, account.task, account.tool) == ("olivia", "task-1", "crm/get_customer")
        record = await house.last("call.decided")
        assert record["downstream"] == {"txn": account.id}
        assert (record["call"], record["action"]["digest"]) == (account.call, account.args_sha256)
        assert record["trace"]["id"] == account.transaction
        assert SECRET not in str(claims_of(token))
        house.issued.append(token.rpartition(".")[2])  # looked for in the log when the world ends

    run(tmp_path, scenario)


def test_a_signed_off_call_names_its_approval(tmp_path):
    """The service can know that a person approved exactly this."""

    async def scenario(house):
        minting(house)
        evidence = await house.evidence()
        hold = await house.held(refund(20_000), evidence=evidence)
        await house.approve(hold)
        released = await house.released(refund(20_000), evidence=evidence)
        assert claims_of(*told(released))["tctx"]["approval"] == hold
        assert (await house.last("call.resumed"))["downstream"]["txn"] == claims_of(*told(released))["jti"]
        house.answer(released)

    run(tmp_path, scenario)


def test_a_partner_is_told_nothing(tmp_path):
    """Neither our token nor what the agent passes off as one, nor the trace; and nothing of it is on record."""

    async def scenario(house):
        minting(house)
        released = await house.released(mcp("tools/list"))
        assert told(released) == []
        assert not {"traceparent", "tracestate", "baggage"} & {name for name, _ in released.upstream.headers}
        assert "downstream" not in await house.last("call.decided")

    run(tmp_path, scenario)


def test_the_public_is_told_nothing(tmp_path):
    """The same service, as soon as the inventory says that it is not ours."""

    async def scenario(house):
        minting(house)
        released = await house.released(get(headers=STOLEN))
        assert told(released) == []
        assert dict(released.upstream.headers)["authorization"] == f"Bearer {SECRET}"

    run(tmp_path, scenario, inventory=INVENTORY.replace("trust: internal", "trust: public"))


def test_without_the_setting_nobody_is_told(tmp_path):
    """And what an agent sends as an account goes nowhere all the same."""

    async def scenario(house):
        assert told(await house.released(get(headers=STOLEN))) == []
        assert (await house.last("call.decided"))["client"]["stripped"] == ["txn-token", "txn_token"]

    run(tmp_path, scenario)


def test_a_call_that_cannot_be_accounted_for_does_not_pass(tmp_path, caplog):
    """If signing fails, an internal service would not know who calls: so nobody does, and no record says so."""

    async def scenario(house):
        house.broken(minter=Broken(RuntimeError("no key")))
        document = await house.refused(get())
        assert (document["status"], document["reason"]) == (503, "internal_error")
        assert await house.records("call.decided") == []
        held = await house.held(refund(20_000))
        assert await house.state(held) == "pending"

    run(tmp_path, scenario)


def test_each_attempt_has_its_own_token(tmp_path):
    """Two calls that are alike to the byte have two ids, so that neither is taken for a replay."""

    async def scenario(house):
        minting(house)
        given = await house.evidence()
        calls = [await house.pipeline.admit_call(arrived(get()), given) for _ in range(2)]
        assert len({claims_of(*told(released))["jti"] for released in calls}) == 2

    run(tmp_path, scenario)
