"""SCIM as identity providers speak it: who has left, who is back, and nothing else."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.control.api import create_api
from proxy.control.leaving import Leavers
from proxy.control.scim import MEDIA_TYPE, USER, Scim
from proxy.errors import StoreUnavailable
from tests.fakes.control_house import House

TOKEN = "scim-token-0815-4711"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class ScimHouse(House):
    """A control house with the SCIM endpoint. `token` may be made unreadable."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.token_error: Exception | None = None
        people = self.written.people
        alice = people["alice"].model_copy(update={"email": "Alice@Example.com"})
        self.write(self.written.model_copy(update={"people": {**people, "alice": alice}}))
        self.app = create_api(self.deps, self.door, Scim(Leavers(self.deps), self._token).routes())

    def _token(self) -> str:
        if self.token_error:
            raise self.token_error
        return TOKEN

    def provider(self, token: str = TOKEN) -> httpx.AsyncClient:
        return self.client(authorization=f"Bearer {token}")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ScimHouse]:
    made = ScimHouse(tmp_path)
    yield made
    made.close()


def patch_op(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": list(operations)}


OFF = {
    "Okta": patch_op({"op": "replace", "value": {"active": False}}),
    "Entra": patch_op({"op": "Replace", "path": "active", "value": "False"}),
    "with a path": patch_op({"op": "replace", "path": "active", "value": False}),
    "fully named": patch_op({"op": "add", "path": f"{USER}:active", "value": False}),
    "under its schema": patch_op({"op": "replace", "value": {USER: {"active": False}}}),
    "at its schema": patch_op({"op": "replace", "path": USER, "value": {"active": False}}),
    "in other case": {"schemas": [PATCH], "operations": [{"OP": "REPLACE", "Path": "Active", "Value": "false"}]},
    "among others": patch_op(
        {"op": "replace", "path": "displayName", "value": "X"},
        {"op": "replace", "value": {"title": "Y", "active": False}},
    ),
    "the last word": patch_op(
        {"op": "replace", "path": "active", "value": True}, {"op": "replace", "path": "active", "value": False}
    ),
}


@pytest.mark.parametrize("body", OFF.values(), ids=OFF.keys())
@pytest.mark.parametrize("who", ["alice", "alice@example.com"])
def test_whom_a_provider_lets_go_is_inactive(house: ScimHouse, who: str, body: dict[str, Any]) -> None:
    """However it says so, by id or by address: in force when it is answered, and on record."""

    async def scenario() -> None:
        async with house.provider() as client:
            answer = await client.patch(f"/scim/v2/Users/{who}", json=body, headers={"content-type": MEDIA_TYPE})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert (answer.json()["id"], answer.json()["active"]) == ("alice", False)
        assert not house.facts.people["alice"].active
        (record,) = house.log.records
        assert (record["type"], record["change"]["what"], record["change"]["by"]) == (
            "person.deactivated", "person:alice", "scim",
        )  # fmt: skip

    asyncio.run(scenario())


def test_a_provider_brings_back_whom_it_let_go(house: ScimHouse) -> None:
    """By PATCH and by PUT; what it says of names changes nothing; not whom the files or the operator deactivated."""

    async def scenario() -> None:
        async with house.provider() as client:
            assert (await client.delete("/scim/v2/Users/alice")).status_code == 204
            assert not house.facts.people["alice"].active
            named = {"schemas": [USER], "userName": "x", "displayName": "Mallory"}
            assert (await client.put("/scim/v2/Users/alice", json=named)).json()["active"] is False
            back = await client.put("/scim/v2/Users/alice", json=named | {"active": True})
            assert (back.json()["active"], back.json()["displayName"]) == (True, "Alice Almond")
            assert (await client.put("/scim/v2/Users/dave", json={"active": True})).json()["active"] is False
            async with house.operator() as operator:
                await operator.post("/v1/people/bob/deactivate", json={"reason": "incident"})
            on = patch_op({"op": "replace", "value": {"active": True}})
            assert (await client.patch("/scim/v2/Users/bob", json=on)).json()["active"] is False

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer wrong-token-0815", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \u00fc".encode()],
)
def test_without_the_token_nothing_is_answered(house: ScimHouse, authorization: Any) -> None:
    """No way in, for any method; and nobody learns who exists."""

    async def scenario() -> None:
        headers = {"origin": "http://127.0.0.1:8700"} | ({"authorization": authorization} if authorization else {})
        async with house.client() as client:
            for method, path in (
                ("GET", "/scim/v2/Users/alice"), ("GET", "/scim/v2/Users/nobody"), ("GET", "/scim/v2/Users"),
                ("GET", "/scim/v2/ServiceProviderConfig"), ("PATCH", "/scim/v2/Users/alice"),
                ("PUT", "/scim/v2/Users/alice"), ("DELETE", "/scim/v2/Users/alice"), ("POST", "/scim/v2/Users"),
            ):  # fmt: skip
                answer = await client.request(method, path, headers=headers)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == 'Bearer realm="countersign"'
                assert "Alice" not in answer.text
        assert house.facts.people["alice"].active
        assert house.log.records == []

    asyncio.run(scenario())


def test_two_tokens_and_an_unreadable_one_open_nothing(house: ScimHouse) -> None:
    """Two headers leave open which one is meant; a token that cannot be read matches none."""

    async def scenario() -> None:
        async with house.client() as client:
            twice = [("authorization", f"Bearer {TOKEN}"), ("authorization", f"Bearer {TOKEN}")]
            assert (await client.get("/scim/v2/Users/alice", headers=twice)).status_code == 401
            house.token_error = StoreUnavailable("unset")
            one = {"authorization": f"Bearer {TOKEN}"}
            assert (await client.get("/scim/v2/Users/alice", headers=one)).status_code == 503

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", MEDIA_TYPE, 400),
        (b"{", MEDIA_TYPE, 400),
        (b"[]", MEDIA_TYPE, 400),
        (b'{"Operations": 7}', MEDIA_TYPE, 400),
        (b'{"Operations": [7]}', MEDIA_TYPE, 400),
        (b'{"Operations": [{"op": "toggle"}]}', MEDIA_TYPE, 400),
        (b'{"Operations": [{"op": "replace", "path": "active", "value": "no"}]}', MEDIA_TYPE, 400),
        (b'{"Operations": [{"op": "replace", "path": "active", "value": null}]}', MEDIA_TYPE, 400),
        (b'{"Operations": [{"op": "replace", "path": ["active"], "value": false}]}', MEDIA_TYPE, 400),
        (b'{"Operations": [{"op": "remove", "path": "active"}]}', MEDIA_TYPE, 400),
        *(
            (json.dumps(patch_op({"op": "replace", **meant})).encode(), MEDIA_TYPE, 400)
            for meant in (  # whoever means `active` otherwise than is understood must not be told 200
                {"path": "active[value eq true]", "value": False},
                {"path": f"{USER}:active.value", "value": False},
                {"path": " active ", "value": False},
                {"path": "/active", "value": False},
                {"path": "active", "value": [{"value": "False"}]},
                {"value": [{"active": False}]},
                {"value": '{"active": false}'},
                {"value": {"active.value": False}},
                {"value": {USER: [{"active": False}]}},
                {"value": {"title": "Y", "/active": False}},
                {},
            )
        ),
        (b'{"Operations": [], "Operations": [{"op": "replace", "path": "active", "value": false}]}', MEDIA_TYPE, 400),
        (b'{"Operations": ' + b"[" * 40 + b"]" * 40 + b"}", MEDIA_TYPE, 400),
        (json.dumps(patch_op(*[{"op": "replace", "path": "active", "value": False}] * 101)).encode(), MEDIA_TYPE, 400),
        (b'{"Operations": []}', "text/plain", 415),
        (b"x" * 70_000, MEDIA_TYPE, 413),
    ],
)
def test_garbage_changes_nothing(house: ScimHouse, content: bytes, kind: str, status: int) -> None:
    """Each is refused in words; a change of which any part is wrong is not made at all."""

    async def scenario() -> None:
        async with house.provider() as client:
            answer = await client.patch("/scim/v2/Users/alice", content=content, headers={"content-type": kind})
        assert answer.status_code == status, answer.text
        if status != 413:
            assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
            assert answer.json()["status"] == str(status)
        assert house.facts.people["alice"].active
        assert house.log.records == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('userName eq "alice"', ["alice"]),
        ('username EQ "ALICE@example.COM"', ["alice"]),
        ('emails.value eq "alice@example.com"', ["alice"]),
        ('emails[type eq "work"].value eq "alice@example.com"', ["alice"]),
        ('id eq "bob"', ["bob"]),
        ('userName eq "nobody"', []),
        ('userName eq ""', []),
        ('externalId eq "7"', []),
        (f'{USER}:userName eq "bob"', ["bob"]),
    ],
)
def test_people_are_found_by_name(house: ScimHouse, text: str, found: list[str]) -> None:
    """As providers look before they speak of somebody."""

    async def scenario() -> None:
        async with house.provider() as client:
            told = (await client.get("/scim/v2/Users", params={"filter": text})).json()
        assert [user["id"] for user in told["Resources"]] == found
        assert told["totalResults"] == len(found)

    asyncio.run(scenario())


def test_everybody_is_listed_a_page_at_a_time(house: ScimHouse) -> None:
    """And what is asked wrongly is said to be."""

    async def scenario() -> None:
        async with house.provider() as client:
            page = (await client.get("/scim/v2/Users?startIndex=2&count=2")).json()
            assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (6, 2, 2)
            assert [user["id"] for user in page["Resources"]] == ["bob", "carol"]
            assert (await client.get("/scim/v2/Users?count=0")).json()["Resources"] == []
            for query in (
                "count=x",
                "startIndex=1.5",
                "startIndex=--5",
                "count=5-",
                'filter=userName sw "a"',
                'filter=title eq "x"',
                'filter=emails.type eq "work"',
                'filter=emails[type eq "work"] eq "alice@example.com"',
            ):
                assert (await client.get(f"/scim/v2/Users?{query}")).status_code == 400
            assert (await client.get("/scim/v2/Users/nobody")).status_code == 404
            config = (await client.get("/scim/v2/ServiceProviderConfig")).json()
            assert config["patch"] == {"supported": True}
            assert (await client.get("/scim/v2/ResourceTypes")).json()["Resources"][0]["endpoint"] == "/Users"
            groups = (await client.get("/scim/v2/Groups?startIndex=1&count=100")).json()
            assert (groups["totalResults"], groups["Resources"]) == (0, [])

    asyncio.run(scenario())


def test_a_person_is_not_made_another(house: ScimHouse) -> None:
    """A user under the name of somebody else is mixed up: who leaves, or comes back, is then not known."""

    async def scenario() -> None:
        async with house.provider() as client:
            for name, status in (("bob", 409), ("Alice@EXAMPLE.com", 200), ("alice.new@example.com", 200), (7, 200)):
                answer = await client.put("/scim/v2/Users/alice", json={"userName": name, "active": True})
                assert answer.status_code == status
            answer = await client.put("/scim/v2/Users/alice", json={"userName": "bob", "active": False})
        assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness")
        assert house.facts.people["alice"].active

    asyncio.run(scenario())


def test_nobody_is_added(house: ScimHouse) -> None:
    """People are the inventory's: one who is there already is a conflict, another is not implemented."""

    async def scenario() -> None:
        async with house.provider() as client:
            there = await client.post("/scim/v2/Users", json={"userName": "alice"})
            assert (there.status_code, there.json()["scimType"]) == (409, "uniqueness")
            assert (await client.post("/scim/v2/Users", json={"userName": "mallory"})).status_code == 501
        assert "mallory" not in house.facts.people

    asyncio.run(scenario())


def test_what_cannot_be_written_down_is_not_done(house: ScimHouse) -> None:
    """The provider is told to try again, in its own words."""

    async def scenario() -> None:
        house.log.broken = True
        async with house.provider() as client:
            assert (await client.delete("/scim/v2/Users/alice")).status_code == 503
            house.log.broken = False
            house.store.close()
            assert (await client.delete("/scim/v2/Users/alice")).status_code == 503
        assert house.facts.people["alice"].active

    asyncio.run(scenario())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["replace", "active", "False", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Operations", "op", "path", "value", "active"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=_JSON)
def test_any_body_is_answered(house: ScimHouse, body: Any) -> None:
    """Done, or refused in words: never a fault of ours."""

    kind = {"content-type": MEDIA_TYPE}

    async def scenario() -> None:
        async with house.provider() as client:
            for method in ("PATCH", "PUT", "POST"):
                path = "/scim/v2/Users/alice" if method != "POST" else "/scim/v2/Users"
                answer = await client.request(method, path, content=json.dumps(body), headers=kind)
                assert answer.status_code in {200, 400, 409, 501}, (method, body, answer.text)

    asyncio.run(scenario())
