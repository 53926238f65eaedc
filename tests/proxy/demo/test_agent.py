"""The demo's agent program."""

import ast
from pathlib import Path

import pytest

from proxy.demo import agent


def test_it_knows_nothing_of_us() -> None:
    """It imports nothing of ours, and names neither a proxy nor a credential: what the demo shows is no trick."""
    text = Path(agent.__file__).read_text()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            assert not any(name.split(".")[0] in {"proxy", "policies", "telemetry"} for name in names)
    code = "\n".join(line for line in text.splitlines() if not line.strip().startswith(("#", '"""')))
    for word in ("HTTPS_PROXY", "HTTP_PROXY", "Authorization", "SSL_CERT", "COUNTERSIGN_"):
        assert word not in code


def test_an_unknown_step_ends_it() -> None:
    """A story that asks for what it cannot do is noticed."""
    with pytest.raises(SystemExit, match="unknown step `dance`"):
        agent.act("dance")
