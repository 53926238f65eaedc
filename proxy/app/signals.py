"""Security events over a core: whom we hear, whom we tell, and what goes on beside the calls for that."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass

from policies.model import Json
from proxy.control.needs import Record
from proxy.control.signals.endpoints import SignalDeps, Telling
from proxy.control.signals.following import Teller
from proxy.control.signals.hearing import Hearing
from proxy.control.signals.model import Receiver, Transmitter
from proxy.control.signals.polling import Poller
from proxy.control.signals.sending import MAX_AGE, Sender, give_up
from proxy.control.signals.set_keys import open_set_signer
from proxy.control.signals.sets import SetReader
from proxy.control.signals.silence import Silence
from proxy.control.signals.telling import Author
from proxy.control.signals.web import Peer
from proxy.credentials.references import References
from proxy.downstream.signer import Signer
from proxy.facts import Inventory
from proxy.settings import Settings
from proxy.settings.signals import EventReceiver, set_profile
from proxy.settings.signals import Transmitter as TransmitterSettings
from proxy.storage.sqlite import SqliteStore
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.revocations import RevocationService
from proxy.tasks.service import TaskService

log = logging.getLogger("countersign.signals")

LOOK_SECONDS = 1.0
FORGET_SECONDS = 3600.0
_AT_ONCE = 200

type Step = Callable[[], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True)
class Around:
    """What signals work with."""

    store: SqliteStore
    feed: RevocationFeed
    revocations: RevocationService
    tasks: TaskService
    record: Record
    inventory: Callable[[], Inventory]
    clock: Callable[[], float]


class Signals:
    """Both sides, as far as they are configured."""

    def __init__(self, settings: Settings, around: Around) -> None:
        self._around = around
        self._references = References()
        self._peers: list[Peer] = []
        self._pollers: list[Poller] = []
        self._senders: list[Sender] = []
        self._news = asyncio.Event()
        self._leaving = False
        self._waiting: dict[str, int] = {}
        self._teller: Teller | None = None
        self._telling: Telling | None = None
        self._hear(settings)
        if settings.signals.receivers:
            self._tell(settings)

    def _hear(self, settings: Settings) -> None:
        around = self._around
        transmitters = {one.issuer: _transmitter(one) for one in settings.signals.transmitters}
        self.silence = Silence(transmitters.values(), around.record, around.clock())
        self._hearing = Hearing(
            SetReader(transmitters.values()),
            around.store,
            around.revocations.revoke,
            record=around.record,
            inventory=around.inventory,
            silence=self.silence,
            clock=around.clock,
        )
        for one in transmitters.values():
            if one.poll_url is not None:
                bundle = one.profile.ca_bundle
                peer = self._peer(one.poll_url, one.secret, None if bundle is None else str(bundle))
                self._pollers.append(Poller(one, peer, self._hearing, clock=around.clock))
        self._hears = bool(transmitters)

    def _tell(self, settings: Settings) -> None:
        around, issuer = self._around, settings.identity.token_issuer
        assert issuer is not None  # INVARIANT: settings with receivers have one
        identifier = issuer.rstrip("/")
        self._author = Author(identifier, around.inventory, around.tasks.find)
        self._signer = open_set_signer(settings.state / "signals.keys", around.clock())
        receivers = {one.id: _receiver(one) for one in settings.signals.receivers}
        for one in receivers.values():
            if one.url is not None:
                peer = self._peer(one.url, one.secret, one.ca_bundle)
                self._senders.append(Sender(one, peer, around.store, self._signer, record=around.record))
        self._teller = Teller(
            self._author, receivers.values(), around.store,
            epochs=lambda: around.feed.epochs, clock=around.clock, wake=self._wake,
        )  # fmt: skip
        around.feed.on_standing(self._teller.changed)
        self._telling = Telling(identifier, receivers, around.store, self._signer, lambda: self._news, self._verify)

    @property
    def signer(self) -> Signer | None:
        """Of our own events; None if nobody is told of any."""
        return self._signer if self._telling is not None else None

    def _peer(self, url: str, secret: str | None, ca_bundle: str | None) -> Peer:
        peer = Peer(url, secret, ca_bundle, self._references)
        self._peers.append(peer)
        return peer

    def _wake(self) -> None:
        for sender in self._senders:
            sender.wake()
        self._news.set()
        if not self._leaving:
            self._news = asyncio.Event()

    def leave(self) -> None:
        """Nobody is kept waiting for news any more."""
        self._leaving = True
        self._news.set()

    @property
    def deps(self) -> SignalDeps:
        """What the routes work with."""
        around = self._around
        hearing = self._hearing if self._hears else None
        return SignalDeps(hearing, self._telling, self._references, around.record, around.clock)

    def steps(self) -> list[tuple[str, Step]]:
        """What goes on beside the calls, each by its name."""
        steps: list[tuple[str, Step]] = [("watching for silence", self._look)] if self._hears else []
        steps += [(f"fetching events of {one.transmitter.issuer}", one.step) for one in self._pollers]
        if self._teller is None or self._telling is None:
            return steps
        steps += [("putting ends in line", self._teller.follow), ("tidying the line", self._tidy)]
        steps += [("forgetting what was told", self._forget)]
        steps += [(f"telling receiver {one.receiver.id}", one.step) for one in self._senders]
        for receiver in self._telling.receivers.values():
            if receiver.heartbeat is not None:
                steps.append((f"signs of life for {receiver.id}", self._beating(receiver, receiver.heartbeat)))
        return steps

    async def close(self) -> None:
        """All connections end."""
        for peer in self._peers:
            await peer.close()

    def status(self) -> dict[str, Json]:
        """What `countersign status` says; nothing where nothing is configured."""
        now, told = self._around.clock(), {}
        if self._hears:
            silent = self.silence.silent
            told["events_from"] = [
                f"{issuer}: {'SILENT, ' if issuer in silent else ''}heard {ago:.0f} s ago"
                for issuer, ago in self.silence.heard_ago(now).items()
            ]
        if self._telling is not None:
            told["events_to"] = [f"{one}: {self._waiting.get(one, 0)} in line" for one in self._telling.receivers]
        trouble = [f"{one.transmitter.issuer}: {one.trouble}" for one in self._pollers if one.trouble]
        trouble += [f"{one.receiver.id}: {one.trouble}" for one in self._senders if one.trouble]
        if trouble:
            told["events_trouble"] = trouble
        return {name: [*lines] for name, lines in told.items()}

    def waiting(self) -> int:
        """How many tokens were in line when last counted."""
        return sum(self._waiting.values())

    async def _look(self) -> None:
        await asyncio.sleep(LOOK_SECONDS)
        await self.silence.look(self._around.clock())

    async def _tidy(self) -> None:
        """What waited for too long is given up."""
        await asyncio.sleep(LOOK_SECONDS)
        now, store = self._around.clock(), self._around.store
        self._waiting = await store.waiting()
        for token in await store.outgoing_before(now - MAX_AGE, _AT_ONCE):
            await give_up(token, "it waited for too long", self._around.record)
            await store.drop_outgoing(token.receiver, [token.token_id])

    async def _forget(self) -> None:
        """What need not be known as told is forgotten, and the key is changed if that is due, which takes a while."""
        await asyncio.sleep(FORGET_SECONDS)
        await asyncio.to_thread(self._signer.rotate_if_due, self._around.clock())
        if self._teller is not None:
            await self._teller.tidy()

    async def _verify(self, receiver: Receiver, state: str | None) -> None:
        await self._around.store.add_outgoing(self._author.verification(receiver, self._around.clock(), state))
        self._wake()

    def _beating(self, receiver: Receiver, every: float) -> Step:
        async def beat() -> None:
            await asyncio.sleep(every)
            if not await self._around.store.outgoing(receiver.id, 1):
                await self._verify(receiver, None)

        return beat


def signal_gauges(signals: Signals) -> Mapping[str, tuple[str, Callable[[], float]]]:
    """What is measured, by name, with its explanation."""
    return {
        "countersign_signals_silent": (
            "Transmitters of events that should have been heard", lambda: float(len(signals.silence.silent)),
        ),
        "countersign_signals_waiting": ("Events that wait for their receiver", lambda: float(signals.waiting())),
    }  # fmt: skip


def _transmitter(one: TransmitterSettings) -> Transmitter:
    polled = one.delivery == "poll"
    return Transmitter(
        profile=set_profile(one),
        poll_url=one.poll_url if polled else None,
        secret=one.token if polled else one.authorization,
        subject_issuers=frozenset(one.subject_issuers),
        email_domains=frozenset(domain.lower() for domain in one.email_domains),
        knows_scopes=one.scopes,
        heartbeat=one.expected_heartbeat_seconds,
        discovered=one.discovery,
    )


def _receiver(one: EventReceiver) -> Receiver:
    return Receiver(
        id=one.id,
        audience=one.audience,
        url=one.url,
        secret=one.authorization,
        ca_bundle=None if one.ca_bundle is None else str(one.ca_bundle),
        by_scope=one.subjects == "scopes",
        kinds=frozenset(one.kinds),
        heartbeat=one.heartbeat_seconds,
    )
