"""A plan for a while: how long that may be, and whether what the queue held before may be put back when it is over."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING

from routing_weights.domain.plan import LONGEST_WHILE, MOST_RESTORED, SHORTEST_WHILE, plan_invalid
from routing_weights.domain.problems import not_applicable, problem
from routing_weights.domain.record import Closing, ExpiryCancelled, RunSummary, timestamp
from routing_weights.domain.run import LONGEST_RUN
from routing_weights.domain.status import Status
from routing_weights.errors import Superseded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from routing_weights.application.ports import Documents, Trail

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
        message = f"{until} is over, or will be within a minute: the plan could not be applied before"
        raise not_applicable("until", message, "time_invalid")


def require_still_applied(distribution_id: str, queue_id: str, trail: Trail, documents: Documents) -> list[str]:
    """Whether a distribution whose time is over is the last that has changed its queue. Ask under the queue's lock.

    A later one whose own before-image was put back again does not count. The answer are the distributions that it was
    applied on top of and whose time is over as well, from the newest on: theirs gave way to it, so that it puts back
    what they had found, too.

    Raises:
        Superseded: another one is the last, or what it had found was put back already.
        PlanNotApplicable: it did not complete, or was for good, or has become so.
    """
    records = trail.find(distribution_id)
    ended = records.closing
    if not ended or ended.status is not Status.COMPLETED or not ended.until or records.expiry_cancelled:
        message = (
            f"distribution {distribution_id} is none that completed and was for a while, or its return was cancelled"
        )
        raise not_applicable("restores", message, "nothing_to_return")
    completed = _completed(queue_id, trail)
    later = list(takewhile(lambda record: record.distribution_id != distribution_id, completed))
    last = distribution_id
    standing: tuple[str, ...] = (distribution_id,)
    # By distribution, what stood before it, and what stood then.
    before: dict[str, tuple[str, ...]] = {distribution_id: ()}
    after = {distribution_id: standing}
    for record in reversed(later):
        last, found = record.distribution_id, standing
        for one in _put_back(record):
            if after.get(one) != standing:
                break
            standing = before[one]
        standing = (*found, last) if standing == found else standing
        before[last], after[last] = found, standing
    if not standing:
        raise Superseded(f"What queue {queue_id} held before {distribution_id} was put back already, by {last}.")
    if standing != (distribution_id,):
        raise Superseded(
            f"Distribution {standing[-1]} has been applied to queue {queue_id} since, and stays. To put back what the "
            f"queue held before {distribution_id} nevertheless, send POST /distributions/{distribution_id}/restore."
        )
    return _over_too(ended, completed, trail, documents)


def _over_too(ended: Closing, earlier: Iterator[RunSummary], trail: Trail, documents: Documents) -> list[str]:
    """Of the `earlier` distributions, newest first, those on top of which one was applied and that are over, too."""
    over: list[str] = []
    gone: list[str] = []  # were put back again by a record that was seen already: the last is to come first
    for record in earlier:
        name, back = record.distribution_id, _put_back(record)
        if gone and gone[-1] == name:
            gone.pop()
        elif back:
            gone += reversed(back)
        elif gone or not _is_over_with(ended, record, trail, documents):
            break
        else:
            over.append(name)
    return over[:MOST_RESTORED]


def _is_repair(record: RunSummary) -> bool:
    return record.restores is not None and record.restores.drift is not None


def _is_over_with(ended: Closing, record: RunSummary, trail: Trail, documents: Documents) -> bool:
    """Whether a distribution was over no later than another one, is one plan's to put back with it, and does return."""
    name = record.distribution_id
    if not record.until or not ended.until or record.until > ended.until:
        return False
    if trail.of_kind(ExpiryCancelled, [name]):
        return False
    one, other = (documents.work(each).decision for each in (name, ended.distribution_id))
    return one.carrier == other.carrier


def _put_back(record: RunSummary) -> tuple[str, ...]:
    """The distributions whose before-images a record's plan put back, from the newest on."""
    return record.restores.before_images_of if record.restores else ()


def _completed(queue_id: str, trail: Trail) -> Iterator[RunSummary]:
    """The completed distributions of a queue by the time of their end, newest first; read as far as they are asked for.

    Without repairs of drift: each has put back what the one before it had applied, so nothing of its own stands.
    The trail lists them by their opening, and runs may wait for one another in any order.
    """
    waiting: list[RunSummary] = []
    after: str | None = None
    while True:
        page, after = trail.of_queue(queue_id, since="0000", until="9999", limit=_PAGE, after=after)
        waiting += [record for record in page if record.status is Status.COMPLETED and not _is_repair(record)]
        waiting.sort(key=lambda record: record.timestamp)
        # What was opened before the last one of the page may have ended that much later.
        reached = datetime.fromisoformat(page[-1].started_at).astimezone(UTC) + LONGEST_RUN if page and after else None
        while waiting and (reached is None or waiting[-1].timestamp > timestamp(reached)):
            yield waiting.pop()
        if after is None:
            return
