"""Another user of this machine, as whom a program is to run."""

import os
import pwd

import pytest

from proxy.cli import account
from proxy.cli.account import Account, read_account
from proxy.errors import CountersignError

SOMEBODY = next(one for one in pwd.getpwall() if one.pw_uid not in {0, os.geteuid()} and one.pw_gid != 0)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@as_root
@pytest.mark.parametrize("text", [SOMEBODY.pw_name, str(SOMEBODY.pw_uid)])
def test_by_name_and_by_number(text: str) -> None:
    """Both are the same user, with its groups and its home."""
    read = read_account(text, server_uid=None)
    assert (read.name, read.uid, read.gid) == (SOMEBODY.pw_name, SOMEBODY.pw_uid, SOMEBODY.pw_gid)
    assert SOMEBODY.pw_gid in read.groups
    assert (read.home, read.shell) == (SOMEBODY.pw_dir, SOMEBODY.pw_shell)


@pytest.mark.parametrize(
    ("text", "server_uid", "words"),
    [
        ("no-such-user", None, "no such user"),
        ("4294967290", None, "no such user"),
        ("99999999999999999999", None, "no such user"),
        ("", None, "no such user"),
        ("-1", None, "no such user"),
        ("root", None, "user of its own"),
        ("0", None, "user of its own"),
        (SOMEBODY.pw_name, SOMEBODY.pw_uid, "user of its own"),
    ],
)
def test_who_nothing_runs_as(text: str, server_uid: int | None, words: str) -> None:
    """Nobody, root, and the user of `countersign serve`, whose secrets the program could read."""
    with pytest.raises(CountersignError, match=words):
        read_account(text, server_uid)


def test_only_root_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """For others it is refused before anything is started."""
    monkeypatch.setattr(account.os, "geteuid", lambda: 1000)
    with pytest.raises(CountersignError, match="needs root"):
        read_account(SOMEBODY.pw_name, None)


def test_a_user_in_the_group_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a user is close enough to root to be refused."""
    monkeypatch.setattr(account.os, "geteuid", lambda: 0)
    monkeypatch.setattr(account.os, "getgrouplist", lambda *_: [SOMEBODY.pw_gid, 0])
    with pytest.raises(CountersignError, match="group of root"):
        read_account(SOMEBODY.pw_name, None)


def test_the_environment_of_a_user() -> None:
    """Its own home and name; what belongs to the caller's session is gone; all else stays."""
    bot = Account("bot", 4711, 4711, (4711,), "/srv/bot", "")
    inherited = {"HOME": "/root", "USER": "root", "SUDO_USER": "ann", "SSH_AUTH_SOCK": "/x", "PATH": "/bin"}
    assert bot.environment(inherited) == {
        "PATH": "/bin", "HOME": "/srv/bot", "USER": "bot", "LOGNAME": "bot", "SHELL": "/bin/sh",
    }  # fmt: skip
