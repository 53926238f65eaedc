"""Evidence for one call, checked by somebody who has only the public key."""

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from telemetry.checkpoint import Policy, parse_policy
from telemetry.errors import ProofError
from telemetry.layout import Layout
from telemetry.prove import check, prove, prove_records
from tests.fakes.audit_records import completed, decided, recording, write_log


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    directory = tmp_path_factory.mktemp("log")
    write_log(directory, [decided(f"call_{number}") for number in range(300)] + [completed("call_7", at=1.8e9)])
    return directory


@pytest.fixture(scope="module")
def policy(log):
    return parse_policy(Layout(log).policy.read_text())


def test_each_record_of_a_call_is_proven(log, policy):
    """A call's proofs carry its records, which hash, by anybody's RFC 8785 library, into the signed head."""
    proofs = prove(log, "call_7")
    proven = [check(proof, policy) for proof in proofs]
    assert [(one.index, one.record["type"]) for one in proven] == [(7, "call.decided"), (300, "call.completed")]
    assert proven[0].checkpoint.size == 301
    assert proven[0].record["call"] == "call_7"
    assert rfc8785.dumps(proven[0].record)


@given(data=st.data())
def test_no_byte_of_a_proof_can_be_changed(log, policy, data):
    """A proof with any byte changed does not check."""
    (proof,) = prove_records(log, [123])
    text = bytearray(proof.encode())
    text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises((ProofError, UnicodeDecodeError)):
        check(text.decode(), policy)


def test_a_record_cannot_stand_in_for_another(log, policy):
    """One record under the proof of another does not check."""
    first, second = (proof.split("\n") for proof in prove_records(log, [4, 5]))
    first[1] = second[1]
    with pytest.raises(ProofError):
        check("\n".join(first), policy)


def test_trusting_nobody(log):
    """Under a policy without keys nothing is proven."""
    (proof,) = prove_records(log, [0])
    with pytest.raises(ProofError, match="no signature"):
        check(proof, Policy(()))


@pytest.mark.parametrize(
    "text", ["", "c2sp.org/tlog-proof@v1\nindex 0\n\nnote", "c2sp.org/tlog-proof@v1\nextra e30=\nindex 01\n\nn"]
)
def test_what_is_no_proof(text, policy):
    """Other text is no proof."""
    with pytest.raises(ProofError):
        check(text, policy)


def test_what_cannot_be_proven(log, tmp_path):
    """A call that is not there, a record not signed yet, and a log without heads have no proof."""
    with pytest.raises(ProofError, match="no record of call"):
        prove(log, "call_none")
    with pytest.raises(ProofError, match="again in a second"):
        prove_records(log, [301])
    with recording(tmp_path) as recorder:
        recorder.append_blocking(decided())
        Layout(tmp_path).policy.unlink()
        with pytest.raises(ProofError, match="nothing can be proven"):
            prove_records(tmp_path, [0])
