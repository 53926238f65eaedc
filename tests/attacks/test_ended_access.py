"""Access that ends while a connection is open: the real path of a call behind a real listener, with its own clock."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.utils import accept_key

from proxy.facts import Attestation, Held, OwnershipRules
from proxy.identity.clusters import ClusterSettings
from proxy.identity.workloads import Workloads
from proxy.listener.listener import Listener
from proxy.listener.options import ListenerOptions
from proxy.stages import Principal
from proxy.tasks.delegation import Proof
from proxy.tasks.task import NewTask
from tests.fakes.agents import Rig, Wire
from tests.fakes.cluster import ACCOUNT, CLUSTER, US, ApiServer, account_token
from tests.fakes.gate import FakeGate
from tests.fakes.h2_agent import h2_agent
from tests.fakes.upstream import Handler, Seen, answer, trust_file, upstream
from tests.fakes.waiting import until, within
from tests.fakes.world import INVENTORY, NOW, World, world

GET = "GET /v1/customers/ada HTTP/1.1\nHost: crm.test"
KNOWN = f'team: support, identities: [{{issuer: "{CLUSTER}", subject: "{ACCOUNT}"}}]'
OF_NOW = {"iat": int(NOW) - 10, "nbf": int(NOW) - 10, "exp": int(NOW) + 3000}
OTHER = ("127.0.0.2", 0)
HELD = '{"customer": "ada", "amount": 45000}'


@dataclass
class Governed:
    """A real house behind a real listener. `end` ends the access of whoever came with `handle`."""

    rig: Rig
    house: World
    end: Callable[[], None]
    reason: str
    in_force: Callable[[], bool]
    cluster: ApiServer

    async def tunnel(self) -> Wire:
        return await self.rig.tunnel("crm.test")

    def sweep(self) -> None:
        """What the listener does now and then."""
        house = self.rig.listener._house
        assert house is not None
        for connection in list(house.connections.values()):
            connection.sweep(house.loop.time(), thorough=True)


@contextlib.asynccontextmanager
async def governed(
    folder: Path, how: str, handler: Handler | None = None, *, wait: float = 0.0, **options: object
) -> AsyncIterator[Governed]:
    async def customer(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(answer())

    with ApiServer() as cluster:
        (folder / "token").write_text(cluster.ours)
        settings = ClusterSettings(CLUSTER, US, review_url=cluster.url, token_file=folder / "token")
        async with _governed(folder, how, handler or customer, wait, (cluster, settings), options) as one:
            yield one


@contextlib.asynccontextmanager
async def _governed(
    folder: Path,
    how: str,
    handler: Handler,
    wait: float,
    of_cluster: tuple[ApiServer, ClusterSettings],
    options: dict[str, object],
) -> AsyncIterator[Governed]:
    cluster, settings = of_cluster
    async with upstream(handler, names=("crm.test",)) as server:
        more = f"127.0.0.1:{server.port}\n    allow_websocket: true\n    ca_bundle: {trust_file(folder)}"
        inventory = INVENTORY.replace("127.0.0.1:8443", more).replace("team: support, purpose", f"{KNOWN}, purpose")
        rules = OwnershipRules(privileged_task_seconds=60)
        workloads = Workloads([], [settings])
        async with world(folder, inventory=inventory, wait=wait, rules=rules, workloads=workloads) as house:
            listener = Listener(house.pipeline, ListenerOptions(ca_directory=folder, **options))  # type: ignore[arg-type]  # as given
            await listener.start()
            wanted = asyncio.Event()
            act = {
                "revoked": _revoke(house),
                "reclassified": _reclassify(house, inventory),
                "pod deleted": _delete(house, cluster),
            }.get(how)
            acting = asyncio.create_task(_when(wanted, act))

            def expire() -> None:
                house.clock.now += 3601
                house.feed._heard_at = house.clock.now  # the feed is not what this is about

            end = expire if how == "expires" else wanted.set
            in_force = {
                "expires": lambda: True,
                "revoked": lambda: bool(house.feed.epochs.rows),
                "reclassified": lambda: _class_of(house) == "privileged",
                "pod deleted": acting.done,
            }[how]
            try:
                task = "task-1" if how != "reclassified" else await _begun(house)
                shown = account_token(**OF_NOW) if how == "pod deleted" else await house.handle(task=task)
                cluster.good.add(shown)
                rig = Rig(listener, FakeGate(), server, folder, f"Proxy-Authorization: Bearer {shown}")
                yield Governed(rig, house, end, _REASONS[how], in_force, cluster)
            finally:
                acting.cancel()
                await asyncio.gather(acting, return_exceptions=True)
                await listener.stop(0)


async def _when(wanted: asyncio.Event, act: Callable[[], Awaitable[object]] | None) -> None:
    await wanted.wait()
    if act is not None:
        await act()


def _revoke(house: World) -> Callable[[], Awaitable[object]]:
    return lambda: house.revocations.revoke("agent:support-bot", "operator", "test", house.clock())


def _reclassify(house: World, inventory: str) -> Callable[[], Awaitable[object]]:
    """The files call it privileged, and Olivia has attested it as such."""

    async def act() -> None:
        said = Attestation(
            id="a1", what="agent:support-bot", owner="olivia", agent_class="privileged", digest="sha256:1",
            person="olivia", at=house.clock(),
        )  # fmt: skip
        house.keeper.hold(Held(attestations={"agent:support-bot": said}))
        await house.edit(inventory=inventory.replace("{id: support-bot,", "{id: support-bot, agent_class: privileged,"))

    return act


async def _begun(house: World) -> str:
    """A task of a minute ago, for an hour: more than a privileged agent may have here."""
    asked = NewTask(
        agent="support-bot", purpose="refunds", deadline=house.clock() + 3600, principal=Principal("human", "alice"),
        proof=Proof("personal_token", "verified", "sha256:aa"), tools=("crm/*",), datasets=("read:customers",),
    )  # fmt: skip
    task = await house.tasks.create(asked, by="test", now=house.clock())
    house.clock.now += 61
    await house.hear()
    return task.id


def _class_of(house: World) -> str:
    return house.keeper.world.inventory.agents["support-bot"].agent_class


def _delete(house: World, cluster: ApiServer) -> Callable[[], Awaitable[object]]:
    """The API server knows no such pod any more; half a minute later it is asked."""

    async def act() -> None:
        cluster.good.clear()
        house.clock.now += 30
        house.feed._heard_at = house.clock.now
        await house.parts.resolver.refresh(house.clock())

    return act


_REASONS = {
    "expires": "identity_expired",
    "revoked": "agent_revoked",
    "reclassified": "task_ended",
    "pod deleted": "identity_revoked",
}
every_way = pytest.mark.parametrize("how", _REASONS)


async def refused_and_closed(made: Governed, wire: Wire, head: str = GET) -> None:
    """The next request gets one answer, a 403 that says why and that this is the end; and then the end."""
    status, head_of_answer, body = await wire.ask(head)
    assert (status, json.loads(body)["reason"]) == (403, made.reason)
    assert b"connection: close" in head_of_answer.lower()
    wire.send(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    assert await wire.rest() == b""
    await wire.close()


@every_way
def test_the_next_request_in_a_tunnel_is_refused_and_the_tunnel_ends(tmp_path: Path, how: str) -> None:
    """One 403 with the reason, then the connection is closed; nothing more reaches the service."""

    async def run() -> None:
        async with governed(tmp_path, how, sweep_interval=60) as made:
            wire = await made.tunnel()
            assert (await wire.ask(GET))[0] == 200
            made.end()
            await heard(made)
            await refused_and_closed(made, wire)
            assert len(made.rig.upstream.seen) == 1

    asyncio.run(run())


@every_way
def test_a_tunnel_that_was_never_used_is_refused_in_words(tmp_path: Path, how: str) -> None:
    """Who has opened a tunnel and asked nothing yet hears why, however long ago access ended."""

    async def run() -> None:
        async with governed(tmp_path, how, sweep_interval=0.02) as made:
            wire = await made.tunnel()
            made.end()
            await heard(made)
            for _ in range(3):
                made.sweep()
            await refused_and_closed(made, wire)
            assert made.rig.upstream.seen == []

    asyncio.run(run())


@every_way
def test_an_idle_tunnel_is_closed(tmp_path: Path, how: str) -> None:
    """Within a second and politely, since nothing is under way: a client begins anew, with what it has then."""

    async def run() -> None:
        async with governed(tmp_path, how) as made:
            wire = await made.tunnel()
            assert (await wire.ask(GET))[0] == 200
            made.end()
            await heard(made)
            with within(2):
                assert await wire.rest() == b""
            await wire.close()

    asyncio.run(run())


@every_way
def test_requests_without_a_tunnel(tmp_path: Path, how: str) -> None:
    """A connection that carries one request after the other ends the same way, whatever it presents again."""

    async def run() -> None:
        async with governed(tmp_path, how, sweep_interval=60) as made:
            wire = await made.rig.dial()
            ask = f"GET http://crm.test/v1/customers/ada HTTP/1.1\nHost: crm.test\n{made.rig.credential}"
            status, _, first = await wire.ask(ask)
            assert status == 403, first  # http:// is no way to this service; but the connection has an identity now
            assert json.loads(first)["reason"] == "service_unknown"
            made.end()
            await heard(made)
            status, head, _ = await wire.ask(ask)
            assert status in {403, 407}
            assert b"connection: close" in head.lower()
            assert await wire.rest() == b""
            await wire.close()

    asyncio.run(run())


@every_way
def test_an_answer_that_is_under_way_is_cut(tmp_path: Path, how: str) -> None:
    """Within a second, and so that what came cannot be taken for a whole answer."""

    async def stream(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with governed(tmp_path, how, stream) as made:
            wire = await made.tunnel()
            wire.send(GET.replace("\n", "\r\n").encode() + b"\r\n\r\n")
            await wire.head()
            made.end()
            await heard(made)
            with within(2):
                assert not (await wire.rest()).endswith(b"0\r\n\r\n")
            await wire.close()

    asyncio.run(run())


@every_way
def test_a_silent_answer_is_cut(tmp_path: Path, how: str) -> None:
    """Also while nothing comes from the service."""

    async def silent(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await seen.reader.read()

    async def run() -> None:
        async with governed(tmp_path, how, silent) as made:
            wire = await made.tunnel()
            wire.send(GET.replace("\n", "\r\n").encode() + b"\r\n\r\n")
            await until(lambda: bool(made.rig.upstream.seen))
            made.end()
            await heard(made)
            with within(2):
                assert await wire.rest() == b""
            await wire.close()

    asyncio.run(run())


@every_way
def test_a_websocket_is_cut(tmp_path: Path, how: str) -> None:
    """No message passes after the end."""

    async def accept(seen: Seen, writer: asyncio.StreamWriter) -> None:
        key = accept_key(seen.field("sec-websocket-key")[0])
        fields = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}"
        writer.write(f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n\r\n".encode())
        await writer.drain()
        await seen.reader.read()

    async def run() -> None:
        async with governed(tmp_path, how, accept) as made:
            wire = await made.tunnel()
            upgrade = "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13"
            wire.send(
                f"{GET}\n{upgrade}\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n\n".replace("\n", "\r\n").encode()
            )
            assert (await wire.head()).startswith(b"HTTP/1.1 101 ")
            made.end()
            await heard(made)
            with within(2):
                assert await wire.rest() == b""
            await wire.close()

    asyncio.run(run())


@every_way
def test_http2_with_several_calls(tmp_path: Path, how: str) -> None:
    """All streams that are passing end, and so does the connection."""

    async def stream(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        await writer.drain()
        await seen.reader.read()

    async def run() -> None:
        async with governed(tmp_path, how, stream, http2=True) as made, h2_agent(made.rig, host="crm.test") as agent:
            streams = [agent.get(f"/v1/customers/{number}", host="crm.test") for number in range(3)]
            await agent.until(lambda: all(agent.answers[number].body for number in streams))
            made.end()
            await heard(made)
            with within(2):
                await agent.until(lambda: agent.closed)
            assert not any(agent.answers[number].ended for number in streams)

    asyncio.run(run())


@every_way
def test_http2_that_is_idle(tmp_path: Path, how: str) -> None:
    """It is told to go away, and closed."""

    async def run() -> None:
        async with governed(tmp_path, how, http2=True) as made, h2_agent(made.rig, host="crm.test") as agent:
            assert (await agent.answer(agent.get("/v1/customers/ada", host="crm.test"))).status == 200
            made.end()
            await heard(made)
            with within(2):
                await agent.until(lambda: agent.closed)
            assert agent.goaway is not None

    asyncio.run(run())


def test_a_call_that_waits_for_its_sign_off_is_answered(tmp_path: Path) -> None:
    """When the agent is revoked while a call is held on the line, the line says why before it ends."""

    async def run() -> None:
        async with governed(tmp_path, "revoked", wait=20.0) as made:
            wire = await made.tunnel()
            body = HELD.encode()
            typed = f"Content-Type: application/json\nContent-Length: {len(body)}"
            head = f"POST /v1/refunds HTTP/1.1\nHost: crm.test\n{typed}"
            wire.send(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
            await until(lambda: bool(made.house.recorder.size))
            made.end()
            with within(2):
                said = await wire.rest()
            assert said == b"" or b" 403 " in said.split(b"\r\n")[0]
            assert made.rig.upstream.seen == []
            await wire.close()

    asyncio.run(run())


def test_garbage_at_a_slow_cluster_keeps_nobody_else_out(tmp_path: Path) -> None:
    """A hundred made-up tokens that each hang at the API server: an agent from elsewhere is asked about meanwhile."""
    let_go = threading.Event()

    async def run() -> None:
        async with governed(tmp_path, "pod deleted") as made:
            made.cluster.before = lambda seen: json.loads(seen.body)["spec"]["token"] in made_up and let_go.wait(30)
            made_up = [account_token(jti=f"made-up-{number}", **OF_NOW) for number in range(100)]
            garbage = [Wire(*await asyncio.open_connection(*made.rig.listener.proxy_address, local_addr=OTHER))
                       for _ in made_up]  # fmt: skip
            for wire, token in zip(garbage, made_up, strict=True):
                text = f"CONNECT crm.test:443 HTTP/1.1\r\nHost: crm.test:443\r\nProxy-Authorization: Bearer {token}"
                wire.send(f"{text}\r\n\r\n".encode())
            reviewer = next(iter(made.house.parts.resolver._workloads._accounts._reviewers.values()))
            await until(lambda: len(reviewer._asking) == 100)
            wire = await made.tunnel()
            assert (await wire.ask(GET))[0] == 200
            assert len(reviewer._asking) >= 90, "they still wait"
            let_go.set()
            for one in (wire, *garbage):
                await one.close()

    try:
        asyncio.run(run())
    finally:
        let_go.set()


async def heard(made: Governed) -> None:
    """The end is in force, as far as this process can know; an expiry is at once."""
    await until(made.in_force)
