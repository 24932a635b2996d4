"""Cells of a text file as spreadsheets write it: `,` `;` or tabs, with or without BOM, CRLF, decimal comma."""

import csv
import re
from typing import NamedTuple

DELIMITERS = ";\t,"
LARGEST = 64 * 2**20
_BOM = b"\xef\xbb\xbf"
_NOT_TEXT = {
    b"\xff\xfe": "the file is UTF-16: save it as UTF-8, in Excel as CSV UTF-8",
    b"\xfe\xff": "the file is UTF-16: save it as UTF-8, in Excel as CSV UTF-8",
    b"PK\x03\x04": "the file is an Excel workbook: save it as CSV UTF-8",
    b"\x1f\x8b": "the file is compressed: unpack it",
}
"""The first bytes of files that people name by mistake, and what to do."""
_SEPARATOR = re.compile(rb'(?i)"?sep=([,;\t])"?')
"""Excel's own first line."""
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_QUOTED = 40


class Problem(NamedTuple):
    """What is wrong with a cell, or with a line if `column` is empty."""

    line: int
    column: str
    value: str
    message: str

    @classmethod
    def of(cls, line: int, column: str, value: str, message: str) -> "Problem":
        """A problem whose value fits a line of a terminal."""
        shown = "".join(sign if sign.isprintable() else " " for sign in value)
        return cls(line, column, shown if len(shown) <= _QUOTED else f"{shown[: _QUOTED - 1]}…", message)


class Row(NamedTuple):
    line: int
    """From 1, as an editor counts."""
    cells: list[str]


class Table(NamedTuple):
    """The rows of a file that are not empty. Spaces around cells are cut."""

    delimiter: str
    rows: list[Row]
    problems: list[Problem]
    """Of lines that could not be divided into cells. They are not among the rows."""


def read_table(content: bytes) -> Table:
    """Divide a file into cells. Whatever is wrong is a problem at its line; nothing is raised."""
    if wrong := _not_text(content):
        return Table(",", [], [Problem(1, "", "", wrong)])
    rows, problems, delimiter = list[Row](), list[Problem](), ""
    for number, line in enumerate(content.removeprefix(_BOM).split(b"\n"), 1):
        if not line.strip():
            continue
        if not delimiter:
            separator = _SEPARATOR.fullmatch(line.strip())
            delimiter = separator[1].decode() if separator else _delimiter(line)
            if separator:
                continue
        try:
            cells = _cells(line, delimiter)
        except ValueError as error:
            problems.append(Problem.of(number, "", line.decode(errors="replace"), str(error)))
        else:
            if any(cells):
                rows.append(Row(number, cells))
    return Table(delimiter or ",", rows, problems)


def _not_text(content: bytes) -> str | None:
    """Why the file cannot be divided into cells; None if it can."""
    if len(content) > LARGEST:
        return f"the file has more than {LARGEST // 2**20} MiB"
    return next((message for start, message in _NOT_TEXT.items() if content.startswith(start)), None)


def _delimiter(line: bytes) -> str:
    return next((sign for sign in DELIMITERS if sign.encode() in line), ",")


def _cells(line: bytes, delimiter: str) -> list[str]:
    """Each line is read alone: otherwise a quote that is never closed would swallow the rest of the file."""
    try:
        text = line.decode().removesuffix("\r")
        return [cell.strip() for cell in next(csv.reader([text], delimiter=delimiter, strict=True))]
    except UnicodeDecodeError as error:
        message = f"the line is not UTF-8 at byte {error.start + 1}: save the file as UTF-8, in Excel as CSV UTF-8"
        raise ValueError(message) from None
    except (csv.Error, StopIteration):
        raise ValueError("the line has a quote that is not closed, or text after a closing quote") from None


def number(cell: str, delimiter: str) -> float:
    """The number in a cell. Raises ValueError with a sentence for people."""
    if not _NUMBER.fullmatch(cell):
        raise ValueError("is not a number")
    if "," in cell and delimiter == ",":
        raise ValueError("has a decimal comma: write a point, or separate the columns by semicolons")
    return float(cell.replace(",", "."))


def heading(row: Row) -> list[str]:
    """The names of columns without regard to case, spaces and hyphens: `Agent E-Mail` is `agent_e_mail`."""
    return [re.sub(r"[\s-]+", "_", cell.casefold()) for cell in row.cells]
