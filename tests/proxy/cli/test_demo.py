"""`countersign demo`, as a person runs it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import demo
from proxy.demo.tell import StoryDiffersError
from tests.fakes.live_console import ARGUMENTS, CHROMIUM, PATIENCE


@contextlib.contextmanager
def playing(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The demo, with its temporary files where we can look."""
    environment = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "100"}
    command = [sys.executable, "-m", "proxy.cli", "demo", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of a short name: the operator's socket lies in it, and sockets have short names."""
    with tempfile.TemporaryDirectory(prefix="cs-") as name:
        yield Path(name)


def left(folder: Path) -> list[str]:
    """What is still there: files, and processes that use them."""
    found = [str(path) for path in folder.glob("countersign-demo-*")]
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (entry / "cmdline").read_text().replace("\0", " ")
            if str(folder) in line:
                found.append(line)
    return found


@pytest.mark.browser
def test_it_is_told_to_its_end_with_a_click_in_the_console(folder: Path) -> None:
    """Without `--yes` it prints a link and waits: the owner signs in, opens the held call, and approves it."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium here")
    with playing(folder) as process:
        assert process.stdout is not None
        told = []
        for line in process.stdout:
            told.append(line)
            if found := re.search(r"http://\S+/sign-in\?code=\S+", line):
                break
        else:
            pytest.fail("no link: " + "".join(told))
        with playwright.sync_playwright() as started:
            browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=PATIENCE)
            page = browser.new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(found.group())
            page.click("button")
            page.click('a[href^="/holds/hld_"]')
            page.click("text=Approve once")
            page.wait_for_selector("text=Approved")
            browser.close()
        told += process.stdout.readlines()
        assert process.wait() == 0, "".join(told)
    text = "".join(told)
    assert "All 11 stories went as told" in text
    assert max(len(line) for line in told if "sign-in?code=" not in line and "/" not in line) <= 101
    assert left(folder) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_leaves_nothing(folder: Path, number: signal.Signals) -> None:
    """In the middle of its stories: it ends as told, and neither a process nor a file stays."""
    with playing(folder, "--yes") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "1. Allowed" in line:
                break
        process.send_signal(number)
        process.stdout.read()
        assert process.wait() == 128 + number
    assert left(folder) == []


def test_a_story_that_differs_is_a_failure(give: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 1, and what differs."""

    def differ(*, yes: bool) -> None:
        raise StoryDiffersError("the story differs: the refund is held")

    monkeypatch.setattr(demo, "_play", differ)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        said = give("demo", "--yes")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert said.status == 1
    assert "the story differs: the refund is held" in said.err
