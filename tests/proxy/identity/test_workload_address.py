"""Where the Workload API is."""

import pytest

from proxy.identity.workload_address import available, target_of


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("unix:///run/api.sock", "unix:/run/api.sock"),
        ("unix:/run/api.sock", "unix:/run/api.sock"),
        ("/run/api.sock", "unix:/run/api.sock"),
        ("tcp://127.0.0.1:8000", "127.0.0.1:8000"),
    ],
)
def test_addresses_are_those_of_the_specification(address: str, target: str) -> None:
    """UNIX sockets and TCP."""
    assert target_of(address) == target


@pytest.mark.parametrize(
    "address", ["api.sock", "unix:", "unix:///", "http://x", "tcp:x", "tcp://h", "tcp://h:1/p", "-"]
)
def test_any_other_address_is_a_mistake(address: str) -> None:
    """Told in words."""
    with pytest.raises(ValueError, match="Workload API"):
        target_of(address)


def test_the_extra_is_there_for_tests() -> None:
    """The package is installed here; where it is not, the configuration says so."""
    assert available()


def test_the_environment_names_it_where_the_settings_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """And without either there is none."""
    monkeypatch.setenv("SPIFFE_ENDPOINT_SOCKET", "unix:///run/other.sock")
    assert target_of("") == "unix:/run/other.sock"
    assert target_of("/run/api.sock") == "unix:/run/api.sock"
    monkeypatch.delenv("SPIFFE_ENDPOINT_SOCKET")
    with pytest.raises(ValueError, match="no Workload API"):
        target_of("")
