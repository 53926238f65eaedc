"""The stories: each does something real, shows it, and fails if it differs."""

import json
import re
import shutil
import subprocess
import time
from typing import Any

from proxy.demo import tell
from proxy.demo.stage import Stage, person_client
from proxy.demo.tell import expect

REFUND = {"customer": "c-7", "amount": 45000}
CLICK_SECONDS = 600


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
    hold = line["answer"]["hold_id"]
    _approve(stage, hold, yes=yes)
    line = stage.act("post", "/v1/refunds", json.dumps(REFUND))
    tell.words("The agent sends the identical request again:")
    tell.exchange(line)
    expect(line["status"] == 201, "the approved refund is executed", line)
    made = stage.act("get", "/v1/refunds")["answer"]["refunds"]
    expect(len(made) == 1, "the CRM made exactly one refund", made)
    tell.words("The CRM's own books show one refund.")


def _approve(stage: Stage, hold: str, *, yes: bool) -> None:
    if not yes:
        link = stage.ask("person", "link", "olivia")["url"]
        tell.words("Olivia owns this agent; Alice, for whom it acts, may not sign alone.")
        tell.words("Sign in as Olivia, open the held call and press Approve:")
        tell.words(f"  {link}")
        _wait_for_decision(stage, hold)
        return
    with person_client(stage, "olivia") as client:
        shown = client.get(f"/v1/holds/{hold}").json()
        body = {"action_digest": shown["action_digest"], "row_version": shown["row_version"], "reason": "demo"}
        answer = client.post(f"/v1/holds/{hold}/approve", json=body)
    expect(answer.is_success and answer.json()["state"] == "approved", "Olivia, the owner, may approve", answer.text)
    tell.words(f"Olivia, the owner, approves exactly this: {shown['effect']}")


def _wait_for_decision(stage: Stage, hold: str) -> None:
    deadline = time.monotonic() + CLICK_SECONDS
    while time.monotonic() < deadline:
        state = stage.ask("holds", "show", hold)["state"]
        if state != "pending":
            expect(state == "approved", "the refund is approved", state)
            return
        time.sleep(0.5)
    expect(condition=False, what="nobody decided within ten minutes")


def one_byte_changed(stage: Stage) -> None:
    """An approval is for one exact call."""
    line = stage.act("post", "/v1/refunds", json.dumps(REFUND | {"amount": 45001}))
    tell.exchange(line)
    expect(line["status"] == 428, "another amount is another call, held anew", line)
    again = stage.act("post", "/v1/refunds", json.dumps(REFUND))
    expect(again["status"] == 428, "the approved call was used up: the same again is held anew", again)
    made = stage.act("get", "/v1/refunds")["answer"]["refunds"]
    expect(len(made) == 1, "the CRM still shows one refund", made)
    tell.words("One cent more: held anew. The same amount a second time: held anew. The CRM still shows one refund.")


def owner_removed(stage: Stage) -> None:
    """Access by agents is somebody's, or it ends."""
    before = stage.agents_file.read_text()
    stage.agents_file.write_text(re.sub(r"    owner: olivia  .*\n", "", before, count=1))
    line = _until(stage, lambda line: line["status"] == 403)
    tell.exchange(line)
    expect(line["answer"]["reason"] == "agent_owner_missing", "an agent that nobody answers for is refused", line)
    stage.agents_file.write_text(before)
    line = _until(stage, lambda line: line["status"] == 200)
    expect(line["status"] == 200, "with its owner back, it may call again", line)
    tell.words("Without an owner, no call. With Olivia back in the inventory, calls pass again.")


def _until(stage: Stage, wanted: Any) -> dict[str, Any]:
    """The agent's last answer, asked again for a few seconds until the edit of the file is in force."""
    line: dict[str, Any] = {}
    for _ in range(8):
        line = stage.act("get", "/v1/customers/c-7")
        if wanted(line):
            break
    return line


def revoked_in_a_stream(stage: Stage) -> None:
    """A stream that is open when its agent is ended."""
    stage.tell_agent("stream")
    while "reading" not in stage.hear_agent():
        pass
    at = time.time()
    stage.ask("revoke", "agent:support-bot", "--reason", "demo: ended in the middle of a stream")
    said = time.time()
    end = stage.finish_step()[-1]
    expect(end["cut"], "the open stream is cut", end)
    expect(end["at"] - said < 1.0, "it is cut within a second", end["at"] - said)
    tell.words(
        f"The agent had read {end['events']} events when it was ended; its stream was cut "
        f"{(end['at'] - at) * 1000:.0f} ms after the command was typed ({end['cut']})."
    )
    stage.ask("lift", "agent:support-bot", "--reason", "demo: goes on")


def traced(stage: Stage) -> None:
    """The whole story, from the human to the last byte."""
    done = subprocess.run(stage.command("trace", stage.task), capture_output=True, text=True, check=False)
    tell.block(done.stdout)
    expect(done.returncode == 0, "the trace can be shown", done.stderr)
    for piece in ("alice", "support-bot", "create_refund", "olivia"):
        expect(piece in done.stdout, f"the tree names {piece}", done.stdout[:200])


def verified(stage: Stage) -> None:
    """The audit log stands; a copy with one byte flipped does not."""
    log = stage.directory / "state" / "audit"
    done = subprocess.run(stage.command("audit", "verify"), capture_output=True, text=True, check=False)
    tell.block(done.stdout)
    expect(done.returncode == 0, "the audit log verifies", done.stdout + done.stderr)
    copy = stage.directory / "copy"
    shutil.copytree(log, copy)
    entries = min((copy / "entries").iterdir())
    data = bytearray(entries.read_bytes())
    place = len(data) // 2
    record = data[:place].count(b"\n")
    data[place] ^= 0x01
    entries.write_bytes(data)
    command = stage.command("audit", "verify", "--log", str(copy))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    tell.words(f"In a copy, one bit of record {record} is flipped:")
    tell.block(done.stdout + done.stderr)
    expect(done.returncode == 1, "the changed copy does not verify", done.returncode)
    expect(str(record) in done.stdout + done.stderr, f"the verification names record {record}", done.stdout)
