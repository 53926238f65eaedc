"""The stories: each does something real, shows it, and fails if it differs."""

import json
import os
import re
import shutil
import subprocess
import time

from proxy.demo import tell
from proxy.demo.stage import Stage, told
from proxy.demo.tell import expect

REFUND = {"customer": "c-7", "amount": 45000}
CLICK_SECONDS = 600
EDIT_SECONDS = 30  # said for a machine that is busy
REVOKED = "agent:support-bot"


def allowed(stage: Stage) -> None:
    """A plain API call and an MCP tool call, both within the rules."""
    for step in (("get", "/v1/customers/c-7"), ("tool", "search_notes", '{"query": "Ada"}')):
        line = stage.act(*step)
        tell.exchange(line)
        expect(line["status"] in {200, "ok"}, "an allowed call is answered by the service", line)
    tell.words("Both went through the proxy: the agent's code has no line about it.")


def tool_refused(stage: Stage) -> None:
    """A tool that the rules forbid."""
    line = stage.act("tool", "delete_note", '{"note": "n1"}')
    tell.exchange(line)
    expect(line["status"] == "error", "the model is told that the tool did not run", line)
    expect("NOT EXECUTED" in str(line["answer"]), "the answer says NOT EXECUTED", line)
    still = stage.act("tool", "search_notes", '{"query": "Ada"}')
    expect("n1" in str(still["answer"]), "the note is still there", still)
    tell.words("The note is still there. The refusal is a tool result, so the model reads it and can go on.")


def dataset_refused(stage: Stage) -> None:
    """A tool that may be used, on a dataset that may not be read."""
    line = stage.act("get", "/v1/exports/customers")
    tell.exchange(line)
    expect(line["status"] == 403, "the export is refused", line)
    tell.words("The tool is allowed; the dataset behind it, customer-exports, is not. Both must be.")


def secret_injected(stage: Stage) -> None:
    """The CRM wants a key; the agent has none, and sees none."""
    held = stage.act("environment")
    line = stage.act("get", "/v1/refunds")
    tell.exchange(line)
    expect(line["status"] == 200, "the CRM accepted the key that was put in", line)
    expect(stage.crm_key not in json.dumps([held, line]), "the agent never sees the key")
    expect("authorization" not in line["sent_headers"], "the agent sent no key", line)
    tell.words(f"The CRM saw its key ending in ...{stage.crm_key[-4:]}; the agent sent no Authorization header at all.")


def held_and_released(stage: Stage, *, yes: bool) -> None:
    """A refund that wants the owner's word; approved; run once."""
    line = stage.act("post", "/v1/refunds", json.dumps(REFUND))
    tell.exchange(line)
    expect(line["status"] == 428, "a large refund is held", line)
    stage.hold = line["answer"]["hold_id"]
    _approve(stage, stage.hold, yes=yes)
    line = stage.act("post", "/v1/refunds", json.dumps(REFUND))
    tell.words("The agent sends the identical request again:")
    tell.exchange(line)
    expect(line["status"] == 201, "the approved refund is executed", line)
    made = stage.act("get", "/v1/refunds")["answer"]["refunds"]
    expect(len(made) == 1, "the CRM made exactly one refund", made)
    tell.words("The CRM's own books show one refund.")


def _approve(stage: Stage, hold: str, *, yes: bool) -> None:
    if not yes:
        url = stage.ask("POST", "/v1/people/olivia/sign-in-links", {})["url"]
        tell.words("Olivia owns this agent. Open this link, sign in as her, open the held call and press Approve once:")
        tell.link(url)
        _wait_for_decision(stage, hold)
        return
    with stage.person("olivia") as client:
        shown = told(client.get(f"/v1/holds/{hold}"))
        body = {"action_digest": shown["action_digest"], "row_version": shown["row_version"], "reason": "demo"}
        answer = client.post(f"/v1/holds/{hold}/approve", json=body)
    expect(answer.is_success and answer.json()["state"] == "approved", "Olivia, the owner, may approve", answer.text)
    tell.words(f"Olivia, the owner, approves exactly this: {shown['effect']}")


def _wait_for_decision(stage: Stage, hold: str) -> None:
    deadline = time.monotonic() + CLICK_SECONDS
    with stage.operator() as client:
        while time.monotonic() < deadline:
            shown = told(client.get(f"/v1/holds/{hold}"))
            if shown["state"] != "pending":
                expect(shown["state"] == "approved", "the refund is approved", shown["state"])
                tell.words(f"Olivia has approved exactly this: {shown['effect']}")
                return
            time.sleep(0.2)
    expect(condition=False, what=f"somebody decides within {CLICK_SECONDS // 60} minutes")


def one_byte_changed(stage: Stage) -> None:
    """An approval is for one exact call."""
    line = stage.act("post", "/v1/refunds", json.dumps(REFUND | {"amount": 45001}))
    tell.exchange(line)
    expect(line["status"] == 428, "another amount is another call, held anew", line)
    again = stage.act("post", "/v1/refunds", json.dumps(REFUND))
    expect(again["status"] in {422, 428}, "the approved call was used up: the same again does not run", again)
    made = stage.act("get", "/v1/refunds")["answer"]["refunds"]
    expect(len(made) == 1, "the CRM still shows one refund", made)
    tell.words(
        "One cent more: held anew. The same amount a second time: not executed either. The CRM still shows one refund."
    )


def owner_removed(stage: Stage) -> None:
    """Access by agents is somebody's, who says so anew now and then, or it ends."""
    before = stage.agents_file.read_text()
    _edit(stage, re.sub(r"    owner: olivia  .*\n", "", before, count=1), "agent_owner_missing")
    line = stage.act("get", "/v1/customers/c-7")
    tell.exchange(line)
    expect(line["status"] == 403, "an agent that nobody answers for is refused", line)
    expect(line["answer"]["reason"] == "agent_owner_missing", "it is told why", line)
    _edit(stage, re.sub(r"review_due: \S+", "review_due: 2020-01-31", before, count=1), "agent_review_overdue")
    line = stage.act("get", "/v1/customers/c-7")
    expect(line["status"] == 403, "an agent whose review is overdue is refused", line)
    overdue = line["answer"]["reason"]
    expect(overdue == "agent_review_overdue", "it is told why", line)
    _edit(stage, before, "")
    line = stage.act("get", "/v1/customers/c-7")
    expect(line["status"] == 200, "with its owner back, and a review ahead, it may call again", line)
    tell.words(
        f"Without an owner, no call; with Olivia back but its review overdue, none either ({overdue}). With both in "
        "order, calls pass again."
    )


def _edit(stage: Stage, text: str, standing: str) -> None:
    """The inventory file has this text, and the agent stands so by it: what is taken away may be in force first."""
    stage.agents_file.write_text(text)
    deadline = time.monotonic() + EDIT_SECONDS
    while stage.ask("GET", "/v1/agents/support-bot")["standing"] != standing:
        expect(time.monotonic() < deadline, f"an edit is in force within {EDIT_SECONDS} seconds")
        time.sleep(0.1)


def revoked_in_a_stream(stage: Stage) -> None:
    """A stream that is open when its agent is ended."""
    stage.tell_agent("stream")
    while "reading" not in stage.hear_agent():
        pass
    at = time.time()
    stage.ask("POST", "/v1/revocations", {"scope": REVOKED, "reason": "demo: ended in the middle of a stream"})
    end = stage.finish_step()[-1]
    tell.labelled("agent reads", f"GET {end['asked']}", "dim")
    tell.labelled("", f"{end['events']} events, one each 100 ms", "green")
    tell.labelled("agent gets", f"its stream cut ({end['cut']})", "yellow")
    expect(end["cut"], "the open stream is cut", end)
    line = stage.act("get", "/v1/customers/c-7")
    tell.exchange(line)
    expect(line["status"] in {403, 407}, "and no other call passes", line)
    _lift(stage)
    stage.ask("POST", "/v1/revocations", {"scope": REVOKED, "reason": "demo: frozen", "kind": "freeze"})
    line = stage.act("get", "/v1/customers/c-7")
    expect(line["status"] == 428, "frozen, its calls are held", line)
    _lift(stage)
    tell.words(
        f"The stream was cut {(end['at'] - at) * 1000:.0f} ms after `countersign revoke {REVOKED}`; until that is "
        "lifted, nothing of this agent passes. After `countersign freeze`, the same call was held for Olivia instead."
    )


def _lift(stage: Stage) -> None:
    stage.ask("DELETE", f"/v1/revocations?scope={REVOKED}", {"reason": "demo: goes on"})


def traced(stage: Stage) -> None:
    """One story, from the human to the last byte."""
    tell.words(f"$ countersign trace {stage.hold}")
    shown = run(stage, "trace", stage.hold)
    tell.block(shown.stdout)
    expect(shown.returncode == 0, "the trace can be shown", shown.stderr)
    for piece in ("alice", "support-bot", "create_refund", "olivia"):
        expect(piece in shown.stdout, f"the tree names {piece}", shown.stdout[:200])
    tell.words(f"The same for everything that was done for Alice: countersign trace {stage.task}")


def verified(stage: Stage) -> None:
    """The audit log stands; a copy with one bit flipped does not."""
    log = stage.directory / "state" / "audit"
    stands = run(stage, "audit", "verify")
    tell.block(stands.stdout)
    expect(stands.returncode == 0, "the audit log verifies", stands.stdout + stands.stderr)
    copy = stage.directory / "copy"
    shutil.copytree(log, copy)
    entries = min((copy / "entries").iterdir())
    data = bytearray(entries.read_bytes())
    place = len(data) // 2
    record = data[:place].count(b"\n")
    data[place] ^= 0x01
    entries.write_bytes(data)
    tell.words(f"In a copy, one bit of record {record} is flipped:")
    fails = run(stage, "audit", "verify", "--log", str(copy))
    tell.block(fails.stdout + fails.stderr)
    expect(fails.returncode == 1, "the changed copy does not verify", fails.returncode)
    expect(f"record {record}" in fails.stdout, f"the verification names record {record}", fails.stdout)


def run(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A `countersign` command as a person would give it, told how wide the screen is."""
    environment = {**os.environ, "COLUMNS": str(tell.width() - 2)}
    return subprocess.run(stage.command(*arguments), capture_output=True, text=True, check=False, env=environment)
