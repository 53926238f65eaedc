"""Our own task tokens as evidence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model import Json
from proxy.downstream.signer import Signer
from proxy.errors import Refused
from proxy.identity import task_tokens as module
from proxy.identity.compact import read
from proxy.identity.task_tokens import TYP, TaskToken, TaskTokenReader, current_actor
from tests.fakes.accounts import with_parts
from tests.fakes.issuer import NOW, claims, header, sign

ISSUER = "https://gov.example"
PROXY = "https://gov.example/proxy"


class Ours:
    """A signer, and a reader of what it signs."""

    def __init__(self, folder: Path) -> None:
        self.signer = Signer.open(folder / "keys", NOW)
        self.reader = TaskTokenReader(ISSUER, PROXY, self.signer.jwks)

    def token(self, typ: str = "at+jwt", **changes: Any) -> str:
        good = {
            "iss": ISSUER, "sub": "bot", "aud": PROXY, "iat": int(NOW), "exp": int(NOW) + 900, "jti": "tok_1",
            "client_id": "bot", "task": "task_1",
        }  # fmt: skip
        return self.signer.sign({k: v for k, v in (good | changes).items() if v is not ...}, typ)

    def read(self, token: str, now: float = NOW) -> TaskToken:
        return self.reader.verify(token, now)


@pytest.fixture
def ours(tmp_path: Path) -> Ours:
    """A pair of signer and reader."""
    return Ours(tmp_path)


def test_a_token_says_whose_task_it_is(ours: Ours) -> None:
    """Its holder is the current actor, or the subject where nobody else acts."""
    token = ours.read(ours.token(via=["handle:hnd_1"]))
    assert (token.id, token.task, token.actor, token.via) == ("tok_1", "task_1", "bot", ("handle:hnd_1",))
    assert (token.instance, ours.read(ours.token(instance="7")).instance) == ("", "7")
    delegated = ours.token(sub="frank", act={"sub": "b", "act": {"sub": "a"}})
    assert ours.read(delegated).actor == "b"
    assert ours.reader.recognises(delegated)
    assert not ours.reader.recognises(sign(claims(), header()))
    assert not ours.reader.recognises("nonsense")


def test_it_names_the_key_that_signed_it(ours: Ours) -> None:
    """Which ends with what was signed by its scope alone: a task may outlive the time for which a key is published."""
    token = ours.read(ours.token())
    assert token.key_id == ours.signer.key_id
    assert ours.reader.holds(token.key_id, NOW)
    assert ours.reader.holds("one that is published no more", NOW + 36_000)


def test_it_may_be_bound_to_a_certificate(ours: Ours) -> None:
    """Which one, it says itself; whoever shows it must prove to hold that one's key."""
    assert ours.read(ours.token()).bound_to == ""
    assert ours.read(ours.token(cnf={"x5t#S256": "a" * 43}, sub_profile="ai_agent")).bound_to == "a" * 43


def test_it_ends_to_the_second(ours: Ours) -> None:
    """Our clock needs no tolerance, and what was read before is not believed for longer."""
    token = ours.token()
    ours.read(token, NOW + 899)
    with pytest.raises(Refused, match="identity_expired"):
        ours.read(token, NOW + 900)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other"},
        {"aud": "https://other"},
        {"aud": [PROXY]},
        {"aud": ISSUER},
        {"exp": int(NOW) + 901},
        {"exp": int(NOW)},
        {"iat": int(NOW) + 1},
        {"iat": True},
        {"exp": "9"},
        {"task": ...},
        {"task": ""},
        {"task": 7},
        {"sub": ...},
        {"sub": ["bot"]},
        {"sub": 7, "act": {"sub": "b"}},
        {"jti": ...},
        {"jti": 7},
        {"client_id": ...},
        {"client_id": ["bot"]},
        {"may_act": {"sub": "x"}},
        {"cnf": {}},
        {"cnf": None},
        {"cnf": {"jkt": "x"}},
        {"via": "handle:x"},
        {"via": [1]},
        {"via": ["x"] * 49},
        {"instance": 7},
        {"instance": ""},
        {"instance": None},
        {"instance": "a b"},
        {"act": "a"},
        {"act": None},
        {"act": ["a"]},
        {"act": {}},
        {"act": {"sub": 7}},
        {"act": {"sub": "a", "act": "b"}},
        {"act": {"sub": "a", "act": None}},
        {"act": {"sub": "a", "act": {"iss": "x"}}},
    ],
)
def test_a_claim_that_we_never_mint_is_no_token(ours: Ours, changes: dict[str, Any]) -> None:
    """Even under our own key: every level of the chain is an object with a subject, and nothing else is there."""
    with pytest.raises(Refused) as caught:
        ours.read(ours.token(**changes))
    assert caught.value.refusal.reason in {"identity_invalid", "identity_expired"}


@pytest.mark.parametrize("typ", ["txntoken+jwt", "jwt", "JWT", "id_token+jwt"])
def test_what_we_sign_for_another_purpose_is_no_task_token(ours: Ours, typ: str) -> None:
    """Transaction tokens and whatever comes later have types of their own."""
    with pytest.raises(Refused):
        ours.read(ours.token(typ))


def test_only_our_own_keys_count(ours: Ours, tmp_path: Path) -> None:
    """Not another house's, not one that the token names itself; an old key counts while it is published."""
    (tmp_path / "other").mkdir()
    other = Ours(tmp_path / "other")
    with pytest.raises(Refused):
        ours.read(other.token())
    before = ours.token()
    assert ours.signer.rotate_if_due(NOW + 31 * 86_400)
    later = NOW + 31 * 86_400
    fresh = TaskTokenReader(ISSUER, PROXY, ours.signer.jwks)
    after = ours.token(iat=int(later), exp=int(later) + 60)
    assert fresh.verify(after, later).id == "tok_1"
    assert TaskTokenReader(ISSUER, PROXY, lambda now: ours.signer.jwks(now)).verify(before, NOW).id == "tok_1"


def test_a_key_that_was_changed_twice_in_a_moment_counts(ours: Ours) -> None:
    """The second one was published by nobody's last look; a made-up one makes us look once a second, and no more."""
    looks: list[float] = []

    def jwks(now: float) -> Mapping[str, Json]:
        looks.append(now)
        return ours.signer.jwks(now)

    reader = TaskTokenReader(ISSUER, PROXY, jwks)
    reader.verify(ours.token(), NOW)
    for _ in range(2):
        ours.signer.rotate(NOW, withdraw=False)
    assert reader.verify(ours.token(jti="tok_2"), NOW + 2).id == "tok_2"
    assert looks == [NOW, NOW + 2]
    made_up = with_parts(ours.token(), head={"typ": TYP, "alg": "ES256", "kid": "made-up"})
    for seconds in (2.0, 2.5, 2.9, 3.1, 3.5):
        with pytest.raises(Refused):
            reader.verify(made_up, NOW + seconds)
    assert looks == [NOW, NOW + 2, NOW + 3.1]


def test_the_name_of_our_key_is_not_its_signature(ours: Ours) -> None:
    """The same claims under our key's name by another key, or with nothing signed, are nothing."""
    good = ours.token()
    assert ours.read(good).id == "tok_1"
    said = read(good)
    for forged in (sign(dict(said.claims), dict(said.header), name="k1"), good.rpartition(".")[0] + "."):
        with pytest.raises(Refused, match="identity_invalid"):
            ours.read(forged)
    with pytest.raises(Refused, match="identity_invalid"):
        ours.read(sign(dict(said.claims), {**said.header, "alg": "RS256"}, name="rsa"))


def test_a_key_that_is_withdrawn_ends_what_it_signed(ours: Ours) -> None:
    """At once where it is known of, read before or not; by itself within a minute for what was not read before."""
    keys, epoch = ours.signer.jwks(NOW), 0
    reader = TaskTokenReader(ISSUER, PROXY, lambda _: keys, lambda: epoch)
    token, other = ours.token(), ours.token(jti="tok_2")
    reader.verify(token, NOW)
    keys = {"keys": []}
    assert reader.verify(other, NOW + 59).id == "tok_2"
    with pytest.raises(Refused, match="identity_invalid"):
        reader.verify(ours.token(jti="tok_3"), NOW + 60)
    assert reader.verify(token, NOW + 60).id == "tok_1"
    epoch += 1
    with pytest.raises(Refused, match="identity_invalid"):
        reader.verify(token, NOW + 60)


def test_only_so_many_are_remembered(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest makes room."""
    monkeypatch.setattr(module, "_CACHED", 1)
    ours.read(ours.token())
    ours.read(ours.token(jti="tok_2"))
    assert [one.id for one in ours.reader._known.values()] == ["tok_2"]


def test_a_chain_deeper_than_we_mint_is_refused() -> None:
    """Eight actors pass, nine do not; nothing is cut off."""
    level: dict[str, Any] = {"sub": "a0"}
    for depth in range(1, 8):
        level = {"sub": f"a{depth}", "act": level}
    assert current_actor({"sub": "x", "act": level}) == "a7"
    with pytest.raises(Refused):
        current_actor({"sub": "x", "act": {"sub": "a8", "act": level}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["sub", "act", "iss"]), inner),
    max_leaves=8,
)


@given(JSON)
def test_any_actor_is_somebody_or_refused(act: Any) -> None:
    """A text or a refusal; never anything else."""
    try:
        actor = current_actor({"sub": "x", "act": act})
    except Refused:
        return
    assert isinstance(actor, str)


@given(st.text(max_size=40))
def test_any_text_is_refused_or_nothing_of_ours(text: str) -> None:
    """Whatever is shown, reading it ends in a refusal."""
    reader = TaskTokenReader(ISSUER, PROXY, lambda _: {"keys": []})
    assert not reader.recognises(text)
    with pytest.raises(Refused):
        reader.verify(text, NOW)
