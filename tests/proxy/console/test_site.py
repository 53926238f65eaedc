"""Every page and form of the console, and who gets to it."""

import asyncio
from html.parser import HTMLParser
from typing import Any

import pytest
from starlette.routing import Route

from proxy.console.pages import POLICY
from tests.fakes.console_house import ConsoleHouse
from tests.fakes.control_house import ORIGIN
from tests.proxy.control.test_routes import DOORS as API_DOORS

# One line a door. A new route fails the test below until it is written here, with who may use it.
#   open: anybody on the port · person: a signed-in person · form: the same, by a form of our own page
DOORS = {
    ("GET", "/static/{name}"): "open",
    ("GET", "/login"): "open",
    ("POST", "/login"): "open",
    ("GET", "/sign-in"): "open",
    ("POST", "/sign-in"): "open",
    ("GET", "/holds"): "open",
    ("POST", "/logout"): "form",
    ("GET", "/"): "person",
    ("GET", "/holds/{id}"): "person",
    ("POST", "/holds/{id}/approve"): "form",
    ("POST", "/holds/{id}/deny"): "form",
    ("POST", "/holds/{id}/revoke"): "form",
    ("POST", "/holds/{id}/reconcile"): "form",
    ("GET", "/calls"): "person",
    ("GET", "/calls/{id}"): "person",
    ("GET", "/agents"): "person",
    ("GET", "/agents/{id}"): "person",
    ("POST", "/agents/{id}/end"): "form",
    ("POST", "/agents/{id}/freeze"): "form",
    ("POST", "/agents/{id}/lift"): "form",
    ("GET", "/reviews"): "person",
    ("GET", "/reviews/{what}"): "person",
    ("POST", "/reviews/{what}/attest"): "form",
    ("POST", "/reviews/{what}/end"): "form",
    ("GET", "/tasks"): "person",
    ("GET", "/tasks/{id}"): "person",
    ("POST", "/tasks/{id}/suspend"): "form",
    ("POST", "/tasks/{id}/resume"): "form",
    ("POST", "/tasks/{id}/end"): "form",
    ("GET", "/kill-switch"): "person",
    ("POST", "/kill-switch/confirm"): "form",
    ("POST", "/kill-switch/stop"): "form",
    ("POST", "/kill-switch/lift"): "form",
}
FORMS = [path for (method, path), who in DOORS.items() if who == "form"]
DOORS |= {("GET", path): "open" for path in FORMS}  # back to the page that has the form; nothing is done


def place(path: str) -> str:
    return path.replace("{id}", "support-bot").replace("{what}", "agent:support-bot")


def test_every_route_is_listed_with_its_permission(house: ConsoleHouse) -> None:
    """The table above, with the API's own, names exactly the routes that exist."""
    found = set()
    for route in house.app.routes:
        assert isinstance(route, Route)
        found |= {(method, route.path) for method in (route.methods or set()) - {"HEAD"}}
    assert found == set(DOORS) | set(API_DOORS)


@pytest.mark.parametrize("path", [path for (method, path), who in DOORS.items() if who == "person"])
def test_pages_are_for_people_who_are_signed_in(house: ConsoleHouse, path: str) -> None:
    """Without a session, or with one that has ended, the way leads to signing in; the page is not there."""

    async def scenario() -> None:
        ended = await house.session("alice")
        await house.people.close_session(ended, house.now)
        for cookie in ("", "countersign_session=css_x", f"countersign_session={ended}"):
            async with house.client(cookie=cookie) as client:
                answer = await client.get(place(path))
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/login?next=/")
            assert answer.content == b""

    asyncio.run(scenario())


@pytest.mark.parametrize("path", FORMS)
def test_the_address_of_a_form_leads_back_to_its_page(house: ConsoleHouse, path: str) -> None:
    """A phone asks for it anew when it wakes a tab that shows a mistake; nothing is done, and no dead end is shown."""

    async def scenario() -> None:
        async with await house.visitor("alice") as client:
            answer = await client.get(place(path))
        assert (answer.status_code, answer.headers["location"]) == (303, place(path).rpartition("/")[0] or "/")
        assert house.log.records[1:] == []

    asyncio.run(scenario())


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    ("case", "status"),
    [
        ("no session", 401),
        ("no token", 403),
        ("another's token", 403),
        ("no origin", 403),
        ("foreign", 403),
        ("json", 400),
        ("twice", 400),
    ],
)
def test_no_form_does_anything_unless_our_page_sent_it(house: ConsoleHouse, path: str, case: str, status: int) -> None:
    """Session, origin and this session's token: where one is missing or foreign, nothing happens."""

    async def scenario() -> None:
        view = await house.hold()
        before = len(house.log.records)
        client = await house.visitor("alice")
        other = await house.visitor("bob")
        async with client, other:
            fields: dict[str, Any] = await house.form(client, f"/holds/{view.id}")
            fields["reason"] = "x"
            headers = {"origin": ORIGIN}
            if case == "no session":
                client.headers.pop("cookie")
            if case == "no token":
                fields.pop("csrf")
            if case == "another's token":
                fields["csrf"] = (await house.form(other, "/agents"))["csrf"]
            if case == "no origin":
                client.headers.pop("origin")
                headers = {}
            if case == "foreign":
                headers = {"origin": "https://evil.example"}
            if case == "twice":
                fields["csrf"] = [fields["csrf"], fields["csrf"]]
            sent: dict[str, Any] = {"json": fields} if case == "json" else {"data": fields}
            answer = await client.post(
                path.replace("{id}", view.id if "holds" in path else "support-bot"), headers=headers, **sent
            )
            assert answer.status_code == status, answer.text
        assert len(house.log.records) == before
        assert house.revocations.in_force() == []
        assert (await house.holds.get(view.id)).votes == ()
        if "logout" in path and case != "no session":
            assert await house.door.with_session(client.headers["cookie"].partition("=")[2]) is not None

    asyncio.run(scenario())


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "src", "action", "formaction", "hx-get"} and value and value.startswith("/"):
                self.found.add(value)


def test_looking_changes_nothing(house: ConsoleHouse) -> None:
    """GET and HEAD of every address on every page, sign-in links too: no vote, no end, no session, no record."""

    async def scenario() -> None:
        view = await house.hold()
        await house.tell_calls()
        code = await house.people.issue_sign_in_code("alice", by="test", now=house.now)
        before = list(house.log.records)
        sessions = await house.session("alice")
        seen: set[str] = set()
        waiting = {"/", f"/holds/{view.id}", f"/sign-in?code={code.secret}"}
        async with house.client(cookie=f"countersign_session={sessions}") as client:
            rows = len(await house.store.list_credentials("alice"))
            while waiting:
                path = waiting.pop()
                seen.add(path)
                assert (await client.head(path)).status_code < 500
                answer = await client.get(path)
                assert answer.status_code < 500
                if answer.headers.get("content-type", "").startswith("text/html"):
                    links = Links()
                    links.feed(answer.text)
                    waiting |= links.found - seen
        assert {"/logout", f"/holds/{view.id}/approve", "/agents/support-bot/end", "/calls/call_1"} <= seen
        assert house.log.records == before
        assert (await house.holds.get(view.id)).row_version == view.row_version
        assert house.revocations.in_force() == []
        assert len(await house.store.list_credentials("alice")) == rows
        assert await house.door.open_with_code(code.secret, "") is not None

    asyncio.run(scenario())


def test_every_page_has_the_same_guards(house: ConsoleHouse) -> None:
    """A strict content policy, no framing, no caching: on pages, mistakes, redirects and signing in."""

    async def scenario() -> None:
        view = await house.hold()
        async with await house.visitor("alice") as client, house.client() as stranger:
            for who, path in (
                (client, "/"),
                (client, f"/holds/{view.id}"),
                (client, "/holds/none"),
                (client, "/calls"),
                (stranger, "/login"),
                (stranger, "/sign-in"),
                (stranger, "/"),
            ):
                answer = await who.get(path)
                assert answer.headers["content-security-policy"] == POLICY
                assert answer.headers["x-frame-options"] == "DENY"
                assert answer.headers["cache-control"] == "no-store"
                assert answer.headers["referrer-policy"] == "same-origin"
        assert "unsafe" not in POLICY
        assert "frame-ancestors 'none'" in POLICY

    asyncio.run(scenario())


def test_under_another_name_there_is_no_console(house: ConsoleHouse) -> None:
    """DNS rebinding finds nothing, signed in or not."""

    async def scenario() -> None:
        async with await house.visitor("alice") as client:
            assert (await client.get("/", headers={"host": "evil.example"})).status_code == 421

    asyncio.run(scenario())
