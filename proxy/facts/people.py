"""People and teams: the only ones who can be accountable."""

from datetime import date

from proxy.facts.common import Fact, Id, Subject


class Person(Fact):
    id: Id
    name: str
    email: str = ""
    teams: tuple[Id, ...] = ()
    active: bool = True
    identities: tuple[Subject, ...] = ()


class Deputy(Fact):
    """Who answers for a thing in the stead of an owner who left, on the days from `start` to `end`."""

    person: Id
    start: date
    end: date


class Team(Fact):
    id: Id
    name: str = ""
