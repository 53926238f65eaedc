"""Opening a log for writing: the lock, the key, and a tree that agrees with the entries and the signed head."""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from telemetry.checkpoint import Checkpoint, Policy, open_checkpoint
from telemetry.durable import PRIVATE, replace_file
from telemetry.errors import AuditDamaged, NoteError
from telemetry.hashes import HashFiles
from telemetry.history import History
from telemetry.layout import Layout
from telemetry.note import Signer, Verifier, new_signer_key
from telemetry.tlog import leaf_hash, root

_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Recovered:
    """Where the log stands: `last_leaf` is empty in an empty log; `segment` begins the file to go on with."""

    size: int
    last_leaf: bytes
    segment: int
    head: Checkpoint | None
    cut_bytes: int


def take_lock(layout: Layout) -> int:
    """The open lock file. One writer a log: a second one is refused, whichever process it is in."""
    file = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        raise AuditDamaged(f"{layout.directory}: another process is writing this log; give each its own") from error
    return file


def load_signer(layout: Layout, origin: str) -> Signer:
    """The log's key, made at the first start. A log that has signed is never given a new key in silence."""
    path = layout.signer_key
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        if any(path.exists() for path in (layout.checkpoint, layout.checkpoints, layout.policy)):
            raise AuditDamaged(f"{path}: is missing, but this log was signed with it; put it back") from None
        return _make_signer(layout, origin)
    with os.fdopen(file, encoding="ascii") as stream:
        if os.fstat(stream.fileno()).st_mode & 0o077:
            raise AuditDamaged(f"{path}: others may read this private key; run `chmod 600` on it")
        try:
            signer = Signer(stream.read().strip())
        except (NoteError, UnicodeDecodeError) as error:
            raise AuditDamaged(f"{path}: is not a signer key: {error}") from error
    if signer.name != origin:
        raise AuditDamaged(f"{path}: is the key of `{signer.name}`, but this log is `{origin}`")
    if not (layout.policy.exists() and layout.policy.stat().st_size):
        _write_policy(layout, signer)
    return signer


def _make_signer(layout: Layout, origin: str) -> Signer:
    text = new_signer_key(origin)
    replace_file(layout.signer_key, text + "\n", PRIVATE)
    signer = Signer(text)
    _write_policy(layout, signer)
    return signer


def _write_policy(layout: Layout, signer: Signer) -> None:
    replace_file(layout.policy, Policy((Verifier(signer.vkey),)).text)


def last_signed(layout: Layout, history: History, signer: Signer) -> Checkpoint | None:
    """The largest head that we ever signed, as far as this directory remembers.

    One of the two files may be missing, or empty, which a power cut can make of a file that was never forced to the
    disk: the other one tells. What is neither empty nor signed by us is never passed over.
    """
    policy = Policy((Verifier(signer.vkey),))
    heads: list[Checkpoint] = []
    newest = layout.checkpoint.read_text(errors="replace") if layout.checkpoint.exists() else ""
    for path, note in ((layout.checkpoint, newest.strip("\0")), (layout.checkpoints, history.open())):
        if note:
            try:
                heads.append(open_checkpoint(note, policy))
            except NoteError as error:
                raise AuditDamaged(f"{path}: the last signed head cannot be trusted: {error}") from error
    return max(heads, key=lambda head: head.size, default=None)


def recover(layout: Layout, tree: HashFiles, history: History, signer: Signer) -> Recovered:
    """Make the directory consistent. Raises `AuditDamaged` where that would mean to sign something else."""
    layout.entries.mkdir(mode=0o700, exist_ok=True)
    segments = layout.segments() or [(0, layout.segment(0))]
    cut = _cut_partial_line(segments[-1][1])
    start = max((first for first, _ in segments if first <= tree.size), default=None)
    if start is None:
        raise AuditDamaged(f"{tree.directory}: {tree.size} hashes, but the first record kept is {segments[0][0]}")
    tree.load(start)
    batch: list[bytes] = []
    for line in _lines_from(segments, start):
        batch.append(leaf_hash(line))
        if len(batch) >= _CHUNK:
            tree.append(batch)
            batch = []
    if batch:
        tree.append(batch)
    size = tree.frontier.size
    head = last_signed(layout, history, signer)
    if head is not None:
        _check_head(layout, tree, head)
    elif size or layout.checkpoint.exists():
        raise AuditDamaged(
            f"{layout.directory}: holds {size} records, and no signed head says how many there were: `checkpoint` and "
            "`checkpoints` are lost. Nothing is signed over that; put them back or start a new log"
        )
    last_leaf = tree.leaves(size - 1, 1)[0] if size else b""
    return Recovered(size, last_leaf, segments[-1][0], head, cut)


def _check_head(layout: Layout, tree: HashFiles, head: Checkpoint) -> None:
    size = tree.frontier.size
    if size < head.size:
        raise AuditDamaged(
            f"{layout.directory}: holds {size} records, but a head of {head.size} was signed: records were removed, "
            "or an old copy was put back. Nothing is signed over that; restore the newer copy or start a new log"
        )
    if root(head.size, tree.node) != head.root:
        raise AuditDamaged(
            f"{layout.directory}: the first {head.size} records are not the ones that were signed; "
            "run `countersign audit verify` to see which differs"
        )


def _cut_partial_line(path: Path) -> int:
    """Remove what a crash left after the last newline: it was never acknowledged."""
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        keep = end
        while keep:
            start = max(0, keep - 65_536)
            file.seek(start)
            newline = file.read(keep - start).rfind(b"\n")
            if newline >= 0:
                keep = start + newline + 1
                break
            keep = start
        if keep < end:
            file.truncate(keep)
            os.fsync(file.fileno())
        return end - keep


def _lines_from(segments: list[tuple[int, Path]], start: int) -> Iterator[bytes]:
    """The records from the segment that begins at `start`, each seen to be in its place."""
    expected = start
    for first, path in segments:
        if first < start or not path.exists():
            continue
        if first != expected:
            raise AuditDamaged(f"{path}: should begin with record {expected}; a segment before it is incomplete")
        with path.open("rb") as file:
            for line in file:
                record = line.removesuffix(b"\n")
                if _index_of(record) != expected:
                    raise AuditDamaged(
                        f"{path}: record {expected} cannot be read in its place; see `countersign audit verify`"
                    )
                yield record
                expected += 1


def _index_of(line: bytes) -> object:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return record.get("idx") if isinstance(record, dict) else None
