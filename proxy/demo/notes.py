"""A small note service: a real MCP server over streamable HTTP with TLS."""

import socket
import sys

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

HOST = "notes.demo.internal"


def build() -> MCPServer:
    """The server and its two tools."""
    server = MCPServer("notes", log_level="ERROR")
    notes = {"n1": "Ada asked for an invoice", "n2": "Bo wants a call back"}

    @server.tool()
    def search_notes(query: str) -> str:
        """Find notes that contain a text."""
        found = [f"{key}: {text}" for key, text in notes.items() if query.lower() in text.lower()]
        return "\n".join(found) or "no notes"

    @server.tool()
    def delete_note(note: str) -> str:
        """Delete a note for good."""
        return f"deleted {note}: {notes.pop(note, 'there was none')}"

    return server


def main(chain: str, key: str, listening: str) -> None:
    """Serve on this listening socket, inherited by its number, until killed."""
    security = TransportSecuritySettings(allowed_hosts=[HOST, f"{HOST}:443"], allowed_origins=[])
    application = build().streamable_http_app(transport_security=security)
    config = uvicorn.Config(application, ssl_certfile=chain, ssl_keyfile=key, log_level="error")
    with socket.socket(fileno=int(listening)) as sock:
        uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    main(*sys.argv[1:])
