"""What a program asks of the shim: with the local password, and with nothing that the proxy could take for its own."""

import base64
import binascii
import hmac
from dataclasses import dataclass

from proxy.errors import Refused, refuse
from proxy.listener.head import RequestHead, malformed, read_request_head

MAX_HEAD = 64 * 1024
MAX_FIELDS = 200
CHALLENGE = (("proxy-authenticate", 'Basic realm="countersign run"'),)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that may be passed on."""

    head: RequestHead

    @property
    def tunnel(self) -> bool:
        return self.head.method == "CONNECT"

    def for_proxy(self, token: str | None) -> bytes:
        """The request's head with this credential in place of the local password, as the last of its connection."""
        lines = [f"{self.head.method} {self.head.target} {self.head.version}"]
        lines += [f"{name}: {value}" for name, value in self.head.fields if name != "proxy-authorization"]
        if token is not None:
            lines.append(f"proxy-authorization: Bearer {token}")
        lines.append("connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def read_asked(raw: bytes, password: str) -> Asked:
    """What this head asks; raises the refusal if it is not well-formed, not for a proxy, or without the password."""
    head = read_request_head(raw, MAX_FIELDS)
    shown = [value for name, value in head.fields if name == "proxy-authorization"]
    if len(shown) != 1 or not _is(shown[0], password):
        raise _unknown()
    if head.method != "CONNECT" and not head.target.lower().startswith("http://"):
        raise malformed("This is a proxy: it takes CONNECT, or `http://host/path` as the target.")
    return Asked(head)


def _is(value: str, password: str) -> bool:
    """Whether this is Basic with the password; the user name is a label (RFC 7617)."""
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        _, _, shown = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(shown, password.encode())


def _unknown() -> Refused:
    detail = "Only the program that `countersign run` has started is served here, with what is in its HTTPS_PROXY."
    return refuse("local_password_required", 407, detail, "authenticate", headers=CHALLENGE)
