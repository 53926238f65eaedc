"""Several pieces of evidence as one."""

from itertools import permutations
from typing import Any

import pytest

from proxy.errors import Refused
from proxy.identity.agreement import agreed
from proxy.stages import Proven

TD = "spiffe://prod.example"


def piece(method: str, **changes: Any) -> Proven:
    """A piece of evidence for one agent."""
    good = {
        "agent": "bot", "method": method, "credential": method, "issued_at": 100.0, "not_after": 200.0,
        "task": f"task of {method}", "scopes": (f"token:{method}",),
    }  # fmt: skip
    return Proven(**(good | changes))


HANDLE = piece("opaque_handle", not_after=150.0)
CERTIFICATE = piece("x509_svid", issuer=TD, subject=f"{TD}/bot/7", instance="7", issued_at=50.0)
TOKEN = piece("jwt", issuer="https://idp", subject="bot", not_after=120.0)
PEER = piece("peercred", issuer="unix", subject="uid=7", issued_at=0.0)


def test_all_together_are_as_short_as_the_shortest() -> None:
    """In any order: the task and method of the strongest, the earliest end, the scopes of all."""
    for pieces in permutations((HANDLE, CERTIFICATE, TOKEN, PEER)):
        whole = agreed(pieces)
        assert (whole.method, whole.credential, whole.task) == (
            "opaque_handle", "opaque_handle", "task of opaque_handle",
        )  # fmt: skip
        assert (whole.issued_at, whole.not_after) == (0.0, 120.0)
        assert set(whole.scopes) == {"token:opaque_handle", "token:x509_svid", "token:jwt", "token:peercred"}
        assert (whole.issuer, whole.subject, whole.instance) == (TD, f"{TD}/bot/7", "7")


def test_the_piece_that_is_hardest_to_steal_gives_the_method() -> None:
    """What is of a task, then a certificate, then tokens, then the word of the kernel."""
    assert agreed([TOKEN, CERTIFICATE]).method == "x509_svid"
    assert agreed([PEER, TOKEN]).method == "jwt"
    assert agreed([PEER, HANDLE]).method == "opaque_handle"
    token = piece("task_token", task="task_1")
    assert {agreed(pieces).task for pieces in permutations((token, CERTIFICATE, TOKEN, PEER))} == {"task_1"}
    assert (agreed([HANDLE, PEER]).issuer, agreed([PEER, TOKEN]).issuer) == ("unix", "https://idp")


def test_whoever_is_to_be_asked_again_still_is() -> None:
    """A token beside something stronger ends both when its cluster says no."""
    word = "key:https://cluster|7"
    token = piece("k8s_tokenreview", issuer="https://cluster", subject="bot", scopes=(word,))
    for pieces in permutations((HANDLE, CERTIFICATE, token)):
        assert word in agreed(pieces).scopes


def test_a_key_behind_any_of_them_ends_all_of_them() -> None:
    """The keys of every piece are asked for, the stronger one's and those of a token beside it."""
    certificate = piece("x509_svid", issuer=TD, subject=f"{TD}/bot/7", keys=((TD, 1),))
    token = piece("jwt", issuer="https://idp", subject="bot", keys=(("https://idp", 2),))
    for pieces in permutations((HANDLE, certificate, token)):
        assert set(agreed(pieces).keys) == {(TD, 1), ("https://idp", 2)}


def test_they_are_as_old_as_the_oldest_that_says_when_it_was_made() -> None:
    """What says nothing of it makes nothing younger or older; if none does, it stays unknown."""
    old = piece("x509_svid", issuer=TD, subject=f"{TD}/bot/7", made_at=120.0)
    new = piece("opaque_handle", made_at=140.0)
    for pieces in permutations((old, new, PEER)):
        assert agreed(pieces).made_at == 120.0
    assert agreed([TOKEN, PEER]).made_at == 0.0


def test_credentials_of_one_task_and_one_person_agree() -> None:
    """A handle and a task token that were issued for the same are two words for one thing."""
    token = piece("task_token", task=HANDLE.task)
    assert agreed([HANDLE, token]).task == agreed([token, HANDLE]).task == HANDLE.task


def test_one_piece_is_itself() -> None:
    """Nothing is added to it."""
    assert agreed([PEER]) is PEER


@pytest.mark.parametrize(
    "other",
    [
        piece("jwt", agent="other", issuer="https://idp", subject="bot"),
        piece("jwt", issuer=TD, subject=f"{TD}/bot/8"),
        piece("jwt", issuer="https://idp", subject="bot", instance="8"),
        piece("task_token", task="another"),
        piece("task_token", task="task of opaque_handle", on_behalf_of="alice"),
    ],
    ids=["another agent", "another subject of one issuer", "another instance", "another task", "another person"],
)
def test_any_two_that_disagree_are_refused(other: Proven) -> None:
    """Wherever they stand among others that agree."""
    for pieces in permutations((HANDLE, CERTIFICATE, other, PEER)):
        with pytest.raises(Refused, match="identity_conflict"):
            agreed(pieces)
