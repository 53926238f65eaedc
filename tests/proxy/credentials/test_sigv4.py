"""Signatures, against AWS's published examples."""

import hashlib
from typing import Any

import pytest

from proxy.credentials.sigv4 import Keys, Scope, authorization, canonical_request, sign
from proxy.stages import Request

SUITE = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
S3 = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
EMPTY = hashlib.sha256(b"").hexdigest()


def request(host: str, **changes: Any) -> Request:
    """A GET of `/`, changed as told."""
    good: dict[str, Any] = {
        "method": "GET", "scheme": "https", "host": host, "port": 443, "path": "/", "query": "", "headers": (),
        "body": b"",
    }  # fmt: skip
    return Request(**(good | changes))


def signature(asked: Request, headers: dict[str, str], keys: Keys, service: str, moment: str) -> str:
    """The signature over exactly these headers."""
    said = [("host", asked.host), *headers.items(), ("x-amz-date", moment)]
    payload = hashlib.sha256(asked.body).hexdigest()
    return authorization(asked, said, payload, moment, keys, Scope("us-east-1", service)).rpartition("Signature=")[2]


@pytest.mark.parametrize(
    ("changes", "headers", "expected"),
    [
        ({}, {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ({"query": "Param2=value2&Param1=value1"}, {},
         "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ({"path": "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"}, {},
         "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
        ({"method": "POST"}, {}, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ({}, {"my-header1": " value1", "my-header2": ' "a   b   c"'},
         "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
        ({"method": "POST", "body": b"Param1=value1"}, {"content-type": "application/x-www-form-urlencoded"},
         "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        ({"path": "//"}, {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ],
    ids=["vanilla", "query-order", "unreserved", "post-vanilla", "header-trim", "form", "slashes"],
)  # fmt: skip
def test_the_published_suite(changes: dict[str, Any], headers: dict[str, str], expected: str) -> None:
    """Each example of AWS's own test suite has the signature that the suite says."""
    asked = request("example.amazonaws.com", **changes)
    assert signature(asked, headers, SUITE, "service", "20150830T123600Z") == expected


def test_the_example_of_iam() -> None:
    """The worked example of the documentation: ListUsers."""
    asked = request("iam.amazonaws.com", query="Action=ListUsers&Version=2010-05-08")
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert signature(asked, headers, SUITE, "iam", "20150830T123600Z") == (
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


@pytest.mark.parametrize(
    ("changes", "headers", "expected"),
    [
        ({"path": "/test.txt"}, {"range": "bytes=0-9"},
         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        ({"method": "PUT", "path": "/test%24file.text", "body": b"Welcome to Amazon S3."},
         {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        ({"query": "lifecycle"}, {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ({"query": "max-keys=2&prefix=J"}, {}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
    ids=["get", "put", "lifecycle", "list"],
)  # fmt: skip
def test_the_examples_of_s3(changes: dict[str, Any], headers: dict[str, str], expected: str) -> None:
    """The worked examples of S3's documentation, which sign the body's digest as a header."""
    asked = request("examplebucket.s3.amazonaws.com", **changes)
    headers = headers | {"x-amz-content-sha256": hashlib.sha256(asked.body).hexdigest()}
    assert signature(asked, headers, S3, "s3", "20130524T000000Z") == expected


@pytest.mark.parametrize(
    ("service", "path", "canonical"),
    [
        ("s3", "/a%20b/c", "/a%20b/c"), ("s3", "/a%2fb", "/a/b"), ("s3", "/a//b/./c", "/a//b/./c"),
        ("s3", "/a$b", "/a%24b"), ("s3", "/%e1%88%b4", "/%E1%88%B4"), ("execute-api", "/a%20b", "/a%2520b"),
        ("execute-api", "/a//b/./c/../d/", "/a/b/d/"), ("execute-api", "/", "/"), ("execute-api", "/a:b", "/a%3Ab"),
    ],
)  # fmt: skip
def test_paths_are_read_as_each_service_reads_them(service: str, path: str, canonical: str) -> None:
    """S3 takes keys as they are, encoded once; the others normalise and encode what they are sent."""
    asked = request("example.amazonaws.com", path=path)
    assert canonical_request(asked, [("host", "h")], EMPTY, service)[1].split("\n")[1] == canonical


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("b=2&a=1", "a=1&b=2"), ("a=2&a=1", "a=1&a=2"), ("a", "a="), ("a=%7e&b=%2F", "a=~&b=%2F"), ("a=b=c", "a=b%3Dc"),
        ("a=1&&", "a=1"), ("a=%e1%88%b4", "a=%E1%88%B4"), ("a-=1&a=2", "a=2&a-=1"), ("a=%ff", "a=%FF"), ("", ""),
    ],
)  # fmt: skip
def test_queries_are_sorted_and_encoded_once(query: str, canonical: str) -> None:
    """By name, then by value, each as AWS writes it, whatever the agent's own spelling."""
    assert canonical_request(request("h", query=query), [("host", "h")], EMPTY, "s3")[1].split("\n")[2] == canonical


def test_a_port_of_its_own_is_signed() -> None:
    """The host is signed as it is sent."""
    headers = sign(request("h.example", port=8443), SUITE, Scope("us-east-1", "x"), 1_440_938_160.0)
    twin = sign(request("h.example"), SUITE, Scope("us-east-1", "x"), 1_440_938_160.0)
    assert headers[0] != twin[0]
    assert dict(headers)["x-amz-date"] == "20150830T123600Z"


def test_keys_are_in_no_text() -> None:
    """Neither the secret key nor the session token."""
    assert repr(Keys("AKIA", "the-secret", "the-session")) == "Keys(access_key_id='AKIA')"
