"""From what policy allows to what a person must sign: no call that is restrained passes on a policy's word alone."""

from dataclasses import replace
from datetime import date

from policies.model import Clause, Outcome, Reason, Requirement
from policies.obligations import DECIDE_WITHIN, USE_WITHIN, merge
from proxy.errors import refuse
from proxy.stages import Decided, Identity, Restraint

# What is frozen here is not the agent but where the call goes, or everything.
_FAR = frozenset({"global_frozen", "service_frozen", "credential_frozen"})


def restrained(decided: Decided, restraints: tuple[Restraint, ...], today: date) -> Decided:
    """Under these restraints an allow becomes a hold, a hold needs the owner among those who sign, a denial stays.

    Housekeeping of a protocol (MCP initialize, ping, tools/list) is as policy says while the agent's own side is
    restrained: an agent that cannot open a session can ask nobody, and people who sign pings stop reading. Where
    the service itself, its credential or everything is frozen, it is refused: nothing is to reach that service then
    but what a person let through.
    """
    decision = decided.decision
    if not restraints or decision.outcome is Outcome.DENY:
        return decided
    call = decided.described.call
    if call.lifecycle:
        far = next((one for one in restraints if one.reason in _FAR), None)
        if far is None:
            return replace(decided, restraints=restraints)
        raise refuse(
            far.reason,
            403,
            "Nothing reaches this service at present without a person's word, and housekeeping is not put before "
            "people. Wait, or report it.",
            "wait",
            internal=far.text,
        )
    asked = _requirement(decided.described.attributed.identity, restraints, today)
    requirement = asked if decision.requirement is None else merge([decision.requirement, asked])
    reasons = (*(Reason(one.reason, text=one.text) for one in restraints), *decision.reasons)
    held = replace(decision, outcome=Outcome.HOLD, requirement=requirement, reasons=reasons)
    return replace(decided, decision=held, restraints=restraints)


def _requirement(identity: Identity, restraints: tuple[Restraint, ...], today: date) -> Requirement:
    roles = _signers(identity, restraints, today)
    if not roles:
        raise refuse(
            "approval_impossible",
            403,
            "Nothing of this agent passes at present without a person's word, and whoever could give it is frozen "
            "too, or is who the agent acts for. Stop, and report it.",
            internal="; ".join(one.text for one in restraints),
        )
    return Requirement(
        clauses=(Clause(roles),),
        decide_within=DECIDE_WITHIN,
        use_within=USE_WITHIN,
        reasons=tuple(one.text for one in restraints),
        rules=tuple(dict.fromkeys(one.reason for one in restraints)),
    )


def _signers(identity: Identity, restraints: tuple[Restraint, ...], today: date) -> tuple[str, ...]:
    """The accountable owner. If they are frozen themselves, or are whom the agent acts for: who stands in for them."""
    agent, owner, root = identity.agent, identity.owner.id, identity.chain.root
    barred = {one.barred for one in restraints}
    if root.kind == "human":
        barred.add(root.id)
    if owner not in barred:
        return ("owner",)
    deputies = [deputy.person for deputy in agent.deputies if deputy.start <= today <= deputy.end]
    others = dict.fromkeys([agent.technical_owner or "", *deputies])
    return tuple(f"person:{one}" for one in others if one and one not in barred)
