"""People and teams: the only ones who can be accountable."""

from proxy.facts.common import Fact, Id, Subject


class Person(Fact):
    id: Id
    name: str
    email: str = ""
    teams: tuple[Id, ...] = ()
    active: bool = True
    identities: tuple[Subject, ...] = ()


class Team(Fact):
    id: Id
    name: str = ""
