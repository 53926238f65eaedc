"""mitmproxy with the fewest of its own addons that intercept TLS, and none of ours: what we are measured against."""

import asyncio
import sys

from mitmproxy.addons import errorcheck, next_layer, proxyserver, tlsconfig
from mitmproxy.master import Master
from mitmproxy.options import Options


async def main(port: str, directory: str, roots: str, http2: str = "") -> None:
    """Proxy on this port until killed. `http2` as the fourth argument has it speak that, too."""
    options = Options()
    master = Master(options)
    master.addons.add(proxyserver.Proxyserver(), next_layer.NextLayer(), tlsconfig.TlsConfig(), errorcheck.ErrorCheck())
    options.update(
        mode=[f"regular@127.0.0.1:{port}"],
        confdir=directory,
        ssl_verify_upstream_trusted_ca=roots,
        connection_strategy="lazy",
        http2=http2 == "http2",
    )
    await master.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
