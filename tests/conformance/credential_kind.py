"""What every kind of credential binding does. Subclass, name the class `Test...`, and say how one is made."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from proxy.credentials.endpoints import Endpoints
from proxy.credentials.interfaces import CredentialKind
from proxy.credentials.means import Means
from proxy.credentials.references import References
from proxy.errors import Refused
from proxy.facts import Binding
from proxy.inspection.leaks import Leaked, LeakScanner
from proxy.listener.canonical import Place, canonical
from proxy.listener.exchange import Exchange
from proxy.listener.guarded import GuardedGate
from proxy.listener.head import RequestHead, UpstreamFault
from proxy.listener.options import ListenerOptions
from proxy.listener.permit import Permit
from proxy.listener.session import Session
from proxy.listener.streaming import Cut
from proxy.stages import Arrived, Destination, Identity, Injection, Request
from tests.fakes.authorities import Authority, broken_answers
from tests.fakes.delegations import NOW, caller
from tests.fakes.echoes import disguises, echoes
from tests.fakes.gate import FakeGate, released
from tests.fakes.waiting import until

REQUEST = Request(
    "GET", "https", "api.example", 443, "/v1/things", "",
    (("host", "api.example"), ("authorization", "Bearer the-agents-own"), ("x-amz-date", "20200101T000000Z")), b"",
)  # fmt: skip
_ENDPOINTS = Endpoints()  # the system's roots are read once


@dataclass
class House:
    """One kind with one binding, and, for kinds that obtain, the server that they obtain from."""

    kind: CredentialKind[Any]
    binding: Binding
    means: Means
    authority: Authority | None = None
    secrets: list[str] = field(default_factory=list)

    def obtain(self, identity: Identity | None = None, now: float = NOW, request: Request = REQUEST) -> Injection:
        return asyncio.run(self.kind.obtain(self.binding, request, identity or caller(), now))

    def refused(self, identity: Identity | None = None, now: float = NOW, request: Request = REQUEST) -> str:
        with pytest.raises(Refused) as caught:
            self.obtain(identity, now, request)
        said = f"{caught.value!r} {caught.value} {caught.value.refusal!r}"
        assert not [secret for secret in self.secrets if secret in said]
        return f"{caught.value.refusal.status} {caught.value.refusal.reason}"


class CredentialKindConformance(ABC):
    """The suite for all kinds."""

    @abstractmethod
    def opened(self, folder: Path) -> AbstractContextManager[House]: ...

    @pytest.fixture
    def house(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
        self.environment(monkeypatch)
        with self.opened(tmp_path) as house:
            yield house

    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET", "s3cr3t/of+the client")

    def test_something_of_ours_replaces_what_the_agent_sent(self, house: House) -> None:
        """The injection names its binding, sets headers once each in lower case, and repeats nothing of the agent's."""
        injection = house.obtain()
        assert injection.binding is house.binding
        names = [name for name, _ in injection.headers]
        assert names or injection.query
        assert names == [name.lower() for name in dict.fromkeys(names)]
        for _, value in injection.headers:
            assert "the-agents-own" not in value
            assert value.isascii()
            assert value.isprintable()

    def test_every_secret_is_looked_for(self, house: House) -> None:
        """There is something to look for, no secret is shown by `repr`, and an echoed credential is found."""
        injection = house.obtain()
        assert injection.secrets
        assert not [secret for secret in injection.secrets if secret.value in repr(injection)]
        for secret in injection.secrets:
            with pytest.raises(Leaked):
                LeakScanner(injection.secrets).feed(b"<" + secret.value.encode() + b">")
        sent = [value for name, value in injection.headers if self.holds_a_secret(name)]
        sent += [injection.query] if injection.query else []
        for value in sent:
            with pytest.raises(Leaked):
                LeakScanner(injection.secrets).feed(value.encode())

    @pytest.mark.parametrize("pieces", [1, 7, 100_000])
    def test_no_answer_brings_it_back(self, house: House, pieces: int) -> None:
        """Whatever a hostile upstream answers, in whatever pieces, the agent gets no form of any secret."""
        injection = house.obtain()
        sent = {secret.value for secret in injection.secrets}
        for value in sent:
            for place, answer in echoes(value.encode()).items():
                got = answered(injection, [answer[at : at + pieces] for at in range(0, len(answer), pieces)])
                assert not [form for form in disguises(value.encode()) if form in got], place

    def holds_a_secret(self, name: str) -> bool:
        return not name.startswith("x-amz-")

    def test_a_query_is_never_joined_by_a_second_one(self, house: House) -> None:
        """A parameter of the agent's that is still there when ours comes is a refusal; without one, ours is encoded."""
        injection = house.obtain()
        if not injection.query:
            assert house.binding.parameter is None
            return
        name, _, value = injection.query.partition("=")
        assert name == house.binding.parameter
        assert unquote(value) in {secret.value for secret in injection.secrets}
        assert value not in repr(injection)
        for query in (f"{name}=own", f"a=1&{name}", f"%{ord(name[0]):02x}{name[1:]}=own", f"{name.upper()}=own"):
            assert house.refused(request=replace(REQUEST, query=query)) == "503 credential_unavailable"

    def test_without_its_secrets_nothing_passes(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each reference that cannot be read is a refusal, never a call without credential."""
        for name, reference in house.binding.references.items():
            monkeypatch.delenv(reference.removeprefix("env:"))
            assert house.refused(caller(task=f"task_{name}")) == "503 credential_unavailable"
            self.environment(monkeypatch)
        assert house.obtain(caller(task="task_well"))


class ObtainedKindConformance(CredentialKindConformance):
    """The suite for kinds that obtain credentials from an endpoint."""

    def count(self, house: House) -> int:
        assert house.authority is not None
        return house.authority.issued

    def test_a_credential_belongs_to_one_delegation(self, house: House) -> None:
        """The same agent, principal and task share one; any other has its own, on the very same host."""
        first = house.obtain()
        assert house.obtain(now=NOW + 1).secrets == first.secrets
        assert self.count(house) == 1
        others = [caller(task="task_2"), caller(agent="other-bot"), caller(principal="bob")]
        assert len({house.obtain(other).secrets for other in others} | {first.secrets}) == 4
        assert self.count(house) == 4

    def test_many_at_once_fetch_once(self, house: House) -> None:
        """Twenty callers of one delegation wait for one request, and one who leaves takes it from nobody."""

        async def story() -> list[Any]:
            calls = [asyncio.ensure_future(house.kind.obtain(house.binding, REQUEST, caller(), NOW)) for _ in range(20)]
            await asyncio.sleep(0)
            calls[0].cancel()
            return await asyncio.gather(*calls, return_exceptions=True)

        results = asyncio.run(story())
        assert isinstance(results[0], asyncio.CancelledError)
        assert len({result.secrets for result in results[1:]}) == 1
        assert self.count(house) == 1

    def test_it_is_renewed_in_time_and_never_used_after_its_end(self, house: House) -> None:
        """From 80 % of its life a new one is fetched beside the calls; one that is over is not given out."""
        life = self.life(house)

        async def story() -> None:
            def ask(now: float) -> Any:
                return house.kind.obtain(house.binding, REQUEST, caller(), now)

            first = await ask(NOW)
            assert (await ask(NOW + 0.79 * life)).secrets == first.secrets
            assert self.count(house) == 1
            assert (await ask(NOW + 0.81 * life)).secrets == first.secrets  # served while the new one is fetched
            await until(lambda: self.count(house) == 2 and len(asyncio.all_tasks()) == 1)
            second = await ask(NOW + 0.82 * life)
            assert second.secrets != first.secrets
            third = await ask(NOW + 2.5 * life)
            assert third.secrets not in {first.secrets, second.secrets}

        asyncio.run(story())

    def life(self, house: House) -> float:
        assert house.authority is not None
        return house.authority.life

    def test_a_failing_endpoint_refuses(self, house: House) -> None:
        """A redirect, an error, an odd, a huge or an encoded answer: 503, and nothing else is asked for it."""
        assert house.authority is not None
        for number, answer in enumerate(broken_answers(house.authority.url)):
            house.authority.broken = answer
            house.authority.seen.clear()
            assert house.refused(caller(task=f"task_{number}")) == "503 credential_unavailable", answer
            assert not [seen for seen in house.authority.seen if "elsewhere" in seen.path]
        house.authority.broken = None
        assert house.obtain(caller(task="task_well"))

    def test_an_unreachable_endpoint_refuses(self, house: House) -> None:
        """Nobody listens there: 503; the next second it is asked again, not sooner."""
        assert house.authority is not None
        house.authority.broken = (500, {}, b"")
        assert house.refused() == house.refused(now=NOW + 0.5) == "503 credential_unavailable"
        asked = len(house.authority.seen)
        house.authority.broken = None
        assert house.refused(now=NOW + 0.9) == "503 credential_unavailable"
        assert len(house.authority.seen) == asked
        assert house.obtain(now=NOW + 1.1).secrets

    def test_plain_http_needs_to_be_allowed(self, house: House) -> None:
        """Without `unsafe_http_loopback` nothing is sent to an `http://` endpoint, this machine's included."""
        assert house.authority is not None
        house.binding = house.binding.model_copy(update={"unsafe_http_loopback": False})
        assert house.refused() == "503 credential_unavailable"
        assert house.authority.seen == []


class RevocableKindConformance(ObtainedKindConformance):
    """The suite for kinds whose credentials their source can end."""

    @abstractmethod
    def living(self, house: House) -> int:
        """How many credentials that were given out are still good at their source."""

    def sweep(self, house: House, ended: set[str], now: float = NOW) -> None:
        asyncio.run(house.means.held.sweep(now, lambda identity, _: identity.proven.task in ended))

    def test_what_a_task_obtained_ends_with_it(self, house: House) -> None:
        """The end of a task ends its credential at the source, and no other one's."""
        house.obtain()
        house.obtain(caller(task="task_2"))
        self.sweep(house, set())
        assert self.living(house) == 2
        self.sweep(house, {"task_1"})
        assert self.living(house) == 1
        self.sweep(house, {"task_1"})
        assert self.living(house) == 1

    def test_it_ends_with_the_identity_and_at_the_close(self, house: House) -> None:
        """An identity that expires takes its credential with it; the close takes all that are left."""
        house.obtain(caller(not_after=NOW + 60))
        house.obtain(caller(task="task_2"))
        self.sweep(house, set(), NOW + 61)
        assert self.living(house) == 1
        asyncio.run(house.means.held.close(NOW + 62))
        assert self.living(house) == 0

    def test_a_source_that_fails_is_asked_again(self, house: House, caplog: pytest.LogCaptureFixture) -> None:
        """An end that did not succeed is tried again after a while, and told without any secret."""
        assert house.authority is not None
        injection = house.obtain()
        house.authority.broken = (500, {}, b"")
        self.sweep(house, {"task_1"})
        assert "is not ended yet" in caplog.text
        assert not [secret for secret in injection.secrets if secret.value in caplog.text]
        house.authority.broken = None
        self.sweep(house, {"task_1"}, NOW + 1)
        assert self.living(house) == 1
        self.sweep(house, {"task_1"}, NOW + 6)
        assert self.living(house) == 0


def answered(injection: Injection, pieces: Sequence[bytes]) -> bytes:
    """What an agent gets of this answer to a request with this injection; the end of the connection follows it."""
    head = RequestHead("GET", "/v1/things", "HTTP/1.1", (("host", "api.example"),))
    incoming = canonical(head, Place("connect", "https", "api.example", 443), "p")
    session = Session("c", "p", GuardedGate(FakeGate(), 1), ListenerOptions(ca_directory=Path("x")), lambda: 0.0)
    request = incoming.request(b"")
    release = released(Arrived("call_1", 0.0, "c", "connect", "p", request), request, injection)
    exchange = Exchange(session.released(Permit(release, Destination("https", "api.example", 443))), incoming, session)
    exchange.account.sending()
    got = b""
    with contextlib.suppress(UpstreamFault, Cut):
        for piece in pieces:
            passed = exchange.delivered(piece)
            got += passed.data
            if passed.done or passed.switched:
                return got
        got += exchange.ended().data
    return got


def means() -> Means:
    """Fresh means: nothing held."""
    return Means(References(), _ENDPOINTS)
