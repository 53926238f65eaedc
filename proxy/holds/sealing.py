"""What is held is kept sealed: AES-256-GCM under a key that lies beside the store, not in it."""

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proxy.errors import CountersignError
from proxy.files import publish_once

_FORMAT = b"\x01"
_NONCE_BYTES = 12
_KEY_BYTES = 32


class SealBroken(CountersignError):
    """What was sealed cannot be opened: another key, another hold's, or altered."""


class Sealer:
    """Seals and opens bytes, each bound to a name (the hold's id) under which alone it opens."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise CountersignError(f"the sealing key has {len(key)} bytes: it must have {_KEY_BYTES}")
        self._cipher = AESGCM(key)

    @classmethod
    def from_file(cls, path: Path) -> "Sealer":
        """The sealer of this key file, which is made (mode 0600) if it does not exist."""
        try:
            if not path.exists():
                publish_once(path, os.urandom(_KEY_BYTES))
            mode = path.stat().st_mode & 0o777
            key = path.read_bytes()
        except OSError as error:
            raise CountersignError(f"cannot use the sealing key `{path}`: {error.strerror}") from error
        if mode & 0o077:
            raise CountersignError(f"others may read the sealing key `{path}` (mode {mode:04o}): run chmod 600 on it")
        if len(key) != _KEY_BYTES:
            raise CountersignError(f"the sealing key `{path}` has {len(key)} bytes instead of {_KEY_BYTES}")
        return cls(key)

    def seal(self, plain: bytes, name: str) -> bytes:
        """The sealed bytes; equal input never gives equal output."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, plain, name.encode())

    def open(self, sealed: bytes, name: str) -> bytes:
        """What was sealed under this name; raises `SealBroken` for anything else."""
        if sealed[:1] != _FORMAT or len(sealed) <= 1 + _NONCE_BYTES:
            raise SealBroken(f"what is sealed for `{name}` is not in a known form")
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, name.encode())
        except InvalidTag as error:
            raise SealBroken(f"what is sealed for `{name}` cannot be opened with this key") from error
