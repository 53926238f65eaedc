"""The columns and their values belong together."""

from proxy.storage import hold_rows
from tests.fakes.held_calls import NOW, hold


def test_every_column_has_its_value() -> None:
    """The lists of columns and the values made for them have the same length."""
    from proxy.holds.model import Vote

    vote = Vote("olga", "approve", NOW)
    assert len(hold_rows.HOLD_COLUMNS.split(",")) == len(hold_rows.hold_values(hold()))
    assert len(hold_rows.CHANGING_COLUMNS.split(",")) == len(hold_rows.changing_values(hold()))
    assert len(hold_rows.VOTE_COLUMNS.split(",")) == len(hold_rows.vote_values(vote))


def test_what_identifies_a_hold_never_changes() -> None:
    """A transition cannot rewrite whose call it is, or exactly which."""
    fixed = {"id", "agent", "chain_digest", "action_digest", "task", "root", "display_digest", "decide_by"}
    fixed |= {"instance"}
    assert not fixed & {column.strip() for column in hold_rows.CHANGING_COLUMNS.split(",")}
