"""What MCP repeats in HTTP headers, compared with the body. Policy reads the body; the headers must agree.

MCP 2026-07-28, Streamable HTTP: `MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`; a server that
reads both must reject a difference with HTTP 400 and JSON-RPC error -32020. What an older client sends of them
must agree as well.
"""

import base64
import binascii
import re
from collections.abc import Mapping

from policies.model import Json
from proxy.errors import Refused, refuse
from proxy.protocols.mcp_methods import ASSUMED_VERSION, NAMED, STATELESS, VERSIONS
from proxy.protocols.operations import Operation
from proxy.stages import Headers

_SENTINEL = re.compile(r"=\?base64\?(.*)\?=", re.DOTALL)
_ROUTING = frozenset({"mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id"})
_PARAM = "mcp-param-"
_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"


def mcp_headers(headers: Headers) -> dict[str, str]:
    """The MCP headers by name; refused if one is given twice."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name.startswith("mcp-") and (name in _ROUTING or name.startswith(_PARAM)):
            if name in found:
                raise mismatch(f"the header {name[:60]!a} is given twice")
            found[name] = value
    return found


def protocol_version(found: Mapping[str, str], meta: Mapping[str, Json], *, is_request: bool) -> str:
    """The revision that this message is in; refused if unknown, or if header and body name different ones."""
    header, body = found.get("mcp-protocol-version"), meta.get(_VERSION_KEY)
    if body is not None and header is not None and body != header:
        raise mismatch("MCP-Protocol-Version differs from the version in the body")
    version = header if header is not None else body if body is not None else ASSUMED_VERSION
    if not isinstance(version, str) or version not in VERSIONS:
        raise refuse(
            "protocol_version_unsupported",
            400,
            "This revision of the Model Context Protocol cannot be judged here.",
            "fix_request",
            extra={"rpc_data": {"supported": list(VERSIONS), "requested": version if isinstance(version, str) else ""}},
        )
    if version == STATELESS and is_request and (header is None or body is None):
        raise mismatch("MCP-Protocol-Version must be in the header and in the body")
    return version


def check_method(found: Mapping[str, str], version: str, method: str, params: Mapping[str, Json]) -> None:
    """Refused unless `Mcp-Method` and `Mcp-Name` say what the body says."""
    required = version == STATELESS and method != ""
    header = found.get("mcp-method")
    if header != method and (header is not None or required):
        raise mismatch("Mcp-Method does not name the method in the body")
    member = NAMED.get(method)
    name = params.get(member) if member is not None else None
    header = found.get("mcp-name")
    if header is None:
        if required and isinstance(name, str) and not method.startswith("tasks/"):
            raise mismatch("Mcp-Name is missing")
    elif not isinstance(name, str) or decoded(header) != name:
        raise mismatch("Mcp-Name does not name what the body names")


def check_parameters(
    found: Mapping[str, str], version: str, operation: Operation, arguments: Mapping[str, Json]
) -> None:
    """Refused unless each `Mcp-Param-*` repeats the argument that the tool's schema marks for it.

    A parameter header that no schema of ours explains is refused: something behind us might route by it.
    """
    expected = operation.mirrored
    for name in found:
        if name.startswith(_PARAM) and name.removeprefix(_PARAM) not in expected:
            raise mismatch(f"the header {name[:60]!a} belongs to no argument that this tool declares")
    for token, place in expected.items():
        value, header = _at(arguments, place), found.get(_PARAM + token)
        text = _as_text(value)
        if header is None:
            if version == STATELESS and text is not None:
                raise mismatch(f"the header {(_PARAM + token)[:60]!a} is missing")
        elif text is None or not _agree(decoded(header), text, value):
            raise mismatch(f"the header {(_PARAM + token)[:60]!a} differs from the argument in the body")


def decoded(header: str) -> str | None:
    """The header's value, `=?base64?...?=` opened; None if that is malformed, so that it equals nothing."""
    wrapped = _SENTINEL.fullmatch(header)
    if wrapped is None:
        return header
    try:
        raw = base64.b64decode(wrapped[1], validate=True)
        canonical = base64.b64encode(raw).decode("ascii") == wrapped[1]
        return raw.decode("utf-8") if canonical else None
    except (binascii.Error, ValueError):
        return None


def mismatch(why: str) -> Refused:
    """The refusal of headers that do not say what the body says."""
    return refuse(
        "header_mismatch", 400, f"The MCP headers of this request do not agree with its body: {why}.", "fix_request"
    )


def _at(arguments: Mapping[str, Json], place: tuple[str, ...]) -> Json:
    value: Json | Mapping[str, Json] = arguments
    for name in place:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if not isinstance(value, Mapping) else dict(value)


def _as_text(value: Json) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _agree(header: str | None, text: str, value: Json) -> bool:
    if isinstance(value, float) and value.is_integer() and header is not None:
        return header in {text, str(int(value))}
    return header == text
