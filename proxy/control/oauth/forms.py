"""Requests of the token endpoint: forms that can be read in one way only (RFC 6749 section 3.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from proxy.control.oauth.mistakes import OAuthMistake
from proxy.stages import Identity

_REPEATABLE = frozenset({"resource", "audience"})
_MOST = 32
MAX_BODY = 64 * 1024  # as the control API has it for all that it reads; the proxy passes on much more


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it came in, by whichever door. `connection` is who the connection itself has proven to be.

    It is there at the proxy's own host, and never at the control API.
    """

    method: str
    path: str
    query: str = ""
    content_type: str = ""
    authorization: tuple[str, ...] = field(repr=False, default=())
    body: bytes = field(repr=False, default=b"")
    connection: Identity | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """Each parameter once; `resource` and `audience` as often as they came. What has no value was not sent."""

    single: Mapping[str, str] = field(repr=False)
    resources: tuple[str, ...]
    audiences: tuple[str, ...]

    def get(self, name: str) -> str | None:
        return self.single.get(name)

    def need(self, name: str) -> str:
        """The parameter; `invalid_request` if it is missing."""
        value = self.single.get(name)
        if value is None:
            raise OAuthMistake("invalid_request", f"`{name}` is missing")
        return value


def read_form(sent: Sent) -> Form:
    """The form of this request; `invalid_request` for anything else, and for a parameter that came twice."""
    kind = sent.content_type.partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded" or sent.query:
        raise OAuthMistake("invalid_request", "send one form, `Content-Type: application/x-www-form-urlencoded`")
    if len(sent.body) > MAX_BODY:
        raise OAuthMistake("invalid_request", f"a form has at most {MAX_BODY} bytes")
    try:
        pairs = parse_qsl(
            sent.body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST,
        )
    except ValueError as error:
        raise OAuthMistake("invalid_request", "the form cannot be read") from error
    once = [name for name, _ in pairs if name not in _REPEATABLE]
    if len(set(once)) != len(once):  # also without a value: who counts it, and who does not, differ over the other
        raise OAuthMistake("invalid_request", "a parameter came twice")
    return Form(
        {name: value for name, value in pairs if value and name not in _REPEATABLE},
        tuple(value for name, value in pairs if name == "resource" and value),
        tuple(value for name, value in pairs if name == "audience" and value),
    )
