"""The application as a whole: unknown places, and faults of our own."""

import asyncio

import pytest

from tests.fakes.control_house import House


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/holds/x/y/z", "/v1/holds/", "//v1/holds"])
def test_an_unknown_place_is_a_problem_document(house: House, path: str) -> None:
    """Also for somebody who is signed in; an address with a slash too many is another one."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            answer = await client.get(f"http://127.0.0.1:8700{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "route_unknown")

    asyncio.run(scenario())


def test_a_method_that_a_place_does_not_take_is_refused(house: House) -> None:
    """GET never votes: there is no such route."""

    async def scenario() -> None:
        view = await house.hold()
        async with await house.person("alice") as client:
            for path in ("approve", "deny"):
                answer = await client.get(f"/v1/holds/{view.id}/{path}")
                assert (answer.status_code, answer.json()["code"]) == (405, "method_unknown")
        assert (await house.holds.get(view.id)).votes == ()

    asyncio.run(scenario())


def test_a_fault_of_ours_is_told_without_its_inside(house: House) -> None:
    """A bug in a handler is a 500 problem document, with the guards, without a traceback."""

    async def scenario() -> None:
        async def broken(_: object, __: int) -> list[tuple[dict[str, object], tuple[int, ...]]]:
            raise RuntimeError("/etc/secret")

        house.log.older = broken  # type: ignore[method-assign]  # a bug
        async with house.operator() as client:
            answer = await client.get("/v1/calls")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text

    asyncio.run(scenario())


def test_head_asks_and_changes_nothing(house: House) -> None:
    """HEAD is answered wherever GET is, with no body and no record."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            for path in ("/v1/holds", "/v1/calls", "/v1/handles", "/v1/revocations", "/v1/status"):
                answer = await client.head(path)
                assert (answer.status_code, answer.content) == (200, b"")
        assert house.log.records == []

    asyncio.run(scenario())
