"""An agent that speaks HTTP/2, rightly or wrongly, and reads only when a test has it read."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes

from tests.fakes.agents import Rig, Wire
from tests.fakes.waiting import PATIENCE

type Headers = list[tuple[str, str]]


@dataclass
class H2Answer:
    """What has come on one stream."""

    fields: Headers = field(default_factory=list)
    interim: list[str] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(dict(self.fields)[":status"])

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None


@dataclass
class H2Agent:
    """One connection. With `acknowledge` off, it gives no room back for what it has read."""

    wire: Wire
    connection: H2Connection
    acknowledge: bool = True
    answers: dict[int, H2Answer] = field(default_factory=dict)
    settings: dict[int, int] = field(default_factory=dict)
    pongs: int = 0
    goaway: ConnectionTerminated | None = None
    closed: bool = False

    def flush(self) -> None:
        self.wire.send(self.connection.data_to_send())

    def begin(self, headers: Sequence[tuple[str, str]], *, end: bool = True) -> int:
        """Starts a stream with exactly these fields; its number."""
        number = self.connection.get_next_available_stream_id()
        self.connection.send_headers(number, list(headers), end_stream=end)
        self.answers[number] = H2Answer()
        self.flush()
        return number

    def get(self, path: str = "/", *fields: tuple[str, str], method: str = "GET", host: str = "a.test") -> int:
        return self.begin([*head(method, path, host), *fields])

    def post(self, body: bytes, path: str = "/", *fields: tuple[str, str]) -> int:
        """A small request with a body."""
        number = self.begin([*head("POST", path), *fields], end=False)
        self.connection.send_data(number, body, end_stream=True)
        self.flush()
        return number

    async def upload(self, number: int, size: int) -> None:
        """Sends so much on this stream, as fast as the windows allow, and ends it."""
        while size and not self.answers[number].over and not self.closed:
            room = min(self.connection.local_flow_control_window(number), 16384, size)
            if room <= 0:
                await self.read()
                continue
            size -= room
            self.connection.send_data(number, b"x" * room, end_stream=not size)
            self.flush()

    def cancel(self, number: int) -> None:
        self.connection.reset_stream(number, 8)
        self.flush()

    async def read(self) -> None:
        """Takes what has come, after waiting for something."""
        async with asyncio.timeout(PATIENCE):
            try:
                data = await self.wire.reader.read(65536)
            except (ConnectionError, ssl.SSLError):
                data = b""
        if not data:
            self.closed = True
            return
        for event in self.connection.receive_data(data):
            self._happened(event)
        if not self.closed and self.goaway is None:
            self.flush()

    def _happened(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            self.goaway = event
        elif isinstance(event, RemoteSettingsChanged):
            self.settings |= {code: change.new_value for code, change in event.changed_settings.items()}
        elif isinstance(event, PingAckReceived):
            self.pongs += 1
        answer = self.answers.get(getattr(event, "stream_id", None) or 0)
        if answer is None:
            return
        if isinstance(event, ResponseReceived):
            answer.fields = list(event.headers)  # type: ignore[arg-type]
        elif isinstance(event, InformationalResponseReceived):
            answer.interim.append(dict(event.headers)[":status"])  # type: ignore[arg-type, index]
        elif isinstance(event, DataReceived):
            answer.body += event.data
            if self.acknowledge:
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            answer.ended = True
        elif isinstance(event, StreamReset):
            answer.reset = int(event.error_code)

    async def until(self, done: Callable[[], bool]) -> None:
        """Reads until this is so, or the connection is over."""
        while not done() and not self.closed:
            await self.read()

    async def answer(self, number: int) -> H2Answer:
        answer = self.answers[number]
        await self.until(lambda: answer.over)
        return answer

    async def end(self) -> None:
        """Reads until the connection is over."""
        await self.until(lambda: False)

    async def close(self) -> None:
        await self.wire.close()


def head(method: str = "GET", path: str = "/", host: str = "a.test") -> Headers:
    return [(":method", method), (":scheme", "https"), (":authority", host), (":path", path)]


async def h2_connect(rig: Rig, *, window: int = 65535, host: str = "a.test", port: int = 443) -> H2Agent:
    """Through CONNECT and TLS. `window` is what each stream may send before it must wait."""
    return await h2_begin(rig, await rig.tunnel(host, port, tls=False), window=window, host=host)


async def h2_begin(rig: Rig, wire: Wire, *, window: int = 65535, host: str = "a.test") -> H2Agent:
    """In TLS on this tunnel."""
    context = rig.trust()
    context.set_alpn_protocols(["h2", "http/1.1"])
    await wire.start_tls(context, host)
    assert wire.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    config = H2Configuration(
        header_encoding="latin-1",
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
    )
    connection = H2Connection(config)
    connection.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = window
    connection.local_settings.acknowledge()
    connection.initiate_connection()
    agent = H2Agent(wire, connection)
    agent.flush()
    return agent


@contextlib.asynccontextmanager
async def h2_over(rig: Rig, wire: Wire) -> AsyncIterator[H2Agent]:
    agent = await h2_begin(rig, wire)
    try:
        yield agent
    finally:
        await agent.close()


@contextlib.asynccontextmanager
async def h2_agent(rig: Rig, **options: int) -> AsyncIterator[H2Agent]:
    agent = await h2_connect(rig, **options)  # type: ignore[arg-type]
    try:
        yield agent
    finally:
        await agent.close()


def frames_in(raw: bytes) -> list[tuple[int, int, bytes]]:
    """(type, stream, payload) of each frame."""
    frames = []
    while len(raw) >= 9:
        length = int.from_bytes(raw[:3])
        frames.append((raw[3], int.from_bytes(raw[5:9]), raw[9 : 9 + length]))
        raw = raw[9 + length :]
    return frames
