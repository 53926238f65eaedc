"""Another user of this machine, as whom a program is to run."""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.errors import CountersignError

# Of the one who runs us, and wrong or unsafe for somebody else.
_OF_THE_CALLER = frozenset(
    {
        "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "MAIL", "SUDO_USER",
        "SUDO_UID", "SUDO_GID", "SUDO_COMMAND", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Account:
    """A user, with the groups that it is in."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The inherited one as this user's own would be."""
        kept = {name: value for name, value in inherited.items() if name not in _OF_THE_CALLER}
        return {**kept, "HOME": self.home, "USER": self.name, "LOGNAME": self.name, "SHELL": self.shell or "/bin/sh"}


def read_account(text: str, server_uid: int | None) -> Account:
    """The user of this name or uid; raises `CountersignError` where running as it is not possible, or no gain.

    `server_uid` is whose `countersign serve` is: a program of that user could use the operator's socket.
    """
    try:
        known = pwd.getpwuid(int(text)) if text.isascii() and text.isdigit() else pwd.getpwnam(text)
    except (KeyError, OverflowError, ValueError) as error:
        raise CountersignError(f"`--user {text}`: there is no such user on this machine") from error
    if known.pw_uid in {0, server_uid}:
        raise CountersignError(
            f"`--user {text}`: this user can read what Countersign keeps secret; give the agent a user of its own"
        )
    if os.geteuid() != 0:
        raise CountersignError("`--user` needs root: only root can run a program as another user")
    groups = tuple(os.getgrouplist(known.pw_name, known.pw_gid))
    if 0 in groups:
        raise CountersignError(f"`--user {text}`: this user is in the group of root; give the agent a user of its own")
    return Account(known.pw_name, known.pw_uid, known.pw_gid, groups, known.pw_dir, known.pw_shell)
