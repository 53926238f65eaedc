"""An issuer's keys, from the place that is configured for them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import respx

from proxy.identity.issuers import IssuerSettings
from proxy.identity.keys import KeySource
from tests.fakes.issuer import AUDIENCE, ISSUER, NOW, jwk, key_set

URL = "https://idp.example/jwks"
ONE, TWO = key_set(jwk("ES256")), key_set(jwk("ES256"), jwk("ES256", "k2"))


def by_url(url: str = URL) -> IssuerSettings:
    """A profile whose keys are behind a URL."""
    return IssuerSettings(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), jwks_url=url)


def by_file(path: Path) -> IssuerSettings:
    """A profile whose keys are in a file."""
    return IssuerSettings(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), jwks_file=path)


def run(story: Callable[[], Awaitable[None]]) -> None:
    """One event loop for one story."""

    async def main() -> None:
        await story()

    asyncio.run(main())


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """A new file counts within a second; a broken one leaves the last good keys."""
    path = tmp_path / "jwks.json"
    path.write_bytes(ONE)

    async def story() -> None:
        source = KeySource(by_file(path))
        assert list((await source.current(NOW)).keys) == ["k1"]
        path.write_bytes(TWO)
        assert list((await source.current(NOW + 1)).keys) == ["k1", "k2"]
        path.write_bytes(b"{")
        assert list((await source.current(NOW + 2)).keys) == ["k1", "k2"]
        path.unlink()
        assert list((await source.current(NOW + 3)).keys) == ["k1", "k2"]

    run(story)


def test_keys_by_url_verify() -> None:
    """The whole way: a profile with a URL finds its keys there."""

    async def story() -> None:
        with respx.mock() as router:
            router.get(URL).mock(return_value=httpx.Response(200, content=TWO))
            assert list((await KeySource(by_url()).current(NOW)).keys) == ["k1", "k2"]

    run(story)
