"""Checkpoints: the signed head of the log (C2SP tlog-checkpoint v1.0.0), and whom to believe (tlog-policy)."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from telemetry.errors import NoteError
from telemetry.note import Signer, Verifier, open_note
from telemetry.tlog import HASH_SIZE

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of the log `origin` at `size` records."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    return signer.sign(checkpoint.text)


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint note. Extension lines are refused: nothing could audit them."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise NoteError("a checkpoint is an origin, a size and a root hash, one a line")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("the root hash of the checkpoint is not base64") from error
    if len(root) != HASH_SIZE or base64.b64encode(root).decode() != lines[2]:
        raise NoteError("the root hash of the checkpoint is not 32 bytes of base64")
    return Checkpoint(lines[0], int(lines[1]), root)


def open_checkpoint(note: str, policy: "Policy") -> Checkpoint:
    """The checkpoint that a trusted log signed about itself."""
    trusted = [log for log in policy.logs if note.startswith(log.name + "\n")]
    return parse_checkpoint(open_note(note, trusted))


def split_notes(lines: Iterable[str]) -> Iterator[str]:
    """The notes in a history file: each is followed by an empty line."""
    note: list[str] = []
    blanks = 0
    for line in lines:
        if line == "\n":
            blanks += 1
            if blanks == 2:
                yield "".join(note)
                note, blanks = [], 0
                continue
        note.append(line)
    if note:
        yield "".join(note)


@dataclass(frozen=True, slots=True)
class Policy:
    """The logs whose signatures count. Without any, nothing verifies."""

    logs: tuple[Verifier, ...]

    @property
    def text(self) -> str:
        return "".join(f"log {log.vkey}\n" for log in self.logs) + "quorum none\n"


def parse_policy(text: str) -> Policy:
    """Read a C2SP tlog-policy. Witnesses are not supported yet, so a policy that asks for them is refused."""
    logs: list[Verifier] = []
    quorum = None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                logs.append(Verifier(vkey))
            case ["quorum", name]:
                quorum = name
            case _:
                raise NoteError(f"line {number} of the policy is not understood: `{line.strip()[:80]}`")
    if quorum != "none":
        raise NoteError("the policy must end with `quorum none`: cosigning witnesses are not supported yet")
    return Policy(tuple(logs))
