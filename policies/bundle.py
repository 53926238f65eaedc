"""The policy files of a directory, read as they stand, and their version."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from policies.mistakes import PolicyMistake, PolicyMistakes

MAX_FILE_BYTES = 1 << 20
MAX_TOTAL_BYTES = 32 << 20
MAX_FILES = 1_000
OBSERVED_FOLDER = "observe"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Policy texts by their name in the directory; those in `observe/` are only watched, not enforced.

    `version` is `sha256:<hex>` over all names and texts: the same files, the same version, anywhere.
    `directory` is only for messages.
    """

    sources: Mapping[str, str] = field(default_factory=dict)
    directory: str = ""

    @property
    def version(self) -> str:
        digest = hashlib.sha256()
        for name in sorted(self.sources):
            for part in (name.encode(), self.sources[name].encode()):
                digest.update(len(part).to_bytes(8))
                digest.update(part)
        return f"sha256:{digest.hexdigest()}"

    def path(self, name: str) -> str:
        """The file's path as a person would type it."""
        return str(Path(self.directory, name))


def read_policies(directory: Path) -> Bundle:
    """Every `*.cedar` of the directory and of its `observe/` folder; raises `PolicyMistakes` for any it cannot use.

    A directory without policies is a bundle without policies, and denies everything.
    """
    if not directory.is_dir():
        text = "there is no such directory of policies; make it, or name another"
        raise PolicyMistakes([PolicyMistake(str(directory), 0, "", text)])
    mistakes: list[PolicyMistake] = []
    sources: dict[str, str] = {}
    total = 0
    for path in _files(directory, mistakes):
        text = _read(path, mistakes)
        total += len(text)
        sources[path.relative_to(directory).as_posix()] = text
    if len(sources) > MAX_FILES or total > MAX_TOTAL_BYTES:
        limits = f"more than {MAX_FILES} files or {MAX_TOTAL_BYTES >> 20} MiB of policies; join or remove some"
        mistakes.append(PolicyMistake(str(directory), 0, "", limits))
    if mistakes:
        raise PolicyMistakes(mistakes)
    return Bundle(sources, str(directory))


def _files(directory: Path, mistakes: list[PolicyMistake]) -> list[Path]:
    """The policy files, sorted. One in any other folder would silently count for nothing, so it is a mistake."""
    found: list[Path] = []
    for path in sorted(directory.rglob("*.cedar")):
        folder = path.parent.relative_to(directory).as_posix()
        if any(part.startswith(".") for part in path.relative_to(directory).parts):
            continue
        if folder in {".", OBSERVED_FOLDER}:
            found.append(path)
        else:
            advice = f"policies are read from this directory and from `{OBSERVED_FOLDER}/` only; move the file"
            mistakes.append(PolicyMistake(str(path), 0, "", advice))
    return found


def _read(path: Path, mistakes: list[PolicyMistake]) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        mistakes.append(PolicyMistake(str(path), 0, "", f"cannot be read: {error.strerror or error}"))
        return ""
    if len(content) > MAX_FILE_BYTES:
        mistakes.append(PolicyMistake(str(path), 0, "", f"larger than {MAX_FILE_BYTES >> 20} MiB; split it"))
        return ""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        mistakes.append(PolicyMistake(str(path), line, "", "not UTF-8; save the file as UTF-8"))
        return ""
