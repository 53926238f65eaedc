"""How scopes are written."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import CountersignError
from proxy.tasks.scopes import checked_scope


@pytest.mark.parametrize(
    "scope",
    [
        "global", "team:crm", "owner:alice", "principal:alice", "principal:https://idp.example/a|u-1",
        "agent:refund-bot", "class:privileged", "task:task_0192", "handle:hnd_0192", "token:https://idp.example|a.b-c",
        "service:crm", "process:nightly", "tool:crm/refund", "tool:files/dir/read", "credential:crm-key",
        "connection:conn_1",
    ],
)  # fmt: skip
def test_a_scope_is_taken_as_it_is(scope: str) -> None:
    """Every kind of scope that an identity carries can be revoked."""
    assert checked_scope(scope) == scope


@pytest.mark.parametrize(
    "scope",
    [
        "", "Global", "global:x", "global ", "agents:refund-bot", "agent", "agent:", "agent:Refund Bot", "agent:a\n",
        "class:root", "token:j-1", "token:|j-1", "token:https://idp.example|", "tool:crm", "tool:/x", "*", "agent:*",
    ],
)  # fmt: skip
def test_a_scope_that_matches_nothing_is_a_mistake(scope: str) -> None:
    """A misspelt scope is told, and never taken for a kill switch that worked."""
    with pytest.raises(CountersignError, match="is not a scope"):
        checked_scope(scope)


def test_what_only_looks_right_is_shown_as_what_it_is() -> None:
    """A letter of another alphabet, or one that cannot be seen: nobody finds either in a text that looks right."""
    for scope, shown in (("agent:\u0455upport-bot", r"\u0455upport-bot"), ("agent:support\u200b-bot", r"\u200b-bot")):
        with pytest.raises(CountersignError) as refused:
            checked_scope(scope)
        assert shown in str(refused.value)
        assert str(refused.value).isascii()


@given(st.text(max_size=40))
def test_any_text_is_a_scope_or_a_mistake(text: str) -> None:
    """Nothing but `CountersignError` comes out for a text that is no scope."""
    with suppress(CountersignError):
        assert checked_scope(text) == text
