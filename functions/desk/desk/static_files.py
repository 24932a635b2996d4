"""Scripts, styles and pictures. Their addresses have a hash of their contents, so browsers keep them for a year."""

from __future__ import annotations

import hashlib
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from desk.web import Response
from routing_weights.errors import RouteNotFound

FOLDER = Path(__file__).parent / "static"
PREFIX = "/desk/static/"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class _File(NamedTuple):
    text: str
    content_type: str
    version: str


@cache
def _files() -> dict[str, _File]:
    """By name: only what is in the folder can be asked for."""
    return {
        path.name: _File(
            path.read_text(encoding="utf-8"), _TYPES[path.suffix], hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        )
        for path in sorted(FOLDER.iterdir())
    }


def address(name: str) -> str:
    return f"{PREFIX}{name}?v={_files()[name].version}"


def serve(name: str, version: str) -> Response:
    """Raises RouteNotFound. A version that this function does not have is of another deployment: nobody keeps it."""
    file = _files().get(name)
    if file is None:
        raise RouteNotFound("There is no such file.")
    kept = "public, max-age=31536000, immutable" if version == file.version else "no-cache"
    return Response(HTTPStatus.OK, file.text, file.content_type, {"Cache-Control": kept, "ETag": f'"{file.version}"'})
