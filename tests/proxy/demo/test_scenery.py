"""The demo's own configuration."""

from datetime import UTC, datetime
from pathlib import Path

from proxy.checkup import check_all
from proxy.demo.certificates import make_server_files
from proxy.demo.scenery import HOSTS, furnish


def test_the_scenery_has_no_mistakes(tmp_path: Path) -> None:
    """`countersign check` has nothing to say about what the demo shows, but that one person signs for all there."""
    files = make_server_files(tmp_path / "tls", HOSTS)
    secret = tmp_path / "crm.key"
    secret.touch(mode=0o600)
    secret.write_text("a key for the tests")
    today = datetime.now(UTC).date()
    config = furnish(tmp_path, ports={"crm": 1, "notes": 2, "ledger": 3}, root=files.root, secret=secret, today=today)
    checkup = check_all(config)
    assert not checkup.mistakes
    assert ["control.operator_may_sign" in one.text for one in checkup.warnings] == [True]
