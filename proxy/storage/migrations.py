"""The shape of the store, as numbered steps forward. A step that was released never changes.

Every statement elsewhere lists its columns, so that code works before and after the next step.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from proxy.errors import CountersignError, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Migration:
    """One step. Its number is the store's `user_version` after it."""

    number: int
    name: str
    statements: tuple[str, ...]


_IDENTITY = (
    """CREATE TABLE handles (
        id TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, agent TEXT NOT NULL, task TEXT NOT NULL,
        purpose TEXT NOT NULL, on_behalf_of TEXT, issued_at REAL NOT NULL, not_after REAL NOT NULL,
        issued_by TEXT NOT NULL, revoked_at REAL, revoked_by TEXT NOT NULL, revoked_reason TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX handles_by_agent ON handles (agent, issued_at)",
    """CREATE TABLE revocations (
        scope TEXT PRIMARY KEY, at REAL NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('revoke', 'freeze'))
    ) STRICT""",
    """CREATE TABLE person_credentials (
        id TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL CHECK (kind IN ('token', 'sign_in_code', 'session')), person TEXT NOT NULL,
        issued_at REAL NOT NULL, not_after REAL NOT NULL, issued_by TEXT NOT NULL, used_at REAL, revoked_at REAL
    ) STRICT""",
    "CREATE INDEX person_credentials_by_person ON person_credentials (person, issued_at)",
)

_HOLDS = (
    """CREATE TABLE holds (
        id TEXT PRIMARY KEY, state TEXT NOT NULL, row_version INTEGER NOT NULL,
        agent TEXT NOT NULL, chain_digest TEXT NOT NULL, action_digest TEXT NOT NULL, task TEXT NOT NULL,
        root TEXT NOT NULL, service TEXT NOT NULL, operation TEXT NOT NULL, datasets TEXT NOT NULL,
        owner TEXT NOT NULL, display_digest TEXT NOT NULL, policy_version TEXT NOT NULL, requirement TEXT NOT NULL,
        created_at REAL NOT NULL, decide_by REAL NOT NULL, use_by REAL, closed_at REAL, closed_by TEXT NOT NULL,
        closed_reason TEXT NOT NULL, closed_text TEXT NOT NULL, previous TEXT NOT NULL, told_at REAL,
        sealed_card BLOB NOT NULL
    ) STRICT""",
    # one open hold for one exact action, however many ask and in however many processes
    """CREATE UNIQUE INDEX holds_open ON holds (agent, chain_digest, action_digest)
        WHERE state IN ('pending', 'approved', 'releasing')""",
    "CREATE INDEX holds_by_action ON holds (agent, chain_digest, action_digest, created_at)",
    "CREATE INDEX holds_by_agent ON holds (agent, created_at)",
    "CREATE INDEX holds_by_state ON holds (state, created_at)",
    """CREATE TABLE hold_scopes (
        scope TEXT NOT NULL, hold_id TEXT NOT NULL REFERENCES holds (id), PRIMARY KEY (scope, hold_id)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE votes (
        hold_id TEXT NOT NULL REFERENCES holds (id), person TEXT NOT NULL,
        decision TEXT NOT NULL CHECK (decision IN ('approve', 'deny')), at REAL NOT NULL, reason TEXT NOT NULL,
        roles TEXT NOT NULL, channel TEXT NOT NULL, assurance TEXT NOT NULL, action_digest TEXT NOT NULL,
        display_digest TEXT NOT NULL, standing TEXT NOT NULL CHECK (standing IN ('counted', 'late', 'void')),
        PRIMARY KEY (hold_id, person)
    ) STRICT""",
    """CREATE TABLE attempts (
        id TEXT PRIMARY KEY, hold_id TEXT NOT NULL REFERENCES holds (id), node TEXT NOT NULL, call TEXT NOT NULL,
        reserved_at REAL NOT NULL, sent_at REAL, ended_at REAL, status INTEGER NOT NULL, error TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('reserved', 'sent', 'finished', 'unknown', 'not_sent'))
    ) STRICT""",
    # INVARIANT: at most one attempt of a hold was or may be executed; proxy.holds.machine promises it too
    "CREATE UNIQUE INDEX attempts_live ON attempts (hold_id) WHERE state <> 'not_sent'",
    "CREATE INDEX attempts_by_hold ON attempts (hold_id, reserved_at)",
    """CREATE TABLE hold_events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
        hold_id TEXT NOT NULL REFERENCES holds (id), type TEXT NOT NULL, actor TEXT NOT NULL, at REAL NOT NULL,
        data TEXT NOT NULL, recorded_index INTEGER
    ) STRICT""",
    "CREATE INDEX hold_events_unrecorded ON hold_events (hold_id) WHERE recorded_index IS NULL",
)

_TASKS = (
    """CREATE TABLE tasks (
        id TEXT PRIMARY KEY, agent TEXT NOT NULL, parent TEXT REFERENCES tasks (id),
        state TEXT NOT NULL CHECK (
            state IN ('created', 'active', 'suspended', 'completed', 'expired', 'revoked', 'failed')),
        created_at REAL NOT NULL, deadline REAL NOT NULL, changed_at REAL NOT NULL, changed_by TEXT NOT NULL,
        reason TEXT NOT NULL, body TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX tasks_by_agent ON tasks (agent, created_at)",
    "CREATE INDEX tasks_by_time ON tasks (created_at)",
    """CREATE INDEX tasks_live ON tasks (deadline) WHERE state IN ('created', 'active', 'suspended')""",
    "CREATE INDEX tasks_suspended ON tasks (id) WHERE state = 'suspended'",
    """CREATE TABLE task_ancestors (
        ancestor TEXT NOT NULL REFERENCES tasks (id), task TEXT NOT NULL REFERENCES tasks (id),
        PRIMARY KEY (ancestor, task)
    ) STRICT, WITHOUT ROWID""",
    # INVARIANT: never more than the budget, whoever counts: proxy.tasks.guard relies on it
    """CREATE TABLE task_budgets (
        task TEXT NOT NULL REFERENCES tasks (id), name TEXT NOT NULL, most INTEGER NOT NULL,
        used INTEGER NOT NULL CHECK (used BETWEEN 0 AND most), PRIMARY KEY (task, name)
    ) STRICT, WITHOUT ROWID""",
)

_REPLAYS = (
    "CREATE TABLE used_once (key TEXT PRIMARY KEY, until REAL NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX used_once_by_time ON used_once (until)",
)

_OWNERSHIP = (
    """CREATE TABLE attestations (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, what TEXT NOT NULL, owner TEXT NOT NULL,
        agent_class TEXT NOT NULL, digest TEXT NOT NULL, person TEXT NOT NULL, at REAL NOT NULL, note TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX attestations_by_what ON attestations (what, seq)",
    """CREATE TABLE person_states (
        person TEXT NOT NULL, source TEXT NOT NULL CHECK (source IN ('operator', 'scim')),
        active INTEGER NOT NULL CHECK (active IN (0, 1)), at REAL NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (person, source)
    ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE ownership_token (token INTEGER NOT NULL) STRICT",
    "INSERT INTO ownership_token (token) VALUES (1)",
)

_SIGNALS = (
    # AUTOINCREMENT: the order of a receiver's line holds, however many were taken out of it
    """CREATE TABLE signal_outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, receiver TEXT NOT NULL, token_id TEXT NOT NULL UNIQUE,
        made_at REAL NOT NULL, claims TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX signal_outbox_by_receiver ON signal_outbox (receiver, seq)",
    "CREATE INDEX signal_outbox_by_time ON signal_outbox (made_at)",
    """CREATE TABLE signal_told (
        receiver TEXT NOT NULL, scope TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (receiver, scope)
    ) STRICT, WITHOUT ROWID""",
)

_BUNDLES = (
    """CREATE TABLE bundles (
        trust_domain TEXT NOT NULL, generation INTEGER NOT NULL, sequence TEXT, body BLOB NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (trust_domain, generation)
    ) STRICT, WITHOUT ROWID""",
)

_ENDINGS = (
    # Counted by the store itself, so that no statement can forget it: what is revoked, and where tasks and handles
    # stand. Whoever sees a number that they know need not read the rows again.
    "CREATE TABLE change_counts (area TEXT PRIMARY KEY, changes INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "INSERT INTO change_counts (area, changes) VALUES ('revocations', 1), ('standings', 1)",
    *(
        f"""CREATE TRIGGER {name} AFTER {what}
            BEGIN UPDATE change_counts SET changes = changes + 1 WHERE area = '{area}'; END"""  # noqa: S608 - ours
        for name, what, area in (
            ("revocations_put", "INSERT ON revocations", "revocations"),
            ("revocations_moved", "UPDATE ON revocations", "revocations"),
            ("revocations_lifted", "DELETE ON revocations", "revocations"),
            ("handles_moved", "UPDATE OF revoked_at, not_after ON handles", "standings"),
            ("tasks_made", "INSERT ON tasks", "standings"),
            ("tasks_moved", "UPDATE OF state, deadline ON tasks", "standings"),
        )
    ),
    # to ask by id and by end, and to forget what ended long ago, without looking at everything
    "CREATE INDEX handles_by_task ON handles (task, agent)",
    "CREATE INDEX handles_by_time ON handles (issued_at, id)",
    "CREATE INDEX handles_by_end ON handles (not_after)",
    "CREATE INDEX handles_live ON handles (agent, not_after) WHERE revoked_at IS NULL",
    "CREATE INDEX person_credentials_by_end ON person_credentials (not_after)",
    "CREATE INDEX holds_by_end ON holds (state, closed_at)",
    "CREATE INDEX holds_by_task ON holds (task)",
    "CREATE INDEX hold_scopes_by_hold ON hold_scopes (hold_id)",
    "CREATE INDEX hold_events_by_hold ON hold_events (hold_id)",
    "CREATE INDEX tasks_by_end ON tasks (deadline)",
    "CREATE INDEX tasks_live_by_agent ON tasks (agent) WHERE state IN ('created', 'active', 'suspended')",
    "CREATE INDEX tasks_by_parent ON tasks (parent) WHERE parent IS NOT NULL",
    "CREATE INDEX task_ancestors_by_task ON task_ancestors (task)",
)

_ENDED_AND_FROZEN = (
    # One row a scope and kind: an end leaves a freeze where it is, and the other way round. A process of the version
    # before cannot put anything in here, and keeps it in its file; of two rows it reads the end last, which counts.
    """CREATE TABLE revocations_by_kind (
        scope TEXT NOT NULL, at REAL NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('revoke', 'freeze')), PRIMARY KEY (scope, kind)
    ) STRICT""",
    """INSERT INTO revocations_by_kind (scope, at, by, reason, kind)
        SELECT scope, at, by, reason, kind FROM revocations""",
    "DROP TABLE revocations",  # and its triggers
    "ALTER TABLE revocations_by_kind RENAME TO revocations",
    *(
        f"""CREATE TRIGGER {name} AFTER {what} ON revocations
            BEGIN UPDATE change_counts SET changes = changes + 1 WHERE area = 'revocations'; END"""  # noqa: S608 - ours
        for name, what in (
            ("revocations_put", "INSERT"),
            ("revocations_moved", "UPDATE"),
            ("revocations_lifted", "DELETE"),
        )
    ),
    "UPDATE change_counts SET changes = changes + 1 WHERE area = 'revocations'",
)

_HOLDS_OF_COPIES = ("ALTER TABLE holds ADD COLUMN instance TEXT NOT NULL DEFAULT ''",)

_REVOCATIONS_BY_CHANGE = (
    # Which change put each row, by the count of changes: whoever knows a count reads what is newer, and not all.
    "ALTER TABLE revocations ADD COLUMN seq INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX revocations_by_change ON revocations (seq)",
)

MIGRATIONS = (
    Migration(1, "handles, revocations, credentials of people", _IDENTITY),
    Migration(2, "holds", _HOLDS),
    Migration(3, "tasks and what they count", _TASKS),
    Migration(4, "what may be used once", _REPLAYS),
    Migration(5, "attestations, and who was deactivated", _OWNERSHIP),
    Migration(6, "what receivers of events are told", _SIGNALS),
    Migration(7, "the last bundles of trust domains", _BUNDLES),
    Migration(8, "what changed, and what ended when", _ENDINGS),
    Migration(9, "an end and a freeze of one scope", _ENDED_AND_FROZEN),
    Migration(10, "which running copy a hold is of", _HOLDS_OF_COPIES),
    Migration(11, "which change put each revocation", _REVOCATIONS_BY_CHANGE),
)

VERSION = MIGRATIONS[-1].number


def prepare(path: Path, busy_seconds: float) -> None:
    """Make the store's file (mode 0600) if it is not there, and bring it to `VERSION`. Never goes back."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)) as connection:
            if _version(connection) < VERSION:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
            migrate(connection, MIGRATIONS)
    except OSError as error:
        raise StoreUnavailable(f"cannot open the store `{path}`: {error.strerror}") from error
    except sqlite3.Error as error:
        raise StoreUnavailable(f"cannot prepare the store `{path}`: {error}; restore it from a backup") from error


def migrate(connection: sqlite3.Connection, steps: tuple[Migration, ...]) -> None:
    """Take every step that this store has not taken, each in a transaction; safe for several at once."""
    for step in steps:
        if _version(connection) >= step.number:
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _version(connection) < step.number:  # someone else may have been faster
                for statement in step.statements:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {step.number:d}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    if _version(connection) > steps[-1].number:
        raise CountersignError(
            f"the store was written by a newer version ({_version(connection)} > {steps[-1].number}): "
            "upgrade Countersign, or restore the store of this version"
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
