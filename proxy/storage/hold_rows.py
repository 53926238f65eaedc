"""Holds, votes, attempts and events as rows, and back. The columns are listed here and nowhere else."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import astuple

from policies.model import Clause, Json, Requirement
from proxy.holds.interfaces import StoredEvent
from proxy.holds.model import ActionKey, Attempt, Event, Hold, State, Vote

HOLD_COLUMNS = """id, state, row_version, agent, chain_digest, action_digest, task, root, service, operation,
    datasets, owner, display_digest, policy_version, requirement, created_at, decide_by, use_by, closed_at,
    closed_by, closed_reason, closed_text, previous, instance"""

# What a transition may change. Whatever is not here stays as it was when the hold was made.
CHANGING_COLUMNS = "state, owner, requirement, use_by, closed_at, closed_by, closed_reason, closed_text"

VOTE_COLUMNS = "person, decision, at, reason, roles, channel, assurance, action_digest, display_digest, standing"
ATTEMPT_COLUMNS = "id, node, call, reserved_at, state, sent_at, ended_at, status, error"


def hold_values(hold: Hold) -> tuple[object, ...]:
    """The values of `HOLD_COLUMNS`."""
    return (
        hold.id,
        hold.state.value,
        hold.row_version,
        *astuple(hold.key),
        hold.task,
        hold.root,
        hold.service,
        hold.operation,
        json.dumps(hold.datasets),
        hold.owner,
        hold.display_digest,
        hold.policy_version,
        _requirement_text(hold.requirement),
        hold.created_at,
        hold.decide_by,
        hold.use_by,
        hold.closed_at,
        hold.closed_by,
        hold.closed_reason,
        hold.closed_text,
        hold.previous,
        hold.instance,
    )


def changing_values(hold: Hold) -> tuple[object, ...]:
    """The values of `CHANGING_COLUMNS`."""
    return (
        hold.state.value,
        hold.owner,
        _requirement_text(hold.requirement),
        hold.use_by,
        hold.closed_at,
        hold.closed_by,
        hold.closed_reason,
        hold.closed_text,
    )


def vote_values(vote: Vote) -> tuple[object, ...]:
    """The values of `VOTE_COLUMNS`."""
    return (
        vote.person,
        vote.decision,
        vote.at,
        vote.reason,
        json.dumps(vote.roles),
        vote.channel,
        vote.assurance,
        vote.action_digest,
        vote.display_digest,
        vote.standing,
    )


def holds_from(connection: sqlite3.Connection, rows: Iterable[sqlite3.Row]) -> list[Hold]:
    """The holds of these rows, with their votes and attempts."""
    return [_hold(row, _votes(connection, row["id"]), _attempts(connection, row["id"])) for row in rows]


def add_event(connection: sqlite3.Connection, event_id: str, hold_id: str, event: Event) -> None:
    """Write what happened, in the transaction in which it happens."""
    connection.execute(
        "INSERT INTO hold_events (id, hold_id, type, actor, at, data) VALUES (?, ?, ?, ?, ?, ?)",
        (event_id, hold_id, event.type, event.actor, event.at, json.dumps(dict(event.data))),
    )


def stored_event(connection: sqlite3.Connection, row: sqlite3.Row) -> StoredEvent:
    """The event of this row, with its hold as it is now."""
    holds = connection.execute(f"SELECT {HOLD_COLUMNS} FROM holds WHERE id = ?", (row["hold_id"],))  # noqa: S608 - columns
    (hold,) = holds_from(connection, holds)
    data: dict[str, Json] = json.loads(row["data"])
    return StoredEvent(row["seq"], row["id"], hold, row["type"], row["actor"], row["at"], data)


def _hold(row: sqlite3.Row, votes: tuple[Vote, ...], attempts: tuple[Attempt, ...]) -> Hold:
    return Hold(
        id=row["id"],
        key=ActionKey(row["agent"], row["chain_digest"], row["action_digest"]),
        task=row["task"],
        root=row["root"],
        service=row["service"],
        operation=row["operation"],
        datasets=tuple(json.loads(row["datasets"])),
        owner=row["owner"],
        display_digest=row["display_digest"],
        policy_version=row["policy_version"],
        requirement=_requirement(row["requirement"]),
        created_at=row["created_at"],
        decide_by=row["decide_by"],
        previous=row["previous"],
        state=State(row["state"]),
        row_version=row["row_version"],
        use_by=row["use_by"],
        closed_at=row["closed_at"],
        closed_by=row["closed_by"],
        closed_reason=row["closed_reason"],
        closed_text=row["closed_text"],
        votes=votes,
        attempts=attempts,
        instance=row["instance"],
    )


def _votes(connection: sqlite3.Connection, hold_id: str) -> tuple[Vote, ...]:
    rows = connection.execute(f"SELECT {VOTE_COLUMNS} FROM votes WHERE hold_id = ? ORDER BY at, rowid", (hold_id,))  # noqa: S608 - columns
    return tuple(Vote(**{**dict(row), "roles": tuple(json.loads(row["roles"]))}) for row in rows)


def _attempts(connection: sqlite3.Connection, hold_id: str) -> tuple[Attempt, ...]:
    rows = connection.execute(
        f"SELECT {ATTEMPT_COLUMNS} FROM attempts WHERE hold_id = ? ORDER BY reserved_at, rowid",  # noqa: S608 - columns
        (hold_id,),
    )
    return tuple(Attempt(**dict(row)) for row in rows)


def _requirement_text(requirement: Requirement) -> str:
    return json.dumps(
        {
            "clauses": [{"roles": clause.roles, "at_least": clause.at_least} for clause in requirement.clauses],
            "decide_within": requirement.decide_within,
            "use_within": requirement.use_within,
            "reasons": requirement.reasons,
            "rules": requirement.rules,
            "rollback": requirement.rollback,
        }
    )


def _requirement(text: str) -> Requirement:
    stored = json.loads(text)
    return Requirement(
        clauses=tuple(Clause(tuple(clause["roles"]), clause["at_least"]) for clause in stored["clauses"]),
        decide_within=stored["decide_within"],
        use_within=stored["use_within"],
        reasons=tuple(stored["reasons"]),
        rules=tuple(stored["rules"]),
        rollback=stored["rollback"],
    )
