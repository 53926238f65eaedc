"""Rules for the whole suite."""

import os
import re
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test is timed: how long an example takes says how busy the machine is. The build machine takes the same examples
# each time, so that it judges the change and not the dice; everywhere else they are new in every run.
settings.register_profile(
    "suite",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
)
settings.load_profile("suite")

# The words in which a test says that a part is not there which it needs: a browser, a program, a package.
MISSING_PART = re.compile(r"missing|there is no|not installed|could not import|not found", re.IGNORECASE)


def pytest_configure(config: pytest.Config) -> None:
    """Programs that tests start keep what they compile, out of the way: each would else compile all imports anew."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(config.rootpath / ".pytest_cache" / "pycache")


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the test's own with a short name: the path of a UNIX socket in it may not have 108 bytes."""
    return tmp_path_factory.mktemp("t")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test may be skipped; not on the build machine for want of a part."""
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A whole file may be skipped as well, when it is read; the same holds."""
    return _judged((yield))


def _judged[R: pytest.TestReport | pytest.CollectReport](report: R) -> R:
    """On the build machine every part is there: what is skipped for want of one has not been shown, and fails."""
    if not report.skipped or hasattr(report, "wasxfail") or os.environ.get("CI") != "true":
        return report
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    if MISSING_PART.search(reason):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: on the build machine nothing may be missing: {reason}"
    return report
