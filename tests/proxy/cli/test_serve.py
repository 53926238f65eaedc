"""`countersign serve`."""

import socket
from pathlib import Path
from typing import Any

from tests.proxy.cli.conftest import start_serve, stop, write_config


def test_it_says_what_it_is_when_it_starts(serving: tuple[Path, list[str]]) -> None:
    """Addresses, mode, versions, the log; and `ready` when all doors are open."""
    names = [line.split()[0] for line in serving[1]]
    assert names[:4] == ["proxy", "gateway", "console", "mode"]
    assert {"policies", "inventory", "audit"} <= set(names)
    assert names[-1] == "ready"


def test_what_is_unsafe_is_said_at_the_start(tmp_path: Path) -> None:
    """Observing instead of enforcing is named as unsafe, in capitals."""
    config = write_config(tmp_path / "house")
    config.write_text(config.read_text().replace("mode: enforce", "mode: observe"))
    process, lines = start_serve(config)
    assert stop(process) == 0
    assert any(line.startswith("UNSAFE") and "observe" in line for line in lines)


def test_an_address_for_agents_that_is_taken_is_named(give: Any, config: Path) -> None:
    """Host and port, and where to choose another; not the words of a library."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        config.write_text(config.read_text().replace("proxy: 127.0.0.1:0", f"proxy: {taken}"))
        said = give("serve")
    assert said.status == 2
    assert f"cannot listen for agents: {taken}: address already in use; choose another address in `listen`" in said.err


def test_a_second_server_on_the_same_state_is_refused(give: Any, serving: tuple[Path, list[str]]) -> None:
    """Two would overwrite each other: exit status 2, and what to do."""
    said = give("serve", "--config", serving[0])
    assert said.status == 2
    assert "another Countersign runs on this state directory" in said.err


def test_an_address_that_is_taken_is_a_mistake_in_words(
    give: Any, config: Path, serving: tuple[Path, list[str]]
) -> None:
    """The address is named, and the setting to change."""
    taken = next(line.split()[1] for line in serving[1] if line.startswith("console")).removeprefix("http://")
    config.write_text(config.read_text().replace("control: 127.0.0.1:0", f"control: {taken}"))
    said = give("serve")
    assert said.status == 2
    assert taken in said.err
    assert "`listen`" in said.err
