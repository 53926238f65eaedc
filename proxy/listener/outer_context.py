"""What we prove, and ask for, in TLS to the proxy itself: our certificate, and a full handshake each time."""

import logging
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from proxy.errors import CountersignError
from proxy.listener.ca import Authority
from proxy.listener.tls_contexts import select_http1, tls_context

log = logging.getLogger("countersign.listener")

MAX_CHAIN = 8
MAX_CHAIN_BYTES = 64 * 1024

type Stamp = tuple[tuple[int, int], ...]


class OuterTls:
    """Server side: a certificate from files, read again when they change, or else a leaf of our own authority.

    A client certificate is asked for and not judged: who has none may show another credential. TLS proves only that
    the peer has the key of what it shows; what that is worth, the resolver says.
    """

    def __init__(self, authority: Authority, names: tuple[str, ...], files: tuple[Path, Path] | None) -> None:
        self._authority = authority
        self._names = names
        self._files = files
        self._context: SSL.Context | None = None
        self._renew_at = 0.0
        self._stamp: Stamp = ()

    def connection(self, now: float) -> SSL.Connection:
        """A connection to be accepted; raises `CountersignError` if there is no certificate to prove who we are."""
        context = self._from_authority(now) if self._files is None else self._from_files(*self._files)
        connection = SSL.Connection(context)
        connection.set_accept_state()
        return connection

    def _from_authority(self, now: float) -> SSL.Context:
        if self._context is None or self._renew_at <= now:
            leaf = self._authority.server_leaf(self._names, now)
            context = _demanding()
            context.use_certificate(leaf.certificate)
            context.use_privatekey(self._authority.leaf_key)
            self._context, self._renew_at = context, leaf.renew_at
        return self._context

    def _from_files(self, certificate: Path, key: Path) -> SSL.Context:
        """As the files are now. While they do not fit, as in the middle of a renewal, what fitted last stays."""
        stamp = _stamp(certificate, key)
        if self._context is None or stamp != self._stamp:
            self._stamp = stamp
            try:
                self._context = _loaded(certificate, key)
            except CountersignError as error:
                if self._context is None:
                    raise
                log.warning("the certificate before stays in use: %s", error)
        return self._context


def check_files(certificate: Path, key: Path) -> str | None:
    """What is wrong with these files, in words; None if a server can prove itself with them."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except OSError as error:
        return f"`{certificate}` cannot be read: {(error.strerror or str(error)).lower()}"
    except ValueError:
        return f"`{certificate}` does not hold a PEM certificate"
    try:
        private = load_pem_private_key(key.read_bytes(), None)
    except OSError as error:
        return f"`{key}` cannot be read: {(error.strerror or str(error)).lower()}"
    except (ValueError, TypeError):
        return f"`{key}` does not hold a PEM private key without a password"
    if private.public_key() != leaf.public_key():
        return f"`{key}` is not the key of the first certificate in `{certificate}`"
    return None


def chain_of(connection: SSL.Connection) -> tuple[bytes, ...] | None:
    """What the peer has shown and has the key of, DER, leaf first; empty without any, None if that is too much."""
    leaf = connection.get_peer_certificate()
    if leaf is None:
        return ()
    others = connection.get_peer_cert_chain() or []
    if len(others) + 1 > MAX_CHAIN:
        return None
    chain = tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, one) for one in (leaf, *others))
    return chain if sum(map(len, chain)) <= MAX_CHAIN_BYTES else None


def resumed(connection: SSL.Connection) -> bool:
    """Whether the handshake took over an earlier session, in which nothing was proven now."""
    return bool(SSL._lib.SSL_session_reused(connection._ssl))  # type: ignore[attr-defined]  # noqa: SLF001 - pyOpenSSL does not say


def _loaded(certificate: Path, key: Path) -> SSL.Context:
    wrong = check_files(certificate, key)
    if wrong is not None:
        raise CountersignError(wrong)
    context = _demanding()
    try:
        context.use_certificate_chain_file(str(certificate))
        context.use_privatekey_file(str(key))
        context.check_privatekey()
    except SSL.Error as error:
        raise CountersignError(f"`{certificate}` and `{key}` cannot be used for TLS") from error
    return context


def _stamp(*files: Path) -> Stamp:
    found = []
    for file in files:
        try:
            status = file.stat()
            found.append((status.st_mtime_ns, status.st_ino))
        except OSError:
            found.append((0, 0))
    return tuple(found)


def _demanding() -> SSL.Context:
    """Every handshake is a full one: a session that is taken over would bring an old certificate without its key."""
    context = tls_context(SSL.TLS_SERVER_METHOD)
    context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(secrets.token_bytes(32))
    context.set_verify(SSL.VERIFY_PEER, _judged_later)
    context.set_alpn_select_callback(select_http1)  # type: ignore[arg-type]  # its second return type is private
    return context


def _judged_later(*_: object) -> bool:
    """Whatever chain is shown. OpenSSL has checked by itself that the peer signed this handshake with its key."""
    return True
