"""The control API and the console over a core."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from policies.model import Json
from proxy.app.core import Core
from proxy.app.inventories import InventoriesInForce
from proxy.app.signals import signal_gauges
from proxy.checkup import unsafe_here
from proxy.console.site import create_console
from proxy.control.api import create_api
from proxy.control.door import Door
from proxy.control.events import EventFeed
from proxy.control.leaving import Leavers
from proxy.control.log_reading import LogRecords
from proxy.control.needs import ControlDeps
from proxy.control.oauth.endpoint import token_routes
from proxy.control.scim import Scim
from proxy.control.signals.endpoints import signal_routes
from proxy.credentials.references import References
from proxy.errors import Refused, StoreUnavailable
from proxy.inventory.orphans import orphans
from proxy.inventory.ownership import overdue
from telemetry.metrics import Metrics

_MISTAKES_TOLD = 20

type Addresses = Callable[[], Mapping[str, str]]


def control_application(core: Core, origins: tuple[str, ...], addresses: Addresses, metrics: Metrics) -> Starlette:
    """The web application. `origins` are what browsers may call us; `addresses` are told in the status."""
    records = LogRecords(lambda: [core.settings.state / "audit"])
    deps = ControlDeps(
        holds=core.holds,
        handles=core.handles,
        tasks=core.tasks,
        revocations=core.revocations,
        records=records,
        people=core.people,
        ownership=core.ownership,
        inventories=InventoriesInForce(core.keeper, core.documents, core.source_health),
        inventory=core.inventory,
        record=core.recorder.append,
        status=lambda: _status(core, addresses),
        ready=lambda: _trouble(core),
        metrics=metrics.render,
        clock=core.clock,
        origins=origins,
        auditors=frozenset(core.settings.control.auditors),
        responders=frozenset(core.settings.control.responders),
        operator_may_sign=core.settings.control.operator_may_sign,
        handle_ttl=core.settings.identity.handle_ttl_seconds,
        jwks=_jwks(core),
        reach=core.pipeline.reached_by,
        token_issuer=core.own_tokens.issuer if core.own_tokens is not None else "",
        keys={
            use: signer
            for use, signer in (("calls", core.signer), ("events", core.signals.signer))
            if signer is not None
        },
    )
    door = Door(deps, EventFeed(core.holds, records))
    tokens = token_routes(core.token_server) if core.token_server is not None else []
    console = create_console(door, clock=core.clock, origins=origins)
    signals = signal_routes(core.signals.deps)
    for name, (text, read) in signal_gauges(core.signals).items():
        metrics.gauge(name, text, read)
    return create_api(deps, door, [*tokens, *signals, *_scim(core, deps), *console])


def _scim(core: Core, deps: ControlDeps) -> list[BaseRoute]:
    """None without a token; one that cannot be read is a mistake to mend before we start."""
    reference = core.settings.control.scim_token
    if reference is None:
        return []
    references = References()

    def token() -> str:
        try:
            return references.read(reference).value
        except Refused as refused:
            raise StoreUnavailable(f"control.scim_token: cannot be read: {refused.refusal.internal}") from refused

    token()
    return Scim(Leavers(deps), token).routes()


def _jwks(core: Core) -> Callable[[], Mapping[str, Json]] | None:
    signer = core.signer
    return None if signer is None else lambda: signer.jwks(core.clock())


async def _status(core: Core, addresses: Addresses) -> Mapping[str, Json]:
    world, recorder = core.keeper.world, core.recorder
    today = datetime.fromtimestamp(core.clock(), UTC).date()
    trouble = await _trouble(core)
    return {
        **addresses(),
        "version": version("countersign-proxy"),
        "mode": core.settings.mode.value,
        "ready": trouble is None,
        "trouble": trouble or "",
        "policy_version": world.version,
        "inventory_version": world.inventory.version,
        "files_not_in_force": _not_in_force(core),
        "agents": len(world.inventory.agents),
        "services": len(world.inventory.services),
        "orphaned": len({one.what for one in orphans(world.inventory, today)}),
        "reviews_overdue": len(overdue(world.inventory, today)),
        "audit_records": recorder.size,
        "audit_root": recorder.root.hex(),
        "revocations_heard_seconds_ago": round(max(0.0, core.feed.stale_for(core.clock())), 3),
        "revocations": len(core.feed.epochs.rows),
        "revocations_not_stored": [*sorted({row.scope for row in core.revocations.unstored()})],
        **core.source_health.status(),
        **core.signals.status(),
        "background_failures": {**core.failures},
        "unsafe": [*unsafe_here(core.settings, world.inventory)],
    }


def _not_in_force(core: Core) -> list[Json]:
    """The mistakes for which files that changed are not in force: the next start would refuse them."""
    found = [str(one) for mistakes in core.keeper.mistakes().values() for one in mistakes]
    return [*found[:_MISTAKES_TOLD], *([f"and {len(found) - _MISTAKES_TOLD} more"] if found[_MISTAKES_TOLD:] else [])]


async def _trouble(core: Core) -> str | None:
    """Why calls are refused at the moment, if they are."""
    if core.recorder.trouble:
        return core.recorder.trouble
    if core.feed.standing(core.clock()) != "fresh":
        await core.feed.next_poll()  # as a call does
    if core.feed.standing(core.clock()) != "fresh":
        return "revocations cannot be read from the store"
    return None
