"""A call waits for sign-off, and the world around it changes: what was looked at before is looked at again."""

import asyncio
from pathlib import Path

from tests.fakes.world import INVENTORY, POLICIES, World, arrived, problem, refund, run
from tests.proxy.test_pipeline_holds import waiting_hold
from tests.proxy.test_pipeline_tasks import begun

LEDGER = """\
  - id: ledger
    owner: olivia
    sensitivity: restricted
    selectors: [{service: crm, tools: [create_refund], access: write}]
"""
PERMITTED = '@id("w")\npermit (principal, action == Action::"write", resource == Dataset::"ledger");\n'


def test_an_approval_does_not_reach_past_what_the_task_declares(tmp_path: Path) -> None:
    """A reload makes the same bytes write a dataset that policy allows and the task does not declare: refused."""

    async def scenario(house: World) -> None:
        task = await begun(house, tools=("crm/create_refund",), datasets=())
        given = await house.evidence(task=task.id)
        call = asyncio.create_task(house.pipeline.admit_call(arrived(refund()), given))
        hold = await waiting_hold(house, call)
        await house.edit(inventory=INVENTORY + LEDGER, policies=POLICIES + PERMITTED)
        await house.approve(hold)
        assert problem(await call)["reason"] == "task_dataset_undeclared"

    run(tmp_path, scenario, wait=30.0)
