"""Signed notes, against the reference key and note of the specification's ecosystem."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import NoteError, UnknownKey
from telemetry.note import Signer, Verifier, key_name, new_signer_key, open_note

VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
NOTE = f"{TEXT}\n{SIGNATURE}"
PETER = Verifier(VKEY)


def test_reference_note_opens():
    """The reference note verifies under the reference key, and its text comes back."""
    assert open_note(NOTE, [PETER]) == TEXT


def test_reference_note_is_reproduced():
    """Signing the reference text with the reference key gives the reference note, byte for byte."""
    signer = Signer(SKEY)
    assert signer.sign(TEXT) == NOTE
    assert signer.vkey == VKEY


def test_unknown_signatures_are_ignored():
    """A further signature by a key that we do not know changes nothing."""
    other = Signer(new_signer_key("example.com/other"))
    both = NOTE + other.sign(TEXT).rpartition("\n\n")[2]
    assert open_note(both, [PETER]) == TEXT
    assert open_note(both, [Verifier(other.vkey)]) == TEXT


@pytest.mark.parametrize("trusted", [[], [Verifier(Signer(new_signer_key("example.com/other")).vkey)]])
def test_no_trusted_signature(trusted):
    """Without a signature by a trusted key, a note is nothing; an empty list of keys trusts nobody."""
    with pytest.raises(UnknownKey):
        open_note(NOTE, trusted)


def test_one_bad_signature_of_a_known_key_spoils_the_note():
    """A note with a good and a bad signature, both by trusted keys, is refused."""
    other = Signer(new_signer_key("example.com/other"))
    bad = other.sign("something else\n").rpartition("\n\n")[2]
    with pytest.raises(NoteError, match="does not hold"):
        open_note(NOTE + bad, [PETER, Verifier(other.vkey)])


@pytest.mark.parametrize(
    "note",
    [
        "",
        TEXT,
        TEXT + "\n",
        NOTE[:-1],
        NOTE + "\n",
        NOTE.replace("— ", "- "),
        NOTE.replace("— PeterNeumann ", "— PeterNeumann  "),
        NOTE.replace("x08go", "x08g*"),
        NOTE.replace("If you", "If\tyou"),
        TEXT + "\n— PeterNeumann x08gow==\n",
        NOTE + SIGNATURE * 64,
    ],
)
def test_malformed_notes(note):
    """A note that is not exactly of the form is refused."""
    with pytest.raises(NoteError):
        open_note(note, [PETER])


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(1, 255))
def test_no_byte_of_a_note_can_be_changed(position, change):
    """A note with any byte changed is refused."""
    data = bytearray(NOTE.encode())
    data[position] ^= change
    with pytest.raises((NoteError, UnicodeDecodeError)):
        open_note(data.decode(), [PETER])


@given(st.integers(0, len(VKEY)), st.integers(0, len(VKEY)))
def test_parts_of_a_key_are_no_key(start, end):
    """No proper part of a verifier key is accepted as a key."""
    if (start, end) != (0, len(VKEY)):
        with pytest.raises(NoteError):
            Verifier(VKEY[start:end])


@given(st.integers(0, len(VKEY) - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_changed_key_is_no_key(position, letter):
    """A verifier key with any character changed is refused: its id covers name and key."""
    changed = VKEY[:position] + letter + VKEY[position + 1 :]
    if changed != VKEY:
        with pytest.raises(NoteError):
            Verifier(changed)


@pytest.mark.parametrize(
    "key", ["PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==", "", "a+b"]
)
def test_other_keys(key):
    """A key of another length, another type, or no form at all is refused."""
    with pytest.raises(NoteError):
        Verifier(key)
    with pytest.raises(NoteError):
        Signer(key)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb"])
def test_names_that_cannot_name_a_key(name):
    """A key's name has no spaces and no plus, and is not empty."""
    with pytest.raises(NoteError):
        key_name(name)


def test_text_ends_with_a_newline():
    """A text without its final newline is not signed."""
    with pytest.raises(NoteError):
        Signer(SKEY).sign("no newline")


def test_fresh_keys_differ():
    """Each new key is another one, and reads back."""
    first, second = new_signer_key("example.com/log"), new_signer_key("example.com/log")
    assert first != second
    assert Signer(first).vkey != Signer(second).vkey
