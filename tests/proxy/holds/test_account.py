"""What the audit log is told about a hold."""

import re
from pathlib import Path

from proxy.holds.account import RECORD_TYPES
from telemetry.record import RECORD_TYPES as KNOWN

MACHINE = Path(__file__).parents[3] / "proxy" / "holds"


def test_every_event_of_the_machine_has_a_record_type() -> None:
    """No event of a hold goes without a record: the machine's sources name none that the account does not know."""
    named = {
        found
        for path in (MACHINE / "machine.py", MACHINE / "admission.py", MACHINE / "moves.py")
        for found in re.findall(r'"((?:hold|grant|attempt)\.[a-z_]+)"', path.read_text())
    }
    assert named
    assert named <= set(RECORD_TYPES)


def test_every_record_type_is_one_that_the_log_knows() -> None:
    """What is written can be verified: the log's schema has each type."""
    assert set(RECORD_TYPES.values()) <= KNOWN
