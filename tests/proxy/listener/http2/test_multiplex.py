"""HTTP/2 between a real client and the real listener: many calls on one connection, each its own."""

import asyncio
import contextlib
import resource
import shutil

import pytest

from proxy.listener.http2.frames import MAX_STREAMS
from proxy.listener.upstreams import MAX_KEPT_FOR_SEVERAL
from proxy.stages import Arrived, Injection, Released, Reply, Secret
from tests.fakes.agents import rig
from tests.fakes.gate import DENIED, FakeGate
from tests.fakes.h2_agent import frames_in, h2_agent, head
from tests.fakes.upstream import Seen, answer, says
from tests.fakes.waiting import PATIENCE, SwiftLoop, flying, until, within

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"
SECRET = Injection(headers=(("authorization", "Bearer s3cr3t-value"),), secrets=(Secret("env:X", "s3cr3t-value"),))


async def endless(seen: Seen, writer: asyncio.StreamWriter) -> None:
    """An answer that goes on until somebody ends it."""
    writer.write(CHUNKED)
    while True:
        writer.write(b"9\r\ndata: x\n\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


def test_a_call() -> None:
    """A request goes the same way as over HTTP/1.1, and leaves as HTTP/1.1."""

    async def run() -> None:
        async with rig(http2=True) as r, h2_agent(r) as agent:
            got = await agent.answer(agent.post(b'{"a":1}', "/v1/things?x=1", ("content-type", "application/json")))
            assert (got.status, bytes(got.body)) == (200, b"hello")
            assert ("content-length", "5") in got.fields
            arrived, evidence = r.gate.calls[0]
            assert evidence is None
            assert (arrived.entrance, arrived.request.authority) == ("connect", "a.test")
            assert (arrived.request.path, arrived.request.query) == ("/v1/things", "x=1")
            assert arrived.request.body == b'{"a":1}'
            seen = r.upstream.seen[0]
            assert seen.first_line == "POST /v1/things?x=1 HTTP/1.1"
            assert seen.fields == [("host", "a.test"), ("content-type", "application/json"), ("content-length", "7")]
            assert [(a.status, a.response_bytes, a.sent) for a in r.gate.answers] == [(200, 5, True)]
        assert r.gate.gone == [arrived.connection]

    asyncio.run(run())


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl() -> None:
    """curl chooses HTTP/2 when it is offered, and its large body gets through the windows."""

    async def run() -> None:
        async with rig(http2=True, max_body_bytes=4 * 2**20) as r:
            data = r.directory / "data"
            await asyncio.to_thread(data.write_bytes, b"x" * 2 * 2**20)
            process = await asyncio.create_subprocess_exec(
                *("curl", "-sS", "-x", r.proxy, "--cacert", r.ca, "-w", " %{http_version}"),
                *("--data-binary", f"@{data}", "https://a.test/"),
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await process.communicate()
            assert out == b"hello 2"
            assert len(r.upstream.seen[0].body) == 2 * 2**20

    asyncio.run(run())


def test_off_by_default() -> None:
    """A client that would speak HTTP/2 is given HTTP/1.1."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel(tls=False)
            context = r.trust()
            context.set_alpn_protocols(["h2", "http/1.1"])
            await wire.start_tls(context, "a.test")
            assert wire.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            assert (await wire.ask("GET / HTTP/1.1\nHost: a.test"))[0] == 200
            await wire.close()

    asyncio.run(run())


def test_the_preface_alone_is_not_enough() -> None:
    """What was not agreed on in the handshake is not spoken: not in clear text, and not over HTTP/1.1's TLS."""

    async def run() -> None:
        async with rig(http2=True) as r:
            for tls in (False, True):
                wire = await r.tunnel(tls=tls)
                wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
                assert (await wire.rest()).startswith(b"HTTP/1.1 505 ")
                await wire.close()
            assert r.upstream.connections == 0

    asyncio.run(run())


def test_http_1_1_stays_possible() -> None:
    """A client that offers only HTTP/1.1 gets that."""

    async def run() -> None:
        async with rig(http2=True) as r:
            wire = await r.tunnel()
            assert (await wire.ask("GET / HTTP/1.1\nHost: a.test"))[0] == 200
            await wire.close()

    asyncio.run(run())


def test_a_refused_call() -> None:
    """The gate's answer goes to the agent as it is; the connection goes on."""

    async def run() -> None:
        gate = FakeGate(call=lambda _: DENIED)
        async with rig(gate=gate, http2=True) as r, h2_agent(r) as agent:
            got = await agent.answer(agent.post(b"{}"))
            assert (got.status, bytes(got.body)) == (403, DENIED.body)
            gate.call = None
            assert (await agent.answer(agent.get())).status == 200
            assert (await agent.answer(agent.get(method="HEAD"))).body == b""

    asyncio.run(run())


@pytest.mark.parametrize("broken", ["admit_call", "destination", "still_allowed"])
def test_a_gate_that_fails_refuses(broken: str) -> None:
    """Whatever breaks in the gate, nothing goes upstream."""

    async def run() -> None:
        async with rig(http2=True, sweep_interval=60) as r, h2_agent(r) as agent:
            r.gate.fail = frozenset({broken})
            assert (await agent.answer(agent.get())).status in {403, 503}
            assert bytes(r.upstream.raw) == b""
            assert r.gate.answers == []

    asyncio.run(run())


def test_held_calls_hold_nobody_else() -> None:
    """Two calls wait for their approval, a third passes; then each gets its own answer, under its own permit."""

    async def run() -> None:
        wait = asyncio.Event()

        async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
            writer.write(answer(seen.first_line.encode()))

        class Holding(FakeGate):
            async def admit_call(self, arrived: Arrived, evidence: object) -> Released | Reply:
                self.calls.append((arrived, None))
                if arrived.request.path.startswith("/held"):
                    await wait.wait()
                return self.release(arrived)

        gate = Holding()
        async with rig(handler, gate=gate, http2=True) as r, h2_agent(r) as agent:
            held = [agent.get("/held/1"), agent.get("/held/2")]
            assert (await agent.answer(agent.get("/free"))).body == b"GET /free HTTP/1.1"
            assert [agent.answers[number].over for number in held] == [False, False]
            wait.set()
            bodies = [bytes((await agent.answer(number)).body) for number in held]
            assert bodies == [b"GET /held/1 HTTP/1.1", b"GET /held/2 HTTP/1.1"]
            assert len({id(a.released) for a in gate.answers}) == 3
            assert {a.released.decided.described.attributed.arrived.connection for a in gate.answers} == set(
                r.listener.connections()
            )

    asyncio.run(run())


def test_parallel_calls_never_share_an_upstream_connection() -> None:
    """Every answer is the one to its own request, and connections that are free again are used again."""

    async def run() -> None:
        async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.001)
            writer.write(answer(seen.first_line.split(" ")[1].encode()))

        async with rig(handler, http2=True) as r, h2_agent(r) as agent:
            for turn in range(3):
                numbers = {agent.get(f"/{turn}/{index}"): f"/{turn}/{index}".encode() for index in range(50)}
                for number, path in numbers.items():
                    assert (await agent.answer(number)).body == path
            assert r.upstream.connections <= 50 + 2 * (50 - MAX_KEPT_FOR_SEVERAL)
            await until(lambda: len(r.upstream.writers) <= MAX_KEPT_FOR_SEVERAL)
            assert len(r.gate.answers) == 150

    asyncio.run(run())


def test_server_sent_events_arrive_at_once() -> None:
    """Each event reaches the agent when the upstream sends it, on twelve streams at a time."""

    async def run() -> None:
        go_on = [asyncio.Event() for _ in range(12)]

        async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
            writer.write(CHUNKED + b"9\r\ndata: 1\n\n\r\n")
            await writer.drain()
            await go_on[int(seen.first_line.split(" ")[1][1:])].wait()
            writer.write(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

        async with rig(handler, http2=True) as r, h2_agent(r) as agent:
            streams = [agent.get(f"/{index}") for index in range(12)]
            await agent.until(lambda: all(bytes(agent.answers[n].body) == b"data: 1\n\n" for n in streams))
            assert not agent.closed
            for event in go_on:
                event.set()
            for number in streams:
                assert (await agent.answer(number)).body == b"data: 1\n\ndata: 2\n\n"

    asyncio.run(run())


def test_a_slow_reader_takes_little_memory() -> None:
    """50 MB wait at their upstream, not with us, while an agent gives no room; another stream goes on meanwhile."""
    size = 50 * 2**20
    sent = 0

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        if seen.first_line.startswith("GET /small"):
            writer.write(answer())
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        piece = b"x" * 2**18
        for _ in range(size // len(piece)):
            writer.write(piece)
            await writer.drain()
            sent += len(piece)

    async def run() -> None:
        async with rig(handler, http2=True) as r, h2_agent(r) as agent:
            agent.acknowledge = False
            large = agent.answers[agent.get("/large")]
            await agent.until(lambda: len(large.body) == 65535)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            stopped = -1
            while stopped != sent:
                stopped = sent
                await asyncio.sleep(0.2)
            assert stopped < 16 * 2**20, "the upstream was not held back"
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            assert grown < 16 * 1024, f"{grown} KiB"
            agent.connection.increment_flow_control_window(2**20)  # of the connection: not of that stream
            agent.flush()
            assert (await agent.answer(agent.get("/small"))).status == 200
            agent.acknowledge = True
            agent.connection.increment_flow_control_window(2**30, 1)
            agent.connection.increment_flow_control_window(2**30)
            agent.flush()
            got = 0
            while not large.over:
                await agent.read()
                got += len(large.body)
                large.body.clear()
            assert got == size
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 24 * 1024
            assert sorted(a.response_bytes for a in r.gate.answers) == [5, size]

    asyncio.run(run())


def test_a_reader_with_endless_windows_that_does_not_read() -> None:
    """An agent that promises room and reads nothing is held back by the socket, whatever else it asks for."""
    sent = 0

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % 2**30)
        for _ in range(2**12):
            writer.write(b"x" * 2**18)
            await writer.drain()
            sent += 2**18

    async def run() -> None:
        async with rig(handler, http2=True) as r, h2_agent(r, window=2**31 - 1) as agent:
            agent.connection.increment_flow_control_window(2**30)
            for index in range(4):
                agent.get(f"/{index}")
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            stopped = -1
            while stopped != sent or not sent:
                stopped = sent
                await asyncio.sleep(0.2)
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024
            assert len(r.listener.connections()) == 1
            agent.wire.writer.transport.abort()

    asyncio.run(run())


def test_taken_back_while_held() -> None:
    """A call that the agent takes back is cancelled; nothing goes upstream, and the other streams go on."""

    async def run() -> None:
        gate = FakeGate(wait=asyncio.Event())
        async with rig(gate=gate, http2=True) as r, h2_agent(r) as agent:
            number = agent.get()
            await gate.asked.wait()
            agent.cancel(number)
            gate.wait = None
            assert (await agent.answer(agent.get("/next"))).status == 200
            assert [seen.first_line for seen in r.upstream.seen] == ["GET /next HTTP/1.1"]
            assert (len(gate.answers), gate.never_sent) == (1, [])

    asyncio.run(run())


def test_taken_back_and_the_gate_does_not_notice() -> None:
    """A release that comes although the call was taken back is given back as never sent."""

    async def run() -> None:
        gate = FakeGate()
        leave = asyncio.Event()

        async def stubborn(arrived: Arrived, evidence: object) -> Released:
            gate.asked.set()
            with contextlib.suppress(asyncio.CancelledError):
                await leave.wait()
            return gate.release(arrived)

        gate.admit_call = stubborn  # type: ignore[assignment,method-assign]
        async with rig(gate=gate, http2=True) as r, h2_agent(r) as agent:
            number = agent.get()
            await gate.asked.wait()
            agent.cancel(number)
            async with asyncio.timeout(PATIENCE):
                await gate.ended.wait()
            assert [reason for _, reason in gate.never_sent] == ["client_disconnected"]
            assert r.upstream.connections == 0
            assert len(r.listener.connections()) == 1

    asyncio.run(run())


def test_taken_back_in_the_middle_of_an_answer() -> None:
    """The upstream connection of this call is closed, and it is accounted for once; the others go on."""

    async def run() -> None:
        async with rig(endless, http2=True) as r, h2_agent(r) as agent:
            one, other = agent.get(), agent.get()
            await agent.until(lambda: all(agent.answers[number].body for number in (one, other)))
            agent.cancel(one)
            async with asyncio.timeout(PATIENCE):
                await r.gate.ended.wait()
                await r.upstream.closed.wait()
            assert [(a.status, a.error, a.sent) for a in r.gate.answers] == [(0, "client_disconnected", True)]
            before = len(agent.answers[other].body)
            await agent.until(lambda: len(agent.answers[other].body) > before + 100)
            assert not agent.answers[other].over

    asyncio.run(run())


def test_revocation_cuts_every_stream() -> None:
    """When the identity's access ends, the whole connection is closed, well within a second."""

    async def run() -> None:
        async with rig(endless, http2=True) as r, h2_agent(r) as agent:
            streams = [agent.get() for _ in range(5)]
            await agent.until(lambda: all(agent.answers[number].body for number in streams))
            r.gate.cut = "agent_revoked"
            with within(1):
                await agent.end()
            assert not any(agent.answers[number].ended for number in streams)
            assert [(a.status, a.error) for a in r.gate.answers] == [(0, "agent_revoked")] * 5

    asyncio.run(run())


def test_one_call_is_cut_and_the_others_are_not() -> None:
    """When only one call's access ends, its stream is reset, well within a second, and the connection stays."""

    class Selective(FakeGate):
        ended_path = ""

        def still_allowed(self, connection: str, released: Released | None) -> str | None:
            return "task_ended" if released and released.upstream.path == self.ended_path else None

    async def run() -> None:
        gate = Selective()
        async with rig(endless, gate=gate, http2=True) as r, h2_agent(r) as agent:
            one, other = agent.get("/one"), agent.get("/other")
            await agent.until(lambda: all(agent.answers[number].body for number in (one, other)))
            gate.ended_path = "/one"
            with within(1):
                assert (await agent.answer(one)).reset is not None
            assert [(a.status, a.error) for a in gate.answers] == [(0, "task_ended")]
            before = len(agent.answers[other].body)
            await agent.until(lambda: len(agent.answers[other].body) > before + 100)
            assert len(r.listener.connections()) == 1

    asyncio.run(run())


def test_upstream_errors_do_not_stick() -> None:
    """One failed connection, or broken answer, is one call's; the next call to the same place is served."""

    async def run() -> None:
        from dataclasses import replace

        async with rig(http2=True) as r, h2_agent(r) as agent:
            good = r.gate.place
            assert good is not None
            r.gate.place = replace(good, connect=("127.0.0.1", 1))
            got = await agent.answer(agent.get())
            assert (got.status, b"NOT EXECUTED" in got.body) == (502, True)
            r.gate.place = good
            assert (await agent.answer(agent.get())).status == 200
            assert len(r.gate.never_sent) == 1

    asyncio.run(run())


def test_closed_upstreams_are_forgotten() -> None:
    """After many calls to an upstream that closes each connection, nothing of them is kept."""

    async def run() -> None:
        import gc

        from proxy.listener.profile import GovernedServer

        handler = says(answer(b"hi", "200 OK", "Connection: close"), close=True)
        async with rig(handler, http2=True) as r, h2_agent(r) as agent:
            for _ in range(20):
                streams = [agent.get() for _ in range(10)]
                for number in streams:
                    assert (await agent.answer(number)).body == b"hi"
            assert r.upstream.connections == 200
            gc.collect()
            await until(lambda: sum(isinstance(thing, GovernedServer) for thing in gc.get_objects()) < 5)

    asyncio.run(run())


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"",
    ],
)
def test_an_answer_that_cannot_be_understood(raw: bytes) -> None:
    """The agent gets a clear 502 that does not claim to know whether the call took effect."""

    async def run() -> None:
        async with rig(says(raw, close=True), http2=True) as r, h2_agent(r) as agent:
            got = await agent.answer(agent.get())
            assert (got.status, b"OUTCOME UNKNOWN" in got.body) == (502, True)
            assert [(a.status, a.sent) for a in r.gate.answers] == [(0, True)]

    asyncio.run(run())


def test_an_answer_that_breaks_off() -> None:
    """An answer that is incomplete does not look complete: its stream is reset, and only that."""

    async def run() -> None:
        async with rig(says(CHUNKED + b"5\r\nhello\r\n", close=True), http2=True) as r, h2_agent(r) as agent:
            got = await agent.answer(agent.get())
            assert (got.ended, got.reset is not None) == (False, True)
            assert [(a.status, bool(a.error)) for a in r.gate.answers] == [(0, True)]
            assert len(r.listener.connections()) == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    "raw",
    [
        answer(b"", "200 OK", "X-Echo: s3cr3t-value"),
        answer(b"you sent s3cr3t-value"),
        answer(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip"),
    ],
)
def test_a_secret_in_the_answer(raw: bytes) -> None:
    """An answer that holds the secret, or cannot be searched for it, does not reach the agent."""

    async def run() -> None:
        async with rig(says(raw), gate=FakeGate(injection=SECRET), http2=True) as r, h2_agent(r) as agent:
            got = await agent.answer(agent.get())
            assert got.status == 502
            assert b"s3cr3t" not in got.body
            assert "s3cr3t" not in str(got.fields)
            assert [a.status for a in r.gate.answers] == [0]

    asyncio.run(run())


def test_hop_by_hop_fields_stay_on_their_hop() -> None:
    """What belongs to one connection, or claims to come from a proxy, does not get through in either direction."""
    raw = answer(
        b"", "200 OK", "Connection: x-named", "X-Named: 1", "Proxy-Authenticate: Basic", "Alt-Svc: h3", "X-Own: 1"
    )
    fields = (
        *(("te", "trailers"), ("proxy-authorization", "Bearer t"), ("x-forwarded-for", "1.2.3.4"), ("x_real_ip", "1")),
        *(("traceparent", "00-x"), ("x-countersign-agent", "root"), ("x-kept", "1"), ("cookie", "a=1")),
        *(("cookie", "b=2"), ("host", "a.test")),
    )

    async def run() -> None:
        async with rig(says(raw), http2=True) as r, h2_agent(r) as agent:
            got = await agent.answer(agent.get("/", *fields))
            assert got.fields == [(":status", "200"), ("x-own", "1"), ("content-length", "0")]
            assert r.upstream.seen[0].fields == [("host", "a.test"), ("x-kept", "1"), ("cookie", "a=1; b=2")]
            assert r.gate.calls[0][0].traceparent == "00-x"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n'),
    ],
)
def test_answers_without_a_body(method: str, raw: bytes) -> None:
    """HEAD, 204 and 304 have no body, and end."""

    async def run() -> None:
        async with rig(says(raw), http2=True) as r, h2_agent(r) as agent:
            for _ in range(2):
                got = await agent.answer(agent.get(method=method))
                assert (got.ended, got.body) == (True, b"")
            assert r.upstream.connections == 1

    asyncio.run(run())


def test_interim_answers_are_dropped() -> None:
    """103 Early Hints of an upstream is not the answer; the answer comes after it."""

    async def run() -> None:
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        async with rig(says(hints + answer()), http2=True) as r, h2_agent(r) as agent:
            got = await agent.answer(agent.get())
            assert (got.status, got.interim, bytes(got.body)) == (200, [], b"hello")

    asyncio.run(run())


def test_100_continue() -> None:
    """A client that waits is told to go on if its identity stands, and is not if it does not."""

    async def run() -> None:
        async with rig(http2=True, sweep_interval=60) as r, h2_agent(r) as agent:
            number = agent.begin([*head("POST"), ("expect", "100-continue"), ("content-length", "2")], end=False)
            await agent.until(lambda: bool(agent.answers[number].interim))
            agent.connection.send_data(number, b"hi", end_stream=True)
            agent.flush()
            got = await agent.answer(number)
            assert (got.interim, got.status) == (["100"], 200)
            assert r.upstream.seen[0].field("expect") == []
            r.gate.cut = "agent_revoked"
            number = agent.begin([*head("POST"), ("expect", "100-continue"), ("content-length", "2")], end=False)
            agent.connection.send_data(number, b"hi", end_stream=True)
            agent.flush()
            got = await agent.answer(number)
            assert (got.interim, got.status) == ([], 403)

    asyncio.run(run())


def test_a_stream_too_many() -> None:
    """The hundred and first stream is refused as not processed; the hundred are answered, and so is the next one."""

    async def run() -> None:
        gate = FakeGate(wait=asyncio.Event())
        async with rig(gate=gate, http2=True) as r, h2_agent(r) as agent:
            streams = [agent.get(f"/{index}") for index in range(MAX_STREAMS + 1)]  # before it knows our settings
            last = await agent.answer(streams[-1])
            assert (agent.settings[3], last.reset) == (MAX_STREAMS, 7)
            assert gate.wait is not None
            gate.wait.set()
            for number in streams[:-1]:
                assert (await agent.answer(number)).status == 200
            assert (await agent.answer(agent.get())).status == 200
            assert len(gate.calls) == MAX_STREAMS + 1
            assert len(r.listener.connections()) == 1

    asyncio.run(run())


def test_large_bodies_share_a_bounded_room() -> None:
    """Twelve uploads of 4 MiB at a time all get through, though there is room for fewer of them at once."""

    async def run() -> None:
        async with rig(http2=True, max_body_bytes=4 * 2**20) as r, h2_agent(r) as agent:
            fields = [*head("POST"), ("content-length", str(4 * 2**20))]
            streams = [agent.begin(fields, end=False) for _ in range(12)]
            left = dict.fromkeys(streams, 4 * 2**20)
            while left:
                moved = False
                for number in list(left):
                    room = min(agent.connection.local_flow_control_window(number), 16384, left[number])
                    if room > 0:
                        moved = True
                        left[number] -= room
                        agent.connection.send_data(number, b"x" * room, end_stream=not left[number])
                        agent.flush()
                    if not left[number]:
                        del left[number]
                if not moved:
                    await agent.read()
            for number in streams:
                assert (await agent.answer(number)).status == 200
            assert sorted(len(seen.body) for seen in r.upstream.seen) == [4 * 2**20] * 12

    asyncio.run(run())


def test_draining() -> None:
    """A listener that stops says which streams it still serves, serves them, takes no others, and then goes."""

    async def run() -> None:
        gate = FakeGate(wait=asyncio.Event())
        async with rig(gate=gate, http2=True) as r, h2_agent(r) as agent:
            number = agent.get()
            await gate.asked.wait()
            stopping = asyncio.create_task(r.listener.stop(5))
            await asyncio.sleep(0)
            late = agent.get("/late")
            assert gate.wait is not None
            gate.wait.set()
            frames = frames_in(await agent.wire.rest())
            assert (7, 0, number.to_bytes(4) + bytes(4)) in frames, "GOAWAY"
            assert (3, late, (7).to_bytes(4)) in frames, "RST_STREAM: refused"
            assert (0, number, b"hello") in frames, "DATA"
            assert [seen.first_line for seen in r.upstream.seen] == ["GET / HTTP/1.1"]
            await agent.close()
            await stopping

    asyncio.run(run())


def test_draining_while_idle() -> None:
    """An idle connection is told and closed at once."""

    async def run() -> None:
        async with rig(http2=True) as r, h2_agent(r) as agent:
            assert (await agent.answer(agent.get())).status == 200
            stopping = asyncio.create_task(r.listener.stop(5))
            await agent.end()
            assert agent.goaway is not None
            await agent.close()
            await stopping

    asyncio.run(run())


@pytest.mark.parametrize("begun", [False, True])
def test_slow_agents(begun: bool) -> None:
    """A request that does not arrive in time is answered with 408; an idle connection is let go."""

    async def run() -> None:
        patience = {"header_timeout": 10, "body_timeout": 10, "idle_timeout": 10}
        async with rig(http2=True, **patience) as r, h2_agent(r) as agent:
            if begun:
                number = agent.begin([*head("POST"), ("content-length", "9")], end=False)
                got = await flying(agent.answer(number))
                assert got.status == 408
            await flying(agent.end())
            assert agent.goaway is not None
            assert r.upstream.connections == 0

    asyncio.run(run(), loop_factory=SwiftLoop)


def test_a_block_of_fields_that_does_not_end() -> None:
    """Fields that trickle in are not waited for beyond the time that a head may take."""

    async def run() -> None:
        async with rig(http2=True) as r, h2_agent(r) as agent:
            assert (await agent.answer(agent.get())).status == 200
            agent.wire.send(b"\0\0\x01\x01\0\0\0\0\x03\x82")  # HEADERS, and no more
            await flying(agent.end())
            assert len(r.gate.calls) == 1

    asyncio.run(run(), loop_factory=SwiftLoop)


def test_the_agent_leaves() -> None:
    """Everything under way is accounted for when the connection goes: held, and in the middle of an answer."""

    async def run() -> None:
        class Holding(FakeGate):
            async def admit_call(self, arrived: Arrived, evidence: object) -> Released | Reply:
                if arrived.request.path == "/held":
                    self.asked.set()
                    await asyncio.Event().wait()
                return self.release(arrived)

        gate = Holding()
        async with rig(endless, gate=gate, http2=True) as r, h2_agent(r) as agent:
            number = agent.get()
            agent.get("/held")
            await gate.asked.wait()
            await agent.until(lambda: bool(agent.answers[number].body))
            await agent.close()
            await until(lambda: not r.listener.connections())
            assert [(a.status, a.error, a.sent) for a in gate.answers] == [(0, "client_disconnected", True)]
            assert len(gate.gone) == 1

    asyncio.run(run())


def test_a_goodbye_with_calls_under_way() -> None:
    """An agent that says GOAWAY has left: its calls are ended and accounted for."""

    async def run() -> None:
        async with rig(endless, http2=True) as r, h2_agent(r) as agent:
            number = agent.get()
            await agent.until(lambda: bool(agent.answers[number].body))
            agent.connection.close_connection()
            agent.wire.send(agent.connection.data_to_send())
            await until(lambda: not r.listener.connections())
            assert [(a.status, a.error) for a in r.gate.answers] == [(0, "client_disconnected")]

    asyncio.run(run())
