"""`countersign status`."""

import json
from pathlib import Path
from typing import Any


def test_it_says_whether_a_server_runs(give: Any, config: Path, serving: tuple[Path, list[str]]) -> None:
    """With one: its addresses. Without: no addresses, that none runs, and that nothing is ready."""
    running = json.loads(give("status", "--json", "-c", serving[0]).out)
    assert running["running"] is True
    assert f"proxy      http://{running['proxy']}" in "".join(serving[1])
    said = give("status")
    assert said.status == 0
    assert said.out.startswith("No server is running here, so no call passes. What would be in force:\n")
    lines = [line.split(maxsplit=1) for line in said.out.splitlines() if line]
    assert ["running", "no"] in lines
    assert ["ready", "no"] in lines
    assert ["trouble", "no server is running; start it with `countersign serve`"] in lines
    told = json.loads(give("status", "--json").out)
    assert (told["running"], told["ready"]) == (False, False)
