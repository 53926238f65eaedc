"""Where things live: one strict reading of URLs and of `host:port`, shared by all who read them."""

import ipaddress
import re
from dataclasses import dataclass

_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<path>/[^?#]*)?")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LOOKS_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SEGMENT = re.compile(r"[A-Za-z0-9._~@:+,-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A service's URL, taken apart. `prefix` is its path without the final slash."""

    scheme: str
    host: str
    port: int
    prefix: str


def parse_url(text: str) -> Place:
    """The place that this URL names; raises `ValueError` with words if it could be read in two ways."""
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise ValueError("must not hold a user name or password; give the credential as a binding")
    if "?" in text or "#" in text:
        raise ValueError("must not hold a query or fragment; end it after the path")
    match = _URL.fullmatch(text)
    if not match:
        raise ValueError("must start with `https://` or `http://`, in lower case, and a host")
    scheme, path = match["scheme"], match["path"] or ""
    host, port = _authority(match["authority"])
    segments = path.removesuffix("/").split("/")[1:]
    if any(not _SEGMENT.fullmatch(segment) or segment in {".", ".."} for segment in segments):
        raise ValueError("must have a plain path: no `//`, `.`, `..`, `%` or special characters")
    if port is None:
        port = 443 if scheme == "https" else 80
    return Place(scheme, host, port, path.removesuffix("/"))


def parse_host_port(text: str, lowest_port: int = 1) -> tuple[str, int]:
    """`host:port`, IPv6 in brackets; raises `ValueError` with words."""
    host, port = _authority(text)
    if port is None:
        raise ValueError("must be `host:port`, for example 127.0.0.1:8080 or [::1]:8080")
    if port < lowest_port:
        raise ValueError(f"has port {port}; use {lowest_port} to 65535")
    return host, port


def is_loopback(host: str) -> bool:
    """Whether this host can only be this machine."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_private(host: str) -> bool:
    """Whether this host is written as an address that is not on the public Internet, or as `localhost`."""
    address = _address(host)
    return host == "localhost" or (address is not None and not address.is_global)


def _authority(text: str) -> tuple[str, int | None]:
    match = _AUTHORITY.fullmatch(text)
    if not match or not match["host"]:
        raise ValueError("must be a host, or `host:port`; put IPv6 addresses in brackets")
    port = None if match["port"] is None else int(match["port"])
    if port is not None and port > 65535:
        raise ValueError(f"has port {port}; the highest is 65535")
    return _host(match["host"]), port


def _host(text: str) -> str:
    if text.startswith("["):
        address = _address(text[1:-1])
        if not isinstance(address, ipaddress.IPv6Address) or address.scope_id or str(address) != text[1:-1]:
            raise ValueError(f"has the IPv6 address `{text}`, which is not in its shortest lower-case form")
        return str(address)
    if text != text.lower():
        raise ValueError(f"has the host `{text}`; write it in lower case")
    labels = text.split(".")
    if _LOOKS_NUMERIC.fullmatch(labels[-1]):
        if not isinstance(_address(text), ipaddress.IPv4Address):
            raise ValueError(f"has the host `{text}`, which is not four numbers from 0 to 255")
        return text
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"has the host `{text}`, which is not a host name; write international names as `xn--...`")
    return text


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
