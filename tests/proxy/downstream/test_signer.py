"""Signing, publishing and changing keys."""

from pathlib import Path

import jwt
import pytest

from proxy.downstream.profile import MAX_LIFETIME
from proxy.downstream.signer import KEPT, OVERLAP, ROTATE_AFTER, Signer
from proxy.tasks.task import MAX_LIFE
from tests.fakes.accounts import NOW, signer

assert KEPT >= MAX_LIFE


def decoded(signed: str, signer: Signer, now: float) -> dict:
    """By PyJWT, with the published keys."""
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(signer.jwks(now)).keys}
    return jwt.decode(signed, keys[jwt.get_unverified_header(signed)["kid"]], algorithms=["ES256"])


def test_another_library_verifies_what_we_sign(tmp_path: Path) -> None:
    """A compact JWS of ES256 with `typ` and `kid`, every time."""
    made = signer(tmp_path)
    for number in range(50):  # r and s have leading zeros now and then
        signed = made.sign({"n": number})
        assert decoded(signed, made, NOW) == {"n": number}
    assert jwt.get_unverified_header(signed) == {"typ": "txntoken+jwt", "alg": "ES256", "kid": made.key_id}


def test_the_next_key_is_published_before_it_signs(tmp_path: Path) -> None:
    """A service that read the keys long before a change knows the new one already."""
    made = signer(tmp_path)
    before = {key["kid"] for key in made.jwks(NOW)["keys"]}
    assert len(before) == 2
    assert not made.rotate_if_due(NOW + ROTATE_AFTER - 1)
    first = made.key_id
    assert made.rotate_if_due(NOW + ROTATE_AFTER)
    assert made.key_id in before - {first}


def test_the_last_key_stays_published_for_longer_than_its_tokens_live(tmp_path: Path) -> None:
    """What was signed just before the change verifies until it expires; then the key goes."""
    made = signer(tmp_path)
    signed = made.sign({"n": 1})
    at = NOW + ROTATE_AFTER
    made.rotate_if_due(at)
    assert decoded(signed, made, at + 2 * MAX_LIFETIME) == {"n": 1}
    assert len(made.jwks(at + OVERLAP - 1)["keys"]) == 3
    assert len(made.jwks(at + OVERLAP)["keys"]) == 2
    made.rotate_if_due(at + ROTATE_AFTER)
    assert len(made.jwks(at + ROTATE_AFTER)["keys"]) == 3


def test_a_key_is_known_by_name_for_as_long_as_what_it_began_may_last(tmp_path: Path) -> None:
    """Published no more, and two changes ago: until a task that began in its last hour has ended."""
    made = signer(tmp_path)
    first = made.key_id
    made.rotate(NOW, withdraw=False)
    for at, known in ((NOW + OVERLAP, True), (NOW + OVERLAP + KEPT - 1, True), (NOW + OVERLAP + KEPT, False)):
        made.rotate(at, withdraw=False)
        assert first not in {key["kid"] for key in made.jwks(at)["keys"]}
        assert (first in made.key_ids) is known
    made.rotate(NOW + ROTATE_AFTER, withdraw=True)
    assert len(made.key_ids) == 2


def test_a_change_outlives_a_restart_and_is_made_up_for_at_one(tmp_path: Path) -> None:
    """The file holds the new keys; a server that was off when a change was due makes it when it starts."""
    made = signer(tmp_path)
    made.rotate_if_due(NOW + ROTATE_AFTER)
    assert signer(tmp_path).key_id == made.key_id
    late = Signer.open(tmp_path / "downstream.keys", NOW + 3 * ROTATE_AFTER)
    assert late.key_id != made.key_id


def test_a_change_that_cannot_be_stored_is_not_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A key that nobody could find again must not sign: the old one goes on, and the operator hears of it."""
    folder = tmp_path / "state"
    folder.mkdir()
    made = signer(folder)
    first = made.key_id
    folder.rename(tmp_path / "gone")
    assert not made.rotate_if_due(NOW + ROTATE_AFTER)
    assert made.key_id == first
    assert "the signing key stays" in caplog.text


def test_no_private_part_is_published(tmp_path: Path) -> None:
    """Every member of every key is public."""
    for key in signer(tmp_path).jwks(NOW)["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_a_change_before_its_time_keeps_the_old_key_for_what_it_signed(tmp_path: Path) -> None:
    """As one in time does: the coming key signs, which everybody knows by now."""
    made = signer(tmp_path)
    known, signed, first = {key["kid"] for key in made.jwks(NOW)["keys"]}, made.sign({"n": 1}), made.key_id
    made.rotate(NOW, withdraw=False)
    assert made.key_id in known - {first}
    assert decoded(signed, made, NOW + MAX_LIFETIME) == {"n": 1}
    assert made.epoch == 0


def test_each_of_several_keys_stays_for_what_it_signed(tmp_path: Path) -> None:
    """However soon another change follows; and once it has ended it is kept nowhere."""
    made = signer(tmp_path)
    signed = []
    for _ in range(3):
        signed.append(made.sign({"n": len(signed)}))
        made.rotate(NOW, withdraw=False)
    assert [decoded(one, made, NOW)["n"] for one in signed] == [0, 1, 2]
    before = len((tmp_path / "downstream.keys").read_bytes())
    later = NOW + OVERLAP + KEPT
    made.rotate(later, withdraw=False)
    assert len(made.jwks(later)["keys"]) == len(made.key_ids) == 3
    assert len((tmp_path / "downstream.keys").read_bytes()) < before


def test_withdrawn_keys_are_gone_at_once_and_the_coming_one_with_them(tmp_path: Path) -> None:
    """All of them lay in one file. It stays so after a restart."""
    made = signer(tmp_path)
    made.rotate(NOW, withdraw=False)
    before = {key["kid"] for key in made.jwks(NOW)["keys"]}
    made.rotate(NOW, withdraw=True)
    after = {key["kid"] for key in made.jwks(NOW)["keys"]}
    assert (len(before), len(after), before & after, made.epoch) == (3, 2, set(), 1)
    assert signer(tmp_path).key_id == made.key_id
    assert decoded(made.sign({"n": 2}), made, NOW) == {"n": 2}


def test_a_change_that_cannot_be_stored_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a restart would bring the withdrawn keys back."""
    made = signer(tmp_path)
    before = made.jwks(NOW)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("proxy.downstream.signer.replace_key_file", full)
    with pytest.raises(OSError, match="No space"):
        made.rotate(NOW, withdraw=True)
    assert (made.jwks(NOW), made.epoch) == (before, 0)
