"""TLS to the proxy itself, below everything else that a connection does.

It stands between the socket and the agent's connection: towards the socket it is a protocol, towards the connection
a transport. What is shown in it belongs to the socket. TLS inside a tunnel is another session in other objects, which
can neither read nor replace what was shown here.
"""

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from typing import Any, cast

from OpenSSL import SSL

from proxy.blame import blame
from proxy.errors import Refusal
from proxy.listener.answer import own_reply
from proxy.listener.connection import AgentConnection
from proxy.listener.evidence import CERTIFICATES
from proxy.listener.outer_context import OuterTls, chain_of, resumed
from proxy.listener.problem import problem

log = logging.getLogger("countersign.listener")

MAX_HANDSHAKE = 128 * 1024
READ = 64 * 1024
HANDSHAKE = 0x16  # the first byte of every TLS connection (RFC 8446 section 5.1)

PLAIN = Refusal(
    "tls_required", 400, "TLS is spoken here: use an `https://` URL for this port of the proxy.", "fix_request"
)
FAILED = Refusal("tls_handshake_failed", 400, "The TLS handshake with the proxy failed.", "fix_request")
TOO_MUCH = Refusal("client_certificate_too_large", 400, "The client's certificates are too many or too large.")
RESUMED = Refusal("tls_session_resumed", 400, "A TLS session with the proxy cannot be taken over by another.")


class OuterConnection(asyncio.Transport, asyncio.Protocol):
    """From `connection_made` to `connection_lost`. The connection above hears nothing before the handshake is over."""

    def __init__(self, above: AgentConnection, tls: OuterTls) -> None:
        super().__init__()
        self._above = above
        self._outer = tls
        self._below: asyncio.Transport
        self._tls: SSL.Connection | None = None
        self._established = False
        self._received = 0
        self._chain: tuple[bytes, ...] = ()
        self._ended = False
        self._over = False
        self._said_all = False

    # --- the socket -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = cast("asyncio.Transport", transport)
        self._above.connection_made(self)

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        try:
            if self._established:
                self._decrypt(data)
            else:
                self._shake_hands(data)
        except Exception as error:  # noqa: BLE001 - the listener's boundary
            log.error("a connection is closed because of a %s", blame(error))  # noqa: TRY400 - no message
            self._over = True
            self._below.abort()

    def eof_received(self) -> bool:
        if self._over or not self._established:
            return False
        return self._agent_has_ended()

    def connection_lost(self, error: Exception | None) -> None:
        self._over = True
        self._above.connection_lost(error)

    def pause_writing(self) -> None:
        self._above.pause_writing()

    def resume_writing(self) -> None:
        self._above.resume_writing()

    # --- the handshake --------------------------------------------------------------------------

    def _shake_hands(self, data: bytes) -> None:
        if self._tls is None:
            if data[0] != HANDSHAKE:
                self._refuse(PLAIN, own_reply(problem(PLAIN), method="GET", version="HTTP/1.1", close=True))
                return
            self._tls = self._outer.connection(time.time())
        tls = self._tls
        self._received += len(data)
        tls.bio_write(data)
        try:
            tls.do_handshake()
        except SSL.WantReadError:
            self._flush()
            if self._received > MAX_HANDSHAKE:
                self._refuse(TOO_MUCH)
            return
        except SSL.Error as error:
            self._refuse(replace(FAILED, internal=_words(error)), self._encrypted())
            return
        self._flush()
        chain = chain_of(tls)
        if chain is None or resumed(tls):
            self._refuse(TOO_MUCH if chain is None else RESUMED)
            return
        self._chain = chain
        self._established = True
        self._decrypt(b"")

    def _refuse(self, refusal: Refusal, last_words: bytes = b"") -> None:
        """Nobody can be spoken to here. It is on record, and the connection ends."""
        self._over = True
        self._above.unreadable(refusal, "TLS to the proxy")
        if last_words and not self._below.is_closing():
            self._below.write(last_words)
        self._below.close()

    # --- reading ----------------------------------------------------------------------------------

    def _decrypt(self, data: bytes) -> None:
        tls = self._session()
        if data:
            tls.bio_write(data)
        plain: list[bytes] = []
        ended = broken = False
        while True:
            try:
                plain.append(tls.recv(READ))
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                ended = True
                break
            except SSL.Error:
                broken = True
                break
        self._flush()
        if plain:
            self._above.data_received(b"".join(plain))
        if broken:
            self._below.abort()
        elif ended and not self._agent_has_ended():
            self.close()

    def _agent_has_ended(self) -> bool:
        """It will send no more, by TLS's goodbye or the socket's, whichever is first. Whether it may still read."""
        if not self._ended:
            self._ended = True
            return self._above.eof_received()
        return not self._below.is_closing()

    # --- writing and closing, for the connection above ------------------------------------------------

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        """Before the handshake is over there is nobody to tell anything."""
        if self._established and not self._below.is_closing():
            with contextlib.suppress(SSL.Error):  # the peer has said that it wants no more
                self._session().sendall(data)
            self._flush()

    def write_eof(self) -> None:
        self._say_goodbye()
        self._said_all = True
        if self._below.can_write_eof():
            self._below.write_eof()

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self._say_goodbye()
        self._below.close()

    def abort(self) -> None:
        self._below.abort()

    def is_closing(self) -> bool:
        return self._below.is_closing()

    def pause_reading(self) -> None:
        self._below.pause_reading()

    def resume_reading(self) -> None:
        self._below.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._below.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as asyncio has it
        return self._shown if name == CERTIFICATES else self._below.get_extra_info(name, default)

    def _shown(self) -> tuple[bytes, ...]:
        """Asked for when a request has come, which is after the handshake."""
        return self._chain

    def _say_goodbye(self) -> None:
        if self._established and not self._below.is_closing():
            with contextlib.suppress(SSL.Error):
                self._session().shutdown()
            self._flush()

    def _session(self) -> SSL.Connection:
        assert self._tls is not None
        return self._tls

    def _flush(self) -> None:
        """After our last word there is nothing to be said: what still comes is read, so that it is no fault."""
        data = self._encrypted()
        if data and not self._said_all:
            self._below.write(data)

    def _encrypted(self) -> bytes:
        """All that TLS has for the socket now."""
        pieces: list[bytes] = []
        with contextlib.suppress(SSL.WantReadError):
            while True:
                pieces.append(self._session().bio_read(READ))
        return b"".join(pieces)


def _words(error: SSL.Error) -> str:
    """OpenSSL's own words, which hold nothing that the peer wrote."""
    reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(reason[-1]) for reason in reasons)[:200]
