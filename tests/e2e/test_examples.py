"""The configurations in deploy/examples, as somebody would copy them."""

import re
from datetime import date
from pathlib import Path

from proxy.checkup import check_all

WORKLOADS = Path(__file__).parents[2] / "deploy" / "examples" / "workloads"


def test_the_example_of_workloads_is_good_as_it_stands() -> None:
    """`countersign check` has nothing to say of it, and its agent is known by the issuers that its settings name."""
    checkup = check_all(WORKLOADS / "countersign.yaml", date(2026, 12, 1), ())
    assert (checkup.mistakes, checkup.warnings) == ((), ())
    assert checkup.world is not None
    agent = checkup.world.inventory.agents["support-bot"]
    named = {each.issuer for each in (*agent.identities, *agent.instances)}
    text = (WORKLOADS / "countersign.yaml").read_text()
    domains = {f"spiffe://{name}" for name in re.findall(r"trust_domain: (\S+)", text)}
    assert named == domains | set(re.findall(r"- issuer: (\S+)", text))


def test_the_example_believes_nobody_by_itself() -> None:
    """Its bundle and its keys are empty: who copies it must put their own there."""
    for name in ("prod.bundle.json", "cluster.jwks.json"):
        assert (WORKLOADS / name).read_text() == '{"keys": []}\n'
