"""What monitoring may watch of ownership."""

import asyncio

from proxy.app.core import open_core
from proxy.app.gauges import ownership_gauges
from proxy.facts import Held
from telemetry.metrics import Metrics
from tests.fakes.serving import configured


def test_what_lost_its_owner_and_what_is_overdue_is_counted(tmp_path):
    """Numbers that follow what is in force; nobody's name is in them."""

    async def main():
        async with open_core(configured(tmp_path)) as core:
            metrics = Metrics()
            ownership_gauges(core, metrics)
            assert "countersign_orphaned 0\n" in metrics.render()
            assert "countersign_reviews_overdue 0\n" in metrics.render()
            core.keeper.hold(Held(deactivated=frozenset({"olivia"})))
            assert "countersign_orphaned 4\n" in metrics.render()
            assert "olivia" not in metrics.render()

    asyncio.run(main())
