"""A sheet of weights: the CSV that goes out, is edited in a spreadsheet, comes in, and goes back with its result.

A sheet has a row for each member of a queue. `queue`, `weight`, and `email` or `name` are required, in
any order and case.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any, NamedTuple

from routing_weights_cli.cells import Problem, Row, Table, heading, read_table
from routing_weights_cli.out import escaped, plain, unescaped

COLUMNS = ("queue", "email", "name", "weight", "holds")
RESULT = ("before", "after", "result", "reason")
"""What a result file has besides: what Genesys held and holds, the outcome, and why."""
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}

_ALIASES = {
    "queue": ("queue", "queue_name", "warteschlange"),
    "email": ("email", "e_mail", "mail", "agent_email", "agent_e_mail", "e_mail_adresse"),
    "name": ("name", "agent", "agent_name", "member"),
    "weight": ("weight", "gewicht"),
    "holds": ("holds",),
    "reason": ("reason", "grund"),
    "until": ("until", "bis"),
    "result": ("result",),
    "before": ("before",),
    "after": ("after",),
}
"""What each column may be called, as `heading` gives it."""
_COLUMN_OF = {alias: column for column, aliases in _ALIASES.items() for alias in aliases}
_SPACES = re.compile(r"[\s\u00a0\u202f]+")
_WEIGHT = re.compile(r"(\d{1,9}(?:[.,]\d{0,20})?|[.,]\d{1,20})(e[+-]?\d{1,2})?(%?)", re.IGNORECASE | re.ASCII)
_ONE, _HUNDRED, _SHOWN = Decimal(1), Decimal(100), Decimal("1e-10")


class Entry(NamedTuple):
    """A row that names a queue and a member. Names are as they are written."""

    line: int
    queue: str
    person: str
    """An e-mail address, a name or an id."""
    person_column: str
    weight: Decimal | None
    """None: the cell is empty, so the row says nothing about the weight."""
    reason: str
    until: str
    holds: str
    """What Genesys held when the sheet was exported; empty if the sheet does not say."""
    is_sound: bool = True
    """False: the weight is wrong, so the row is only good for finding what else is wrong."""


@dataclass(frozen=True)
class Sheet:
    """A file as it was read. It is good if `problems` is empty."""

    table: Table
    columns: Mapping[str, int]
    """Where each known column is."""
    entries: Sequence[Entry]
    problems: Sequence[Problem]
    notes: Sequence[str]
    """What a person should know, and what stops nothing."""

    def cell(self, row: Row, column: str) -> str:
        place = self.columns.get(column)
        return unescaped(row.cells[place]) if place is not None and place < len(row.cells) else ""


def read_sheet(content: bytes) -> Sheet:
    """Read a file, with every problem at its row and column. Nothing is raised, and nothing is asked of anybody."""
    table = read_table(content, _COLUMN_OF)
    if not table.rows:
        problems = list(table.problems) or [Problem(1, "", "", "the file is empty")]
        return Sheet(table, {}, [], problems, [])
    header = table.rows[0]
    columns, problems, unknown = _columns(header)
    sheet = Sheet(table, columns, [], [], [])
    problems += table.problems
    entries = []
    if not {"queue", "weight"} - {*columns} and {"email", "name"} & {*columns}:
        for row in table.rows[1:]:
            entry, wrong = _entry(sheet, row)
            problems += wrong
            entries += [entry] if entry else []
        if not entries and not problems:
            problems.append(Problem(header.line + 1, "", "", "the file has no row under its headings"))
    return Sheet(table, columns, entries, sorted(problems, key=lambda problem: problem.line), _notes(sheet, unknown))


def _columns(header: Row) -> tuple[dict[str, int], list[Problem], list[str]]:
    """Where the known columns are, what is wrong with the headings, and the unknown ones."""
    columns: dict[str, int] = {}
    problems, unknown = [], []
    for place, name in enumerate(heading(header)):
        column = _COLUMN_OF.get(name)
        if column is None:
            unknown += [plain(header.cells[place])] if name else []
        elif column in columns:
            problems.append(Problem.of(header.line, column, header.cells[place], "a second column of this kind"))
        else:
            columns[column] = place
    missing = [column for column in ("queue", "weight") if column not in columns]
    problems += [Problem(header.line, column, "", f"there is no column {column}") for column in missing]
    if not {"email", "name"} & {*columns}:
        problems.append(Problem(header.line, "email", "", "there is no column email, and no column name"))
    return columns, problems, unknown


def _notes(sheet: Sheet, unknown: Sequence[str]) -> list[str]:
    notes = []
    if unknown:
        notes.append(f"Columns that mean nothing here are ignored: {', '.join(unknown)}.")
    if "result" in sheet.columns:
        notes.append("This is a result file: its before, after, result and reason are ignored.")
    if sheet.table.encoding == "windows-1252":
        notes.append("The file is not UTF-8. It is read as Windows-1252: check names with accents.")
    return notes


def _entry(sheet: Sheet, row: Row) -> tuple[Entry | None, list[Problem]]:
    problems = []
    width = len(sheet.table.rows[0].cells)
    if any(row.cells[width:]):
        message = (
            f"the row has {len(row.cells)} cells and the headings {width}: quote a cell that has a separator in it"
        )
        return None, [Problem.of(row.line, "", row.cells[width], message)]
    queue = sheet.cell(row, "queue")
    column = "email" if sheet.cell(row, "email") else "name"
    person = sheet.cell(row, column)
    if not queue:
        problems.append(Problem(row.line, "queue", "", "the cell is empty"))
    if not person:
        problems.append(Problem(row.line, "email" if "email" in sheet.columns else "name", "", "the cell is empty"))
    text = row.cells[sheet.columns["weight"]] if sheet.columns["weight"] < len(row.cells) else ""
    weight = None
    try:
        weight = weight_of(text) if text else None
    except WeightError as error:
        problems.append(Problem.of(row.line, "weight", text, error.message)._replace(suggestion=error.suggestion))
    reason = "" if "result" in sheet.columns else sheet.cell(row, "reason")
    rest = (reason, sheet.cell(row, "until"), sheet.cell(row, "holds"))
    entry = Entry(row.line, queue, person, column, weight, *rest, is_sound=not problems)
    return entry if queue and person else None, problems


class WeightError(ValueError):
    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.message, self.suggestion = message, suggestion


def weight_of(cell: str) -> Decimal:
    """A weight in [0, 1], exactly: `0.4`, `0,4`, `40%` or `40 %`.

    Raises:
        WeightError: with what was probably meant.
    """
    text = _SPACES.sub("", cell)
    if text.startswith(("=", "+", "@", "'=", "'+", "'@")):
        raise WeightError("is a formula: save the file with its value instead")
    if text.startswith("-") and _WEIGHT.fullmatch(text[1:]):
        raise WeightError("is less than 0", "0")
    written = _WEIGHT.fullmatch(text)
    if not written:
        raise WeightError("is not a number")
    number = Decimal(written[1].replace(",", ".") + (written[2] or ""))
    if written[3]:
        number /= _HUNDRED
    if number > _ONE:
        meant = f"{text}%" if not written[3] and number <= _HUNDRED else ""
        raise WeightError("is more than 1" if not written[3] else "is more than 100 %", meant)
    return number


# ---- out -------------------------------------------------------------------------------------------------------------


def decimal(value: float | None, delimiter: str) -> str:
    """A weight as spreadsheets read it that use this delimiter."""
    if value is None:
        return ""
    # Rounded down: six times a sixth must not become more than 1.
    exact = Decimal(repr(value)).quantize(_SHOWN, rounding=ROUND_DOWN).normalize()
    text = f"{exact:f}"
    return text.replace(".", ",") if delimiter == ";" else text


def written(rows: Iterable[Sequence[Any]], delimiter: str) -> str:
    """Rows as a file that a spreadsheet opens: every cell is a text, and none is a formula.

    It begins with a BOM, because Excel reads a file without one in another encoding.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerows([escaped(plain(cell)) for cell in row] for row in rows)
    return f"\ufeff{text.getvalue()}"


def exported(lines: Iterable[Mapping[str, Any]], delimiter: str) -> str:
    """The sheet of these members. Each line has `queue`, `email`, `name`, `weight` and `holds`."""
    rows = (
        [line[name] if name != "weight" else decimal(line["weight"], delimiter) for name in COLUMNS] for line in lines
    )
    return written([COLUMNS, *rows], delimiter)


class Outcome(NamedTuple):
    """What became of a row: the last four columns of a result file."""

    before: str = ""
    after: str = ""
    result: str = ""
    reason: str = ""


def result_of(sheet: Sheet, outcomes: Mapping[int, Outcome]) -> str:
    """The same file with the four columns of a result, which replace those that it has. `outcomes` are by line."""
    header, *rows = sheet.table.rows
    own = [place for place, name in enumerate(heading(header)) if _COLUMN_OF.get(name) not in RESULT]
    lines: list[list[str]] = [[*(header.cells[place] for place in own), *RESULT]]
    for row in rows:
        cells = [unescaped(row.cells[place]) if place < len(row.cells) else "" for place in own]
        lines.append([*cells, *outcomes.get(row.line, Outcome())])
    return written(lines, sheet.table.delimiter)
