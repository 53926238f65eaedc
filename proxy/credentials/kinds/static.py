"""One secret of ours in one header, or in one query parameter."""

from proxy.credentials.means import Means
from proxy.credentials.placing import in_place
from proxy.facts import StaticBinding
from proxy.stages import Identity, Injection, Request


class Static:
    """Reads the secret anew for each request. Waits for nothing."""

    def __init__(self, means: Means) -> None:
        self._references = means.references

    async def obtain(self, binding: StaticBinding, request: Request, identity: Identity, now: float) -> Injection:  # noqa: ARG002 - the seam's
        """The secret as it is now, in its place."""
        return in_place(binding, self._references.read(binding.secret), request)
