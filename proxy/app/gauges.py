"""What of ownership monitoring may watch: numbers only, no names."""

from datetime import UTC, date, datetime

from proxy.app.core import Core
from proxy.inventory.orphans import orphans
from proxy.inventory.ownership import overdue
from telemetry.metrics import Metrics


def ownership_gauges(core: Core, metrics: Metrics) -> None:
    """How much has lost its owner, and how much has not been reviewed in time."""

    def today() -> date:
        return datetime.fromtimestamp(core.clock(), UTC).date()

    def orphaned() -> float:
        return len({one.what for one in orphans(core.inventory(), today())})

    metrics.gauge("countersign_orphaned", "Agents and other things whose owner has left", orphaned)
    metrics.gauge(
        "countersign_reviews_overdue",
        "Agents and business processes that were not reviewed in time",
        lambda: len(overdue(core.inventory(), today())),
    )
