"""A request body by its content type: JSON, form pairs, or nothing. Anything else is refused, never passed unread."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from policies.model import Json
from proxy import strict_json
from proxy.errors import Refused, refuse
from proxy.protocols import fields
from proxy.stages import Request

MAX_BYTES = 1_048_576
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, slots=True)
class Body:
    """What the body means. `media` is the normalised content type; `value` is for JSON, `pairs` for forms.

    `plain`: see `strict_json.Document`.
    """

    kind: Literal["none", "json", "form"]
    media: str = ""
    value: Json = None
    pairs: tuple[tuple[str, str], ...] = ()
    plain: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its fields, at the top."""
        if self.kind == "form":
            return tuple(name for name, _ in self.pairs)
        return tuple(self.value) if isinstance(self.value, dict) else ()


NOTHING = Body("none")


def read_body(request: Request) -> Body:
    """The body, if it can be read in one way only; a refusal if not."""
    media = encoding = None
    for name, value in request.headers:
        if name == "content-type":
            if media is not None:
                raise _unknown_type("it is given twice")
            media = value
        elif name == "content-encoding" and value.strip().lower() not in {"", "identity"}:
            encoding = value
    if not request.body:
        return NOTHING
    if len(request.body) > MAX_BYTES:
        raise refuse(
            "body_too_large", 413, f"The body has more than {MAX_BYTES} bytes, so it cannot be judged.", "fix_request"
        )
    if encoding is not None:
        raise refuse(
            "content_encoding_unknown",
            415,
            "A request to this service must have its body as it is, without Content-Encoding.",
            "fix_request",
        )
    if media is None:
        raise _unknown_type("it is missing")
    return _read(media, request.body)


def _read(content_type: str, body: bytes) -> Body:
    media = _KNOWN.get(content_type) or _normalised(content_type)
    essence = media.partition(";")[0]
    if essence == "application/json" or essence.endswith("+json"):
        document = _tried("not JSON that all readers read alike", strict_json.read, body)
        return Body("json", media, document.value, plain=document.plain)
    if essence == "application/x-www-form-urlencoded":
        return Body("form", media, pairs=_tried("not a form that all readers read alike", _form, body))
    raise _unknown_type("it is neither JSON nor a URL-encoded form")


def _tried[T](what: str, read: Callable[[bytes], T], body: bytes) -> T:
    try:
        return read(body)
    except ValueError as error:
        raise refuse("body_invalid", 400, f"The body is {what}: {error}.", "fix_request") from error


def _form(body: bytes) -> tuple[tuple[str, str], ...]:
    if not body.isascii():
        raise ValueError("a character that must be percent-encoded")
    return fields.pairs(body.decode("ascii"))


_KNOWN = {text: text for text in ("application/json", "application/x-www-form-urlencoded")}


def _normalised(content_type: str) -> str:
    """Lower case, parameters sorted; only UTF-8 may be named. Anything odd is refused."""
    essence, *parameters = content_type.split(";")
    kind, slash, subkind = essence.strip().lower().partition("/")
    if not (kind and slash and subkind and _TOKEN.issuperset(kind + subkind)):
        raise _unknown_type("it cannot be read")
    found: dict[str, str] = {}
    for parameter in parameters:
        name, equals, value = (part.strip().lower() for part in parameter.partition("="))
        value = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
        if not (name and equals and value and _TOKEN.issuperset(name + value)) or name in found:
            raise _unknown_type("its parameters cannot be read")
        found[name] = value
    if found.pop("charset", "utf-8") not in {"utf-8", "utf8"}:
        raise _unknown_type("its charset is not UTF-8")
    return ";".join([f"{kind}/{subkind}", *(f"{name}={value}" for name, value in sorted(found.items()))])


def _unknown_type(why: str) -> Refused:
    return refuse(
        "content_type_unknown",
        415,
        f"The body of this request cannot be judged by its Content-Type: {why}. "
        "Send application/json or application/x-www-form-urlencoded, in UTF-8.",
        "fix_request",
    )
