"""What the listener may be told. Everything else about mitmproxy's behaviour is fixed in `profile`."""

from dataclasses import dataclass, fields
from pathlib import Path

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerOptions:
    """Where to listen, and how much of anything a peer may send. Sizes in bytes, times in seconds.

    Port 0 takes a free one. Without `gateway_port` there is no gateway. `forbidden_ports` are ports of
    this machine that no call may be sent to, beside our own: the control API, the console. `http2`: agents may
    choose HTTP/2 inside a tunnel's TLS. `proxy_tls` and `gateway_tls` are the same two with TLS to ourselves, proven
    with `tls_files` (certificate and key) or by a leaf of our own authority for `tls_names`; `local` is a UNIX socket.
    """

    ca_directory: Path
    proxy_host: str = "127.0.0.1"
    proxy_port: int = 0
    gateway_host: str = "127.0.0.1"
    gateway_port: int | None = None
    proxy_tls: tuple[str, int] | None = None
    gateway_tls: tuple[str, int] | None = None
    tls_names: tuple[str, ...] = ("localhost", "127.0.0.1")
    tls_files: tuple[Path, Path] | None = None
    local: Path | None = None
    reuse_port: bool = False
    http2: bool = False
    forbidden_ports: tuple[int, ...] = ()
    upstream_ca_bundle: Path | None = None
    max_connections: int = 10_000
    max_header_bytes: int = 64 * KIB
    max_header_count: int = 200
    max_connect_bytes: int = 16 * KIB
    max_body_bytes: int = MIB
    max_websocket_message_bytes: int = MIB
    max_unproven_bytes: int = 128 * MIB
    header_timeout: float = 10.0
    proof_timeout: float = 30.0
    body_timeout: float = 60.0
    idle_timeout: float = 300.0
    connect_timeout: float = 10.0
    answer_timeout: float = 600.0
    silence_timeout: float = 900.0
    decision_timeout: float = 300.0
    sweep_interval: float = 0.1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            limited = field.name.startswith("max_") or field.name.endswith(("_timeout", "_interval"))
            if limited and value <= 0:
                raise ValueError(f"listener option `{field.name}` must be more than 0, not {value}")
