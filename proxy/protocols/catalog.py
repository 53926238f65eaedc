"""What can be called: every service with its tools, routes and selectors, compiled once from an inventory."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from policies.model import AgentFacts, Catalogue, DatasetFacts, PersonFacts, ServiceFacts, ToolFacts
from proxy.errors import ConfigurationError, Mistake, Refused, refuse
from proxy.facts import Inventory, Service, Tool
from proxy.protocols.datasets import CompiledSelector, compile_selectors
from proxy.protocols.envelope import credential_pin
from proxy.protocols.mcp_methods import BUILT_IN
from proxy.protocols.openapi import read_operations
from proxy.protocols.operations import Operation, Schema, prepare
from proxy.protocols.paths import segments, split_at_slashes
from proxy.protocols.routes import Routes, Template, check_method, parse_template, relaxed
from proxy.stages import Request
from proxy.strict_json import canonical, fold


@dataclass(frozen=True, slots=True)
class Entry:
    """A service made ready for calls. `endpoint` is its URL's exact path, `prefix` the segments of that."""

    service: Service
    endpoint: str
    prefix: tuple[str, ...]
    operations: Mapping[str, Operation]
    routes: Routes[Operation]
    selectors: tuple[CompiledSelector, ...]
    credential_pin: str | None

    def below(self, path: str) -> tuple[str, ...]:
        """The segments of this path below the service's own URL; refused if this service may read others."""
        return segments(path, slashes=self.service.takes_slashes)[len(self.prefix) :]


type Place = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Catalog:
    """Immutable. Built by `compile`; what it does not hold cannot be called."""

    inventory: Inventory
    version: str
    _by_id: Mapping[str, Entry] = field(repr=False)
    _by_place: Mapping[Place, tuple[Entry, ...]] = field(repr=False)

    @classmethod
    def compile(cls, inventory: Inventory, openapi: Callable[[Service], bytes]) -> "Catalog":
        """The catalogue of this inventory; raises `ConfigurationError` with every mistake."""
        compiler = _Compiler(inventory, openapi)
        entries = {service.id: compiler.entry(service) for service in inventory.services.values()}
        by_place = compiler.by_place(entries)
        compiler.check_selectors(entries)
        if compiler.mistakes:
            raise ConfigurationError(compiler.mistakes)
        version = hashlib.sha256(canonical([inventory.version, *compiler.documents])).hexdigest()
        return cls(inventory, version, entries, by_place)

    def service(self, service_id: str | None) -> Service | None:
        entry = self._by_id.get(service_id) if service_id is not None else None
        return entry.service if entry else None

    def tool_for(self, service_id: str, name: str) -> Tool | None:
        """The service's tool of this exact name, built-in ones included."""
        entry = self._by_id.get(service_id)
        operation = entry.operations.get(name) if entry else None
        return operation.tool if operation else None

    def serves(self, host: str, port: int) -> bool:
        """Whether any service lives at this host and port."""
        return ("https", host, port) in self._by_place or ("http", host, port) in self._by_place

    def service_for(self, scheme: str, host: str, port: int, path: str) -> Service | None:
        """The service that this place belongs to: the longest URL path wins. None if there is no single one."""
        try:
            entry = self._entry((scheme, host, port), path)
        except Refused:
            return None
        return entry.service if entry else None

    def entry_for(self, request: Request) -> Entry:
        """The service that this request goes to; refused if there is none."""
        entry = self._entry((request.scheme, request.host, request.port), request.path)
        if entry is None:
            raise refuse(
                "service_unknown",
                403,
                f"{request.scheme}://{request.authority} is not, at this path, a service that Countersign knows. "
                "Nothing else can be reached; report it to whoever runs this agent, who can ask for it to be added.",
            )
        return entry

    def _entry(self, place: Place, path: str) -> Entry | None:
        entries = self._by_place.get(place)
        if entries is None:
            return None
        found = segments(path, slashes=True)
        split = split_at_slashes(found) if "%2" in path else found
        for entry in entries:
            head = found[: len(entry.prefix)]
            if head == entry.prefix:
                if len(split) != len(found) and not entry.service.takes_slashes:
                    segments(path)  # refuses
                return entry
            if tuple(map(relaxed, split[: len(entry.prefix)])) == tuple(map(relaxed, entry.prefix)):
                raise refuse(
                    "path_ambiguous",
                    400,
                    "The path of this request is almost, but not exactly, a service's. Send the plain form.",
                    "fix_request",
                )
        return None

    def policy_catalogue(self) -> Catalogue:
        """The same, as policies see it."""
        inventory = self.inventory
        return Catalogue(
            version=self.version,
            people=tuple(
                PersonFacts(one.id, one.teams, one.active, one.id in inventory.left)
                for one in inventory.people.values()
            ),
            agents=tuple(
                AgentFacts(
                    one.id,
                    inventory.stand_ins.get(f"agent:{one.id}", one.owner or ""),
                    one.team or "",
                    one.environment,
                    one.agent_class,
                    one.labels,
                    one.trust_zone or "",
                    one.partner or "",
                )
                for one in inventory.agents.values()
            ),
            services=tuple(
                _service_facts(one, inventory.stand_ins.get(f"service:{name}", one.service.owner))
                for name, one in self._by_id.items()
            ),
            datasets=tuple(
                DatasetFacts(
                    one.id, inventory.stand_ins.get(f"dataset:{one.id}", one.owner), one.sensitivity, one.labels
                )
                for one in inventory.datasets.values()
            ),
            teams=tuple(inventory.teams),
        )


def _service_facts(entry: Entry, owner: str) -> ServiceFacts:
    service = entry.service
    tools = tuple(
        ToolFacts(one.tool.name, one.tool.effect, one.schema, one.tool.labels) for one in entry.operations.values()
    )
    return ServiceFacts(service.id, owner, service.trust, service.environment, service.labels, tools)


@dataclass(slots=True)
class _Compiler:
    inventory: Inventory
    openapi: Callable[[Service], bytes]
    mistakes: list[Mistake] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    selectors: dict[str, tuple[CompiledSelector, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.selectors = compile_selectors(self.inventory.datasets.values())

    def entry(self, service: Service) -> Entry:
        path = urlsplit(service.url).path
        try:
            prefix = segments(path.rstrip("/") or "/")
        except Refused as refused:
            self._mistake(f"services[{service.id}].url", refused.refusal.detail)
            prefix = ()
        routes: Routes[Operation] = Routes()
        operations = self._mcp(service) if service.protocol == "mcp" else self._rest(service, routes)
        return Entry(
            service,
            path or "/",
            prefix,
            {operation.tool.name: operation for operation in operations},
            routes,
            self.selectors.get(service.id, ()),
            credential_pin(service),
        )

    def by_place(self, entries: Mapping[str, Entry]) -> dict[Place, tuple[Entry, ...]]:
        """The services of each place, longest prefix first."""
        found: dict[Place, list[Entry]] = {}
        for entry in entries.values():
            url = urlsplit(entry.service.url)
            place = (url.scheme, (url.hostname or "").lower(), url.port or (443 if url.scheme == "https" else 80))
            for other in found.setdefault(place, []):
                if tuple(map(relaxed, other.prefix)) == tuple(map(relaxed, entry.prefix)):
                    self._mistake(
                        f"services[{entry.service.id}].url",
                        f"is the place of the service `{other.service.id}` already; one place is one service",
                    )
            found[place].append(entry)
        return {place: tuple(sorted(group, key=lambda one: -len(one.prefix))) for place, group in found.items()}

    def check_selectors(self, entries: Mapping[str, Entry]) -> None:
        """A selector that names no tool would recognise nothing, silently."""
        for dataset in self.inventory.datasets.values():
            for index, selector in enumerate(dataset.selectors):
                entry = entries.get(selector.service)
                where = f"datasets[{dataset.id}].selectors[{index}]"
                if entry is None:
                    self._mistake(f"{where}.service", f"`{selector.service}` is not a service in the inventory")
                    continue
                for name in selector.tools:
                    if name not in entry.operations:
                        self._mistake(f"{where}.tools", f"`{name}` is not a tool of `{selector.service}`")

    def _mcp(self, service: Service) -> list[Operation]:
        if service.openapi is not None:
            self._mistake(f"services[{service.id}].openapi", "does not go with `protocol: mcp`; list the tools by name")
        for tool in service.tools:
            where = f"services[{service.id}].tools[{tool.name}]"
            if tool.route is not None:
                self._mistake(f"{where}.route", "does not go with `protocol: mcp`, whose tools have only names")
            if tool.name in BUILT_IN:
                self._mistake(where, "is the name of an MCP method, which every MCP service has as a tool")
        operations = [*BUILT_IN.values(), *(prepare(tool, tool.input_schema) for tool in service.tools)]
        self._once(service, operations)
        return operations

    def _rest(self, service: Service, routes: Routes[Operation]) -> list[Operation]:
        documented = {one.tool.name: one for one in self._documented(service)}
        own = [
            _annotated(tool, documented.pop(tool.name)) if tool.name in documented else prepare(tool, tool.input_schema)
            for tool in service.tools
        ]
        operations = [
            routed for one in (*own, *documented.values()) if (routed := self._routed(service, one, routes)) is not None
        ]
        self._once(service, operations)
        return operations

    def _documented(self, service: Service) -> list[Operation]:
        if service.openapi is None:
            return []
        try:
            raw = self.openapi(service)
        except ConfigurationError as error:
            self.mistakes.extend(error.mistakes)
            return []
        self.documents.append(hashlib.sha256(raw).hexdigest())
        credentials = frozenset([fold(name) for one in service.bindings if (name := one.parameter) is not None])
        operations = read_operations(raw, service.openapi, self.mistakes, credentials)
        self._once(service, operations, "the document's `operationId` of several operations; make it unique")
        return operations

    def _once(self, service: Service, operations: list[Operation], text: str = "named twice; make it unique") -> None:
        seen: set[str] = set()
        for operation in operations:
            if operation.tool.name in seen:
                self._mistake(f"services[{service.id}].tools[{operation.tool.name}]", f"is {text}")
            seen.add(operation.tool.name)

    def _routed(self, service: Service, operation: Operation, routes: Routes[Operation]) -> Operation | None:
        tool, where = operation.tool, f"services[{service.id}].tools[{operation.tool.name}]"
        if tool.route is None:
            self._mistake(
                f"{where}.route", "is missing; without `method` and `path` no call would be seen as this tool"
            )
            return None
        try:
            check_method(tool.route.method)
            template = parse_template(tool.route.path)
        except ValueError as error:
            self._mistake(f"{where}.route", str(error))
            return None
        operation = _with_parameters(operation, template)
        taken = routes.add(tool.route.method, template, operation)
        if taken is not None:
            self._mistake(f"{where}.route", f"is the route of `{taken.tool.name}` already; one route is one tool")
        return operation

    def _mistake(self, where: str, text: str) -> None:
        self.mistakes.append(Mistake("inventory", 0, where, text))


def _annotated(tool: Tool, documented: Operation) -> Operation:
    """A documented operation with what the inventory says of it; the inventory wins."""
    other = documented.tool
    merged = tool.model_copy(
        update={
            "route": tool.route or other.route,
            "effect": tool.effect if tool.effect != "unknown" else other.effect,
            "description": tool.description or other.description,
        }
    )
    if tool.input_schema is not None:
        return prepare(merged, tool.input_schema)
    return prepare(merged, documented.schema, documented.renamed)


def _with_parameters(operation: Operation, template: Template) -> Operation:
    """The operation whose schema names every path parameter, for policies to rely on."""
    schema = operation.schema
    if schema is None or not template.parameters:
        return operation
    declared, listed = schema.get("properties"), schema.get("required")
    properties = dict(declared) if isinstance(declared, Mapping) else {}
    required = list(listed) if isinstance(listed, list | tuple) else []
    for name in template.parameters:
        argument = operation.argument("path", name)
        properties.setdefault(argument, {"type": "string"})
        if argument not in required:
            required.append(argument)
    whole: Schema = {**schema, "properties": properties, "required": required}
    return prepare(operation.tool.model_copy(update={"input_schema": whole}), whole, operation.renamed)
