"""Contract `platform`: queries, bodies and pages."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from local.genesys import publicapi
from local.genesys.wire import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local.genesys.organisation import Document
    from local.genesys.wire import Request

MAX_PAGE_SIZE = 100  # documented for members; our choice for the other listings


class Query:
    """The query of a request. Parameters that the operation does not have are ignored, such as `page`."""

    def __init__(self, request: Request) -> None:
        self._path = request.path
        self._values = parse_qs(request.query, keep_blank_values=True)

    def refuse(self, *names: str) -> None:
        """Refuse filters that are real but not simulated. Ignoring them would answer another question."""
        if asked := [name for name in names if name in self._values]:
            raise ApiError(501, "not.simulated", f"{', '.join(asked)}: real, and not simulated.")

    def one(self, name: str, *allowed: str) -> str | None:
        values = self._values.get(name, [])
        if len(values) > 1:
            raise bad_request(f"{name} must not be given twice.")
        if values and allowed and values[0].lower() not in allowed:
            raise bad_request(f"{name} must be one of {', '.join(allowed)}.")
        return values[0] if values else None

    def many(self, name: str) -> list[str]:
        """Return the values of an array parameter, which may be repeated or joined with commas."""
        return [item for value in self._values.get(name, []) for item in value.split(",")]

    def ids(self) -> set[str]:
        """Return the requested ids, in lower case."""
        return {item.lower() for item in self.many("id")}

    def page(self, entities: list[Any], *, counted: bool, second: int | None = None) -> Document:
        """Return a page of entities. `counted` listings have `total`, `pageCount` and `lastUri`.

        With `second`, the second page has at most that many entities, and the later pages begin earlier.
        """
        size, number = self._whole("pageSize", 25), self._whole("pageNumber", 1)
        if size > MAX_PAGE_SIZE:
            raise bad_request(f"pageSize must be at most {MAX_PAGE_SIZE}.")
        missing = 0 if second is None else max(0, size - second)
        ends = (page * size - (missing if page > 1 else 0) for page in (number - 1, number))
        pages = math.ceil((len(entities) + (missing if len(entities) > size else 0)) / size)
        page = {
            "entities": entities[slice(*ends)],
            "pageSize": size,
            "pageNumber": number,
            "selfUri": self._uri(size, number),
            "firstUri": self._uri(size, 1),
        }
        if number < pages:
            page["nextUri"] = self._uri(size, number + 1)
        if number > 1:
            page["previousUri"] = self._uri(size, number - 1)
        if counted:
            page |= {"total": len(entities), "pageCount": pages, "lastUri": self._uri(size, max(pages, 1))}
        return page

    def _whole(self, name: str, default: int) -> int:
        text = self.one(name)
        if text is None:
            return default
        if not re.fullmatch("0*[1-9][0-9]{0,8}", text, re.ASCII):
            raise bad_request(f"{name} must be an integer, 1 or more.")
        return int(text)

    def _uri(self, size: int, number: int) -> str:
        kept = {name: values for name, values in self._values.items() if name not in ("pageSize", "pageNumber", "page")}
        return f"{self._path}?{urlencode({**kept, 'pageSize': size, 'pageNumber': number}, doseq=True)}"


def body_of(request: Request, template: str, unknown_allowed: frozenset[str] = publicapi.NOTHING) -> Any:
    """Return the body of an operation. Raises an error that names everything wrong with it."""
    body = request.json()
    schema = publicapi.operation(request.method, template).body
    if flaws := publicapi.flaws(body, schema or {}, unknown_allowed):
        codes = [flaw.code for flaw in flaws]
        code = "invalid.property" if "invalid.property" in codes else codes[0]
        raise ApiError(400, code, " ".join(flaw.sentence for flaw in flaws[:10]))
    return body


def check_distinct(ids: Iterable[str]) -> None:
    """Refuse a bulk request that names an entity twice (our choice: its meaning would depend on the order)."""
    known = [item.lower() for item in ids]
    if twice := sorted({item for item in known if known.count(item) > 1}):
        raise bad_request(f"Given twice: {', '.join(twice)}.")


def has_name(name: str, pattern: str) -> bool:
    """Match a whole name, ignoring case. Asterisks are allowed at the ends."""
    name, text = plain(name), plain(pattern)
    core = text.strip("*")
    match text.startswith("*"), text.endswith("*"):
        case True, True:
            return core in name
        case True, False:
            return name.endswith(core)
        case False, True:
            return name.startswith(core)
    return name == core


def plain(name: str) -> str:
    """Return the form of a name for comparisons, which ignore case and the encoding of accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def bad_request(message: str) -> ApiError:
    return ApiError(400, "bad.request", message)
