"""One task, or one call, as a tree for the terminal: from the human at the root to the last byte of a tool."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_MARKS = {"allow": "✓", "deny": "✗", "hold": "…", "refused": "✗"}


def render_tree(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """The lines of the tree. Records in any order; text from outside cannot steer the terminal.

    First the tasks, each with what it was begun for; then each chain under each task, hop by hop, with what was done
    through it.
    """
    ordered = sorted(records, key=lambda record: int(record.get("idx", 0)))
    chains: dict[tuple[tuple[str, ...], str], list[list[Mapping[str, Any]]]] = {}
    for story in _stories(ordered):
        task = next((str(record["task"]) for record in story if record.get("task")), "")
        chains.setdefault((_chain(story), task), []).append(story)
    lines = _tasks(ordered)
    for (chain, _), stories in chains.items():
        steps = _steps(stories[0])
        for depth, member in enumerate(chain):
            indent = "   " * (depth - 1) + "└─ " if depth else ""
            step = steps[depth - 1] if 0 < depth <= len(steps) else ""
            about = _about_agent(stories[0]) if depth == len(chain) - 1 else ""
            lines.append(indent + _clean(_member(member)) + step + about)
        lines += _nest([_story(story) for story in stories], "   " * (len(chain) - 1))
    return lines


def _tasks(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line for each task that these records tell of: its purpose, its ticket, who began it, how it ended."""
    told: dict[str, list[str]] = {}
    for record in records:
        change = _part(record, "change")
        task = str(record.get("task", ""))
        if record.get("type") == "task.created":
            details = [str(detail).partition("=") for detail in change.get("details") or ()]
            ticket = next((value for name, _, value in details if name == "ticket" and value), "")
            parts = [change.get("reason", ""), f"ticket {ticket}" if ticket else "", f"begun by {change.get('by', '')}"]
            told[task] = [_clean(part) for part in parts if part]
        elif record.get("type") == "task.changed" and change.get("after") not in {"created", "active"}:
            why = f": {change['reason']}" if change.get("reason") else ""
            told.setdefault(task, []).append(_clean(f"{change.get('after', '')} by {change.get('by', '')}{why}"))
    return [f"{_clean(task)} · {' · '.join(parts)}" for task, parts in told.items()]


def _steps(story: Sequence[Mapping[str, Any]]) -> list[str]:
    """How well each hop of the chain is proven, and by what, as far as the record of it says so."""
    for record in story:
        delegation = _part(record, "delegation")
        if delegation.get("chain"):
            levels, methods = delegation.get("levels") or (), delegation.get("methods") or ()
            padded = [*methods, *[""] * (len(levels) - len(methods))]
            pairs = zip(levels, padded, strict=False)
            return [f" · {_clean(level)}" + (f" by {_clean(method)}" if method else "") for level, method in pairs]
    return []


def _stories(records: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The records of each call; what happens to a hold is told where its call is first heard of."""
    told_in: dict[str, str] = {}
    for record in records:
        hold = _part(record, "approval").get("id")
        if record.get("call") and hold:
            told_in.setdefault(str(hold), str(record["call"]))
    stories: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        hold = str(_part(record, "approval").get("id", ""))
        place = str(record.get("call") or told_in.get(hold) or hold)
        if place:
            stories.setdefault(place, []).append(record)
    return list(stories.values())


def _nest(stories: Sequence[tuple[str, Sequence[str]]], indent: str) -> list[str]:
    lines: list[str] = []
    for number, (title, details) in enumerate(stories):
        last = number + 1 == len(stories)
        lines.append(f"{indent}{'└─' if last else '├─'} {title}")
        below = indent + ("   " if last else "│  ")
        lines += [f"{below}{'└─' if at + 1 == len(details) else '├─'} {detail}" for at, detail in enumerate(details)]
    return lines


def _chain(story: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """`kind:id` from the root to the calling agent, as far as any record of the call knows it."""
    for record in story:
        chain = tuple(map(str, _part(record, "delegation").get("chain") or ()))
        if chain:
            return chain
    for record in story:
        agent, principal = _part(record, "agent").get("id"), _part(record, "principal")
        root = (f"{principal.get('kind')}:{principal.get('id')}",) if principal else ()
        if agent:
            return root if root == (f"agent:{agent}",) else (*root, f"agent:{agent}")
    return ("unattributed:unknown caller",)


def _member(member: str) -> str:
    kind, _, name = member.partition(":")
    return f"{name} ({kind.replace('_', ' ')})" if name else member


def _about_agent(story: Sequence[Mapping[str, Any]]) -> str:
    for record in story:
        agent = _part(record, "agent")
        if agent:
            known = [
                f"owner {agent['owner']}" if agent.get("owner") else "",
                f"shown as {agent['src']}" if agent.get("src") else "",
                f"task {record['task']}" if record.get("task") else "",
            ]
            return "".join(f" · {_clean(item)}" for item in known if item)
    return ""


def _story(story: Sequence[Mapping[str, Any]]) -> tuple[str, list[str]]:
    """(title, what happened) of one call."""
    action: Mapping[str, Any] = next((_part(record, "action") for record in story if "action" in record), {})
    outcome = _outcome(story)
    name = action.get("operation") or action.get("path") or "call"
    ids = [record["call"] for record in story if record.get("call")] or [_part(story[0], "approval").get("id", "")]
    title = f"{_MARKS.get(outcome, '·')} {_clean(name)}  [{_clean(ids[0])}]"
    details: list[str] = []
    for record in story:
        line = _line(record)
        if line:
            details.append(f"#{record.get('idx', '?')} {str(record.get('ts', ''))[11:23]}  {line}")
    return title, details


def _outcome(story: Sequence[Mapping[str, Any]]) -> str:
    outcome = ""
    for record in story:
        match record.get("type"):
            case "call.decided":
                outcome = str(_part(record, "decision").get("outcome"))
            case "call.held":
                outcome = "hold"
            case "call.resumed":
                outcome = "allow"
            case "call.refused" | "identity.refused":
                outcome = "refused"
    return outcome


def _line(record: Mapping[str, Any]) -> str:
    kind = str(record.get("type"))
    match kind:
        case "call.decided" | "call.held":
            return _decision(record, kind)
        case "call.resumed":
            return f"released once, approved by {_people(record)}{_credential(record)}{_trace(record)}"
        case "approval.decided":
            approval = _part(record, "approval")
            via = f" via {_clean(approval['channel'])}" if approval.get("channel") else ""
            waited = f" after {int(approval['wait_ms']) / 1000:.1f} s" if "wait_ms" in approval else ""
            return f"approval {_clean(approval.get('state', ''))} by {_people(record)}{via}{waited}"
        case "approval.requested":
            return f"approval asked of {_clean(', '.join(_part(record, 'approval').get('needs') or ['its owner']))}"
        case "call.completed" | "call.aborted":
            return _ending(record, kind)
        case "call.refused" | "identity.refused":
            error = _part(record, "error")
            judged = f" · {_decision(record, kind)}" if "decision" in record else ""
            why = f" · {_clean(error['internal'])}" if error.get("internal") else ""  # which no agent is told
            return f"refused: {_clean(error.get('reason', ''))} ({error.get('status', '')}){judged}{why}"
        case "approval.reserved" | "approval.sent" | "approval.finished" | "approval.vote_received":
            return ""  # the call's own records say it
        case _:
            actor = _part(record, "approval").get("actor")
            return _clean(kind.replace(".", " ").replace("_", " ")) + (f" by {_clean(actor)}" if actor else "")


def _decision(record: Mapping[str, Any], kind: str) -> str:
    decision = _part(record, "decision")
    outcome = "hold" if kind == "call.held" else str(decision.get("outcome"))
    rules = ", ".join(map(str, decision.get("rules") or ()))
    why = " · ".join(_clean(item) for item in (decision.get("reason"), rules) if item)
    policy = str(decision.get("policy", "")).removeprefix("sha256:")[:12]
    watching = ", ".join(map(str, decision.get("observed") or ()))
    watched = f" · only observed: {_clean(watching)}" if watching else ""
    observed = f" · enforcing would have said {decision.get('would')}" if decision.get("mode") == "observe" else ""
    hold = f" · hold {_clean(_part(record, 'approval')['id'])}" if _part(record, "approval").get("id") else ""
    datasets = ", ".join(map(str, _part(record, "action").get("datasets") or ()))
    data = f" · data {_clean(datasets)}" if datasets else ""
    return (
        f"{outcome}: {why or 'no reason given'}"
        + (f" · policy {_clean(policy)}" if policy else "")
        + observed
        + watched
        + hold
        + data
        + _credential(record)
        + _trace(record)
    )


def _ending(record: Mapping[str, Any], kind: str) -> str:
    upstream, error = _part(record, "upstream"), _part(record, "error")
    parts = [f"upstream {upstream['status']}" if upstream.get("status") else "no answer from the upstream"]
    if "bytes" in upstream:
        parts.append(f"{int(upstream['bytes']):,} bytes")
    if "total_us" in upstream:
        parts.append(f"{int(upstream['total_us']) / 1000:.1f} ms")
    if kind == "call.aborted" or error:
        parts.append(f"cut: {_clean(error.get('reason') or error.get('internal') or 'unknown')}")
    return " · ".join(parts)


def _people(record: Mapping[str, Any]) -> str:
    approval = _part(record, "approval")
    return _clean(", ".join(map(str, approval.get("by") or [approval.get("actor") or "nobody on record"])))


def _credential(record: Mapping[str, Any]) -> str:
    binding = _part(record, "credential")
    return f" · credential {_clean(binding['id'])}" if binding.get("id") else ""


def _trace(record: Mapping[str, Any]) -> str:
    trace = _part(record, "trace").get("id")
    return f" · trace {_clean(trace)}" if trace else ""


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = record.get(name)
    return part if isinstance(part, Mapping) else {}


def _clean(text: object) -> str:
    return "".join(letter if letter.isprintable() else "�" for letter in str(text))
