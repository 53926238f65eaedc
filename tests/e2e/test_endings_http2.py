"""Streams of one HTTP/2 connection end by themselves: what is ended is reset, and its neighbours go on."""

import asyncio
import ssl
from collections.abc import Iterator

import httpx
import pytest

from proxy.demo.stage import Stage, open_stage
from tests.e2e.conftest import replace
from tests.e2e.driving import CRM, PATIENCE, issue, stage_time


@pytest.fixture(scope="module")
def house() -> Iterator[Stage]:
    """A house that speaks HTTP/2 to agents."""

    def prepare(stage: Stage) -> None:
        replace(stage.config, "listen: {", "listen: {http2: true, ")

    with open_stage(agent=False, prepare=prepare) as stage:
        yield stage


@pytest.mark.parametrize("kind", ["revoke", "freeze"])
@pytest.mark.parametrize("kept", ["tool:crm/watch_events", "agent:support-bot"])
def test_one_stream_ends_and_the_connection_only_with_its_agent(house: Stage, kept: str, kind: str) -> None:
    """Within a second; a call to another tool on the same connection passes, unless it is the agent that is ended."""

    async def main() -> None:
        trust = ssl.create_default_context(cafile=str(house.directory / "state" / "ca" / "bundle.pem"))
        proxy = str(house.proxy).replace("http://", f"http://support-bot:{issue(house)['handle']}@")
        async with httpx.AsyncClient(
            http2=True, proxy=proxy, verify=trust, trust_env=False, timeout=PATIENCE
        ) as client:
            began = await cut_by(client, house, kept, kind)
            assert stage_time(house) - began < 1.0
            answer = await client.get(f"{CRM}/v1/customers/c-7")
            expected = {"tool": 200, "agent": 403 if kind == "revoke" else 428}[kept.partition(":")[0]]
            assert (answer.status_code, answer.http_version) == (expected, "HTTP/2")
        house.ask("DELETE", f"/v1/revocations?scope={kept}", {"reason": "over"})

    asyncio.run(main())


async def cut_by(client: httpx.AsyncClient, house: Stage, scope: str, kind: str) -> float:
    """When the command was given that ended a stream which was flowing."""
    began = 0.0
    try:
        async with client.stream("GET", f"{CRM}/v1/events") as stream:
            assert (stream.status_code, stream.http_version) == (200, "HTTP/2")
            async for _ in stream.aiter_raw():
                if not began:
                    began = stage_time(house)
                    body = {"scope": scope, "reason": "e2e", "kind": kind}
                    done = await asyncio.to_thread(house.ask, "POST", "/v1/revocations", body)
                    assert (done["connections"], done["calls"]) == (1, 1)
    except httpx.HTTPError:
        return began
    raise AssertionError("the stream went on to its end")
