"""HTTP Basic (RFC 7617) with a secret of ours."""

from proxy.credentials.means import Means
from proxy.credentials.placing import as_basic
from proxy.facts import BasicBinding
from proxy.stages import Identity, Injection, Request


class Basic:
    """Reads the secret anew for each request. Waits for nothing."""

    def __init__(self, means: Means) -> None:
        self._references = means.references

    async def obtain(self, binding: BasicBinding, request: Request, identity: Identity, now: float) -> Injection:  # noqa: ARG002 - the seam's
        """The pair, with the secret as it is now; both the secret and the encoded pair are looked for in answers."""
        return as_basic(binding, self._references.read(binding.secret), binding.username, binding.password)
