"""From the rows of a sheet to plans: every name resolved, every problem at its row, and nothing written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from routing_weights_cli.api import Json, segment
from routing_weights_cli.cells import Problem
from routing_weights_cli.errors import CliError, ProblemError
from routing_weights_cli.names import AmbiguousNameError, Members, Names, UnknownNameError
from routing_weights_cli.refusals import ranges
from routing_weights_cli.sheet import Entry, Sheet

Absent = Literal["merge", "replace"]
"""What happens to members whom the sheet gives no weight: they keep the weight in force, or get 0."""
OF_A_PLAN = {
    "overflow_threshold": "--overflow-threshold 0.85",
    "utilization_target": "--utilization-target 0.8",
    "strategy_reference": "--strategy by-weight",
}
"""Fields that a plan needs and a sheet does not have, each with an example of its option."""
_FROM_IN_FORCE = ("actuator", "skill")
NEVER_PLANNED = "none"
_NAMED = 5


class Options(NamedTuple):
    """What the command line says about all plans of a sheet."""

    absent: Absent | None
    fields: Mapping[str, Any]
    """Fields of a plan: those of OF_A_PLAN, `reason`, `normalize`, `projected_load`, and so on."""
    until: Callable[[str], str]
    """A local time of the sheet as the API takes it. Raises CliError."""


@dataclass
class QueuePlan:
    """The plan for one queue of a sheet."""

    queue: Json
    """As GET /queues/{queue_id} has it."""
    members: list[Json]
    entries: dict[str, Entry] = field(default_factory=dict)
    """The rows by user id."""
    plan: Json = field(default_factory=dict)

    @property
    def by_id(self) -> dict[str, Json]:
        return {member["user_id"]: member for member in self.members}


def plans_of(sheet: Sheet, names: Names, options: Options) -> tuple[list[QueuePlan], list[Problem], list[str]]:
    """The plans of a sheet in the order of its queues, every problem of its rows, and notes for people.

    Raises:
        CliError: the API does not answer.
    """
    queues, problems = _queues(sheet, names)
    notes: list[str] = []
    for planned, entries in queues:
        problems += _assign(planned, entries)
        fields, wrong = _fields(planned, entries, options)
        problems += wrong
        weights, wrong = _weights(planned, entries, options, bool(fields.get("normalize")))
        problems += wrong
        planned.plan = {"queue_id": planned.queue["queue_id"], "member_weights": weights, **fields}
        notes += _changed_since(planned)
    return [planned for planned, _ in queues], sorted(problems, key=lambda problem: problem.line), notes


def _queues(sheet: Sheet, names: Names) -> tuple[list[tuple[QueuePlan, list[Entry]]], list[Problem]]:
    """The queues that the rows name, each with its rows, and the rows whose queue is not known."""
    problems, by_id = [], dict[str, tuple[QueuePlan, list[Entry]]]()
    unknown: dict[str, CliError] = {}
    for entry in sheet.entries:
        if entry.queue not in unknown:
            try:
                line = names.queue(entry.queue)
            except (UnknownNameError, AmbiguousNameError) as error:
                unknown[entry.queue] = error
            else:
                queue_id = line["queue_id"]
                if queue_id not in by_id:
                    queue = names.api.get(f"/queues/{segment(queue_id)}")
                    by_id[queue_id] = (QueuePlan(queue, names.members(queue_id)), [])
                by_id[queue_id][1].append(entry)
                continue
        problems.append(_unresolved(entry.line, "queue", entry.queue, unknown[entry.queue]))
    return list(by_id.values()), problems


def _unresolved(line: int, column: str, value: str, error: CliError) -> Problem:
    suggestions = error.suggestions if isinstance(error, UnknownNameError) else ()
    remedy = "" if isinstance(error, UnknownNameError) else f" {error.remedy}"
    problem = Problem.of(line, column, value, f"{error.message.rstrip('.')}.{remedy}")
    return problem._replace(suggestion=" or ".join(suggestions))


def _assign(planned: QueuePlan, entries: Sequence[Entry]) -> list[Problem]:
    """Find the member of each row. A member may have one row."""
    members = Members(planned.members, planned.queue["name"])
    problems = []
    for entry in entries:
        try:
            user_id = members.find(entry.person)["user_id"]
        except (UnknownNameError, AmbiguousNameError) as error:
            problems.append(_unresolved(entry.line, entry.person_column, entry.person, error))
            continue
        if user_id in planned.entries:
            message = f"the same member as in row {planned.entries[user_id].line}: delete one of the two rows"
            problems.append(Problem.of(entry.line, entry.person_column, entry.person, message))
        else:
            planned.entries[user_id] = entry
    return problems


def _fields(planned: QueuePlan, entries: Sequence[Entry], options: Options) -> tuple[Json, list[Problem]]:
    """The fields of the plan besides its weights: of the sheet, of the command line, or of what is in force."""
    in_force = planned.queue.get("in_force") or {}
    fields: Json = {name: in_force[name] for name in (*OF_A_PLAN, *_FROM_IN_FORCE) if in_force.get(name) is not None}
    said = {name: value for name, value in options.fields.items() if value not in {None, False}}
    if {"actuator", "strategy_reference"} & {*said}:
        fields = {name: value for name, value in fields.items() if name not in _FROM_IN_FORCE}
    fields |= said
    fields["based_on"] = in_force.get("distribution_id") or NEVER_PLANNED
    problems = []
    for column in ("reason", "until"):
        texts: dict[str, int] = {}
        for entry in entries:
            if text := getattr(entry, column):
                texts.setdefault(text, entry.line)
        problems += [
            Problem.of(line, column, text, f"a queue has one {column}, and an earlier row has another one")
            for text, line in list(texts.items())[1:]
        ]
        for text, line in list(texts.items())[:1]:
            try:
                fields[column] = text if column == "reason" else options.until(text)
            except CliError as error:
                problems.append(Problem.of(line, column, text, f"{error.message} {error.remedy}"))
    missing = [name for name in OF_A_PLAN if name not in fields]
    if missing:
        options_for = " ".join(OF_A_PLAN[name] for name in missing)
        message = "no plan is in force in this queue, so the command line must say the rest of it"
        problem = Problem.of(entries[0].line, "queue", planned.queue["name"], message)
        problems.append(problem._replace(suggestion=options_for))
    return fields, problems


def _weights(
    planned: QueuePlan, entries: Sequence[Entry], options: Options, is_scaled: bool
) -> tuple[dict[str, float], list[Problem]]:
    """The weight of each member. Whoever has none in the sheet keeps the one in force, or gets 0, as `absent` says."""
    given = {user_id: entry.weight for user_id, entry in planned.entries.items() if entry.weight is not None}
    unsound = {user_id for user_id, entry in planned.entries.items() if not entry.is_sound}
    absent = [member for member in planned.members if member["user_id"] not in given.keys() | unsound]
    first, name = entries[0].line, planned.queue["name"]
    weights: dict[str, Decimal] = dict(given)
    problems = []
    are_all_known = len(planned.entries) == len(entries)  # whoever seems to be absent may be misspelt
    if absent and are_all_known and options.absent is None:
        who = ", ".join(member["name"] for member in absent[:_NAMED])
        more = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
        message = (
            f"the sheet gives no weight to {len(absent)} of {len(planned.members)} members: {who}{more}. Say --merge "
            "(they keep the weight in force) or --replace (they get 0, and stay in the queue)"
        )
        problems.append(Problem(first, "queue", name, message))
    for member in absent:
        if options.absent == "replace":
            weights[member["user_id"]] = Decimal(0)
        elif member.get("weight") is not None:
            weights[member["user_id"]] = Decimal(repr(member["weight"]))
    total = sum(weights.values(), Decimal(0))
    if total > 1 and not is_scaled:
        kept = total - sum(given.values(), Decimal(0))
        of_others = f", {kept:f} of it of members whom the sheet gives no weight" if kept else ""
        message = f"the weights of {name} sum to {total:f}{of_others}: more than 1. Lower some, or say --normalize"
        problems.append(Problem(max(entry.line for entry in entries), "weight", f"{total:f}", message))
    if not weights and not problems:
        problems.append(Problem(first, "weight", "", f"no row of {name} has a weight"))
    return {user_id: float(weight) for user_id, weight in weights.items()}, problems


def _changed_since(planned: QueuePlan) -> list[str]:
    """What Genesys holds differs from what the sheet says that it held: somebody was there after the export."""
    holds = {member["user_id"]: member.get("holds") or "" for member in planned.members}
    rows = [entry.line for user_id, entry in planned.entries.items() if entry.holds and entry.holds != holds[user_id]]
    if not rows:
        return []
    where = f"row{'s' if len(rows) > 1 else ''} {ranges(rows)}"
    return [f"{planned.queue['name']} has changed since the export: the column holds is old in {where}."]


def problems_of_refusal(error: ProblemError, plans: Sequence[QueuePlan]) -> list[Problem]:
    """The problems that the API found, each at the row that it is about."""
    return [_at_its_row(found, plans) for found in error.errors]


def _at_its_row(found: Json, plans: Sequence[QueuePlan]) -> Problem:
    head, _, rest = str(found["path"]).partition(".")
    planned, path = plans[0], str(found["path"])
    if head == "plans":
        number, _, path = rest.partition(".")
        planned = plans[int(number)] if number.isdecimal() and int(number) < len(plans) else planned
    line = min((entry.line for entry in planned.entries.values()), default=1)
    head, _, rest = path.partition(".")
    message = str(found["message"])
    if head == "member_weights":
        entry = planned.entries.get(rest)
        weight = "" if entry is None or entry.weight is None else f"{entry.weight:f}"
        name = planned.by_id.get(rest, {}).get("name", rest)
        return Problem.of(entry.line if entry else line, "weight", weight, f"{name}: {message}" if rest else message)
    return Problem.of(line, path, planned.queue["name"], message)
