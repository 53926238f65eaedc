"""`python -m proxy.cli`."""

import subprocess
import sys


def test_the_module_is_the_command() -> None:
    """It does the same as the script."""
    done = subprocess.run([sys.executable, "-m", "proxy.cli", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("countersign ")
