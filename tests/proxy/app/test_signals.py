"""Events between real houses: two Countersigns on loopback, and what the status says of them."""

import asyncio
import contextlib
import socket

import httpx

from proxy.app.control import control_application
from proxy.app.core import open_core
from proxy.app.serve import serving
from proxy.app.signals import signal_gauges
from proxy.stages import Released
from telemetry import reader
from telemetry.metrics import Metrics
from telemetry.record import validate
from tests.fakes.serving import configured
from tests.fakes.waiting import until
from tests.fakes.world import arrived, get, problem, shown

TOKEN = "a-tells-b-this-4711"


@contextlib.contextmanager
def kept_port():
    """A port that nobody else is given while this lasts, since it is bound; who names it may listen there."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", 0))
        yield one.getsockname()[1]


@contextlib.asynccontextmanager
async def two_houses(folder, *, delivery="push", subjects="scopes", more=""):
    """A, which tells, and B, which hears: all doors of both are open."""
    with kept_port() as a_port, kept_port() as b_port:
        async with _two_houses(folder, a_port, b_port, delivery, subjects, more) as both:
            yield both


@contextlib.asynccontextmanager
async def _two_houses(folder, a_port, b_port, delivery, subjects, more):
    a_url, b_url = f"http://127.0.0.1:{a_port}", f"http://127.0.0.1:{b_port}"
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    for house in ("a", "b"):
        (folder / house / "signals.token").touch(mode=0o600)
        (folder / house / "signals.token").write_text(TOKEN)
    url = f"url: {b_url}/ssf/events, " if delivery == "push" else ""
    a = configured(
        folder / "a",
        more=f"identity: {{token_issuer: '{a_url}'}}\n"
        f"signals: {{receivers: [{{id: b, audience: b, {url}authorization: 'file:signals.token', "
        f"subjects: {subjects}, kinds: [global, agent, principal, task]}}]}}\n",
    )
    how = "authorization: 'file:signals.token'"
    if delivery == "poll":
        how = f"delivery: poll, poll_url: '{a_url}/ssf/poll', token: 'file:signals.token'"
    b = configured(
        folder / "b",
        more=f"signals: {{transmitters: [{{issuer: '{a_url}', audience: b, jwks_url: '{a_url}/ssf/jwks.json', "
        f"{how}, scopes: true, {more}}}]}}\n",
    )
    a = a.model_copy(update={"listen": a.listen.model_copy(update={"control": replace_port(a, a_port)})})
    b = b.model_copy(update={"listen": b.listen.model_copy(update={"control": replace_port(b, b_port)})})
    async with open_core(a) as first, serving(first), open_core(b) as second, serving(second):
        yield first, second


def replace_port(settings, port):
    import dataclasses

    return dataclasses.replace(settings.listen.control, port=port)


async def released_by(core, task="t-1"):
    handle, _ = await core.handles.issue(
        agent="support-bot", purpose="t", ttl=600, issued_by="t", now=core.clock(), on_behalf_of="alice", task=task
    )
    verdict = await core.pipeline.admit_call(arrived(get()), shown(handle))
    assert isinstance(verdict, Released), verdict
    return verdict, shown(handle)


def test_what_a_ends_b_refuses_and_cuts(tmp_path):
    """A call that B let through is cut, and the next is refused, without anybody at B lifting a finger.

    How soon is measured in tests/bench/bench_signals.py.
    """

    async def main():
        async with two_houses(tmp_path) as (a, b):
            released, evidence = await released_by(b)
            assert b.pipeline.still_allowed("conn_1", released) is None
            await a.revocations.revoke("agent:support-bot", "operator", "compromised", a.clock())
            await until(lambda: b.pipeline.still_allowed("conn_1", released) is not None)
            assert problem(await b.pipeline.admit_call(arrived(get()), evidence))["status"] == 403
            (row,) = b.revocations.in_force()
            assert row.by.startswith("transmitter:http://127.0.0.1:")
            assert "compromised" in row.reason
            assert await drained(a)
        return b.settings

    settings = asyncio.run(main())
    records = list(reader.records(settings.state / "audit"))
    (heard,) = [one for one in records if one["type"] == "signal.received"]
    assert "ends=agent:support-bot" in heard["change"]["details"]
    for one in records:
        validate(one)


async def drained(core):
    async with asyncio.timeout(60):
        while await core.store.waiting():
            await asyncio.to_thread(lambda: None)
    return True


def test_b_may_fetch_instead(tmp_path):
    """By polling it hears as fast, since the poll waits at A for what comes."""

    async def main():
        async with two_houses(tmp_path, delivery="poll") as (a, b):
            released, _ = await released_by(b)
            await a.revocations.revoke("principal:alice", "person:olivia", "left", a.clock())
            await until(lambda: b.pipeline.still_allowed("conn_1", released) is not None)
            assert await drained(a)  # B has acknowledged it

    asyncio.run(main())


def test_nobody_who_fetches_keeps_us_from_ending(tmp_path, caplog):
    """An open poll is answered when A stops, in order and without a word of trouble."""

    async def main():
        async with two_houses(tmp_path, delivery="poll") as (a, b):
            await a.revocations.revoke("agent:other-bot", "operator", "x", a.clock())
            await until(lambda: bool(b.revocations.in_force()))
            assert await drained(a)  # so that the next poll waits
            a.signals.leave()
            assert a.signals.deps.telling.news().is_set()
            a.signals._wake()
            assert a.signals.deps.telling.news().is_set()

    asyncio.run(main())
    assert "Traceback" not in caplog.text
    assert "Exception in ASGI" not in caplog.text


def test_what_was_ended_while_b_was_away_is_told_when_it_is_there(tmp_path):
    """Nothing at A waits for B; the line is kept over a restart of A, and nothing is told twice."""
    settings = configured(
        tmp_path,
        more="identity: {token_issuer: 'http://127.0.0.1:8700'}\n"
        "signals: {receivers: [{id: b, audience: b, url: 'http://127.0.0.1:1/ssf/events'}]}\n",
    )

    async def once(scope):
        async with open_core(settings) as core:
            await core.revocations.revoke(scope, "operator", "x", core.clock())
            async with asyncio.timeout(60):
                while scope not in await core.store.told("b"):
                    await asyncio.to_thread(lambda: None)
            await until(lambda: bool(core.signals.status().get("events_trouble")))
            return [one.claims["sub_id"] for one in await core.store.outgoing("b", 10)]

    first = asyncio.run(once("agent:support-bot"))
    second = asyncio.run(once("principal:https://idp.example|x"))
    assert first == [{"format": "opaque", "id": "agent:support-bot"}]
    assert second == [*first, {"format": "iss_sub", "iss": "https://idp.example", "sub": "x"}]


def test_what_is_lifted_need_not_be_known_as_told(tmp_path, monkeypatch):
    """Once an hour the memory is cleared of it, and the key is changed if that is due."""
    from proxy.app import signals as module

    monkeypatch.setattr(module, "FORGET_SECONDS", 0.0)
    settings = configured(
        tmp_path,
        more="identity: {token_issuer: 'http://127.0.0.1:8700'}\n"
        "signals: {receivers: [{id: b, audience: b, authorization: 'file:crm.key'}]}\n",
    )

    async def main():
        async with open_core(settings) as core:
            await core.revocations.revoke("agent:support-bot", "operator", "x", core.clock())
            async with asyncio.timeout(60):
                while not await core.store.told("b"):
                    await asyncio.to_thread(lambda: None)
                await core.revocations.lift("agent:support-bot")
                while await core.store.told("b"):
                    await asyncio.to_thread(lambda: None)
            assert len(await core.store.outgoing("b", 10)) == 1

    asyncio.run(main())


def test_nothing_configured_means_no_routes_and_no_key(tmp_path):
    """Neither heard nor told: the addresses do not exist, and the status is silent about it."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings) as core:
            app = control_application(core, ("http://127.0.0.1:8700",), dict, Metrics())
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8700"
            ) as client:
                for path in ("/.well-known/ssf-configuration", "/ssf/jwks.json"):
                    assert (await client.get(path)).status_code == 404
                for path in ("/ssf/events", "/ssf/poll"):
                    assert (await client.post(path)).status_code == 404
            assert core.signals.steps() == []
            assert core.signals.status() == {}
        assert not (settings.state / "signals.keys").exists()

    asyncio.run(main())


def test_the_status_and_the_metrics_tell_of_a_silent_stream(tmp_path):
    """A transmitter that was not heard for too long stands in both, by name."""

    async def main():
        async with two_houses(tmp_path, more="expected_heartbeat_seconds: 60, ") as (a, b):
            await a.revocations.revoke("agent:other-bot", "operator", "x", a.clock())
            await until(lambda: bool(b.revocations.in_force()))
            assert await drained(a)
            (line,) = b.signals.status()["events_from"]
            assert line.endswith(" s ago")
            assert "SILENT" not in line
            await until(lambda: a.signals.status()["events_to"] == ["b: 0 in line"])  # counted once a second
            gauges = signal_gauges(b.signals)
            assert gauges["countersign_signals_silent"][1]() == 0.0
            await b.signals.silence.look(b.clock() + 61)
            assert "SILENT" in b.signals.status()["events_from"][0]
            assert gauges["countersign_signals_silent"][1]() == 1.0
            assert signal_gauges(a.signals)["countersign_signals_waiting"][1]() == 0.0

    asyncio.run(main())


def test_a_sign_of_life_is_sent_and_taken(tmp_path, monkeypatch):
    """Verification events keep the stream from falling silent; they end nothing."""

    async def main():
        async with two_houses(tmp_path) as (a, b):
            (receiver,) = a.signals.deps.telling.receivers.values()
            await a.signals._beating(receiver, 0.0)()
            assert await drained(a)
            assert b.revocations.in_force() == []
        return b.settings

    settings = asyncio.run(main())
    (heard,) = [one for one in reader.records(settings.state / "audit") if one["type"] == "signal.received"]
    assert heard["change"]["kind"] == "verification"


def test_a_receiver_has_its_stream_tried_out(tmp_path):
    """By what our configuration says and the token that was agreed upon: the event that it asked for comes."""

    async def main():
        async with two_houses(tmp_path) as (a, b):
            proof = {"authorization": f"Bearer {TOKEN}"}
            async with httpx.AsyncClient(headers=proof, trust_env=False) as client:
                own = f"http://127.0.0.1:{a.settings.listen.control.port}"
                at = (await client.get(f"{own}/.well-known/ssf-configuration")).json()
                (stream,) = (await client.get(at["configuration_endpoint"])).json()
                asked = {"stream_id": stream["stream_id"], "state": "is anybody there"}
                assert (await client.post(at["verification_endpoint"], json=asked)).status_code == 204
            assert await drained(a)
        return b.settings

    settings = asyncio.run(main())
    (heard,) = [one for one in reader.records(settings.state / "audit") if one["type"] == "signal.received"]
    assert (heard["change"]["kind"], "subject=opaque:b" in heard["change"]["details"]) == ("verification", True)


def test_what_waits_for_too_long_is_given_up_on_record(tmp_path, monkeypatch):
    """A receiver that was away for longer than a week is not told of what came before; that is written down."""
    from proxy.app import signals as module
    from proxy.control.signals.model import Outgoing

    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    settings = configured(
        tmp_path,
        more="identity: {token_issuer: 'http://127.0.0.1:8700'}\n"
        "signals: {receivers: [{id: b, audience: b, authorization: 'file:crm.key'}]}\n",
    )

    async def main():
        async with open_core(settings) as core:
            await core.store.add_outgoing(Outgoing("gone", "set_1", core.clock() - 8 * 86_400, {"sub_id": {}}))
            assert await drained(core)

    asyncio.run(main())
    (given_up,) = [one for one in reader.records(settings.state / "audit") if one["type"] == "signal.undelivered"]
    assert given_up["change"]["what"] == "receiver:gone"
