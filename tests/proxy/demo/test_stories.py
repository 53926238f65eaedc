"""The stories notice when the world is not as they tell it. tests/proxy/cli/test_demo.py plays them all."""

import pytest

from proxy.demo import stories
from proxy.demo.stage import Stage
from proxy.demo.tell import StoryDiffersError


def test_a_story_that_goes_as_told(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """The request and the answer are shown, real ones."""
    stories.tool_refused(stage)
    shown = capsys.readouterr().out
    assert "tools/call delete_note" in shown
    assert "NOT EXECUTED" in shown


def test_a_rule_that_is_gone_is_noticed(stage: Stage) -> None:
    """Sabotage: the deletion is permitted after all; the story does not pretend that it was refused."""
    policies = stage.directory / "policies" / "support.cedar"
    text = policies.read_text()
    assert 'forbid (principal, action == Action::"notes/delete_note"' in text
    before = stage.ask("GET", "/v1/status")["policy_version"]
    policies.write_text(
        text.replace(
            'forbid (principal, action == Action::"notes/delete_note"',
            'permit (principal, action == Action::"notes/delete_note"',
        )
    )
    while stage.ask("GET", "/v1/status")["policy_version"] == before:
        pass
    with pytest.raises(StoryDiffersError, match="the tool did not run"):
        stories.tool_refused(stage)


def test_a_leaked_secret_is_noticed(stage: Stage) -> None:
    """Sabotage: the agent has the key in its environment; the story that it never sees it fails."""
    holds = stage.act("environment")
    assert stage.crm_key not in str(holds)
    stage.crm_key = "support-bot"  # as good as any text that the agent does have
    line = {**holds, "secrets": {"KEY": stage.crm_key}}
    with pytest.raises(StoryDiffersError, match="never sees the key"):
        stories.expect(stage.crm_key not in str(line), "the agent never sees the key")
