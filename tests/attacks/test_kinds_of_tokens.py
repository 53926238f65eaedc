"""One kind of token never passes for another: each is shown at every door but its own."""

import asyncio
import json

import httpx
import pytest

from proxy.app.control import control_application
from proxy.app.core import open_core
from proxy.control.oauth.clients import ASSERTION
from proxy.control.signals.words import SetRefused
from proxy.errors import Refused
from proxy.stages import Evidence, Released
from telemetry.metrics import Metrics
from tests.fakes.issuer import ISSUER, jwk, key_set, sign
from tests.fakes.serving import configured
from tests.fakes.world import INVENTORY, arrived, get

OURS = "http://127.0.0.1:8700"
BOT = "bot@idp"
KINDS = ("access", "task", "txn", "assertion", "set_of_idp", "set_of_ours")
# The same identity provider signs access tokens and events with the same key, for the same audience: the worst case.
MORE = f"""\
identity:
  token_issuer: {OURS}
  issuers:
  - {{issuer: "{ISSUER}", audience: "{OURS}", algorithms: [RS256], jwks_file: idp.json}}
  - {{issuer: "{ISSUER}", audience: "{OURS}", algorithms: [RS256], typ: jwt, jwks_file: idp.json}}
downstream: {{trust_domain: test.example}}
signals:
  transmitters:
  - {{issuer: "{ISSUER}", audience: "{OURS}", jwks_file: idp.json}}
  - {{issuer: "{OURS}/", audience: "{OURS}", algorithms: [ES256, RS256], jwks_file: ours.json, scopes: true}}
  receivers:
  - {{id: crm, audience: "{OURS}", authorization: "file:crm.key"}}
"""


class Doors:
    """A core with every kind of token, and every door at which one may be shown."""

    def __init__(self, core, folder):
        self.core = core
        now = int(core.clock())
        shared = {"iss": ISSUER, "aud": OURS, "iat": now, "jti": "j-1"}
        head = {"alg": "RS256", "kid": "k1"}
        about = {"format": "iss_sub", "iss": ISSUER, "sub": BOT}
        events = {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}}
        self.tokens = {
            "access": sign(
                shared | {"sub": BOT, "exp": now + 300, "client_id": "x"}, head | {"typ": "at+jwt"}, kind="RS256"
            ),
            "set_of_idp": sign(
                shared | {"sub_id": about, "events": events}, head | {"typ": "secevent+jwt"}, kind="RS256"
            ),
            "assertion": sign(
                {"iss": "support-bot", "sub": "support-bot", "aud": OURS, "iat": now, "exp": now + 60, "jti": "a-1"},
                {"alg": "ES256", "kid": "bot"},
                name="bot",
            ),
            "txn": core.signer.sign(
                {"iss": "spiffe://test.example/countersign", "aud": OURS, "iat": now, "exp": now + 60, "sub": BOT},
            ),
            "set_of_ours": core.signals.deps.telling.signer.sign(
                {"iss": OURS, "jti": "s-1", "iat": now, "aud": OURS, "sub_id": about, "events": events}
            ),
        }
        app = control_application(core, (OURS,), dict, Metrics())
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=OURS)

    async def with_task_token(self):
        detail = json.dumps(
            [
                {
                    "type": "countersign_task",
                    "actions": ["crm/get_customer"],
                    "datatypes": ["read:customers"],
                    "purpose": "x",
                }
            ]
        )
        form = {"grant_type": "client_credentials", "authorization_details": detail}
        form |= {"client_assertion_type": ASSERTION, "client_assertion": self.tokens["assertion"]}
        answer = await self.client.post("/oauth2/token", data=form)
        self.tokens["task"] = answer.json()["access_token"]

    async def proxy(self, token):
        """Whether it proves an agent on the path of a call."""
        evidence = Evidence("127.0.0.1", (("bearer", token),))
        return isinstance(await self.core.pipeline.admit_call(arrived(get()), evidence), Released)

    async def assertion(self, token):
        """Whether it proves an agent at the token endpoint."""
        try:
            await self.core_assertions().prove(token, self.core.inventory().agents, self.core.clock())
        except Refused:
            return False
        return True

    def core_assertions(self):
        from proxy.identity.assertions import AssertionVerifier

        return AssertionVerifier(OURS, self.core.store)

    async def subject(self, token):
        """Whether it stands for somebody in a token exchange."""
        try:
            await self.core.tokens.verify_subject(token, self.core.clock())
        except Refused:
            return False
        return True

    async def event(self, token):
        """Whether anything follows from it as an event."""
        hearing = self.core.signals.deps.hearing
        try:
            await hearing.hear(hearing.open(token))
        except SetRefused:
            return False
        return True


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_opens_its_own_door_only(tmp_path, kind):
    """By the same issuer, with the same key, for the same audience: a token of another kind proves and ends nothing."""
    (tmp_path / "idp.json").write_bytes(key_set(jwk("RS256")))
    (tmp_path / "ours.json").write_bytes(key_set(jwk("ES256")))
    key = json.dumps(jwk("ES256", "bot"))
    inventory = INVENTORY.replace(
        "purpose: refunds,",
        f"purpose: refunds, identities: [{{issuer: '{ISSUER}', subject: {BOT}}}], client_keys: [{key}],",
    )
    settings = configured(tmp_path, inventory=inventory, more=MORE)

    async def main():
        async with open_core(settings) as core:
            doors = Doors(core, tmp_path)
            async with doors.client:
                await doors.with_task_token()
                token = doors.tokens[kind]
                opened = {
                    name for name in ("proxy", "subject", "assertion", "event") if await getattr(doors, name)(token)
                }
                # the assertion was used for the task token, so that even its own door is shut by now
                assert opened == {
                    "access": {"proxy", "subject"},
                    "task": {"proxy"},
                    "set_of_idp": {"event"},
                }.get(kind, set())
                ended = {one.scope for one in core.revocations.in_force()}
                assert bool(ended) == (kind == "set_of_idp")

    asyncio.run(main())


def test_the_keys_of_events_verify_nothing_else(tmp_path):
    """They are not among the keys that are published for accounts and task tokens, and the other way round."""
    (tmp_path / "idp.json").write_bytes(key_set(jwk("RS256")))
    (tmp_path / "ours.json").write_bytes(key_set(jwk("ES256")))
    settings = configured(tmp_path, more=MORE)

    async def main():
        async with open_core(settings) as core:
            doors = Doors(core, tmp_path)
            async with doors.client as client:
                credentials = (await client.get("/.well-known/jwks.json")).json()["keys"]
                events = (await client.get("/ssf/jwks.json")).json()["keys"]
            assert {key["alg"] for key in credentials} == {"ES256"}
            assert {key["alg"] for key in events} == {"RS256"}
            assert {key["kid"] for key in credentials}.isdisjoint(key["kid"] for key in events)

    asyncio.run(main())
