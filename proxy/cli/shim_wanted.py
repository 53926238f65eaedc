"""What a person asks of the shim, apart from what carries it out, which is loaded only when it is asked for."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ShimWanted:
    """`sources` as they stand after `--with`. Without `through` and `roots`, the server of `config` is asked."""

    agent: str
    sources: tuple[str, ...]
    through: str | None
    roots: Path | None
    token_url: str | None
    key: Path | None
    config: Path
