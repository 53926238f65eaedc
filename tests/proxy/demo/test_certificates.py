"""The demo's private root and certificate."""

import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest

from proxy.demo.certificates import ServerFiles, make_server_files


def handshake(files: ServerFiles, trust: ssl.SSLContext, host: str) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(files.chain, files.key)
    near, far = socket.socketpair()

    def serve() -> None:
        with far:
            try:
                serving.wrap_socket(far, server_side=True).close()
            except (ssl.SSLError, OSError):
                return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with near:
            trust.wrap_socket(near, server_hostname=host).close()
    finally:
        thread.join()


def test_strict_clients_accept_it_under_its_root_alone(tmp_path: Path) -> None:
    """For each of its hosts, verified strictly (RFC 5280); for no other; and under no other root."""
    files = make_server_files(tmp_path / "a", ["a.example", "b.example"])
    other = make_server_files(tmp_path / "b", ["a.example"])
    trust = ssl.create_default_context(cafile=str(files.root))
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    for host in ("a.example", "b.example"):
        handshake(files, trust, host)
    for wrong, host in ((files, "c.example"), (other, "a.example")):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(wrong, trust, host)


def test_the_key_is_private(tmp_path: Path) -> None:
    """Nobody else may read it."""
    files = make_server_files(tmp_path, ["a.example"])
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
