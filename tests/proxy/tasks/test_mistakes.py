"""What is wrong with a task, in words."""

from proxy.tasks.mistakes import TaskMistake


def test_a_mistake_has_a_stable_code_and_words() -> None:
    """Programs read the code, people the text."""
    mistake = TaskMistake("task_unknown", "there is no such task")
    assert (mistake.code, str(mistake)) == ("task_unknown", "there is no such task")
