"""The policies that `countersign init` writes: every case in their table, and that they are one readable whole."""

from datetime import datetime
from pathlib import Path

import pytest
import yaml

import policies
from policies.bundle import read_policies
from policies.engine import Engine, compile_engine
from policies.model import DatasetUse, Inquiry, Mode
from tests.fakes.starter_catalogue import NOON, STARTER

BUNDLED = Path(policies.__file__).parent / "bundled"
TABLE = yaml.safe_load((BUNDLED / "cases" / "starter.yaml").read_text())


@pytest.fixture(scope="module")
def engine() -> Engine:
    return compile_engine(read_policies(BUNDLED), STARTER, Mode.ENFORCE)


def inquiry(case: dict) -> Inquiry:
    call = {**TABLE["calls"][case["like"]], **case}
    agent, person = call.get("agent", "support-bot"), call.get("on_behalf_of")
    return Inquiry(
        agent=agent,
        service=call["service"],
        tool=call.get("tool"),
        method=call["method"],
        path=call["path"],
        host=f"{call['service']}.example",
        protocol=call.get("protocol", "rest"),
        arguments=call.get("arguments", {}),
        datasets=tuple(DatasetUse(dataset, access) for dataset, access in call.get("datasets", {}).items()),
        lifecycle=call.get("lifecycle", False),
        on_behalf_of=person,
        chain=(f"human:{person}", f"agent:{agent}") if person else (f"agent:{agent}",),
        chain_complete=call.get("chain_complete", True),
        now=datetime.fromisoformat(call["at"]).timestamp() if "at" in call else NOON,
    )


def name(case: dict) -> str:
    return ",".join(f"{key}={value}" for key, value in case.items() if key not in {"outcome", "code", "rule"})


@pytest.mark.parametrize("case", TABLE["cases"], ids=name)
def test_a_call_is_decided_as_the_table_says(engine: Engine, case: dict) -> None:
    """Outcome, first reason and rule are those of the table."""
    decision = engine.decide(inquiry(case))
    first = decision.reasons[0]
    assert (decision.outcome, first.code, first.rule) == (case["outcome"], case["code"], case["rule"]), decision


def test_every_bundled_rule_decides_some_case(engine: Engine) -> None:
    """No bundled rule is without a case that shows it, observed rules included."""
    night = {**TABLE["cases"][2], "at": "2026-07-02T23:00:00Z"}
    decisions = [engine.decide(inquiry(case)) for case in [*TABLE["cases"], night]]
    shown = {reason.rule for decision in decisions for reason in decision.reasons}
    assert {rule.id for rule in engine._slicer.rules} <= shown


def test_the_large_refund_asks_the_owner(engine: Engine) -> None:
    """The bundled hold says who signs, by when, and how to undo it."""
    large = inquiry({"like": "refund", "arguments": {"customer": "c-7", "amount": 45000}})
    requirement = engine.decide(large).requirement
    assert requirement is not None
    assert [(clause.roles, clause.at_least) for clause in requirement.clauses] == [(("owner",), 1)]
    assert (requirement.decide_within, requirement.use_within) == (900, 600)
    assert "cancel the refund" in requirement.rollback
