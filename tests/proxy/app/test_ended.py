"""Which obtained credentials are of no use any more."""

import asyncio
from dataclasses import replace
from pathlib import Path

from proxy.app.core import open_core
from proxy.app.ended import Ended
from proxy.facts import Inventory, Service, StaticBinding
from proxy.stages import Identity
from proxy.tasks.epochs import Epochs
from proxy.tasks.interfaces import Revocation
from tests.fakes import wire_calls
from tests.fakes.app_calls import evidence
from tests.fakes.control_house import inventory
from tests.fakes.serving import configured

DAY = 86_400.0
KEYED = Service(
    id="keyed",
    owner="alice",
    url="https://keyed.test",
    bindings=(StaticBinding(id="key", secret="env:KEY", methods=("GET",), paths=("/*",)),),
)
INVENTORY = inventory().model_copy(update={"services": {"keyed": KEYED}})
IDENTITY = replace(wire_calls.IDENTITY, scopes=("global", "agent:a"))


class House:
    """What can change, and how often somebody was judged."""

    def __init__(self) -> None:
        self.epochs = Epochs()
        self.inventory: Inventory = INVENTORY
        self.time = 20_000 * DAY
        self.answer = True
        self.judged = 0
        self.ended = Ended(lambda: self.epochs, self._stands, lambda: self.inventory, lambda: self.time)

    def _stands(self, identity: Identity, inventory: Inventory, now: float) -> bool:
        self.judged += 1
        assert (inventory, now) == (self.inventory, self.time)
        return self.answer


def test_what_is_revoked_has_ended(tmp_path: Path) -> None:
    """Revoked, or what was obtained is of a service or binding that is: whatever was obtained for it may end."""
    settings = configured(tmp_path)

    async def main() -> None:
        async with open_core(settings) as core:
            given = await evidence(core)
            proven = await core.pipeline._parts.resolver.prove(given, core.clock(), core.inventory())
            identity = core.pipeline._parts.resolver.attribute(proven, core.inventory(), core.clock())
            ended = Ended(lambda: core.feed.epochs, lambda *_: True, core.inventory, core.clock)
            assert not ended.now()(identity, "crm-key")
            for scope in ("task:t-1", "credential:crm-key", "service:crm"):
                await core.revocations.revoke(scope, "operator", "look", core.clock(), kind="freeze")
                assert not ended.now()(identity, "crm-key")
                await core.revocations.revoke(scope, "operator", "done", core.clock())
                assert ended.now()(identity, "crm-key")
                await core.revocations.lift(scope)
            assert not ended.now()(identity, "crm-key")
            assert ended.now()(identity, "of-no-service-any-more")

    asyncio.run(main())


def test_nobody_is_judged_twice_by_the_same_facts() -> None:
    """Neither in one sweep nor in the next, however much is revoked meanwhile."""
    house = House()
    others = [replace(IDENTITY, deputy_for=str(n)) for n in range(3)]
    for sweep in range(3):
        look = house.ended.now()
        for identity in (IDENTITY, *others, IDENTITY):
            assert not look(identity, "key")
        house.epochs = house.epochs.with_revocation(Revocation(f"task:other-{sweep}", 1.0, "x", "y"))
    assert house.judged == 4


def test_other_facts_and_another_day_are_judged_anew() -> None:
    """Who was answered for yesterday, or by the inventory before, may not be any more."""
    house = House()
    assert not house.ended.now()(IDENTITY, "key")
    house.answer = False
    assert not house.ended.now()(IDENTITY, "key")
    house.time += DAY
    assert house.ended.now()(IDENTITY, "key")
    house.answer = True
    house.inventory = INVENTORY.model_copy()
    assert not house.ended.now()(IDENTITY, "key")


def test_what_was_obtained_for_a_service_that_nobody_answers_for_has_ended() -> None:
    """Its owner has left, or it is gone from the inventory: what was obtained to call it is given back at once."""
    house = House()
    assert not house.ended.now()(IDENTITY, "key")
    alice = INVENTORY.people["alice"].model_copy(update={"active": False})
    house.inventory = INVENTORY.model_copy(update={"people": {**INVENTORY.people, "alice": alice}})
    assert house.ended.now()(IDENTITY, "key")
    house.inventory = INVENTORY.model_copy()
    assert not house.ended.now()(IDENTITY, "key")
    house.inventory = INVENTORY.model_copy(update={"services": {}})
    assert house.ended.now()(IDENTITY, "key")


def test_only_who_is_held_is_remembered() -> None:
    """Whoever was not asked about in the last sweep takes no place."""
    house = House()
    house.ended.now()(IDENTITY, "key")
    house.ended.now()(replace(IDENTITY), "key")
    house.ended.now()
    assert house.ended._judged is not None
    assert house.ended._judged.known == {}
