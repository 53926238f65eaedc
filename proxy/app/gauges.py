"""What monitoring may watch of the house: numbers only, no names."""

from datetime import UTC, date, datetime

from proxy.app.core import Core
from proxy.inventory.orphans import orphans
from proxy.inventory.ownership import overdue
from proxy.listener.shares import Shares
from telemetry.metrics import Metrics


def core_gauges(core: Core, metrics: Metrics) -> None:
    """What has lost its owner or was not reviewed in time, how sources are, and how often something failed."""

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
    metrics.gauges(
        "countersign_file_mistakes",
        "Mistakes for which what the files say is not in force; after a restart there would be none to fall back on",
        "what",
        lambda: {what: float(len(mistakes)) for what, mistakes in core.keeper.mistakes().items()},
    )
    health = core.source_health
    metrics.gauges(
        "countersign_inventory_source_age_seconds",
        "Since a source of the inventory last said what can be used",
        "source",
        health.ages,
    )
    metrics.gauges(
        "countersign_inventory_source_wrong",
        "Sources of the inventory that are wrong now, or silent for too long",
        "source",
        health.troubles,
    )
    metrics.gauge(
        "countersign_background_failures",
        "How often something beside the calls has failed since the start; the log and the status say what",
        core.failures.total,
    )


def connection_gauges(shares: Shares, metrics: Metrics) -> None:
    """How many connections agents have, how many are nobody's yet, and how many found no place."""
    metrics.gauge("countersign_connections", "Open connections of proven agents", lambda: shares.proven)
    metrics.gauge(
        "countersign_connections_unproven",
        "Open connections that have not shown whose they are",
        lambda: shares.unproven,
    )
    metrics.gauge(
        "countersign_connections_refused",
        "Connections since the start that had to make room, or were beyond their agent's share",
        lambda: shares.refused,
    )
