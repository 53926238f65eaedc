"""The rule on skips, held against a small suite of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest

def test_part():
    pytest.skip("there is no Chromium here")

def test_choice():
    pytest.skip("only root may mount")
"""
FILE = """
import pytest

pytest.importorskip("no_such_package_at_all")
"""


@pytest.mark.parametrize(("ci", "said"), [("true", "1 skipped"), ("", "3 skipped")])
def test_on_the_build_machine_a_missing_part_is_a_failure(tmp_path: Path, ci: str, said: str) -> None:
    """With CI=true, a test or a file that is skipped for want of a part fails; other skips stay skips."""
    (tmp_path / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    (tmp_path / "test_parts.py").write_text(SUITE)
    (tmp_path / "test_file.py").write_text(FILE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors", "."],
        cwd=tmp_path,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said in done.stdout, done.stdout
    assert (done.returncode != 0) is bool(ci), done.stdout
    assert ("nothing may be missing" in done.stdout) is bool(ci), done.stdout
