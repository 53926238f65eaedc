"""The token endpoint around a real store, real keys, a real issuer's tokens, and the resolver of the path of a call."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from proxy.control.api import create_api
from proxy.control.oauth.beginning import ACCESS_TOKEN
from proxy.control.oauth.clients import ASSERTION
from proxy.control.oauth.details import TYPE
from proxy.control.oauth.endpoint import token_routes
from proxy.control.oauth.grants import EXCHANGE
from proxy.control.oauth.needs import OAuthDeps
from proxy.control.oauth.server import TokenServer
from proxy.downstream.own_tokens import OwnTxnTokens
from proxy.downstream.signer import Signer
from proxy.facts import Dataset, Process, Service, Subject, Tool
from proxy.identity.assertion_svids import AssertionSvids
from proxy.identity.assertions import AssertionVerifier
from proxy.identity.clusters import ClusterSettings
from proxy.identity.federation import BundleSource
from proxy.identity.issuers import IssuerSettings
from proxy.identity.resolver import Resolver
from proxy.identity.task_tokens import TaskTokenReader
from proxy.identity.tokens import TokenVerifier
from proxy.identity.trust_domains import TrustDomainSettings
from proxy.identity.workloads import Workloads
from proxy.inventory.ownership import process_standing, standing
from proxy.own_host import OWN_HOST
from tests.fakes.accounts import chain, minted, signed_again
from tests.fakes.control_house import FAR, House
from tests.fakes.issuer import AUDIENCE, ISSUER, NOW, claims, header, jwk, key_set, sign
from tests.fakes.trust_domain import TrustDomain

OURS = "https://gov.example"
PROXY = f"{OURS}/proxy"
FRANK = "frank@idp"
BOT = "bot@idp"
CRON = "nightly@idp"
CRON_SVID = "spiffe://prod.example/cron/nightly"
DOMAIN = "prod.example"


class TokenHouse(House):
    """`support-bot` and `builder` have keys of their own; the issuer knows Frank, and the support bot."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.now = NOW
        self._know()
        keys = folder / "jwks.json"
        keys.write_bytes(key_set(jwk("ES256")))
        profile = IssuerSettings(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), jwks_file=keys)
        self.revocation_feed = self.revocations._feed
        self.revocation_feed.on_standing(self.tasks.forget)
        self._profile = profile
        self.signer = Signer.open(folder / "keys", NOW)
        self.clusters: tuple[ClusterSettings, ...] = ()
        self.domain = TrustDomain(at=NOW)
        self.bundle = folder / "bundle.json"
        self.bundle.write_bytes(self.domain.bundle())
        own = self._read_anew()
        tokens = self.tokens
        self.oauth = OAuthDeps(
            issuer=OURS, audience=PROXY, resolver=self.resolver, tokens=tokens,
            assertions=AssertionVerifier(OURS, self.store), own=own, sign=self.signer.sign, tasks=self.tasks,
            feed=self.revocation_feed, revoke=self.revocations.revoke, inventory=lambda: self.facts,
            record=self.log.append, clock=lambda: self.now, replays=self.store, jwks=self.signer.jwks,
            txn_tokens=OwnTxnTokens(DOMAIN, self.signer.jwks, lambda: self.signer.epoch), own_host=OWN_HOST,
            certificates=True,
        )  # fmt: skip
        self._count = 0
        self.serve_tokens()

    def _read_anew(self) -> TaskTokenReader:
        """Who verifies, knowing nothing yet of any key."""
        own = TaskTokenReader(OURS, PROXY, self.signer.jwks, lambda: self.signer.epoch)
        self.tokens = TokenVerifier([self._profile])
        workloads = Workloads([BundleSource(TrustDomainSettings(DOMAIN, PROXY, self.bundle))], self.clusters)
        self.resolver = Resolver(
            self.handles, self.tokens, standing, self.tasks.basis, own, workloads, process_standing
        )
        verifier = workloads.svids_for(OURS)
        assert verifier is not None
        self.svids = AssertionSvids(verifier, self.resolver.of_verified)
        return own

    def restart(self) -> None:
        """What was only remembered is gone; what is configured meanwhile counts."""
        own = self._read_anew()
        self.serve_tokens(own=own, tokens=self.tokens, resolver=self.resolver, svids=self.svids)

    def serve_tokens(self, **changes: Any) -> None:
        """The application, with these parts of the token endpoint changed."""
        self.oauth = replace(self.oauth, **changes)
        self.server = TokenServer(self.oauth)
        self.app = create_api(self.deps, self.door, token_routes(self.server))

    def _know(self) -> None:
        agents, people = dict(self.facts.agents), dict(self.facts.people)
        for name, key in (("support-bot", "bot"), ("builder", "builder")):
            workload = Subject(issuer=f"spiffe://{DOMAIN}", subject=f"spiffe://{DOMAIN}/{name}")
            shown = {"client_keys": (jwk("ES256", key),), "identities": (workload,)}
            agents[name] = agents[name].model_copy(update=shown)
        bot = agents["support-bot"]
        known = (Subject(issuer=ISSUER, subject=BOT), *bot.identities)
        agents["support-bot"] = bot.model_copy(update={"identities": known})
        frank = Subject(issuer=ISSUER, subject=FRANK)
        people["frank"] = people["frank"].model_copy(update={"identities": (frank,)})
        nightly = Process(
            id="nightly", owner="bob", purpose="Closes stale orders", trigger="schedule", reference="0 3 * * *",
            agents=("support-bot",), expires=FAR, review_due=FAR,
            identities=(Subject(issuer=ISSUER, subject=CRON), Subject(issuer=f"spiffe://{DOMAIN}", subject=CRON_SVID)),
        )  # fmt: skip
        planner = Service(
            id="planner", owner="bob", url="https://planner.internal", trust="internal", agent="builder",
            tools=(Tool(name="plan", effect="execute"),),
            onward={"*": ("payments/refund",)}, client_keys=(jwk("ES256", "planner"),),
        )  # fmt: skip
        tools = tuple(Tool(name=name, effect="pay") for name in ("refund", "find"))
        payments = self.facts.services["payments"].model_copy(update={"tools": tools})
        crm = payments.model_copy(update={"id": "crm", "url": "https://crm.example/api"})
        self.facts = self.facts.model_copy(
            update={
                "agents": agents,
                "people": people,
                "services": {**self.facts.services, "payments": payments, "crm": crm, "planner": planner},
                "processes": {"nightly": nightly},
                "datasets": {"ledger": Dataset(id="ledger", owner="bob")},
            }
        )

    # --- what is shown ----------------------------------------------------------------------------

    def assertion(self, agent: str = "support-bot", *, key: str = "", head: Any = None, **changes: Any) -> str:
        """A good assertion of this agent for one request, changed as told; None leaves a claim out."""
        self._count += 1
        now = int(self.now)
        good = {
            "iss": agent, "sub": agent, "aud": OURS, "iat": now, "exp": now + 60, "jti": f"a-{self._count}",
        }  # fmt: skip
        said = {name: value for name, value in (good | changes).items() if value is not None}
        name = key or {"support-bot": "bot"}.get(agent, agent)
        return sign(said, head or {"alg": "ES256", "kid": name}, name=name)

    def human(self, **changes: Any) -> str:
        """Frank's access token for us, issued to the support bot as the client where he signed in."""
        good = {
            "sub": FRANK,
            "client_id": BOT,
            "scope": "openid countersign_task",
            "iat": int(self.now),
            "exp": int(self.now) + 600,
            "jti": self._id(),
        }
        return sign(claims(**(good | changes)), header())

    def _id(self) -> str:
        """One that no other token has."""
        self._count += 1
        return f"j-{self._count}"

    def agents_own(self, **changes: Any) -> str:
        """The support bot's access token of the same issuer."""
        return sign(claims(**({"sub": BOT, "jti": self._id()} | changes)), header())

    def process(self, **changes: Any) -> str:
        """The nightly schedule's access token for us, without a word of scope."""
        good = {"sub": CRON, "iat": int(self.now), "exp": int(self.now) + 600, "jti": self._id()}
        return sign(claims(**(good | changes)), header())

    def svid(self, subject: str = CRON_SVID, audience: str = OURS, **changes: Any) -> str:
        """A JWT-SVID of our trust domain, for our issuer."""
        return self.domain.token({"sub": subject, "aud": [audience]} | changes)

    def told(self, task: str, *members: str, **changes: Any) -> str:
        """The transaction token of a call to the planner, made under this task by the last of these."""
        root, *agents = members or ("human:frank", "support-bot")
        token = minted(self.signer, chain(*agents, root=root), now=self.now)
        called = {"task": task, "tool": "planner/plan"} | changes.pop("tctx", {})
        good = {"tctx": called, "rctx": {"dst": "https://planner.internal"}, "scope": "planner.execute"}
        return signed_again(self.signer, token, **(good | changes))

    async def handle(self, agent: str = "support-bot", **more: Any) -> str:
        """A handle of ten minutes."""
        good: dict[str, Any] = {"agent": agent, "purpose": "x", "ttl": 600.0, "issued_by": "test", "now": self.now}
        return (await self.handles.issue(**(good | more)))[0]

    # --- what is asked ----------------------------------------------------------------------------

    async def ask(self, path: str = "token", agent: str | None = "support-bot", **form: Any) -> httpx.Response:
        """A request of this agent, by an assertion; with None, by nothing."""
        await self.revocation_feed.poll(self.now)
        shown = {"client_assertion_type": ASSERTION, "client_assertion": self.assertion(agent)} if agent else {}
        async with self.client() as client:
            return await client.post(f"/oauth2/{path}", data=shown | form)

    async def own(self, agent: str = "support-bot", **more: Any) -> dict[str, Any]:
        """A task token of this agent for itself."""
        return good(await self.ask(agent=agent, grant_type="client_credentials", authorization_details=details(**more)))

    async def exchange(self, agent: str | None = "support-bot", **form: Any) -> httpx.Response:
        """A token exchange by this client."""
        types = {f"{name}_type": ACCESS_TOKEN for name in ("subject_token", "actor_token") if form.get(name)}
        return await self.ask(agent=agent, grant_type=EXCHANGE, **(types | form))

    async def for_frank(self, **form: Any) -> httpx.Response:
        """The support bot exchanges Frank's token, showing its own as actor."""
        asked = {
            "subject_token": self.human(),
            "actor_token": self.agents_own(),
            "authorization_details": details(),
        }
        return await self.exchange(**(asked | form))

    def read(self, token: str) -> dict[str, Any]:
        """The claims of a token of ours, verified."""
        return dict(self.oauth.own.verify(token, self.now).claims)


def details(**changes: Any) -> str:
    """Asking for refunds."""
    detail = {"type": TYPE, "actions": ["payments/refund"], "purpose": "refunds of today"} | changes
    return json.dumps([{name: value for name, value in detail.items() if value is not None}])


def good(answer: httpx.Response) -> dict[str, Any]:
    """The token response."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    assert "refresh_token" not in body
    return body


def error(answer: httpx.Response) -> str:
    """The error code, whose status fits, and which nobody may cache."""
    code = str(answer.json()["error"])
    assert answer.status_code == {"invalid_client": 401, "temporarily_unavailable": 503}.get(code, 400), answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "access_token" not in answer.json()
    return code
