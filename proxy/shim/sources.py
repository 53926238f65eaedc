"""Where the shim has its credentials from: each is looked for when it is used, and renewed before it ends."""

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from proxy.errors import CountersignError

MAX_TOKEN = 8 * 1024
RETRY_SECONDS = 5.0
PATIENCE_SECONDS = 1.0
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")


class SourceFailed(CountersignError):
    """There is no credential at the moment. Text is for people and agents, and holds nothing of a credential."""


class TokenSource(Protocol):
    """What goes to the proxy as `Bearer`."""

    async def token(self) -> str: ...


class CertificateSource(Protocol):
    """What is shown in TLS to the proxy."""

    async def context(self) -> ssl.SSLContext: ...


class Renewed[T]:
    """Something that ends, fetched anew after half of its life. `fetch` gives it and its end, in UNIX seconds.

    While it cannot be renewed, what there is stays in use to its end, and a slow source is not waited for. Who ask at
    once wait for one fetch.
    """

    def __init__(self, fetch: Callable[[], Awaitable[tuple[T, float]]], clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._renewing: asyncio.Future[None] | None = None
        self._value: T | None = None
        self._renew_at = 0.0
        self._ends_at = 0.0

    async def get(self) -> T:
        """Alive now; raises `SourceFailed` if there is none."""
        now = self._clock()
        alive = self._value is not None and now < self._ends_at
        if not alive or now >= self._renew_at:
            renewing = self._begin()
            if alive:
                await asyncio.wait([renewing], timeout=PATIENCE_SECONDS)
            else:
                await asyncio.shield(renewing)  # it is for others too: it goes on when this one leaves
        assert self._value is not None
        return self._value

    async def settle(self) -> None:
        """Waits for a renewal that is under way, whatever comes of it."""
        if self._renewing is not None:
            await asyncio.wait([self._renewing])

    def _begin(self) -> asyncio.Future[None]:
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.ensure_future(self._renew())
            self._renewing.add_done_callback(lambda done: done.cancelled() or done.exception())  # told to who waits
        return self._renewing

    async def _renew(self) -> None:
        try:
            value, ends_at = await self._fetch()
        except SourceFailed:
            if self._value is None or self._clock() >= self._ends_at:
                self._value = None
                raise
            self._renew_at = min(self._ends_at, self._clock() + RETRY_SECONDS)
            return
        now = self._clock()
        self._value, self._ends_at, self._renew_at = value, ends_at, now + max(0.0, ends_at - now) / 2


class TokenFile:
    """A file that somebody else keeps fresh, such as the kubelet: read at each use."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        try:
            with self._path.open("rb") as file:
                raw = file.read(MAX_TOKEN + 2)
        except OSError as error:
            raise SourceFailed(f"`{self._path}` cannot be read: {(error.strerror or str(error)).lower()}") from error
        return checked(raw.decode("latin-1").strip(), f"`{self._path}`")


def checked(token: str, where: str) -> str:
    """The token, if it is one and nothing else can be made of it."""
    if len(token) > MAX_TOKEN or _TOKEN.fullmatch(token) is None:
        raise SourceFailed(f"{where} does not hold one token")
    return token


class CertificateFiles:
    """A certificate with its chain, and its key, in PEM files that somebody else keeps fresh."""

    def __init__(self, certificate: Path, key: Path, roots: Path) -> None:
        self._files = (certificate, key)
        self._roots = roots
        self._context: ssl.SSLContext | None = None
        self._stamp: tuple[object, ...] = ()

    async def context(self) -> ssl.SSLContext:
        """With what the files hold now; while they do not fit together, what did last."""
        try:
            stamp = _stamp(*self._files, self._roots)
            if self._context is None or stamp != self._stamp:
                context = trusting(self._roots)
                context.load_cert_chain(*self._files)
                self._context, self._stamp = context, stamp
        except OSError as error:
            if self._context is None:
                names = " and ".join(f"`{file}`" for file in self._files)
                raise SourceFailed(f"{names} are not a certificate and its key that can be read") from error
        return self._context


class NoCertificate:
    """TLS in which the program shows nothing."""

    def __init__(self, roots: Path) -> None:
        self._roots = roots
        self._context: ssl.SSLContext | None = None
        self._stamp: tuple[object, ...] = ()

    async def context(self) -> ssl.SSLContext:
        try:
            stamp = _stamp(self._roots)
            if self._context is None or stamp != self._stamp:
                self._context, self._stamp = trusting(self._roots), stamp
        except OSError as error:
            if self._context is None:
                raise SourceFailed(f"`{self._roots}` does not hold roots that can be read") from error
        return self._context


def trusting(roots: Path) -> ssl.SSLContext:
    """Client side, which believes only these roots; raises `OSError`."""
    context = ssl.create_default_context(cafile=str(roots))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _stamp(*files: Path) -> tuple[object, ...]:
    return tuple((status.st_mtime_ns, status.st_ino) for status in (file.stat() for file in files))
