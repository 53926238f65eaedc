"""The tree that people read."""

from telemetry.tree import render_tree
from tests.fakes.audit_records import AT, TRACE, approval_decided, as_stored, completed, decided, resumed


def test_a_task_from_human_to_tool():
    """A task's calls hang under the chain that made them, each with its decision, approver, answer and ids."""
    lines = render_tree(
        as_stored(
            [
                decided("call_1", credential={"id": "crm-token", "reference": "env:CRM_TOKEN"}),
                completed("call_1"),
                decided("call_2", "hold", approval={"id": "hold_1", "state": "requested"}),
                {"type": "approval.requested", "at": AT + 1, "call": "call_2", "approval": {"needs": ["owner"]}},
                approval_decided(),
                resumed("call_2"),
                completed("call_2", at=AT + 12.5),
                decided("call_3", "deny"),
            ]
        )
    )
    policy, data = "policy efefefefefef", "data write:refunds"
    assert lines == [
        "alice (human)",
        "└─ researcher (agent) · verified by access_token · owner bob · shown as handle · task task-77",
        "   ├─ ✓ crm/refund  [call_1]",
        f"   │  ├─ #0 14:13:20.250  allow: permitted · r-12 · {policy} · {data} · credential crm-token · trace {TRACE}",
        "   │  └─ #1 14:13:20.285  upstream 200 · 1,234 bytes · 35.0 ms",
        "   ├─ ✓ crm/refund  [call_2]",
        f"   │  ├─ #2 14:13:20.250  hold: large_refund · r-12 · {policy} · hold hold_1 · {data} · trace {TRACE}",
        "   │  ├─ #3 14:13:21.250  approval asked of owner",
        "   │  ├─ #4 14:13:32.550  approval granted by bob via console after 12.3 s",
        f"   │  ├─ #5 14:13:32.650  released once, approved by bob · trace {TRACE}",
        "   │  └─ #6 14:13:32.750  upstream 200 · 1,234 bytes · 35.0 ms",
        "   └─ ✗ crm/refund  [call_3]",
        f"      └─ #7 14:13:20.250  deny: large_refund · r-12 · {policy} · data write:refunds · trace {TRACE}",
    ]


def test_a_hold_is_told_with_the_call_that_caused_it():
    """Records of a hold name no call: they stand with the call that caused it, or alone."""
    voted = {"type": "approval.voted", "at": AT + 5, "approval": {"id": "hold_1", "actor": "person:bob"}}
    sent = {"type": "approval.sent", "approval": {"id": "hold_1"}}
    alone = {"type": "approval.cancelled", "agent": {"id": "researcher"}, "approval": {"id": "hold_9", "actor": "x"}}
    held = decided("call_1", "hold", approval={"id": "hold_1", "state": "requested"})
    lines = render_tree(
        as_stored([held, voted, approval_decided(), resumed("call_2"), sent, completed("call_2"), alone])
    )
    titles = [line for line in lines if "[" in line]
    assert [title.split("[")[1] for title in titles] == ["call_1]", "call_2]", "hold_9]"]
    first = lines[lines.index(titles[0]) : lines.index(titles[1])]
    assert "approval voted by person:bob" in first[2]
    assert "approval granted by bob" in first[3]
    assert not any("approval sent" in line for line in lines)


def test_each_hop_says_how_it_is_proven_and_each_task_what_it_is_for():
    """Level and method of every hop, as far as the record says; purpose, ticket, who began it and how it ended."""
    story = decided("call_1")
    chain = ["human:alice", "agent:planner", "agent:researcher"]
    story["delegation"] = story["delegation"] | {"chain": chain, "levels": ["verified", "endorsed"]}
    change = {"what": "task:task-77", "by": "person:alice", "reason": "find it", "details": ["agent=x", "ticket=OPS-7"]}
    ended = {"what": "task:task-77", "by": "person:bob", "reason": "enough", "after": "revoked"}
    lines = render_tree(
        as_stored(
            [
                {"type": "task.created", "task": "task-77", "change": change},
                story,
                {"type": "task.changed", "task": "task-77", "change": ended},
            ]
        )
    )
    assert lines[:4] == [
        "task-77 · find it · ticket OPS-7 · begun by person:alice · revoked by person:bob: enough",
        "alice (human)",
        "└─ planner (agent) · verified by access_token",
        "   └─ researcher (agent) · endorsed · owner bob · shown as handle · task task-77",
    ]
    hostile = change | {"reason": "a\x1b[2Jb", "details": ["ticket=c\u202ed"]}
    (line,) = render_tree(as_stored([{"type": "task.created", "task": "task-1", "change": hostile}]))
    assert "\x1b" not in line
    assert "\u202e" not in line


def test_what_was_done_under_another_task_stands_under_it():
    """One chain in two tasks is told twice: what was done under one is not told as if it was under the other."""
    lines = render_tree(as_stored([decided("call_1"), decided("call_2", task="task-78"), decided("call_3")]))
    places = {
        name: number for number, line in enumerate(lines) for name in ("call_1", "call_2", "call_3") if name in line
    }
    heads = [(number, line.rpartition("task ")[2]) for number, line in enumerate(lines) if "researcher (agent)" in line]
    assert [task for _, task in heads] == ["task-77", "task-78"]
    assert places["call_1"] < places["call_3"] < heads[1][0] < places["call_2"]


def test_less_is_shown_as_less():
    """Refusals without a chain, observed decisions, calls that were cut, and strange records have their lines."""
    observed = decided("call_2")
    observed["decision"] = observed["decision"] | {"mode": "observe", "would": "deny", "observed": ["night"]}
    del observed["delegation"]
    lines = render_tree(
        as_stored(
            [
                {"type": "call.refused", "call": "call_1", "error": {"reason": "agent_unknown", "status": 403}},
                decided("call_3", "deny") | {"type": "call.refused", "error": {"reason": "denied", "status": 403}},
                observed,
                {"type": "call.aborted", "call": "call_2", "error": {"reason": "revoked"}},
                {"type": "call.received", "call": "call_2"},
                {"type": "proxy.started"},
                {"type": "call.refused", "call": "call_4", "error": {"reason": "gone", "internal": "env:KEY: not set"}},
            ]
        )
    )
    text = "\n".join(lines)
    assert lines[0] == "unknown caller (unattributed)"
    assert "refused: agent_unknown (403)" in text
    assert "refused: denied (403) · deny: large_refund · r-12" in text
    assert "refused: gone () · env:KEY: not set" in text
    assert "enforcing would have said deny · only observed: night" in text
    assert "no answer from the upstream · cut: revoked" in text
    assert "alice (human)" in text
    assert render_tree([]) == []


def test_text_from_outside_cannot_steer_the_terminal():
    """Escape sequences and line breaks in a record are shown as marks."""
    hostile = decided("call_1")
    hostile["action"] = hostile["action"] | {"operation": "a\x1b[2Jb\r\nc\u202ed"}
    text = "".join(render_tree(as_stored([hostile])))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "a�[2Jb��c�d" in text
