"""A plan for a while: how long that may be, and whether what the queue held before may be put back when it is over."""

from datetime import UTC, datetime, timedelta

from routing_weights.actuation import not_applicable
from routing_weights.distribution import Status
from routing_weights.errors import PlanNotApplicable, Superseded
from routing_weights.plan import LONGEST_WHILE, SHORTEST_WHILE, plan_invalid
from routing_weights.record import CLOSED, Record, timestamp
from routing_weights.store.audit import AuditTrail
from routing_weights.strict_json import problem

_LONGEST_RUN = timedelta(hours=3)
"""More than an execution may take: what was opened earlier has ended."""
_PAGE = 50


def require_until(until: str | None, since: datetime, now: datetime) -> None:
    """Raise PlanInvalid where `until` is over, or more than a year after `since`, when the run was to start."""
    if until is None:
        return
    at = datetime.fromisoformat(until)
    if at < now + SHORTEST_WHILE:
        message = f"{until} is over, or will be within a minute: name a later time"
    elif at > since + LONGEST_WHILE:
        message = f"{until} is more than {LONGEST_WHILE.days} days away: name an earlier time, or leave it out"
    else:
        return
    raise plan_invalid([problem("until", message, "time_invalid")])


def require_time_left(until: str, now: datetime) -> None:
    """Raise PlanNotApplicable where the plan has waited so long that it would be put back at once."""
    if until and datetime.fromisoformat(until) < now + SHORTEST_WHILE:
        message = f"{until} is over, or will be within a minute: the queue was not free before"
        raise not_applicable("until", message, "time_invalid")


def require_still_applied(distribution_id: str, queue_id: str, trail: AuditTrail) -> None:
    """Whether a distribution whose time is over is the last that has changed its queue. Ask under the queue's lock.

    A later one whose own before-image was put back again does not count.

    Raises:
        Superseded: another one is, or what it had found was put back already.
        PlanNotApplicable: it did not complete, or was for good.
    """
    ended = trail.find(distribution_id).get(CLOSED, {})
    if ended.get("status") != Status.COMPLETED or not ended.get("until"):
        raise _nothing_to_return(distribution_id)
    standing, last = [distribution_id], distribution_id
    for record in _later(ended, queue_id, trail):
        last = record["distribution_id"]
        if standing and record.get("restores") == {"distribution_id": standing[-1], "image": "before"}:
            standing.pop()
        else:
            standing.append(last)
    if not standing:
        raise Superseded(f"What queue {queue_id} held before {distribution_id} was put back already, by {last}.")
    if standing != [distribution_id]:
        raise Superseded(
            f"Distribution {standing[-1]} has been applied to queue {queue_id} since, and stays. To put back what the "
            f"queue held before {distribution_id} nevertheless, send POST /distributions/{distribution_id}/restore."
        )


def _later(ended: Record, queue_id: str, trail: AuditTrail) -> list[Record]:
    """The distributions of the queue that completed after another one, by the time of their end."""
    since = timestamp(datetime.fromisoformat(ended["timestamp"]).astimezone(UTC) - _LONGEST_RUN)
    found: list[Record] = []
    after: str | None = None
    while True:
        page, after = trail.of_queue(queue_id, since=since, until="9999", limit=_PAGE, after=after)
        found += page
        if after is None:
            break
    completed = [record for record in found if record["status"] == Status.COMPLETED]
    later = [record for record in completed if record["timestamp"] > ended["timestamp"]]
    return sorted(later, key=lambda record: str(record["timestamp"]))


def _nothing_to_return(distribution_id: str) -> PlanNotApplicable:
    message = f"distribution {distribution_id} is none that completed and was for a while"
    return not_applicable("restores", message, "nothing_to_return")
