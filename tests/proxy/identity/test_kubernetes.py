"""Service-account tokens, by the cluster's keys and by its API server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.errors import Refused
from proxy.identity.clusters import ClusterSettings
from proxy.identity.compact import read
from proxy.identity.kubernetes import ServiceAccountVerifier
from proxy.identity.vouched import Question
from tests.fakes.cluster import (
    ACCOUNT,
    CLUSTER,
    POD,
    US,
    ApiServer,
    account_token,
    bound,
    cluster_keys,
    wait_for_answers,
)
from tests.fakes.issuer import NOW, key_set


@pytest.fixture
def by_keys(tmp_path: Path) -> ServiceAccountVerifier:
    """A cluster whose keys are in a file."""
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(cluster_keys()))
    return ServiceAccountVerifier([ClusterSettings(CLUSTER, US, jwks_file=path)])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API server."""
    wait_for_answers(monkeypatch)
    with ApiServer() as one:
        yield one


@pytest.fixture
def by_review(server: ApiServer, tmp_path: Path) -> ServiceAccountVerifier:
    """A cluster that is asked."""
    path = tmp_path / "token"
    path.write_text(server.ours)
    return ServiceAccountVerifier([ClusterSettings(CLUSTER, US, review_url=server.url, token_file=path)])


def refusal(verifier: ServiceAccountVerifier, token: str, now: float = NOW) -> tuple[int, str]:
    """Status and internal code of the refusal."""
    with pytest.raises(Refused) as caught:
        asyncio.run(verifier.verify(token, now))
    return caught.value.refusal.status, caught.value.refusal.internal.partition(":")[0]


def test_keys_prove_the_account_and_its_pod(by_keys: ServiceAccountVerifier) -> None:
    """Issuer and subject as the inventory names them, the pod as the instance."""
    token = account_token()
    assert by_keys.recognises(read(token))
    shown = asyncio.run(by_keys.verify(token, NOW))
    assert (shown.issuer, shown.subject, shown.method) == (CLUSTER, ACCOUNT, "k8s_sa_token")
    assert (shown.instance, shown.token_id) == (f"{POD['name']}/{POD['uid']}", "t-1")
    assert (shown.issued_at, shown.not_after) == (NOW - 20, NOW + 3010)
    assert asyncio.run(by_keys.verify(token, NOW + 1)) is shown


def test_a_wrong_signature_is_refused(by_keys: ServiceAccountVerifier) -> None:
    """As is a token without the name of its key that could be of any, and one of another cluster."""
    assert refusal(by_keys, account_token(name="another")) == (407, "token_signature")
    assert refusal(by_keys, account_token({"kid": "nobody"})) == (407, "token_key_unknown")
    assert refusal(by_keys, account_token(iss="https://other")) == (407, "token_cluster")
    assert not by_keys.recognises(read(account_token(iss="https://other")))


def test_the_api_server_proves_the_same(by_review: ServiceAccountVerifier, server: ApiServer) -> None:
    """By its word alone: no key is needed, whoever signed."""
    token = account_token()
    server.good.add(token)
    shown = asyncio.run(by_review.verify(token, NOW))
    assert (shown.subject, shown.method, shown.instance) == (ACCOUNT, "k8s_tokenreview", f"{POD['name']}/{POD['uid']}")


def test_a_token_that_the_api_server_does_not_know_is_refused(
    by_review: ServiceAccountVerifier, server: ApiServer
) -> None:
    """However well it is signed."""
    assert refusal(by_review, account_token()) == (407, "review_not_authenticated")


def test_what_is_plainly_wrong_is_never_asked_about(by_review: ServiceAccountVerifier, server: ApiServer) -> None:
    """Expired, or for others: refused here, also when the server would still say yes from what it remembers."""
    token = account_token()
    server.good.add(token)
    assert asyncio.run(by_review.verify(token, NOW + 3009))
    assert refusal(by_review, token, NOW + 3010) == (407, "token_expired")
    assert refusal(by_review, account_token(aud=["other"])) == (407, "token_audience")
    assert len(server.seen) == 1


def test_two_clusters_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    """It would be open which of them judges."""
    one = ClusterSettings(CLUSTER, US, jwks_file=tmp_path / "x")
    with pytest.raises(ValueError, match="different issuers"):
        ServiceAccountVerifier([one, one])


def test_garbage_never_reaches_the_api_server(by_review: ServiceAccountVerifier, server: ApiServer) -> None:
    """What no service account of this cluster could have is refused here: it costs others nothing."""
    for spoilt in (
        account_token({"alg": "ES256"}),
        account_token({"typ": "at+jwt"}),
        account_token(aud=["other"]),
        account_token(aud=None),
        account_token(exp=int(NOW) - 100),
        account_token(exp=int(NOW) + 10**6),
        account_token(nbf=int(NOW) + 600),
        account_token(sub="alice"),
        account_token(sub="system:serviceaccount:other:refunds"),
        account_token(**bound(pod={"name": "x" * 300, "uid": "1"})),
        account_token(iss="https://other"),
    ):
        assert refusal(by_review, spoilt)[0] == 407
    assert server.seen == []


def test_what_the_api_server_vouched_for_ends_when_it_says_no(
    by_review: ServiceAccountVerifier, server: ApiServer
) -> None:
    """Its word is in the place of the cluster's key, by the name of the token; it says so of no other cluster's."""
    token = account_token()
    server.good.add(token)

    async def story() -> None:
        name = (await by_review.verify(token, NOW, "192.0.2.1")).key
        (word,) = by_review.keys_of(CLUSTER)
        assert list(by_review.keys_of("https://other")) == []
        assert word.vouched.met(Question("", ACCOUNT, "", f"{POD['name']}/{POD['uid']}"))
        assert word.holds(name, NOW + 29)
        with pytest.raises(Refused, match="identity_expired"):
            word.holds("another", NOW + 29)
        server.good.clear()
        await by_review.refresh(NOW + 30)
        with pytest.raises(Refused, match="identity_revoked"):
            word.holds(name, NOW + 30)
        assert word.epoch == 0

    asyncio.run(story())


def test_what_something_hangs_on_is_asked_about_until_that_ends(
    by_review: ServiceAccountVerifier, server: ApiServer
) -> None:
    """Nobody shows it any more; of a cluster without an API server, or of none, there is nobody to ask."""
    token = account_token()
    server.good.add(token)

    async def story() -> None:
        name = (await by_review.verify(token, NOW)).key
        (word,) = by_review.keys_of(CLUSTER)
        by_review.keep_vouched(CLUSTER, name, NOW + 900)
        by_review.keep_vouched("https://other", name, NOW + 900)
        for second in range(30, 600, 30):
            await by_review.refresh(NOW + second)
        assert word.holds(name, NOW + 600)
        server.good.clear()
        await by_review.refresh(NOW + 600)
        with pytest.raises(Refused, match="identity_revoked"):
            word.holds(name, NOW + 600)

    asyncio.run(story())
