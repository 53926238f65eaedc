"""The words between layers and connection."""

import asyncio

from mitmproxy.connection import Client
from mitmproxy.proxy import commands

from proxy.listener.wire import Abort, Ask, Finish, Told


def test_asking_blocks_until_it_is_told() -> None:
    """mitmproxy's layers wait for an Ask as they wait for their own blocking commands."""

    async def question() -> str:
        return "yes"

    ask = Ask(question)
    assert ask.blocking is True
    assert Told(ask, "yes").command is ask
    ask.cancel()


def test_cancelling_cancels_the_task() -> None:
    """The task behind a question ends when nobody waits for the answer."""

    async def run() -> None:
        ask = Ask(asyncio.Event().wait)
        ask.task = asyncio.create_task(ask.question())
        ask.cancel()
        await asyncio.wait([ask.task])
        assert ask.task.cancelled()

    asyncio.run(run())


def test_both_ways_of_closing_pass_through_tls() -> None:
    """TLS treats them as what they are: a connection that is closed."""
    client = Client(peername=("p", 1), sockname=("s", 2))
    assert isinstance(Finish(client), commands.CloseConnection)
    assert isinstance(Abort(client), commands.CloseConnection)
