"""What proving an identity costs, and what it costs again: `uv run python -m tests.bench.bench_identity`.

The whole of `Resolver.prove`, with a chain of two certificates, tokens signed with ES256 and RS256, and a handle, over
an inventory of 1,000 agents of which each has an identity and an instance template. All are asked in turns in one run.
`first` is with nothing remembered of this credential, `again` with it. The ratio is to a cached handle.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter_ns

from proxy.facts import Agent, Instances, Inventory, Person, Subject
from proxy.identity.clusters import ClusterSettings
from proxy.identity.federation import BundleSource
from proxy.identity.handles import HandleService
from proxy.identity.resolver import Resolver
from proxy.identity.tokens import TokenVerifier
from proxy.identity.trust_domains import TrustDomainSettings
from proxy.identity.workloads import Workloads
from proxy.inventory.ownership import standing
from proxy.stages import Evidence, LocalPeer, TaskBasis
from tests.fakes.cluster import ACCOUNT, CLUSTER, US, account_token, cluster_keys
from tests.fakes.issuer import NOW, key_set
from tests.fakes.stores import MemoryHandleStore
from tests.fakes.trust_domain import AGENT, DOMAIN, OURS, TrustDomain

AGENTS = 1000
TD = f"spiffe://{DOMAIN}"


def inventory() -> Inventory:
    """A thousand agents, each with an identity and a template; the first has all that is shown."""
    dates = {"expires": date(2099, 1, 1), "review_due": date(2099, 1, 1)}
    first = ((TD, AGENT), (CLUSTER, ACCOUNT), ("unix", "uid=1000"))
    agents = {
        f"a{number}": Agent(
            id=f"a{number}", owner="olga", purpose="x", **dates,
            identities=tuple(
                Subject(issuer=issuer, subject=subject)
                for issuer, subject in (first if number == 0 else ((TD, f"{TD}/agent/{number}"),))
            ),
            instances=(Instances(issuer=TD, subject=f"{TD}/copies/{number}/{{instance}}"),),
        )
        for number in range(AGENTS)
    }  # fmt: skip
    people = {"olga": Person(id="olga", name="Olga")}
    return Inventory(version="1", people=people, teams={}, agents=agents, services={}, datasets={})


class House:
    """A resolver over a trust domain and a cluster; `fresh` forgets all that was verified."""

    def __init__(self, folder: Path) -> None:
        self.home, self.world = TrustDomain(), inventory()
        (folder / "bundle").write_bytes(self.home.bundle())
        (folder / "jwks").write_bytes(key_set(cluster_keys()))
        self.sources = [BundleSource(TrustDomainSettings(DOMAIN, OURS, bundle_file=folder / "bundle"))]
        self.clusters = [ClusterSettings(CLUSTER, US, jwks_file=folder / "jwks")]
        self.handles = HandleService(MemoryHandleStore(), self._revoke)
        self.resolver = self.fresh()

    async def _revoke(self, scope: str, by: str, reason: str, now: float) -> None:
        """Nothing runs here."""

    async def _no_task(self, task: str) -> TaskBasis | None:
        return None

    def fresh(self) -> Resolver:
        """Another resolver over the same."""
        workloads = Workloads(self.sources, self.clusters)
        return Resolver(self.handles, TokenVerifier([]), standing, self._no_task, None, workloads)


async def measure(folder: Path, rounds: int) -> dict[str, tuple[list[float], list[float]]]:
    """For each kind, microseconds of the first and of the next proof."""
    house = House(folder)
    handle, _ = await house.handles.issue(agent="a0", purpose="x", ttl=600, issued_by="bench", now=NOW)
    kinds: dict[str, Callable[[], Evidence]] = {
        "handle": lambda: Evidence("p", (("basic", handle),)),
        "X.509-SVID, chain of two": lambda: Evidence("p", certificates=tuple(house.home.svid())),
        "JWT-SVID, ES256": lambda: Evidence("p", (("bearer", house.home.token({"jti": f"j{perf_counter_ns()}"})),)),
        "service account, RS256": lambda: Evidence("p", (("bearer", account_token(jti=f"j{perf_counter_ns()}")),)),
        "UNIX peer": lambda: Evidence("p", local=LocalPeer(1000, 1000, 1)),
    }
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in kinds}
    for evidence in (made() for made in kinds.values()):
        await house.resolver.prove(evidence, NOW, house.world)  # keys and index are read
    for _ in range(rounds):
        for name, made in kinds.items():
            evidence = made()
            for times in found[name]:
                begun = perf_counter_ns()
                await house.resolver.prove(evidence, NOW, house.world)
                times.append((perf_counter_ns() - begun) / 1000)
    return found


def main() -> int:
    """Prints a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2000)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder), rounds))
    unit = median(found["handle"][1])
    print(f"{'':28}{'first p50':>12}{'p99':>9}{'again p50':>12}{'p99':>9}{'again / handle':>16}")
    for name, (first, again) in found.items():
        numbers = [one for times in (first, again) for one in (median(times), quantiles(times, n=100)[98])]
        cells = "".join(f"{one:>{width}.0f} µs" for one, width in zip(numbers, (9, 6, 9, 6), strict=True))
        print(f"{name:28}{cells}{median(again) / unit:>14.1f} x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
