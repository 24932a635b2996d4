"""Numbers as the reader writes them: 12.5 or 12,5."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from desk.web import Request

WITH_POINT = frozenset({"en", "ja", "ko", "zh", "th", "he", "hi", "ms"})
"""Languages that write a decimal point. Every other one writes a comma."""
_NUMBER = re.compile(r"[0-9]{1,9}([.,][0-9]{1,20})?")


def mark(request: Request) -> str:
    """The decimal mark of the reader's first language: `.` or `,`."""
    first = re.split(r"[-,;]", request.headers.get("accept-language", ""))[0].strip().lower()
    return "." if first in WITH_POINT or not first.isalpha() else ","


def shown(value: Decimal | float | str | None, decimal_mark: str) -> str:
    """A number without needless zeros. Nothing for None."""
    if value is None:
        return ""
    text = f"{Decimal(str(value)):f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace(".", decimal_mark)


def read(text: str) -> Decimal | None:
    """A number of a form, with a point or a comma. None for an empty field. Raises ValueError."""
    text = text.strip().removesuffix("%").strip()
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise ValueError("is no number: write 12.5 or 12,5")
    return Decimal(text.replace(",", "."))
