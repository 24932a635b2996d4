"""Distributions and fleets while they run, and what their end means for the exit code."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

from rich.status import Status
from rich.text import Text

from routing_weights_cli import diff
from routing_weights_cli.api import Json
from routing_weights_cli.app import Session
from routing_weights_cli.errors import Exit
from routing_weights_cli.out import plain

SENTENCES = {
    "initiated": "The plan was accepted and is on its way.",
    "validation_failed": "The plan is not valid, or does not fit the queue.",
    "projection_failed": "The queue could not be read or projected.",
    "saturation_blocked": "The queue would not cope with the plan.",
    "approval_required": "The plan needs somebody's approval.",
    "projection_inconclusive": "The projection is too close to its limit.",
    "queue_update_failed": "The queue's own settings could not be written.",
    "member_update_failed": "A member could not be written.",
    "completed": "The plan was applied and read back.",
    "dry_run": "The plan was validated and projected. Nothing was written.",
    "queue_busy": "Another distribution was running on the queue.",
    "verification_failed": "The queue does not hold what was written.",
    "interrupted": "The run ended before its work did.",
    "rejected": "Somebody rejected the distribution.",
    "approval_expired": "Nobody approved the distribution in time.",
    "outdated": "Somebody else has applied another plan since. Nothing was written.",
}
"""What each status means, as docs/reference/statuses.md says."""
_FOR_A_PERSON = {"approval_required", "projection_inconclusive", "approval_expired"}


def carry_out(own: Session, path: str, body: Json, *, confirm: bool, key: str | None = None) -> Exit:
    """Start a distribution with a POST of `body`, dry unless `confirm`, and `watch` it. Returns its exit code.

    Raises:
        ProblemError: the API refuses it.
    """
    distribution_id = own.api.post(path, {**body, "dry_run": not confirm}, key)["distribution_id"]
    if confirm:
        announce(own, "distribution", distribution_id)
    code = watch(own, distribution_id)
    if not confirm and code is Exit.DIFFERS:
        own.out.say("To write it: the same command with --confirm.")
    return code


def announce(own: Session, kind: str, run_id: str) -> None:
    """Say under which id a run can be found, before anything can interrupt this command."""
    own.out.note(f"The {kind} has begun. If you leave, this shows how it ends:")
    own.out.command(watch_command(run_id))


def watch(own: Session, distribution_id: str) -> Exit:
    """Follow a distribution to its end, and print what it changes, its projection and its outcome."""
    return show(own, follow(own, distribution_id))


def show(own: Session, record: Json) -> Exit:
    """Print what a distribution changes, its projection and its outcome. Returns its exit code."""
    if own.out.form == "json":
        own.out.document(record)
    diff.show(own.out, record, own.names)
    if own.out.form == "csv":
        changes = record.get("planned") or ()
        rows = [{**change, "name": own.names.in_words(change.get("user_id") or "")} for change in changes]
        own.out.table(rows, ["setting", "user_id", "name", "before", "after"])
    if record["status"] == "dry_run":
        own.out.say(f"{diff.summary([record])} Nothing was written.", "bold")
        return exit_of(record)
    return report(own, record)


def watch_command(run_id: str) -> str:
    return f"routing-weights watch {run_id}"


def follow(own: Session, distribution_id: str) -> Json:
    """Wait until a distribution is over or waits for an approval, with live progress. Returns its record."""
    return _follow(own, own.api.follow(distribution_id), distribution_id, _state)


def follow_fleet(own: Session, fleet_id: str) -> Json:
    """Wait until a fleet is over or held, with live progress. Returns the fleet."""
    return _follow(own, own.api.follow_fleet(fleet_id), fleet_id, _state_of_fleet)


def _follow(own: Session, looks: Iterator[Json], run_id: str, state: Callable[[Json], str]) -> Json:
    begun, shown, seen = monotonic(), "", Json()
    with _live(own, run_id) as update:
        for seen in looks:
            text = state(seen)
            if text and own.out.is_live:
                update(f"{text} ({monotonic() - begun:.0f} s)")
            elif text and text != shown:
                update(text)
            shown = text
    return seen


@contextmanager
def _live(own: Session, run_id: str) -> Iterator[Callable[[str], None]]:
    """Draw one changing line for people, or one line for each change. An interrupted wait says how to go on."""
    try:
        if own.out.is_live:
            with Status("", console=own.out.stderr) as status:
                yield lambda text: status.update(Text(plain(text)))
        else:
            yield own.out.note
    except KeyboardInterrupt:
        own.out.note("It goes on without you. This shows how it ends:")
        own.out.command(watch_command(run_id))
        raise


def _state(record: Json) -> str:
    if (record.get("approval") or {}).get("state") == "waiting":
        return "Waiting for an approval."
    progress = record.get("progress") or {}
    return "" if record["terminal"] else f"{progress.get('state') or 'On its way'} ..."


def _state_of_fleet(fleet: Json) -> str:
    counts = fleet.get("queues") or {}
    ended = sum(number for status, number in counts.items() if status not in {"waiting", "initiated"})
    waves = len(fleet.get("waves") or ())
    wave = f", wave {fleet['wave'] + 1} of {waves}" if fleet.get("wave") is not None and waves > 1 else ""
    return f"{fleet['status'].replace('_', ' ').capitalize()}: {ended} of {fleet['total']} queues{wave}."


def sentence(record: Json) -> str:
    """What happened, and why if the record says."""
    status = record["status"]
    text = SENTENCES.get(status, f"The distribution is {status.replace('_', ' ')}.")
    reasons = [str(error.get("message") or "") for error in record.get("errors") or ()]
    if status in {"saturation_blocked", "approval_required", "projection_inconclusive"}:
        reasons = reasons or [(record.get("projection") or {}).get("reason") or ""]
    different = [reason for reason in dict.fromkeys(reasons) if reason and reason != text][:3]
    return " ".join([text, *(f"{reason[0].upper()}{reason[1:].removesuffix('.')}." for reason in different)])


def _news(record: Json) -> str:
    """What happened, without the reason if the projection above has it."""
    reason, text = (record.get("projection") or {}).get("reason"), sentence(record)
    return text.removesuffix(f" {reason}") if reason else text


def exit_of(record: Json) -> Exit:
    """The exit code that the state of a distribution means."""
    status = record["status"]
    if (record.get("approval") or {}).get("state") == "waiting" or status in _FOR_A_PERSON:
        return Exit.NEEDS_A_PERSON
    if status == "dry_run":
        return Exit.DIFFERS if record.get("planned") else Exit.DONE
    if status in {"completed", "initiated"}:
        return Exit.DONE
    match (record.get("restore") or {}).get("outcome"):
        case "restored":
            return Exit.RESTORED
        case "partial" | "failed":
            return Exit.NEEDS_A_PERSON
        case _:
            return Exit.REFUSED


def worst(code: Exit, records: Sequence[Json]) -> Exit:
    """The exit code of a fleet with these distributions: a person must look where some queues are changed, not all."""
    codes = {exit_of(record) for record in records}
    if code is not Exit.REFUSED:
        return code
    if Exit.NEEDS_A_PERSON in codes or any(record["status"] == "completed" for record in records):
        return Exit.NEEDS_A_PERSON
    return Exit.RESTORED if Exit.RESTORED in codes else code


def report(own: Session, record: Json) -> Exit:
    """Print how a distribution ended and what to do next. Returns its exit code."""
    code, run_id = exit_of(record), record["distribution_id"]
    out = own.out
    out.say(own.names.in_words(_news(record)), "green" if code is Exit.DONE else "bold")
    approval = record.get("approval") or {}
    if approval.get("state") == "waiting":
        for reason in approval["reasons"]:
            out.say(f"  {own.names.in_words(reason)}")
        out.say(f"It waits for an approval until {own.shown(approval['expires_at'])}. Somebody else can give it:")
        out.command(f"routing-weights approve {run_id}")
    restore = record.get("restore") or {}
    match restore.get("outcome"):
        case "restored":
            out.say("What was written is restored: the queue holds what it held before.")
        case "partial" | "failed":
            unrestored = own.names.in_words(", ".join(restore["unrestored"]))
            out.say(f"These still hold a value of this run: {unrestored}.", "red")
            out.say("docs/operate/runbook.md says what to do.")
    if restore.get("edited"):
        edited = own.names.in_words(", ".join(restore["edited"]))
        out.say(f"Somebody else has changed these meanwhile, and they stay: {edited}.")
    if record.get("returns_at"):
        out.say(f"The plan expires on {own.shown(record['returns_at'])}.")
    return code


def report_fleet(own: Session, fleet: Json, items: list[dict[str, Any]]) -> Exit:
    """Print how a fleet ended, queue by queue. Returns its exit code."""
    out = own.out
    out.say(fleet["sentence"] + (f" {fleet['reason']}" if fleet.get("reason") else ""), "bold")
    if out.form == "table":
        rows = [item | {"queue": item["name"], "status": item["status"].replace("_", " ")} for item in items]
        columns = ["queue", "status", *(["sentence"] if any(item["sentence"] for item in items) else [])]
        out.table(rows, columns, fold=["queue", "sentence"])
    if fleet["status"] == "held" or any(item["status"] in _FOR_A_PERSON for item in items):
        return Exit.NEEDS_A_PERSON
    if fleet["status"] == "completed":
        return Exit.DONE
    return Exit.RESTORED if fleet["status"] == "reverted" else Exit.REFUSED
