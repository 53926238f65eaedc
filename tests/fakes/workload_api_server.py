"""A real Workload API on a UNIX socket: the servicer that the package `spiffe` ships, answering as told."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc
from spiffe._proto import workload_pb2, workload_pb2_grpc


class WorkloadApiServer(workload_pb2_grpc.SpiffeWorkloadAPIServicer):
    """Gives these bundles to whoever sends the header that the specification demands."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "api.sock"
        self.authorities: dict[str, bytes] = {}
        self.keys: dict[str, bytes] = {}
        self.broken: grpc.StatusCode | None = None
        self.silent = False
        self.calls: list[str] = []

    @property
    def address(self) -> str:
        return f"unix://{self.path}"

    def FetchX509Bundles(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802 - the name of the RPC
        self._admit("FetchX509Bundles", context)
        if self.silent:
            return
        yield workload_pb2.X509BundlesResponse(bundles=self.authorities)
        yield workload_pb2.X509BundlesResponse()  # a stream goes on; only its first message is asked for

    def FetchJWTBundles(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802 - the name of the RPC
        self._admit("FetchJWTBundles", context)
        yield workload_pb2.JWTBundlesResponse(bundles=self.keys)

    def _admit(self, name: str, context: Any) -> None:
        self.calls.append(name)
        if ("workload.spiffe.io", "true") not in context.invocation_metadata():
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no header")
        if self.broken is not None:
            context.abort(self.broken, "as told")

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(2)
        self._server = grpc.server(self._pool)
        workload_pb2_grpc.add_SpiffeWorkloadAPIServicer_to_server(self, self._server)
        self._server.add_insecure_port(f"unix:{self.path}")
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()
        self._pool.shutdown()
