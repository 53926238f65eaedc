"""Where keys come from, and how long they are believed."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import respx

from proxy.errors import Refused
from proxy.identity.issuers import IssuerSettings
from proxy.identity.keys import Fetched, FetchFailed, KeySource, UrlOrigin
from tests.fakes.issuer import AUDIENCE, ISSUER, NOW, jwk, key_set

URL = "https://idp.example/jwks"
ONE, TWO = key_set(jwk("ES256")), key_set(jwk("ES256"), jwk("ES256", "k2"))


def by_url(url: str = URL) -> IssuerSettings:
    """A profile whose keys are behind a URL."""
    return IssuerSettings(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), jwks_url=url)


def by_file(path: Path) -> IssuerSettings:
    """A profile whose keys are in a file."""
    return IssuerSettings(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), jwks_file=path)


class Scripted:
    """An origin that answers what it is told, and counts."""

    interval = 30.0

    def __init__(self, *answers: bytes | Exception, fresh_for: float = 300.0) -> None:
        self.answers = list(answers)
        self.fresh_for = fresh_for
        self.fetches = 0
        self.gate: asyncio.Event | None = None

    async def fetch(self) -> Fetched:
        self.fetches += 1
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Fetched(answer, self.fresh_for)


def run(story: Callable[[], Awaitable[None]]) -> None:
    """One event loop for one story."""

    async def main() -> None:
        await story()

    asyncio.run(main())


def test_keys_are_asked_for_once_while_fresh() -> None:
    """A fresh set is used as it is; an aged one is fetched again."""

    async def story() -> None:
        origin = Scripted(ONE)
        source = KeySource(by_url(), origin)
        for now, fetches in ((NOW, 1), (NOW + 299, 1), (NOW + 300, 2), (NOW + 301, 2)):
            assert list((await source.current(now)).keys) == ["k1"]
            assert origin.fetches == fetches

    run(story)


def test_the_last_good_set_counts_for_an_hour() -> None:
    """A failing or broken origin changes nothing for an hour; after that the issuer is refused."""

    async def story() -> None:
        for broken in (FetchFailed("down"), b"not json"):
            source = KeySource(by_url(), Scripted(ONE, broken))
            for now in (NOW, NOW + 300, NOW + 3600):
                assert list((await source.current(now)).keys) == ["k1"]
            with pytest.raises(Refused) as caught:
                await source.current(NOW + 3601)
            assert (caught.value.refusal.reason, caught.value.refusal.status) == ("identity_unavailable", 503)

    run(story)


def test_a_failing_origin_is_not_hammered() -> None:
    """After a failure there is no attempt for a while, however many calls come: 5 s without keys, 30 s with."""

    async def story() -> None:
        origin = Scripted(FetchFailed("down"))
        source = KeySource(by_url(), origin)
        for now, fetches in ((NOW, 1), (NOW + 4, 1), (NOW + 5, 2)):
            with pytest.raises(Refused):
                await source.current(now)
            assert origin.fetches == fetches
        origin = Scripted(ONE, FetchFailed("down"))
        source = KeySource(by_url(), origin)
        for now, fetches in ((NOW, 1), (NOW + 300, 2), (NOW + 329, 2), (NOW + 330, 3)):
            await source.current(now)
            assert origin.fetches == fetches

    run(story)


def test_an_unknown_key_is_asked_for_at_most_every_30_seconds() -> None:
    """A rotation is noticed at once; made-up key ids cause one fetch in 30 s, not one each."""

    async def story() -> None:
        origin = Scripted(ONE, TWO)
        source = KeySource(by_url(), origin)
        assert (await source.holding("k2", NOW)).find("k2") is not None
        assert origin.fetches == 2
        for n in range(50):
            assert (await source.holding(f"made-up-{n}", NOW + n / 2)).find(f"made-up-{n}") is None
        assert origin.fetches == 2
        await source.holding("made-up", NOW + 30)
        assert origin.fetches == 3

    run(story)


def test_one_fetch_serves_all_who_wait() -> None:
    """Many calls at once cause one fetch, for the first keys and for an unknown one."""

    async def story() -> None:
        origin = Scripted(ONE, TWO)
        origin.gate = asyncio.Event()
        source = KeySource(by_url(), origin)
        waiting = [asyncio.ensure_future(source.holding("k2", NOW)) for _ in range(20)]
        await asyncio.sleep(0)
        origin.gate.set()
        assert all(keys.find("k2") for keys in await asyncio.gather(*waiting))
        assert origin.fetches == 2

    run(story)


def test_a_caller_who_leaves_does_not_stop_the_fetch() -> None:
    """Whoever hangs up in the middle of a fetch leaves the keys to the next one."""

    async def story() -> None:
        origin = Scripted(ONE)
        origin.gate = asyncio.Event()
        source = KeySource(by_url(), origin)
        first = asyncio.ensure_future(source.current(NOW))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        origin.gate.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert list((await source.current(NOW + 1)).keys) == ["k1"]
        assert origin.fetches == 1

    run(story)


def test_taking_a_key_away_moves_the_epoch() -> None:
    """A new key alone leaves the epoch; a key that went, or was exchanged under its name, moves it."""

    async def story() -> None:
        exchanged = key_set(jwk("ES256", "new", kid="k1"))
        source = KeySource(by_url(), Scripted(ONE, TWO, TWO, ONE, exchanged, key_set()))
        epochs = []
        for n in range(6):
            await source.current(NOW + 300 * n)
            epochs.append(source.epoch)
        assert epochs == [0, 0, 0, 1, 2, 3]

    run(story)


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


# --- over HTTP -----------------------------------------------------------------------------------


def fetch(response: httpx.Response | Exception, url: str = URL) -> Fetched:
    """What an origin makes of this answer."""
    with respx.mock(assert_all_called=False) as router:
        route = router.get(url)
        if isinstance(response, Exception):
            route.mock(side_effect=response)
        else:
            route.mock(return_value=response)
        fetched = asyncio.run(UrlOrigin(url, None).fetch())
        assert route.call_count == 1
        return fetched


@pytest.mark.parametrize(
    ("cache_control", "fresh_for"),
    [
        (None, 300.0),
        ("max-age=60", 60.0),
        ("public, max-age=120, must-revalidate", 120.0),
        ("max-age=86400", 300.0),
        ("max-age=0", 30.0),
        ("no-store", 30.0),
        ("No-Cache, max-age=100", 30.0),
        ("s-maxage=10", 300.0),
        ("max-age=-1", 300.0),
        ("max-age=999999999999999", 300.0),
    ],
)
def test_freshness_is_what_the_issuer_says_within_bounds(cache_control: str | None, fresh_for: float) -> None:
    """Never longer than 300 s, never so short that every call would fetch."""
    headers = {"cache-control": cache_control} if cache_control else {}
    assert fetch(httpx.Response(200, content=ONE, headers=headers)) == Fetched(ONE, fresh_for)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"location": "https://evil.example/jwks"}),
        httpx.Response(307, headers={"location": URL + "2"}),
        httpx.Response(304),
        httpx.Response(404),
        httpx.Response(500, content=ONE),
        httpx.Response(200, content=b" " * (256 * 1024 + 1)),
        httpx.Response(200, stream=httpx.ByteStream(ONE), headers={"content-encoding": "br"}),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("garbage"),
        OSError("no route"),
    ],
    ids=["302", "307", "304", "404", "500", "too much", "encoded", "refused", "slow", "garbage", "no route"],
)
def test_any_other_answer_is_a_failure(answer: httpx.Response | Exception) -> None:
    """Redirects are not followed, errors and too much are not read; the text names the configured URL."""
    with pytest.raises(FetchFailed, match=r"^https://idp\.example/jwks: "):
        fetch(answer)


def test_the_environments_proxy_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are fetched directly: the environment's proxy may be ourselves."""
    monkeypatch.setitem(os.environ, "HTTPS_PROXY", "http://127.0.0.1:9")
    assert fetch(httpx.Response(200, content=ONE)).body == ONE


def test_keys_by_url_verify() -> None:
    """The whole way: a profile with a URL finds its keys there."""

    async def story() -> None:
        with respx.mock() as router:
            router.get(URL).mock(return_value=httpx.Response(200, content=TWO))
            assert list((await KeySource(by_url()).current(NOW)).keys) == ["k1", "k2"]

    run(story)
