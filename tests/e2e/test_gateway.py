"""Gateway: an agent whose base URL points at us and names the service."""

import asyncio
from typing import Any

import httpx
import pytest

from proxy.demo.stage import Stage
from tests.e2e.driving import approve, issue, pending
from tests.fakes.waiting import PATIENCE


@pytest.fixture(scope="module")
def handle(stage: Stage) -> str:
    """A handle of the agent."""
    return str(issue(stage)["handle"])


def gateway(stage: Stage, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=f"{stage.gateway}/crm", headers=headers, trust_env=False, timeout=PATIENCE)


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_a_base_url_and_a_key_are_enough(stage: Stage, handle: str, header: str) -> None:
    """With the handle as bearer token or as API key: allowed, refused, and held then released once."""
    value = f"Bearer {handle}" if header == "authorization" else handle
    refund = {"customer": f"by-{header}", "amount": 30_000}
    with gateway(stage, **{header: value}) as client:
        assert client.get("/v1/customers/c-7").json()["name"] == "Ada Example"
        refused = client.get("/v1/exports/customers")
        assert (refused.status_code, refused.json()["reason"]) == (403, "no_permit")
        held = client.post("/v1/refunds", json=refund)
        assert held.status_code == 428
        approve(stage, held.json()["hold_id"])
        assert client.post("/v1/refunds", json=refund).status_code == 201
        books = client.get("/v1/refunds").json()["refunds"]
    assert sum(entry["customer"] == refund["customer"] for entry in books) == 1


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "csh_" + "a" * 43}, {"authorization": "Basic eDp5"}])
def test_without_a_good_key_nothing_passes(stage: Stage, headers: dict[str, str]) -> None:
    """No credential, an unknown handle, or one of another kind: refused with 401 and how to prove oneself."""
    with gateway(stage, **headers) as client:
        answer = client.get("/v1/customers/c-7")
    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers


def test_an_unknown_service_is_refused(stage: Stage, handle: str) -> None:
    """A first path segment that names no service goes nowhere."""
    with gateway(stage, authorization=f"Bearer {handle}") as client:
        answer = client.get(f"{stage.gateway}/nowhere/v1/customers/c-7")
    assert (answer.status_code, answer.json()["reason"]) == (403, "service_unknown")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_mcp_client_takes_the_gateway_as_its_server(stage: Stage, handle: str, mode: Any) -> None:
    """The SDK's client with our URL and a bearer token: allowed, refused, held, released."""
    asked = {"query": f"everything by gateway {mode}"}

    async def story() -> list[tuple[bool, str]]:
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        url = f"{stage.gateway}/notes"
        headers = {"authorization": f"Bearer {handle}"}
        async with (
            httpx.AsyncClient(headers=headers, trust_env=False, timeout=PATIENCE) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):

            async def call(tool: str, arguments: dict[str, Any]) -> tuple[bool, str]:
                result = await client.call_tool(tool, arguments)
                return bool(result.is_error), result.content[0].text

            said = [await call("search_notes", {"query": "Ada"}), await call("delete_note", {"note": "n1"})]
            said.append(await call("search_notes", asked))
            (hold,) = [row for row in pending(stage) if asked["query"] in row["effect"]]
            await asyncio.to_thread(approve, stage, hold["id"])
            said.append(await call("search_notes", asked))
            return said

    allowed, refused, held, released = asyncio.run(story())
    assert allowed == (False, "n1: Ada asked for an invoice")
    assert refused[0] is True
    assert held[0] is True
    assert released == (False, "no notes")
