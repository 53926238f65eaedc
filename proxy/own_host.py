"""What agents reach through the proxy at its own host: how their held calls stand, and the token endpoint."""

from collections.abc import Awaitable, Callable, Mapping

from proxy.holds.answers import AgentHolds, status_reply
from proxy.stages import Identity, Reply, Request

# It resolves nowhere else.
OWN_HOST = "countersign.internal"

type OwnEndpoint = Callable[[Request, Identity], Awaitable[Reply]]


async def own_reply(
    endpoints: Mapping[str, OwnEndpoint], holds: AgentHolds, request: Request, identity: Identity
) -> Reply:
    """The answer of the endpoint at exactly this path; every other path is that of a hold, or nothing."""
    endpoint = endpoints.get(request.path)
    if endpoint is not None:
        return await endpoint(request, identity)
    return await status_reply(holds, request, identity.agent.id)
