"""What the listener may be told."""

from pathlib import Path

import pytest

from proxy.listener.options import ListenerOptions


def test_defaults_are_cautious() -> None:
    """Without being told otherwise we listen on this machine only, and there is no gateway."""
    options = ListenerOptions(ca_directory=Path("x"))
    assert options.proxy_host == "127.0.0.1"
    assert options.gateway_port is None
    assert options.upstream_ca_bundle is None


@pytest.mark.parametrize("name", ["max_body_bytes", "max_connections", "header_timeout", "sweep_interval"])
def test_no_limit_can_be_switched_off(name: str) -> None:
    """Zero does not mean unlimited: it is a mistake."""
    with pytest.raises(ValueError, match=name):
        ListenerOptions(ca_directory=Path("x"), **{name: 0})  # type: ignore[arg-type]  # each is a number
