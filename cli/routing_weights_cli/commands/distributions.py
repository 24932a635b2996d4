"""Distributions: follow one, look at one, list those of a queue, compare two, and revert a queue."""

import re
from typing import Annotated, Any

import typer

from routing_weights_cli import diff, running
from routing_weights_cli.api import Json, segment
from routing_weights_cli.app import Session, session
from routing_weights_cli.errors import CliError, Exit, ProblemError

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|key-[0-9a-f]{64}")
"""An id of the API, for a request without or with an Idempotency-Key."""
_NTH = re.compile(r"(?P<queue>.+)~(?P<number>\d{1,3})")
_NOT_FOUND = 404

_NTH_OF = "`Support~1` is the second newest in its history."
Ref = Annotated[str, typer.Argument(help=f"A distribution's id, or a queue: its newest. {_NTH_OF}")]
Applied = Annotated[str, typer.Argument(help=f"A distribution's id, or a queue: the last one applied. {_NTH_OF}")]
_NOT_NAMED = "(not in the plan)"


def watch(ctx: typer.Context, run: Annotated[str, typer.Argument(help="A distribution, a fleet, or a queue.")]) -> int:
    """Follow a distribution or a fleet until it ends."""
    own = session(ctx)
    if not _ID.fullmatch(run) or _is_distribution(own, run):
        return running.watch(own, find(own, run))
    fleet = running.follow_fleet(own, run)
    items = list(own.api.pages(f"/fleets/{segment(run)}/queues"))
    for item in items:
        item["name"] = own.names.of_queue(item["queue_id"])
    return running.report_fleet(own, fleet, items)


def status(ctx: typer.Context, run: Ref) -> int:
    """One look at a distribution: what it changes, its projection, and how it stands."""
    own = session(ctx)
    return running.show(own, own.api.distribution(find(own, run)))


def history(
    ctx: typer.Context,
    queue: Annotated[str, typer.Argument(help="The queue, by its name or id.")],
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    ids: Annotated[bool, typer.Option("--ids", help="With the ids of the distributions.")] = False,
) -> None:
    """Who changed a queue, when and why: the newest first."""
    own = session(ctx)
    rows = [
        {"ref": f"~{number}", "when": own.shown(run["started_at"]), **run}
        | {"status": run["status"].replace("_", " "), "by": run.get("requested_by") or run.get("caller_name")}
        for number, run in enumerate(_of_queue(own, own.names.queue(queue)["queue_id"], limit))
    ]
    columns = ["ref", "when", "status", "by", "reason", *(["distribution_id"] if ids else [])]
    if own.out.form == "csv":
        columns = ["started_at", "status", "door", "requested_by", "reason", "distribution_id"]
    own.out.table(rows, columns, fold=["by", "reason"], empty="Nobody has sent a plan for this queue.")


def compare(
    ctx: typer.Context,
    first: Applied,
    second: Annotated[str | None, typer.Argument(help="Another one. When absent: what Genesys holds now.")] = None,
) -> int:
    """Compare two distributions, or one with what Genesys holds now. 2 if they differ."""
    own = session(ctx)
    old = own.api.distribution(find(own, first, applied=True))
    if not old.get("queue_id") or not old.get("actuation"):
        raise CliError(f"Distribution {old['distribution_id']} has no values.", "Compare one that was projected.")
    members = {member["user_id"]: member for member in own.names.members(old["queue_id"])}
    before = _values(old)
    if second is None:
        carried, now = old["actuation"]["actuator"], _actuator_now(own, old["queue_id"])
        if now not in {None, carried}:
            own.out.say(f"They cannot be compared: {carried} carried its weights, and now {now} does.", "bold")
            return Exit.DIFFERS
        after = {user_id: str(member["holds"]) for user_id, member in members.items() if user_id in before}
    else:
        new = own.api.distribution(find(own, second, applied=True))
        if new.get("queue_id") != old["queue_id"]:
            raise CliError("These are distributions of two queues.", "Compare two of one queue.")
        after = _values(new)
    rows = [
        {"member": members.get(user_id, {}).get("name", user_id), "user_id": user_id}
        | {"before": before.get(user_id), "after": after.get(user_id)}
        for user_id in sorted({*before, *after})
        if before.get(user_id) != after.get(user_id)
    ]
    if own.out.form == "table":
        for row in sorted(rows, key=lambda row: str(row["member"])):
            sign = "+" if row["before"] is None else "-" if row["after"] is None else "~"
            values = f"{row['before'] or _NOT_NAMED} {diff.ARROW} {row['after'] or _NOT_NAMED}"
            own.out.change(sign, f"{row['member']:<26} {values}")
        own.out.say("They are equal." if not rows else f"{len(rows)} of {len({*before, *after})} members differ.")
    else:
        own.out.table(rows, ["member", "user_id", "before", "after"])
    return Exit.DIFFERS if rows else Exit.DONE


def restore(
    ctx: typer.Context,
    run: Applied,
    confirm: Annotated[bool, typer.Option("--confirm", help="Write. Without it nothing is written.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    wait: Annotated[int, typer.Option("--wait", min=0, max=3600, help="Seconds to wait for another run.")] = 0,
) -> int:
    """Revert a queue to what it held before a distribution. Without --confirm: what that would change."""
    own = session(ctx)
    distribution_id = find(own, run, applied=True)
    options: Json = {"wait_for_lock_s": wait, **({"reason": reason} if reason else {})}
    return running.carry_out(own, f"/distributions/{segment(distribution_id)}/restore", options, confirm=confirm)


def find(own: Session, text: str, *, applied: bool = False) -> str:
    """The id of the distribution that somebody means: an id, a queue's last one, or the n-th before it (`Support~1`).

    With `applied`, a queue alone means the last one that was applied.

    Raises:
        CliError: there is none.
    """
    if _ID.fullmatch(text):
        return text
    nth = _NTH.fullmatch(text)
    queue = own.names.queue(nth["queue"] if nth else text)
    if nth is None and applied:
        in_force = own.api.get(f"/queues/{segment(queue['queue_id'])}").get("in_force")
        if in_force is None:
            raise CliError(f"No distribution was applied to {queue['name']}.", "There is nothing to revert.")
        return str(in_force["distribution_id"])
    number = int(nth["number"]) if nth else 0
    runs = _of_queue(own, queue["queue_id"], number + 1)
    if len(runs) <= number:
        raise CliError(f"{queue['name']} has {len(runs)} distributions.", "`routing-weights history` lists them.")
    return str(runs[number]["distribution_id"])


def _of_queue(own: Session, queue_id: str, most: int) -> list[Json]:
    return list(own.api.pages(f"/queues/{segment(queue_id)}/distributions", most=most, limit=min(most, 50)))


def _is_distribution(own: Session, run_id: str) -> bool:
    try:
        own.api.distribution(run_id)
    except ProblemError as error:
        if error.status != _NOT_FOUND:
            raise
        return False
    return True


def _actuator_now(own: Session, queue_id: str) -> str | None:
    """What carries the weights in force. None: no plan is in force."""
    return (own.api.get(f"/queues/{segment(queue_id)}").get("in_force") or {}).get("actuator")


def _values(record: Json) -> dict[str, Any]:
    actuation = record["actuation"]
    return {
        user_id: diff.held(actuation["actuator"], member["value"]) for user_id, member in actuation["members"].items()
    }
