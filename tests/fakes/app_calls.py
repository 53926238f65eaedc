"""Calls of the support bot through a core."""

from tests.fakes.world import arrived, problem, refund, shown


async def evidence(core):
    handle, _ = await core.handles.issue(
        agent="support-bot", purpose="t", ttl=600, issued_by="t", now=core.clock(), on_behalf_of="alice", task="t-1"
    )
    return shown(handle)


async def held(core):
    """A held refund: its hold, and who asked."""
    given = await evidence(core)
    return str(problem(await core.pipeline.admit_call(arrived(refund()), given))["hold_id"]), given


async def approve(core, hold):
    await core.holds.vote(hold, "olivia", "approve", channel="t", assurance="session", now=core.clock())
