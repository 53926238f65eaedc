"""A configuration on free loopback ports, over one folder, as `countersign serve` would be given it."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proxy.settings.load import load_settings
from proxy.settings.model import Settings
from tests.fakes.world import INVENTORY, POLICIES, SECRET, write_files

LISTEN = 'listen: {proxy: "127.0.0.1:0", gateway: "127.0.0.1:0", control: "127.0.0.1:0"}\n'
SETTINGS = """\
version: 1
state: ./state
inventory: ./inventory
policies: ./policies
holds: {inline_wait_seconds: 0}
"""


def configured(
    folder: Path, *, more: str = "", listen: str = LISTEN, inventory: str = INVENTORY, **changes: Any
) -> Settings:
    """The settings of this folder; `listen` and `more` are lines of its file, `changes` replace settings."""
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "crm.key"
    secret.touch(mode=0o600)
    secret.write_text(SECRET)
    write_files(folder, inventory=inventory, policies=POLICIES)
    config = folder / "countersign.yaml"
    config.write_text(SETTINGS + listen + more)
    return load_settings(config).model_copy(update=changes)


def on_loopback(port: int) -> str:
    """The inventory with its CRM in plain text on this machine, for tests with a real upstream."""
    return INVENTORY.replace("url: https://crm.test", f"url: http://127.0.0.1:{port}").replace(
        "    connect: 127.0.0.1:8443\n", ""
    )


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """A port that the system gives to nobody else while this holds it, and on which our own server can listen."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", 0))
        yield one.getsockname()[1]
