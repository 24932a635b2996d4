"""The exported audit trail: every changed property is a row, and no cell is a formula."""

import csv
import io
import json
from functools import partial
from types import SimpleNamespace

import pytest

from routing_weights.application.export_audit import ExportAudit
from routing_weights.domain.audit_export import COLUMNS, as_csv, json_lines

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
    return list(csv.reader(io.StringIO(as_csv(records))))


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
    assert [json.loads(line) for line in json_lines([CLOSED, CLOSED]).splitlines()] == [CLOSED, CLOSED]


def test_an_export_has_of_each_record_what_the_caller_may_see():
    run = SimpleNamespace(distribution_id="d-1")
    trail = SimpleNamespace(of_queue=lambda *_, **__: ([run], None), stored=lambda _id: [CLOSED, {"record": "other"}])
    exports = SimpleNamespace(put=lambda text, extension, _kind: (text, extension))
    exported = partial(ExportAudit(trail, exports).export, "queue-001", "0000", "9999")
    assert [json.loads(line) for line in exported("jsonl")[0].splitlines()] == [CLOSED, {"record": "other"}]
    seen, extension = exported("jsonl", lambda record: {"record": record["record"]})
    assert [json.loads(line) for line in seen.splitlines()] == [{"record": "9-closed"}, {"record": "other"}]
    assert extension == "jsonl"
    assert "agent-1" not in exported("csv", lambda record: record | {"changes": []})[0]
