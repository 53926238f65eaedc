"""Another process on the same store: says each line what it is told, as the gate or as the one who ends things.

    python -m tests.e2e.other_process STORE

Told `revoke SCOPE`, `freeze SCOPE` or `lift SCOPE` on a line, it answers `done`. Between that it polls as a gate
does, and says `heard SCOPE KIND` when a scope comes, and `lost SCOPE` when one goes.
"""

import asyncio
import sys
import time
from pathlib import Path

from proxy.storage.sqlite import SqliteStore
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.revocations import RevocationService


async def main(path: Path) -> None:
    store = SqliteStore.open(path)
    feed = RevocationFeed(store)
    known: set[tuple[str, str]] = set()

    def changed() -> None:
        now = {(row.scope, row.kind) for row in feed.epochs.rows}
        for scope, kind in now - known:
            print(f"heard {scope} {kind}", flush=True)
        for scope, _ in known - now:
            print(f"lost {scope}", flush=True)
        known.clear()
        known.update(now)

    await feed.poll(time.time())
    changed()
    feed.on_change(changed)
    polling = asyncio.create_task(feed.run(time.time))
    service = RevocationService(store, feed)
    print("ready", flush=True)
    while line := (await asyncio.to_thread(sys.stdin.readline)).split():
        verb, scope = line
        if verb == "lift":
            await service.lift(scope)
        else:
            await service.revoke(
                scope, "operator:other", "x", time.time(), kind="freeze" if verb == "freeze" else "revoke"
            )
        print("done", flush=True)
    polling.cancel()
    store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
