"""The configuration file: what may be set, how it is read, and what of it is unsafe."""

from proxy.settings.load import directories, issuer_settings, load_settings
from proxy.settings.model import Address, Settings
from proxy.settings.unsafe import unsafe
from proxy.settings.workloads import cluster_settings, trust_domain_settings

__all__ = [
    "Address",
    "Settings",
    "cluster_settings",
    "directories",
    "issuer_settings",
    "load_settings",
    "trust_domain_settings",
    "unsafe",
]
