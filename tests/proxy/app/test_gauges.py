"""What monitoring may watch of the house."""

import asyncio

from proxy.app.core import open_core
from proxy.app.gauges import connection_gauges, core_gauges
from proxy.facts import Held
from proxy.listener.shares import Shares
from telemetry.metrics import Metrics
from tests.fakes.serving import configured


def test_what_lost_its_owner_and_what_is_overdue_is_counted(tmp_path):
    """Numbers that follow what is in force; nobody's name is in them."""

    async def main():
        async with open_core(configured(tmp_path)) as core:
            metrics = Metrics()
            core_gauges(core, metrics)
            assert "countersign_orphaned 0\n" in metrics.render()
            assert "countersign_reviews_overdue 0\n" in metrics.render()
            core.keeper.hold(Held(deactivated=frozenset({"olivia"})))
            assert "countersign_orphaned 4\n" in metrics.render()
            assert "olivia" not in metrics.render()

    asyncio.run(main())


def test_mistakes_in_files_are_counted_until_they_are_mended(tmp_path):
    """What was edited last is not in force, and would keep the next start from succeeding."""
    settings = configured(tmp_path)
    people = next(path for path in settings.inventory.glob("*.yaml") if "people:" in path.read_text())
    good = people.read_text()

    async def look(core):
        for _ in range(3):
            await core.keeper.poll(core.recorder.append)

    async def main():
        async with open_core(settings) as core:
            metrics = Metrics()
            core_gauges(core, metrics)
            assert 'countersign_file_mistakes{what="inventory"} 0\n' in metrics.render()
            assert 'countersign_file_mistakes{what="policies"} 0\n' in metrics.render()
            people.write_text("people: [")
            await look(core)
            assert 'countersign_file_mistakes{what="inventory"} 1\n' in metrics.render()
            people.write_text(good)
            await look(core)
            assert 'countersign_file_mistakes{what="inventory"} 0\n' in metrics.render()

    asyncio.run(main())


def test_how_each_source_of_the_inventory_is(tmp_path):
    """How long ago it was good, and whether something is wrong with it, by its name in the settings."""

    async def main():
        more = "inventory_sources:\n  - {id: hr}\n  - {id: cmdb, file: none.json}\n"
        now = [1_795_000_000.0]
        async with open_core(configured(tmp_path, more=more), lambda: now[0]) as core:
            metrics = Metrics()
            core_gauges(core, metrics)
            now[0] += 60
            core.source_health.good("hr")
            core.source_health.wrong("cmdb", "it cannot be read")
            told = metrics.render()
        for source, age, wrong in (("hr", 0, 0), ("cmdb", 60, 1)):
            assert f'countersign_inventory_source_age_seconds{{source="{source}"}} {age}\n' in told
            assert f'countersign_inventory_source_wrong{{source="{source}"}} {wrong}\n' in told

    asyncio.run(main())


def test_what_fails_beside_the_calls_is_counted(tmp_path):
    """One that goes on failing is seen to: its one line in the log is long past by then."""

    async def main():
        async with open_core(configured(tmp_path)) as core:
            metrics = Metrics()
            core_gauges(core, metrics)
            assert "countersign_background_failures 0\n" in metrics.render()
            core.failures["sweeping held calls"] += 2
            assert "countersign_background_failures 2\n" in metrics.render()

    asyncio.run(main())


def test_connections_are_counted():
    """Those of agents, those of nobody yet, and those that found no place."""
    metrics, shares = Metrics(), Shares(10)
    connection_gauges(shares, metrics)
    for name in "abc":
        shares.enter(name, "192.0.2.1")
    shares.prove("a", "bot")
    shares.refuse("b")
    for line in (
        "countersign_connections 1",
        "countersign_connections_unproven 1",
        "countersign_connections_refused 1",
    ):
        assert f"{line}\n" in metrics.render()
