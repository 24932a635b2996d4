"""Files of plans in which people write names: queues and members become the ids that the API takes."""

import csv
import io
import json
from dataclasses import dataclass, field
from typing import Any

from routing_weights_cli.api import Json
from routing_weights_cli.cells import Problem, heading, read_table
from routing_weights_cli.errors import CliError
from routing_weights_cli.names import Names, UnknownNameError

_QUEUE, _MEMBER = ("queue", "queue_id", "queue_name"), ("member", "email", "e_mail", "agent", "user_id")
KNOWN = {*_QUEUE, *_MEMBER, "weight"}


@dataclass
class Named:
    """A file with ids in the place of names: either JSON with `plans`, or the content of an upload."""

    document: Json | None = None
    content: bytes = b""
    problems: list[Problem] = field(default_factory=list)


def named(content: bytes, suffix: str, names: Names) -> Named:
    """Read a file of plans. Every name that nobody has is a problem at its line and column."""
    if suffix in {".json", ".jsonl", ".ndjson"} or content.lstrip()[:1] in {b"{", b"["}:
        return _of_json(content, names)
    return _of_csv(content, names)


def _of_json(content: bytes, names: Names) -> Named:
    found, finder = Named(), _Finder(names)
    try:
        text = content.decode("utf-8-sig")
        try:
            document = json.loads(text)
            lines = [1] * len(document if isinstance(document, list) else document.get("plans", [document]))
        except json.JSONDecodeError:
            numbered = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
            document, lines = [json.loads(line) for _, line in numbered], [number for number, _ in numbered]
    except ValueError as error:
        raise CliError(f"The file is neither JSON nor JSON Lines: {error}.") from error
    if isinstance(document, list):
        document = {"plans": document}
    elif "plans" not in document:
        document = {"plans": [document]}
    for line, plan in zip(lines, document["plans"], strict=True):
        if isinstance(plan, dict):
            _rename(plan, line, finder, found.problems)
    found.document = document
    return found


def _rename(plan: dict[str, Any], line: int, finder: "_Finder", problems: list[Problem]) -> None:
    queue = plan.get("queue_id", plan.pop("queue", None))
    if not isinstance(queue, str):
        return
    plan["queue_id"] = queue_id = finder.queue(queue, line, "queue_id", problems)
    weights = plan.get("member_weights")
    if isinstance(weights, dict):
        plan["member_weights"] = {
            finder.member(queue_id, member, line, "member_weights", problems): weight
            for member, weight in weights.items()
        }


def _of_csv(content: bytes, names: Names) -> Named:
    table, finder = read_table(content, KNOWN), _Finder(names)
    found = Named(problems=list(table.problems))
    if found.problems or not table.rows:
        found.problems = found.problems or [Problem(1, "", "", "the file is empty")]
        return found
    first, *rows = table.rows
    columns = heading(first)
    places = [next((columns.index(name) for name in of if name in columns), None) for of in (_QUEUE, _MEMBER)]
    written = {first.line: [_heading(columns, place, cell) for place, cell in enumerate(first.cells)]}
    for row in rows:
        cells = list(row.cells)
        queue_at, member_at = places
        if queue_at is not None and queue_at < len(cells) and cells[queue_at]:
            cells[queue_at] = finder.queue(cells[queue_at], row.line, first.cells[queue_at], found.problems)
            if member_at is not None and member_at < len(cells) and cells[member_at]:
                column = first.cells[member_at]
                cells[member_at] = finder.member(cells[queue_at], cells[member_at], row.line, column, found.problems)
        written[row.line] = cells
    text = io.StringIO()
    writer = csv.writer(text, delimiter=table.delimiter, lineterminator="\n")
    for number in range(1, max(written) + 1):  # so that the API's problems have the lines of the file
        writer.writerow(written.get(number, []))
    found.content = text.getvalue().encode()
    return found


def _heading(columns: list[str], place: int, cell: str) -> str:
    """The API's name of a column that people may call differently."""
    return "queue" if columns[place] in _QUEUE else "member" if columns[place] in _MEMBER else cell


@dataclass
class _Finder:
    """Finds ids of names. What is an id already, or unknown to the API without being a name, stays as it is."""

    names: Names
    _queues: dict[str, str] = field(default_factory=dict)

    def queue(self, text: str, line: int, column: str, problems: list[Problem]) -> str:
        if text not in self._queues:
            try:
                self._queues[text] = str(self.names.queue(text)["queue_id"])
            except CliError as error:
                problems.append(_unknown(line, column, text, error))
                self._queues[text] = ""
        return self._queues[text]

    def member(self, queue_id: str, text: str, line: int, column: str, problems: list[Problem]) -> str:
        if not queue_id:
            return text
        members = self.names.members(queue_id)
        if any(member["user_id"] == text.lower() for member in members):
            return text
        try:
            return str(self.names.member({"queue_id": queue_id, "name": self._name(queue_id)}, text)["user_id"])
        except CliError as error:
            problems.append(_unknown(line, column, text, error))
            return text

    def _name(self, queue_id: str) -> str:
        return next((text for text, found in self._queues.items() if found == queue_id), queue_id)


def _unknown(line: int, column: str, text: str, error: CliError) -> Problem:
    """A name that nobody has, or that two have."""
    if isinstance(error, UnknownNameError):
        return Problem.of(line, column, text, error.message)._replace(suggestion=" or ".join(error.suggestions))
    return Problem.of(line, column, text, f"{error.message} {error.remedy}".rstrip())
