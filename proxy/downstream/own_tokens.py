"""Our own transaction tokens, shown to us again: by our own keys, for our own trust domain, in their time."""

import json
from collections.abc import Callable, Mapping

from policies.model import Json
from proxy.downstream.account import Account, account_of
from proxy.downstream.key_set import KeySet
from proxy.downstream.profile import issuer_of, trust_domain
from proxy.downstream.reading import read
from proxy.downstream.verifier import check_issuance, check_signature, check_times


class OwnTxnTokens:
    """Verifies what a `Minter` of this trust domain made. `jwks` are our own keys, at a time; `epoch` moves when
    some of them are withdrawn.

    Which request a token was for is not compared: who asks must be the one behind that request's destination.
    """

    def __init__(
        self, domain: str, jwks: Callable[[float], Mapping[str, Json]], epoch: Callable[[], int] = lambda: 0
    ) -> None:
        self._domain = trust_domain(domain)
        self._issuer = issuer_of(domain)
        self._jwks = jwks
        self._now = 0.0
        self._epoch, self._read_at = epoch, epoch()
        self._keys = self._unread()

    def _unread(self) -> KeySet:
        return KeySet(lambda: json.dumps(self._jwks(self._now)).encode())

    def verify(self, token: str, now: float) -> Account:
        """What this token tells; `Rejected` if it is none of ours, or not valid now: the clock is ours too."""
        self._now, unverified = now, read(token)
        if self._read_at != self._epoch():
            self._keys, self._read_at = self._unread(), self._epoch()
        check_signature(token, unverified, self._keys.find(unverified.key_id, now))
        check_issuance(unverified.claims, self._issuer, self._domain)
        account = account_of(unverified.claims, self._issuer)
        check_times(account, now, 0)
        return account
