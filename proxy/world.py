"""What is in force: the inventory, what it offers, and the policies, as one consistent value."""

from dataclasses import dataclass

from policies.bundle import Bundle
from policies.engine import Engine, compile_engine
from policies.mistakes import PolicyMistakes
from policies.model import Mode
from proxy.errors import ConfigurationError, Mistake
from proxy.facts import Inventory
from proxy.inventory.load import Loaded
from proxy.protocols.catalog import Catalog


@dataclass(frozen=True, slots=True)
class World:
    """One snapshot. A call is attributed, described and decided under the same one."""

    inventory: Inventory
    catalog: Catalog
    engine: Engine

    @property
    def version(self) -> str:
        return self.engine.version


def build_world(loaded: Loaded, bundle: Bundle, mode: Mode) -> World:
    """The world of this inventory under these policies; raises `ConfigurationError` with every mistake."""
    catalog = Catalog.compile(loaded.inventory, loaded.openapi)
    try:
        engine = compile_engine(bundle, catalog.policy_catalogue(), mode)
    except PolicyMistakes as wrong:
        raise ConfigurationError(policy_mistakes(wrong)) from wrong
    return World(loaded.inventory, catalog, engine)


def policy_mistakes(wrong: PolicyMistakes) -> list[Mistake]:
    """The same mistakes, in the words of the rest of the configuration."""
    return [Mistake(mistake.file, mistake.line, mistake.field, mistake.text) for mistake in wrong.mistakes]
