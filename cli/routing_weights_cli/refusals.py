"""The problems of a file as people read them: the same problem of many rows is one line."""

from collections.abc import Iterable, Sequence

from routing_weights_cli.api import Json
from routing_weights_cli.cells import Problem
from routing_weights_cli.out import Out

COLUMNS = ("row", "column", "value", "problem", "suggestion")
_FOLDED = ("row", "value", "problem", "suggestion")


def show_problems(out: Out, problems: Iterable[Problem]) -> None:
    """Print the problems as a table. Columns that no problem has are left out."""
    rows = grouped(problems)
    named = [column for column in COLUMNS if out.form != "table" or any(row[column] for row in rows)]
    out.table(rows, named, fold=_FOLDED)


def grouped(problems: Iterable[Problem]) -> list[Json]:
    """The same problem of several rows as one line, which names them all."""
    rows: dict[tuple[str, str, str, str], list[int]] = {}
    for problem in problems:
        rows.setdefault((problem.column, problem.value, problem.message, problem.suggestion), []).append(problem.line)
    return [
        {"row": ranges(lines), "column": column, "value": value, "problem": message, "suggestion": suggestion}
        for (column, value, message, suggestion), lines in rows.items()
    ]


def ranges(numbers: Sequence[int]) -> str:
    """The rows as people write them: `2, 5-9`."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(str(end) for end in part) for part in parts)
