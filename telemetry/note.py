"""Signed notes: text, a blank line, Ed25519 signature lines (C2SP signed-note v1.0.0)."""

import base64
import binascii
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from telemetry.errors import NoteError, UnknownKey

_ED25519 = b"\x01"
_KEY_BYTES = 32
_DASH = "— "
_SIGNER_PREFIX = "PRIVATE+KEY+"
_MOST_SIGNATURES = 64


def key_name(name: str) -> str:
    """The name itself, if it can name a key: not empty, no whitespace, no `+`, nothing unprintable."""
    if not name or "+" in name or not name.isprintable() or any(letter.isspace() for letter in name):
        raise NoteError(f"`{name}` cannot name a key: use text without spaces or `+`, such as `example.com/log`")
    return name


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("what should be base64 is not") from error
    if base64.b64encode(data).decode() != text:
        raise NoteError("what should be base64 has stray bits")
    return data


def _read_key(text: str, prefix: str) -> tuple[str, bytes, bytes]:
    """(name, key id, key bytes) of `<prefix><name>+<8 hex digits>+<base64 of type and key>`."""
    name, plus, rest = text.removeprefix(prefix).partition("+")
    identity, plus2, encoded = rest.partition("+")
    if not text.startswith(prefix) or not plus or not plus2 or len(identity) != 8 or identity.lower() != identity:
        raise NoteError("the key is not of the form `<name>+<id>+<key>`")
    blob = _base64(encoded)
    if blob[:1] != _ED25519 or len(blob) != 1 + _KEY_BYTES:
        raise NoteError("the key is not an Ed25519 key")
    try:
        return key_name(name), bytes.fromhex(identity), blob[1:]
    except ValueError as error:
        raise NoteError("the key's id is not hexadecimal") from error


class Verifier:
    """A key that we trust. `vkey` is its text form."""

    __slots__ = ("_key", "id", "name", "vkey")

    def __init__(self, vkey: str) -> None:
        self.name, self.id, public = _read_key(vkey, "")
        if self.id != _key_id(self.name, public):
            raise NoteError(f"the key of `{self.name}` does not match its id")
        self.vkey = vkey
        self._key = Ed25519PublicKey.from_public_bytes(public)

    def holds(self, text: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, text)
        except InvalidSignature:
            return False
        return True


class Signer:
    """A private key with its name. `text` is its only secret form; never print it."""

    __slots__ = ("_key", "id", "name", "vkey")

    def __init__(self, text: str) -> None:
        self.name, self.id, seed = _read_key(text, _SIGNER_PREFIX)
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        if self.id != _key_id(self.name, public):
            raise NoteError(f"the private key of `{self.name}` does not match its id")
        self.vkey = f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + public).decode()}"

    def sign(self, text: str) -> str:
        """The note: this text with our signature. The text ends with a newline."""
        if not text.endswith("\n"):
            raise NoteError("the text of a note must end with a newline")
        signature = base64.b64encode(self.id + self._key.sign(text.encode())).decode()
        return f"{text}\n{_DASH}{self.name} {signature}\n"


def new_signer_key(name: str) -> str:
    """A fresh private key for this name, in text form."""
    key = Ed25519PrivateKey.generate()
    identity = _key_id(key_name(name), key.public_key().public_bytes_raw())
    return f"{_SIGNER_PREFIX}{name}+{identity.hex()}+{base64.b64encode(_ED25519 + key.private_bytes_raw()).decode()}"


def open_note(note: str, trusted: Sequence[Verifier]) -> str:
    """The text of a note that a trusted key signed. A bad signature by a trusted key spoils the whole note."""
    if any(letter < " " and letter != "\n" for letter in note):
        raise NoteError("a note has no control characters")
    head, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise NoteError("a note is a text, an empty line, and signature lines")
    text = head + "\n"
    lines = tail[:-1].split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise NoteError("the note has too many signatures")
    known = {(verifier.name, verifier.id): verifier for verifier in trusted}
    verified = False
    for line in lines:
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        blob = _base64(encoded)
        if not line.startswith(_DASH) or not space or len(blob) <= 4:
            raise NoteError("a signature line is malformed")
        verifier = known.get((key_name(name), blob[:4]))
        if verifier is None:
            continue
        if not verifier.holds(text.encode(), blob[4:]):
            raise NoteError(f"the signature of `{name}` does not hold")
        verified = True
    if not verified:
        raise UnknownKey("no signature by a trusted key")
    return text
