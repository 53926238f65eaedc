"""What a task declares that it will call: tools and datasets, of which a child's are never more than its parent's."""

import re
from collections.abc import Container, Iterable

from policies.model import DatasetUse
from proxy.tasks.mistakes import TaskMistake

_ID = r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?"
_NAME = r"[\x21-\x29\x2b-\x7e][\x21-\x7e]{0,255}"
_TOOL = re.compile(rf"{_ID}/(?:\*|{_NAME})")
_ONE_TOOL = re.compile(rf"{_ID}/{_NAME}")
_DATASET = re.compile(rf"(?:read|write):{_ID}")
MOST = 128


def checked_tools(tools: Iterable[str]) -> tuple[str, ...]:
    """The tools, sorted and each once, if every one is `service/tool` or `service/*`."""
    return _checked(tools, _TOOL, "tools", "write `service/tool`, or `service/*` for all that a service offers")


def checked_datasets(datasets: Iterable[str]) -> tuple[str, ...]:
    """The datasets, sorted and each once, if every one is `read:id` or `write:id`."""
    return _checked(datasets, _DATASET, "datasets", "write `read:dataset` or `write:dataset`")


def _checked(items: Iterable[str], form: re.Pattern[str], name: str, how: str) -> tuple[str, ...]:
    found = tuple(sorted(set(items)))
    if len(found) > MOST:
        raise TaskMistake(f"{name}_too_many", f"a task declares at most {MOST} {name}")
    for item in found:
        if not form.fullmatch(item):
            raise TaskMistake(f"{name}_invalid", f"`{item}` cannot be among the {name} of a task: {how}")
    return found


def covers_tool(declared: Container[str], service: str, tool: str | None) -> bool:
    """Whether this tool was declared. A call that maps to no tool needs the whole service."""
    return f"{service}/*" in declared or (tool is not None and f"{service}/{tool}" in declared)


def names_tool(one: str, declared: Iterable[str]) -> bool:
    """Whether this is the name of a single tool, and that tool was declared."""
    return _ONE_TOOL.fullmatch(one) is not None and within((one,), declared) is None


def touches_service(declared: Iterable[str], service: str) -> bool:
    """Whether anything of this service was declared: housekeeping towards it is then part of the task."""
    return any(one.startswith(f"{service}/") for one in declared)


def undeclared_dataset(declared: Iterable[str], used: Iterable[DatasetUse]) -> str | None:
    """The first use of a dataset that was not declared, as `read:id`; None if all were."""
    allowed = frozenset(declared)
    return next((text for use in used if (text := f"{use.access}:{use.dataset}") not in allowed), None)


def within(inner: Iterable[str], outer: Iterable[str]) -> str | None:
    """The first of `inner` that `outer` does not hold, directly or by `service/*`; None if it holds all."""
    allowed = frozenset(outer)
    return next(
        (one for one in inner if one not in allowed and f"{one.partition('/')[0]}/*" not in allowed),
        None,
    )
