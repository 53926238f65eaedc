"""The way to the proxy for programs that only read their environment: on loopback, in the process that runs them."""
