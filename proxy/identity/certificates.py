"""X.509 certificates, read without an exception that nobody expects."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.utils import CryptographyDeprecationWarning

MAX_BYTES = 16 * 1024
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
# What `cryptography` raises for a certificate that it can load, but not read.
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    CryptographyDeprecationWarning,  # where warnings are errors
)


def read_certificate(der: bytes) -> x509.Certificate:
    """The certificate, every extension of which can be read and whose key is strong; `ValueError` otherwise."""
    if len(der) > MAX_BYTES:
        raise ValueError(f"a certificate of more than {MAX_BYTES} bytes")
    try:
        certificate = x509.load_der_x509_certificate(der)
        key, _ = certificate.public_key(), certificate.extensions
    except UNREADABLE as error:
        raise ValueError(f"not a readable certificate ({type(error).__name__})") from error
    if certificate.serial_number < 1:
        raise ValueError("a serial number that is not positive (RFC 5280 section 4.1.2.2)")
    if isinstance(key, rsa.RSAPublicKey) and not 2048 <= key.key_size <= 8192:
        raise ValueError(f"an RSA key of {key.key_size} bits")
    on_a_curve = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)
    if not on_a_curve and not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("a key that is neither RSA nor on a NIST curve")
    return certificate


def may_sign_others(certificate: x509.Certificate) -> bool:
    """Whether this is the certificate of a certificate authority."""
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return basic.ca
    return basic.ca and usage.key_cert_sign
