"""The Cedar schema of a catalogue: what policies can ask about, typed, so that a misspelt argument is a mistake."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from policies.context import common_types
from policies.model import Catalogue, ServiceFacts, ToolFacts
from policies.shapes import Record, quoted
from policies.tool_schemas import arguments_shape

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
EFFECTS = ("read", "write", "delete", "execute", "communicate", "pay", "admin", "unknown")
CONNECT = "connect"

_NOUNS = Path(__file__).with_name("schema.cedarschema")


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """Something that can be asked. `arguments` is None where a call's arguments are untyped, so unchecked."""

    name: str
    resource: Literal["Service", "Api", "Dataset"]
    service: str = ""
    groups: tuple[str, ...] = ()
    arguments: Record | None = None

    @property
    def text(self) -> str:
        """The declaration. A policy can name an argument only if the schema says that, and what, it is."""
        groups = ", ".join(f"Action::{quoted(group)}" for group in self.groups)
        within = f" in [{groups}]" if groups else ""
        typed = (self.arguments or Record()).cedar_type
        arguments = f", arguments: {typed}" if self.resource == "Service" else ""
        context = "{" + common_types() + arguments + "}"
        applies = f"principal: [Agent, Person], resource: {self.resource}, context: {context}"
        return f"action {quoted(self.name)}{within} appliesTo {{ {applies} }};"


def tool_action(service: str, tool: str) -> str:
    """The name of the action that is a call of this tool."""
    return f"{service}/{tool}"


def effect_group(effect: str) -> str:
    """The name of the group of all tools with this effect, for `action in Action::"effect:read"`."""
    return f"effect:{effect if effect in EFFECTS else 'unknown'}"


def actions(catalogue: Catalogue) -> Mapping[str, Action]:
    """Everything that can be asked under this catalogue, by name."""
    found = [Action("read", "Dataset"), Action("write", "Dataset"), Action(CONNECT, "Service")]
    found += [Action(method, "Api") for method in METHODS]
    found += [_tool(service, tool) for service in catalogue.services for tool in service.tools]
    return {action.name: action for action in found}


def _tool(service: ServiceFacts, tool: ToolFacts) -> Action:
    return Action(
        tool_action(service.id, tool.name),
        "Service",
        service.id,
        (effect_group(tool.effect),),
        arguments_shape(tool.input_schema),
    )


def schema_text(some: Iterable[Action]) -> str:
    """The Cedar schema with these actions, in Cedar's own language."""
    groups = (f"action {quoted(effect_group(effect))};" for effect in EFFECTS)
    return "\n".join([_NOUNS.read_text(encoding="utf-8"), *groups, *(action.text for action in some)]) + "\n"
