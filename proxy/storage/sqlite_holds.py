"""Holds in SQLite. Each transition is one conditional update with its events, in one transaction."""

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import astuple, replace

from proxy.holds.interfaces import HoldLimits, HoldQuery, LimitReached, NewHold, StoredEvent
from proxy.holds.model import OPEN, ActionKey, Event, Hold, Transition
from proxy.storage.hold_rows import (
    ATTEMPT_COLUMNS,
    CHANGING_COLUMNS,
    HOLD_COLUMNS,
    VOTE_COLUMNS,
    add_event,
    changing_values,
    hold_values,
    holds_from,
    stored_event,
    vote_values,
)
from proxy.storage.sqlite_area import SqliteArea
from telemetry.ids import new_id

_OPEN = "('" + "', '".join(sorted(OPEN)) + "')"
_KEY = "agent = ? AND chain_digest = ? AND action_digest = ?"
_SELECT = f"SELECT {HOLD_COLUMNS} FROM holds"  # noqa: S608 - columns
_BATCH = 500


class SqliteHolds(SqliteArea):
    """A `HoldStore`."""

    async def create_hold(self, new: NewHold, limits: HoldLimits) -> Hold | LimitReached:
        return await self._writer.run(lambda connection: _create(connection, new, limits))

    async def apply_transition(self, transition: Transition) -> Hold | None:
        return await self._writer.run(lambda connection: _apply(connection, transition))

    async def load_hold(self, hold_id: str) -> Hold | None:
        return await self._one(f"{_SELECT} WHERE id = ?", (hold_id,))

    async def sealed_cards(self, hold_ids: Collection[str]) -> Mapping[str, bytes]:
        def cards(connection: sqlite3.Connection) -> dict[str, bytes]:
            marks = ", ".join("?" * len(hold_ids))
            rows = connection.execute(f"SELECT id, sealed_card FROM holds WHERE id IN ({marks})", tuple(hold_ids))  # noqa: S608 - marks
            return {row["id"]: bytes(row["sealed_card"]) for row in rows}

        return await self._reader.run(cards)

    async def latest_hold(self, key: ActionKey) -> Hold | None:
        return await self._one(
            f"{_SELECT} WHERE {_KEY} ORDER BY state IN {_OPEN} DESC, created_at DESC, id DESC LIMIT 1", astuple(key)
        )

    async def last_denial(self, key: ActionKey, task: str, since: float) -> Hold | None:
        return await self._one(
            f"""{_SELECT} WHERE {_KEY} AND task = ? AND state = 'denied' AND closed_at > ?
                ORDER BY closed_at DESC LIMIT 1""",
            (*astuple(key), task, since),
        )

    async def last_executed(self, key: ActionKey) -> Hold | None:
        return await self._one(
            f"{_SELECT} WHERE {_KEY} AND state = 'executed' ORDER BY closed_at DESC LIMIT 1", astuple(key)
        )

    async def mark_told(self, hold_id: str, at: float) -> bool:
        def mark(connection: sqlite3.Connection) -> bool:
            changed = connection.execute("UPDATE holds SET told_at = ? WHERE id = ? AND told_at IS NULL", (at, hold_id))
            return changed.rowcount == 1

        return await self._writer.run(mark)

    async def list_holds(self, query: HoldQuery) -> list[Hold]:
        marks = ", ".join("?" * len(query.states))
        wanted = f"state IN ({marks})" if query.states else "1"
        overdue = (
            "((state = 'pending' AND decide_by < ?) OR (state = 'approved' AND use_by < ?))"
            if query.overdue_at is not None
            else "1"
        )
        clocks = () if query.overdue_at is None else (query.overdue_at, query.overdue_at)
        return await self._many(
            f"{_SELECT} WHERE {wanted} AND {overdue} ORDER BY created_at DESC, id DESC LIMIT ?",
            (*sorted(query.states), *clocks, query.limit),
        )

    async def holds_under(self, scopes: Collection[str]) -> list[Hold]:
        marks = ", ".join("?" * len(scopes))
        return await self._many(
            f"""{_SELECT} WHERE state IN {_OPEN}
                AND id IN (SELECT hold_id FROM hold_scopes WHERE scope IN ({marks})) ORDER BY created_at, id""",  # noqa: S608 - states and marks
            tuple(scopes),
        )

    async def scopes_of_open_holds(self) -> frozenset[str]:
        def scopes(connection: sqlite3.Connection) -> frozenset[str]:
            found = connection.execute(
                f"""SELECT DISTINCT scope FROM hold_scopes JOIN holds ON holds.id = hold_id
                    WHERE holds.state IN {_OPEN}"""  # noqa: S608 - states
            )
            return frozenset(row["scope"] for row in found)

        return await self._reader.run(scopes)

    async def holds_in_flight(self, node: str | None, reserved_before: float, sent_before: float) -> list[Hold]:
        return await self._many(
            f"""{_SELECT} WHERE state = 'releasing' AND id IN (
                    SELECT hold_id FROM attempts WHERE (state = 'reserved' AND (node = ? OR reserved_at < ?))
                    OR (state = 'sent' AND (node = ? OR sent_at < ?))) ORDER BY created_at, id""",  # noqa: S608 - columns
            (node, reserved_before, node, sent_before),
        )

    async def unrecorded_events(self, hold_id: str | None, before: float) -> list[StoredEvent]:
        def events(connection: sqlite3.Connection) -> list[StoredEvent]:
            rows = connection.execute(
                f"""SELECT seq, id, hold_id, type, actor, at, data FROM hold_events
                    WHERE recorded_index IS NULL AND (:hold IS NULL OR hold_id = :hold) AND at <= :before
                    ORDER BY seq LIMIT {_BATCH}""",  # noqa: S608 - a number
                {"hold": hold_id, "before": before},
            ).fetchall()
            return [stored_event(connection, row) for row in rows]

        return await self._reader.run(events)

    async def mark_recorded(self, indexes: Mapping[int, int]) -> None:
        def mark(connection: sqlite3.Connection) -> None:
            rows = [(index, seq) for seq, index in indexes.items()]
            connection.executemany("UPDATE hold_events SET recorded_index = ? WHERE seq = ?", rows)

        await self._writer.run(mark)

    async def hold_changes(self, after: int | None) -> tuple[int, frozenset[str]]:
        def changes(connection: sqlite3.Connection) -> tuple[int, frozenset[str]]:
            newest = connection.execute("SELECT coalesce(max(seq), 0) FROM hold_events").fetchone()[0]
            if after is None:
                return newest, frozenset()
            rows = connection.execute("SELECT DISTINCT hold_id FROM hold_events WHERE seq > ?", (after,))
            return newest, frozenset(row["hold_id"] for row in rows)

        return await self._reader.run(changes)

    async def _one(self, sql: str, values: tuple[object, ...]) -> Hold | None:
        found = await self._many(sql, values)
        return found[0] if found else None

    async def _many(self, sql: str, values: tuple[object, ...]) -> list[Hold]:
        return await self._reader.run(lambda connection: holds_from(connection, connection.execute(sql, values)))


def _create(connection: sqlite3.Connection, new: NewHold, limits: HoldLimits) -> Hold | LimitReached:
    hold = new.hold
    key = astuple(hold.key)
    rows = connection.execute(f"{_SELECT} WHERE {_KEY} AND state IN {_OPEN}", key)
    for existing in holds_from(connection, rows):
        return existing
    reached = _limit(connection, hold, limits)
    if reached is not None:
        return reached
    columns = f"{HOLD_COLUMNS}, sealed_card"
    marks = ", ".join("?" * len(columns.split(",")))
    connection.execute(
        f"INSERT INTO holds ({columns}) VALUES ({marks})",  # noqa: S608 - columns
        (*hold_values(hold), new.sealed_card),
    )
    connection.executemany(
        "INSERT INTO hold_scopes (scope, hold_id) VALUES (?, ?)",
        [(scope, hold.id) for scope in sorted(set(new.scopes))],
    )
    event = Event("hold.created", f"agent:{hold.key.agent}", hold.created_at, new.facts)
    add_event(connection, new_id("evt"), hold.id, event)
    return hold


def _limit(connection: sqlite3.Connection, hold: Hold, limits: HoldLimits) -> LimitReached | None:
    open_now = connection.execute(
        f"""SELECT count(*) FROM holds WHERE agent = ? AND state IN {_OPEN}
            AND NOT (state = 'pending' AND decide_by < ?) AND NOT (state = 'approved' AND use_by < ?)""",  # noqa: S608 - states
        (hold.key.agent, hold.created_at, hold.created_at),
    ).fetchone()[0]
    if open_now >= limits.open_per_agent:
        return LimitReached("open_per_agent", open_now)
    recent = connection.execute(
        "SELECT count(*) FROM holds WHERE agent = ? AND created_at > ?", (hold.key.agent, hold.created_at - 60)
    ).fetchone()[0]
    return LimitReached("new_per_minute", recent) if recent >= limits.new_per_minute else None


def _apply(connection: sqlite3.Connection, transition: Transition) -> Hold | None:
    before, after = transition.before, transition.after
    assignments = ", ".join(f"{column.strip()} = ?" for column in CHANGING_COLUMNS.split(","))
    won = connection.execute(
        f"""UPDATE holds SET {assignments}, row_version = row_version + 1
            WHERE id = ? AND state = ? AND row_version = ?""",  # noqa: S608 - columns
        (*changing_values(after), before.id, before.state.value, before.row_version),
    )
    if won.rowcount != 1:
        return None
    connection.executemany(
        f"INSERT OR REPLACE INTO votes (hold_id, {VOTE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - columns
        [(after.id, *vote_values(vote)) for vote in after.votes if vote not in before.votes],
    )
    for attempt in after.attempts:
        if attempt not in before.attempts:
            # INSERT OR REPLACE would also replace another live attempt of this hold; this cannot
            connection.execute(
                f"""INSERT INTO attempts (hold_id, {ATTEMPT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (id) DO UPDATE SET state = excluded.state, sent_at = excluded.sent_at,
                    ended_at = excluded.ended_at, status = excluded.status, error = excluded.error""",  # noqa: S608 - columns
                (after.id, *astuple(attempt)),
            )
    for event in transition.events:
        add_event(connection, new_id("evt"), after.id, event)
    return replace(after, row_version=before.row_version + 1)
