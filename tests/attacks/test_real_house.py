"""Attacks with raw sockets on a real house: what is refused, and that nothing of it reached the service.

Each row was tried by hand first. The service behind the house is hostile: it answers whatever a row says.
"""

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.attacks.conftest import House, answer_of, reason_of
from tests.fakes.waiting import PATIENCE

JSON = "Content-Type: application/json"

TARGETS: dict[str, tuple[str, str]] = {
    "plainly forbidden": ("/hostile/export", "forbidden"),
    "empty query": ("/hostile/export?", "forbidden"),
    "dot segments": ("/hostile/x/../export", "path_ambiguous"),
    "encoded dot segments": ("/hostile/x/%2e%2e/export", "path_ambiguous"),
    "Tomcat's dot segments": ("/hostile/x/..;/export", "path_ambiguous"),
    "encoded slash": ("/hostile/x/a%2F..%2F..%2Fexport", "path_ambiguous"),
    "encoded backslash": ("/hostile/x%5Cexport", "path_ambiguous"),
    "two slashes": ("/hostile//export", "path_ambiguous"),
    "final slash": ("/hostile/export/", "route_ambiguous"),
    "another letter case": ("/hostile/Export", "route_ambiguous"),
    "final dot": ("/hostile/export.", "route_ambiguous"),
    "final blank": ("/hostile/export%20", "route_ambiguous"),
    "NUL": ("/hostile/export%00", "path_ambiguous"),
    "path parameter": ("/hostile/export;x=1", "path_ambiguous"),
    "zero-width space": ("/hostile/export%E2%80%8B", "no_permit"),
    "full-width slash": ("/hostile/x%EF%BC%8Fexport", "path_ambiguous"),
    "the bare service": ("/hostile", "no_permit"),
    "a service that is not": ("/../hostile/export", "service_unknown"),
    "a service in capitals": ("/HOSTILE/export", "service_unknown"),
    "an empty service": ("//hostile/export", "service_unknown"),
    "an encoded service": ("/hostil%65/export", "service_unknown"),
    "absolute form": ("http://127.0.0.1/hostile/x/ok", "target_invalid"),
    "fragment": ("/hostile/x/ok#y", "path_ambiguous"),
}


@pytest.mark.parametrize(("target", "reason"), TARGETS.values(), ids=TARGETS.keys())
def test_no_spelling_of_a_path_gets_past_its_rule(house: House, target: str, reason: str) -> None:
    """The forbidden export is refused under every spelling, and the service hears of none."""
    before = len(house.service.seen)
    assert reason_of(house.ask(target)) == reason
    assert len(house.service.seen) == before


PAYMENTS: dict[str, tuple[bytes, tuple[str, ...], str]] = {
    "a float": (b'{"amount":5.0}', (JSON,), "arguments_invalid"),
    "a text": (b'{"amount":"5"}', (JSON,), "arguments_invalid"),
    "null": (b'{"amount":null}', (JSON,), "arguments_invalid"),
    "nothing": (b"{}", (JSON,), "arguments_invalid"),
    "65 bits": (b'{"amount":-9223372036854775809}', (JSON,), "arguments_invalid"),
    "twice": (b'{"amount":5,"amount":500}', (JSON,), "body_invalid"),
    "twice, folded": (b'{"amount":5,"Amount":500}', (JSON,), "body_invalid"),
    "once, in brackets": (b'{"amount":5,"amount[]":500}', (JSON,), "argument_lookalike"),
    "large, held": (b'{"amount":500}', (JSON,), "approval_pending"),
    "large, in a form": (b"amount=500", ("Content-Type: application/x-www-form-urlencoded",), "approval_pending"),
    "in another media type": (b'{"amount":5}', ("Content-Type: text/plain",), "content_type_unknown"),
    "in two media types": (b'{"amount":5}', (JSON, JSON), "header_refused"),
    "compressed": (b"\x1f\x8b", (JSON, "Content-Encoding: gzip"), "content_encoding_refused"),
    "with another method": (b'{"amount":5}', (JSON, "X_HTTP_Method_Override: DELETE"), "header_refused"),
    "with another path": (b'{"amount":5}', (JSON, "X-Original-URI: /export"), "header_refused"),
    "deeper than anybody reads": (b'{"amount":5,"x":' + b"[" * 99 + b"]" * 99 + b"}", (JSON,), "body_invalid"),
}


@pytest.mark.parametrize(("body", "fields", "reason"), PAYMENTS.values(), ids=PAYMENTS.keys())
def test_no_form_of_an_amount_gets_past_its_rule(
    house: House, body: bytes, fields: tuple[str, ...], reason: str
) -> None:
    """An amount that policy cannot read, or that others would read differently, pays nothing."""
    before = len(house.service.seen)
    assert reason_of(house.ask("/hostile/pay", *fields, method="POST", body=body)) == reason
    assert len(house.service.seen) == before


def test_who_is_not_known_gets_nowhere(house: House) -> None:
    """Nobody, two people at once, and a second request on a connection that has shown no credential in it."""
    before = len(house.service.seen)
    assert reason_of(house.ask("/hostile/x/ok", known=False)) == "identity_missing"
    assert reason_of(house.ask("/hostile/x/ok", "X-Api-Key: csh_" + "A" * 43)) in {
        "identity_conflict",
        "identity_invalid",
    }
    first = f"GET /hostile/none HTTP/1.1\r\nHost: g\r\nAuthorization: {house.credential}\r\n\r\n"
    second = "GET /hostile/x/ok HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n"
    with house.connected("gateway") as sock:
        sock.sendall((first + second).encode())
        said = b""
        while data := sock.recv(65536):
            said += data
    assert said.count(b"HTTP/1.1 4") == 2
    assert b"identity_missing" in said
    assert len(house.service.seen) == before


TUNNELS: dict[str, tuple[str, str]] = {
    "final dot": ("crm.demo.internal.:443", "host_invalid"),
    "no port": ("crm.demo.internal", "host_invalid"),
    "port 0": ("crm.demo.internal:0", "host_invalid"),
    "port with a zero": ("crm.demo.internal:0443", "host_invalid"),
    "port beyond": ("crm.demo.internal:99999", "host_invalid"),
    "user information": ("a@crm.demo.internal:443", "host_invalid"),
    "short IPv4": ("127.1:80", "host_invalid"),
    "IPv4 as a number": ("2130706433:80", "host_invalid"),
    "IPv4 in IPv6": ("[::ffff:127.0.0.1]:443", "host_invalid"),
    "broken punycode": ("xn--crm-.demo.internal:443", "host_invalid"),
    "NUL": ("crm.demo.internal%00.x:443", "host_invalid"),
}


@pytest.mark.parametrize(("authority", "reason"), TUNNELS.values(), ids=TUNNELS.keys())
def test_a_tunnel_needs_a_place_with_one_name(house: House, authority: str, reason: str) -> None:
    """What could be resolved to two places is none."""
    connect = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nProxy-Authorization: {house.credential}\r\n\r\n"
    assert reason_of(house.raw("proxy", connect.encode())) == reason


def test_a_tunnel_leads_to_no_other_place(house: House) -> None:
    """Not to ourselves, not to the machine's metadata, not to another host by `Host` or target."""
    for url in (house.stage.console, house.stage.proxy, "http://169.254.169.254:80", "http://[::1]:443"):
        place = url.split("/")[2]
        with house.tunnel(place) as sock:
            sock.sendall(f"GET /healthz HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
            assert reason_of(answer_of(sock)) == "service_unknown"
    inside = {
        b"GET /mcp HTTP/1.1\r\nHost: notes.demo.internal\r\n\r\n": "host_mismatch",
        b"GET https://notes.demo.internal/mcp HTTP/1.1\r\nHost: crm.demo.internal\r\n\r\n": "target_invalid",
        b"CONNECT notes.demo.internal:443 HTTP/1.1\r\nHost: notes.demo.internal:443\r\n\r\n": "method_not_supported",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": "version_not_supported",
    }
    for request, reason in inside.items():
        with house.tunnel("crm.demo.internal:443", tls="crm.demo.internal") as sock:
            sock.sendall(request)
            assert reason_of(answer_of(sock)) == reason


MCP: dict[str, tuple[bytes, str]] = {
    "batch": (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', "rpc_batch"),
    "two messages": (b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n{"jsonrpc":"2.0","id":2}', "body_invalid"),
    "a call that wants no answer": (
        b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"delete_note"}}', "rpc_method_unknown"),
    "a call with id null": (
        b'{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"delete_note"}}', "rpc_invalid"),
    "an answer that calls": (b'{"jsonrpc":"2.0","id":1,"result":{},"method":"tools/call"}', "rpc_invalid"),
    "a tool in another case": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"Delete_note"}}', "tool_unknown"),
    "the forbidden tool": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_note"}}', "forbidden"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "reason"), MCP.values(), ids=MCP.keys())
def test_no_message_calls_a_forbidden_tool(house: House, body: bytes, reason: str) -> None:
    """However the call is wrapped, the note service is not asked."""
    assert reason_of(house.ask("/notes", JSON, method="POST", body=body)) == reason


ECHOES: dict[str, bytes] = {
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n%-60b",
    "header": b"HTTP/1.1 200 OK\r\nX-Echo: %b\r\nContent-Length: 0\r\n\r\n",
    "reason": b"HTTP/1.1 200 %b\r\nContent-Length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.test/?key=%b\r\nContent-Length: 0\r\n\r\n",
    "trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Echo: %b\r\n\r\n",
    "early hints": b"HTTP/1.1 103 Early\r\nLink: %b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "chunk extension": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;k=%b\r\nok\r\n0\r\n\r\n",
    "second answer": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nX-Echo: %b\r\n\r\n",
}


@pytest.mark.parametrize("answer", ECHOES.values(), ids=ECHOES.keys())
def test_a_secret_does_not_come_back(house: House, answer: bytes) -> None:
    """Wherever in its answer the service puts the key, the agent does not get it."""
    house.answers[b"echo"] = answer % house.secret
    for _ in range(2):
        said = house.ask("/hostile/x/echo")
        assert said.startswith(b"HTTP/1.1 ")
        assert house.secret not in said
    assert b"authorization: Bearer " + house.secret in house.service.seen[-1]


def test_a_secret_does_not_come_back_in_pieces_or_in_another_alphabet(house: House) -> None:
    """Byte by byte in chunks of its own, and in UTF-16."""
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in house.secret)
    house.answers[b"pieces"] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    wide = house.secret.decode().encode("utf-16-le")
    house.answers[b"wide"] = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(wide), wide)
    assert reason_of(house.ask("/hostile/x/pieces")) == "secret_leaked"
    assert reason_of(house.ask("/hostile/x/wide")) == "secret_leaked"


CLAIMS: dict[str, bytes] = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded field": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "bare CR": b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nX: a\n\n",
    "no HTTP": b"hello",
    "compressed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
    "an upgrade unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nraw",
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    "an endless head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000,
}


@pytest.mark.parametrize("answer", CLAIMS.values(), ids=CLAIMS.keys())
def test_an_answer_with_two_readings_does_not_pass(house: House, answer: bytes) -> None:
    """The agent is told that the call was made and that its answer could not be passed on."""
    house.answers[b"claim"] = answer
    assert reason_of(house.ask("/hostile/x/claim")) == "upstream_failed"


def test_a_service_cannot_speak_for_us_or_open_a_session(house: House) -> None:
    """Claims of approval and cookies stay behind."""
    head = (
        b"HTTP/1.1 200 OK\r\nApproval-Status: approved\r\nCountersign-Call: x\r\nSet-Cookie: session=1\r\nX-Kept: 1\r\n"
    )
    house.answers[b"claims"] = head + b"Content-Length: 2\r\n\r\nok"
    said = house.ask("/hostile/x/claims").lower()
    assert b"x-kept: 1" in said
    assert not [name for name in (b"approval-", b"countersign-", b"set-cookie") if name in said]


def test_one_approval_is_one_call_however_many_ask_at_once(house: House) -> None:
    """Twenty identical calls race for one approval: the service gets one."""
    body, paid = b'{"amount":4711}', b"POST /api/pay "
    house.answers[b"pay"] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npaid"

    def pay(_: int = 0) -> bytes:
        return house.ask("/hostile/pay", JSON, method="POST", body=body)

    hold = json.loads(pay().partition(b"\r\n\r\n")[2])["hold_id"]
    _approve(house, hold)
    with ThreadPoolExecutor(20) as pool:
        said = Counter(answer[:12] for answer in pool.map(pay, range(20)))
    assert said[b"HTTP/1.1 200"] == 1
    assert sum(head.startswith(paid) for head in house.service.seen) == 1


def _approve(house: House, hold: str) -> None:
    with house.stage.person("olivia") as olivia:
        shown = olivia.get(f"/v1/holds/{hold}").json()
        looked_at = {"action_digest": shown["action_digest"], "row_version": shown["row_version"]}
        for wrong in ({"row_version": 999}, {"action_digest": "sha256:0"}, {"display_digest": "sha256:0"}):
            assert olivia.post(f"/v1/holds/{hold}/approve", json=looked_at | wrong).status_code == 409
        for person in ("alice", "bob"):
            with house.stage.person(person) as other:
                assert other.post(f"/v1/holds/{hold}/approve", json=looked_at).status_code == 404
        assert (
            olivia.post(f"/v1/holds/{hold}/approve", json=looked_at, headers={"Countersign-As": "olivia"}).status_code
            == 403
        )
        assert olivia.post(f"/v1/holds/{hold}/approve", json=looked_at).status_code == 200


def test_an_approval_does_not_outlive_its_revocation(house: House) -> None:
    """Approved, revoked, and the revocation lifted: the approval is gone."""

    def pay() -> bytes:
        return house.ask("/hostile/pay", JSON, method="POST", body=b'{"amount":4712}')

    hold = json.loads(pay().partition(b"\r\n\r\n")[2])["hold_id"]
    _approve(house, hold)
    before = len(house.service.seen)
    house.stage.ask("POST", "/v1/revocations", {"scope": "service:hostile", "reason": "test"})
    house.stage.ask("DELETE", "/v1/revocations?scope=service:hostile", {"reason": "test"})
    assert reason_of(pay()) == "approval_invalidated"
    assert len(house.service.seen) == before


def test_the_agents_credential_opens_nothing_of_the_console(house: House) -> None:
    """Neither its handle as a token, nor the operator's header, nor a foreign name or page."""
    console, bearer = house.stage.console, {"Authorization": f"Bearer {house.handle}"}
    tries = {
        "handle": httpx.get(f"{console}/v1/holds", headers=bearer, trust_env=False, timeout=PATIENCE),
        "as": httpx.get(f"{console}/v1/holds", headers={"Countersign-As": "olivia"}, trust_env=False, timeout=PATIENCE),
        "rebinding": httpx.get(f"{console}/healthz", headers={"Host": "evil.test"}, trust_env=False, timeout=PATIENCE),
        "foreign": httpx.post(
            f"{console}/login", headers={"Origin": "http://evil.test"}, data={}, trust_env=False, timeout=PATIENCE
        ),
    }
    assert {name: answer.status_code for name, answer in tries.items()} == {
        "handle": 401,
        "as": 403,
        "rebinding": 421,
        "foreign": 403,
    }


def test_one_heavy_request_does_not_hold_up_the_others(house: House) -> None:
    """While a body of marks and a body of tiny chunks are on their way, others are served."""
    marks = "a" + "\u0315" * 30_000 + "\u0300" * 30_000
    heavy = json.dumps({marks: 1, "amount": 1}, ensure_ascii=False).encode()
    tiny = b"POST /hostile/pay HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 300_000
    house.answers[b"light"] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    senders = [
        threading.Thread(target=house.ask, args=("/hostile/pay", JSON), kwargs={"method": "POST", "body": heavy}),
        threading.Thread(target=house.raw, args=("gateway", tiny)),
    ]
    for sender in senders:
        sender.start()
    assert [house.ask("/hostile/x/light")[:12] for _ in range(10)] == [b"HTTP/1.1 200"] * 10
    for sender in senders:
        sender.join()
