"""Who acts for whom: hops that are linked by hashes, none of which may hand on more than it was given.

Three levels are kept apart. *verified*: we checked a credential of that party and how it delegated. *endorsed*:
somebody whom we trust for it says so. *asserted*: the agent says so, which is written down and decides nothing.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from policies.model import Json
from proxy.stages import Chain, Hop, HopLevel, Presence, Principal
from proxy.strict_json import canonical
from proxy.tasks.bounds import within
from proxy.tasks.mistakes import TaskMistake

MAX_HOPS = 8

type Grant = Literal["consent", "registry", "task_spawn", "token_exchange"]


@dataclass(frozen=True, slots=True)
class Proof:
    """How a hop was shown to us. `evidence` is a digest of the credential, never the credential.

    `presence` is what it tells of the sign-in of the person who handed the matter on.
    """

    method: str
    level: HopLevel
    evidence: str
    presence: Presence | None = None


@dataclass(frozen=True, slots=True)
class Authority:
    """What may be done at most, and until when (UNIX seconds). Nothing declared means nothing allowed."""

    tools: tuple[str, ...]
    datasets: tuple[str, ...]
    deadline: float

    def require_within(self, outer: "Authority") -> None:
        """Raises if this is more than `outer` in any respect."""
        tool = within(self.tools, outer.tools)
        if tool is not None:
            raise TaskMistake("widens_tools", f"`{tool}` is not among the tools that were handed down")
        dataset = next((one for one in self.datasets if one not in outer.datasets), None)
        if dataset is not None:
            raise TaskMistake("widens_datasets", f"`{dataset}` is not among the datasets that were handed down")
        if not self.deadline <= outer.deadline:
            raise TaskMistake("outlives", "what is handed down must end with what it was handed down from")


@dataclass(frozen=True, slots=True)
class Link:
    """One hop. `previous` is the digest of the hop before, or of the root."""

    index: int
    delegator: Principal
    delegate: Principal
    grant: Grant
    proof: Proof
    authority: Authority
    at: float
    previous: str
    digest: str = ""

    def sealed(self) -> "Link":
        """The same hop with the digest of all that it says."""
        return replace(self, digest=self.expected())

    def expected(self) -> str:
        """The digest that this hop must have."""
        proof, authority = self.proof, self.authority
        return _digest(
            self.index,
            _name(self.delegator),
            _name(self.delegate),
            self.grant,
            [proof.method, proof.level, proof.evidence, *_signed_in(proof.presence)],
            [[*authority.tools], [*authority.datasets], authority.deadline],
            self.at,
            self.previous,
        )


@dataclass(frozen=True, slots=True)
class Delegation:
    """From the root to the agent that acts. Without links the root acts for itself."""

    root: Principal
    links: tuple[Link, ...] = ()

    @property
    def members(self) -> tuple[Principal, ...]:
        return (self.root, *(link.delegate for link in self.links))

    @property
    def last(self) -> Principal:
        return self.links[-1].delegate if self.links else self.root

    def handed_to(
        self, delegate: Principal, grant: Grant, proof: Proof, authority: Authority, *, at: float
    ) -> "Delegation":
        """One hop further. The same party again is no hop; more authority, a loop, or too deep a chain is refused."""
        if self.links:
            authority.require_within(self.links[-1].authority)
        if delegate == self.last:
            return self
        if delegate in self.members:
            raise TaskMistake("delegation_loop", f"`{delegate.id}` is in this chain already")
        if len(self.links) >= MAX_HOPS:
            raise TaskMistake("delegation_too_deep", f"a chain has at most {MAX_HOPS} hops")
        previous = self.links[-1].digest if self.links else _root(self.root)
        link = Link(len(self.links), self.last, delegate, grant, proof, authority, at, previous).sealed()
        return replace(self, links=(*self.links, link))

    def require_whole(self) -> None:
        """Raises unless every hop follows from the one before: no gap, no change, nothing wider."""
        if len(self.links) > MAX_HOPS:
            raise TaskMistake("delegation_too_deep", f"a chain has at most {MAX_HOPS} hops")
        end, previous = self.root, _root(self.root)
        for index, link in enumerate(self.links):
            if (link.index, link.delegator, link.previous) != (index, end, previous):
                raise TaskMistake("delegation_broken", f"hop {index} does not follow from the one before")
            if link.digest != link.expected():
                raise TaskMistake("delegation_broken", f"hop {index} is not what was written down")
            if index:
                link.authority.require_within(self.links[index - 1].authority)
            end, previous = link.delegate, link.digest
        if len(set(self.members)) != len(self.members):
            raise TaskMistake("delegation_loop", "a party is in this chain twice")

    def chain(self) -> Chain:
        """What policy may see: the hops after the last asserted one. Where there was one, the root is not proven."""
        begin = self._begin()
        presence = self.links[0].proof.presence if self.links and not begin and self.root.kind == "human" else None
        return Chain(self.members[begin], tuple(_hops(self.links[begin:])), not begin, presence)

    def behind(self) -> tuple[Principal, ...]:
        """Who stands before the last asserted hop: of no weight for policy, and no call without any of them."""
        return self.members[: self._begin()]

    def _begin(self) -> int:
        """How many hops there are up to the last asserted one."""
        return max((link.index + 1 for link in self.links if link.proof.level not in _COUNTS), default=0)


_COUNTS = frozenset({"verified", "endorsed"})


def _hops(links: Iterable[Link]) -> Iterable[Hop]:
    return (
        Hop(link.delegator, link.delegate, link.proof.level, link.proof.method, link.proof.evidence) for link in links
    )


def _signed_in(presence: Presence | None) -> list[Json]:
    """Nothing where nothing is known: what was sealed before this could be told stays as it was."""
    return [] if presence is None else [[presence.at, presence.acr, [*presence.amr]]]


def _name(principal: Principal) -> str:
    return f"{principal.kind}:{principal.id}"


def _root(root: Principal) -> str:
    return _digest("root", _name(root))


def _digest(*said: Json) -> str:
    return "sha256:" + hashlib.sha256(canonical([*said])).hexdigest()
