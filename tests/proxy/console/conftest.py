"""A house with a console for each test, and a browser for those that need one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.console_house import ConsoleHouse
from tests.fakes.live_console import ARGUMENTS, CHROMIUM, PATIENCE, Live


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ConsoleHouse]:
    made = ConsoleHouse(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium here")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    made = Live(tmp_path, responders=frozenset({"soc"}))
    yield made
    made.close()


@pytest.fixture
def troubles() -> list[str]:
    """What the browser complained of: policy violations, script errors, requests that failed."""
    return []


type SignIn = Callable[..., Any]


@pytest.fixture
def sign_in(chromium: Any, live: Live, troubles: list[str]) -> Iterator[SignIn]:
    """Gives pages in which somebody is signed in, by their token, as a person would."""
    contexts = []

    def signed_in(person: str, width: int = 390, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        made = context.new_page()
        made.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        made.on("pageerror", lambda error: troubles.append(str(error)))
        made.on(
            "request", lambda request: None if request.url.startswith(live.origin) else troubles.append(request.url)
        )
        made.goto(live.origin)
        made.fill("#token", live.do(live.house.token(person)))
        made.click("button")
        made.wait_for_selector("#queue")
        return made

    yield signed_in
    for context in contexts:
        context.close()


@pytest.fixture
def page(sign_in: SignIn) -> Any:
    """A page in which Alice is signed in."""
    return sign_in("alice")
