"""Signing in and out."""

import asyncio
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from proxy.control.people import SESSION_LIFE
from tests.fakes.console_house import ConsoleHouse
from tests.fakes.control_house import ORIGIN


def cookie_of(answer: httpx.Response) -> str:
    return answer.headers["set-cookie"]


def test_a_token_signs_in(house: ConsoleHouse) -> None:
    """The cookie is strict, hidden from scripts, ends with the session, and opens the page that was asked for."""

    async def scenario() -> None:
        token = await house.token("alice")
        async with house.client(origin=ORIGIN) as client:
            answer = await client.post("/login", data={"token": f" {token}\n", "next": "/calls"})
            assert (answer.status_code, answer.headers["location"]) == (303, "/calls")
            cookie = cookie_of(answer)
            for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=3600"):
                assert part in cookie
            assert "Secure" not in cookie
            assert "Domain" not in cookie
            assert "Alice Almond" in (await client.get("/")).text
        assert house.log.types() == ["person.signed_in"]

    asyncio.run(scenario())


def test_over_tls_the_cookie_is_bound_to_this_host(tmp_path: Path) -> None:
    """`__Host-`, Secure, no Domain: another host or port in the clear can neither read nor set it."""
    origin = "https://sign.example"
    house = ConsoleHouse(tmp_path, origins=(origin,))

    async def scenario() -> None:
        token = await house.token("alice")
        transport = httpx.ASGITransport(house.app)
        async with httpx.AsyncClient(transport=transport, base_url=origin, headers={"origin": origin}) as client:
            cookie = cookie_of(await client.post("/login", data={"token": token}))
        assert cookie.startswith("__Host-countersign=css_")
        assert "Secure" in cookie
        assert "Domain" not in cookie

    asyncio.run(scenario())
    house.close()


@pytest.mark.parametrize(
    "path", ["/calls?principal=bob&task=", "/tasks/task_1", "/kill-switch?kind=agent&name=bot", "/reviews/agent:bot"]
)
def test_signing_in_leads_to_where_one_wanted_to_go(house: ConsoleHouse, path: str) -> None:
    """With what was asked for there; also from a form that was sent after the session had ended."""

    async def scenario() -> None:
        token = await house.token("alice")
        async with house.client(origin=ORIGIN) as client:
            asked = await client.get(path)
            assert asked.status_code == 303
            after = parse_qs(urlsplit(asked.headers["location"]).query)["next"][0]
            answer = await client.post("/login", data={"token": token, "next": after})
            assert answer.headers["location"] == path
        async with house.client(origin=ORIGIN) as client:
            refused = await client.post("/holds/hld_1/deny", data={"reason": "x"})
            assert refused.status_code == 401
            assert 'href="/login?next=/holds/hld_1"' in refused.text

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "after",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/holds/../x",
        "javascript:alert(1)",
        "/calls\r\nx: y",
        "/logout",
        "",
    ],
)
def test_signing_in_never_leads_elsewhere(house: ConsoleHouse, after: str) -> None:
    """Only our own pages are followed; anything else leads to the first page."""

    async def scenario() -> None:
        token = await house.token("alice")
        async with house.client(origin=ORIGIN) as client:
            answer = await client.post("/login", data={"token": token, "next": after})
            assert answer.headers["location"] == "/"
            page = (await client.get("/login", params={"next": after})).text
            assert '<input type="hidden" name="next" value="/">' in page

    asyncio.run(scenario())


def test_a_wrong_token_opens_nothing(house: ConsoleHouse) -> None:
    """No cookie, one sentence, and no difference between wrong, ended and missing."""

    async def scenario() -> None:
        ended = (await house.people.issue_token("alice", ttl=60, by="test", now=house.now)).secret
        house.now += 61
        async with house.client(origin=ORIGIN) as client:
            pages = set()
            for token in ("", "x", "csp_" + "A" * 43, ended, await house.session("alice")):
                answer = await client.post("/login", data={"token": token})
                assert answer.status_code == 403
                assert "set-cookie" not in answer.headers
                pages.add(answer.text)
        assert len(pages) == 1
        assert house.log.records == []

    asyncio.run(scenario())


@pytest.mark.parametrize("headers", [{}, {"origin": "https://evil.example"}, {"origin": "null"}])
def test_nobody_is_signed_in_by_another_site(house: ConsoleHouse, headers: dict[str, str]) -> None:
    """A foreign page cannot sign somebody in as somebody else."""

    async def scenario() -> None:
        code = (await house.people.issue_sign_in_code("alice", by="test", now=house.now)).secret
        async with house.client(**headers) as client:
            for path, data in (("/login", {"token": await house.token("alice")}), ("/sign-in", {"code": code})):
                answer = await client.post(path, data=data)
                assert answer.status_code == 403
                assert "set-cookie" not in answer.headers
        assert await house.door.open_with_code(code, "") is not None

    asyncio.run(scenario())


def test_a_sign_in_link_signs_in_by_its_button_once(house: ConsoleHouse) -> None:
    """Looking at the link does nothing; the button works once; the second press says so."""

    async def scenario() -> None:
        code = (await house.people.issue_sign_in_code("alice", by="test", now=house.now)).secret
        async with house.client(origin=ORIGIN) as client:
            page = await client.get("/sign-in", params={"code": code})
            assert f'name="code" value="{code}"' in page.text
            assert "set-cookie" not in page.headers
            done = await client.post("/sign-in", data={"code": code})
            assert (done.status_code, done.headers["location"]) == (303, "/")
            assert f"Max-Age={SESSION_LIFE}" in cookie_of(done)
            again = await client.post("/sign-in", data={"code": code})
            assert again.status_code == 403
            assert "was used or has ended" in again.text

    asyncio.run(scenario())


def test_a_code_in_a_link_is_text(house: ConsoleHouse) -> None:
    """What is put into the link cannot become markup."""

    async def scenario() -> None:
        async with house.client() as client:
            text = (await client.get("/sign-in", params={"code": '"><script>alert(1)</script>'})).text
        assert "<script>alert" not in text

    asyncio.run(scenario())


def test_a_planted_session_does_not_survive_signing_in(house: ConsoleHouse) -> None:
    """Whoever put their own session into the browser does not share the new one, and theirs ends."""

    async def scenario() -> None:
        planted = await house.session("bob")
        async with house.client(origin=ORIGIN, cookie=f"countersign_session={planted}") as client:
            answer = await client.post("/login", data={"token": await house.token("alice")})
        assert planted not in cookie_of(answer)
        assert await house.door.with_session(planted) is None

    asyncio.run(scenario())


def test_signing_out_ends_the_session_itself(house: ConsoleHouse) -> None:
    """A copy of the cookie is worth nothing afterwards."""

    async def scenario() -> None:
        async with await house.visitor("alice") as client:
            session = client.headers["cookie"].partition("=")[2]
            fields = await house.form(client, "/agents")
            answer = await client.post("/logout", data=fields)
            assert (answer.status_code, answer.headers["location"]) == (303, "/login")
            assert "Max-Age=0" in cookie_of(answer)
        assert await house.door.with_session(session) is None

    asyncio.run(scenario())
