"""Everything but the doors: the stores, the world in force, and the path of a call over them."""

import contextlib
import fcntl
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from proxy.app.background import background
from proxy.app.leavers import SourceLeavers
from proxy.app.signals import Around, Signals
from proxy.app.source_health import SourceHealth
from proxy.app.sources import document_paths, first_documents, folder
from proxy.app.tokens import token_server
from proxy.control.oauth.own_host import own_endpoints
from proxy.control.oauth.server import TokenServer
from proxy.control.ownership import Ownership
from proxy.control.people import PeopleService
from proxy.credentials.broker import Broker
from proxy.credentials.references import References
from proxy.downstream.chain_tokens import ChainTokens
from proxy.downstream.signer import Signer
from proxy.downstream.txn_token import Minter
from proxy.errors import ConfigurationError, CountersignError
from proxy.facts import Inventory
from proxy.files import open_to_others
from proxy.holds.sealing import Sealer
from proxy.holds.service import HoldOptions, HoldService
from proxy.identity.federation import BundleSource
from proxy.identity.handles import HandleService
from proxy.identity.resolver import Resolver
from proxy.identity.task_tokens import TaskTokenReader
from proxy.identity.tokens import TokenVerifier
from proxy.identity.workloads import Workloads
from proxy.inventory.documents import Documents
from proxy.inventory.overlay import Overlay
from proxy.inventory.ownership import process_standing, standing
from proxy.own_host import OwnEndpoint
from proxy.pipeline import Parts, Pipeline
from proxy.reload import Keeper
from proxy.settings import Settings, cluster_settings, issuer_settings, ownership_rules, trust_domain_settings
from proxy.storage.sqlite import SqliteStore
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.guard import TaskGuard
from proxy.tasks.revocations import RevocationService
from proxy.tasks.service import TaskService
from proxy.tasks.unstored import UnstoredFile
from telemetry.errors import AuditDamaged, AuditUnavailable
from telemetry.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that every door uses. `failures` counts what failed beside the calls, since the start."""

    settings: Settings
    clock: Callable[[], float]
    store: SqliteStore
    recorder: Recorder
    keeper: Keeper
    feed: RevocationFeed
    revocations: RevocationService
    handles: HandleService
    tasks: TaskService
    guard: TaskGuard
    people: PeopleService
    ownership: Ownership
    documents: Documents
    source_health: SourceHealth
    holds: HoldService
    broker: Broker
    pipeline: Pipeline
    resolver: Resolver
    tokens: TokenVerifier
    signals: Signals
    signer: Signer | None = None
    own_tokens: TaskTokenReader | None = None
    workloads: Workloads = field(default_factory=Workloads)
    token_server: TokenServer | None = None
    failures: Counter[str] = field(default_factory=Counter)

    def inventory(self) -> Inventory:
        """The inventory in force."""
        return self.keeper.world.inventory


@contextlib.asynccontextmanager
async def open_core(settings: Settings, clock: Callable[[], float] = time.time) -> AsyncIterator[Core]:
    """The core of this configuration, alone with its state directory; everything closed at the end."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_alone(settings.state))
        keeper = await _keeper(settings, clock)
        store = _store(settings)
        stack.callback(store.close)
        recorder = _recorder(settings)
        stack.callback(recorder.close)
        core = _assemble(settings, clock, store, recorder, keeper)
        core.revocations.recall()
        await core.feed.poll(clock())
        await core.tasks.hear()
        await core.holds.recover(clock())
        async with background(core):
            try:
                yield core
            finally:
                await core.pipeline.drain()
                await core.holds.settle()
                await core.broker.close(clock())
                await core.signals.close()


async def _keeper(settings: Settings, clock: Callable[[], float]) -> Keeper:
    """The world of the files, and of the sources elsewhere, as far as they ever said anything."""
    new = await first_documents(settings)
    documents = document_paths(settings)
    try:
        return Keeper(settings.inventory, settings.policies, settings.mode, clock, ownership_rules(settings), documents)
    except ConfigurationError:
        for path in new:
            path.unlink(missing_ok=True)  # it never was in force
        raise


def _assemble(
    settings: Settings, clock: Callable[[], float], store: SqliteStore, recorder: Recorder, keeper: Keeper
) -> Core:
    feed = RevocationFeed(store)
    unstored = UnstoredFile(settings.state)
    revocations = RevocationService(store, feed, record=recorder.append, unstored=unstored)
    handles = HandleService(store, revocations.revoke)
    feed.on_standing(handles.forget)
    tasks = TaskService(store, revocations.revoke, recorder.append, lambda: keeper.world.inventory)
    feed.on_standing(tasks.forget)
    guard = TaskGuard(tasks, store)
    holds = _holds(settings, store, recorder, keeper, clock)
    signer = _signer(settings, clock())
    own = _own_tokens(settings, signer)
    broker = Broker(References(), None if signer is None or own is None else ChainTokens(signer, own.issuer))
    tokens = TokenVerifier([issuer_settings(one) for one in settings.identity.issuers])
    workloads = _workloads(settings, store)
    resolver = Resolver(handles, tokens, standing, tasks.basis, own, workloads, process_standing)
    at_own_host: dict[str, OwnEndpoint] = {}  # filled below: what answers there needs the parts of the path
    pipeline = Pipeline(
        Parts(
            world=lambda: keeper.world,
            resolver=resolver,
            feed=feed,
            tasks=guard,
            holds=holds,
            broker=broker,
            recorder=recorder,
            clock=clock,
            minter=_minter(settings, signer),
            own=at_own_host,
        )
    )
    people = PeopleService(store, lambda: keeper.world.inventory)
    overlay = Overlay(store, keeper.hold)
    feed.also_hear(overlay.hear)
    ownership = Ownership(store, overlay, people)
    sources = {source.id: source.sections for source in settings.inventory_sources}
    leavers = SourceLeavers(keeper, recorder.append, clock)
    leavers.recall(document_paths(settings))
    documents = Documents(folder(settings), sources, keeper.try_documents, leavers.tell)
    health = SourceHealth(settings.inventory_sources, folder(settings), recorder.append, clock)
    around = Around(store, feed, revocations, tasks, recorder.append, lambda: keeper.world.inventory, clock)
    signals = Signals(settings, around)
    core = Core(
        settings, clock, store, recorder, keeper, feed, revocations, handles, tasks, guard, people, ownership,
        documents, health, holds, broker, pipeline, resolver, tokens, signals, signer, own, workloads,
    )  # fmt: skip
    return _with_tokens(core, at_own_host)


def _with_tokens(core: Core, at_own_host: dict[str, OwnEndpoint]) -> Core:
    """The core with what answers for tokens, at our own host too; the same core if none are made here."""
    server = token_server(core)
    if server is None:
        return core
    at_own_host.update(own_endpoints(server))
    return replace(core, token_server=server)


def _store(settings: Settings) -> SqliteStore:
    """The store of this state directory; a new one only where there is no log either, that is: at the first start."""
    path, log = settings.state / "countersign.db", settings.state / "audit" / "checkpoint"
    if log.exists() and not path.exists():
        raise CountersignError(
            f"{path}: the store is gone, and with it all that was ended or frozen: restore it from a backup; "
            f"or, to begin without it, `touch {path}`, and end again what must not call"
        )
    return SqliteStore.open(path)


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


def _workloads(settings: Settings, store: SqliteStore) -> Workloads:
    identity = settings.identity
    return Workloads(
        [BundleSource(trust_domain_settings(one), store=store) for one in identity.trust_domains],
        [cluster_settings(one) for one in identity.kubernetes],
        peer_life=identity.peer_seconds,
    )


def _own_tokens(settings: Settings, signer: Signer | None) -> TaskTokenReader | None:
    issuer = settings.identity.token_issuer
    if issuer is None or signer is None:
        return None
    identifier = issuer.rstrip("/")
    return TaskTokenReader(identifier, f"{identifier}/proxy", signer.jwks, lambda: signer.epoch)


def _minter(settings: Settings, signer: Signer | None) -> Minter | None:
    downstream = settings.downstream
    if signer is None or downstream.trust_domain is None:
        return None
    return Minter(signer, downstream.trust_domain, downstream.lifetime_seconds)


def _holds(
    settings: Settings, store: SqliteStore, recorder: Recorder, keeper: Keeper, clock: Callable[[], float]
) -> HoldService:
    said = settings.holds
    return HoldService(
        store,
        Sealer.from_file(settings.state / "seal.key"),
        recorder.append,
        inventory=lambda: keeper.world.inventory,
        options=HoldOptions(
            inline_wait=said.inline_wait_seconds,
            inline_wait_cap=said.longest_inline_wait_seconds,
            open_per_agent=said.open_per_agent,
            new_per_minute=said.new_per_minute,
        ),
        clock=clock,
    )


def _of_somebody_else(folder: Path) -> str:
    owner, ours = folder.stat().st_uid, os.getuid()
    return "" if owner == ours else f"it is user {owner}'s, and this runs as user {ours}; run it as that user"


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[None]:
    """The state directory, made if need be, closed to others, and locked: two processes would overwrite each other."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        wrong = _of_somebody_else(state) or open_to_others(state)
        if wrong:
            raise CountersignError(f"{state}: the state directory cannot be used: {wrong}")
        lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CountersignError(
            f"{state}: the state directory cannot be used: {(error.strerror or '').lower()}"
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            busy = f"{state}: another Countersign runs on this state directory; stop it first"
            raise CountersignError(busy) from error
        yield
    finally:
        os.close(lock)
