"""Reviews that whoever writes the files has put off: dates further away than anybody's attestation could be."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from proxy.errors import Mistake
from proxy.facts import Agent, Process
from proxy.inventory.read import Entry, Reading


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far away a review may be written today. `longest_days` holds for everything, where the house has it."""

    today: date
    longest_days: int | None = None


def put_off(reading: Reading, horizon: Horizon) -> Iterator[Mistake]:
    """Every date beyond the interval that is written beside it, or beyond the house's.

    Dates only come nearer: what is no mistake on one day is none on any later one.
    """
    for agent in reading.agents.values():
        if agent.fact.agent_class != "privileged":  # for which a date in the file does not count
            yield from _put_off(agent, horizon)
    for process in reading.processes.values():
        yield from _put_off(process, horizon)


def _put_off(entry: Entry[Agent] | Entry[Process], horizon: Horizon) -> Iterator[Mistake]:
    fact = entry.fact
    bounds: list[tuple[int, str]] = []
    if "review_interval_days" in fact.model_fields_set:
        bounds.append((fact.review_interval_days, "review_interval_days"))
    if horizon.longest_days is not None:
        bounds.append((horizon.longest_days, "ownership.longest_review_days"))
    days = (fact.review_due - horizon.today).days
    for most, setting in bounds:
        if days > most:
            text = f"is in {days} days, further away than `{setting}` ({most})"
            latest = horizon.today + timedelta(days=most)
            yield entry.mistake(f"{text}; write {latest} or earlier, and let its owner attest it then", "review_due")
            return
