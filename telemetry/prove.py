"""Evidence for one call that a third party checks offline, with nothing but the log's public key.

Each proof is a C2SP tlog-proof v1. Its `extra` line carries the record itself, which counts for nothing
until its hash is shown to be in the tree.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from telemetry import reader
from telemetry.checkpoint import Checkpoint, Policy, open_checkpoint, parse_policy
from telemetry.errors import AuditDamaged, NoteError, ProofError
from telemetry.hashes import HashReader
from telemetry.layout import Layout
from telemetry.tlog import inclusion_proof, leaf_hash, verify_inclusion

_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Proven:
    """A record, and the signed head under which it was shown to be in the log."""

    record: dict[str, Any]
    index: int
    checkpoint: Checkpoint


def prove(directory: Path, call: str) -> list[str]:
    """One proof for each record of this call, oldest first."""
    indexes = [int(record["idx"]) for record in reader.find(directory, call=call)]
    if not indexes:
        raise ProofError(f"the log has no record of call `{call}`")
    return prove_records(directory, indexes)


def prove_records(directory: Path, indexes: Iterable[int]) -> list[str]:
    """One proof for each of these records, under the newest signed head."""
    layout = Layout(directory)
    tree = HashReader(directory)
    try:
        note = layout.checkpoint.read_text()
        head = open_checkpoint(note, parse_policy(layout.policy.read_text()))
        return [_prove(directory, tree, note, head, index) for index in indexes]
    except (OSError, NoteError, AuditDamaged) as error:
        raise ProofError(f"{directory}: nothing can be proven from this log: {error}") from error
    finally:
        tree.close()


def _prove(directory: Path, tree: HashReader, note: str, head: Checkpoint, index: int) -> str:
    if index >= head.size:
        raise ProofError(f"record {index} is not under a signed head yet: try again in a second")
    path = inclusion_proof(index, head.size, tree.node)
    found, line = next(reader.lines(directory, index), (-1, b""))
    if found != index:
        raise ProofError(f"record {index} is not in the entries")
    verify_inclusion(index, head.size, leaf_hash(line), path, head.root)
    hashes = "".join(_encode(sibling) + "\n" for sibling in path)
    return f"{_HEADER}\nextra {_encode(line)}\nindex {index}\n{hashes}\n{note}"


def check(proof: str, policy: Policy) -> Proven:
    """The record that this text proves to be in a log the policy trusts, or `ProofError`."""
    top, blank, note = proof.partition("\n\n")
    lines = top.split("\n")
    if not blank or len(lines) < 3 or lines[0] != _HEADER or not lines[1].startswith("extra "):
        raise ProofError("this is not a tlog-proof that carries its record")
    index = _INDEX.fullmatch(lines[2])
    if index is None:
        raise ProofError("the proof does not say which record it is about")
    try:
        head = open_checkpoint(note, policy)
    except NoteError as error:
        raise ProofError(f"the head under the proof: {error}") from error
    entry = _decode(lines[1].removeprefix("extra "))
    position = int(index[1])
    verify_inclusion(position, head.size, leaf_hash(entry), [_decode(line) for line in lines[3:]], head.root)
    try:
        record = reader.parse(entry, position)
    except AuditDamaged as error:
        raise ProofError(str(error)) from error
    if record.get("idx") != position or record.get("log") != head.origin:
        raise ProofError("the record is of another place or another log")
    return Proven(record, position, head)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProofError("a line of the proof is not base64") from error
