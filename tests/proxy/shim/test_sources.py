"""Credentials that are looked for when they are used, and renewed before they end."""

import asyncio
import gc
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from proxy.shim import sources
from proxy.shim.sources import CertificateFiles, NoCertificate, Renewed, SourceFailed, TokenFile
from tests.fakes.client_certificates import issue
from tests.fakes.world import Clock


def test_a_file_is_read_at_each_use(tmp_path: Path) -> None:
    """The kubelet replaces it; what it holds now counts."""
    path = tmp_path / "token"
    source = TokenFile(path)
    for token in ("first.token", "second.token"):
        path.write_text(f"{token}\n")
        assert asyncio.run(source.token()) == token


@pytest.mark.parametrize("content", [b"", b"a b", b"a\r\nProxy-Authorization: b", b"\xff", b"a" * 9000, b'{"a": 1}'])
def test_a_file_without_one_token(tmp_path: Path, content: bytes) -> None:
    """Nothing is sent of it, least of all as a field of its own."""
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(SourceFailed, match="does not hold one token"):
        asyncio.run(TokenFile(path).token())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Said in words, which name the file."""
    with pytest.raises(SourceFailed, match="token` cannot be read: no such file"):
        asyncio.run(TokenFile(tmp_path / "token").token())


class Fetching:
    """Gives a value that lives for a hundred seconds, or fails."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked = 0
        self.broken = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self) -> tuple[int, float]:
        self.asked += 1
        await asyncio.sleep(0)
        await self.answers.wait()
        if self.broken:
            raise SourceFailed("broken on purpose")
        return self.asked, self.clock() + 100


def test_renewed_after_half_of_its_life() -> None:
    """Fetched once for all who ask at once, again after half the time."""

    async def run() -> None:
        clock = Clock(0.0)
        fetching = Fetching(clock)
        renewed = Renewed(fetching, clock)
        assert await asyncio.gather(*(renewed.get() for _ in range(5))) == [1] * 5
        clock.now = 49.0
        assert await renewed.get() == 1
        clock.now = 50.0
        assert await asyncio.gather(*(renewed.get() for _ in range(5))) == [2] * 5

    asyncio.run(run())


def test_a_slow_source_holds_nobody_up_who_has_a_good_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until that ends: from then on who asks waits, though others who waited have left."""
    monkeypatch.setattr(sources, "PATIENCE_SECONDS", 0.0)

    async def run() -> None:
        clock = Clock(0.0)
        fetching = Fetching(clock)
        renewed = Renewed(fetching, clock)
        await renewed.get()
        fetching.answers.clear()
        clock.now = 99.0
        assert [await renewed.get() for _ in range(3)] == [1, 1, 1]
        clock.now = 100.0
        leaving, staying = (asyncio.ensure_future(renewed.get()) for _ in range(2))
        await asyncio.wait([leaving, staying], timeout=0)
        leaving.cancel()
        fetching.answers.set()
        assert (await staying, fetching.asked) == (2, 2)
        await renewed.settle()

    asyncio.run(run())


def test_a_renewal_that_fails_behind_somebody_s_back_is_told_to_who_asks_next(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The good one has ended meanwhile; nothing else is said of it."""
    monkeypatch.setattr(sources, "PATIENCE_SECONDS", 0.0)

    async def run() -> None:
        clock = Clock(0.0)
        fetching = Fetching(clock)
        renewed = Renewed(fetching, clock)
        await renewed.settle()
        await renewed.get()
        fetching.answers.clear()
        clock.now, fetching.broken = 99.0, True
        assert await renewed.get() == 1
        clock.now = 101.0
        fetching.answers.set()
        await renewed.settle()
        with pytest.raises(SourceFailed, match="broken on purpose"):
            await renewed.get()

    asyncio.run(run())
    gc.collect()
    assert caplog.text == ""


def test_what_cannot_be_renewed_is_used_to_its_end_and_no_longer() -> None:
    """A source that is away for a moment does not stop the program; an ended credential is never shown."""

    async def run() -> None:
        clock = Clock(0.0)
        fetching = Fetching(clock)
        renewed = Renewed(fetching, clock)
        assert await renewed.get() == 1
        fetching.broken = True
        clock.now = 60.0
        assert await renewed.get() == await renewed.get() == 1
        assert fetching.asked == 2  # not again at each use
        clock.now = 66.0
        assert (await renewed.get(), fetching.asked) == (1, 3)
        clock.now = 100.0
        with pytest.raises(SourceFailed):
            await renewed.get()
        fetching.broken = False
        assert await renewed.get() == 5

    asyncio.run(run())


def files(folder: Path) -> tuple[Path, Path, Path]:
    """A certificate, its key, and roots."""
    issued = issue()
    (folder / "tls.pem").write_bytes(issued.certificate.public_bytes(Encoding.PEM))
    (folder / "tls.key").write_bytes(issued.key_pem())
    return folder / "tls.pem", folder / "tls.key", folder / "tls.pem"


def test_certificate_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    """The same context while they stay; another when they change; the last that fitted while they do not fit."""
    certificate, key, roots = files(tmp_path)
    source = CertificateFiles(certificate, key, roots)
    first = asyncio.run(source.context())
    assert asyncio.run(source.context()) is first
    key.write_bytes(issue().key_pem())
    assert asyncio.run(source.context()) is first
    files(tmp_path)
    second = asyncio.run(source.context())
    assert second is not first
    key.unlink()
    assert asyncio.run(source.context()) is second


def test_certificate_files_that_never_fitted(tmp_path: Path) -> None:
    """Missing, or not belonging together: there is no credential."""
    certificate, key, roots = files(tmp_path)
    key.write_bytes(issue().key_pem())
    with pytest.raises(SourceFailed, match="not a certificate and its key"):
        asyncio.run(CertificateFiles(certificate, key, roots).context())
    with pytest.raises(SourceFailed, match="not a certificate and its key"):
        asyncio.run(CertificateFiles(certificate, tmp_path / "none", roots).context())


def test_roots_alone(tmp_path: Path) -> None:
    """Read once, and again when they change; without them there is no connection."""
    roots = files(tmp_path)[2]
    source = NoCertificate(roots)
    first = asyncio.run(source.context())
    assert asyncio.run(source.context()) is first
    os.utime(roots, ns=(1, 1))
    assert asyncio.run(source.context()) is not first
    with pytest.raises(SourceFailed, match="does not hold roots"):
        asyncio.run(NoCertificate(tmp_path / "none").context())
