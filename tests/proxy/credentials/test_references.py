"""Secrets are read when they are used, and shown nowhere."""

import os
from pathlib import Path

import pytest

from proxy.credentials.references import References, loose_permissions
from proxy.errors import Refused

VALUE = "s3cr3t-value-1"


def refused(reference: str, references: References | None = None) -> Refused:
    """The refusal of a call whose secret cannot be had; it never holds the secret."""
    with pytest.raises(Refused) as caught:
        (references or References()).read(reference)
    refusal = caught.value.refusal
    assert (refusal.reason, refusal.status) == ("credential_unavailable", 503)
    assert not reference or reference not in refusal.detail
    assert caught.value.__cause__ is None, "a cause may quote what was read"
    return caught.value


def test_a_variable_is_read_at_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value that stands there now counts, not the one at the start."""
    references = References()
    monkeypatch.setenv("CRM_TOKEN", VALUE)
    secret = references.read("env:CRM_TOKEN")
    assert (secret.reference, secret.value) == ("env:CRM_TOKEN", VALUE)
    assert VALUE not in repr(secret)
    monkeypatch.setenv("CRM_TOKEN", "rotated-value")
    assert references.read("env:CRM_TOKEN").value == "rotated-value"
    monkeypatch.delenv("CRM_TOKEN")
    refused("env:CRM_TOKEN", references)


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """A rotated file counts at its next use, also with the old size and time; one line end is not part of it."""
    path = tmp_path / "secret"
    references = References()
    path.write_text(VALUE + "\n")
    assert references.read(f"file:{path}").value == VALUE
    assert references.read(f"file:{path}").value == VALUE
    path.write_text("rotated-value-2\n")
    assert references.read(f"file:{path}").value == "rotated-value-2"
    stamp = path.stat()
    fresh = tmp_path / "fresh"
    fresh.write_text("rotated-value-3\n")
    os.utime(fresh, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    fresh.rename(path)
    assert references.read(f"file:{path}").value == "rotated-value-3"
    path.unlink()
    refused(f"file:{path}", references)


@pytest.mark.parametrize(
    "value",
    [
        "", "short77", " leading-space", "trailing-space ", "two\nlines-here", "carriage\rreturn", "nul\x00inside",
        "tab\tinside1", "ümlaut-secret", "\x7fdelete-me", "two-line-ends\n\n",
    ],
)  # fmt: skip
def test_a_value_that_no_header_carries_is_refused(tmp_path: Path, value: str) -> None:
    """Empty, too short to be told from ordinary text, or with characters that would split a header."""
    path = tmp_path / "secret"
    path.write_bytes(value.encode())
    error = refused(f"file:{path}")
    assert not value.strip() or value.strip() not in str(error)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """The refusal does not quote the bytes."""
    path = tmp_path / "secret"
    path.write_bytes(b"secret-\xff-secret")
    assert "secret-" not in str(refused(f"file:{path}")).replace(str(path), "")


def test_what_is_no_secret_file_is_refused(tmp_path: Path) -> None:
    """A folder, a missing file, a huge one, and a path that depends on where we were started."""
    huge = tmp_path / "huge"
    huge.write_text("x" * 16_385)
    for reference in (f"file:{tmp_path}", f"file:{tmp_path}/missing", f"file:{huge}", "file:secret", "file:./secret"):
        refused(reference)


@pytest.mark.parametrize("reference", ["", "env:", "env:A B", "env:1A", "file:", "vault:x", VALUE, "ENV:CRM_TOKEN"])
def test_what_is_no_reference_is_refused(reference: str) -> None:
    """Anything but `env:NAME` and `file:/PATH`, a real secret in its place included."""
    refused(reference)


def test_loose_permissions_are_warned_of(tmp_path: Path) -> None:
    """A file that others may read is worth a sentence; one of 0600, and a variable, are not."""
    path = tmp_path / "secret"
    path.write_text(VALUE)
    path.chmod(0o640)
    assert loose_permissions(f"file:{path}") == f"others than its owner may read the secret in `{path}`; chmod 600 it"
    path.chmod(0o600)
    for fine in (f"file:{path}", "env:CRM_TOKEN", f"file:{path}x", "file:/a\0b"):
        assert loose_permissions(fine) is None


def test_a_key_may_have_several_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A private key is read as it is, and never as something for a header; too short is no key."""
    monkeypatch.setenv("KEY", "-----BEGIN-----\nabc\n-----END-----\n")
    assert References().read_key("env:KEY").value.count("\n") == 3
    refused("env:KEY")
    monkeypatch.setenv("KEY", "short")
    with pytest.raises(Refused):
        References().read_key("env:KEY")


def test_many_files_are_not_remembered_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """References that name a file for each task do not fill the memory."""
    monkeypatch.setattr("proxy.credentials.references._MOST_FILES", 2)
    references = References()
    for number in range(5):
        path = tmp_path / str(number)
        path.write_text(f"secret-value-{number}")
        assert references.read(f"file:{path}").value == f"secret-value-{number}"
    assert len(references._files) <= 2
