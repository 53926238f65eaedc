"""Names that people give to things, and the ids that we give to calls."""

import re

_IDENTIFIER = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")


def identifier(text: str) -> str:
    """The text itself, if it is 1 to 64 of `a-z 0-9 . _ -`, starting and ending with a letter or digit."""
    if not _IDENTIFIER.fullmatch(text):
        raise ValueError(
            f"`{text}` is not an identifier: use 1 to 64 of a-z, 0-9, `.`, `_`, `-`, "
            "starting and ending with a letter or digit"
        )
    return text
