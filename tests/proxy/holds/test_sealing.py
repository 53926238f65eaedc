"""What is held is sealed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.errors import CountersignError
from proxy.holds.sealing import SealBroken, Sealer


def test_what_was_sealed_is_opened_under_its_name_only() -> None:
    """Another name, another key, an altered or empty body: nothing is opened."""
    sealer = Sealer(bytes(32))
    sealed = sealer.seal(b"secret", "hld_1")
    assert b"secret" not in sealed
    assert sealer.open(sealed, "hld_1") == b"secret"
    assert sealer.seal(b"secret", "hld_1") != sealed
    broken = [sealed[:-1], b"\x02" + sealed[1:], sealed[:13], b"", sealed[:-1] + bytes([sealed[-1] ^ 1])]
    for body in broken:
        with pytest.raises(SealBroken):
            sealer.open(body, "hld_1")
    with pytest.raises(SealBroken):
        sealer.open(sealed, "hld_2")
    with pytest.raises(SealBroken):
        Sealer(b"k" * 32).open(sealed, "hld_1")


def test_the_key_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    """A missing key file is made with mode 0600 and used again; nothing else is left in the folder."""
    path = tmp_path / "holds.key"
    sealed = Sealer.from_file(path).seal(b"x", "n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert Sealer.from_file(path).open(sealed, "n") == b"x"
    assert [file.name for file in tmp_path.iterdir()] == ["holds.key"]


def test_processes_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    """Whoever is first makes it; the others use it."""
    path = tmp_path / "holds.key"
    code = f"from pathlib import Path; from proxy.holds.sealing import Sealer; Sealer.from_file(Path({str(path)!r}))"
    starts = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [start.wait() for start in starts] == [0, 0, 0, 0]
    assert [file.name for file in tmp_path.iterdir()] == ["holds.key"]


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The message says what to do."""
    path = tmp_path / "holds.key"
    path.write_bytes(os.urandom(32))
    path.chmod(0o644)
    with pytest.raises(CountersignError, match="chmod 600"):
        Sealer.from_file(path)


def test_a_key_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    """A truncated key file, an empty key, or a folder that is not there is an error, not a weaker seal."""
    path = tmp_path / "holds.key"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(CountersignError, match="5 bytes"):
        Sealer.from_file(path)
    with pytest.raises(CountersignError, match="0 bytes"):
        Sealer(b"")
    with pytest.raises(CountersignError, match="cannot use"):
        Sealer.from_file(tmp_path / "missing" / "holds.key")
