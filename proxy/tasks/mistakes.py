"""What is wrong with a task that somebody asks for, or with what they want done to it."""

from proxy.errors import CountersignError


class TaskMistake(CountersignError):
    """Nothing has changed. `code` is stable; the text says what to do instead."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(text)
