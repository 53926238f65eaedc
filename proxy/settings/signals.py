"""The settings of security events, and what of them cannot be used."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from proxy.control.signals.discovery import configuration_url
from proxy.documents import Document
from proxy.errors import Mistake
from proxy.identity.issuers import IssuerSettings
from proxy.inventory.addresses import is_loopback, parse_url
from proxy.names import identifier
from proxy.settings.files import check_keys, check_pem
from proxy.settings.group import Group
from proxy.settings.values import Reference, Url

SET_TYP = "secevent+jwt"

type Kind = Literal[
    "global", "team", "owner", "process", "partner", "class", "agent", "instance", "principal", "token", "task"
]


class Transmitter(Group):
    """Whose security events are taken, and about whom it is believed."""

    issuer: str = Field(description="The exact `iss` of its security event tokens.")
    audience: str = Field(description="The exact `aud` that a token for us has.")
    algorithms: tuple[str, ...] = Field(("RS256",), description="One or two; never taken from the token.")
    jwks_file: Path | None = Field(None, description="Its keys, from a file; or else:")
    jwks_url: str | None = Field(None, description="Its keys, from a URL; or else:")
    discovery: bool = Field(default=False, description="Its keys, from where its ssf-configuration says.")
    ca_bundle: Path | None = Field(None, description="PEM bundle that its URLs are verified with.")
    delivery: Literal["push", "poll"] = Field("push", description="It pushes to /ssf/events, or we fetch.")
    authorization: Reference | None = Field(None, description="Push: the token that it must show, by reference.")
    poll_url: Url | None = Field(None, description="Poll: where we fetch.")
    token: Reference | None = Field(None, description="Poll: the token that we show, by reference.")
    subject_issuers: tuple[str, ...] = Field(
        (), description="Issuers, beside itself, about whose subjects it is believed."
    )
    email_domains: tuple[str, ...] = Field((), description="Domains about whose e-mail addresses it is believed.")
    scopes: bool = Field(
        default=False, description="Another Countersign of ours: its opaque ids are scopes here; it may end anything."
    )
    expected_heartbeat_seconds: int | None = Field(
        None, ge=1, le=7 * 86_400, description="An alarm if nothing comes for so long."
    )


class EventReceiver(Group):
    """Who is told when something is ended here."""

    id: Annotated[str, AfterValidator(identifier)] = Field(description="Our name for it.")
    audience: str = Field(min_length=1, max_length=512, description="The `aud` of its tokens.")
    url: Url | None = Field(None, description="Where its tokens are pushed. Empty: it fetches them at /ssf/poll.")
    authorization: Reference | None = Field(
        None,
        description="The token that we show when we push, or that it must show when it fetches; and by which it looks "
        "at its stream (/ssf/streams).",
    )
    ca_bundle: Path | None = Field(None, description="PEM bundle that this URL is verified with.")
    subjects: Literal["identities", "scopes"] = Field(
        "identities", description="Who it is about: by identities that others know, or, for a Countersign, by scope."
    )
    kinds: tuple[Kind, ...] = Field(
        ("global", "team", "owner", "process", "partner", "class", "agent", "instance", "principal", "token"),
        description="Ends of what it is told of. With `task`, of every task that ends.",
    )
    heartbeat_seconds: int | None = Field(None, ge=1, le=86_400, description="A verification event so often.")


class Signals(Group):
    transmitters: tuple[Transmitter, ...] = Field(
        (), description="Whose events end or freeze what they are about. One looks so:"
    )
    receivers: tuple[EventReceiver, ...] = Field(
        (), description="Who is told what was ended here; needs `identity.token_issuer`. One looks so:"
    )


def set_profile(transmitter: Transmitter) -> IssuerSettings:
    """This transmitter as the verifier takes it; raises `ValueError` with words if it would accept too much."""
    return IssuerSettings(
        issuer=transmitter.issuer,
        audience=transmitter.audience,
        algorithms=transmitter.algorithms,
        typ=SET_TYP,
        jwks_file=transmitter.jwks_file,
        jwks_url=transmitter.jwks_url or (configuration_url(transmitter.issuer) if transmitter.discovery else None),
        ca_bundle=transmitter.ca_bundle,
    )


def signal_mistakes(
    document: Document, signals: Signals, token_issuer: str | None, types: Sequence[str]
) -> Iterator[Mistake]:
    """What is well formed by itself, but cannot be used, or not together. `types` are those of identity's issuers."""
    for index, typ in enumerate(types):
        if typ == SET_TYP:
            text = f"`{SET_TYP}` is that of events, which prove nobody; see `signals.transmitters`"
            yield document.mistake(("identity", "issuers", index, "typ"), text)
    seen: set[str] = set()
    for index, one in enumerate(signals.transmitters):
        at = ("signals", "transmitters", index)
        yield from _keys(document, at, one)
        if one.issuer in seen:
            yield document.mistake(at, "has the `issuer` of another; keep one")
        if token_issuer is not None and one.issuer == token_issuer.rstrip("/"):
            yield document.mistake(at, "has our own identifier as `issuer`; we do not hear ourselves")
        seen.add(one.issuer)
        yield from _delivery(document, at, one)
    ids: set[str] = set()
    for index, receiver in enumerate(signals.receivers):
        at = ("signals", "receivers", index)
        if receiver.id in ids:
            yield document.mistake(at, "has the `id` of another; give each its own")
        ids.add(receiver.id)
        yield from _receiver(document, at, receiver)
    if signals.receivers and token_issuer is None:
        yield document.mistake(("signals", "receivers"), "needs `identity.token_issuer`, the `iss` of our tokens")


def _keys(document: Document, at: tuple[str | int, ...], one: Transmitter) -> Iterator[Mistake]:
    if one.discovery and (one.jwks_url is not None or one.jwks_file is not None):
        yield document.mistake((*at, "discovery"), "has no effect beside `jwks_file` or `jwks_url`; keep one of them")
    yield from check_keys(document, one.jwks_file, one.ca_bundle, partial(set_profile, one), *at)


def _delivery(document: Document, at: tuple[str | int, ...], one: Transmitter) -> Iterator[Mistake]:
    if one.delivery == "poll":
        if one.poll_url is None:
            yield document.mistake(at, "has `delivery: poll`, and so needs `poll_url`")
        if one.authorization is not None:
            text = "is for `delivery: push`; give the token that we show as `token`"
            yield document.mistake((*at, "authorization"), text)
        yield from _encrypted(document, (*at, "poll_url"), one.poll_url)
        return
    for name in ("poll_url", "token"):
        if getattr(one, name) is not None:
            yield document.mistake((*at, name), "has no effect with `delivery: push`")


def _receiver(document: Document, at: tuple[str | int, ...], one: EventReceiver) -> Iterator[Mistake]:
    if one.url is None and one.authorization is None:
        yield document.mistake(at, "fetches, since it has no `url`, and so needs `authorization`")
    yield from check_pem(document, one.ca_bundle, "CERTIFICATE", *at, "ca_bundle")
    yield from _encrypted(document, (*at, "url"), one.url)


def _encrypted(document: Document, at: tuple[str | int, ...], url: str | None) -> Iterator[Mistake]:
    if url is None:
        return
    place = parse_url(url)
    if place.scheme == "http" and not is_loopback(place.host):
        yield document.mistake(at, "must be https: whoever is on the way could read and hold back what was ended")
