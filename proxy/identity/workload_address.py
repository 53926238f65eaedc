"""Where the SPIFFE Workload API is, and whether we can speak to it: read by every command, so it imports little."""

import importlib.util
import os

ENDPOINT = "SPIFFE_ENDPOINT_SOCKET"


def available() -> bool:
    """Whether the extra `spiffe` is installed."""
    return importlib.util.find_spec("spiffe") is not None


def target_of(address: str) -> str:
    """What grpc calls this address (`unix:///path`, `/path` or `tcp://ip:port`); empty is that of the environment.

    Raises `ValueError` with words.
    """
    address = address or os.environ.get(ENDPOINT, "")
    if not address:
        raise ValueError(f"no Workload API: name its socket, or set {ENDPOINT}")
    if address.startswith("/"):
        return f"unix:{address}"
    kind, _, place = address.partition(":")
    path = "/" + place.lstrip("/")
    if kind == "unix" and place.startswith("/") and path != "/":
        return f"unix:{path}"
    if kind == "tcp" and place.startswith("//") and place.count(":") and not place[2:].count("/"):
        return place[2:]
    raise ValueError("the Workload API is at `unix:///path` or `tcp://ip:port`")
