"""Serving: every door opens, a call goes through, start and stop are on record, and a second server is refused."""

import asyncio
import os
import signal
import socket
import ssl

import httpx
import pytest

from proxy.app.core import open_core
from proxy.app.local import open_control
from proxy.app.serve import serve_until_signal, serving
from proxy.errors import CountersignError
from proxy.listener.listener import Listener
from telemetry import reader
from telemetry.record import validate
from telemetry.verify import verify
from tests.fakes.serving import configured, on_loopback
from tests.fakes.upstream import upstream
from tests.fakes.waiting import PATIENCE
from tests.fakes.world import ADA, SECRET


def records(settings, *kinds):
    return [one for one in reader.records(settings.state / "audit") if one["type"] in kinds]


def test_a_call_goes_through_all_doors(tmp_path):
    """A handle over the operator's socket, a call through the gateway, its story in the status and the metrics."""

    async def main():
        async with upstream() as there:
            settings = configured(tmp_path, inventory=on_loopback(there.port))
            async with open_core(settings) as core, serving(core) as running:
                async with open_control(settings, running=True) as control:
                    made = (await control.post("/v1/handles", json={"agent": "support-bot"})).json()
                    assert (await control.get("/v1/status")).json()["gateway"] == running.gateway
                async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as agent:
                    headers = {"authorization": f"Bearer {made['handle']}"}
                    url = f"http://{running.gateway}/crm/v1/customers/{ADA}"
                    answer = await agent.get(url, headers=headers)
                    assert (answer.status_code, answer.text) == (200, "hello")
                    assert (await agent.get(url)).status_code == 401
                    page = await agent.get(f"{running.console}/healthz")
                    assert page.status_code == 200
                assert there.seen[0].field("authorization") == [f"Bearer {SECRET}"]
                assert made["handle"].encode() not in bytes(there.raw)
                assert running.bundle.read_text().count("BEGIN CERTIFICATE") > 1
        return settings

    settings = asyncio.run(main())
    kinds = [one["type"] for one in reader.records(settings.state / "audit")]
    assert [kind for kind in kinds if kind.startswith(("proxy.", "call."))] == [
        "proxy.started", "call.decided", "call.completed", "call.refused", "proxy.stopped",
    ]  # fmt: skip
    for one in reader.records(settings.state / "audit"):
        validate(one)
    assert verify(settings.state / "audit").ok


def test_start_and_stop_are_on_record(tmp_path):
    """The log says under which mode and versions we served, and that we stopped."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings) as core, serving(core) as running:
            return running

    running = asyncio.run(main())
    started, stopped = records(settings, "proxy.started", "proxy.stopped")
    assert (started["type"], stopped["type"]) == ("proxy.started", "proxy.stopped")
    assert started["change"]["what"] == (
        f"mode enforce, policies {running.policy_version}, inventory {running.inventory_version}"
    )
    assert running.unsafe == []
    assert running.audit_directory == settings.state / "audit"


def test_a_second_server_is_refused(tmp_path):
    """One state, one server: the second is told so, and the first goes on."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings) as core, serving(core):
            with pytest.raises(CountersignError, match="another Countersign runs on this state directory"):
                async with open_core(settings):
                    pass
            async with open_control(settings, running=True) as control:
                assert (await control.get("/readyz")).status_code == 200

    asyncio.run(main())


def test_a_long_state_path_is_served(tmp_path, monkeypatch):
    """A path that no UNIX socket could have is reached from the working directory."""
    folder = tmp_path / ("long" * 25)
    settings = configured(folder)
    monkeypatch.chdir(folder)

    async def main():
        async with open_core(settings) as core, serving(core), open_control(settings, running=True) as control:
            assert (await control.get("/readyz")).text == "ready\n"

    asyncio.run(main())


@pytest.mark.parametrize("door", ["proxy", "control"])
def test_a_door_that_cannot_open_stops_the_start(tmp_path, door):
    """A port in use: said in words, with the setting to change; nothing stays open, and no start is recorded."""
    settings = configured(tmp_path)

    async def main(port):
        taken = type(settings.listen.proxy)("127.0.0.1", port)
        listen = settings.listen.model_copy(update={door: taken})
        async with open_core(settings.model_copy(update={"listen": listen})) as core, serving(core):
            raise AssertionError("served")

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CountersignError, match="`listen`"):
        asyncio.run(main(taken.getsockname()[1]))
    assert records(settings, "proxy.started") == []


def test_a_start_that_cannot_be_recorded_is_no_start(tmp_path):
    """With the audit log closed we do not serve, and say why; the listener is closed again."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings) as core:
            real, closing = core.recorder.append, []

            async def append(record, salt=b""):
                if not closing:
                    closing.append(True)
                    await asyncio.to_thread(core.recorder.close)
                return await real(record, salt)

            core.recorder.append = append
            async with serving(core):
                raise AssertionError("served")

    with pytest.raises(CountersignError, match=r"proxy\.st\w+ cannot be recorded"):
        asyncio.run(main())


def test_a_fault_after_listening_closes_the_listener(tmp_path, monkeypatch):
    """Whatever fails between opening the doors and serving, they are closed, and the fault itself is told."""
    settings, stopped = configured(tmp_path), []
    real = Listener.stop

    async def stop(self, seconds):
        stopped.append(True)
        await real(self, seconds)

    monkeypatch.setattr(Listener, "stop", stop)
    monkeypatch.setattr("proxy.app.serve._running", lambda *_: 1 / 0)

    async def main():
        async with open_core(settings) as core, serving(core):
            raise AssertionError("served")

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert stopped == [True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path, number):
    """SIGTERM and SIGINT: what is under way ends, the stop is on record, and the log verifies."""
    settings, announced = configured(tmp_path), []

    def announce(running):
        announced.append(running)
        os.kill(os.getpid(), number)

    asyncio.run(serve_until_signal(settings, announce))
    assert announced[0].proxy.startswith("127.0.0.1:")
    assert records(settings, "proxy.stopped")
    assert verify(settings.state / "audit").ok


def test_limits_and_addresses_come_from_the_settings(tmp_path):
    """A body over `limits.body_bytes` is refused, and without `listen.gateway` there is no gateway."""
    more = "limits: {body_bytes: 1024}\n"

    async def main():
        settings = configured(tmp_path, more=more)
        async with (
            open_core(settings) as core,
            serving(core) as running,
            httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as agent,
        ):
            answer = await agent.post(f"http://{running.gateway}/crm/v1/refunds", content=b"x" * 2000)
            assert answer.status_code == 413
        listen = settings.listen.model_copy(update={"gateway": None})
        async with open_core(settings.model_copy(update={"listen": listen})) as core, serving(core) as running:
            assert running.gateway == ""

    asyncio.run(main())


def test_an_answer_that_never_begins_ends_its_call(tmp_path):
    """After `limits.answer_seconds`, or the service's own: 504, of an outcome that nobody knows, and so recorded."""

    async def silent(seen, writer):
        await seen.reader.read()
        return False

    async def main():
        async with upstream(silent) as there:
            own = "    trust: internal\n    answer_seconds: 1"
            inventory = on_loopback(there.port).replace("    trust: internal", own)
            settings = configured(tmp_path, inventory=inventory, more="limits: {answer_seconds: 900}\n")
            async with open_core(settings) as core, serving(core) as running:
                async with open_control(settings, running=True) as control:
                    handle = (await control.post("/v1/handles", json={"agent": "support-bot"})).json()["handle"]
                async with httpx.AsyncClient(trust_env=False, timeout=30) as agent:
                    url = f"http://{running.gateway}/crm/v1/customers/1"
                    answer = await agent.get(url, headers={"authorization": f"Bearer {handle}"})
                assert (answer.status_code, answer.json()["reason"]) == (504, "upstream_timeout")
                assert "OUTCOME UNKNOWN" in answer.json()["detail"]
                await core.pipeline.drain()
            (record,) = [one for one in reader.records(settings.state / "audit") if one["type"] == "call.aborted"]
            assert (record["error"]["reason"], record["upstream"]["sent"]) == ("upstream_timeout", True)

    asyncio.run(main())


def test_the_doors_with_tls_and_the_local_one(tmp_path):
    """A handle is good at each of them; the status tells of them, and the record says who came by the local one."""
    run = tmp_path / "run"
    more = f"  proxy_tls: 127.0.0.1:0\n  gateway_tls: 127.0.0.1:0\n  local: {run}/proxy.sock\n"

    async def main():
        async with upstream() as there:
            listen = 'listen:\n  proxy: "127.0.0.1:0"\n  gateway: "127.0.0.1:0"\n  control: "127.0.0.1:0"\n' + more
            settings = configured(tmp_path, inventory=on_loopback(there.port), listen=listen)
            async with open_core(settings) as core, serving(core) as running:
                async with open_control(settings, running=True) as control:
                    handle = (await control.post("/v1/handles", json={"agent": "support-bot"})).json()["handle"]
                    status = (await control.get("/v1/status")).json()
                assert (status["proxy_tls"], status["gateway_tls"]) == (running.proxy_tls, running.gateway_tls)
                assert status["local"] == running.local == f"{run}/proxy.sock"
                trust = ssl.create_default_context(cafile=str(running.bundle))
                headers = {"authorization": f"Bearer {handle}"}
                async with httpx.AsyncClient(trust_env=False, verify=trust, timeout=PATIENCE) as agent:
                    url = f"https://{running.gateway_tls}/crm/v1/customers/{ADA}"
                    assert (await agent.get(url, headers=headers)).status_code == 200
                place = f"http://127.0.0.1:{there.port}/v1/customers/{ADA}"
                for way in (
                    {"proxy": httpx.Proxy(f"https://x:{handle}@{running.proxy_tls}", ssl_context=trust)},
                    {"transport": httpx.AsyncHTTPTransport(uds=running.local)},
                ):
                    async with httpx.AsyncClient(trust_env=False, **way, timeout=PATIENCE) as agent:
                        request = agent.build_request("GET", place, headers={"proxy-authorization": f"Bearer {handle}"})
                        if "transport" in way:
                            request.extensions["target"] = place.encode()
                        answer = await agent.send(request)
                        assert (answer.status_code, answer.text) == (200, "hello"), answer.text
            assert not (run / "proxy.sock").exists()
        return settings

    settings = asyncio.run(main())
    peers = [one["client"]["ip"] for one in records(settings, "call.decided")]
    assert peers == ["127.0.0.1", "127.0.0.1", f"unix:uid={os.geteuid()}"]
    for one in reader.records(settings.state / "audit"):
        validate(one)
