"""The demo's note service."""

import asyncio

from mcp import Client

from proxy.demo.notes import build


def test_its_tools_do_what_they_say() -> None:
    """Notes are found by their text, and deleted for good."""

    async def story() -> list[str]:
        async with Client(build()) as client:
            said = []
            for tool, arguments in (
                ("search_notes", {"query": "ada"}),
                ("delete_note", {"note": "n1"}),
                ("search_notes", {"query": "ada"}),
                ("delete_note", {"note": "n1"}),
            ):
                result = await client.call_tool(tool, arguments)
                said.append(result.content[0].text)
            return said

    assert asyncio.run(story()) == [
        "n1: Ada asked for an invoice",
        "deleted n1: Ada asked for an invoice",
        "no notes",
        "deleted n1: there was none",
    ]
