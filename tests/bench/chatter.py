"""A WebSocket service of the benches, in a process of its own: says the time every 20 ms to whoever is connected."""

import asyncio
import contextlib
import time

import websockets

EVERY = 0.02


async def chat(socket: websockets.ServerConnection) -> None:
    """Talks until the other side has gone."""
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            await socket.send(f"{time.monotonic_ns():020d}")
            await asyncio.sleep(EVERY)


async def main() -> None:
    """Serve on a free loopback port, printed on the first line, until killed."""
    async with websockets.serve(chat, "127.0.0.1", 0, ping_interval=None, compression=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
