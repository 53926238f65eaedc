"""What a decision costs, with 10 to 10,000 policies: `uv run python -m tests.bench.bench_decision`.

One tool question and one dataset question a call, with new arguments each time, and a new task every ten calls of
an agent. The policies are spread over agents, tools and datasets as they are in a company: most are about somebody
else. All sizes are asked in turns in one run, so the ratios are of one machine in one mood. `cold` is the first time
that this agent asks. `again` is compiling the same policies anew, as when the inventory changes.
"""

import gc
import sys
from dataclasses import dataclass, replace
from statistics import quantiles
from time import perf_counter, perf_counter_ns

from policies.bundle import Bundle
from policies.engine import Engine, compile_engine
from policies.model import (
    AgentFacts,
    Catalogue,
    DatasetFacts,
    DatasetUse,
    Inquiry,
    Mode,
    Outcome,
    PersonFacts,
    ServiceFacts,
    ToolFacts,
)

SIZES = (10, 100, 1_000, 10_000)
ROUNDS = 4_000
TOOLS = 10
CALLS_A_TASK = 10
GUARDRAILS = 5
SCHEMA = {
    "type": "object",
    "properties": {"customer": {"type": "string"}, "amount": {"type": "integer"}, "note": {"type": "string"}},
    "required": ["customer", "amount"],
}
GENERAL = """
@id("incomplete") forbid (principal, action, resource) unless { context.chain_complete };
@id("privileged") forbid (principal is Agent, action, resource)
  when { principal.agent_class == "privileged" && context.hour < 6 };
@id("restricted") forbid (principal, action, resource is Dataset) when { resource.sensitivity == "restricted" };
@id("deletes") forbid (principal, action in Action::"effect:delete", resource);
@id("large") @hold("owner") forbid (principal, action == Action::"s0/t0", resource)
  when { context.arguments.amount > 10000 };
"""


@dataclass(frozen=True)
class Subject:
    """An engine of one size, and the calls of its agents."""

    size: int
    engine: Engine
    calls: list[Inquiry]
    compiled_in: float
    again_in: float


def catalogue(agents: int) -> Catalogue:
    services = max(1, agents // 10)
    return Catalogue(
        version="bench",
        people=(PersonFacts("alice"),),
        agents=tuple(AgentFacts(f"a{number}", "alice", team=f"team{number % 10}") for number in range(agents)),
        services=tuple(
            ServiceFacts(
                f"s{number}", "alice", tools=tuple(ToolFacts(f"t{tool}", "read", SCHEMA) for tool in range(TOOLS))
            )
            for number in range(services)
        ),
        datasets=tuple(DatasetFacts(f"d{number}", "alice") for number in range(services)),
        teams=tuple(f"team{number}" for number in range(10)),
    )


def policies(agents: int, size: int) -> str:
    """The guardrails, and for each agent a permit for a tool and one for a dataset, until there are enough."""
    services = max(1, agents // 10)
    lines = [GENERAL]
    for number in range(size - GUARDRAILS):
        agent, kind = number // 2 % agents, number % 2
        service = agent % services
        tool = number // 2 // agents % TOOLS
        scope, limit = (
            (
                f'action == Action::"s{service}/t{tool}", resource == Service::"s{service}"',
                "context.arguments.amount < 90000",
            )
            if kind == 0
            else (f'action == Action::"read", resource == Dataset::"d{service}"', f'context.task != "t{number}"')
        )
        lines.append(f'@id("p{number}") permit (principal == Agent::"a{agent}", {scope}) when {{ {limit} }};')
    return "\n".join(lines)


def subject(size: int) -> Subject:
    agents = max(2, size // 10)
    services = max(1, agents // 10)
    bundle, known = Bundle({"bench.cedar": policies(agents, size)}), catalogue(agents)
    started = perf_counter()
    engine = compile_engine(bundle, known, Mode.ENFORCE)
    compiled_in = perf_counter() - started
    started = perf_counter()
    compile_engine(bundle, known, Mode.ENFORCE)
    again_in = perf_counter() - started
    calls = [
        Inquiry(
            agent=f"a{agent}",
            service=f"s{agent % services}",
            tool="t0",
            method="POST",
            path="/v1/refunds",
            host="api.crm.example",
            protocol="rest",
            arguments={"customer": "c-7", "amount": 1200, "note": "late delivery"},
            datasets=(DatasetUse(f"d{agent % services}", "read"),),
            chain=("agent:x",),
            now=1_783_000_000.0,
        )
        for agent in range(min(agents, 200))
    ]
    return Subject(size, engine, calls, compiled_in, again_in)


def ask(engine: Engine, inquiry: Inquiry) -> float:
    """Microseconds of one decision, which must be an allow."""
    started = perf_counter_ns()
    decision = engine.decide(inquiry)
    took = (perf_counter_ns() - started) / 1_000
    if decision.outcome is not Outcome.ALLOW:
        raise AssertionError(decision)
    return took


def main() -> int:
    subjects = [subject(size) for size in SIZES]
    cold = {each.size: [ask(each.engine, call) for call in each.calls] for each in subjects}
    warm: dict[int, list[float]] = {each.size: [] for each in subjects}
    gc.collect()
    gc.freeze()
    for turn in range(ROUNDS):
        for each in subjects:
            call = each.calls[turn % len(each.calls)]
            arguments = {"customer": f"c-{turn}", "amount": turn, "note": "late delivery"}
            call = replace(call, arguments=arguments, task=f"task_{turn // (len(each.calls) * CALLS_A_TASK)}")
            warm[each.size].append(ask(each.engine, call))
    median = {size: quantiles(times, n=100)[49] for size, times in warm.items()}
    heads = ("policies", "p50 µs", "p99 µs", "p50 / p50 at 100", "cold p50 µs", "compile s", "again s")
    print("  ".join(f"{head:>8}" for head in heads))
    for each in subjects:
        p99 = quantiles(warm[each.size], n=100)[98]
        first = quantiles(cold[each.size], n=100)[49]
        ratio = median[each.size] / median[100]
        numbers = (f"{each.size}", f"{median[each.size]:.0f}", f"{p99:.0f}", f"{ratio:.2f}", f"{first:.0f}")
        cells = (*numbers, f"{each.compiled_in:.2f}", f"{each.again_in:.2f}")
        print("  ".join(f"{cell:>{max(8, len(head))}}" for cell, head in zip(cells, heads, strict=True)))
    print("\nmust reach: p50 <= 300 µs and p99 <= 1000 µs at 100 policies; ratio <= 1.5 at 10,000")
    return 0


if __name__ == "__main__":
    sys.exit(main())
