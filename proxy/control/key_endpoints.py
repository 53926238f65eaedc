"""What the route of our signing keys does."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy.control import bodies
from proxy.control.desk import Desk


class RotateKeys(bodies.Body):
    """`revoke_old`: what was signed before counts no more, from now on."""

    reason: bodies.Reason
    revoke_old: bool = False


async def rotate_keys(request: Request, desk: Desk) -> Response:
    body = await bodies.read(request, RotateKeys)
    told = await desk.keys.rotate(request.path_params["use"], body.reason, withdraw=body.revoke_old)
    return JSONResponse(dict(told))
