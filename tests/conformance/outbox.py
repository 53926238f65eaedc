"""What every Outbox does. Subclass it, name the class `Test...`, and say how one is opened."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from proxy.control.signals.interfaces import Outbox
from proxy.control.signals.model import Outgoing, Telling


def token(name: str, receiver: str = "crm", at: float = 10.0) -> Outgoing:
    """A token in line."""
    return Outgoing(receiver, name, at, {"jti": name, "sub_id": {"format": "opaque", "id": "ü"}})


def telling(scope: str, at: float, *names: str, receiver: str = "crm") -> Telling:
    """The end of a scope, told by these tokens."""
    return Telling(receiver, scope, at, tuple(token(name, receiver) for name in names))


async def names(box: Outbox, receiver: str = "crm", limit: int = 100) -> list[str]:
    """The line of this receiver."""
    return [one.token_id for one in await box.outgoing(receiver, limit)]


class OutboxConformance(ABC):
    """The suite. Each opening of the same `place` sees the same rows, as two processes would."""

    @abstractmethod
    def opened(self, place: Path) -> AbstractAsyncContextManager[Outbox]: ...

    def test_a_line_keeps_its_order_and_its_tokens(self, tmp_path: Path) -> None:
        """As they were put there, whole, for each receiver by itself, after the store was opened again."""

        async def story() -> None:
            async with self.opened(tmp_path) as box:
                for one in (token("c"), token("a"), token("x", "erp"), token("b", at=1.0)):
                    await box.add_outgoing(one)
            async with self.opened(tmp_path) as box:
                assert await box.outgoing("crm", 2) == [token("c"), token("a")]
                assert await names(box) == ["c", "a", "b"]
                assert await names(box, "erp") == ["x"]
                assert await names(box, "nobody") == []
                assert await box.waiting() == {"crm": 3, "erp": 1}

        asyncio.run(story())

    def test_an_end_is_told_once(self, tmp_path: Path) -> None:
        """To each receiver; a later end of the same is told anew, an earlier one is not."""

        async def story() -> None:
            async with self.opened(tmp_path) as box:
                first = [telling("agent:a", 5.0, "s1", "s2"), telling("agent:a", 5.0, "t1", receiver="erp")]
                assert await box.tell(first) == 2
                assert await box.tell(first[:1]) == 0
                assert await box.tell([telling("agent:a", 4.0, "s3")]) == 0
                assert await box.tell([telling("agent:a", 6.0, "s4"), telling("agent:b", 1.0)]) == 2
                assert await names(box) == ["s1", "s2", "s4"]
                assert await names(box, "erp") == ["t1"]
                assert await box.told("crm") == {"agent:a": 6.0, "agent:b": 1.0}
                assert await box.told("erp") == {"agent:a": 5.0}

        asyncio.run(story())

    def test_many_at_once_tell_an_end_once(self, tmp_path: Path) -> None:
        """Of twenty at the same time, from two openings, one."""

        async def story() -> None:
            async with self.opened(tmp_path) as box, self.opened(tmp_path) as other:
                told = await asyncio.gather(
                    *((box, other)[n % 2].tell([telling("global", 5.0, f"s{n}")]) for n in range(20))
                )
                assert sum(told) == 1
                assert len(await names(box)) == 1

        asyncio.run(story())

    def test_what_is_told_leaves_the_line(self, tmp_path: Path) -> None:
        """Only for its receiver, and its end stays known as told until it is not in force any more."""

        async def story() -> None:
            async with self.opened(tmp_path) as box:
                await box.tell([telling("agent:a", 5.0, "s1"), telling("agent:b", 5.0, "s2", "s3")])
                assert await box.drop_outgoing("erp", ["s1"]) == 0
                assert await box.drop_outgoing("crm", []) == 0
                assert await box.drop_outgoing("crm", ["s1", "s2", "unknown"]) == 2
                assert await names(box) == ["s3"]
                assert await box.tell([telling("agent:a", 5.0, "s9")]) == 0
                await box.forget_told(["agent:b", "agent:c"])
                assert await box.told("crm") == {"agent:b": 5.0}
                await box.forget_told([])
                assert await box.told("crm") == {}
                assert await names(box) == ["s3"]

        asyncio.run(story())

    def test_what_is_old_is_found(self, tmp_path: Path) -> None:
        """Of every receiver, those that were made before."""

        async def story() -> None:
            async with self.opened(tmp_path) as box:
                for one in (token("a", at=1.0), token("b", "gone", at=2.0), token("c", at=3.0)):
                    await box.add_outgoing(one)
                assert [one.token_id for one in await box.outgoing_before(3.0, 10)] == ["a", "b"]
                assert [one.token_id for one in await box.outgoing_before(3.0, 1)] == ["a"]

        asyncio.run(story())
