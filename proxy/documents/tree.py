"""YAML bytes into plain data that remembers the line of every key and item.

A deliberately small YAML: one document, no anchors, aliases, tags or merge keys. Unquoted scalars follow
the YAML 1.2 core schema, so `no` and `on` are text, never booleans, and `1_000` and `010` are never numbers.
"""

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from policies.model import Json
from proxy.errors import Mistake

type At = tuple[str | int, ...]

MAX_BYTES = 4 << 20
MAX_DEPTH = 64
MAX_NODES = 500_000

_PARSER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Control characters, lone surrogates, and what makes text look like other text to the person who signs.
_DECEPTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?([eE][-+]?[0-9]{1,2})?")
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_HINTS = {
    "cannot start any token": "indent with spaces, not tabs, and quote text that starts with a special character",
    "mapping values are not allowed": "quote text that holds `: `, and check the indentation",
    "did not find expected ','": "quote text that holds any of `{ } [ ] ,` and close every bracket",
    "did not find expected": "check the indentation, the brackets and the quotes of this line and the one above",
    "could not find expected": "check the indentation, the brackets and the quotes of this line and the one above",
    "end of stream": "close the quote or bracket that is open",
    "duplicate %YAML": "remove the line",
}


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, and where it says it. The top is always a mapping; an empty file is an empty one."""

    file: str
    data: dict[str, Json]
    lines: Mapping[At, int]

    def value(self, at: At) -> Json:
        """What stands at this place; None if nothing does."""
        here: Json = self.data
        for part in at:
            if isinstance(here, dict) and isinstance(part, str):
                here = here.get(part)
            elif isinstance(here, list) and isinstance(part, int) and part < len(here):
                here = here[part]
            else:
                return None
        return here

    def line(self, at: At) -> int:
        """The line of this place, or of the nearest thing around it that is written down."""
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at, 1)

    def field(self, at: At) -> str:
        """The place in words: `agents[billing-bot].owner`."""
        words = ""
        for depth, part in enumerate(at):
            if isinstance(part, int):
                words += f"[{_label(self.value(at[: depth + 1])) or part}]"
            else:
                words += f".{part}" if words else part
        return words

    def mistake(self, at: At, text: str) -> Mistake:
        return Mistake(self.file, self.line(at), self.field(at), text)


def read_bytes(path: Path, mistakes: list[Mistake], limit: int = MAX_BYTES) -> bytes | None:
    """The content of a regular file; None, with the mistake noted, if it cannot be read or is too large."""
    name = shown(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            mistakes.append(Mistake(name, 0, "", "is not a regular file"))
            return None
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        mistakes.append(Mistake(name, 0, "", f"cannot be read: {why.lower()}"))
        return None
    if len(raw) > limit:
        mistakes.append(Mistake(name, 0, "", f"is larger than {limit} bytes; split it into several files"))
        return None
    return raw


def read_tree(raw: bytes, file: str, mistakes: list[Mistake]) -> Document | None:
    """The document in these bytes. Mistakes are noted; None if there is nothing to go on with."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        mistakes.append(Mistake(file, line, "", "is not UTF-8 text; save the file as UTF-8"))
        return None
    if bad := _UNREADABLE.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        mistakes.append(
            Mistake(file, line, "", f"holds the character U+{ord(bad[0]):04X}, which YAML forbids; remove it")
        )
        return None
    builder = _Builder(file, mistakes)
    try:
        return builder.document(yaml.parse(text, Loader=_PARSER))
    except _CannotGoOnError as stop:
        mistakes.append(Mistake(file, stop.line, "", str(stop)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        mistakes.append(Mistake(file, mark.line + 1 if mark else 0, "", _syntax(error.problem or error.context or "")))
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        mistakes.append(Mistake(file, 0, "", "is not valid YAML"))
    return None


def shown(path: Path) -> str:
    """The path as people will recognise it: relative to where they stand, if it is below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


class _CannotGoOnError(Exception):
    def __init__(self, line: int, text: str) -> None:
        self.line = line
        super().__init__(text)


class _Builder:
    """Builds data from parser events, and notes what our YAML does not have."""

    def __init__(self, file: str, mistakes: list[Mistake]) -> None:
        self._file = file
        self._mistakes = mistakes
        self._lines: dict[At, int] = {}

    def document(self, events: Iterator[yaml.Event]) -> Document | None:
        data: Json = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _CannotGoOnError(_line(event), "starts a second document with `---`; keep one a file")
            elif isinstance(event, yaml.NodeEvent):
                data = self._node(event, events, ())
        if data is not None and not isinstance(data, dict):
            raise _CannotGoOnError(1, "must be `name: value` lines at the top")
        return Document(self._file, data or {}, self._lines)

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], at: At) -> Json:
        if at not in self._lines:
            self._lines[at] = _line(event)
        if len(at) > MAX_DEPTH or len(self._lines) > MAX_NODES:
            raise _CannotGoOnError(_line(event), f"is nested deeper than {MAX_DEPTH}, or has over {MAX_NODES} values")
        self._refuse_magic(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, at)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, at)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        return None

    def _mapping(self, events: Iterator[yaml.Event], at: At) -> Json:
        result: dict[str, Json] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                raise _CannotGoOnError(
                    _line(event), "a name before `:` must be plain text; quote it if it starts with `[`, `{`, `*`"
                )
            key = self._key(event)
            inner = (*at, key)
            if key in result:
                first = self._lines[inner]
                self._note(_line(event), f"`{key}` is here twice, first on line {first}; keep one")
            else:
                self._lines[inner] = _line(event)
            value = self._node(next(events), events, inner)
            result.setdefault(key, value)
        return result

    def _sequence(self, events: Iterator[yaml.Event], at: At) -> Json:
        result: list[Json] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            result.append(self._node(event, events, (*at, len(result))))
        return result

    def _key(self, event: yaml.ScalarEvent) -> str:
        self._refuse_magic(event)
        if event.value == "<<" and event.implicit[0]:
            self._note(_line(event), "merge keys (`<<`) are not supported; write the fields out")
        return self._clean(event)

    def _scalar(self, event: yaml.ScalarEvent) -> Json:
        text = self._clean(event)
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        return text

    def _clean(self, event: yaml.ScalarEvent) -> str:
        text: str = event.value
        if bad := _DECEPTIVE.search(text):
            self._note(_line(event), f"text holds the invisible character U+{ord(bad[0]):04X}; remove it")
            return _DECEPTIVE.sub("?", text)
        return text

    def _refuse_magic(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._note(_line(event), f"aliases (`*{event.anchor}`) are not supported; write the value out")
        elif isinstance(event, yaml.NodeEvent) and event.anchor:
            self._note(_line(event), f"anchors (`&{event.anchor}`) are not supported; remove it")
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            self._note(_line(event), f"tags (`{event.tag}`) are not supported; remove it")

    def _note(self, line: int, text: str) -> None:
        self._mistakes.append(Mistake(self._file, line, "", text))


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark else 0


def _label(item: Json) -> str:
    name = (item.get("id") or item.get("name")) if isinstance(item, dict) else None
    return name if isinstance(name, str) and len(name) <= 64 and "\n" not in name else ""


def _syntax(problem: str) -> str:
    hint = next((hint for part, hint in _HINTS.items() if part in problem), "check this line and the one above")
    return f"is not valid YAML ({' '.join(problem.split())}); {hint}"
