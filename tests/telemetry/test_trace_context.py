"""Trace ids in and out."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.trace_context import begin, parse_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize("text", [GOOD, f"00-{TRACE}-{SPAN}-00", f"01-{TRACE}-{SPAN}-ff", f"cc-{TRACE}-{SPAN}-01-more"])
def test_what_is_understood(text):
    """Version 00 in full, and the first four fields of later versions; the flags do not matter."""
    inbound = parse_traceparent(text)
    assert (inbound.trace, inbound.span) == (TRACE, SPAN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        GOOD.upper(),
        GOOD + "-",
        GOOD + "-more",
        " " + GOOD,
        GOOD + "\n",
        f"{GOOD}, {GOOD}",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01x",
        f"00-{TRACE}-{SPAN}-1",
    ],
)
def test_what_is_malformed(text):
    """Anything else is nothing, and begins a new trace."""
    assert parse_traceparent(text) is None
    if text:
        context = begin(text, continue_trusted=True)
        assert (context.origin, context.inbound) == ("restarted", None)
        assert context.trace != TRACE


@given(st.text(max_size=80))
def test_no_text_does_harm(text):
    """Whatever comes in, what goes out is a well-formed, sampled traceparent with ids of ours."""
    context = begin(text)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-03", context.traceparent)
    assert context.trace not in text


def test_an_inbound_trace_is_only_a_link():
    """By default the inbound trace is kept beside a fresh one, and cannot switch sampling off."""
    context = begin(f"00-{TRACE}-{SPAN}-00")
    assert (context.origin, context.inbound.trace, context.inbound.span) == ("restarted", TRACE, SPAN)
    assert context.trace != TRACE
    assert context.traceparent.endswith("-03")


def test_a_trusted_agent_continues_its_trace():
    """An agent registered for it keeps its trace id; the spans are ours all the same."""
    context = begin(GOOD, continue_trusted=True)
    assert (context.origin, context.trace) == ("continued", TRACE)
    assert SPAN not in (context.span, context.up)


def test_without_any_context_ids_are_fresh():
    """No two calls share an id."""
    contexts = [begin() for _ in range(100)]
    assert {context.origin for context in contexts} == {"generated"}
    assert len({part for context in contexts for part in (context.trace, context.span, context.up)}) == 300
