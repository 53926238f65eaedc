"""The word of a Kubernetes API server, over real HTTP."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.identity import token_review
from proxy.identity.clusters import ClusterSettings
from proxy.identity.token_review import TokenReviewer
from proxy.identity.turns import Turns
from proxy.identity.vouched import Question
from tests.fakes.authorities import broken_answers
from tests.fakes.cluster import ACCOUNT, CLUSTER, US, ApiServer, wait_for_answers
from tests.fakes.issuer import NOW

TOKEN = "header.claims.signature"
UNASKED = TokenReviewer(ClusterSettings(CLUSTER, US, review_url="https://127.0.0.1/", token_file=Path("/none")))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API server that knows one token."""
    wait_for_answers(monkeypatch)
    with ApiServer() as one:
        one.good.add(TOKEN)
        yield one


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The token that we show there."""
    path = tmp_path / "token"
    path.write_text("our-own-token\n")
    return path


def reviewer(server: ApiServer, own: Path) -> TokenReviewer:
    """One who asks this server."""
    return TokenReviewer(ClusterSettings(CLUSTER, US, review_url=server.url, token_file=own))


def question(token: str = TOKEN) -> Question:
    """Whether this token is good."""
    return Question(token, ACCOUNT, f"digest of {token}")


async def ask(one: TokenReviewer, token: str = TOKEN, now: float = NOW, peer: str = "") -> tuple[int, str] | None:
    """The refusal, or None."""
    try:
        await one.require_good(question(token), now, peer)
    except Refused as refused:
        return refused.refusal.status, refused.refusal.internal
    return None


def test_a_good_token_is_good_for_five_seconds(server: ApiServer, own: Path) -> None:
    """Then the server is asked again, and may know better: the pod is gone."""

    async def story() -> None:
        one = reviewer(server, own)
        assert await ask(one) is None
        server.good.clear()
        assert await ask(one, now=NOW + 4.9) is None
        assert len(server.seen) == 1
        assert await ask(one, now=NOW + 5) == (407, "review_not_authenticated")

    asyncio.run(story())


def test_a_bad_token_is_bad_for_five_seconds(server: ApiServer, own: Path) -> None:
    """A client in a loop costs the server one question."""

    async def story() -> None:
        one = reviewer(server, own)
        for n in range(5):
            assert await ask(one, "bad", NOW + n / 2) == (407, "review_not_authenticated")
        assert len(server.seen) == 1
        assert await ask(one, "bad", NOW - 1), "a clock that was set back brings no old answer"
        assert len(server.seen) == 2

    asyncio.run(story())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"username": "system:serviceaccount:crm:admin"}, "review_subject"),
        ({"audiences": []}, "review_audience"),
        ({"audiences": ["https://kubernetes.default.svc"]}, "review_audience"),
        ({"status": {"authenticated": "true"}}, "review_not_authenticated"),
        ({"status": {"authenticated": True, "user": {"username": ACCOUNT}}}, "review_audience"),
        ({"status": {"authenticated": True, "audiences": [US], "error": ""}}, "review_not_authenticated"),
        ({"status": {"authenticated": True, "audiences": US, "user": {"username": ACCOUNT}}}, "review_audience"),
        ({"status": {"authenticated": True, "audiences": [US], "user": ACCOUNT}}, "review_subject"),
        ({"status": "yes"}, "review_without_status"),
    ],
)
def test_anything_short_of_yes_is_no(server: ApiServer, own: Path, changes: dict[str, Any], code: str) -> None:
    """Another subject, another audience, or none, or an answer that only looks like one."""
    for name, value in changes.items():
        setattr(server, name, value)
    assert asyncio.run(ask(reviewer(server, own))) == (407, code)


SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)
MEMBERS = st.sampled_from(["authenticated", "error", "user", "audiences"])


@given(status=SOME_JSON | st.dictionaries(MEMBERS, SOME_JSON | st.just(True) | st.just([US]), max_size=4))
def test_any_status_is_a_yes_or_a_refusal(status: Any) -> None:
    """Whatever the API server says of a token: never anything else, and never a yes by accident."""
    with pytest.raises(Refused):
        UNASKED._judge({"status": status}, ACCOUNT)


def test_our_own_token_is_read_freshly(server: ApiServer, own: Path) -> None:
    """The kubelet replaces the file; what is in it now is shown, and without it nobody is asked."""
    one = reviewer(server, own)
    server.ours = "another"
    assert (asyncio.run(ask(one)) or (0, ""))[0] == 503
    own.write_text("another")
    assert asyncio.run(ask(one, now=NOW + 5)) is None
    for spoilt in ("", "two words", "a\nb", "x" * 20_000):
        own.write_text(spoilt)
        assert (asyncio.run(ask(one, f"for {spoilt[:9]}")) or (0, ""))[0] == 503
    own.unlink()
    assert (asyncio.run(ask(one, "without")) or (0, ""))[0] == 503
    assert len(server.seen) == 2


def test_a_broken_server_is_no_answer(server: ApiServer, own: Path) -> None:
    """503: errors, redirects, rubbish and too much say nothing of the token."""
    for broken in broken_answers(server.url):
        server.broken = broken
        status, internal = asyncio.run(ask(reviewer(server, own))) or (0, "")
        assert (status, internal.partition(":")[0]) == (503, f"TokenReview of {CLUSTER.partition(':')[0]}")


def test_a_server_that_is_away_is_no_answer(own: Path) -> None:
    """503, and the agent is told to try again."""
    with ApiServer() as gone:
        one = reviewer(gone, own)
    assert (asyncio.run(ask(one)) or (0, ""))[0] == 503


def test_no_proxy_of_the_environment_is_shown_a_token(
    server: ApiServer, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is set for other programs on this machine says nothing of where tokens go."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert asyncio.run(ask(reviewer(server, own))) is None


def test_patience_has_an_end(server: ApiServer, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs is not waited for."""
    monkeypatch.setattr(token_review, "_WITHIN", 0.01)
    with server._lock:
        status, internal = asyncio.run(ask(reviewer(server, own))) or (0, "")
    assert status == 503
    assert "no answer within" in internal


def test_one_question_serves_all_who_wait(server: ApiServer, own: Path) -> None:
    """Twenty calls with one token ask once; one that leaves does not take the answer with it."""

    async def story() -> None:
        one = reviewer(server, own)
        waiting = [asyncio.ensure_future(ask(one)) for _ in range(20)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        assert await asyncio.gather(*waiting[1:]) == [None] * 19
        assert len(server.seen) == 1

    asyncio.run(story())


def test_made_up_tokens_cannot_flood_the_server(server: ApiServer, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many different questions wait at once; one more is 503, and what is remembered is bounded."""
    monkeypatch.setattr(token_review, "_MOST_REMEMBERED", 2)

    async def story() -> None:
        one = reviewer(server, own)
        one._turns = Turns(1, 1, 2)
        answers = await asyncio.gather(*(ask(one, f"made-up-{n}") for n in range(5)))
        assert sorted(status for status, _ in filter(None, answers)) == [407, 407, 407, 503, 503]
        assert len(server.seen) == 3
        assert len(one._answers) == 2
        assert one._asking == {}

    asyncio.run(story())


def test_one_peer_s_garbage_leaves_the_others_their_turn(server: ApiServer, own: Path) -> None:
    """An address with a hundred made-up tokens fills its own share of a slow server; another one is asked about."""

    async def story() -> None:
        one = reviewer(server, own)
        one._turns = Turns(4, 2, 8)
        garbage = [asyncio.ensure_future(ask(one, f"made-up-{n}", peer="192.0.2.1")) for n in range(100)]
        await asyncio.sleep(0)
        assert await ask(one, peer="192.0.2.2") is None
        answers = await asyncio.gather(*garbage)
        assert [status for status, _ in filter(None, answers)].count(503) >= 89
        assert len(server.seen) <= 12

    asyncio.run(story())


def test_garbage_of_its_own_address_keeps_no_pod_out_that_was_met(server: ApiServer, own: Path) -> None:
    """Many share an address behind a gateway: who has proven itself before comes again with a fresh token."""

    async def story() -> None:
        one = reviewer(server, own)
        first, fresh = (Question(text, ACCOUNT, text, "refunds-7f9c/0b1e-77") for text in ("first", "fresh"))
        server.good |= {"first", "fresh"}
        await one.require_good(first, NOW, "192.0.2.1")
        release = asyncio.Event()
        one._turns = Turns(1, 1, 1)

        async def hold() -> None:
            async with one._turns.of("192.0.2.1"):
                await release.wait()

        holding = asyncio.ensure_future(hold())
        await asyncio.sleep(0)
        garbage = asyncio.ensure_future(ask(one, "made-up", peer="192.0.2.1"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await one.require_good(fresh, NOW, "192.0.2.1")
        stranger = Question(TOKEN, ACCOUNT, "another", "refunds-7f9c/made-up")
        with pytest.raises(Refused, match="too many questions"):
            await one.require_good(stranger, NOW, "192.0.2.1")
        release.set()
        await asyncio.gather(holding, garbage)

    asyncio.run(story())


def test_to_have_been_crowded_out_is_not_remembered(server: ApiServer, own: Path) -> None:
    """A good token that found no room is good a moment later."""

    async def story() -> None:
        one = reviewer(server, own)
        one._turns = Turns(1, 1, 0)
        waiting = asyncio.ensure_future(ask(one, "made-up"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (await ask(one) or (0, ""))[0] == 503
        await waiting
        assert await ask(one) is None

    asyncio.run(story())


# --- asked again -------------------------------------------------------------------------------------


def standing(one: TokenReviewer, now: float) -> tuple[int, str] | None:
    """What somebody who is connected by this token hears then; None: nothing."""
    try:
        assert one.holds(question().name, now)
    except Refused as refused:
        return refused.refusal.status, refused.refusal.reason
    return None


def test_a_deleted_pod_ends_what_its_token_proved(
    server: ApiServer, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In use, it is asked about again every thirty seconds, once however many connections; the first no ends it."""
    monkeypatch.setattr(token_review, "_AGAIN_AT_ONCE", 1)  # what was asked makes room for what is asked next

    async def story() -> None:
        one = reviewer(server, own)
        await one.require_good(question(), NOW)
        for now in (NOW + 1, NOW + 29):
            await one.ask_again(now)
            assert standing(one, now) is None
        assert len(server.seen) == 1
        await one.ask_again(NOW + 30)
        assert standing(one, NOW + 30) is None
        server.good.clear()
        await one.ask_again(NOW + 59)
        assert len(server.seen) == 2
        assert standing(one, NOW + 59) is None
        await one.ask_again(NOW + 60)
        assert standing(one, NOW + 60) == (403, "identity_revoked")
        server.good.add(TOKEN)
        await one.require_good(question(), NOW + 66)
        assert standing(one, NOW + 66) is None, "it is the API server's word, whatever that was before"

    asyncio.run(story())


def test_a_server_that_is_away_is_waited_for_two_minutes(
    server: ApiServer, own: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is asked every five seconds; then who is connected hears 503, until there is a yes. One line tells of it."""

    async def story() -> None:
        one = reviewer(server, own)
        await one.require_good(question(), NOW)
        server.broken = 500, {}, b"oops"
        for second in range(30, 121):
            await one.ask_again(NOW + second)
            assert standing(one, NOW + second) is None
        assert len(server.seen) == 1 + 19
        assert caplog.text.count("does not answer") == 1
        assert standing(one, NOW + 121) == (503, "identity_unavailable")
        server.broken = None
        await one.ask_again(NOW + 125)
        assert standing(one, NOW + 125) is None

    asyncio.run(story())


def test_a_token_shown_again_counts_on_while_nobody_answers(server: ApiServer, own: Path) -> None:
    """At the gateway it comes with each request: it ends with its connections, not before; and a no ends it at once."""

    async def story() -> None:
        one = reviewer(server, own)
        await one.require_good(question(), NOW)
        server.broken = 500, {}, b"oops"
        for second in (10, 11, 60, 120):
            await one.require_good(question(), NOW + second)
        assert len(server.seen) == 2, "who is known to be away is not waited for by each request"
        assert (await ask(one, "another", NOW + 60) or (0, ""))[0] == 503
        assert (await ask(one, now=NOW + 121) or (0, ""))[0] == 503
        server.broken = None
        server.good.clear()
        await one.ask_again(NOW + 127)
        assert await ask(one, now=NOW + 127) == (407, "review_not_authenticated")

    asyncio.run(story())


def test_a_server_that_answers_anew_is_asked_anew(server: ApiServer, own: Path) -> None:
    """What it said before it was away is no longer taken for its word."""

    async def story() -> None:
        one = reviewer(server, own)
        number = await one.require_good(question(), NOW)
        server.broken = 500, {}, b"oops"
        assert await one.require_good(question(), NOW + 10) == number
        server.broken = None
        await one.ask_again(NOW + 31)
        server.good.clear()
        assert await ask(one, now=NOW + 37) == (407, "review_not_authenticated")

    asyncio.run(story())


def test_who_is_vouched_for_needs_no_turn(server: ApiServer, own: Path) -> None:
    """However many made-up tokens wait."""

    async def story() -> None:
        one = reviewer(server, own)
        await one.require_good(question(), NOW)
        one._turns = Turns(0, 0, 0)
        await one.require_good(question(), NOW + 10)
        assert (await ask(one, "another", NOW + 10) or (0, ""))[0] == 503

    asyncio.run(story())


def test_a_token_that_nobody_uses_is_not_asked_about(server: ApiServer, own: Path) -> None:
    """Its connections have gone: it is asked about once more at most, and must be shown anew."""

    async def story() -> None:
        one = reviewer(server, own)
        await one.require_good(question(), NOW)
        for second in range(1, 300):
            await one.ask_again(NOW + second)
        assert len(server.seen) == 2
        assert standing(one, NOW + 300) == (403, "identity_expired")
        assert await ask(one, now=NOW + 300) is None

    asyncio.run(story())


def test_garbage_does_not_delay_an_end(server: ApiServer, own: Path) -> None:
    """What is vouched for has turns of its own."""

    async def story() -> None:
        one = reviewer(server, own)
        await one.require_good(question(), NOW)
        one._turns = Turns(1, 1, 100)
        release = asyncio.Event()

        async def hold() -> None:
            async with one._turns.of("192.0.2.1"):
                await release.wait()

        holding = asyncio.ensure_future(hold())
        await asyncio.sleep(0)
        waiting = asyncio.ensure_future(ask(one, "made-up", peer="192.0.2.1"))
        server.good.clear()
        await one.ask_again(NOW + 30)
        assert standing(one, NOW + 30) == (403, "identity_revoked")
        release.set()
        await asyncio.gather(holding, waiting)

    asyncio.run(story())


def test_a_slow_server_does_not_hold_up_the_round(
    server: ApiServer, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer is taken when it comes, and it is not asked the same meanwhile."""
    monkeypatch.setattr(token_review, "_PATIENCE", 0.01)

    async def story() -> None:
        one = reviewer(server, own)
        await one.require_good(question(), NOW)
        with server._lock:
            await one.ask_again(NOW + 30)
            assert len(one._again) == 1
            one.vouched.require(question().name, NOW + 36)
            await one.ask_again(NOW + 36)
            assert len(one._asking) == 1
        await asyncio.gather(*one._again)
        assert standing(one, NOW + 150) is None

    asyncio.run(story())
