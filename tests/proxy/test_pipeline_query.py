"""A secret that travels in a query: never decided on, digested, shown or recorded, and the only one that is sent."""

from dataclasses import replace

from proxy.stages import Request
from tests.fakes.world import INVENTORY, POLICIES, SECRET, get, mcp, refund, run

KEYED = INVENTORY.replace("trust: internal", "trust: partner").replace(
    'methods: [GET, POST], paths: ["/v1/*"]}', 'methods: [GET, POST], paths: ["/v1/*"], query: key}'
)
FORM = "application/x-www-form-urlencoded"


def asked(query: str, request: Request | None = None) -> Request:
    return replace(request or get(), query=query)


def test_a_placeholder_is_replaced_and_makes_no_difference(tmp_path):
    """Whatever was sent under the name, the digest is the same, and only ours goes upstream."""

    async def scenario(house):
        digests = set()
        for query in ("", "key=dummy", "key=a&%6bey=b", "KEY=dummy"):
            released = await house.released(asked(query))
            assert released.upstream.query == f"key={SECRET}"
            digests.add(released.decided.described.call.digest)
            assert "key" not in released.decided.described.call.arguments
            assert SECRET not in repr(released)
            house.answer(released)
        assert len(digests) == 1
        kept = await house.released(asked("a=1&key=dummy&b=2"))
        assert kept.upstream.query == f"a=1&b=2&key={SECRET}"
        record = await house.last("call.decided")
        assert record["client"]["stripped"] == ["?key"]
        assert record["credential"]["id"] == "crm-key"
        house.answer(kept)

    run(tmp_path, scenario, inventory=KEYED)


def test_a_lookalike_is_refused(tmp_path):
    """What a lax service could take for the agent's own key."""

    async def scenario(house):
        for query in ("key[]=x", "%256bey=x", "a=1;key=x", "+key=x"):
            document = await house.refused(asked(query))
            assert (document["status"], document["reason"]) == (403, "credential_in_query")

    run(tmp_path, scenario, inventory=KEYED)


def test_nobody_unknown_learns_the_name(tmp_path):
    """Who has not shown who it is hears that first."""

    async def scenario(house):
        document = await house.refused(asked("key[]=x"), evidence=house.evidence_of_nobody)
        assert document["reason"] == "identity_invalid"

    async def with_nobody(house):
        house.evidence_of_nobody = replace(await house.evidence(), credentials=(("basic", "csh_" + "A" * 43),))
        await scenario(house)

    run(tmp_path, with_nobody, inventory=KEYED)


def test_a_field_of_that_name_in_a_body_is_refused(tmp_path):
    """A service that reads query and body as one would take it for the credential, whatever a tool declares."""

    async def scenario(house):
        def sent(kind: str, body: bytes, query: str = "") -> Request:
            headers = (("host", "crm.test"), ("content-type", kind))
            return Request("POST", "https", "crm.test", 443, "/v1/refunds", query, headers, body)

        await house.edit(inventory=KEYED.replace("amount: {type: integer}", "amount: {type: integer}, key: {}"))
        for kind, body in (
            (FORM, b"customer=ada-lovelace-0815&amount=5&key=own"),
            (FORM, b"customer=ada-lovelace-0815&amount=5&%6bey%5b%5d=own"),
            ("application/json", b'{"customer": "ada-lovelace-0815", "amount": 5, "Key": "own"}'),
        ):
            for query in ("", "key=dummy"):
                document = await house.refused(sent(kind, body, query))
                assert (document["status"], document["reason"]) == (403, "credential_in_body")
        released = await house.released(sent(FORM, b"customer=ada-lovelace-0815&amount=5", "key=dummy"))
        assert (released.upstream.query, b"key" in released.upstream.body) == (f"key={SECRET}", False)
        house.answer(released)

    run(tmp_path, scenario, inventory=KEYED)


def test_a_held_call_shows_and_keeps_no_credential(tmp_path):
    """The card has the query without it; the approval is for every placeholder, and the real one is sent."""

    async def scenario(house):
        hold = await house.held(asked("key=dummy", refund()))
        stored = await house.holds.get(hold)
        assert "dummy" not in repr(stored)
        assert SECRET not in repr(stored)
        await house.approve(hold)
        released = await house.released(asked("key=another", refund()))
        assert released.upstream.query == f"key={SECRET}"
        assert released.claim is not None
        house.answer(released)

    run(tmp_path, scenario, inventory=KEYED)


def test_an_approval_does_not_outlive_the_place_of_the_credential(tmp_path):
    """Moved to another parameter in between, it is another action: what was the credential is an argument now."""

    async def scenario(house):
        hold = await house.held(asked("key=dummy", refund()))
        await house.approve(hold)
        await house.edit(inventory=KEYED.replace("query: key", "query: token"))
        again = await house.refused(asked("token=dummy", refund()))
        assert (again["reason"], again["hold_id"] != hold) == ("approval_pending", True)
        document = await house.refused(asked("key=dummy", refund()))
        assert document["reason"] == "arguments_invalid"

    run(tmp_path, scenario, inventory=KEYED)


def test_without_the_stripping_the_call_does_not_pass(tmp_path, monkeypatch):
    """Were the parameter ever left in, ours would not be put beside it."""
    monkeypatch.setattr("proxy.pipeline.without_query_credentials", lambda attributed, _: attributed)

    async def scenario(house):
        for query in ("key=dummy", "KEY=dummy", "%6bey=dummy"):
            document = await house.refused(asked(query))
            assert (document["status"], document["reason"]) == (503, "credential_unavailable")

    run(tmp_path, scenario, inventory=KEYED, policies=POLICIES)


def test_a_documented_parameter_is_not_asked_of_the_agent(tmp_path):
    """A document that calls the key a required parameter: the call passes without one, and with ours."""
    document = """{"openapi": "3.1.0", "info": {}, "paths": {"/v1/places": {"get": {"operationId": "find_places",
      "parameters": [{"name": "key", "in": "query", "required": true}]}}}}"""
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "crm.json").write_text(document)

    async def scenario(house):
        for query in ("", "key=dummy"):
            released = await house.released(asked(query, get("/v1/places")))
            assert released.decided.described.call.tool.name == "find_places"
            assert released.upstream.query == f"key={SECRET}"
            house.answer(released)

    inventory = KEYED.replace("    connect: 127.0.0.1:8443\n", "    connect: 127.0.0.1:8443\n    openapi: crm.json\n")
    run(tmp_path, scenario, inventory=inventory)


def test_an_mcp_server_with_a_key_in_its_url(tmp_path):
    """Its endpoint takes no query from an agent, but for the placeholder, which is replaced."""
    bindings = '    bindings: [{id: k, secret: "file:SECRET_FILE", methods: [POST], paths: [/mcp], query: apiKey}]\n'
    inventory = INVENTORY.replace(
        "    trust: partner\n    tools: [{name: search", f"{bindings}    tools: [{{name: search"
    )

    async def scenario(house):
        call = mcp("tools/call", {"name": "search_notes", "arguments": {}})
        released = await house.released(replace(call, query="apiKey=dummy"))
        assert released.upstream.query == f"apiKey={SECRET}"
        assert released.decided.described.call.tool.name == "search_notes"
        house.answer(released)
        verdict = await house.admit(replace(call, query="apiKey=dummy&more=1"))
        assert b"endpoint_unknown" in verdict.body

    run(tmp_path, scenario, inventory=inventory)
