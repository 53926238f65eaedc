"""The configuration file into settings, or every mistake in it at once."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from proxy.documents import Document, read_bytes, read_tree, shown, validate
from proxy.errors import ConfigurationError, Mistake
from proxy.identity.issuers import IssuerSettings
from proxy.inventory.addresses import is_loopback, parse_url
from proxy.settings.files import check_keys, check_pem
from proxy.settings.model import InventorySource, Issuer, Settings
from proxy.settings.signals import signal_mistakes
from proxy.settings.values import Reference
from proxy.settings.workloads import workload_mistakes
from proxy.unix_sockets import LONGEST_PATH

MAX_BYTES = 1 << 20
_NO_FILE = "name yours by `--config` or COUNTERSIGN_CONFIG, or begin one: `countersign init DIRECTORY`"


def load_settings(path: Path) -> Settings:
    """The settings in this file; raises `ConfigurationError` with every mistake.

    Paths in the file start at its folder. Directories that it names are judged by those who read them.
    """
    mistakes: list[Mistake] = []
    raw = read_bytes(path, mistakes, MAX_BYTES)
    if raw is None and "no such file" in mistakes[0].text:
        mistakes = [replace(mistakes[0], text=f"{mistakes[0].text}; {_NO_FILE}")]
    document = None if raw is None else read_tree(raw, shown(path), mistakes)
    settings = None if document is None else validate(document, Settings, mistakes)
    if document is not None and settings is not None:
        settings = with_absolute_paths(settings, path.parent)
        mistakes.extend(_contradictions(document, settings))
    if settings is None or mistakes:
        raise ConfigurationError(mistakes)
    return settings


def directories(path: Path) -> tuple[Path, Path]:
    """Where the inventory and the policies lie, as far as a file with mistakes can tell; else the defaults."""
    raw = read_bytes(path, [], MAX_BYTES)
    document = None if raw is None else read_tree(raw, "", [])
    said = {} if document is None else document.data
    inventory, policies = (
        value if isinstance(value := said.get(name), str) else str(Settings.model_fields[name].default)
        for name in ("inventory", "policies")
    )
    return _absolute(path.parent, Path(inventory)), _absolute(path.parent, Path(policies))


def with_absolute_paths[M: BaseModel](model: M, folder: Path) -> M:
    """The same settings with every path, and every `file:` reference, starting at this folder."""
    changed: dict[str, object] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, Path):
            changed[name] = _absolute(folder, value)
        elif isinstance(value, str) and Reference in (field.annotation, *get_args(field.annotation)):
            changed[name] = _absolute_reference(folder, value)
        elif isinstance(value, BaseModel):
            changed[name] = with_absolute_paths(value, folder)
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            changed[name] = tuple(with_absolute_paths(item, folder) for item in value)
        elif isinstance(value, dict):
            changed[name] = {key: _absolute_reference(folder, item) for key, item in value.items()}
    return model.model_copy(update=changed)


def issuer_settings(issuer: Issuer) -> IssuerSettings:
    """This issuer as the verifier takes it; raises `ValueError` with words if it would accept too much."""
    return IssuerSettings(
        issuer=issuer.issuer,
        audience=issuer.audience,
        algorithms=issuer.algorithms,
        typ=issuer.typ,
        jwks_file=issuer.jwks_file,
        jwks_url=issuer.jwks_url,
        ca_bundle=issuer.ca_bundle,
        max_lifetime_s=issuer.max_lifetime_seconds,
        leeway_s=issuer.leeway_seconds,
        extra_audiences=issuer.extra_audiences,
        subject_format=issuer.subject_format,
        key_use=issuer.key_use,
        endorses=issuer.endorses,
        actors=tuple((one.client_id, one.agents) for one in issuer.actors),
        unsafe_any_actor=issuer.unsafe_any_actor,
        subject_uses=issuer.subject_uses,
    )


def _absolute(folder: Path, path: Path) -> Path:
    return Path(os.path.abspath(folder / path))  # noqa: PTH100 - `resolve` would follow links


def _absolute_reference(folder: Path, reference: str) -> str:
    kind, _, name = reference.partition(":")
    return f"file:{_absolute(folder, Path(name))}" if kind == "file" else reference


def _contradictions(document: Document, settings: Settings) -> Iterator[Mistake]:
    """What is well formed by itself, but cannot be used, or not together."""
    yield from _same_address(document, settings)
    yield from _tls(document, settings)
    if settings.holds.inline_wait_seconds > settings.holds.longest_inline_wait_seconds:
        text = f"must be at most `longest_inline_wait_seconds`, {settings.holds.longest_inline_wait_seconds}"
        yield document.mistake(("holds", "inline_wait_seconds"), text)
    for index, issuer in enumerate(settings.identity.issuers):
        yield from _issuer(document, index, issuer)
    yield from _same_issuer(document, settings)
    said = settings.identity
    issuers = {one.issuer for one in said.issuers}
    yield from workload_mistakes(document, said.trust_domains, said.kubernetes, issuers)
    yield from _sources(document, settings.inventory_sources)
    yield from signal_mistakes(document, settings.signals, said.token_issuer, [one.typ for one in said.issuers])
    endpoint = settings.telemetry.otlp_endpoint
    if endpoint is None and settings.telemetry.headers:
        yield document.mistake(("telemetry", "headers"), "has no effect without `otlp_endpoint`")
    if endpoint is not None and settings.telemetry.headers:
        place = parse_url(endpoint)
        if place.scheme == "http" and not is_loopback(place.host):
            text = "would send secrets in plain text, since `otlp_endpoint` is `http://`; use `https://`"
            yield document.mistake(("telemetry", "headers"), text)
    yield from check_pem(document, settings.trusted_roots, "CERTIFICATE", "trusted_roots")


def _same_address(document: Document, settings: Settings) -> Iterator[Mistake]:
    taken: dict[int, str] = {}
    for name in ("proxy", "gateway", "control", "proxy_tls", "gateway_tls"):
        address = getattr(settings.listen, name)
        if address is None or address.port == 0:
            continue
        if address.port in taken:
            text = f"has the port of `{taken[address.port]}`, {address.port}; give each its own"
            yield document.mistake(("listen", name), text)
        taken.setdefault(address.port, name)


def _tls(document: Document, settings: Settings) -> Iterator[Mistake]:
    """How we prove ourselves in TLS, and a socket whose name is too long to be opened."""
    listen = settings.listen
    if not listen.tls_names:
        yield document.mistake(("listen", "tls_names"), "must hold at least one name or address")
    if (listen.certificate_file is None) != (listen.key_file is None):
        absent, present = ("key_file", "certificate_file")[:: 1 if listen.key_file is None else -1]
        yield document.mistake(("listen", absent), f"is missing, and `{present}` is of no use without it")
    elif listen.certificate_file is not None and listen.key_file is not None:
        from proxy.listener.outer_context import check_files  # noqa: PLC0415 - TLS, which few commands need

        wrong = check_files(listen.certificate_file, listen.key_file)
        if wrong is not None:
            yield document.mistake(("listen", "certificate_file"), wrong)
        if listen.proxy_tls is None and listen.gateway_tls is None:
            yield document.mistake(("listen", "certificate_file"), "has no effect without `proxy_tls` or `gateway_tls`")
    if listen.local is not None and len(os.fsencode(listen.local)) > LONGEST_PATH:
        yield document.mistake(("listen", "local"), "is too long a path for a UNIX socket; use a shorter one")


def _issuer(document: Document, index: int, issuer: Issuer) -> Iterator[Mistake]:
    at, made = ("identity", "issuers", index), partial(issuer_settings, issuer)
    yield from check_keys(document, issuer.jwks_file, issuer.ca_bundle, made, *at)


def _same_issuer(document: Document, settings: Settings) -> Iterator[Mistake]:
    """Two profiles for the same issuer and kind of token would leave it open which one judges."""
    seen: set[tuple[str, str]] = set()
    for index, issuer in enumerate(settings.identity.issuers):
        key = (issuer.issuer, issuer.typ)
        if key in seen:
            yield document.mistake(("identity", "issuers", index), "has the `issuer` and `typ` of another; keep one")
        seen.add(key)


def _sources(document: Document, sources: tuple[InventorySource, ...]) -> Iterator[Mistake]:
    seen: set[str] = set()
    for index, source in enumerate(sources):
        at = ("inventory_sources", index)
        if source.id in seen:
            yield document.mistake((*at, "id"), "is the name of another source; give each its own")
        seen.add(source.id)
        if source.file is not None and source.url is not None:
            yield document.mistake(at, "has a `file` and a `url`; give one of them")
        for field in ("ca_bundle", "token"):
            if source.url is None and getattr(source, field) is not None:
                yield document.mistake((*at, field), "has no effect without `url`")
        if source.url is not None:
            place = parse_url(source.url)
            if place.scheme == "http" and not is_loopback(place.host):
                yield document.mistake((*at, "url"), "would let anyone on the way write the inventory; use `https://`")
        if not source.sections:
            yield document.mistake((*at, "sections"), "is empty, so the source may say nothing; name at least one")
        yield from check_pem(document, source.ca_bundle, "CERTIFICATE", *at, "ca_bundle")
