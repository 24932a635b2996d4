"""What the audit records say. Pure: what was stored and read back goes in, the record comes out."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from routing_weights.domain.plan import Plan
from routing_weights.domain.problems import Problem
from routing_weights.domain.queue import SETTINGS, Member, Queue, balance_accuracy, same
from routing_weights.domain.run import Outcome, Run
from routing_weights.domain.status import Status

OPENED, REALISED, KEPT, CLOSED = "0-opened", "5-realised", "7-kept", "9-closed"
REALISED_FIELDS = ("why", "start", "end", "predicted", "realised", "others", "alone")

Record = dict[str, Any]


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: fixed width, so it sorts as text."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def opened(run: Run, plan: Plan, at: datetime) -> Record:
    """A door accepted the plan."""
    return {
        "distribution_id": run.distribution_id,
        "record": OPENED,
        "opened_queue_id": plan.queue_id,
        "timestamp": timestamp(at),
        "status": Status.INITIATED.value,
        **_who(run),
        **_asked(plan),
    }


def kept(distribution_id: str, caller: str, at: datetime) -> Record:
    """Somebody cancelled the return of a distribution: what it has applied stays."""
    return {"distribution_id": distribution_id, "record": KEPT, "timestamp": timestamp(at), "caller": caller or None}


def refused(run: Run, queue_id: str | None, problems: list[Problem], at: datetime) -> list[Record]:
    """A door refused the plan: its opening and its closing at once. `queue_id` None where the plan names none."""
    common: Record = {
        "distribution_id": run.distribution_id,
        "timestamp": timestamp(at),
        "status": Status.VALIDATION_FAILED.value,
        "queue_id": queue_id,
        **_who(run),
    }
    errors = [{"type": p["type"], "path": p["path"], "message": p["message"]} for p in problems]
    closing = {**common, "record": CLOSED, "latency_ms": run.latency_ms(at), "errors": errors}
    return [{**common, "record": OPENED, "opened_queue_id": queue_id}, closing]


def closed(
    run: Run,
    outcome: Outcome,
    *,
    plan: Plan | None,
    before: Queue | None,
    projection: dict[str, Any] | None,
    actuation: Mapping[str, Any] | None,
    restore: dict[str, Any] | None,
    after: Queue | None,
    at: datetime,
    before_image: str | None = None,
) -> Record:
    """The outcome. `after` is a read-back: without one, nothing is claimed to have been applied.

    `before_image` is the key of the document that has `before`.
    """
    record: Record = {
        "distribution_id": run.distribution_id,
        "record": CLOSED,
        "timestamp": timestamp(at),
        "queue_id": run.queue_id,
        "status": outcome.status.value,
        "latency_ms": run.latency_ms(at),
        "errors": outcome.errors(),
        "projection": projection,
        "actuation": actuation,
        "restore": _restore(outcome, before, restore),
        "before_image": before_image,
        **_who(run),
        **(_asked(plan) if plan else {}),
    }
    named = _named(plan, actuation) if plan else {}
    # Where an earlier state is put back, a member may have held nothing: there is no weight to ask for.
    requested = {member: weight for member, weight in named.items() if weight is not None}
    if requested:
        record["requested_weights"] = requested
    if named and before and after:
        held = after.weights()
        record |= {
            "applied_weights": {member: held.get(member) for member in requested},
            "applied_overflow_threshold": after.overflow_threshold,
            "balance_accuracy": round(balance_accuracy(requested, held), 9) if requested and after.ranks else None,
            "changes": _changes(named, before, after),
        }
    return record


def last_completed(runs: Iterable[Record]) -> str | None:
    """The id of the run that was completed last, by the time of its end: runs may wait for one another in any order."""
    completed = [run for run in runs if run["status"] == Status.COMPLETED]
    return str(max(completed, key=lambda run: run["timestamp"])["distribution_id"]) if completed else None


def _restore(outcome: Outcome, before: Queue | None, restore: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a restoration came to; one that never said so has failed, where there was something to put back."""
    if restore is None and before and outcome.status.failed_writing:
        return {"outcome": "failed", "restored": 0, "unrestored": [], "unconfirmed": [], "edited": []}
    return {name: value for name, value in restore.items() if name != "left"} if restore else None


def _named(plan: Plan, actuation: Mapping[str, Any] | None) -> Mapping[str, float | None]:
    """The weights that are asked for: the plan's, or those of the state that it puts back, None for no value at all."""
    if plan.restores is None:
        return plan.weights
    members = (actuation or {"members": {}})["members"]
    return {member: None if line["value"] is None else line["requested"] for member, line in members.items()}


def _who(run: Run) -> Record:
    return {
        "execution_arn": run.execution_arn,
        "started_at": timestamp(run.started_at),
        "door": run.origin.door,
        "caller": run.origin.caller or None,
    }


def _asked(plan: Plan) -> Record:
    return {
        "queue_id": plan.queue_id,
        "requested_weights": {} if plan.restores else plan.weights,
        "restores": _restores(plan),
        "until": plan.until,
        "submitted_weights": plan.member_weights if plan.weights != plan.member_weights else None,
        "overflow_threshold": plan.overflow_threshold,
        "utilization_target": plan.utilization_target,
        "staffing": plan.staffing,
        "strategy_reference": plan.strategy_reference,
        "wrap_up_timeout_s": plan.wrap_up_timeout_s,
        "on_drift": plan.drift_policy,
        "requested_by": plan.requested_by,
        "reason": plan.reason,
        "plan_fingerprint": plan.fingerprint(),
    }


def _restores(plan: Plan) -> dict[str, Any] | None:
    if plan.restores is None:
        return None
    further = {name: value for name in ("also", "drift") if (value := getattr(plan.restores, name))}
    return {"distribution_id": plan.restores.distribution_id, "image": plan.restores.image, **further}


def _changes(requested: Mapping[str, float | None], before: Queue, after: Queue) -> list[dict[str, Any]]:
    """What differs from the before-image, the queue's own settings first, then member by member."""
    settings = [
        {"setting": name, "before": before.settings.get(name), "after": after.settings.get(name)}
        for name in SETTINGS
        if before.settings.get(name) != after.settings.get(name)
    ]
    old, new = ({member.user_id: member for member in queue.members} for queue in (before, after))
    changes = [_change(member, weight, old.get(member), new.get(member)) for member, weight in requested.items()]
    return settings + [change for change in changes if change]


def _change(member: str, requested: float | None, old: Member | None, new: Member | None) -> dict[str, Any]:
    """One member's change; empty where it holds what it held."""
    was, now = old.value if old else None, new.value if new else None
    if was == now or same(was, now):
        return {}
    change: dict[str, Any] = {
        "member": member,
        "before": old.weight if old else None,
        "requested": requested,
        "after": new.weight if new else None,
    }
    if any(member_ and member_.carried is not None for member_ in (old, new)):
        change |= {"value_before": was, "value_after": now}
    return change
