"""Our signing keys, changed by the operator: on record, for a reason, and what they signed withdrawn if asked for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.control.oauth.parties import CLIENT, TXN_TOKEN
from proxy.downstream.profile import Rejected
from proxy.errors import Refused
from proxy.stages import Evidence
from tests.fakes.token_house import OURS, TokenHouse, details, error, good


@pytest.fixture
def house(tmp_path: Path) -> Iterator[TokenHouse]:
    made = TokenHouse(tmp_path)
    made.deps = replace(made.deps, keys={"calls": made.signer}, token_issuer=OURS)
    made.serve()
    made.serve_tokens()
    yield made
    made.close()


async def rotate(house: TokenHouse, use: str = "calls", **body: Any) -> Any:
    async with house.operator() as client:
        return await client.post(f"/v1/keys/{use}/rotate", json={"reason": "a backup was stolen"} | body)


async def use(house: TokenHouse, token: str) -> str:
    """What a call with this token is refused with; empty if it passes so far."""
    try:
        proven = await house.resolver.prove(Evidence("p", (("bearer", token),)), house.now, house.facts)
        await house.oauth.living(proven)
    except Refused as refused:
        return refused.refusal.reason
    return ""


def test_an_ordinary_change_ends_nothing(house: TokenHouse) -> None:
    """What the old key signed is good until it ends; the new key signs."""

    async def story() -> None:
        token, first = (await house.own())["access_token"], house.signer.key_id
        answer = await rotate(house)
        assert answer.json() == {
            "use": "calls",
            "signs": house.signer.key_id,
            "signed": first,
            "withdrawn": False,
            "note": "",
        }
        assert house.signer.key_id != first
        assert await use(house, token) == ""
        assert await use(house, (await house.own())["access_token"]) == ""

    asyncio.run(story())


def test_what_withdrawn_keys_signed_is_refused_at_once(house: TokenHouse) -> None:
    """Where it is shown anew, where it is bound to an open connection, as subject, and as an account."""

    async def story() -> None:
        body = await house.own()
        token, told = body["access_token"], house.told(house.read(body["access_token"])["task"])
        accounts = house.oauth.txn_tokens
        assert accounts is not None
        accounts.verify(told, house.now)
        bound = await house.resolver.prove(Evidence("p", (("bearer", token),)), house.now, house.facts)
        old = {key["kid"] for key in house.signer.jwks(house.now)["keys"]}
        assert (await rotate(house, revoke_old=True)).json()["withdrawn"] is True
        assert await use(house, token) == "identity_invalid"
        with pytest.raises(Refused) as caught:
            house.resolver.attribute(bound, house.facts, house.now)
        assert caught.value.refusal.reason == "identity_expired"
        with pytest.raises(Rejected, match="key_unknown"):
            accounts.verify(told, house.now)
        again = await house.exchange(subject_token=token, authorization_details=details())
        assert error(again) in {"invalid_grant", "invalid_request"}
        async with house.client() as client:
            shown = (await client.get("/.well-known/jwks.json")).text
        assert not any(key in shown for key in old)
        assert old.isdisjoint(key["kid"] for key in house.oauth.jwks(house.now)["keys"])
        assert await use(house, (await house.own())["access_token"]) == ""

    asyncio.run(story())


async def below(house: TokenHouse, shown: dict[str, str]) -> str:
    """A handle under a task that the builder began by this, which nothing but that task bounds."""
    form = {"actor_token": "builder", "actor_token_type": CLIENT, "authorization_details": details()}
    token = good(await house.exchange("builder", **form, **shown))["access_token"]
    return await house.handle("builder", task=house.read(token)["task"])


async def by_task_token(house: TokenHouse) -> dict[str, str]:
    """The bot's task token hands on to the builder."""
    return {"subject_token": (await house.own())["access_token"]}


async def by_account(house: TokenHouse) -> dict[str, str]:
    """The bot called the service which the builder is behind."""
    actions = ["planner/plan", "payments/refund"]
    task = house.read((await house.own(actions=actions))["access_token"])["task"]
    return {"subject_token": house.told(task, "agent:support-bot"), "subject_token_type": TXN_TOKEN}


@pytest.mark.parametrize("shown", [by_task_token, by_account])
def test_what_was_begun_with_withdrawn_keys_ends(
    house: TokenHouse, shown: Callable[[TokenHouse], Awaitable[dict[str, str]]]
) -> None:
    """Also what a key signed that signs no more: an ordinary change ends nothing, a withdrawal all before it."""

    async def story() -> None:
        first = await below(house, await shown(house))
        await rotate(house)
        second = await below(house, await shown(house))
        assert (await use(house, first), await use(house, second)) == ("", "")
        answer = await rotate(house, revoke_old=True)
        assert answer.json()["note"] == ""
        third = await below(house, await shown(house))
        assert [await use(house, one) for one in (first, second, third)] == ["identity_revoked", "identity_revoked", ""]
        house.restart()
        assert [await use(house, one) for one in (first, third)] == ["identity_revoked", ""]

    asyncio.run(story())


def test_what_no_task_token_began_goes_on(house: TokenHouse) -> None:
    """A task of an agent's own key, and a handle under it: the withdrawn keys had no part in that."""

    async def story() -> None:
        handle = await house.handle(task=house.read((await house.own())["access_token"])["task"])
        assert (await rotate(house, revoke_old=True)).status_code == 200
        assert await use(house, handle) == ""

    asyncio.run(story())


def test_it_is_on_record_before_it_is_done(house: TokenHouse) -> None:
    """Who, why, and which key signed; with a full log nothing changes."""

    async def story() -> None:
        first = house.signer.key_id
        house.log.broken = True
        assert (await rotate(house, revoke_old=True)).json()["code"] == "audit_unavailable"
        assert house.signer.key_id == first
        house.log.broken = False
        await rotate(house, revoke_old=True)
        record = next(one for one in house.log.records if one["type"] == "keys.rotated")
        assert (record["type"], record["change"]["what"], record["change"]["kind"]) == (
            "keys.rotated", "keys:calls", "withdraw",
        )  # fmt: skip
        assert record["change"]["reason"] == "a backup was stolen"
        assert f"signed={first}" in record["change"]["details"]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("use", "body", "code"),
    [
        ("events", {}, "keys_unknown"),
        ("calls", {"reason": " "}, "reason_required"),
        ("calls", {"revoke_old": "yes"}, "body_invalid"),
    ],
)
def test_what_cannot_be_done_changes_nothing(house: TokenHouse, use: str, body: dict[str, Any], code: str) -> None:
    """Keys that there are not, no reason, a body that is none."""

    async def story() -> None:
        first = house.signer.key_id
        answer = await rotate(house, use, **body)
        assert (answer.status_code >= 400, answer.json()["code"], house.signer.key_id) == (True, code, first)

    asyncio.run(story())


def test_only_the_operator_changes_keys(house: TokenHouse) -> None:
    """No person does, by whichever way they came in."""

    async def story() -> None:
        first = house.signer.key_id
        for client in (await house.person("alice"), house.operator(**{"countersign-as": "alice"})):
            async with client:
                answer = await client.post("/v1/keys/calls/rotate", json={"reason": "x"})
            assert answer.status_code == 403
        assert house.signer.key_id == first

    asyncio.run(story())


def test_keys_that_cannot_be_stored_stay(house: TokenHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told in words. What they signed is ended all the same: what was stolen must not live on for a full disk."""

    async def story() -> None:
        first = house.signer.key_id

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("proxy.downstream.signer.replace_key_file", full)
        token = (await house.own())["access_token"]
        plain = (await rotate(house)).json()
        assert (plain["code"], house.signer.key_id, await use(house, token)) == ("keys_not_stored", first, "")
        assert "no task token counts" not in plain["detail"]
        answer = await rotate(house, revoke_old=True)
        assert (answer.status_code, answer.json()["code"], house.signer.key_id) == (503, "keys_not_stored", first)
        assert "no task token counts" in answer.json()["detail"]
        assert await use(house, token) == "identity_revoked"

    asyncio.run(story())
