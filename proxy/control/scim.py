"""SCIM 2.0 for one purpose: the identity provider says who has left, and who is back (RFC 7643, RFC 7644).

People, their names and teams are the inventory's; what a provider sends of those is answered, and has no effect.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from policies.model import Json
from proxy.control.bearer import shows_bearer
from proxy.control.leaving import Leavers, Said
from proxy.control.problems import declined
from proxy.errors import CountersignError
from proxy.facts import Inventory, Person
from proxy.strict_json import loads
from telemetry.errors import AuditUnavailable

MEDIA_TYPE = "application/scim+json"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
_MESSAGES = "urn:ietf:params:scim:api:messages:2.0"
_CONFIG = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
_RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
_FILTER = re.compile(
    r'\s*([A-Za-z][A-Za-z0-9.:_-]{0,99}|emails\[type\s+eq\s+"[a-z]{1,20}"\]\.value)\s+[eE][qQ]\s+"((?:[^"\\]|\\.){0,512})"\s*'
)
_NAME = re.compile(rf"(?:{re.escape(USER.lower())}:)?([a-z$][a-z0-9$_-]*)(.*)", re.DOTALL)
_MOST = 200
_MOST_OPERATIONS = 100

type Handle = Callable[[Request], Awaitable[Response]]


class ScimMistake(Exception):
    """What the client asked for cannot be done; in the words of RFC 7644 section 3.12."""

    def __init__(self, status: int, kind: str, text: str) -> None:
        self.status = status
        self.kind = kind
        super().__init__(text)


class Scim:
    """The users of the inventory. `token` gives the bearer token as it is now; `CountersignError` if it cannot."""

    def __init__(self, leavers: Leavers, token: Callable[[], str]) -> None:
        self._leavers = leavers
        self._token = token

    def routes(self) -> list[BaseRoute]:
        """Every route, each behind the bearer token."""
        table: tuple[tuple[str, str, Handle], ...] = (
            ("GET", "/scim/v2/ServiceProviderConfig", self._config),
            ("GET", "/scim/v2/ResourceTypes", self._resource_types),
            ("GET", "/scim/v2/Groups", self._groups),
            ("GET", "/scim/v2/Users", self._search),
            ("POST", "/scim/v2/Users", self._create),
            ("GET", "/scim/v2/Users/{id}", self._show),
            ("PUT", "/scim/v2/Users/{id}", self._replace),
            ("PATCH", "/scim/v2/Users/{id}", self._patch),
            ("DELETE", "/scim/v2/Users/{id}", self._delete),
        )
        return [Route(path, self._behind(handle), methods=[method]) for method, path, handle in table]

    def _behind(self, handle: Handle) -> Handle:
        async def endpoint(request: Request) -> Response:
            try:
                self._require_token(request)
                return await handle(request)
            except ScimMistake as mistake:
                return _error(mistake.status, str(mistake), mistake.kind)
            except (CountersignError, AuditUnavailable) as error:
                said = declined(error)
                return _error(said.status, str(said))

        return endpoint

    def _require_token(self, request: Request) -> None:
        if not shows_bearer(request, self._token()):
            raise ScimMistake(401, "", "show the bearer token of `control.scim_token`")

    # --- what is asked ----------------------------------------------------------------------------

    async def _config(self, _: Request) -> Response:
        off: dict[str, Json] = {"supported": False}
        return _answer(
            {
                "schemas": [_CONFIG],
                "patch": {"supported": True},
                "bulk": {**off, "maxOperations": 0, "maxPayloadSize": 0},
                "filter": {"supported": True, "maxResults": _MOST},
                "changePassword": off,
                "sort": off,
                "etag": off,
                "authenticationSchemes": [
                    {"type": "oauthbearertoken", "name": "Bearer token", "description": "`control.scim_token`"}
                ],
            }
        )

    async def _resource_types(self, _: Request) -> Response:
        return _answer(
            _listed(
                [{"schemas": [_RESOURCE_TYPE], "id": "User", "name": "User", "endpoint": "/Users", "schema": USER}], 1
            )
        )

    async def _groups(self, _: Request) -> Response:
        """None: teams are the inventory's. Providers that import groups ask before they do anything."""
        return _answer(_listed([], 0))

    async def _search(self, request: Request) -> Response:
        asked = request.query_params
        people = sorted(self._leavers.inventory().people.values(), key=lambda person: person.id)
        if "filter" in asked:
            people = [person for person in people if _matches(person, asked["filter"])]
        start, count = _number(asked.get("startIndex"), 1), min(_MOST, _number(asked.get("count"), _MOST))
        first = max(1, start)
        page = people[first - 1 : first - 1 + max(0, count)]
        return _answer(_listed([_user(person) for person in page], len(people), first))

    async def _show(self, request: Request) -> Response:
        return _answer(_user(self._person(request)))

    async def _create(self, request: Request) -> Response:
        body = await _body(request)
        name = body.get("username")
        if isinstance(name, str) and _by_name(self._leavers.inventory(), name):
            raise ScimMistake(409, "uniqueness", "this person is in the inventory already")
        raise ScimMistake(501, "", "people are added in the inventory, not here")

    async def _replace(self, request: Request) -> Response:
        person, body = self._person(request), await _body(request)
        name = body.get("username")
        other = _by_name(self._leavers.inventory(), name) if isinstance(name, str) else None
        if other is not None and other.id != person.id:
            raise ScimMistake(409, "uniqueness", "this is the name of somebody else in the inventory")
        active = body.get("active")
        return _answer(_user(person if active is None else await self._set(person, active=_bool(active))))

    async def _patch(self, request: Request) -> Response:
        person, wanted = self._person(request), _wanted(await _body(request))
        return _answer(_user(person if wanted is None else await self._set(person, active=wanted)))

    async def _delete(self, request: Request) -> Response:
        await self._set(self._person(request), active=False)
        return Response(status_code=204)

    async def _set(self, person: Person, *, active: bool) -> Person:
        said = Said("scim", "said by the identity provider", ("channel=scim", "assurance=token"))
        return await self._leavers.set_active(person.id, "scim", said, active=active)

    def _person(self, request: Request) -> Person:
        found = _by_name(self._leavers.inventory(), request.path_params["id"])
        if found is None:
            raise ScimMistake(404, "", "there is no such person in the inventory")
        return found


def _by_name(inventory: Inventory, name: str) -> Person | None:
    """By id, or by address; two people never have the same."""
    exact = inventory.people.get(name)
    folded = name.casefold()
    return exact or next((one for one in inventory.people.values() if folded and one.email.casefold() == folded), None)


def _matches(person: Person, text: str) -> bool:
    match = _FILTER.fullmatch(text)
    if match is None:
        raise ScimMistake(400, "invalidFilter", 'only `attribute eq "value"` is understood')
    attribute, value = match[1].lower().removeprefix(f"{USER.lower()}:"), re.sub(r"\\(.)", r"\1", match[2])
    attribute = re.sub(r"\[.*\]", "", attribute)  # of which kind an address is, we do not know
    match attribute:
        case "username":
            return bool(value) and value.casefold() in {person.id.casefold(), person.email.casefold()}
        case "id":
            return value == person.id
        case "emails.value" | "emails":
            return bool(value) and value.casefold() == person.email.casefold()
        case "externalid":
            return False  # we keep none
        case _:
            raise ScimMistake(400, "invalidFilter", f"people are not found by `{match[1]}`")


def _wanted(body: Mapping[str, Json]) -> bool | None:
    """Whether this PatchOp makes somebody active; None if it does not speak of it."""
    operations = body.get("operations")
    if not isinstance(operations, list) or len(operations) > _MOST_OPERATIONS:
        raise ScimMistake(400, "invalidSyntax", f"a PatchOp has `Operations`, at most {_MOST_OPERATIONS}")
    wanted: bool | None = None
    for each in operations:
        operation = {key.lower(): value for key, value in each.items()} if isinstance(each, dict) else {}
        kind, path, value = operation.get("op"), operation.get("path"), operation.get("value")
        if not isinstance(kind, str) or kind.lower() not in {"add", "replace", "remove"}:
            raise ScimMistake(400, "invalidSyntax", "an operation is `add`, `replace` or `remove`")
        if path is not None and not isinstance(path, str):
            raise ScimMistake(400, "invalidPath", "a `path` is text")
        for one in _said_of_active((path or USER).lower(), value):
            if kind.lower() == "remove":
                raise ScimMistake(400, "mutability", "`active` cannot be removed; replace it")
            wanted = _bool(one)
    return wanted


def _said_of_active(path: str, value: Json) -> Iterator[Json]:
    """What this value at this path says of `active`: itself, or as a member of the user that it describes.

    Whoever means it otherwise than is understood is told so: a provider takes a 200 for done.
    """
    if path == USER.lower():
        if not isinstance(value, dict):
            raise ScimMistake(400, "invalidValue", "without the `path` of an attribute, a value is an object")
        for name, inner in value.items():
            yield from _said_of_active(name.lower(), inner)
        return
    named = _NAME.fullmatch(path)
    if named is None:
        raise ScimMistake(400, "invalidPath", "a `path` starts with the name of an attribute")
    if named[1] == "active" and named[2]:
        raise ScimMistake(400, "invalidPath", "`active` has no parts, and is one value")
    if named[1] == "active":
        yield value


def _bool(value: Json) -> bool:
    """Entra sends `active` as the text `"False"`."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise ScimMistake(400, "invalidValue", "`active` is true or false")


async def _body(request: Request) -> dict[str, Json]:
    """The members of the body, by lower-case name (RFC 7643 section 2.1: names do not differ by case)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {MEDIA_TYPE, "application/json"}:
        raise ScimMistake(415, "", f"send the body as `{MEDIA_TYPE}`")
    try:
        value = loads(await request.body(), max_depth=16)
    except ValueError as error:
        raise ScimMistake(400, "invalidSyntax", f"the body cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ScimMistake(400, "invalidSyntax", "the body must be a JSON object")
    return {name.lower(): member for name, member in value.items()}


def _number(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.removeprefix("-").isdecimal() or len(text) > 9:
        raise ScimMistake(400, "invalidValue", "`startIndex` and `count` are whole numbers")
    return int(text)


def _user(person: Person) -> dict[str, Any]:
    user: dict[str, Any] = {
        "schemas": [USER],
        "id": person.id,
        "userName": person.email or person.id,
        "displayName": person.name,
        "active": person.active,
        "meta": {"resourceType": "User", "location": f"/scim/v2/Users/{person.id}"},
    }
    return user | {"emails": [{"value": person.email, "primary": True}]} if person.email else user


def _listed(resources: list[dict[str, Any]], total: int, start: int = 1) -> dict[str, Any]:
    return {
        "schemas": [f"{_MESSAGES}:ListResponse"],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }


def _answer(body: Mapping[str, Any]) -> Response:
    return JSONResponse(dict(body), media_type=MEDIA_TYPE)


def _error(status: int, text: str, kind: str = "") -> Response:
    body: dict[str, Any] = {"schemas": [f"{_MESSAGES}:Error"], "status": str(status), "detail": text}
    headers = {"www-authenticate": 'Bearer realm="countersign"'} if status == 401 else None
    return JSONResponse(body | ({"scimType": kind} if kind else {}), status, headers, media_type=MEDIA_TYPE)
