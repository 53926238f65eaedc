"""Kinds of bad news."""

from telemetry.errors import AuditDamaged, AuditUnavailable, NoteError, ProofError, UnknownKey


def test_kinds_are_told_apart():
    """A disk that says no, a log that a person must look at, and a proof that fails are never caught as one another."""
    kinds = (AuditDamaged, AuditUnavailable, NoteError, ProofError)
    assert not any(issubclass(one, other) for one in kinds for other in kinds if one is not other)
    assert issubclass(UnknownKey, NoteError)
