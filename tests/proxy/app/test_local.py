"""The local operator's client: of the running server, or of the state itself; never of both."""

import asyncio
import socket
from pathlib import Path

import pytest

from proxy.app.core import open_core
from proxy.app.local import DEFAULT_STATE, open_control, operator_socket, written_socket
from proxy.app.serve import serving
from proxy.errors import CountersignError
from proxy.settings import Settings, load_settings
from proxy.unix_sockets import name_for
from tests.fakes.serving import configured


def test_the_socket_is_in_the_state_directory(tmp_path):
    """Everybody who knows the configuration finds it."""
    assert operator_socket(Settings(state=tmp_path)) == tmp_path / "control" / "operator.sock"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("state: elsewhere\n", "elsewhere"),
        ("state: ../up\n", "../up"),
        ("{'state': /var/lib/x}\n", "/var/lib/x"),
        ("", DEFAULT_STATE),
        ("mode: enforce\n", DEFAULT_STATE),
        ("lisen: 5\nstate: here\nmode: [no, such]\n", "here"),  # what else is wrong does not matter
        ("state: here\nlisten: [1, 2\n", "here"),  # nor does it when it is no YAML
        ("listen: {a\r\nstate: 'here'  # ours\r\n", "here"),
        ("listen: [1, 2\n", None),  # there might have been a `state`
        ("listen: [1, 2\nstate: one\nstate: two\n", None),
        ("listen: [1, 2\nstate: [one\n", None),
        ("state: 5\n", None),
        ("state:\n", None),
        ("state: [here]\n", None),
        ("- state\n", None),
    ],
)
def test_the_socket_is_found_by_one_line_of_the_file(tmp_path, text, state):
    """As the settings say it, whatever else of the file is broken; a file that leaves it open tells nothing."""
    config = tmp_path / "countersign.yaml"
    config.write_text(text)
    expected = None if state is None else (tmp_path / state).resolve() / "control" / "operator.sock"
    assert written_socket(config) == expected


def test_the_socket_found_is_that_of_the_settings(tmp_path):
    """The file alone and the whole settings never mean two servers; a file that is not there means none."""
    config = tmp_path / "countersign.yaml"
    for text in ("", "state: deep/../er\n", "state: ''\n", 'state: "/run/x"\n'):
        config.write_text(text)
        assert written_socket(config) == operator_socket(load_settings(config))
    assert written_socket(tmp_path / "none.yaml") is None
    assert written_socket(tmp_path) is None


def test_a_long_path_is_reached_from_everywhere(tmp_path, monkeypatch):
    """However deep the state directory lies, server and command meet at one socket, from any working directory."""
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    deep.mkdir(parents=True)
    settings = configured(deep)

    async def main():
        async with open_core(settings) as core, serving(core):
            for place in (deep, deep.parent, Path("/")):
                monkeypatch.chdir(place)
                assert (await status(settings, running=True))["ready"] is True

    asyncio.run(main())


async def status(settings, **how):
    async with open_control(settings, **how) as client:
        answer = await client.get("/v1/status")
        assert answer.status_code == 200, answer.text
        return answer.json()


def test_without_a_server_the_state_itself_answers(tmp_path):
    """The same API, over the state; a socket that nobody serves any more does not mislead."""
    settings = configured(tmp_path)
    assert asyncio.run(status(settings))["agents"] == 3
    path = operator_socket(settings)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with name_for(path) as name, socket.socket(socket.AF_UNIX) as left:
        left.bind(name)
    assert asyncio.run(status(settings))["agents"] == 3


def test_what_needs_a_server_says_so(tmp_path):
    """A command that only makes sense against a running server is told that there is none."""
    with pytest.raises(CountersignError, match="not running with this configuration; start it first"):
        asyncio.run(status(configured(tmp_path), running=True))


def test_a_running_server_answers_itself(tmp_path):
    """While it serves, its own socket answers, with its own addresses."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings) as core, serving(core) as running:
            told = await status(settings, running=True)
            assert told["proxy"] == running.proxy
            assert told["ready"] is True

    asyncio.run(main())
