"""The shim: takes a program's requests on loopback, and passes them to the proxy with the real credential.

Whatever goes wrong, the program gets a refusal in words, or a closed connection. Nothing of a request is sent on
before the local password was seen, and no credential but ours ever is.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from proxy.errors import Refusal, Refused, refuse
from proxy.listener.answer import own_reply
from proxy.listener.head import UpstreamFault, malformed, read_response_head
from proxy.listener.problem import problem
from proxy.shim.asked import MAX_HEAD, Asked, read_asked
from proxy.shim.sources import CertificateSource, SourceFailed, TokenSource
from proxy.shim.telling import Say, Teller
from proxy.shim.way import Streams, Way

log = logging.getLogger("countersign.shim")

MOST_CONNECTIONS = 1000
HEAD_SECONDS = 10.0
TUNNEL_SECONDS = 60.0
LINGER_SECONDS = 2.0
PIECE = 64 * 1024

BUSY = Refusal("too_many_connections", 503, "The program has too many connections open.", "retry")


@dataclass(frozen=True, slots=True)
class Means:
    """How to reach the proxy, and with what. Neither token nor certificate: the UNIX socket says who we are."""

    way: Way
    token: TokenSource | None = None
    certificate: CertificateSource | None = None

    async def connect(self) -> tuple[Streams, str | None]:
        """A connection to the proxy and the credential for it; raises the refusal if either is not to be had."""
        try:
            token = await self.token.token() if self.token is not None else None
            context = await self.certificate.context() if self.certificate is not None else None
        except SourceFailed as error:
            raise refuse("credential_unavailable", 502, f"There is no credential for the proxy: {error}.") from error
        try:
            return await self.way.connect(context), token
        except OSError as error:
            detail = "Countersign cannot be reached at the moment."
            raise refuse("proxy_unreachable", 502, detail, "retry", internal=str(error)) from error


@contextlib.asynccontextmanager
async def open_shim(password: str, means: Means, say: Say = log.warning) -> AsyncIterator[int]:
    """The port on 127.0.0.1 at which whoever knows the password is served, until this is left.

    `say` is told why a tunnel was refused, once for each reason.
    """
    shim = Shim(password, means, say)
    server = await asyncio.start_server(shim.serve, "127.0.0.1", 0, limit=MAX_HEAD)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await shim.close()


class Shim:
    """One connection of the program is one at the proxy, and carries one request or one tunnel."""

    def __init__(self, password: str, means: Means, say: Say) -> None:
        self._teller = Teller(say)
        self._password = password
        self._means = means
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its first byte to its last."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except Refused as refused:
            await _answer(writer, refused.refusal)
        except (OSError, asyncio.IncompleteReadError) as error:
            log.debug("a connection ended early: %s", type(error).__name__)
            writer.transport.abort()
        except Exception as error:  # noqa: BLE001 - the boundary: a fault of ours closes this connection and no other
            log.error("a connection is closed because of a %s", type(error).__name__)  # noqa: TRY400 - no message
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def close(self) -> None:
        """Ends all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) > MOST_CONNECTIONS:
            raise Refused(BUSY)
        asked = read_asked(await _head(reader), self._password)
        try:
            await self._pass_on(asked, (reader, writer))
        except Refused as refused:
            self._teller.refused(asked.head.target, refused.refusal.reason, refused.refusal.detail)
            raise

    async def _pass_on(self, asked: Asked, program: Streams) -> None:
        (from_proxy, to_proxy), token = await self._means.connect()
        try:
            to_proxy.write(asked.for_proxy(token))
            await self._relay(asked, program, (from_proxy, to_proxy))
        except BaseException:
            to_proxy.transport.abort()
            raise
        finally:
            to_proxy.close()

    async def _relay(self, asked: Asked, program: Streams, proxy: Streams) -> None:
        """A tunnel begins when the proxy says so; a plain request's body goes up at once."""
        up = None if asked.tunnel else self._upwards(program, proxy)
        try:
            head = await _proxys_head(proxy[0], TUNNEL_SECONDS if asked.tunnel else None)
            program[1].write(head)
            status = head.split(b" ", 2)[1]
            if up is None and status == b"200":
                up = self._upwards(program, proxy)
            elif up is None:
                said = await proxy[0].read(PIECE)
                program[1].write(said)
                self._teller.answered(asked.head.target, status.decode("ascii", "replace"), said)
            await _pump(proxy[0], program[1])
            if program[1].can_write_eof():
                program[1].write_eof()
            if up is not None:  # a program that still sends may read what came before the end
                await asyncio.wait([up], timeout=LINGER_SECONDS)
        finally:
            if up is not None:
                up.cancel()
                await asyncio.gather(up, return_exceptions=True)

    def _upwards(self, program: Streams, proxy: Streams) -> asyncio.Task[None]:
        return asyncio.create_task(_pump_and_end(program[0], proxy[1], half_closes=self._means.way.half_closes))


async def _head(reader: asyncio.StreamReader) -> bytes:
    """The head of a request; raises the refusal if it is too large, late, or no HTTP at all."""
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise refuse("header_too_large", 431, f"The request's head is larger than {MAX_HEAD} bytes.") from None
    except TimeoutError:
        raise refuse("request_timeout", 408, "The request did not arrive in time.", "retry") from None
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise malformed("The request's head ends too early.") from None
        raise


async def _proxys_head(reader: asyncio.StreamReader, within: float | None) -> bytes:
    """The head of the proxy's answer; raises the refusal if there is none, or if it does not know us.

    A 407 is about our credential: the program, which has none, must not look for another.
    """
    try:
        async with asyncio.timeout(within):
            head = await reader.readuntil(b"\r\n\r\n")
        status = read_response_head(head, 1000).status
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, UpstreamFault) as error:
        detail = "Countersign ended the connection before it answered."
        raise refuse("proxy_unreachable", 502, detail, "retry", internal=type(error).__name__) from error
    if status == 407:
        detail = "Countersign does not accept the credential that this program was given. Stop, and report it."
        raise refuse("credential_refused", 502, detail)
    return head


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Passes on what comes, as it comes, and no faster than it is taken."""
    while data := await reader.read(PIECE):
        writer.write(data)
        await writer.drain()


async def _pump_and_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, half_closes: bool) -> None:
    """The same, and then tells that there is no more. Where that cannot be told alone, the connection ends."""
    try:
        await _pump(reader, writer)
    except OSError:
        writer.transport.abort()
        return
    if half_closes and writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()


async def _answer(writer: asyncio.StreamWriter, refusal: Refusal) -> None:
    """Refuses in words, if anybody still listens."""
    with contextlib.suppress(OSError):
        writer.write(own_reply(problem(refusal), method="GET", version="HTTP/1.1", close=True))
        await writer.drain()
