"""What the proxy's door refuses, and what is cut while it is open."""

import socket

import httpx
import pytest

from proxy.demo.stage import Stage
from tests.e2e.driving import CRM, Flowing, issue, proxied, records, stage_time, until
from tests.fakes.waiting import PATIENCE


def raw(stage: Stage) -> socket.socket:
    host, _, port = stage.proxy.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def test_without_credentials_a_tunnel_is_refused(stage: Stage) -> None:
    """407 with the challenge that makes clients send what they have."""
    with raw(stage) as sock:
        sock.sendall(b"CONNECT crm.demo.internal:443 HTTP/1.1\r\nHost: crm.demo.internal:443\r\n\r\n")
        answer = sock.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 407 ")
    assert "proxy-authenticate:" in answer.lower()


@pytest.mark.parametrize("handle", ["csh_" + "a" * 43, "", "not-a-handle"])
def test_an_unknown_handle_is_refused(stage: Stage, handle: str) -> None:
    """A made-up handle opens nothing."""
    with proxied(stage, handle) as client, pytest.raises(httpx.ProxyError, match="407"):
        client.get(f"{CRM}/v1/customers/c-7")


def test_a_handle_ends_with_its_time(stage: Stage) -> None:
    """After its last second a handle opens nothing, and a tunnel that it opened carries nothing more."""
    with proxied(stage, issue(stage, ttl_seconds=1)["handle"]) as client:

        def refused() -> bool:
            try:
                return client.get(f"{CRM}/v1/customers/c-7").status_code in {401, 403, 407}
            except httpx.HTTPError:
                return True

        until(refused, "the handle has ended")
    with proxied(stage, issue(stage, ttl_seconds=1)["handle"]) as client:
        until(refused_anew(stage, client), "the handle has ended")


def refused_anew(stage: Stage, client: httpx.Client):
    def refused() -> bool:
        try:
            client.get(f"{CRM}/v1/customers/c-7", headers={"connection": "close"})
        except httpx.ProxyError as error:
            return "407" in str(error)
        return False

    return refused


def test_what_is_not_http_in_a_tunnel_is_refused(stage: Stage) -> None:
    """A tunnel that speaks neither TLS nor HTTP is closed, and nothing of it goes anywhere."""
    import base64

    proof = base64.b64encode(f"support-bot:{issue(stage)['handle']}".encode()).decode()
    with raw(stage) as sock:
        sock.sendall(
            b"CONNECT crm.demo.internal:443 HTTP/1.1\r\nHost: crm.demo.internal:443\r\n"
            b"Proxy-Authorization: Basic " + proof.encode() + b"\r\n\r\n"
        )
        assert sock.recv(1024).startswith(b"HTTP/1.1 200 ")
        sock.sendall(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
        assert b"SSH" not in sock.makefile("rb").read()


def test_a_revocation_cuts_an_open_stream_within_a_second(stage: Stage) -> None:
    """From the command's answer to the end of the stream is less than a second; nothing passes until it is lifted."""
    made = issue(stage)
    stream = Flowing(stage, made["handle"])
    stage.ask("POST", "/v1/revocations", {"scope": f"task:{made['task']}", "reason": "e2e"})
    said = stage_time(stage)
    assert stream.cut() - said < 1.0
    with proxied(stage, made["handle"]) as client:
        answer = client.get(f"{CRM}/v1/customers/c-7")
    assert (answer.status_code, answer.json()["reason"]) == (403, "task_revoked")
    (ended,) = until(lambda: records(stage, type="call.aborted", task=made["task"]), "the end is on record")
    assert ended["error"]["reason"] == "task_revoked"
