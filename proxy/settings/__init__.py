"""The configuration file: what may be set, how it is read, and what of it is unsafe."""

from proxy.settings.load import directories, issuer_settings, load_settings
from proxy.settings.model import Address, InventorySource, Settings
from proxy.settings.rules import ownership_rules
from proxy.settings.unsafe import unsafe

__all__ = [
    "Address",
    "InventorySource",
    "Settings",
    "directories",
    "issuer_settings",
    "load_settings",
    "ownership_rules",
    "unsafe",
]
