"""The audit trail as other systems read it: JSON Lines of the records, or CSV with a row for each changed property."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

COLUMNS = ("Date", "Service", "Entity", "Action", "Changed By", "Level", "Property", "Old", "New")
"""As audits of contact centres have them."""
SERVICE = "Routing Weights"
_FORMULA = re.compile(r"[\s\ufeff\u200b-\u200f\u2060]*[=+@\uff1d\uff0b\uff0d\uff20-]|[\t\r\n]")
"""A spreadsheet takes a text that begins so for a formula. Some read full-width signs as the plain ones."""

Record = Mapping[str, Any]


def json_lines(records: Iterable[Record]) -> str:
    """One record in each line, as it is stored, with its link."""
    return "".join(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n" for record in records)


def as_csv(records: Iterable[Record]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value) for value in row] for record in records for row in _rows(record))
    return text.getvalue()


def _rows(record: Record) -> Iterator[tuple[Any, ...]]:
    """The status of a record, and each property that its distribution changed."""
    date, by = record.get("timestamp"), record.get("caller") or record.get("requested_by") or ""
    queue, action = record.get("queue_id") or "", str(record.get("record", "")).partition("-")[2]
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
