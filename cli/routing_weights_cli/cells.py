"""Cells of a text file as spreadsheets write it: `,` `;` or tabs, with or without BOM, CRLF, decimal comma."""

import codecs
import csv
import re
from collections.abc import Collection
from typing import NamedTuple

DELIMITERS = ";\t,"
LARGEST = 64 * 2**20
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""Excel's `CSV UTF-8` and `Unicode Text`."""
_OF_WINDOWS = "windows-1252"
"""Excel's plain `CSV` in western Europe and America. Nearly every byte is a character of it."""
_NOT_TEXT = {
    b"PK\x03\x04": "the file is an Excel workbook: save it as CSV UTF-8",
    b"\x1f\x8b": "the file is compressed: unpack it",
}
"""The first bytes of files that people name by mistake, and what to do."""
_SEPARATOR = re.compile(r'(?i)"?sep=([,;\t])"?')
"""Excel's own first line."""
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_UNSEEN = "\u200b\u200e\u200f\u2060\ufeff"
"""Signs without a width, which copies from web pages and chats carry at their ends."""
_QUOTED = 40


class Problem(NamedTuple):
    """What is wrong with a cell, or with a line if `column` is empty."""

    line: int
    column: str
    value: str
    message: str
    suggestion: str = ""
    """What was probably meant."""

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

    rows: list[Row]
    problems: list[Problem]
    """Of the file, or of lines that could not be divided into cells. They are not among the rows."""
    delimiter: str = ","
    encoding: str = "utf-8"
    """utf-8, utf-8-sig, utf-16 or windows-1252. The last one is a guess: names with accents may be wrong."""


def read_table(content: bytes, known: Collection[str] = ()) -> Table:
    """Divide a file into cells. Whatever is wrong is a problem at its line; nothing is raised.

    The separator is the one that gives the first line the most names of `known`, as `heading` has them.
    """
    try:
        text, encoding = _decoded(content)
    except ValueError as error:
        return Table([], [Problem(1, "", "", str(error))])
    rows, problems, delimiter = list[Row](), list[Problem](), ""
    # Excel on a Mac has a format whose lines end with CR alone.
    for number, line in enumerate(text.split("\n" if "\n" in text else "\r"), 1):
        if not line.strip():
            continue
        if not delimiter:
            separator = _SEPARATOR.fullmatch(line.strip())
            delimiter = separator[1] if separator else _delimiter(line, known)
            if separator:
                continue
        try:
            cells = _cells(line, delimiter)
        except ValueError as error:
            problems.append(Problem.of(number, "", line.removesuffix("\r"), str(error)))
        else:
            if any(cells):
                rows.append(Row(number, cells))
    return Table(rows, problems, delimiter or ",", encoding)


def _decoded(content: bytes) -> tuple[str, str]:
    """The text of a file, and its encoding. Raises ValueError with a sentence for people."""
    if len(content) > LARGEST:
        raise ValueError(f"the file has more than {LARGEST // 2**20} MiB")
    for start, message in _NOT_TEXT.items():
        if content.startswith(start):
            raise ValueError(message)
    encoding = next((encoding for start, encoding in _BOMS.items() if content.startswith(start)), "utf-8")
    for each in (encoding, _OF_WINDOWS) if encoding == "utf-8" else (encoding,):
        try:
            text = content.decode(each)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, each
    raise ValueError("the file is no text: save it as UTF-8, in Excel as CSV UTF-8")


def _delimiter(line: str, known: Collection[str]) -> str:
    """Of signs that name as many columns, a semicolon or a tab is meant: commas are also in numbers and names."""

    def names(sign: str) -> tuple[int, bool]:
        try:
            return len({*heading(Row(1, _cells(line, sign)))} & {*known}), sign in line
        except ValueError:
            return 0, False

    return max(DELIMITERS, key=names)


def _cells(line: str, delimiter: str) -> list[str]:
    """Each line is read alone: otherwise a quote that is never closed would swallow the rest of the file."""
    try:
        row = csv.reader([line.removesuffix("\r")], delimiter=delimiter, strict=True)
        return [cell.strip().strip(_UNSEEN).strip() for cell in next(row)]
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
