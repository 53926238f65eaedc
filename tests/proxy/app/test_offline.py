"""The control API without a server: whoever may open the state is the operator, alone."""

import asyncio

import httpx
import pytest

from proxy.app.core import open_core
from proxy.app.offline import offline_control
from proxy.errors import CountersignError
from telemetry import reader
from tests.fakes.serving import configured


def test_the_operator_works_on_the_state_and_it_is_on_record(tmp_path):
    """A handle issued without a server is in the log, by whom, and is honoured by the next start."""
    settings = configured(tmp_path)

    async def issue():
        async with (
            offline_control(settings) as transport,
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            answer = await client.post("/v1/handles", json={"agent": "support-bot", "on_behalf_of": "alice"})
            assert answer.status_code == 201, answer.text
            return answer.json()

    async def use(handle):
        async with open_core(settings) as core:
            return await core.handles.find(handle, core.clock())

    made = asyncio.run(issue())
    assert asyncio.run(use(made["handle"])).agent == "support-bot"
    (record,) = [one for one in reader.records(settings.state / "audit") if one["type"] == "handle.issued"]
    assert record["change"]["by"].startswith("operator:uid=")


def test_nobody_works_on_a_state_that_is_in_use(tmp_path):
    """While a server has the state, it is the server that must be asked."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings):
            with pytest.raises(CountersignError, match="another Countersign runs"):
                async with offline_control(settings):
                    pass

    asyncio.run(main())
