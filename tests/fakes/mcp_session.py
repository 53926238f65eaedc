"""A real MCP client and server from the SDK, joined in memory, with us looking at every request between them."""

from collections.abc import Awaitable, Callable

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from proxy.stages import Reply, Request

type Judge = Callable[[Request], Reply | None]


def build_server() -> MCPServer:
    """A server with one tool, one resource and one prompt."""
    server = MCPServer("notes", log_level="ERROR")

    @server.tool()
    def search(query: str) -> str:
        return f"found {query}"

    @server.resource("note://{name}")
    def note(name: str) -> str:
        return name

    @server.prompt()
    def greet(who: str) -> str:
        return who

    return server


class _Between(httpx2.AsyncBaseTransport):
    """Hands each request to the judge; what it answers is the answer, else the server's."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, judge: Judge) -> None:
        self._inner, self._judge = inner, judge

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = tuple((name.lower(), value) for name, value in request.headers.items())
        url = request.url
        seen = Request(
            request.method, "https", url.host, 443, url.path, url.query.decode(), headers, await request.aread()
        )
        reply = self._judge(seen)
        if reply is not None:
            return httpx2.Response(reply.status, headers=list(reply.headers), content=reply.body)
        if request.method == "GET":
            return httpx2.Response(405)  # the stream of older revisions never ends, and nothing comes on it here
        return await self._inner.handle_async_request(request)


async def session(mode: str, judge: Judge, story: Callable[[Client], Awaitable[None]]) -> None:
    """Run the story with a client in this mode (`legacy`, or a protocol version)."""
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = build_server().streamable_http_app(transport_security=security)
    async with app.router.lifespan_context(app):
        transport = _Between(httpx2.ASGITransport(app), judge)
        async with httpx2.AsyncClient(transport=transport) as http:
            streams = streamable_http_client("https://notes.example.com/mcp", http_client=http)
            async with Client(streams, mode=mode) as client:
                await story(client)
