"""The keys of our events: RSA, in a file of their own, changed in time."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.control.signals.set_keys import OVERLAP, ROTATE_AFTER, open_set_signer
from proxy.downstream.signer import Signer
from proxy.errors import CountersignError

NOW = 1_800_000_000


def read(token, signer, now=NOW):
    keys = {key["kid"]: key for key in signer.jwks(now)["keys"]}
    head = jwt.get_unverified_header(token)
    return head, jwt.decode(token, jwt.PyJWK(keys[head["kid"]]), algorithms=["RS256"])


def test_a_token_is_verified_by_a_published_key(tmp_path):
    """RS256 of 2048 bits, its own `typ`, and only the public half is told."""
    signer = open_set_signer(tmp_path / "keys", NOW)
    head, claims = read(signer.sign({"jti": "x"}), signer)
    assert (head["typ"], head["alg"], claims) == ("secevent+jwt", "RS256", {"jti": "x"})
    for key in signer.jwks(NOW)["keys"]:
        assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
        assert jwt.PyJWK(key).key.key_size == 2048
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
    again = open_set_signer(tmp_path / "keys", NOW)
    assert again.jwks(NOW) == signer.jwks(NOW)


def test_keys_change_in_time_and_the_old_ones_verify_for_a_while(tmp_path):
    """The next was published before it signs; the last is until nothing of it is on the way."""
    signer = open_set_signer(tmp_path / "keys", NOW)
    old = signer.sign({"n": 1})
    coming = signer.jwks(NOW)["keys"][1]["kid"]
    assert not signer.rotate_if_due(NOW + ROTATE_AFTER - 1)
    later = NOW + ROTATE_AFTER
    assert signer.rotate_if_due(later)
    assert read(signer.sign({"n": 2}), signer)[0]["kid"] == coming
    assert read(old, signer, later + OVERLAP - 1)[1] == {"n": 1}
    assert len(signer.jwks(later + OVERLAP)["keys"]) == 2
    assert open_set_signer(tmp_path / "keys", later).jwks(later) == signer.jwks(later)


def test_a_key_that_cannot_be_stored_does_not_sign(tmp_path, caplog):
    """The old one goes on; the log says why."""
    folder = tmp_path / "state"
    folder.mkdir()
    signer = open_set_signer(folder / "keys", NOW)
    before = signer.jwks(NOW)
    (folder / "keys").unlink()
    folder.rmdir()
    assert not signer.rotate_if_due(NOW + ROTATE_AFTER)
    assert signer.jwks(NOW) == before
    assert "cannot be written" in caplog.text


def pem(bits):
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"version": 2, "keys": []}',
        '{"version": 1, "keys": []}',
        '{"version": 1, "keys": [{"pem": "x", "since": 0, "until": 0}]}',
        json.dumps({"version": 1, "keys": [{"pem": pem(1024), "since": 0, "until": 0}] * 2}),
        json.dumps({"version": 1, "keys": [{"pem": pem(2048), "since": "x", "until": 0}] * 2}),
    ],
    ids=["empty", "list", "version", "none", "pem", "weak", "time"],
)
def test_a_file_that_is_not_ours_is_named(tmp_path, text):
    """And never replaced."""
    path = tmp_path / "keys"
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(CountersignError, match="does not hold our event keys; restore it, or remove it"):
        open_set_signer(path, NOW)
    assert path.read_text() == text


def test_keys_of_credentials_do_not_sign_events(tmp_path):
    """The file of one kind is refused as the other's, both ways."""
    Signer.open(tmp_path / "ec", NOW)
    open_set_signer(tmp_path / "rsa", NOW)
    with pytest.raises(CountersignError):
        open_set_signer(tmp_path / "ec", NOW)
    with pytest.raises(CountersignError):
        Signer.open(tmp_path / "rsa", NOW)
