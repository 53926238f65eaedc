"""The API's description is its table of routes."""

import asyncio
import json
import re
from typing import Any

from tests.fakes.control_house import House
from tests.proxy.control.test_routes import DOORS


def test_every_door_for_people_is_described(house: House) -> None:
    """Each path and method, with who may use it, its parameters, and the shape of its body."""

    async def scenario() -> None:
        async with house.client() as client:
            document = (await client.get("/openapi.json")).json()
        assert document["openapi"].startswith("3.1")
        described = {(method.upper(), path) for path, ways in document["paths"].items() for method in ways}
        assert described == {door for door, who in DOORS.items() if who not in {"open", "local"}}
        for path, ways in document["paths"].items():
            for operation in ways.values():
                named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
                assert named == set(re.findall(r"{(\w+)}", path))
                assert operation["description"].startswith("For ")
        decide = document["paths"]["/v1/holds/{id}/approve"]["post"]["requestBody"]["content"]["application/json"]
        assert set(decide["schema"]["required"]) == {"action_digest", "row_version"}
        assert decide["schema"]["additionalProperties"] is False

    asyncio.run(scenario())


def test_tasks_and_revocations_are_described_whole(house: House) -> None:
    """What a task declares, and both ways to stop a scope, are in the shapes; every reference leads somewhere."""

    async def scenario() -> None:
        async with house.client() as client:
            document = (await client.get("/openapi.json")).json()
        paths, shapes = document["paths"], document["components"]["schemas"]

        def body(method: str, path: str) -> dict[str, Any]:
            content = paths[path][method]["requestBody"]["content"]
            schema: dict[str, Any] = content["application/json"]["schema"]
            return schema

        assert set(body("post", "/v1/tasks")["required"]) == {"agent", "purpose", "tools"}
        assert {"calls", "spend"} <= set(shapes["BudgetLimits"]["properties"])
        assert set(shapes["SpendLimit"]["required"]) == {"tool", "argument", "limit"}
        assert body("post", "/v1/revocations")["properties"]["kind"]["enum"] == ["revoke", "freeze"]
        assert {"agent", "live"} == {each["name"] for each in paths["/v1/tasks"]["get"]["parameters"]}
        references = re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document))
        assert set(references) == set(shapes)
        assert "$defs" not in json.dumps(document)

    asyncio.run(scenario())
