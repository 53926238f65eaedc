"""Route templates: from a method and path segments to the one tool that they name."""

import re
from dataclasses import dataclass, field

from proxy.protocols.paths import split_at_slashes
from proxy.strict_json import fold

_PARAMETER = re.compile(r"\{([^{}/]+)\}")
_METHOD = re.compile(r"[A-Z]{3,16}")


@dataclass(frozen=True, slots=True)
class Hole:
    """A segment with a parameter in it: `{id}`, or `{id}.json`, `report-{id}`."""

    before: str
    after: str
    name: str

    def value(self, segment: str) -> str | None:
        """What the parameter would be in this segment; None if it does not fit."""
        if not self.before and not self.after:
            return segment or None
        inside = len(segment) - len(self.after)
        if inside <= len(self.before) or not segment.startswith(self.before) or not segment.endswith(self.after):
            return None
        return segment[len(self.before) : inside]


type Part = str | Hole


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed `/v1/customers/{id}`."""

    text: str
    parts: tuple[Part, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.parts if isinstance(part, Hole))


def parse_template(text: str) -> Template:
    """The template that this text is; `ValueError` with words for people if it is none."""
    if not text.startswith("/"):
        raise ValueError(f"`{text}` must start with `/`")
    if any(character in text for character in "?#%\\ "):
        raise ValueError(f"`{text}` must be a plain path: no query, fragment, spaces or percent-encoding")
    raw = text.split("/")[1:] if text != "/" else []
    if "" in raw[:-1] or "." in raw or ".." in raw:
        raise ValueError(f"`{text}` must not hold `//`, `.` or `..`")
    template = Template(text, tuple(_part(text, segment) for segment in raw))
    if len(set(template.parameters)) != len(template.parameters):
        raise ValueError(f"`{text}` names one parameter twice")
    return template


def _part(text: str, segment: str) -> Part:
    found = _PARAMETER.findall(segment)
    if len(found) > 1:
        raise ValueError(f"`{text}` has two parameters in one segment, which can be read in two ways")
    before, _, after = segment.partition("{" + found[0] + "}") if found else (segment, "", "")
    if "{" in before + after or "}" in before + after:
        raise ValueError(f"`{text}` has a brace without its partner")
    return Hole(before, after, found[0]) if found else segment


def check_method(method: str) -> None:
    """`ValueError` unless this is a method as it stands on the wire."""
    if not _METHOD.fullmatch(method) or method in {"CONNECT", "TRACE"}:
        raise ValueError(f"`{method}` is not a method in capitals, such as GET or POST")


@dataclass(frozen=True, slots=True)
class Match[T]:
    target: T
    values: dict[str, str]


class AmbiguousRoute(Exception):
    """Two routes fit, and neither is the more exact one; or a lax server would see another route."""


@dataclass(slots=True)
class _Node[T]:
    literals: dict[str, "_Node[T]"] = field(default_factory=dict)
    holes: dict[tuple[str, str], tuple[Hole, "_Node[T]"]] = field(default_factory=dict)
    found: list[tuple[T, Template]] = field(default_factory=list)

    def put(self, parts: tuple[Part, ...]) -> "_Node[T]":
        node = self
        for part in parts:
            if isinstance(part, str):
                node = node.literals.setdefault(part, _Node())
            else:
                node = node.holes.setdefault((part.before, part.after), (part, _Node()))[1]
        return node

    def fitting(self, segments: tuple[str, ...]) -> list[tuple[T, Template]]:
        nodes = [self]
        for segment in segments:
            following = []
            for node in nodes:
                exact = node.literals.get(segment)
                if exact is not None:
                    following.append(exact)
                for hole, inner in node.holes.values():
                    if hole.value(segment) is not None:
                        following.append(inner)
            nodes = following
        return [found for node in nodes for found in node.found]


class Routes[T]:
    """All routes of one service. Filled while compiling, then only read."""

    def __init__(self) -> None:
        self._exact: dict[str, _Node[T]] = {}
        self._relaxed: dict[str, _Node[T]] = {}

    def add(self, method: str, template: Template, target: T) -> T | None:
        """None if added; else the target that already has this very route."""
        node = self._exact.setdefault(method, _Node()).put(template.parts)
        if node.found:
            return node.found[0][0]
        route = (target, template)
        node.found.append(route)
        lax = tuple(_relaxed_part(part) for part in _unslashed(template.parts))
        self._relaxed.setdefault(method, _Node()).put(lax).found.append(route)
        return None

    def match(self, method: str, segments: tuple[str, ...]) -> Match[T] | None:
        """The one route that fits, or None. A literal is more exact than a parameter.

        A path that a lax server would take for another route's (letter case, a final slash, `;` parameters,
        final dots or spaces, a slash that was encoded) is `AmbiguousRoute`, as are two routes of
        which neither is the more exact.
        """
        root = self._exact.get(method)
        if root is None:
            return None
        exact = _most_exact(root.fitting(segments))
        # INVARIANT: no spelling reaches one tool's handler upstream while policy sees another tool, or none.
        for candidate in self._relaxed[method].fitting(tuple(map(relaxed, _unslashed(segments)))):
            if candidate is not exact and (exact is None or not _at_least(exact[1], candidate[1])):
                raise AmbiguousRoute
        if "/" in "".join(segments):
            self._check_slashes(method, segments, exact)
        return None if exact is None else _captured(exact, segments)

    def _check_slashes(self, method: str, segments: tuple[str, ...], exact: tuple[T, Template] | None) -> None:
        """An encoded slash leads to no other route, even on a server that decodes it first.

        Two parameters where ours has one are let pass: `/{package}` beside `/{package}/{version}` is usual, and the
        inventory says that this server does not decode it first.
        """
        split = split_at_slashes(segments)
        for _, template in self._relaxed[method].fitting(tuple(map(relaxed, _unslashed(split)))):
            if exact is None or _says_more(template, exact[1], segments):
                raise AmbiguousRoute


def _most_exact[T](found: list[tuple[T, Template]]) -> tuple[T, Template] | None:
    if len(found) <= 1:
        return found[0] if found else None
    best = [one for one in found if all(_at_least(one[1], other[1]) for other in found)]
    if len(best) != 1:
        raise AmbiguousRoute
    return best[0]


def _says_more(one: Template, other: Template, segments: tuple[str, ...]) -> bool:
    """Whether `one`, a route of these segments when they are split, says more of any of them than `other` does."""
    at = 0
    for segment, part in zip(segments, other.parts, strict=True):
        size = segment.count("/") + 1
        least = _exactness(part) if size == 1 else 0
        if any(_exactness(mine) > least for mine in one.parts[at : at + size]):
            return True
        at += size
    return False


def _unslashed[P](parts: tuple[P, ...]) -> tuple[P, ...]:
    return parts[:-1] if parts and parts[-1] == "" else parts


def relaxed(segment: str) -> str:
    """The segment as a lax server reads it: whatever the letter case, without `;` parameters and final dots."""
    if segment.isascii() and segment.isalnum():
        return segment.lower()
    return fold(segment.partition(";")[0].rstrip(" ."))


def _relaxed_part(part: Part) -> Part:
    if isinstance(part, str):
        return relaxed(part)
    return Hole(fold(part.before), fold(part.after), part.name)


def _at_least(one: Template, other: Template) -> bool:
    """Whether `one` is nowhere less exact than `other`: literal, then literal with parameter, then parameter."""
    pairs = zip(_unslashed(one.parts), _unslashed(other.parts), strict=True)
    return all(_exactness(mine) >= _exactness(theirs) for mine, theirs in pairs)


def _exactness(part: Part) -> int:
    if isinstance(part, str):
        return 2
    return 1 if part.before or part.after else 0


def _captured[T](found: tuple[T, Template], segments: tuple[str, ...]) -> Match[T]:
    target, template = found
    values = {
        part.name: part.value(segment) or ""
        for part, segment in zip(template.parts, segments, strict=True)
        if isinstance(part, Hole)
    }
    return Match(target, values)
