"""A decision in words, for people at a console or a terminal. Never for the agent: it shows the policies' reasons."""

from policies.model import Clause, Decision, Outcome, Reason, Requirement

_OUTCOMES = {Outcome.ALLOW: "allowed", Outcome.HOLD: "held for sign-off", Outcome.DENY: "denied"}
_CODES = {
    "permitted": "a policy permits it",
    "held": "a policy asks for sign-off",
    "forbidden": "a policy forbids it",
    "no_permit": "no policy permits it",
    "policy_error": "a policy could not be evaluated, so it counts against the call",
    "arguments_invalid": "the arguments do not fit the tool's input schema",
    "nothing_configured": "there are no policies, so nothing is allowed",
    "observed": "a policy that is only observed matches",
    "observed_error": "a policy that is only observed could not be evaluated",
    "agent_unknown": "the inventory has no such agent",
    "owner_missing": "nobody owns the agent",
    "person_unknown": "the inventory has no such person",
    "person_inactive": "the person is not active",
    "service_unknown": "the inventory has no such service",
    "tool_unknown": "the service has no such tool",
    "method_unknown": "policies do not know this method",
    "dataset_unknown": "the inventory has no such dataset",
}
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def explain(decision: Decision) -> list[str]:
    """The decision and why, a line each: outcome first, then reasons, then what sign-off needs."""
    lines = [_headline(decision)]
    lines += [f"  {_reason(reason)}" for reason in decision.reasons]
    if decision.requirement is not None:
        lines += [f"  {line}" for line in describe_requirement(decision.requirement)]
    lines.append(f"  policies {decision.policy_version}, {decision.duration_us} µs")
    return lines


def _headline(decision: Decision) -> str:
    if decision.would is not decision.outcome:
        return (
            f"{_OUTCOMES[decision.outcome]}, only because policies are observed: {_OUTCOMES[decision.would]} otherwise"
        )
    return _OUTCOMES[decision.outcome]


def _reason(reason: Reason) -> str:
    """`crm/create_refund: a policy asks for sign-off (large-refunds): over 100 euros`."""
    said = _CODES.get(reason.code, reason.code)
    question = f"{reason.question}: " if reason.question else ""
    rule = f" ({reason.rule})" if reason.rule else ""
    text = f": {reason.text}" if reason.text else ""
    return f"{question}{said}{rule}{text}"


def describe_requirement(requirement: Requirement) -> list[str]:
    """Who must sign, by when, and what to do if it was wrong."""
    lines = [f"needs {_clause(clause)}" for clause in requirement.clauses]
    decide, use = duration(requirement.decide_within), duration(requirement.use_within)
    lines.append(f"to be decided within {decide}, then used within {use}")
    if requirement.rollback:
        lines.append(f"to undo it: {requirement.rollback}")
    return lines


def _clause(clause: Clause) -> str:
    who = " or ".join(role.replace("_", " ") for role in clause.roles)
    return f"{clause.at_least} people of: {who}" if clause.at_least > 1 else f"one person: {who}"


def duration(seconds: int) -> str:
    """`900` as `15 min`: the largest unit that divides it."""
    for size, unit in _UNITS:
        if seconds % size == 0 and seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
