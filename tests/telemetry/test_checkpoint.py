"""Checkpoints and policies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.checkpoint import (
    Checkpoint,
    Policy,
    open_checkpoint,
    parse_checkpoint,
    parse_policy,
    sign_checkpoint,
    split_notes,
)
from telemetry.errors import NoteError, UnknownKey
from telemetry.note import Signer, Verifier, new_signer_key

SIGNER = Signer(new_signer_key("example.com/log"))
POLICY = Policy((Verifier(SIGNER.vkey),))
ROOT = bytes(range(32))


@given(st.integers(0, 2**60), st.binary(min_size=32, max_size=32))
def test_what_is_signed_is_read(size, root):
    """A signed checkpoint opens to the same origin, size and root."""
    head = Checkpoint("example.com/log", size, root)
    assert open_checkpoint(sign_checkpoint(head, SIGNER), POLICY) == head


def test_a_log_speaks_only_for_itself():
    """A checkpoint about another origin, signed by a trusted log, is not trusted."""
    note = sign_checkpoint(Checkpoint("example.com/other", 1, ROOT), SIGNER)
    with pytest.raises(UnknownKey):
        open_checkpoint(note, POLICY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/log\n1\n",
        "\n1\nAAAA\n",
        "example.com/log\n01\n" + "A" * 43 + "=\n",
        "example.com/log\n-1\n" + "A" * 43 + "=\n",
        "example.com/log\n1\nAAAA\n",
        "example.com/log\n1\n" + "A" * 43 + "\n",
        "example.com/log\n1\n" + "A" * 42 + "B=\n",
        "example.com/log\n1\n" + "A" * 43 + "=\nextension\n",
        "example.com/log\n1\n" + "A" * 43 + "=",
    ],
)
def test_malformed_checkpoints(text):
    """A checkpoint that is not exactly of the form is refused, extension lines included."""
    with pytest.raises(NoteError):
        parse_checkpoint(text)


def test_policy_round_trip():
    """A policy reads back from its text; comments and addresses are allowed."""
    text = f"# ours\n\nlog {SIGNER.vkey} https://logs.example\nquorum none\n"
    assert parse_policy(text).text == POLICY.text


@pytest.mark.parametrize(
    "text",
    ["", f"log {SIGNER.vkey}\n", "quorum all\n", "log\nquorum none\n", "witness w key\nquorum none\n", "log x\n"],
    ids=["empty", "no quorum", "no log", "log without a key", "a witness without a key", "log without a key or quorum"],
)
def test_policies_that_are_not_understood(text):
    """A policy without a quorum line, or with lines that we cannot honour, is refused."""
    with pytest.raises(NoteError):
        parse_policy(text)


def test_history_splits_into_notes():
    """A history of heads comes apart into the notes that went in; an unfinished one is given as it is."""
    notes = [sign_checkpoint(Checkpoint("example.com/log", size, ROOT), SIGNER) for size in range(3)]
    history = "".join(note + "\n" for note in notes)
    assert list(split_notes(history.splitlines(keepends=True))) == notes
    assert list(split_notes((history + "example.com/log\n7").splitlines(keepends=True))) == [
        *notes,
        "example.com/log\n7",
    ]
