"""What a command prints: a table for people, JSON or CSV for programs.

Results go to standard output. Progress, notes and errors go to standard error, so a pipe gets results only. Texts of
Genesys and of other people are never markup, and their control characters never reach the terminal.
"""

import csv
import io
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, Literal

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Format = Literal["table", "json", "csv"]
FORMATS: tuple[Format, ...] = ("table", "json", "csv")

_FORMULA = re.compile("'*[-=+@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""The last four are the wide forms of the first four. Some spreadsheets take them for the same."""
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_STYLES = {"+": "green", "-": "red", "~": "yellow"}


def escaped(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula. `unescaped` gives back the text."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescaped(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def plain(value: Any) -> str:
    """A value as one printable text: nothing that a terminal would obey."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return _UNPRINTABLE.sub("\ufffd", str(value)).replace("\n", " ").replace("\t", " ")


class Out:
    """The output of one command.

    `table`, `record` and `document` print the result, in the format that the user chose. `say`, `note` and `error` are
    for people only. `is_live` is true where progress may be drawn.
    """

    def __init__(self, form: Format = "table", *, color: bool = True) -> None:
        self.form = form
        self.stdout: IO[str] = sys.stdout
        options: dict[str, Any] = {"markup": False, "highlight": False, "emoji": False, "soft_wrap": False}
        options |= {} if color else {"no_color": True}
        self.console = Console(file=self.stdout, **options)
        self.stderr = Console(file=sys.stderr, **options)

    @property
    def is_live(self) -> bool:
        """True if a person watches: progress may be drawn and erased."""
        return self.stderr.is_terminal

    def table(
        self,
        rows: Iterable[Mapping[str, Any]],
        columns: Sequence[str],
        *,
        empty: str = "Nothing.",
        right: Sequence[str] = (),
        fold: Sequence[str] = (),
    ) -> None:
        """Rows with these columns. `right` ones are numbers; `fold` ones break into lines, others end with `…`.

        JSON has the whole rows, not only these columns.
        """
        listed = list(rows)
        match self.form:
            case "json":
                self.document(listed)
            case "csv":
                self._csv(listed, columns)
            case _ if not listed:
                self.say(empty)
            case _:
                table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
                for name in columns:
                    table.add_column(
                        name.replace("_", " "),
                        justify="right" if name in right else "left",
                        overflow="fold" if name in fold else "ellipsis",
                        no_wrap=name not in fold,
                    )
                for row in listed:
                    table.add_row(*(Text(plain(row.get(name))) for name in columns))
                self.console.print(table)

    def record(self, fields: Mapping[str, Any]) -> None:
        """One thing: a line for each field. Fields that are None are left out of the table."""
        match self.form:
            case "json":
                self.document(fields)
            case "csv":
                self._csv([fields], list(fields))
            case _:
                table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
                table.add_column(style="bold", no_wrap=True)
                table.add_column(overflow="fold")
                for name, value in fields.items():
                    if value is not None:
                        table.add_row(name.replace("_", " "), Text(plain(value)))
                self.console.print(table)

    def document(self, value: Any) -> None:
        """JSON, whatever the format is."""
        self.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")

    def say(self, text: str = "", style: str = "") -> None:
        """A sentence for people: with the result in a table, beside it otherwise."""
        self._print(self.console if self.form == "table" else self.stderr, Text(_lines(text), style=style))

    def change(self, sign: str, text: str) -> None:
        """A line of a diff: sign `~`, `+` or `-`, or a space where nothing changes."""
        self.say(f"  {sign} {text}", _STYLES.get(sign, "dim"))

    def note(self, text: str) -> None:
        """Something beside the result."""
        self._print(self.stderr, Text(_lines(text), style="yellow"))

    def command(self, text: str) -> None:
        """A command to copy: no line break is put into it."""
        self.stderr.print(Text(f"  {plain(text)}"), soft_wrap=True)

    def error(self, message: str, remedy: str = "") -> None:
        self._print(self.stderr, Text.assemble(("Error: ", "bold red"), _lines(message)))
        if remedy:
            self._print(self.stderr, Text(_lines(remedy)))

    @staticmethod
    def _print(console: Console, text: Text) -> None:
        """Print a text, in lines that fit the terminal and keep its indent. A file or a pipe gets it as it is."""
        indent = len(text.plain) - len(text.plain.lstrip())
        if console.is_terminal and indent and "\n" not in text.plain:
            console.print(Padding(text[indent:], (0, 0, 0, indent)))
        else:
            console.print(text, soft_wrap=not console.is_terminal)

    def _csv(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(columns)
        writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
        self.stdout.write(text.getvalue())


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "" if value is None else value


def _lines(text: str) -> str:
    return "\n".join(plain(line) for line in text.split("\n"))
