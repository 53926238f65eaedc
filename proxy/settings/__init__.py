"""The configuration file: what may be set, how it is read, and what of it is unsafe."""

from proxy.settings.load import directories, issuer_settings, load_settings
from proxy.settings.model import Address, InventorySource, Settings
from proxy.settings.rules import ownership_rules
from proxy.settings.secret_references import secret_references
from proxy.settings.unsafe import unsafe
from proxy.settings.workloads import cluster_settings, trust_domain_settings

__all__ = [
    "Address",
    "InventorySource",
    "Settings",
    "cluster_settings",
    "directories",
    "issuer_settings",
    "load_settings",
    "ownership_rules",
    "secret_references",
    "trust_domain_settings",
    "unsafe",
]
