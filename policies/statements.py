"""Where each policy of a file begins and ends. Cedar reports no positions, so we find them ourselves."""

import re
from dataclasses import dataclass

# One token at a time: a comment, a string (Cedar has no raw and no multi-line kinds), a semicolon, or the rest.
_TOKEN = re.compile(r'//[^\r\n]*|"(?:[^"\\]|\\.)*"?|;|[^";/]+|/', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Statement:
    """The text of one policy, from its first annotation to its semicolon, and the line it begins on."""

    text: str
    line: int

    def line_of(self, word: str) -> int:
        """The line where this word first stands in the policy; the policy's first line if nowhere."""
        found = re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", self.text)
        return self.line + self.text.count("\n", 0, found.start()) if found else self.line


def split(text: str) -> list[Statement]:
    """Every statement of a policy file in order; text after the last semicolon is a statement too."""
    statements: list[Statement] = []
    start: int | None = None
    end = line = counted = 0
    for token in _TOKEN.finditer(text):
        word = token.group()
        if word.startswith("//") or not word.strip():
            continue
        if start is None:
            start = token.start() + len(word) - len(word.lstrip())
            line += text.count("\n", counted, start)
            counted = start
        end = token.end()
        if word == ";":
            statements.append(Statement(text[start:end], line + 1))
            start = None
    if start is not None:
        statements.append(Statement(text[start:end].rstrip(), line + 1))
    return statements
