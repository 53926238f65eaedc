"""A bundle endpoint over real HTTPS on loopback: it shows the certificate that it is given, and answers as told."""

import ssl
from pathlib import Path
from typing import Self

from tests.fakes.authorities import Answer, Authority, Seen
from tests.fakes.trust_domain import Certified


class BundleEndpoint(Authority):
    """`GET` of anything gives `document`."""

    def __init__(self, folder: Path, certificate: Certified, *chain: Certified) -> None:
        super().__init__()
        self.document = b""
        self._files = folder / "endpoint.pem", folder / "endpoint.key"
        self._files[0].write_bytes(b"".join(one.pem for one in (certificate, *chain)))
        self._files[1].write_bytes(certificate.key_pem)

    def respond(self, seen: Seen) -> Answer:
        return 200, {"content-type": "application/json"}, self.document

    @property
    def url(self) -> str:
        return super().url.replace("http://127.0.0.1", "https://localhost") + "/bundle"

    def __enter__(self) -> Self:
        super().__enter__()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._files)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        return self
