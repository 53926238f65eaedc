"""One released call and its answer, without sockets."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.listener.canonical import Incoming, Place, canonical
from proxy.listener.exchange import UNSENDABLE, WEBSOCKET, Exchange, fault_refusal
from proxy.listener.guarded import GuardedGate
from proxy.listener.head import RequestHead, UpstreamFault
from proxy.listener.options import ListenerOptions
from proxy.listener.permit import Permit
from proxy.listener.profile import GovernedServer
from proxy.listener.session import Session
from proxy.listener.streaming import Cut
from proxy.stages import Arrived, Destination, Injection, Reply, Secret
from tests.fakes.gate import FakeGate, released

HERE = Destination("https", "a.test", 443)
SECRET = Injection(secrets=(Secret("env:X", "s3cr3t-value"),))
UPGRADE = (("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"))


def incoming(*fields: tuple[str, str]) -> Incoming:
    head = RequestHead("GET", "/", "HTTP/1.1", (("host", "a.test"), *fields))
    return canonical(head, Place("connect", "https", "a.test", 443), "p")


def exchange(
    gate: FakeGate, what: Incoming | None = None, place: Destination = HERE, injection: Injection | None = None
) -> Exchange:
    what = what or incoming()
    session = Session("c", "p", GuardedGate(gate, 1), ListenerOptions(ca_directory=Path("x")), lambda: 0.0)
    request = what.request(b"")
    release = released(Arrived("call_1", 0.0, "c", "connect", "p", request), request, injection)
    account = session.released(Permit(release, place))
    account.sending()
    return Exchange(account, what, session)


def awaited(now: list[float], place: Destination = HERE) -> tuple[Exchange, GovernedServer]:
    """An exchange that was sent at 0; `now` is the time."""
    session = Session("c", "p", GuardedGate(FakeGate(), 1), ListenerOptions(ca_directory=Path("x")), lambda: now[0])
    request = incoming().request(b"")
    permit = Permit(released(Arrived("call_1", 0.0, "c", "connect", "p", request), request), place)
    server = GovernedServer(permit)
    this = Exchange(session.released(permit), incoming(), session)
    this.sending(server)
    return this, server


def test_a_whole_answer_is_accounted_for() -> None:
    """The answer's bytes are passed on, and its end is told."""
    gate = FakeGate()
    this = exchange(gate)
    assert this.prepare() is None
    first = this.delivered(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh")
    assert first.data.endswith(b"\r\n\r\nh")
    assert not first.done
    last = this.delivered(b"i")
    assert (last.data, last.done, this.reusable) == (b"i", True, True)
    assert [(a.status, a.response_bytes) for a in gate.answers] == [(200, 2)]


def test_websocket_needs_the_services_word() -> None:
    """Without it the request is not even written."""
    this = exchange(FakeGate(), incoming(*UPGRADE))
    assert this.prepare() is WEBSOCKET
    assert this.raw == b""
    allowed = Destination("https", "a.test", 443, allow_websocket=True)
    assert exchange(FakeGate(), incoming(*UPGRADE), allowed).prepare() is None


def test_a_request_for_another_place_is_not_written() -> None:
    """What cannot be sent as released is refused."""
    this = exchange(FakeGate(), place=Destination("https", "b.test", 443))
    assert this.prepare() is UNSENDABLE


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 302 Found\r\nLocation: https://x/?k=s3cr3t-value\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 s3cr3t-value\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\ns3cr3t-value",
    ],
)
def test_secrets_cut(raw: bytes) -> None:
    """In a field, in the reason, in the body."""
    with pytest.raises(Cut, match="secret_leaked"):
        exchange(FakeGate(), injection=SECRET).delivered(raw)


def test_what_cannot_be_searched_is_a_fault() -> None:
    """An encoded answer to a request that carried a secret is not passed on."""
    with pytest.raises(UpstreamFault):
        exchange(FakeGate(), injection=SECRET).delivered(b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n")


def test_an_end_in_the_middle() -> None:
    """An answer that breaks off is a fault, and is not accounted for as an answer."""
    gate = FakeGate()
    this = exchange(gate)
    this.delivered(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh")
    with pytest.raises(UpstreamFault):
        this.ended()
    assert gate.answers == []


def test_an_end_that_ends_the_answer() -> None:
    """An answer without a length ends with its connection."""
    this = exchange(FakeGate())
    this.delivered(b"HTTP/1.1 200 OK\r\n\r\nhi")
    assert this.ended().done


@pytest.mark.parametrize(
    ("error", "sent", "reason"),
    [
        ("no route", False, "upstream_unreachable"),
        ("reset", True, "upstream_failed"),
        ("secret_leaked", True, "secret_leaked"),
    ],
)
def test_words_for_faults(error: str, sent: bool, reason: str) -> None:
    """The agent is told what happened, as far as it is known."""
    refusal = fault_refusal(error, sent=sent)
    assert (refusal.reason, refusal.status) == (reason, 502)


@pytest.mark.parametrize(("sent", "begins"), [(False, "NOT EXECUTED. "), (True, "OUTCOME UNKNOWN. ")])
def test_a_fault_says_whether_the_call_may_have_been_executed(sent: bool, begins: str) -> None:
    """Only of a call of which not one byte was sent is it known that it was not."""
    said = json.loads(exchange(FakeGate()).fault("reset", sent=sent).body)
    assert said["executed"] is (None if sent else False)
    assert said["detail"].startswith(begins)


def test_the_gate_words_a_fault() -> None:
    """It knows the protocol of the call; without its words there are still ours."""
    gate = FakeGate(words=Reply(200, (), b"in its own words"))
    assert exchange(gate).fault("reset", sent=True).body == b"in its own words"
    gate.fail = frozenset({"word"})
    assert exchange(gate).fault("reset", sent=True).status == 502


def test_a_certificate_that_is_not_trusted_is_no_passing_trouble() -> None:
    """Asking again does not help: somebody must name its authority."""
    refusal = fault_refusal("Certificate verify failed: self-signed certificate", sent=False)
    assert (refusal.reason, refusal.next_action) == ("upstream_unreachable", "none")
    assert "`trusted_roots`" in refusal.detail


def test_an_answer_has_a_time_to_begin_in() -> None:
    """Ten minutes, or what the service has of its own, and until the head is complete."""
    now = [0.0]
    this, server = awaited(now)
    assert server.answer_by == 600.0
    assert awaited(now, replace(HERE, answer_within=7))[1].answer_by == 7.0
    this.delivered(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert server.answer_by == 600.0
    this.delivered(b"Content-Length: 2\r\n\r\na")
    assert server.answer_by == 900.0
    with pytest.raises(UpstreamFault, match="in the middle"):
        this.ended()


def test_an_answer_that_has_begun_must_get_on() -> None:
    """A quarter of an hour, or what the service has of its own, from each piece of it to the next."""
    now = [0.0]
    this, server = awaited(now)
    own, its_server = awaited(now, replace(HERE, silence_within=7))
    for one in (this, own):
        one.delivered(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert (server.answer_by, its_server.answer_by) == (900.0, 7.0)
    now[0] = 899.0
    this.delivered(b"1\r\na\r\n")
    assert server.answer_by == 1799.0
    with pytest.raises(UpstreamFault, match="answer_stalled"):
        own.ended()
    assert this.delivered(b"0\r\n\r\n").done
    assert server.answer_by is None


def test_silence_is_no_end_of_an_answer_without_a_length() -> None:
    """When we close because nothing more comes, nobody takes what came for all of it."""
    now = [0.0]
    this, _ = awaited(now)
    this.delivered(b"HTTP/1.1 200 OK\r\n\r\nhalf")
    now[0] = 900.0
    with pytest.raises(UpstreamFault, match="answer_stalled"):
        this.ended()


def test_an_end_is_late_only_after_its_time() -> None:
    """An upstream that closes before is one that failed."""
    now = [599.0]
    this, _ = awaited([0.0])
    with pytest.raises(UpstreamFault, match="without an answer"):
        this.ended()
    late, _ = awaited(now)
    now[0] += 600.0
    with pytest.raises(UpstreamFault, match="upstream_timeout"):
        late.ended()


def test_words_for_an_answer_that_did_not_come() -> None:
    """504, and no word on whether the call took effect."""
    refusal = fault_refusal("upstream_timeout", sent=True)
    assert (refusal.reason, refusal.status) == ("upstream_timeout", 504)
