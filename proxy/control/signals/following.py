"""From an end, made by any process, to the lines of those who are told of it. No end waits for this."""

import asyncio
from collections.abc import Callable, Iterable

from proxy.control.signals.interfaces import Outbox
from proxy.control.signals.model import Receiver, Telling
from proxy.control.signals.telling import Author
from proxy.tasks.epochs import Epochs


class Teller:
    """Puts what is ended in line, for each receiver once. `wake` is called when something was.

    What was ended while nobody was here, and never told, is told at the start: the store knows what was.
    """

    def __init__(
        self, author: Author, receivers: Iterable[Receiver], outbox: Outbox, *,
        epochs: Callable[[], Epochs], clock: Callable[[], float], wake: Callable[[], None],
    ) -> None:  # fmt: skip
        self._author = author
        self._receivers = tuple(receivers)
        self._outbox = outbox
        self._epochs = epochs
        self._clock = clock
        self._wake = wake
        self._seen: Epochs | None = None
        self._changed = asyncio.Event()
        self._changed.set()

    def changed(self) -> None:
        """Something was ended or lifted, by whomever."""
        self._changed.set()

    async def follow(self) -> None:
        """Wait for the next change, and put in line what it ended. What fails is done again."""
        await self._changed.wait()
        self._changed.clear()  # first: what changes from here on is looked at again
        try:
            await self._put(self._epochs())
        except BaseException:
            self._changed.set()
            raise

    async def tidy(self) -> None:
        """Of ends that are not in force need not be known that they were told."""
        await self._outbox.forget_told(self._epochs().ended.keys())

    async def _put(self, epochs: Epochs) -> None:
        new = sorted(epochs.since(self._seen or Epochs()), key=lambda one: (one.at, one.scope))
        tellings: list[Telling] = []
        for receiver in self._receivers if new else ():
            told = await self._outbox.told(receiver.id) if self._seen is None else {}
            for one in new:
                telling = None
                if not told.get(one.scope, float("-inf")) >= one.at:
                    telling = await self._author.telling(one, receiver, self._clock())
                if telling is not None:
                    tellings.append(telling)
        if tellings:
            await self._outbox.tell(tellings)
            self._wake()
        self._seen = epochs
