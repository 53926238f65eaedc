"""Which describer reads which protocol. The only way from an attributed request to a described call."""

from collections.abc import Callable, Mapping

from proxy.facts import Protocol
from proxy.protocols.catalog import Catalog, Entry
from proxy.protocols.mcp import describe_mcp
from proxy.protocols.rest import describe_rest
from proxy.stages import Attributed, Call, Described

DESCRIBERS: Mapping[Protocol, Callable[[Attributed, Entry], Call]] = {"rest": describe_rest, "mcp": describe_mcp}


def describe(attributed: Attributed, catalog: Catalog) -> Described:
    """What is being called; refused if the service is unknown, or if the request has more than one meaning."""
    entry = catalog.entry_for(attributed.arrived.request)
    return Described(attributed, DESCRIBERS[entry.service.protocol](attributed, entry))
