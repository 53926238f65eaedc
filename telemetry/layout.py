"""Where each file of a log is. The names are part of the format: auditors read them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """One directory, one log, one writer."""

    directory: Path

    @property
    def entries(self) -> Path:
        """Segments `<index of the first record>.jsonl`: one canonical record a line."""
        return self.directory / "entries"

    @property
    def tree(self) -> Path:
        return self.directory / "tree"

    @property
    def checkpoint(self) -> Path:
        """The newest signed head."""
        return self.directory / "checkpoint"

    @property
    def checkpoints(self) -> Path:
        """Every signed head, oldest first, each followed by an empty line."""
        return self.directory / "checkpoints"

    @property
    def policy(self) -> Path:
        """Whose signatures count: the public half of the key. An auditor keeps a copy elsewhere."""
        return self.directory / "policy"

    @property
    def signer_key(self) -> Path:
        return self.directory / "signer.key"

    @property
    def salts(self) -> Path:
        return self.directory / "salts"

    @property
    def lock(self) -> Path:
        return self.directory / "lock"

    @property
    def reserve(self) -> Path:
        """Space kept back, freed when the disk is full, so that what is already under way can be recorded."""
        return self.directory / "reserve"

    def segment(self, first: int) -> Path:
        return self.entries / f"{first:012d}.jsonl"

    def segments(self) -> list[tuple[int, Path]]:
        """(index of the first record, file), in order."""
        found = [(int(path.stem), path) for path in self.entries.glob("*.jsonl") if path.stem.isdigit()]
        return sorted(found)
