"""What the connection and its layers share about one agent connection."""

import time
from collections.abc import Callable

from proxy.errors import Refusal
from proxy.listener.account import Account
from proxy.listener.evidence import SocketEvidence
from proxy.listener.guarded import GuardedGate
from proxy.listener.options import ListenerOptions
from proxy.listener.permit import Permit, Permits
from proxy.stages import Evidence, Reply


class Session:
    """One agent connection: who it talks to, what is under way, and until when it must have sent more.

    `deadline` is on `clock`; None while the agent waits for us. After `prove_by`, who is not proven is waited for no
    more. `account` is the latest call's. On a `multiplexed`
    connection there is none such: several calls are under way at a time, each with its own.
    """

    def __init__(
        self,
        connection: str,
        peer: str,
        gate: GuardedGate,
        options: ListenerOptions,
        clock: Callable[[], float],
        socket: SocketEvidence = SocketEvidence(),  # noqa: B008 - frozen
    ) -> None:
        self.connection = connection
        self.peer = peer
        self.gate = gate
        self.options = options
        self.clock = clock
        self._socket = socket
        self.permits = Permits()
        self.account: Account | None = None
        self._accounts: set[Account] = set()
        self.multiplexed = False
        self.draining = False
        self.busy = False
        self.deadline: float | None = clock() + options.header_timeout
        self.prove_by = clock() + options.proof_timeout

    def evidence(self, presented: Evidence | None) -> Evidence | None:
        """With what the socket proves. None stays None: inside a tunnel nobody shows anything any more."""
        return None if presented is None else self._socket.beside(presented)

    def released(self, permit: Permit) -> Account:
        """A call has been released: from here on it is accounted for, and its permit is in force."""
        self.permits.add(permit)
        account = Account(self.gate, self.permits, permit, time.time)
        if not self.multiplexed:
            self._accounts.clear()
            self.account = account
        self._accounts.add(account)
        return account

    def forget(self, account: Account) -> None:
        """This call, one of several, is over: nothing of it is kept."""
        self._accounts.discard(account)

    @property
    def passing(self) -> bool:
        """Whether a released call is under way."""
        return any(not account.ended for account in self._accounts)

    def still_allowed(self, account: Account | None = None) -> str | None:
        """None, or the reason why nothing more may pass: of this call, else on this connection."""
        if account is None and not self.multiplexed:
            account = self.account
        released = account.permit.released if account is not None and not account.ended else None
        return self.gate.still_allowed(self.connection, released)

    def expect_within(self, seconds: float | None) -> None:
        """The agent must send more within this time; None: it waits for us."""
        self.deadline = None if seconds is None else self.clock() + seconds

    def abandon(self, error: str) -> None:
        """The connection is over. Calls that were under way are accounted for, and nothing may be sent any more."""
        for account in self._accounts:
            account.fail(error)
        self.permits.clear()

    async def refuse(self, refusal: Refusal, summary: str) -> Reply:
        return await self.gate.refuse(refusal, self.connection, self.peer, summary)
