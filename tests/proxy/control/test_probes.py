"""What machines may ask without signing in."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from proxy.control.api import create_api
from tests.fakes.control_house import ORIGIN, House


def test_alive_and_ready(house: House) -> None:
    """Alive always; ready only while nothing says otherwise, and then it says why."""

    async def scenario() -> None:
        async with house.client() as client:
            assert (await client.get("/healthz")).text == "alive\n"
            assert (await client.get("/readyz")).status_code == 200
            house.ready = "the audit log is full"
            answer = await client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "not ready: the audit log is full\n")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("client", "status"),
    [(("127.0.0.1", 9), 200), (("::1", 9), 200), (("10.0.0.7", 9), 403), (None, 403), (("localhost", 9), 403)],
)
def test_metrics_stay_on_this_machine(house: House, client: Any, status: int) -> None:
    """Only a loopback address and the operator's socket get them."""

    async def scenario() -> None:
        async def from_there(scope: Any, receive: Any, send: Any) -> None:
            await house.app({**scope, "client": client}, receive, send)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(from_there), base_url=ORIGIN) as asked:
            assert (await asked.get("/metrics")).status_code == status
        async with house.operator() as operator:
            assert (await operator.get("/metrics")).text == "countersign_calls_total 3\n"

    asyncio.run(scenario())


def test_services_read_our_keys(house: House) -> None:
    """Whoever verifies what we sign may know the keys, and keep them for a while; without any there is nothing here."""

    async def scenario() -> None:
        async with house.client() as client:
            answer = await client.get("/.well-known/jwks.json")
            assert (answer.status_code, answer.json()["code"]) == (404, "keys_unknown")
        house.app = create_api(replace(house.deps, jwks=lambda: {"keys": []}), house.door)
        async with house.client() as client:
            answer = await client.get("/.well-known/jwks.json")
        assert (answer.status_code, answer.json()) == (200, {"keys": []})
        assert answer.headers["content-type"] == "application/jwk-set+json"
        assert answer.headers["cache-control"] == "public, max-age=300"

    asyncio.run(scenario())
