"""The file of the signing keys."""

import hashlib
import json
from pathlib import Path

import pytest

from proxy.downstream.key_file import KeyRing, fresh, open_key_file, replace_key_file, signing_key
from proxy.downstream.key_kinds import ES256
from proxy.downstream.signer import CALLS
from proxy.errors import CountersignError
from tests.fakes.accounts import NOW, b64


def test_the_first_start_makes_two_keys_that_only_we_may_read(tmp_path: Path) -> None:
    """One signs now, one will; the same two are there the next time, and no draft is left over."""
    path = tmp_path / "keys"
    ring = open_key_file(path, NOW, CALLS)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (ring.current.since, ring.coming.since, ring.retired) == (int(NOW), 0, ())
    again = open_key_file(path, NOW + 5, CALLS)
    assert (again.current.key_id, again.coming.key_id) == (ring.current.key_id, ring.coming.key_id)
    assert list(tmp_path.iterdir()) == [path]


def test_the_public_form_is_a_jwk_without_the_private_part() -> None:
    """It says its use and its one algorithm; its id is the RFC 7638 thumbprint."""
    key = fresh(ES256)
    assert set(key.public) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (key.public["use"], key.public["alg"], key.public["kid"]) == ("sig", "ES256", key.key_id)
    required = '{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}' % (key.public["x"], key.public["y"])  # noqa: UP031 - braces
    assert key.key_id == b64(hashlib.sha256(required.encode()).digest())
    assert signing_key(ES256, key.private).key_id == key.key_id


def test_what_was_replaced_is_read_back(tmp_path: Path) -> None:
    """Retired keys come back with the time of their end."""
    path = tmp_path / "keys"
    first = open_key_file(path, NOW, CALLS)
    ring = KeyRing(first.coming, fresh(ES256), (signing_key(ES256, first.current.private, int(NOW), int(NOW) + 9),))
    replace_key_file(path, ring)
    again = open_key_file(path, NOW, CALLS)
    assert again.current.key_id == first.coming.key_id
    assert [(key.key_id, key.until) for key in again.retired] == [(first.current.key_id, int(NOW) + 9)]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """Whoever can read the key can account for any call, so we do not start."""
    path = tmp_path / "keys"
    open_key_file(path, NOW, CALLS)
    path.chmod(0o640)
    with pytest.raises(CountersignError, match="others may read the signing keys"):
        open_key_file(path, NOW, CALLS)


def _without_coming(text: str) -> str:
    document = json.loads(text)
    document["keys"].pop()
    return json.dumps(document)


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "",
        lambda _: "[]",
        lambda _: "{}",
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: text.replace("MIGH", "AAAA"),
        lambda text: text.replace('"until": 0', '"until": "never"'),
        _without_coming,
    ],
)
def test_a_damaged_file_is_refused_in_words(tmp_path: Path, damage) -> None:
    """It is never replaced by fresh keys in silence: the services would refuse us without a reason to be found."""
    path = tmp_path / "keys"
    open_key_file(path, NOW, CALLS)
    path.write_text(damage(path.read_text()))
    with pytest.raises(CountersignError, match="does not hold our signing keys"):
        open_key_file(path, NOW, CALLS)


def test_a_place_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """Without the directory there is no key, and no start."""
    with pytest.raises(CountersignError, match="cannot use the signing keys"):
        open_key_file(tmp_path / "missing" / "keys", NOW, CALLS)


def test_a_failed_replacement_changes_nothing(tmp_path: Path) -> None:
    """What could not be put into place leaves no draft behind."""
    target = tmp_path / "keys"
    target.mkdir()
    with pytest.raises(OSError):  # noqa: PT011 - which of them is the system's to say
        replace_key_file(target, KeyRing(fresh(ES256), fresh(ES256)))
    assert list(tmp_path.iterdir()) == [target]
