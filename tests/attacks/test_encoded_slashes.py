"""Attacks through `%2F` on a service that takes it, on a real house with a hostile service behind it."""

import pytest

from tests.attacks.conftest import House, reason_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

PASSED = {
    "a group and a project": ("/slashes/projects/group%2Fname", "/code/projects/group%2Fname"),
    "in lower case": ("/slashes/projects/group%2fname", "/code/projects/group%2fname"),
    "three levels": ("/slashes/projects/a%2Fb%2Fname", "/code/projects/a%2Fb%2Fname"),
    "dots in names": ("/slashes/projects/..a%2F.name", "/code/projects/..a%2F.name"),
}


@pytest.mark.parametrize(("target", "sent"), PASSED.values(), ids=PASSED.keys())
def test_what_is_judged_is_what_is_sent(house: House, target: str, sent: str) -> None:
    """Byte for byte, in whatever case it was written."""
    last = sent.rpartition("/")[2].encode()
    house.answers[last] = OK
    before = len(house.service.seen)
    assert house.ask(target).endswith(b"ok")
    assert [seen.split(b" ")[1].decode() for seen in house.service.seen[before:]] == [sent]


REFUSED = {
    "a parent": ("/slashes/projects/a%2F..%2Fb", "path_ambiguous"),
    "a parent, in lower case": ("/slashes/projects/a%2f..%2fb", "path_ambiguous"),
    "a parent, in mixed case": ("/slashes/projects/a%2F..%2f..%2Fadmin%2fexport", "path_ambiguous"),
    "a parent at the beginning": ("/slashes/projects/..%2Fadmin", "path_ambiguous"),
    "a parent at the end": ("/slashes/projects/a%2F..", "path_ambiguous"),
    "an encoded parent": ("/slashes/projects/a%2F%2E%2E%2Fb", "path_ambiguous"),
    "a parent with parameters": ("/slashes/projects/a%2F..;x%2Fb", "path_ambiguous"),
    "the place itself": ("/slashes/projects/a%2F.%2Fb", "path_ambiguous"),
    "encoded twice": ("/slashes/projects/a%252Fb", "path_ambiguous"),
    "encoded three times": ("/slashes/projects/a%25252Fb", "path_ambiguous"),
    "at the beginning": ("/slashes/projects/%2Fa", "path_ambiguous"),
    "at the end": ("/slashes/projects/a%2F", "path_ambiguous"),
    "twice": ("/slashes/projects/a%2F%2Fb", "path_ambiguous"),
    "beside a slash": ("/slashes/projects/a%2F/b", "path_ambiguous"),
    "a backslash": ("/slashes/projects/a%5Cb", "path_ambiguous"),
    "a full-width slash": ("/slashes/projects/a%EF%BC%8Fb", "path_ambiguous"),
    "an over-long slash": ("/slashes/projects/a%C0%AFb", "path_ambiguous"),
    "two slashes": ("/slashes/projects//a%2Fb", "path_ambiguous"),
    "another route, decoded": ("/slashes/admin%2Fexport", "route_ambiguous"),
    "another route, decoded, in capitals": ("/slashes/ADMIN%2fEXPORT", "route_ambiguous"),
    "another route behind it": ("/slashes/projects/group%2Fpurge", "route_ambiguous"),
    "the forbidden route itself": ("/slashes/projects/group%2Fname/purge", "forbidden"),
    "another service, decoded": ("/slashes/beside%2Flook", "path_ambiguous"),
    "another service, in capitals": ("/slashes/BESIDE%2flook", "path_ambiguous"),
    "another service's own path": ("/beside/a%2Fb", "path_ambiguous"),
    "a service without the exception": ("/hostile/x/a%2Fb", "path_ambiguous"),
    "a forbidden argument": ("/slashes/projects/secret%2Fplans", "forbidden"),
    "a forbidden argument, in lower case": ("/slashes/projects/secret%2fplans", "forbidden"),
    "a forbidden path": ("/slashes/projects/vault%2Fkeys", "forbidden"),
    "a forbidden path, in lower case": ("/slashes/projects/vault%2fkeys", "forbidden"),
    "no tool": ("/slashes/other%2Fthing", "no_permit"),
    "instead of the service": ("/slashes%2Fprojects/a", "service_unknown"),
}


@pytest.mark.parametrize(("target", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_no_slash_leads_to_another_path(house: House, target: str, reason: str) -> None:
    """Whatever a server makes of it, it gets past no rule, to no other route and to no other service."""
    before = len(house.service.seen)
    assert reason_of(house.ask(target)) == reason
    assert len(house.service.seen) == before
