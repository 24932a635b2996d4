"""Reads the plans of a fleet: from a request, or from a file of JSON Lines or CSV that is never in memory as a whole.

The input is not trusted. Every problem is found at once, at its line and column; only the first ones are listed.
"""

import csv
import re
import sys
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple, Self

from routing_weights.domain import strict_json
from routing_weights.domain.actuators import ActuatorName
from routing_weights.domain.fleet import MAX_PLANS
from routing_weights.domain.neighbours import Crew
from routing_weights.domain.plan import MAX_MEMBERS, Plan, check_plan
from routing_weights.domain.problems import MAX_PROBLEMS_LISTED, Problem, problem

MOST_PROBLEMS = 10_000
"""So many problems end the reading: a file of 64 MB may have 32 million wrong lines."""
_QUOTED = 40

BOM = b"\xef\xbb\xbf"
NOT_TEXT = {
    b"\xff\xfe": "the file is UTF-16: save it as UTF-8, in Excel as CSV UTF-8",
    b"\xfe\xff": "the file is UTF-16: save it as UTF-8, in Excel as CSV UTF-8",
    b"PK\x03\x04": "the file is an Excel workbook or a ZIP archive: save it as CSV UTF-8",
    b"\x1f\x8b": "the file is compressed: upload it uncompressed",
}
"""The first bytes of files that people upload by mistake, and what to do."""


class AcceptedPlan(NamedTuple):
    queue_id: str
    text: str
    """Canonical."""
    members: int
    crew: Crew


@dataclass
class Reading:
    """What was read."""

    accepted: dict[str, AcceptedPlan] = field(default_factory=dict)
    """By queue, in the order of the submission."""
    plans: int = 0
    """How many plans there were, accepted or not."""
    problems: list[Problem] = field(default_factory=list)
    """The first ones."""
    problem_count: int = 0
    broken: bool = False
    """True if a problem belongs to no single plan, so `skip_invalid` cannot leave it out."""

    def note(self, *problems: Problem) -> None:
        self.problem_count += len(problems)
        self.problems += problems[: max(0, MAX_PROBLEMS_LISTED - len(self.problems))]
        if self.problem_count >= MOST_PROBLEMS:
            raise _EnoughError

    def refuse(self, found: Problem) -> None:
        """Note a problem that does not belong to a single plan."""
        self.broken = True
        self.note(found)

    def in_order(self) -> Self:
        """The problems by line: those of rows are found before those of plans."""
        self.problems.sort(key=lambda found: found.get("line", 0))
        return self


class _EnoughError(Exception):
    """The reading ends here: the rest of the file cannot make it acceptable."""


Check = Callable[[Plan], Sequence[Problem]]
"""Further rules of the door: the problems of a plan."""
Place = Callable[[Problem], Problem]
"""Turns a problem at its path in a plan into one with the place where the sender finds it."""


@dataclass
class _Plans:
    """Accepts plan after plan."""

    defaults: Mapping[str, Any]
    """Fields that a plan gets if it does not have them itself."""
    check: Check
    deployed: ActuatorName
    """See Crew.of."""
    reading: Reading = field(default_factory=Reading)
    wheres: dict[str, str] = field(default_factory=dict)
    """Where the plan of each queue is, for people."""

    def add(
        self, document: Any, hidden: Sequence[Problem], where: str, place: Place, wrong: Collection[str] = ()
    ) -> None:
        """Accept a plan, or note its problems.

        `hidden` has those that reading the document has found. The problems of the paths in `wrong` are noted already.
        """
        reading = self.reading
        reading.plans += 1
        if reading.plans > MAX_PLANS:
            reading.refuse(place(problem("", f"a fleet has at most {MAX_PLANS} plans", "too_many_plans")))
            raise _EnoughError
        if isinstance(document, dict):
            document = {**self.defaults, **document}
        plan, problems = check_plan(document)
        problems = [*hidden, *problems, *(self.check(plan) if plan else ())]
        problems = [found for found in problems if found["path"] not in wrong]
        queue_id = plan.queue_id if plan else _queue_named_in(document)
        if queue_id in self.wheres:
            # Which of the two is meant? Neither is accepted.
            reading.accepted.pop(queue_id, None)
            message = f"{self.wheres[queue_id]} has a plan for queue {queue_id} too: send one plan for each queue"
            problems.append(problem("queue_id", message, "duplicate_queue"))
        elif queue_id:
            self.wheres[queue_id] = where
        if problems or wrong or plan is None:
            reading.note(*map(place, problems))
        else:
            crew = Crew.of(plan, self.deployed)
            reading.accepted[plan.queue_id] = AcceptedPlan(
                plan.queue_id, plan.canonical(), len(plan.member_weights), crew
            )


def read_plans(
    documents: Sequence[Any],
    hidden: Iterable[Problem],
    defaults: Mapping[str, Any],
    check: Check,
    deployed: ActuatorName,
) -> Reading:
    """The `plans` of a request. `hidden` has the problems that reading its JSON has found, at their paths."""
    of_plan: dict[str, list[Problem]] = {}
    plans = _Plans(defaults, check, deployed)
    for found in hidden:
        name, _, rest = found["path"].partition(".")
        number, _, path = rest.partition(".")
        if name == "plans" and number.isdigit():
            of_plan.setdefault(number, []).append({**found, "path": path})
        else:
            plans.reading.refuse(found)

    def place(number: int) -> Place:
        return lambda found: {**found, "path": f"plans.{number}.{found['path']}".rstrip(".")}

    try:
        for index, document in enumerate(documents):
            plans.add(document, of_plan.get(str(index), ()), f"plans.{index}", place(index))
    except _EnoughError:
        plans.reading.broken = True
    return plans.reading.in_order()


def read_file(pieces: Iterable[bytes], defaults: Mapping[str, Any], check: Check, deployed: ActuatorName) -> Reading:
    """The plans of a file, given in pieces: JSON Lines if it begins with a brace, otherwise CSV."""
    plans = _Plans(defaults, check, deployed)
    try:
        lines = _lines(pieces)
        first = next(lines, None)
        if first is None:
            plans.reading.refuse(_at(1, problem("", "the file is empty", "file_empty")))
        elif wrong := _no_text(first[1]):
            plans.reading.refuse(_at(first[0], problem("", wrong, "file_type")))
        elif first[1].lstrip().startswith(b"{"):
            _read_json_lines(chain([first], lines), plans)
        else:
            _Csv(plans).read(chain([first], lines))
        if not plans.reading.plans and not plans.reading.problems:
            plans.reading.refuse(_at(1, problem("", "the file has no plan", "file_empty")))
    except _EnoughError:
        plans.reading.broken = True
    return plans.reading.in_order()


def _lines(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, each with its number. A line that is too long is cut to one byte too many."""
    rest, number, most = b"", 0, strict_json.MAX_BODY_BYTES + 1
    for piece in chain(pieces, [b"\n"]):
        *whole, rest = (rest + piece).split(b"\n")
        for number, line in enumerate(whole, number + 1):  # noqa: B020  it goes on counting
            text = line.removeprefix(BOM) if number == 1 else line
            if text and not text.isspace():
                yield number, text[:most]
        rest = rest[:most]


def _no_text(line: bytes) -> str | None:
    """Why a first line cannot belong to a file of plans; None if it can."""
    for start, message in NOT_TEXT.items():
        if line.startswith(start):
            return message
    if line.lstrip().startswith(b"["):
        return "the file is a JSON array: write one plan in each line, without brackets and commas around them"
    return None


def _at(line: int, found: Problem, column: str = "") -> Problem:
    return {**found, "line": line, "column": column or found["path"]}


def _queue_named_in(document: Any) -> str:
    queue_id = document.get("queue_id") if isinstance(document, dict) else None
    return queue_id.lower()[:64] if isinstance(queue_id, str) else ""


# ---- JSON Lines ------------------------------------------------------------------------------------------------------


def _read_json_lines(lines: Iterable[tuple[int, bytes]], plans: _Plans) -> None:
    for number, line in lines:
        document, hidden = strict_json.load(line)

        def place(found: Problem, number: int = number) -> Problem:
            return _at(number, found)

        if document is None and hidden:
            plans.reading.plans += 1
            plans.reading.note(*(place({**found, "message": _of_line(found["message"])}) for found in hidden))
        else:
            plans.add(document, hidden, f"line {number}", place)


def _of_line(message: str) -> str:
    """A message of strict_json about a body, as one about a line."""
    message = message.replace("the body", "the line", 1).replace("at line 1 column", "at character")
    return f"{message}; each line is one whole plan" if "is not JSON" in message else message


# ---- CSV -------------------------------------------------------------------------------------------------------------

NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?", re.ASCII)
WHOLE = re.compile(r"\d{1,9}", re.ASCII)
FLAGS = {"true": True, "false": False}


class _WrongError(ValueError):
    """A cell has no value of its column. The text says what is wrong with it."""


def _number(cell: str, delimiter: str) -> float:
    if not NUMBER.fullmatch(cell):
        raise _WrongError("is not a number")
    if "," in cell and delimiter == ",":
        raise _WrongError("has a decimal comma: write a point, or separate the columns by semicolons")
    return float(cell.replace(",", "."))


def _whole(cell: str, _delimiter: str) -> int:
    if not WHOLE.fullmatch(cell):
        raise _WrongError("is not a whole number")
    return int(cell)


def _flag(cell: str, _delimiter: str) -> bool:
    if cell.lower() not in FLAGS:
        raise _WrongError("is neither true nor false")
    return FLAGS[cell.lower()]


def _text(cell: str, _delimiter: str) -> str:
    return cell


def _staffing(cell: str, _delimiter: str) -> str | int:
    return int(cell) if WHOLE.fullmatch(cell) else cell


FIELDS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "overflow_threshold": ("overflow_threshold", _number),
    "utilization_target": ("utilization_target", _number),
    "strategy": ("strategy_reference", _text),
    "staffing": ("staffing", _staffing),
    "actuator": ("actuator", _text),
    "skill": ("skill", _text),
    "projected_load": ("projected_load", _number),
    "accept_uncertain": ("accept_uncertain", _flag),
    "require_approval": ("require_approval", _flag),
    "wrap_up_timeout_s": ("wrap_up_timeout_s", _whole),
    "normalize": ("normalize", _flag),
    "based_on": ("based_on", _text),
    "until": ("until", _text),
    "on_drift": ("on_drift", _text),
    "wait_for_lock_s": ("wait_for_lock_s", _whole),
    "dry_run": ("dry_run", _flag),
    "requested_by": ("requested_by", _text),
    "reason": ("reason", _text),
}
"""The columns of a plan as a whole: the plan's field, and what reads a cell."""
REQUIRED = ("queue", "member", "weight")
COLUMNS = (*REQUIRED, *FIELDS)
ALIASES = {"queue_id": "queue", "strategy_reference": "strategy"}
"""The names that a plan in JSON has."""
COLUMN_OF = {name: column for column, (name, _) in FIELDS.items()} | {"queue_id": "queue"}
OF_EVERY_PLAN = tuple(name for name, info in Plan.model_fields.items() if info.is_required() and name in COLUMN_OF)


@dataclass(slots=True)
class _Queue:
    """The rows of one queue."""

    first_line: int
    weights: dict[str, float] = field(default_factory=dict)
    lines: "array[int]" = field(default_factory=lambda: array("L"))
    """The line of each weight, in their order."""
    fields: dict[str, tuple[Any, int]] = field(default_factory=dict)
    """The value of each field, and the line that states it first."""
    wrong: set[str] = field(default_factory=set)
    """The paths of cells whose problems are noted."""


@dataclass
class _Csv:
    plans: _Plans
    delimiter: str = ","
    columns: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """The columns as the heading writes them."""
    queues: dict[str, _Queue] = field(default_factory=dict)

    def read(self, lines: Iterator[tuple[int, bytes]]) -> None:
        if not self._heading(lines):
            return
        for number, line in lines:
            if cells := self._cells(number, line):
                self._row(number, cells)
        while self.queues:  # each is let go as soon as its plan is accepted
            queue_id = next(iter(self.queues))
            self._finish(queue_id, self.queues.pop(queue_id))

    def _heading(self, lines: Iterator[tuple[int, bytes]]) -> bool:
        """Read the heading. False if the file cannot be read without a better one."""
        reading = self.plans.reading
        number, line = next(lines)
        if separator := re.fullmatch(rb"(?i)\"?sep=([,;\t])\"?\s*", line):  # Excel's own first line
            self.delimiter = separator[1].decode()
            number, line = next(lines, (number, b""))
        else:
            self.delimiter = next((sign for sign in ";\t" if sign.encode() in line), ",")
        self.names = self._split(number, line) or []
        while self.names and not self.names[-1]:
            self.names.pop()
        if not self.names:
            reading.refuse(_at(number, problem("", "the file has no heading", "heading_missing")))
            return False
        for name in self.names:
            column = re.sub(r"[\s-]+", "_", name.casefold())
            column = ALIASES.get(column, column)
            known = column in COLUMNS
            if not known or column in self.columns:
                wrong = f"appears twice: {column}" if known else f"is unknown; known are {', '.join(COLUMNS)}"
                kind = "column_twice" if known else "column_unknown"
                reading.refuse(_at(number, problem("", f"column {_quoted(name)} {wrong}", kind), name[:_QUOTED]))
            self.columns.append(column)
        for column in REQUIRED:
            if column not in self.columns:
                reading.refuse(_at(number, problem("", f"column {column} is missing", "column_missing"), column))
        for name in OF_EVERY_PLAN:
            column = COLUMN_OF[name]
            if column not in self.columns and name not in self.plans.defaults:
                message = f"column {column} is missing: add it, or send {name} in `defaults`"
                reading.refuse(_at(number, problem(name, message, "column_missing"), column))
        return not reading.broken

    def _split(self, number: int, line: bytes) -> list[str] | None:
        """The cells of a line. None if the line cannot be read: the problem is noted, and belongs to no queue."""
        try:
            # Each line is read alone: otherwise a quote that is never closed would swallow the rest of the file.
            row = csv.reader([line.decode()], delimiter=self.delimiter, strict=True)
            return [cell.strip() for cell in next(row)]
        except UnicodeDecodeError as error:
            wrong = f"is not UTF-8 at byte {error.start}: save the file as UTF-8, in Excel as CSV UTF-8"
        except (csv.Error, StopIteration):
            wrong = (
                "has a quote that is not closed, text after a closing quote, or a cell of more than 131072 characters"
            )
        self.plans.reading.refuse(_at(number, problem("", f"the line {wrong}", "line_invalid")))
        return None

    def _cells(self, number: int, line: bytes) -> list[str] | None:
        """Like `_split`, for a row: with as many cells as the heading. None for a row of empty cells too."""
        cells = self._split(number, line)
        if cells is None or not any(cells):
            return None
        expected = len(self.columns)
        if len(cells) < expected or any(cells[expected:]):
            hint = " If a number has a decimal comma, separate the columns by semicolons." * (self.delimiter == ",")
            message = f"the line has {len(cells)} cells, the heading has {expected}.{hint}"
            self.plans.reading.refuse(_at(number, problem("", message, "cell_count")))
            return None
        return cells[:expected]

    def _row(self, number: int, cells: Sequence[str]) -> None:
        row = dict(zip(self.columns, cells, strict=True))
        queue_id = row["queue"].lower()
        if not queue_id:
            self.plans.reading.refuse(_at(number, problem("queue_id", "the cell is empty", "cell_empty"), "queue"))
            return
        queue = self.queues.get(queue_id)
        if queue is None:
            if len(self.queues) >= MAX_PLANS:
                self.plans.reading.refuse(
                    _at(
                        number, problem("queue_id", f"a fleet has at most {MAX_PLANS} plans", "too_many_plans"), "queue"
                    )
                )
                raise _EnoughError
            queue = self.queues[queue_id] = _Queue(number)
        for column, cell in row.items():
            if column != "queue" and (wrong := self._cell(queue, number, row, column, cell)):
                queue.wrong.add(wrong[0])
                self.plans.reading.note(_at(number, problem(*wrong), self._name(column)))

    def _cell(
        self, queue: _Queue, number: int, row: Mapping[str, str], column: str, cell: str
    ) -> tuple[str, str, str] | None:
        """Take a cell. Returns the path, message and kind of its problem, if it has one."""
        path = FIELDS[column][0] if column in FIELDS else "member_weights"
        if not cell:
            return (path, "the cell is empty", "cell_empty") if column in REQUIRED else None
        try:
            if column == "member":
                return None
            if column == "weight":
                return self._weight(queue, number, row["member"], _number(cell, self.delimiter))
            value = FIELDS[column][1](cell, self.delimiter)
        except _WrongError as wrong:
            return path, f"{_quoted(cell)} {wrong}", "cell_invalid"
        known, line = queue.fields.setdefault(path, (value, number))
        if known != value:
            return path, f"{_quoted(cell)} is not what line {line} says for this queue", "cell_contradicts"
        return None

    @staticmethod
    def _weight(queue: _Queue, number: int, member: str, weight: float) -> tuple[str, str, str] | None:
        member = sys.intern(member.lower())  # most agents are in many queues
        if not member:
            return None  # the empty cell is a problem already
        if member in queue.weights:
            line = queue.lines[list(queue.weights).index(member)]
            return "member_weights", f"{_quoted(member)} is in line {line} already", "duplicate_member"
        if len(queue.weights) == MAX_MEMBERS:
            return "member_weights", f"a plan has at most {MAX_MEMBERS} members", "too_long"
        queue.weights[member] = weight
        queue.lines.append(number)
        return None

    def _finish(self, queue_id: str, queue: _Queue) -> None:
        """Accept the plan of a queue whose rows are all read."""
        document = {name: value for name, (value, _) in queue.fields.items()}
        document |= {"queue_id": queue_id, "member_weights": queue.weights}

        lines: dict[str, int] = {}

        def place(found: Problem) -> Problem:
            name, _, member = found["path"].partition(".")
            if member:
                if not lines:
                    lines.update(zip((known[:80] for known in queue.weights), queue.lines, strict=True))  # as in paths
                column = self._name("member" if found["type"] == "string_pattern_mismatch" else "weight")
                return _at(lines.get(member, queue.first_line), found, column)
            line = queue.fields[name][1] if name in queue.fields else queue.first_line
            return _at(line, found, self._name(COLUMN_OF.get(name, "weight")))

        self.plans.add(document, (), f"line {queue.first_line}", place, queue.wrong)

    def _name(self, column: str) -> str:
        """A column as the heading writes it."""
        return self.names[self.columns.index(column)] if column in self.columns else column


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…")
