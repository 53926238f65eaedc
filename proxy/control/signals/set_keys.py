"""The keys of our security event tokens: RSA, since receivers must take RS256 (CAEP interoperability profile).

They are in a file of their own and published by themselves: no key here verifies a credential, and none of those an
event.
"""

from pathlib import Path

from proxy.control.signals.words import TYP
from proxy.downstream.key_file import KeyUse
from proxy.downstream.key_kinds import RS256
from proxy.downstream.signer import Signer

ROTATE_AFTER = 90 * 86_400
# How long a key that signs no more is still published: tokens are signed when they go, so that few are on the way.
OVERLAP = 7 * 86_400

EVENTS = KeyUse(RS256, "event", TYP, ROTATE_AFTER, OVERLAP)


def open_set_signer(path: Path, now: float) -> Signer:
    """The signer of this key file, made (mode 0600) if it does not exist; raises `CountersignError`."""
    return Signer.open(path, now, EVENTS)
