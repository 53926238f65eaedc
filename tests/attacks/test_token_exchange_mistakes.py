"""What implementers of token exchange (RFC 8693) are known to get wrong, one by one, over HTTP at the real endpoint.

Each comes with where it was seen. Every token is really signed; whatever is wrong with it is wrong in what it says.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.control.oauth.beginning import ACCESS_TOKEN
from proxy.control.oauth.parties import CLIENT, HANDLE, JWT
from proxy.identity.issuers import IssuerSettings
from proxy.identity.tokens import TokenVerifier
from tests.fakes.accounts import signed_again
from tests.fakes.issuer import AUDIENCE, ISSUER, NOW, claims, header, sign
from tests.fakes.token_house import BOT, FRANK, TokenHouse, details, error, good

REFRESH = "urn:ietf:params:oauth:token-type:refresh_token"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
PART = details(ttl_seconds=60)

type Mistake = Callable[[TokenHouse], Awaitable[Any]]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[TokenHouse]:
    made = TokenHouse(tmp_path)
    yield made
    made.close()


def endorsing(house: TokenHouse) -> TokenHouse:
    """The issuer may tell of its own actors."""
    profile = IssuerSettings(
        issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), jwks_file=house.folder / "jwks.json",
        endorses=(ISSUER,),
    )  # fmt: skip
    house.serve_tokens(tokens=TokenVerifier([profile]))
    return house


def nested(depth: int) -> Any:
    act: dict[str, Any] = {"sub": "a0"}
    for number in range(1, depth):
        act = {"sub": f"a{number}", "act": act}
    return act


def raw(house: TokenHouse, more: str) -> str:
    """Frank's token with these bytes among its claims, as no library would write them."""
    said = f'{{"iss":"{ISSUER}","sub":"{FRANK}","aud":"{AUDIENCE}","iat":{int(house.now)},"exp":{int(house.now) + 600},'
    said += f'"jti":"raw","client_id":"x","scope":"countersign_task"{more}}}'
    return sign(said.encode(), header())


async def chained(house: TokenHouse) -> str:
    """A task token with Frank behind the support bot."""
    return str(good(await house.for_frank())["access_token"])


# --- what came in is not dropped, nor guessed ---------------------------------------------------------------


async def act_without_an_actor_token(house: TokenHouse) -> Any:
    """Keycloak 52691: a chain sent without `actor_token` took the path of a plain exchange, and came out clean."""
    token = house.human(act={"sub": "orchestrator"})
    return await house.for_frank(subject_token=token, actor_token="", actor_token_type="")


async def act_with_an_actor_token(house: TokenHouse) -> Any:
    """The same with one: an issuer that may tell of nobody gets no chain in."""
    return await house.for_frank(subject_token=house.human(act={"sub": "orchestrator"}))


async def may_act_without_an_actor_token(house: TokenHouse) -> Any:
    """Keycloak 52691 again, by `may_act`."""
    token = house.human(may_act={"iss": ISSUER, "sub": BOT})
    return await house.for_frank(subject_token=token, actor_token="", actor_token_type="")


async def the_client_for_the_actor(house: TokenHouse) -> Any:
    """Actor Profile: a missing actor credential must not make the client the actor."""
    return await house.for_frank(actor_token="", actor_token_type="", client_id="support-bot")


async def azp_for_the_actor(house: TokenHouse) -> Any:
    """`azp` and `client_id` in the subject's token name no actor."""
    token = house.human(azp="support-bot", client_id="support-bot")
    return await house.for_frank(subject_token=token, actor_token="", actor_token_type="")


async def an_actor_token_with_act(house: TokenHouse) -> Any:
    """Actor Profile: who acts shows a direct credential."""
    form = {"actor_token": await chained(house), "actor_token_type": ACCESS_TOKEN}
    return await house.for_frank(**form)


async def an_actor_token_with_act_of_the_issuer(house: TokenHouse) -> Any:
    """The same by the issuer's own signature, also where it may tell of actors in a subject's token."""
    return await endorsing(house).for_frank(actor_token=house.agents_own(act={"sub": "somebody"}))


async def a_chain_behind_the_client(house: TokenHouse) -> Any:
    """A client that is itself only acting for somebody is no direct actor."""
    form = {"actor_token": await chained(house), "actor_token_type": JWT}
    return await house.exchange(subject_token=await chained(house), authorization_details=PART, **form)


async def another_agent_takes_the_chain(house: TokenHouse) -> Any:
    """Who did not receive the token does not exchange it, not even for less."""
    return await house.exchange("builder", subject_token=await chained(house), authorization_details=PART)


# --- every level is what it must be --------------------------------------------------------------------------


def act_of(act: Any) -> Mistake:
    async def mistake(house: TokenHouse) -> Any:
        """ToolHive 6093: a prior `act` that is no object passed a depth gate that counted it as zero."""
        return await endorsing(house).for_frank(subject_token=house.human(act=act))

    return mistake


def written(more: str) -> Mistake:
    async def mistake(house: TokenHouse) -> Any:
        """Two readers, two meanings: duplicates, `null`, NUL, deep nesting (PyJWT took 900 levels)."""
        return await endorsing(house).for_frank(subject_token=raw(house, more))

    return mistake


# --- whom a token is for, what it is, how long it lives ---------------------------------------------------------


async def a_subject_for_somebody_else(house: TokenHouse) -> Any:
    """A token that is valid anywhere was taken as input everywhere."""
    return await house.for_frank(subject_token=house.human(aud="https://other.example"))


async def an_actor_for_somebody_else(house: TokenHouse) -> Any:
    """The actor's too."""
    return await house.for_frank(actor_token=house.agents_own(aud="https://other.example"))


async def a_refresh_token(house: TokenHouse) -> Any:
    """A refresh token as subject, from whichever client."""
    return await house.for_frank(subject_token_type=REFRESH)


async def an_id_token(house: TokenHouse) -> Any:
    """An ID token is about a sign-in, and for its client."""
    return await house.for_frank(subject_token_type=ID_TOKEN)


async def asking_for_a_refresh_token(house: TokenHouse) -> Any:
    """There is none to have."""
    return await house.for_frank(requested_token_type=REFRESH)


async def impersonation(house: TokenHouse) -> Any:
    """A token of the person's, with no actor in it, under any name of a type."""
    return await house.for_frank(requested_token_type=JWT, actor_token="", actor_token_type="")


async def an_unknown_scope(house: TokenHouse) -> Any:
    """Transaction tokens: a subject whose scope is not known gives nothing."""
    return await house.for_frank(subject_token=house.human(scope=None))


async def a_wider_scope(house: TokenHouse) -> Any:
    """The output asks for more than the subject's token is good for."""
    return await house.for_frank(subject_token=house.human(scope="payments/find"))


async def a_wider_task(house: TokenHouse) -> Any:
    """The next hop asks for more than the last one was given."""
    form = {"actor_token": await house.handle("builder"), "actor_token_type": HANDLE}
    wide = details(actions=["crm/*"])
    return await house.exchange("builder", subject_token=await chained(house), authorization_details=wide, **form)


async def a_larger_budget(house: TokenHouse) -> Any:
    """The next hop wants to spend more than the last one may."""
    spend = [{"tool": "payments/refund", "argument": "amount", "limit": 100}]
    token = good(await house.for_frank(authorization_details=details(budget={"calls": 5, "spend": spend})))
    more = details(ttl_seconds=60, budget={"spend": [spend[0] | {"limit": 101}]})
    form = {"actor_token": await house.handle("builder"), "actor_token_type": HANDLE}
    return await house.exchange("builder", subject_token=token["access_token"], authorization_details=more, **form)


async def a_bound_subject(house: TokenHouse) -> Any:
    """`cnf` in a foreign token is a key that we cannot ask for: it is not a bearer token."""
    return await house.for_frank(subject_token=house.human(cnf={"jkt": "x"}))


async def somebody_whom_the_subject_does_not_let(house: TokenHouse) -> Any:
    """`may_act` by issuer and subject, never by a bare `sub`."""
    return await house.for_frank(subject_token=house.human(may_act={"sub": BOT}))


async def may_act_handed_on(house: TokenHouse) -> Any:
    """`may_act` speaks of the first hop: it lets nobody take over what was delegated."""
    token = good(await house.for_frank(subject_token=house.human(may_act={"iss": ISSUER, "sub": BOT})))["access_token"]
    assert "may_act" not in house.read(token)
    return await house.exchange("builder", subject_token=token, authorization_details=PART)


async def a_task_token_of_another_key(house: TokenHouse) -> Any:
    """Our claims under another's key."""
    said = house.read(await chained(house))
    forged = sign(said, {"alg": "ES256", "typ": "at+jwt", "kid": house.signer.key_id}, name="k1")
    return await house.exchange(subject_token=forged, authorization_details=PART)


async def a_transaction_token_as_access_token(house: TokenHouse) -> Any:
    """A token about a call is no credential."""
    told = house.told(house.read(await chained(house))["task"])
    return await house.exchange("builder", subject_token=told, authorization_details=PART)


async def a_transaction_token_without_its_actor(house: TokenHouse) -> Any:
    """`act` taken out of it, by whoever could sign."""
    told = house.told(house.read(await chained(house))["task"])
    form = {"subject_token_type": "urn:ietf:params:oauth:token-type:txn_token"}
    form |= {"actor_token": "builder", "actor_token_type": CLIENT}
    clean = signed_again(house.signer, told, act=None)
    return await house.exchange("builder", subject_token=clean, authorization_details=PART, **form)


MISTAKES: list[tuple[Mistake, str]] = [
    (act_without_an_actor_token, "invalid_request"),
    (act_with_an_actor_token, "invalid_request"),
    (may_act_without_an_actor_token, "invalid_request"),
    (the_client_for_the_actor, "invalid_request"),
    (azp_for_the_actor, "invalid_request"),
    (an_actor_token_with_act, "invalid_request"),
    (an_actor_token_with_act_of_the_issuer, "invalid_request"),
    (a_chain_behind_the_client, "invalid_request"),
    (another_agent_takes_the_chain, "unauthorized_client"),
    *((act_of(act), "invalid_request") for act in ("x", 7, [], [{"sub": "x"}], {"sub": "x", "act": "y"}, {"iss": "x"})),
    (act_of({"sub": "x", "act": {"sub": "y", "act": 1}}), "invalid_request"),
    (act_of(nested(9)), "invalid_request"),
    (written(',"act":null'), "invalid_request"),
    (written(',"act":{"sub":"a","sub":"b"}'), "invalid_request"),
    (written(',"act":{"sub":"a"},"act":{"sub":"b"}'), "invalid_request"),
    (written(',"act":{"sub":"a\\u0000b"}'), "invalid_request"),
    (written(',"act":' + '{"sub":"a","act":' * 40 + "{}" + "}" * 40), "invalid_request"),
    (written(',"may_act":null'), "invalid_request"),
    (a_subject_for_somebody_else, "invalid_grant"),
    (an_actor_for_somebody_else, "invalid_grant"),
    (a_refresh_token, "invalid_request"),
    (an_id_token, "invalid_request"),
    (asking_for_a_refresh_token, "invalid_request"),
    (impersonation, "invalid_request"),
    (an_unknown_scope, "invalid_request"),
    (a_wider_scope, "invalid_scope"),
    (a_wider_task, "invalid_scope"),
    (a_larger_budget, "invalid_authorization_details"),
    (a_bound_subject, "invalid_request"),
    (somebody_whom_the_subject_does_not_let, "invalid_grant"),
    (may_act_handed_on, "unauthorized_client"),
    (a_task_token_of_another_key, "invalid_request"),
    (a_transaction_token_as_access_token, "invalid_request"),
    (a_transaction_token_without_its_actor, "invalid_request"),
]


@pytest.mark.parametrize(
    ("mistake", "code"), MISTAKES, ids=[f"{index}-{one.__name__}" for index, (one, _) in enumerate(MISTAKES)]
)
def test_what_others_got_wrong_gets_no_token(house: TokenHouse, mistake: Mistake, code: str) -> None:
    """The code that RFC 6749 and RFC 8693 name for it; nothing is cached, nothing issued, and it is on record."""

    async def story() -> None:
        answer = await mistake(house)
        assert error(answer) == code
        assert house.log.records[-1]["type"] == "token.refused"

    asyncio.run(story())


def test_output_never_outlives_input(house: TokenHouse) -> None:
    """Neither token that was shown, nor the task, nor a quarter of an hour, by not a second; never a refresh token."""

    async def story() -> None:
        for subject, actor, ttl, least in ((100, 500, 900, 100), (500, 70, 900, 70), (500, 500, 40, 40)):
            body = good(
                await house.for_frank(
                    subject_token=house.human(exp=int(NOW) + subject, jti=f"h{least}"),
                    actor_token=house.agents_own(exp=int(NOW) + actor, jti=f"b{least}"),
                    authorization_details=details(ttl_seconds=ttl),
                )
            )
            assert body["expires_in"] == least
            assert "refresh_token" not in body
        assert good(await house.ask(grant_type="client_credentials", scope="crm/*"))["expires_in"] == 900

    asyncio.run(story())


def test_only_the_token_that_is_shown_counts(house: TokenHouse) -> None:
    """auth0-server-python 122: an ID token beside it says nothing of it; here there is none."""

    async def story() -> None:
        body = good(await house.for_frank())
        assert set(body) == {
            "access_token", "issued_token_type", "token_type", "expires_in", "scope", "authorization_details",
        }  # fmt: skip
        assert house.read(body["access_token"])["act"]["sub"] == "support-bot"
        beside = sign(claims(sub=FRANK, act={"sub": "other"}), header(typ="JWT"))
        again = good(await house.for_frank(subject_token=house.human(jti="h2"), id_token=beside))
        assert house.read(again["access_token"])["act"]["sub"] == "support-bot"

    asyncio.run(story())
