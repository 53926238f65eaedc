"""The files that pages load."""

import asyncio
import re
from pathlib import Path

import pytest

from proxy.console import assets
from proxy.console.assets import Assets
from tests.fakes.console_house import ConsoleHouse


def test_each_file_is_served_under_its_digest(house: ConsoleHouse) -> None:
    """It may be kept for ever under that address, and is checked again under any other."""

    async def scenario() -> None:
        files = Assets.load()
        async with house.client() as client:
            for name, body in files.files.items():
                answer = await client.get(files.url(name))
                assert answer.content == body
                assert "immutable" in answer.headers["cache-control"]
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert (await client.get(f"/static/{name}")).headers["cache-control"] == "no-cache"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "path", ["/static/htmx.LICENSE.txt", "/static/x", "/static/..%2fassets.py", "/static/../assets.py", "/static/"]
)
def test_nothing_else_is_served(house: ConsoleHouse, path: str) -> None:
    """Only what is listed, whatever the path is made of."""

    async def scenario() -> None:
        async with house.client() as client:
            assert (await client.get(path)).status_code == 404

    asyncio.run(scenario())


def test_nothing_is_fetched_from_elsewhere() -> None:
    """Neither our styles and scripts nor our templates name another host, and htmx comes with its licence."""
    folder = Path(assets.__file__).parent
    for path in [*folder.glob("templates/*.html"), folder / "static/console.css", folder / "static/console.js"]:
        assert not re.search(r"(?:https?:)?//[a-z0-9]", path.read_text().replace("://{{", "")), path.name
    assert "Permission to use" in (folder / "static/htmx.LICENSE.txt").read_text()


def test_templates_hold_no_script_and_no_style_of_their_own() -> None:
    """The content security policy forbids them, so one would silently do nothing."""
    for path in (Path(assets.__file__).parent / "templates").glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:|\|\s*safe\b", text), (
            path.name
        )
