"""An agent's MCP calls with the SDK's client, told nothing of any proxy. JSON lines in, JSON lines out."""

import asyncio
import json
import sys

from mcp import Client


async def main(url: str, mode: str) -> None:
    async with Client(url, mode=mode, read_timeout_seconds=30) as client:
        print(json.dumps({"protocol": client.protocol_version}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            result = await client.call_tool(asked["tool"], asked["arguments"])
            text = " ".join(part.text for part in result.content if hasattr(part, "text"))
            print(json.dumps({"error": bool(result.is_error), "text": text}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
