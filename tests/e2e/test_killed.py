"""The proxy killed with `kill -9` while calls are in flight, and started again on what it left."""

import contextlib
import secrets
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from proxy.demo.stage import Stage, open_stage, start_server
from tests.e2e.books import Books, serving
from tests.e2e.conftest import more_to_hold
from tests.e2e.driving import CRM, approve, countersign, issue, pending, proxied, records, until

ANSWERED_BEFORE = 60


@pytest.fixture
def house() -> Iterator[tuple[Stage, Books]]:
    """A stage of its own, with a customer system that the test can see into."""
    books = Books()
    with contextlib.ExitStack() as stack:

        def prepare(stage: Stage) -> None:
            more_to_hold(stage)
            stack.enter_context(serving(books, stage))

        yield stack.enter_context(open_stage(agent=False, prepare=prepare)), books


class Traffic:
    """Readers that go on until the proxy dies, and keep the trace id of each call that was answered."""

    def __init__(self, stage: Stage, handle: str) -> None:
        self.answered: list[str] = []
        self._stage, self._handle = stage, handle
        self._threads = [threading.Thread(target=self._read, args=(number,)) for number in range(4)]
        for thread in self._threads:
            thread.start()

    def _read(self, number: int) -> None:
        with proxied(self._stage, self._handle) as client, contextlib.suppress(httpx.HTTPError):
            while True:
                trace = secrets.token_hex(16)
                headers = {"traceparent": f"00-{trace}-{'1' * 16}-01"}
                answer = client.get(f"{CRM}/v1/customers/c-{number}", headers=headers)
                assert answer.status_code == 200
                self.answered.append(trace)

    def end(self) -> list[str]:
        for thread in self._threads:
            thread.join()
        return self.answered


def refund(stage: Stage, handle: str, customer: str, **headers: str) -> httpx.Response:
    with proxied(stage, handle) as client:
        return client.post(f"{CRM}/v1/refunds", json={"customer": customer, "amount": 50_000}, headers=headers)


def kill(stage: Stage) -> None:
    assert stage.server is not None
    stage.server.send_signal(signal.SIGKILL)
    stage.server.wait()


def attempts(stage: Stage, hold: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.ask("GET", f"/v1/holds/{hold}")["attempts"]
    return found


def test_nothing_acknowledged_is_lost_and_nothing_runs_twice(house: tuple[Stage, Books]) -> None:
    """After `kill -9` in full traffic: every answered call is in a log that verifies; holds are still there and
    run exactly once; a call that was sent and never answered is of unknown outcome, and is not sent again."""
    stage, books = house
    handle = issue(stage)["handle"]
    parked = refund(stage, handle, "parked").json()["hold_id"]
    sent = refund(stage, handle, "slow-sent").json()["hold_id"]
    approve(stage, sent)
    with ThreadPoolExecutor() as pool:
        in_flight = pool.submit(refund, stage, handle, "slow-sent")
        until(lambda: books.refunded("slow-sent"), "the approved refund is at the customer system")
        waiting = pool.submit(refund, stage, handle, "waiting", prefer="wait=30")
        until(lambda: len(pending(stage)) == 2, "the other refund waits for its sign-off")
        traffic = Traffic(stage, handle)
        until(lambda: len(traffic.answered) > ANSWERED_BEFORE, "calls are answered")
        kill(stage)
        answered = traffic.end()
        for cut in (in_flight, waiting):
            assert_cut(cut)
    books.open.set()
    start_server(stage)

    verified = countersign(stage, "audit", "verify")
    assert verified.returncode == 0, verified.stdout
    recorded = {record["trace"]["inbound"] for record in records(stage, type="call.decided")}
    assert set(answered) <= recorded

    assert {row["id"] for row in pending(stage)} >= {parked}
    approve(stage, parked)
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: refund(stage, handle, "parked"), range(4)))
    assert [answer.status_code for answer in answers].count(201) == 1, [answer.text for answer in answers]
    assert books.refunded("parked") == 1

    assert stage.ask("GET", f"/v1/holds/{sent}")["state"] == "outcome_unknown"
    again = refund(stage, handle, "slow-sent")
    assert (again.status_code, again.json()["reason"]) == (422, "approval_outcome_unknown")
    assert books.refunded("slow-sent") == 1
    assert books.refunded("waiting") == 0


def assert_cut(call: Future[httpx.Response]) -> None:
    """The agent got no answer, rather than one that says something false."""
    with pytest.raises(httpx.HTTPError):
        call.result()
