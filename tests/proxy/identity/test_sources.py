"""How long keys are believed, and when they are asked for again."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proxy.errors import Refused
from proxy.identity import sources as module
from proxy.identity.issuers import IssuerSettings
from proxy.identity.keys import KeySource
from proxy.identity.lineage import name_of
from proxy.identity.origins import Fetched, FetchFailed
from proxy.identity.sources import keep_current
from tests.fakes.issuer import AUDIENCE, ISSUER, NOW, jwk, key_set, private_key

ONE, TWO = key_set(jwk("ES256")), key_set(jwk("ES256"), jwk("ES256", "k2"))


def by_url() -> IssuerSettings:
    """A profile whose keys are behind a URL."""
    return IssuerSettings(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), jwks_url="https://idp.example/jwks")


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


def test_what_keys_proved_counts_for_as_long_as_they_do() -> None:
    """Who is connected by one learns with everybody else that its issuer was not heard of for too long."""
    name = name_of(private_key("ES256", "k1").public_key())

    async def story() -> None:
        source = KeySource(by_url(), Scripted(ONE, FetchFailed("down")))
        assert (source.holds(name, NOW), source.used) == (None, True)
        await source.current(NOW)
        for now, held in ((NOW, True), (NOW + 3600, True), (NOW + 3601, None), (NOW - 3601, None)):
            assert source.holds(name, now) is held
        assert source.holds("another", NOW) is False

    run(story)


def test_what_cannot_be_read_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """And what is wrong now instead; and when it is over. An operator reads the line, and not thousands of them."""

    async def story() -> None:
        source = KeySource(by_url(), Scripted(ONE, FetchFailed("down"), FetchFailed("down"), b"[]", ONE, ONE, b"[]"))
        for number in range(7):
            await source.current(NOW + number * 300)

    with caplog.at_level("WARNING"):
        run(story)
    said = [record.message.partition(": ")[2].partition(":")[0] for record in caplog.records]
    failed, again = "keys could not be read, the last good ones count", "keys can be read again"
    assert said == [failed, failed, again, failed]
    assert len({record.message for record in caplog.records}) == 3


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


def test_nobody_waits_for_a_slow_origin_while_the_last_set_is_good() -> None:
    """One asks again; the others go on with what there is, until it is too old to count."""

    async def story() -> None:
        origin = Scripted(ONE, TWO)
        source = KeySource(by_url(), origin)
        await source.current(NOW)
        origin.gate = asyncio.Event()
        first = asyncio.ensure_future(source.current(NOW + 300))
        await asyncio.sleep(0)
        assert list((await source.current(NOW + 300)).keys) == ["k1"]
        with pytest.raises(Refused):
            await source.current(NOW + 3601)
        origin.gate.set()
        assert list((await first).keys) == ["k1", "k2"]

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


def test_what_is_used_is_kept_current() -> None:
    """What nobody has used is not read; what is due is; a failure is for whoever asks, a bug is told."""

    async def story() -> None:
        unused, used = Scripted(ONE), Scripted(ONE, FetchFailed("down"))
        sources = [KeySource(by_url(), unused), KeySource(by_url(), used)]
        await sources[1].current(NOW)
        for now, fetches in ((NOW + 1, 1), (NOW + 300, 2), (NOW + 9999, 3)):
            await keep_current(sources, now)
            assert (unused.fetches, used.fetches) == (0, fetches)
        used.answers = [RuntimeError("a bug")]
        with pytest.raises(RuntimeError):
            await keep_current(sources, NOW + 99_999)

    run(story)


def test_a_slow_origin_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are read meanwhile, and what the slow one says in the end is taken."""
    monkeypatch.setattr(module, "_PATIENCE", 0.01)

    async def story() -> None:
        slow, quick = Scripted(ONE, TWO), Scripted(ONE, TWO)
        sources = [KeySource(by_url(), slow), KeySource(by_url(), quick)]
        for source in sources:
            await source.current(NOW)
        slow.gate = asyncio.Event()
        await keep_current(sources, NOW + 300)
        for _ in range(3):
            await asyncio.sleep(0)  # so little patience may end before a quick one has had its turns
        assert [list((await source.current(NOW + 300)).keys) for source in sources] == [["k1"], ["k1", "k2"]]
        slow.gate.set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert list((await sources[0].current(NOW + 301)).keys) == ["k1", "k2"]
        assert slow.fetches == 2

    run(story)


def test_a_late_answer_never_brings_back_a_key_that_was_taken_away() -> None:
    """Whoever hangs up early lets nobody fetch beside the fetch that goes on: the older answer could come last."""

    async def story() -> None:
        late, done = asyncio.Event(), asyncio.Event()

        class Slow(Scripted):
            async def fetch(self) -> Fetched:
                self.fetches += 1
                if self.fetches == 2:  # what was so before the second key was taken away
                    await late.wait()
                    done.set()
                    return Fetched(TWO, 300)
                return Fetched(TWO if self.fetches == 1 else ONE, 300)

        source = KeySource(by_url(), Slow())
        await source.current(NOW)
        leaving = asyncio.ensure_future(source.current(NOW + 300))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        asking = asyncio.ensure_future(source.holding("k3", NOW + 301))
        for _ in range(5):
            await asyncio.sleep(0)
        late.set()
        await done.wait()
        await asking
        assert list((await source.holding("k3", NOW + 332)).keys) == ["k1"]
        assert list((await source.current(NOW + 333)).keys) == ["k1"]
        assert source.epoch == 1

    run(story)
