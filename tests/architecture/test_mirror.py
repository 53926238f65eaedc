"""Every source file has its test file, in the same place below `tests/`."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for package in ("proxy", "policies", "telemetry")
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__init__.py"
)

# Files of types only, or that are shown by another file's tests: each with the reason.
WITHOUT_OWN_TEST: dict[str, str] = {
    "policies/model.py": "values without behaviour",
    "proxy/facts/agents.py": "values without behaviour; tests/proxy/inventory reads them from YAML",
    "proxy/facts/bindings.py": "values without behaviour; tests/proxy/inventory reads them from YAML",
    "proxy/facts/common.py": "values without behaviour",
    "proxy/facts/inventory.py": "values without behaviour",
    "proxy/facts/ownership.py": "values, and a look-up that tests/proxy/inventory/test_ownership.py shows",
    "proxy/facts/people.py": "values without behaviour; tests/proxy/inventory reads them from YAML",
    "proxy/facts/services.py": "values, and which tools there may be, which tests/proxy/tasks/test_known.py shows",
    "proxy/stages.py": "values without behaviour",
    "proxy/errors.py": "values without behaviour",
    "proxy/listener/interfaces.py": "a protocol",
    "proxy/inventory/interfaces.py": "a protocol; tests/conformance holds its suite",
    "proxy/identity/interfaces.py": "a protocol; tests/conformance holds its suite",
    "proxy/tasks/interfaces.py": "a protocol; tests/conformance holds its suite",
    "proxy/holds/interfaces.py": "a protocol; tests/conformance holds its suite",
    "proxy/credentials/interfaces.py": "protocols; tests/conformance holds their suite",
    "proxy/credentials/means.py": "values without behaviour",
    "proxy/control/needs.py": "protocols; tests/proxy/control runs the API against the real services",
    "proxy/console/needs.py": "protocols; tests/proxy/console runs the pages against the control API's own desks",
    "proxy/control/interfaces.py": "a protocol; tests/conformance holds its suite",
    "proxy/cli/run_options.py": "options without behaviour",
    "proxy/cli/shim_wanted.py": "values without behaviour",
    "proxy/control/signals/interfaces.py": "a protocol; tests/conformance holds its suite",
    "proxy/control/signals/model.py": "values without behaviour",
    "proxy/control/signals/words.py": "names without behaviour",
    "proxy/settings/values.py": "types; tests/proxy/settings/test_model.py and test_load.py refuse what does not fit",
}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_file_has_its_test_file(path: Path) -> None:
    """`proxy/holds/machine.py` is shown by `tests/proxy/holds/test_machine.py`."""
    relative = path.relative_to(ROOT)
    if str(relative) in WITHOUT_OWN_TEST:
        return
    expected = ROOT / "tests" / relative.parent / f"test_{relative.name}"
    assert expected.exists(), f"{relative} has no test file at {expected.relative_to(ROOT)}"


def test_every_exception_still_exists() -> None:
    """The list of files without an own test names only files that exist, with a reason."""
    for name, why in WITHOUT_OWN_TEST.items():
        assert why
        assert (ROOT / name).exists(), f"{name} is gone: take it off the list"
