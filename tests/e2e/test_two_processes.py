"""Two processes on one store hear each other's revocations; and one that cannot hear lets nothing pass."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from proxy.app.core import open_core
from proxy.app.serve import serving
from proxy.errors import StoreUnavailable
from proxy.tasks.interfaces import KINDS
from tests.fakes.serving import configured, on_loopback
from tests.fakes.upstream import upstream
from tests.fakes.waiting import PATIENCE, own_time, until
from tests.fakes.world import Broken

WITHIN = 1.0


class Other:
    """The other process, by its pipes."""

    def __init__(self, store: Path) -> None:
        command = [sys.executable, "-m", "tests.e2e.other_process", str(store)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def hear(self, what: str) -> list[str]:
        """The next line that begins so."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(what):
                return line.split()
        raise AssertionError(f"it ended before it said {what}")

    def tell(self, line: str) -> None:
        """Does this; returns when it is done there."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self.hear("done")


@contextlib.contextmanager
def other(store: Path) -> Iterator[Other]:
    made = Other(store)
    try:
        made.hear("ready")
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


def test_two_processes_hear_each_other(tmp_path: Path) -> None:
    """What one ends, freezes or lifts is in force in the other within a second, both ways, with what it is."""

    async def main() -> None:
        settings = configured(tmp_path)
        async with open_core(settings) as core:
            with other(settings.state / "countersign.db") as there:
                for kind in KINDS:
                    await asyncio.to_thread(there.tell, f"{kind} agent:support-bot")
                    done = own_time()
                    await until(lambda k=kind: core.feed.epochs.of("agent:support-bot", k) is not None)
                    assert own_time() - done < WITHIN
                assert len(core.feed.epochs.rows) == len(KINDS)
                await asyncio.to_thread(there.tell, "lift agent:support-bot")
                done = own_time()
                await until(lambda: not core.feed.epochs.rows)
                assert own_time() - done < WITHIN
                began = own_time(there.process.pid)
                await core.revocations.revoke("global", "operator:here", "x", time.time())
                await asyncio.to_thread(there.hear, "heard global")
                assert own_time(there.process.pid) - began < WITHIN
                await core.revocations.lift("global")
                await asyncio.to_thread(there.hear, "lost global")

    asyncio.run(main())


def test_a_gate_that_cannot_hear_refuses(tmp_path: Path) -> None:
    """With the store gone: after a second nobody new, after five nothing; when it is back, calls pass again."""

    async def main() -> None:
        began, shift = time.time(), 0.0

        def clock() -> float:
            return began + shift  # it goes on when we say so: the machine may stand still for as long as it likes

        async with upstream() as crm:
            settings = configured(tmp_path, inventory=on_loopback(crm.port))
            async with open_core(settings, clock) as core, serving(core) as running:
                handle, _ = await core.handles.issue(
                    agent="support-bot", purpose="x", ttl=3600, issued_by="test", now=clock(), on_behalf_of="alice"
                )
                headers = {"authorization": f"Bearer {handle}"}
                url = f"http://{running.gateway}/crm/v1"

                async def ask(client: httpx.AsyncClient, body: dict[str, Any] | None = None) -> str:
                    sending = (
                        client.get(f"{url}/customers/c-7", headers=headers)
                        if body is None
                        else client.post(f"{url}/refunds", headers=headers, json=body)
                    )
                    answer = await sending
                    return "" if answer.is_success else str(json.loads(answer.text)["reason"])

                async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
                    small = {"customer": "c", "amount": 5}
                    assert (await ask(client), await ask(client, small)) == ("", "")
                    real: Any = core.feed._store
                    core.feed._store = Broken(StoreUnavailable("gone"))  # type: ignore[assignment]  # a store that is down
                    await until(lambda: core.feed._failing)
                    shift = 2.0
                    assert core.feed.standing(clock()) == "degraded"
                    assert await ask(client, small) == "revocations_stale"
                    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as new:
                        assert await ask(new) == "revocations_stale"
                    assert await ask(client) == ""  # who is known may read, for a while
                    shift = 6.0
                    assert core.feed.standing(clock()) == "stale"
                    assert await ask(client) == "revocations_stale"
                    core.feed._store = real
                    await until(lambda: core.feed.standing(clock()) == "fresh")
                    assert await ask(client) == ""

    asyncio.run(main())


def test_a_gate_that_was_stopped_for_a_while_passes_nothing_old(tmp_path: Path) -> None:
    """A process that the machine did not run for seconds hears what happened before it serves again."""
    store = tmp_path / "store.db"
    with other(store) as first, other(store) as second:
        os.kill(second.process.pid, signal.SIGSTOP)
        first.tell("revoke global")
        os.kill(second.process.pid, signal.SIGCONT)
        assert second.hear("heard global")[2] == "revoke"
