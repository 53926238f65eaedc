"""Is this log complete and unchanged? Needs the directory and the public key, and trusts nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from telemetry import reader
from telemetry.call_rules import CallRules
from telemetry.checkpoint import Checkpoint, Policy, open_checkpoint, parse_policy, split_notes
from telemetry.errors import AuditDamaged, NoteError, UnknownKey
from telemetry.hashes import HashReader
from telemetry.layout import Layout
from telemetry.record import CANONICAL_FORM, RECORD_TYPES, VERSION, canonical, restricted
from telemetry.tlog import TILE_HEIGHT, Frontier, leaf_hash

OK, TAMPERED, INCOMPLETE, UNVERIFIABLE = 0, 1, 2, 3
_MOST_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """`index` is the record's, or None if no single record is at fault. Status 0: only worth a look."""

    index: int | None
    problem: str
    status: int = TAMPERED

    def __str__(self) -> str:
        return self.problem if self.index is None else f"record {self.index}: {self.problem}"


@dataclass(slots=True)
class Report:
    """`status` is the exit code: 0 ok, 1 tampered, 2 incomplete, 3 unverifiable keys. 1 outweighs 3 outweighs 2."""

    origin: str = ""
    size: int = 0
    root: bytes = b""
    first: int = 0
    signed: int = 0
    checkpoints: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def status(self) -> int:
        found = {finding.status for finding in self.findings}
        return next((status for status in (TAMPERED, UNVERIFIABLE, INCOMPLETE) if status in found), OK)

    @property
    def ok(self) -> bool:
        return self.status == OK

    @property
    def first_bad(self) -> int | None:
        """The index of the first record that is wrong."""
        wrong = [finding.index for finding in self.findings if finding.index is not None and finding.status != OK]
        return min(wrong, default=None)

    @property
    def unsigned(self) -> int:
        """Records after the last signed head: about a second's worth while the log grows."""
        return max(0, self.size - self.signed)


def verify(
    directory: Path,
    *,
    from_checkpoint: str | None = None,
    policy: str | None = None,
    beside: Sequence[Path] = (),
) -> Report:
    """Check a log, which may be growing.

    `from_checkpoint` is the text of a head that somebody kept elsewhere; `policy` the text of a policy kept
    elsewhere (without it the log's own is believed); `beside` other logs, whose approvals count here.
    """
    return _Verification(Layout(directory), from_checkpoint, policy).run(beside)


class _Verification:
    def __init__(self, layout: Layout, from_checkpoint: str | None, policy: str | None) -> None:
        self._layout = layout
        self._kept = from_checkpoint
        self._policy_text = policy
        self._report = Report()
        self._tree = HashReader(layout.directory)
        self._previous = b""
        self._good = 0

    def run(self, beside: Sequence[Path]) -> Report:
        report = self._report
        # 1. The heads come first: what is appended while we read is then only "not signed yet".
        heads = self._heads()
        # 2. Where the kept records begin; what was pruned is known by its hashes only.
        segments = self._layout.segments()
        report.first = segments[0][0] if segments else 0
        try:
            frontier = Frontier.at(report.first, self._tree.node)
        except AuditDamaged as error:
            self._find(None, f"the hashes of the pruned records are missing: {error}", INCOMPLETE)
            return report
        if report.first:
            self._find(None, f"the records before {report.first} were pruned", INCOMPLETE)
        # 3. Each record: in its place, canonical, the hash of its leaf, chained to the one before.
        # 4. The story they tell: no call upstream before a decision, no release without an approval.
        # 5. The root at each signed size.
        rules = CallRules(granted=set(_approvals(beside)), from_start=report.first == 0)
        whole = self._check_records(frontier, rules, heads)
        self._tree.close()
        # 6. Nothing that was signed is missing.
        report.size, report.root = frontier.size, frontier.root()
        report.signed = max((head.size for head in heads), default=0)
        if whole and report.signed > report.size:
            self._find(report.size, f"is missing or cut off; a head of {report.signed} records was signed")
        return report

    # --- heads ---------------------------------------------------------------------------------------

    def _heads(self) -> list[Checkpoint]:
        """Every head with a good signature, by size; what is wrong with the others is a finding."""
        policy = self._policy()
        heads: list[Checkpoint] = []
        for name, note in self._notes():
            try:
                head = open_checkpoint(note, policy)
            except UnknownKey:
                self._find(None, f"{name} is not signed by a key that the policy trusts", UNVERIFIABLE)
                continue
            except NoteError as error:
                self._find(None, f"{name} is not a signed head: {error}")
                continue
            self._report.checkpoints += 1
            self._report.origin = head.origin
            heads.append(head)
        if not heads and not self._report.findings:
            self._find(None, "no head was ever signed", UNVERIFIABLE)
        return sorted(heads, key=lambda head: head.size)

    def _policy(self) -> Policy:
        try:
            text = self._policy_text if self._policy_text is not None else self._layout.policy.read_text()
            return parse_policy(text)
        except (OSError, UnicodeDecodeError, NoteError) as error:
            self._find(None, f"there is no policy to say whose signatures count: {error}", UNVERIFIABLE)
            return Policy(())

    def _notes(self) -> Iterator[tuple[str, str]]:
        layout = self._layout
        newest = layout.checkpoint.read_text(errors="replace").strip("\0") if layout.checkpoint.exists() else ""
        if newest:
            yield "the newest head", newest
        else:
            self._find(None, "the newest head, the file `checkpoint`, is missing or empty", INCOMPLETE)
        if layout.checkpoints.exists():
            with layout.checkpoints.open(errors="replace", newline="\n") as lines:
                for number, note in enumerate(split_notes(lines)):
                    yield f"head number {number} in `checkpoints`", note
        else:
            self._find(None, "the heads signed before, the file `checkpoints`, are missing", INCOMPLETE)
        if self._kept is not None:
            yield "the head given to compare with", self._kept

    # --- records -----------------------------------------------------------------------------------------

    def _check_records(self, frontier: Frontier, rules: CallRules, heads: Sequence[Checkpoint]) -> bool:
        """False, after a finding, if reading had to stop before the end."""
        due = [head for head in heads if head.size >= frontier.size]
        leaves = _Leaves(self._tree)
        self._good = frontier.size
        lines = reader.lines(self._layout.directory, self._report.first)
        while self._heads_agree(due, frontier):
            index, line = next(lines, (-1, b""))
            if index < 0:
                return True
            leaf = leaf_hash(line)
            record = self._check_bytes(index, line, leaf, leaves.at(index), expected=frontier.size)
            if record is None:
                return False
            for problem in rules.check(record):
                self._find(index, problem)
            for problem in rules.check_time(record):
                self._find(index, problem, OK)
            for level, completed in frontier.push(leaf):
                number = (frontier.size >> TILE_HEIGHT * level) - 1
                if self._tree.stored(level, number) not in (None, completed):
                    self._find(index, f"the hash {number} in `tree/{level}` is not that of the records up to here")
            self._previous = leaf
        return False

    def _heads_agree(self, due: list[Checkpoint], frontier: Frontier) -> bool:
        """False, after a finding, if the records up to here are not the ones that were signed."""
        while due and due[0].size == frontier.size:
            head = due.pop(0)
            if head.root != frontier.root():
                where = self._good if self._good < head.size else None
                self._find(where, f"from here up to {head.size} the records are not the ones that were signed")
                return False
            self._good = head.size
        return True

    def _check_bytes(
        self, index: int, line: bytes, leaf: bytes, stored: bytes | None, *, expected: int
    ) -> dict[str, Any] | None:
        """The record, or None after a finding that makes what follows unreadable."""
        if index != expected:
            self._find(expected, f"is missing: the next segment begins with {index}")
            return None
        if stored is not None and stored != leaf:
            self._find(index, "its bytes do not hash to its leaf in the tree")
            return None
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            record = None
        if not isinstance(record, dict) or record.get("idx") != index:
            self._find(index, "is not a record with its own index")
            return None
        previous = f"sha256:{self._previous.hex()}" if self._previous else None
        if record.get("prev") != previous and (self._previous or self._report.first == 0):
            suspect = index if stored is not None else index - 1
            self._find(suspect, f"it and record {index + index - 1 - suspect} do not follow one another")
            return None
        if canonical(record) != line or not restricted(record):
            self._find(index, "is not in canonical form")
        if (
            record.get("v") != VERSION
            or record.get("canon") != CANONICAL_FORM
            or record.get("type") not in RECORD_TYPES
        ):
            self._find(index, "is of a version or type that this program does not know", INCOMPLETE)
        if self._report.origin and record.get("log") != self._report.origin:
            self._find(index, f"belongs to another log: `{record.get('log')}`")
        return record

    def _find(self, index: int | None, problem: str, status: int = TAMPERED) -> None:
        if len(self._report.findings) < _MOST_FINDINGS:
            self._report.findings.append(Finding(index, problem, status))


class _Leaves:
    """The stored leaf hashes, read ahead in blocks."""

    def __init__(self, tree: HashReader) -> None:
        self._tree = tree
        self._start = 0
        self._block: list[bytes] = []

    def at(self, index: int) -> bytes | None:
        if not self._start <= index < self._start + len(self._block):
            self._start, self._block = index, self._tree.leaves(index, 4096)
        return self._block[index - self._start] if self._block else None


def _approvals(logs: Sequence[Path]) -> Iterator[str]:
    """The holds that were granted, by what other logs say. Verify those too."""
    for directory in logs:
        for _, line in reader.lines(directory):
            if b'"approval.decided"' in line and b'"granted"' in line:
                record = orjson.loads(line)
                approval = record.get("approval") or {}
                if record.get("type") == "approval.decided" and approval.get("state") == "granted":
                    yield str(approval.get("id"))
