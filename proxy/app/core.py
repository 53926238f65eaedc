"""Everything but the doors: the stores, the world in force, and the path of a call over them."""

import asyncio
import contextlib
import fcntl
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from proxy.app.tokens import token_server
from proxy.control.oauth.own_host import own_endpoints
from proxy.control.oauth.server import TokenServer
from proxy.control.people import PeopleService
from proxy.credentials.broker import Broker
from proxy.credentials.references import References
from proxy.downstream.chain_tokens import ChainTokens
from proxy.downstream.signer import Signer
from proxy.downstream.txn_token import Minter
from proxy.errors import CountersignError
from proxy.facts import Inventory
from proxy.holds.sealing import Sealer
from proxy.holds.service import HoldOptions, HoldService
from proxy.identity.federation import BundleSource
from proxy.identity.handles import HandleService
from proxy.identity.resolver import Resolver
from proxy.identity.task_tokens import TaskTokenReader
from proxy.identity.tokens import TokenVerifier
from proxy.identity.workloads import Workloads
from proxy.inventory.ownership import process_standing, standing
from proxy.own_host import OwnEndpoint
from proxy.pipeline import Parts, Pipeline
from proxy.reload import Keeper
from proxy.settings import Settings, cluster_settings, issuer_settings, trust_domain_settings
from proxy.stages import Identity
from proxy.storage.sqlite import SqliteStore
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.guard import TaskGuard
from proxy.tasks.interfaces import Revocation
from proxy.tasks.revocations import RevocationService
from proxy.tasks.service import TaskService
from telemetry.errors import AuditDamaged, AuditUnavailable
from telemetry.recorder import Recorder

log = logging.getLogger("countersign.app")

SWEEP_SECONDS = 1.0
CROWD_SECONDS = 60.0
KEY_SECONDS = 3600.0
TIDY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that every door uses."""

    settings: Settings
    clock: Callable[[], float]
    store: SqliteStore
    recorder: Recorder
    keeper: Keeper
    feed: RevocationFeed
    revocations: RevocationService
    handles: HandleService
    tasks: TaskService
    people: PeopleService
    holds: HoldService
    broker: Broker
    pipeline: Pipeline
    resolver: Resolver
    tokens: TokenVerifier
    signer: Signer | None = None
    own_tokens: TaskTokenReader | None = None
    workloads: Workloads = field(default_factory=Workloads)
    token_server: TokenServer | None = None

    def inventory(self) -> Inventory:
        """The inventory in force."""
        return self.keeper.world.inventory

    def has_ended(self, identity: Identity) -> bool:
        """Whether no call of this identity passes any more: revoked, gone, or without a person who answers for it."""
        if self.feed.epochs.dead(identity.scopes, identity.proven.issued_at) is not None:
            return True
        return not self.resolver.stands(identity.proven, self.inventory(), self.clock())


@contextlib.asynccontextmanager
async def open_core(settings: Settings, clock: Callable[[], float] = time.time) -> AsyncIterator[Core]:
    """The core of this configuration, alone with its state directory; everything closed at the end."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_alone(settings.state))
        keeper = Keeper(settings.inventory, settings.policies, settings.mode, clock)
        store = SqliteStore.open(settings.state / "countersign.db")
        stack.callback(store.close)
        recorder = _recorder(settings)
        stack.callback(recorder.close)
        core = _assemble(settings, clock, store, recorder, keeper)
        await core.feed.poll(clock())
        await core.tasks.hear()
        await core.holds.recover(clock())
        async with _background(core):
            try:
                yield core
            finally:
                await core.pipeline.drain()
                await core.holds.settle()
                await core.broker.close(clock())


def _assemble(
    settings: Settings, clock: Callable[[], float], store: SqliteStore, recorder: Recorder, keeper: Keeper
) -> Core:
    feed = RevocationFeed(store)
    revocations = RevocationService(store, feed)
    handles = HandleService(store, revocations.revoke)
    feed.on_change(handles.forget)
    tasks = TaskService(store, revocations.revoke, recorder.append)
    feed.on_change(tasks.forget)
    holds = HoldService(
        store,
        Sealer.from_file(settings.state / "seal.key"),
        recorder.append,
        inventory=lambda: keeper.world.inventory,
        options=_hold_options(settings),
        clock=clock,
    )
    signer = _signer(settings, clock())
    own = _own_tokens(settings, signer)
    broker = Broker(References(), None if signer is None or own is None else ChainTokens(signer, own.issuer))
    tokens = TokenVerifier([issuer_settings(one) for one in settings.identity.issuers])
    workloads = _workloads(settings)
    resolver = Resolver(handles, tokens, standing, tasks.basis, own, workloads, process_standing)
    at_own_host: dict[str, OwnEndpoint] = {}  # filled below: what answers there needs the parts of the path
    pipeline = Pipeline(
        Parts(
            world=lambda: keeper.world,
            resolver=resolver,
            feed=feed,
            tasks=TaskGuard(tasks, store),
            holds=holds,
            broker=broker,
            recorder=recorder,
            clock=clock,
            minter=_minter(settings, signer),
            own=at_own_host,
        )
    )
    people = PeopleService(store, lambda: keeper.world.inventory)
    core = Core(
        settings, clock, store, recorder, keeper, feed, revocations, handles, tasks, people, holds, broker, pipeline,
        resolver, tokens, signer, own, workloads,
    )  # fmt: skip
    return _with_tokens(core, at_own_host)


def _with_tokens(core: Core, at_own_host: dict[str, OwnEndpoint]) -> Core:
    """The core with what answers for tokens, at our own host too; the same core if none are made here."""
    server = token_server(core)
    if server is None:
        return core
    at_own_host.update(own_endpoints(server))
    return replace(core, token_server=server)


def _recorder(settings: Settings) -> Recorder:
    recorder = Recorder(settings.state / "audit", settings.audit.origin)
    try:
        recorder.start()
    except (AuditDamaged, AuditUnavailable) as error:
        raise CountersignError(str(error)) from error
    return recorder


def _signer(settings: Settings, now: float) -> Signer | None:
    """None where nothing is signed for others: then there is no key either."""
    needed = settings.downstream.trust_domain is not None or settings.identity.token_issuer is not None
    return Signer.open(settings.state / "downstream.keys", now) if needed else None


def _workloads(settings: Settings) -> Workloads:
    identity = settings.identity
    return Workloads(
        [BundleSource(trust_domain_settings(one)) for one in identity.trust_domains],
        [cluster_settings(one) for one in identity.kubernetes],
        peer_life=identity.peer_seconds,
    )


def _own_tokens(settings: Settings, signer: Signer | None) -> TaskTokenReader | None:
    issuer = settings.identity.token_issuer
    if issuer is None or signer is None:
        return None
    identifier = issuer.rstrip("/")
    return TaskTokenReader(identifier, f"{identifier}/proxy", signer.jwks)


def _minter(settings: Settings, signer: Signer | None) -> Minter | None:
    downstream = settings.downstream
    if signer is None or downstream.trust_domain is None:
        return None
    return Minter(signer, downstream.trust_domain, downstream.lifetime_seconds)


def _hold_options(settings: Settings) -> HoldOptions:
    holds = settings.holds
    return HoldOptions(
        inline_wait=holds.inline_wait_seconds,
        inline_wait_cap=holds.longest_inline_wait_seconds,
        open_per_agent=holds.open_per_agent,
        new_per_minute=holds.new_per_minute,
    )


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[None]:
    """The state directory, made if need be, closed to others, and locked: two processes would overwrite each other."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CountersignError(f"{state}: the state directory cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise CountersignError(f"{state}: another Countersign runs on this state directory; stop it first") from error
    finally:
        os.close(lock)


@contextlib.asynccontextmanager
async def _background(core: Core) -> AsyncIterator[None]:
    """What goes on beside the calls; none of it may end the process, and none of it outlives the core."""
    changes = _Changes(core)
    tasks = [
        asyncio.create_task(_forever("hearing of revocations", lambda: core.feed.run(core.clock))),
        asyncio.create_task(_forever("watching files", lambda: core.keeper.watch(core.recorder.append))),
        asyncio.create_task(_forever("waking held calls", changes.follow)),
        asyncio.create_task(_forever("sweeping held calls", lambda: _sweep(core))),
        asyncio.create_task(_forever("counting unknown callers", lambda: _tell_crowd(core))),
        asyncio.create_task(_forever("ending overdue tasks", lambda: _sweep_tasks(core))),
        asyncio.create_task(_forever("forgetting ended tasks", lambda: _tidy_tasks(core))),
        asyncio.create_task(_forever("ending obtained credentials", lambda: _end_credentials(core))),
        asyncio.create_task(_forever("reading keys again", lambda: _refresh_keys(core))),
    ]
    if core.signer is not None:
        tasks.append(asyncio.create_task(_forever("changing the signing key", lambda: _change_key(core))))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _forever(what: str, step: Callable[[], Coroutine[None, None, None]]) -> None:
    """Again and again, whatever happens: a sweep that silently stopped would be missed too late."""
    failing = False
    while True:
        try:
            await step()
            failing = False
            continue
        except (AuditUnavailable, CountersignError) as error:
            if not failing:
                log.warning("%s does not work at the moment: %s", what, error)
        except Exception:
            if not failing:
                log.exception("%s failed, and is tried again", what)
        failing = True
        await asyncio.sleep(SWEEP_SECONDS)


class _Changes:
    """What follows from a change of the store by any process: held calls wake, and end with their agent."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._changed = asyncio.Event()
        self._ended: frozenset[Revocation] = frozenset()
        self._changed.set()  # what was ended while nobody was here counts too
        core.feed.on_change(self._changed.set)

    async def follow(self) -> None:
        """Waits for the next change and acts on it. What fails is tried again."""
        await self._changed.wait()
        core, ended = self._core, frozenset(self._core.feed.epochs.by_scope.values())
        await core.tasks.hear()
        for revocation in ended - self._ended:
            await core.tasks.ended_by(revocation)
            if not revocation.scope.startswith("handle:"):
                # A handle ends with its program; what that asked for still waits, for the program's next run.
                await core.holds.invalidate_for([revocation.scope], by=revocation.by, now=revocation.at)
        self._ended = ended
        self._changed.clear()
        await core.holds.changed()


async def _tell_crowd(core: Core) -> None:
    await asyncio.sleep(CROWD_SECONDS)
    core.pipeline.tell_crowd()


async def _sweep(core: Core) -> None:
    await asyncio.sleep(SWEEP_SECONDS)
    await core.holds.sweep(core.clock())


async def _end_credentials(core: Core) -> None:
    """Beside the other sweep, since it waits for other people's servers."""
    await asyncio.sleep(SWEEP_SECONDS)
    await core.broker.sweep(core.clock(), core.has_ended)


async def _refresh_keys(core: Core) -> None:
    """Beside the other sweeps, since it waits for other people's servers."""
    await asyncio.sleep(SWEEP_SECONDS)
    await core.resolver.refresh(core.clock())


async def _sweep_tasks(core: Core) -> None:
    await asyncio.sleep(SWEEP_SECONDS)
    await core.tasks.sweep(core.clock())


async def _tidy_tasks(core: Core) -> None:
    await asyncio.sleep(TIDY_SECONDS)
    own = None if core.own_tokens is None else f"token:{core.own_tokens.issuer}|"
    await core.tasks.tidy(core.revocations.in_force(), core.revocations.lift, core.clock(), own_tokens=own)


async def _change_key(core: Core) -> None:
    await asyncio.sleep(KEY_SECONDS)
    if core.signer is not None:
        core.signer.rotate_if_due(core.clock())
