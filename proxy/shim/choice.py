"""What a person writes after `--with`, made into the means by which the shim shows who the program is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.errors import CountersignError
from proxy.shim.relay import Means
from proxy.shim.sources import CertificateFiles, CertificateSource, NoCertificate, TokenFile, TokenSource
from proxy.shim.task_tokens import Post, Show, TaskTokens
from proxy.shim.way import Way
from proxy.shim.workload import JwtSvids, X509Svids

KINDS = (
    "handle",
    "k8s:PATH",
    "svid:AUDIENCE",
    "x509-svid",
    "x509:CERT,KEY",
    "task:SERVICE/TOOL,read:DATASET,...",
    "peer",
)


@dataclass(frozen=True, slots=True)
class Choice:
    """One `--with`, read."""

    kind: str
    rest: str = ""

    @property
    def shows_certificate(self) -> bool:
        return self.kind in {"x509", "x509-svid"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What choices are made with: the roots of the proxy, and where there is one, a handle and a token endpoint."""

    way: Way
    roots: Path
    handle: TokenSource | None = None
    post: Post | None = None
    show: Show | None = None


def read_choices(texts: Sequence[str]) -> tuple[Choice, ...]:
    """What is chosen; raises `CountersignError` with words for what is unknown, or cannot go together."""
    choices = tuple(_read(text) for text in texts)
    for several, what in (
        ([one for one in choices if one.shows_certificate], "certificate"),
        ([one for one in choices if not one.shows_certificate and one.kind != "peer"], "token"),
    ):
        if len(several) > 1:
            raise CountersignError(f"`--with` can name one {what} only, not {len(several)}")
    return choices


def means_of(choices: Sequence[Choice], around: Surroundings) -> Means:
    """The means for these choices; raises `CountersignError` with words for those that cannot work here."""
    way = around.way
    shown = [one for one in choices if one.shows_certificate]
    if shown and not way.tls:
        raise CountersignError(f"`--with {shown[0].kind}` needs TLS to the proxy: give its `https://` address")
    if any(one.kind == "peer" for one in choices) and not way.path:
        raise CountersignError("`--with peer` needs the proxy's UNIX socket: set `listen.local`, or give `unix:/PATH`")
    token = next((found for one in choices if (found := _token(one, around)) is not None), None)
    certificate = _certificate(shown[0], around) if shown else NoCertificate(around.roots)
    return Means(way, token, certificate if way.tls else None)


def _read(text: str) -> Choice:
    kind, _, rest = text.partition(":")
    known = {name.partition(":")[0]: name for name in KINDS}
    if kind not in known or (":" in known[kind]) != bool(rest) or (kind == "x509" and rest.count(",") != 1):
        raise CountersignError(f"`--with {text}` is not one of {', '.join(f'`{name}`' for name in KINDS)}")
    return Choice(kind, rest)


def _token(choice: Choice, around: Surroundings) -> TokenSource | None:
    match choice.kind:
        case "handle":
            return around.handle
        case "k8s":
            return TokenFile(Path(choice.rest))
        case "svid":
            return JwtSvids(choice.rest)
        case "task":
            if around.post is None or around.show is None:
                raise CountersignError("there is no token endpoint here: set `identity.token_issuer`")
            return TaskTokens(around.post, tuple(choice.rest.split(",")), around.show)
    return None


def _certificate(choice: Choice, around: Surroundings) -> CertificateSource:
    if choice.kind == "x509-svid":
        return X509Svids(around.roots)
    certificate, _, key = choice.rest.partition(",")
    return CertificateFiles(Path(certificate), Path(key), around.roots)
