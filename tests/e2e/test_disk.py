"""The disk full, the store read-only: refusals in words, no crash, and recovery without a restart."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from proxy.demo.stage import Stage, open_stage
from tests.e2e.books import Books, serving
from tests.e2e.conftest import more_to_hold
from tests.e2e.driving import CRM, approve, countersign, issue, proxied, records, until

type Ailment = Callable[[Stage], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def no_file_may_grow(stage: Stage) -> Iterator[None]:
    """What a full disk is to a process, without one: every write beyond the first byte of a file fails."""
    assert stage.server is not None
    before = resource.prlimit(stage.server.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(stage.server.pid, resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def disk_full(stage: Stage) -> Iterator[None]:
    """The file system of the state has not a byte left."""
    filler = stage.directory / "state" / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def read_only(stage: Stage) -> Iterator[None]:
    """The store itself takes no write: another has it to itself."""
    import sqlite3

    with contextlib.closing(sqlite3.connect(stage.directory / "state" / "countersign.db", autocommit=True)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Books]]:
    """A stage whose state lies on a small file system of its own, where that may be had."""
    books = Books()
    with contextlib.ExitStack() as stack:

        def prepare(stage: Stage) -> None:
            more_to_hold(stage)
            state = tmp_path_factory.mktemp("state")
            state.chmod(0o700)
            if mount(state):
                stack.callback(subprocess.run, ["umount", str(state)], check=True)
            (stage.directory / "state").symlink_to(state)
            stack.enter_context(serving(books, stage))

        yield stack.enter_context(open_stage(agent=False, prepare=prepare)), books


def mount(directory: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "countersign-test", str(directory)]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


def read(client: httpx.Client) -> httpx.Response:
    return client.get(f"{CRM}/v1/customers/c-1")


@pytest.mark.parametrize("ailment", [no_file_may_grow, disk_full])
def test_without_a_record_no_call_passes(house: tuple[Stage, Books], ailment: Ailment) -> None:
    """While nothing can be written: 503 with a reason, nothing upstream, the status says so; then all is well again."""
    stage, books = house
    if ailment is disk_full and not os.path.ismount((stage.directory / "state").resolve()):
        pytest.skip("only root may mount the small file system that this fills")
    with proxied(stage, issue(stage)["handle"]) as client:
        assert read(client).status_code == 200
        with ailment(stage):
            # room that was set aside takes some records, and the log tries again: what is on record may pass
            until(lambda: read(client).status_code == 503, "the log notices")
            before, answers = len(books.asked), [read(client) for _ in range(5)]
            passed = [answer for answer in answers if answer.status_code == 200]
            assert ailment is disk_full or not passed
            for answer in answers:
                if answer not in passed:
                    assert (answer.status_code, answer.json()["reason"]) == (503, "audit_unavailable"), answer.text
                    assert answer.json()["executed"] is False
            assert len(books.asked) - before == len(passed)

            def told() -> bool:
                """Right after a refusal: while nobody asks for a call, what room is left may have mended the log."""
                return read(client).status_code == 503 and stage.ask("GET", "/v1/status")["ready"] is False

            until(told, "the status says so")
        until(lambda: read(client).status_code == 200, "calls pass again")
    assert stage.server is not None
    assert stage.server.poll() is None
    until(lambda: stage.ask("GET", "/v1/status")["ready"], "the status says that it is ready")
    verified = countersign(stage, "audit", "verify")
    assert verified.returncode == 0, verified.stdout


@pytest.mark.parametrize("ailment", [no_file_may_grow, disk_full, read_only])
def test_what_cannot_be_stored_is_neither_held_nor_released(house: tuple[Stage, Books], ailment: Ailment) -> None:
    """While the store takes no write: no new hold, no use of an approval; afterwards the approval is used, once."""
    stage, books = house
    if ailment is disk_full and not os.path.ismount((stage.directory / "state").resolve()):
        pytest.skip("only root may mount the small file system that this fills")
    customer = ailment.__name__

    def ask(name: str) -> httpx.Response:
        return client.post(f"{CRM}/v1/refunds", json={"customer": name, "amount": 40_000})

    with proxied(stage, issue(stage)["handle"]) as client:
        held = ask(customer)
        assert held.status_code == 428, held.text
        approve(stage, held.json()["hold_id"])
        with ailment(stage):
            if ailment is disk_full:
                until(lambda: read(client).status_code == 503, "the log notices")
            assert ask(f"new-{customer}").status_code in ({503, 428} if ailment is disk_full else {503})
            if ailment is not disk_full:  # which may still have room for this one
                assert ask(customer).status_code == 503
                assert books.refunded(customer) == 0
        until(lambda: ask(customer).status_code == 201 or books.refunded(customer), "the approval is used")
        assert books.refunded(customer) == 1
        assert books.refunded(f"new-{customer}") == 0


@pytest.mark.parametrize("ailment", [no_file_may_grow, disk_full, read_only])
def test_the_kill_switch_works_all_the_same(house: tuple[Stage, Books], ailment: Ailment) -> None:
    """A stream is cut at once, what is not stored or recorded is said, and both are made good; a lift has to wait."""
    stage, _ = house
    if ailment is disk_full and not os.path.ismount((stage.directory / "state").resolve()):
        pytest.skip("only root may mount the small file system that this fills")
    made = issue(stage)
    scope = f"task:{made['task']}"
    with proxied(stage, made["handle"]) as client:
        with client.stream("GET", f"{CRM}/v1/events") as response, ailment(stage):
            events = response.iter_lines()
            next(events)
            said = countersign(stage, "revoke", scope, "--reason", ailment.__name__)
            assert (said.returncode, said.stdout) == (0, f"{scope} is ended; 1 open connection under it\n"), said.stderr
            if ailment is no_file_may_grow:
                assert "only until this process ends" in said.stderr
                assert "not in the audit log yet" in said.stderr
            elif ailment is read_only:
                assert "not yet in the store" in said.stderr
            with contextlib.suppress(httpx.HTTPError):
                for _ in events:
                    pass
            if ailment is not disk_full:  # which may still have room for this
                lifted = countersign(stage, "lift", scope, "--reason", "too early")
                assert lifted.returncode == 2
            rows = stage.ask("GET", "/v1/revocations")["revocations"]
            assert scope in {row["scope"] for row in rows}
        until(lambda: not stage.ask("GET", "/v1/status")["revocations_not_stored"], "it is stored")
        until(lambda: read(client).status_code == 403, "the calls of the task are refused")
    stored = {"type": "revocation.put"}
    until(lambda: [one for one in records(stage, **stored) if one["change"]["what"] == scope], "it is on record")
    assert countersign(stage, "lift", scope, "--reason", "over").returncode == 0
