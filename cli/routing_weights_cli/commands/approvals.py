"""Approvals: what waits for somebody, and the answers."""

from typing import Annotated

import typer

from routing_weights_cli.api import Json, segment
from routing_weights_cli.app import Session, session
from routing_weights_cli.arguments import Confirm, MaybeQueue
from routing_weights_cli.errors import CliError, Exit
from routing_weights_cli.running import show, watch

Which = Annotated[str, typer.Argument(help="A distribution's id, or the name of a queue with one that waits.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for the record. An answer needs one.")]
OfFleet = Annotated[bool, typer.Option("--fleet", help="The id is a fleet's: answer all its queues that wait now.")]


def approvals(ctx: typer.Context, queue: MaybeQueue = None) -> int:
    """What waits for approval, the oldest first. Exit code 4 if something waits."""
    own = session(ctx)
    line = own.names.queue(queue) if queue else None
    waiting = _waiting(own, line)
    if own.out.form == "json":
        own.out.document(waiting)
    else:
        rows = [
            {
                "queue": own.names.of_queue(each["queue_id"]),
                "asked by": _person(each["asked_by"]),
                "until": own.shown(each["expires_at"]),
                "why": " ".join(each["reasons"]),
                "distribution_id": each["distribution_id"],
            }
            for each in waiting
        ]
        own.out.table(rows, ["queue", "asked by", "until", "why"], fold=["why"], empty="Nothing waits.")
        for row in rows if own.out.form == "table" else []:
            own.out.command(f"routing-weights approve {row['distribution_id']}")
    return Exit.NEEDS_A_PERSON if waiting else Exit.DONE


def approve(
    ctx: typer.Context, which: Which, reason: Why = "", *, fleet: OfFleet = False, confirm: Confirm = False
) -> int:
    """Approve a distribution that waits, and follow it. Without --confirm, show what it would write."""
    own = session(ctx)
    if fleet:
        return _answer_fleet(own, which, "approve", reason, confirm=confirm)
    record = own.api.distribution(_id_of(own, which))
    asked = record["approval"] or {}
    if asked.get("state") != "waiting":
        status = record["status"].replace("_", " ")
        raise CliError(f"Distribution {record['distribution_id']} does not wait for approval: it is {status}.")
    if not confirm:
        code = show(own, record)
        own.out.say("Look at it, and add --reason and --confirm to approve it.")
        return code
    path = f"/distributions/{segment(record['distribution_id'])}/approve"
    own.api.post(path, {"reason": _needed(reason), "hash": asked["hash"]})
    return watch(own, record["distribution_id"])


def reject(ctx: typer.Context, which: Which, reason: Why = "", *, fleet: OfFleet = False) -> int:
    """Reject a distribution that waits. It writes nothing."""
    own = session(ctx)
    if fleet:
        return _answer_fleet(own, which, "reject", reason, confirm=True)
    answered = own.api.post(f"/distributions/{segment(_id_of(own, which))}/reject", {"reason": _needed(reason)})
    own.out.record({name: answered[name] for name in ("distribution_id", "state", "answered_by", "reason")})
    return Exit.DONE


def _needed(reason: str) -> str:
    if not reason:
        raise CliError("An answer needs a reason, for the record.", "Add --reason 'I have looked at it'.")
    return reason


def _answer_fleet(own: Session, fleet_id: str, answer: str, reason: str, *, confirm: bool) -> int:
    if not confirm:
        waiting = [each for each in _waiting(own, None) if each["fleet_id"] == fleet_id]
        own.out.say(f"{len(waiting)} queues of the fleet wait. Add --reason and --confirm to approve them.")
        return Exit.NEEDS_A_PERSON if waiting else Exit.DONE
    done = own.api.post(f"/fleets/{segment(fleet_id)}/{answer}", {"reason": _needed(reason)})
    own.out.record({"answered": len(done["answered"]), "refused": len(done["refused"]), "left": done["left"]})
    for distribution_id, why in done["refused"].items():
        own.out.note(f"{distribution_id}: {why}")
    if done["left"]:
        own.out.note("Some queues still wait: run this again.")
    return Exit.NEEDS_A_PERSON if done["refused"] or done["left"] else Exit.DONE


def _waiting(own: Session, line: Json | None) -> list[Json]:
    page = own.api.get("/approvals", queue_id=line["queue_id"] if line else None)
    if page["more"]:
        own.out.note("More wait than are listed here: answer these first.")
    items: list[Json] = page["items"]
    return items


def _id_of(own: Session, which: str) -> str:
    """The distribution that an answer is about. Raises CliError if a queue has none that waits, or several."""
    waiting = _waiting(own, None)
    if any(each["distribution_id"] == which for each in waiting):
        return which
    try:
        line = own.names.queue(which)
    except CliError:
        return which  # the API says what is wrong with an id
    of_queue = [each["distribution_id"] for each in waiting if each["queue_id"] == line["queue_id"]]
    if len(of_queue) == 1:
        return str(of_queue[0])
    if not of_queue:
        raise CliError(f"Nothing of {line['name']} waits for approval.")
    ids = ", ".join(of_queue)
    raise CliError(f"{len(of_queue)} distributions of {line['name']} wait.", f"Name one: {ids}.", Exit.NEEDS_A_PERSON)


def _person(caller: str | None) -> str:
    """The part of a caller's id that people know."""
    return (caller or "somebody unknown").rpartition("/")[2].removeprefix("genesys:")
