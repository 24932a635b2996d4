"""The circle that spreadsheets know: export, edit, dry run, confirm, and the same file with its result."""

import sys
from codecs import BOM_UTF8
from collections import Counter
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NoReturn

import typer

from routing_weights_cli import diff, running, times
from routing_weights_cli.api import Json, segment
from routing_weights_cli.app import Command, Session, session
from routing_weights_cli.cells import Problem
from routing_weights_cli.errors import CliError, Exit, ProblemError
from routing_weights_cli.names import folded
from routing_weights_cli.planning import Absent, Options, QueuePlan, plans_of, problems_of_refusal
from routing_weights_cli.refusals import show_problems
from routing_weights_cli.sheet import SEPARATORS, Outcome, Sheet, exported, read_sheet, result_of

_OTHER_ROWS = "Other rows have problems, so nothing was applied."

File = Annotated[str, typer.Argument(help="The sheet, as CSV; - is standard input.")]
Merge = Annotated[bool, typer.Option("--merge", help="Members without a weight in the sheet keep theirs.")]
Replace = Annotated[bool, typer.Option("--replace", help="Members without a weight get 0, and stay in the queue.")]
Until = Annotated[str | None, typer.Option(help="When the plan ends: 18:00, 2026-03-31 18:00, or 90m.", metavar="TIME")]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for the record.")]
RequestedBy = Annotated[str | None, typer.Option(metavar="NAME", help="Who wants it, for the record.")]
Normalize = Annotated[bool, typer.Option("--normalize", help="Scale weights down that sum to more than 1.")]
Overflow = Annotated[
    float | None, typer.Option("--overflow-threshold", metavar="0..1", min=0, max=1, help="As in force when absent.")
]
Target = Annotated[
    float | None, typer.Option("--utilization-target", metavar="0..1", min=0, max=1, help="As in force when absent.")
]
Strategy = Annotated[str | None, typer.Option("--strategy", metavar="NAME", help="As in force when absent.")]
Actuator = Annotated[
    str | None, typer.Option(metavar="NAME", help="What carries the weights. As in force when absent.")
]
Load = Annotated[
    float | None,
    typer.Option("--load", metavar="ERLANGS", min=0, help="Project with this load instead of the forecast."),
]
Uncertain = Annotated[bool, typer.Option("--accept-uncertain", help="Accept a stale or assumed forecast.")]
Wait = Annotated[
    int | None,
    typer.Option("--wait", metavar="SECONDS", min=0, max=3600, help="How long to wait for another distribution."),
]
Result = Annotated[Path | None, typer.Option("--result", metavar="FILE", help="Write the sheet with its result there.")]
Confirm = Annotated[bool, typer.Option("--confirm", help="Write. Without it nothing is written.")]


class Given(NamedTuple):
    """What the user said of all plans of a sheet."""

    merge: bool
    replace: bool
    until: str | None
    fields: Json


def export(
    ctx: typer.Context,
    queues: Annotated[list[str], typer.Argument(help="Queues, each by its name or id.")],
    separator: Annotated[str, typer.Option(help="comma, semicolon (with decimal commas) or tab.")] = "comma",
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="Write there, not to standard output.")] = None,
) -> None:
    """The weights of queues as a sheet: edit it in a spreadsheet, then `apply` it."""
    own = session(ctx)
    if separator not in SEPARATORS:
        raise CliError(f"{separator} is no separator.", f"Choose one of {', '.join(SEPARATORS)}.")
    lines: list[Json] = []
    for name in queues:
        queue = own.names.queue(name)
        members = own.names.members(queue["queue_id"])
        named, by_name = _name_of(own, queue), Counter(folded(member["name"]) for member in members)
        for member in members:
            is_known = member["email"] or by_name[folded(member["name"])] == 1
            lines.append({**member, "queue": named, "email": member["email"] if is_known else member["user_id"]})
    if own.out.form == "json":
        return own.out.document(lines)
    content = exported(lines, SEPARATORS[separator]).encode()
    if file:
        file.write_bytes(content)
        return own.out.note(f"{len(lines)} rows are in {file}.")
    sys.stdout.buffer.write(content if not sys.stdout.isatty() else content.removeprefix(BOM_UTF8))
    sys.stdout.flush()
    return None


def _name_of(own: Session, queue: Json) -> str:
    """The name of a queue, or its id where the name does not lead back to it."""
    try:
        is_found = own.names.queue(queue["name"])["queue_id"] == queue["queue_id"]
    except CliError:
        is_found = False
    return str(queue["name"] if is_found else queue["queue_id"])


class PlanCommand(Command):
    """`plan`: `apply` without the options that write."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.params = [parameter for parameter in self.params if parameter.name not in {"confirm", "wait"}]


def apply(
    ctx: typer.Context,
    file: File,
    confirm: Confirm = False,
    merge: Merge = False,
    replace: Replace = False,
    until: Until = None,
    reason: Reason = None,
    requested_by: RequestedBy = None,
    normalize: Normalize = False,
    overflow_threshold: Overflow = None,
    utilization_target: Target = None,
    strategy: Strategy = None,
    actuator: Actuator = None,
    load: Load = None,
    accept_uncertain: Uncertain = False,
    wait: Wait = None,
    result: Result = None,
) -> int:
    """Apply a sheet with --confirm. Without it: what it would change, as `plan`.

    With --confirm, the sheet with its result is written beside the input, or to --result.
    """
    fields = {
        "reason": reason,
        "requested_by": requested_by,
        "normalize": normalize,
        "overflow_threshold": overflow_threshold,
        "utilization_target": utilization_target,
        "strategy_reference": strategy,
        "actuator": actuator,
        "projected_load": load,
        "accept_uncertain": accept_uncertain,
        "wait_for_lock_s": wait,
    }
    if confirm and result is None and file != "-":
        result = Path(file).with_suffix(".result.csv")
    return run(session(ctx), file, Given(merge, replace, until, fields), result, confirm=confirm)


def run(own: Session, file: str, given: Given, result: Path | None, *, confirm: bool) -> int:
    """Read a sheet, resolve it, and carry its plans out. Every problem is said at once, and then nothing is written."""
    sheet = read_sheet(_content(file))
    options = _options(own, given)
    for note in sheet.notes:
        own.out.note(note)
    if sheet.problems and not sheet.entries:
        _refuse(own, sheet, sheet.problems, result)
    plans, problems, notes = plans_of(sheet, own.names, options)
    for note in notes:
        own.out.note(note)
    problems = sorted([*sheet.problems, *problems], key=lambda problem: problem.line)
    if problems:
        _refuse(own, sheet, problems, result)
    bodies = [planned.plan | {"dry_run": not confirm} for planned in plans]
    if (end := next((body["until"] for body in bodies if body.get("until")), None)) is not None:
        own.out.note(f"The plan ends on {own.shown(end)}, in zone {own.zone.key}.")
    try:
        records, code = (
            _one(own, bodies[0], confirm=confirm) if len(bodies) == 1 else _many(own, bodies, confirm=confirm)
        )
    except ProblemError as error:
        if not error.errors:
            raise
        _refuse(own, sheet, problems_of_refusal(error, plans), result)
    if result:
        _write(own, result, result_of(sheet, _outcomes(plans, records)))
    return code


def _content(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}.", "Name a sheet that `export` has written.") from error


def _options(own: Session, given: Given) -> Options:
    if given.merge and given.replace:
        raise CliError("--merge and --replace contradict each other.", "Say one of them.")

    def end_of(text: str) -> str:
        return times.sent(times.instant(text, own.zone, own.now()))

    absent: Absent | None = "merge" if given.merge else "replace" if given.replace else None
    fields = given.fields | ({"until": end_of(given.until)} if given.until else {})
    return Options(absent, fields, end_of)


# ---- running ---------------------------------------------------------------------------------------------------------


def _one(own: Session, body: Json, *, confirm: bool) -> tuple[list[Json], int]:
    distribution_id = own.api.post("/plans", body)["distribution_id"]
    if confirm:
        running.announce(own, "distribution", distribution_id)
    record = running.follow(own, distribution_id)
    found = [error for error in record["errors"] if error.get("path")]
    if record["status"] == "validation_failed" and found:  # what only the queue itself could tell, at its rows
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, {"detail": running.sentence(record), "errors": found})
    code = running.show(own, record)
    if not confirm and code is Exit.DIFFERS:
        own.out.say("To write it: the same command with --confirm, as `apply`.")
    return [record], code


def _many(own: Session, bodies: list[Json], *, confirm: bool) -> tuple[list[Json], int]:
    """Several queues are one fleet: it stops at the first failure, and says what became of each queue."""
    fleet_id = own.api.post("/fleets", {"plans": bodies})["fleet_id"]
    if confirm:
        running.announce(own, "fleet", fleet_id)
    fleet = running.follow_fleet(own, fleet_id)
    items = list(own.api.pages(f"/fleets/{segment(fleet_id)}/queues"))
    records = []
    for item in items:
        item["name"] = own.names.of_queue(item["queue_id"])
        if item["distribution_id"]:
            record = own.api.distribution(item["distribution_id"])
            records.append(record)
            diff.show(own.out, record, own.names, with_notes=False)
    diff.show_notes(own.out, records)
    if own.out.form == "json":
        own.out.document({**fleet, "distributions": records})
    code = running.report_fleet(own, fleet, items)
    if confirm or code is not Exit.DONE:
        return records, running.worst(code, records)
    own.out.say(f"{diff.summary(records)} Nothing was written.", "bold")
    return records, Exit.DIFFERS if any(record["planned"] for record in records) else Exit.DONE


# ---- results and refusals --------------------------------------------------------------------------------------------


def _outcomes(plans: list[QueuePlan], records: list[Json]) -> dict[int, Outcome]:
    """What became of each row: what Genesys held and holds, in words, and why."""
    by_queue = {record["queue_id"]: record for record in records}
    outcomes = {}
    for planned in plans:
        record = by_queue.get(planned.queue["queue_id"])
        held = {member["user_id"]: member["holds"] for member in planned.members}
        for user_id, entry in planned.entries.items():
            outcomes[entry.line] = _outcome(record, user_id, held[user_id])
    return outcomes


def _outcome(record: Json | None, user_id: str, held: str) -> Outcome:
    if record is None:
        return Outcome(held, held, "skipped", "The run ended before it came to this queue.")
    change: dict[str, Any] | None = next(
        (change for change in record.get("planned") or () if change.get("user_id") == user_id), None
    )
    status, why = record["status"], running.sentence(record)
    if change is None:
        is_good = status in {"completed", "dry_run"}
        return Outcome(held, held, "unchanged" if is_good else status, "" if is_good else why)
    actuator = (record.get("actuation") or {}).get("actuator", "")
    before, after = (diff.held(actuator, change[at]) for at in ("before", "after"))
    match status:
        case "completed":
            return Outcome(before, after, "changed", record.get("reason") or "")
        case "dry_run":
            return Outcome(before, after, "would change", why)
        case _:
            code = running.exit_of(record)
            return Outcome(before, before, "restored" if code is Exit.RESTORED else status, why)


def _refuse(own: Session, sheet: Sheet, problems: list[Problem] | Any, result: Path | None) -> NoReturn:
    """Print every problem, write the sheet with them if wanted, and end the command."""
    show_problems(own.out, problems)
    if result and sheet.table.rows:
        outcomes: dict[int, Outcome] = {}
        for problem in problems:
            said = f"{problem.column}: {problem.message}" if problem.column else problem.message
            said += f" Did you mean {problem.suggestion}?" if problem.suggestion else ""
            earlier = outcomes.get(problem.line)
            outcomes[problem.line] = Outcome(result="refused", reason=f"{earlier.reason} {said}" if earlier else said)
        others = {entry.line: Outcome(result="not applied", reason=_OTHER_ROWS) for entry in sheet.entries}
        _write(own, result, result_of(sheet, others | outcomes))
    count = len(problems)
    rows = len({problem.line for problem in problems})
    raise CliError(
        f"{count} problem{'s' if count > 1 else ''} in {rows} row{'s' if rows > 1 else ''}. Nothing was written.",
        "Correct the sheet, and run the command again.",
    )


def _write(own: Session, path: Path, text: str) -> None:
    """Write a sheet with its result. The command goes on if that fails: its exit code says what became of the plan."""
    try:
        path.write_bytes(text.encode())
    except OSError as error:
        own.out.error(f"The sheet with its result could not be written. {path}: {error.strerror}.")
    else:
        own.out.note(f"The sheet with its result is in {path}.")
