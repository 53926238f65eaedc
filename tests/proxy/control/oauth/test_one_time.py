"""Bearer proofs with an id count once, and a person's token begins as many tasks as its issuer's settings say."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from proxy.control.oauth.mistakes import OAuthMistake
from proxy.control.oauth.one_time import Once, spend
from proxy.control.oauth.parties import CLIENT, JWT
from proxy.identity.tokens import TokenVerifier
from tests.fakes.issuer import ISSUER, NOW
from tests.fakes.token_house import TokenHouse, details, error, good

ITSELF = {"actor_token": "support-bot", "actor_token_type": CLIENT}


class Used:
    """What was used, until when."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    async def use_once(self, key: str, until: float, now: float) -> bool:
        first = not await self.was_used(key, now)
        if first:
            self._until[key] = until
        return first

    async def was_used(self, key: str, now: float) -> bool:
        return now < self._until.get(key, 0.0)


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await story()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({}, False),
        ({"id": "other"}, True),
        ({"issuer": "https://other.example"}, True),
        ({"parameter": "actor_token"}, True),
    ],
)
def test_a_proof_counts_once(changes: dict[str, Any], *, again: bool) -> None:
    """Of its issuer, by its id, as what it came; another one counts for itself."""
    first = Once("subject_token", ISSUER, "j-1", NOW + 600)

    async def story() -> None:
        used = Used()
        await spend([first], used, NOW)
        if again:
            await spend([replace(first, **changes)], used, NOW)
            return
        with pytest.raises(OAuthMistake, match="counts once"):
            await spend([replace(first, **changes)], used, NOW + 599)

    run(story)


def test_a_proof_counts_as_often_as_it_may() -> None:
    """And not once more."""
    proof = Once("subject_token", ISSUER, "j-1", NOW + 600, uses=3)

    async def story() -> None:
        used = Used()
        for _ in range(3):
            await spend([proof], used, NOW)
        with pytest.raises(OAuthMistake, match="counts 3 times"):
            await spend([proof], used, NOW)

    run(story)


@pytest.mark.parametrize("actor", ["direct", "task"])
def test_an_actor_token_with_an_id_is_taken_once(house: TokenHouse, actor: str) -> None:
    """An access token, and a task token of ours: whoever reads it on its way cannot show it again."""

    async def story() -> None:
        token = house.agents_own() if actor == "direct" else (await house.own())["access_token"]
        good(await house.for_frank(actor_token=token))
        assert error(await house.for_frank(actor_token=token)) == "invalid_grant"
        good(await house.for_frank(**ITSELF))

    run(story)


def test_below_a_task_an_actor_token_is_taken_once_too(house: TokenHouse) -> None:
    """Whether a child task begins, or a token for the same task comes out."""

    async def story() -> None:
        held, token = (await house.own())["access_token"], house.agents_own()
        good(await house.exchange(subject_token=held, actor_token=token))
        for more in ({}, {"authorization_details": details()}):
            assert error(await house.exchange(subject_token=held, actor_token=token, **more)) == "invalid_grant"

    run(story)


@pytest.mark.parametrize("subject", ["person", "process"])
def test_a_subject_token_begins_one_task(house: TokenHouse, subject: str) -> None:
    """A second one would have a budget of its own, that its agent picks. The task itself goes on, and has children."""

    async def story() -> None:
        token = house.human() if subject == "person" else house.process()
        form = {"subject_token": token, "authorization_details": details(budget={"calls": 5}), **ITSELF}
        first = good(await house.exchange(**form))["access_token"]
        assert error(await house.exchange(**form)) == "invalid_grant"
        below = {"subject_token": first, "authorization_details": details(budget={"calls": 2}), **ITSELF}
        good(await house.exchange(**below))
        good(await house.exchange(**below))
        task = house.read(first)["task"]
        again = details(task_id=task, actions=None, purpose=None)
        good(await house.ask(grant_type="client_credentials", authorization_details=again))

    run(story)


def test_its_issuers_settings_say_how_many(house: TokenHouse) -> None:
    """`subject_uses`, for people whose clients begin several tasks with one sign-in."""

    async def story() -> None:
        verifier = TokenVerifier([replace(house._profile, subject_uses=2)])
        house.serve_tokens(tokens=verifier)
        token = house.human()
        good(await house.for_frank(subject_token=token))
        good(await house.for_frank(subject_token=token))
        assert error(await house.for_frank(subject_token=token)) == "invalid_grant"

    run(story)


def test_what_is_refused_uses_nothing_up(house: TokenHouse) -> None:
    """A mistake of the sender's leaves both tokens as they were."""

    async def story() -> None:
        tokens = {"subject_token": house.human(), "actor_token": house.agents_own()}
        for wrong in (details(actions=["unknown/tool"]), details(ttl_seconds=0), details(actions=None)):
            assert (await house.exchange(**tokens, authorization_details=wrong)).status_code == 400
        good(await house.exchange(**tokens, authorization_details=details()))

    run(story)


def test_an_svid_of_a_process_counts_once_if_it_has_an_id(house: TokenHouse) -> None:
    """Without one, it is what the workload shows everybody as long as it lives."""

    async def story() -> None:
        house.serve_tokens(svids=house.svids)
        for more, last in (({}, 200), ({"jti": "svid-1"}, 400)):
            form = {"subject_token": house.svid(**more), "subject_token_type": JWT, "authorization_details": details()}
            assert (await house.exchange(**form, **ITSELF)).status_code == 200
            assert (await house.exchange(**form, **ITSELF)).status_code == last

    run(story)
