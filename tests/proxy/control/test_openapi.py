"""The API's description is its table of routes."""

import asyncio
import re

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
