"""The story of a task that is handed on notices when the world is not as it tells it."""

import re

import pytest

from proxy.demo import delegation
from proxy.demo.stage import Stage
from proxy.demo.tell import StoryDiffersError


def test_a_task_is_handed_on_and_ends(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """The service says who is behind the call; after the task's end the agent is refused, and the first is back."""
    agent = stage.agent
    delegation.handed_on(stage)
    shown = capsys.readouterr().out
    assert "human:olivia -> agent:support-bot (verified" in shown
    assert "403" in shown
    assert stage.agent is agent
    assert stage.act("get", "/v1/customers/c-7")["status"] == 200


def test_a_service_that_knows_somebody_else_is_noticed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: the chain is another one than the story tells of."""
    monkeypatch.setattr(delegation, "CHAIN", re.compile("human:alice"))
    with pytest.raises(StoryDiffersError, match="knows everybody on the way"):
        delegation.handed_on(stage)
