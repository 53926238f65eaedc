"""`countersign status`."""

import json
from pathlib import Path
from typing import Any


def test_it_says_whether_a_server_runs(give: Any, config: Path, serving: tuple[Path, list[str]]) -> None:
    """With one: its addresses. Without: no addresses, and that none runs."""
    running = json.loads(give("status", "--json", "-c", serving[0]).out)
    assert running["running"] is True
    assert f"proxy      http://{running['proxy']}" in "".join(serving[1])
    said = give("status")
    assert said.status == 0
    assert said.out.splitlines()[0].split() == ["running", "no"]
