"""Files that settings name."""

from pathlib import Path

import pytest

from proxy.documents import Document, read_tree
from proxy.settings.files import check_file, check_keys, check_pem


@pytest.fixture
def document() -> Document:
    """A configuration that names a file."""
    found = read_tree(b"a:\n  file: x\n", "c.yaml", [])
    assert found is not None
    return found


def test_a_file_that_is_right_or_not_named_is_no_mistake(document: Document, tmp_path: Path) -> None:
    """Nothing is said of it."""
    path = tmp_path / "roots.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
    assert list(check_pem(document, path, "CERTIFICATE", "a", "file")) == []
    assert list(check_file(document, None, lambda _: False, "anything", "a", "file")) == []


def test_a_file_that_is_missing_or_wrong_is_told_at_its_setting(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the line of the setting, and what it should hold."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text("-----BEGIN PRIVATE KEY-----\n")
    found = [
        str(mistake)
        for name in ("key", "none")
        for mistake in check_pem(document, tmp_path / name, "CERTIFICATE", "a", "file")
    ]
    assert found == [
        "c.yaml:2: a.file: `key` does not hold a PEM certificate",
        "c.yaml:2: a.file: `none` cannot be read: no such file or directory",
    ]


def test_who_is_believed_by_keys_is_checked_with_its_files(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the verifier says of it, a file that is no key set, and roots that are none, each at its own setting."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys.json").write_text("{}")

    def refused() -> object:
        raise ValueError("accepts too much")

    found = [str(one) for one in check_keys(document, tmp_path / "keys.json", tmp_path / "none", refused, "a")]
    assert found == [
        "c.yaml:1: a: accepts too much",
        "c.yaml:1: a.jwks_file: `keys.json` does not hold a JWK set",
        "c.yaml:1: a.ca_bundle: `none` cannot be read: no such file or directory",
    ]
    (tmp_path / "keys.json").write_text('{"keys": []}')
    assert list(check_keys(document, tmp_path / "keys.json", None, str, "a")) == []
