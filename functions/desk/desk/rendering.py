"""Pages from templates. Everything that is written into one is escaped."""

from __future__ import annotations

import re
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from desk import numbers, static_files
from desk.web import Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = static_files.address
    made.filters["caller"] = caller
    made.filters["instant"] = instant
    made.filters["named"] = named
    made.filters["percent"] = percent
    made.filters["value"] = value
    return made


def page(request: Request, template: str, status: int = HTTPStatus.OK, **values: Any) -> Response:
    """A whole page, or a part of one, as the template is. `request` is known in each template."""
    return Response(status, environment().get_template(template).render(request=request, **values))


def instant(timestamp: str | None) -> str:
    """A time for a reader, in UTC: the script of the page shows it in the browser's time zone."""
    return f"{timestamp[:10]} {timestamp[11:16]} UTC" if timestamp else ""


def caller(identity: str) -> str:
    """A caller without a name: the last part of an ARN says who it is."""
    return identity.rpartition("/")[2]


def percent(ratio: float | None, request: Request) -> str:
    """A ratio as a percentage with one decimal, as the reader writes numbers."""
    return "none" if ratio is None else f"{numbers.shown(round(100 * ratio, 1), numbers.mark(request))} %"


def value(held: Any) -> str:
    """A value that Genesys holds: a number, a name, joined or not, or none."""
    match held:
        case None:
            return "none"
        case bool():
            return "joined" if held else "not joined"
        case _:
            return str(held)


def named(text: str, names: Mapping[str, str]) -> str:
    """A sentence of the API with names in place of ids."""
    known = sorted(filter(None, names), key=len, reverse=True)
    if not known:
        return text
    ids = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, known))})(?![\w-])")
    return ids.sub(lambda match: names[match[0]] or match[0], text)
