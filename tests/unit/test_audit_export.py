"""The exported audit trail: every changed property is a row, and no cell is a formula."""

import csv
import io
import json
from functools import partial
from types import SimpleNamespace

import pytest

from routing_weights.application.export_audit import PAGE, ExportAudit
from routing_weights.domain.audit_export import COLUMNS, as_csv, json_lines
from routing_weights.errors import RequestInvalid

CLOSED = {
    "distribution_id": "d-1",
    "record": "9-closed",
    "timestamp": "2026-01-31T08:00:04.000Z",
    "queue_id": "queue-001",
    "caller": "arn:aws:iam::1:user/ops",
    "status": "completed",
    "changes": [
        {"setting": "overflow_threshold", "before": 0.8, "after": 0.85},
        {"member": "agent-1", "before": 0.1, "requested": 0.4, "after": 0.4},
        {"member": "agent-2", "before": None, "requested": 1, "after": 1, "value_before": None, "value_after": 6},
    ],
    "chain_hash": "aa",
}
_STATUS = ("Distribution", "status", "")
FORMULAS = [
    *"\uff1d\uff0b\uff0d\uff20",
    "\ufeff=1",
    "\u200b+1",
    "\n-1",
    "\u3000\uff1d1",
    "\ttext",
    "\rtext",
    "=1+1",
    "+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "  =1",
    '=HYPERLINK("https://example.com")',
]


def rows(*records):
    return list(csv.reader(io.StringIO("".join(as_csv(records)))))


def test_every_changed_property_has_a_row():
    heading, *lines = rows(CLOSED)
    assert tuple(heading) == COLUMNS
    known = ["2026-01-31T08:00:04.000Z", "Routing Weights"]
    by = "arn:aws:iam::1:user/ops"
    assert lines == [
        [*known, "d-1", "closed", by, "Distribution", "status", "", "completed"],
        [*known, "queue-001", "closed", by, "Queue", "overflow_threshold", "0.8", "0.85"],
        [*known, "agent-1", "closed", by, "Member of queue-001", "weight on the wire", "0.1", "0.4"],
        [*known, "agent-2", "closed", by, "Member of queue-001", "weight on the wire", "", "6"],
    ]


def test_an_answer_to_a_distribution_that_waited_is_a_row():
    answered = {"record": "4-answered-1", "distribution_id": "d-1", "caller": "arn:boss", "answer": "approved"}
    assert rows(answered)[1] == ["", "Routing Weights", "d-1", "answered-1", "arn:boss", *_STATUS, "approved"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text):
    hostile = CLOSED | {"distribution_id": text, "caller": text, "queue_id": text}
    hostile["changes"] = [
        {"setting": text, "before": text, "after": text},
        {"member": text, "before": 0, "after": -1.5},
    ]
    cells = [cell for row in rows(hostile)[1:] for cell in row]
    assert f"'{text}" in cells
    assert "-1.5" in cells, "a number stays one"
    assert not [
        c for c in cells if c != "-1.5" and (c.startswith(("\t", "\r")) or c.lstrip().startswith(("=", "+", "-", "@")))
    ]


def test_a_line_is_the_record_as_it_is_stored():
    assert [json.loads(line) for line in json_lines([CLOSED, CLOSED])] == [CLOSED, CLOSED]


@pytest.mark.parametrize("field", [{"changes": 5}, {"changes": [5]}, {"reason": b"bytes"}, {"changes": {"a": b""}}])
def test_a_record_that_cannot_be_exported_is_a_line_and_a_row_of_its_own(field):
    lines = [json.loads(line) for line in json_lines([CLOSED | field, CLOSED])]
    poison = {"distribution_id": "d-1", "record": "9-closed"}
    assert lines[1] == CLOSED
    if any(isinstance(value, int | list) for value in field.values()):
        assert lines[0] == CLOSED | field, "JSON has these values"
    else:
        assert lines[0].items() > poison.items()
        assert "bytes" in lines[0]["unreadable"]
    if "changes" in field:
        first, *others = rows(CLOSED | field, CLOSED)[1:]
        assert first[2:8] == ["d-1", "closed", "", "Record", "unreadable", ""]
        assert first[8]
        assert others == rows(CLOSED)[1:]


def test_what_the_trail_could_not_read_is_a_row():
    (row,) = rows({"distribution_id": "d-1", "record": "0-opened", "unreadable": "=why"})[1:]
    assert row == ["", "Routing Weights", "d-1", "opened", "", "Record", "unreadable", "", "'=why"]


class Trail:
    """A queue with many distributions of one record each, in pages of two."""

    def __init__(self, count):
        self.ids, self.read = [f"d-{number}" for number in range(count)], 0

    def listed(self, _queue_id, *, since, until, limit, after):
        assert (since, until, limit) == ("0000", "9999", PAGE)
        start = int(after or 0)
        page = [SimpleNamespace(distribution_id=each) for each in self.ids[start : start + 2]]
        return page, str(start + 2) if start + 2 < len(self.ids) else None

    def exported(self, distribution_id):
        self.read += 1
        return [CLOSED | {"distribution_id": distribution_id}]


def export(trail, form, **limits):
    use_case = ExportAudit(trail, SimpleNamespace(put=lambda text, *_: text), **{"has_time": lambda: True} | limits)
    return use_case.export("queue-001", "0000", "9999", form)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("limits", "most_read"),
    [({"most_records": 4}, 5), ({"most_bytes": 1000}, 4), ({"has_time": lambda: False}, 0)],
    ids=["records", "bytes", "time"],
)
def test_an_export_beyond_its_bound_is_refused_and_read_no_further(form, limits, most_read):
    trail = Trail(100)
    with pytest.raises(RequestInvalid, match="shorter time") as caught:
        export(trail, form, **limits)
    assert [each["path"] for each in caught.value.details["errors"]] == ["from"]
    assert trail.read <= most_read
    assert len(caught.value.details["errors"][0]["message"]) < 300, "it is not cut"


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_as_large_as_its_bound_is_made(form):
    assert export(Trail(4), form, most_records=4).count("d-3") == 1


def test_an_export_has_of_each_record_what_the_caller_may_see():
    run = SimpleNamespace(distribution_id="d-1")
    trail = SimpleNamespace(listed=lambda *_, **__: ([run], None), exported=lambda _id: [CLOSED, {"record": "other"}])
    exports = SimpleNamespace(put=lambda text, extension, _kind: (text, extension))
    exported = partial(ExportAudit(trail, exports, lambda: True).export, "queue-001", "0000", "9999")
    assert [json.loads(line) for line in exported("jsonl")[0].splitlines()] == [CLOSED, {"record": "other"}]
    seen, extension = exported("jsonl", lambda record: {"record": record["record"]})
    assert [json.loads(line) for line in seen.splitlines()] == [{"record": "9-closed"}, {"record": "other"}]
    assert extension == "jsonl"
    assert "agent-1" not in exported("csv", lambda record: record | {"changes": []})[0]
