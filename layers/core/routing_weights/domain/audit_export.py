"""The audit trail as other systems read it: JSON Lines of the records, or CSV with a row for each changed property."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from routing_weights.domain.record import unreadable

COLUMNS = ("Date", "Service", "Entity", "Action", "Changed By", "Level", "Property", "Old", "New")
"""As audits of contact centres have them."""
SERVICE = "Routing Weights"
_FORMULA = re.compile(r"[\s\ufeff\u200b-\u200f\u2060]*[=+@\uff1d\uff0b\uff0d\uff20-]|[\t\r\n]")
"""A spreadsheet takes a text that begins so for a formula. Some read full-width signs as the plain ones."""

Record = Mapping[str, Any]


def json_lines(records: Iterable[Record]) -> Iterator[str]:
    """One record in each line, as it is stored, with its link."""
    for record in records:
        try:
            line = _as_json(record)
        except (TypeError, ValueError) as error:
            line = _as_json(unreadable(record, f"It is no JSON: {error}."))
        yield f"{line}\n"


def _as_json(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def as_csv(records: Iterable[Record]) -> Iterator[str]:
    """The heading, and then the rows of each record."""
    yield _lines([COLUMNS])
    for record in records:
        try:
            rows = list(_rows(record))
        except (TypeError, AttributeError) as error:
            rows = list(_rows(unreadable(record, f"Its changes are none: {error}.")))
        yield _lines(rows)


def _lines(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _rows(record: Record) -> Iterator[tuple[Any, ...]]:
    """The status of a record, and each property that its distribution changed; or why it cannot be read."""
    date, by = record.get("timestamp"), record.get("caller") or record.get("requested_by") or ""
    queue, action = record.get("queue_id") or "", str(record.get("record", "")).partition("-")[2]
    if "unreadable" in record:
        yield (date, SERVICE, record["distribution_id"], action, by, "Record", "unreadable", "", record["unreadable"])
        return
    known, status = (date, SERVICE), record.get("status") or record.get("answer") or ""  # of an approval
    yield (*known, record.get("distribution_id"), action, by, "Distribution", "status", "", status)
    for change in record.get("changes") or ():
        if "member" in change:
            old, new = (change.get(f"value_{at}", change.get(at)) for at in ("before", "after"))
            yield (*known, change["member"], action, by, f"Member of {queue}", "weight on the wire", old, new)
        else:
            yield (*known, queue, action, by, "Queue", change.get("setting"), change.get("before"), change.get("after"))


def _cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula. None is an empty cell."""
    if not isinstance(value, str):
        return "" if value is None else value
    return f"'{value}" if _FORMULA.match(value) else value
