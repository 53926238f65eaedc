"""What can go wrong with the account of what happened."""


class AuditUnavailable(Exception):
    """The record is not durable. On the path of a call this is a refusal."""


class AuditDamaged(Exception):
    """The log cannot be opened or read as it stands; a person must look. Text is for people."""


class NoteError(Exception):
    """A signed note, a key or a checkpoint cannot be read, or a signature does not hold."""


class UnknownKey(NoteError):
    """A note carries no signature by a key that we were told to trust."""


class ProofError(Exception):
    """A proof does not show what it claims."""
