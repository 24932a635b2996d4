"""Expiry: how long a temporary plan may last, and what its end reverts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from routing_weights.domain.plan import LONGEST, MOST_RESTORED, SHORTEST, plan_invalid
from routing_weights.domain.problems import not_applicable, problem
from routing_weights.domain.record import ExpiryCancelled, RunSummary, expiry_cancelled, timestamp
from routing_weights.domain.run import LONGEST_RUN, return_name
from routing_weights.domain.status import Status
from routing_weights.errors import ExpiryApproved, ReturnNotFound, Superseded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from routing_weights.application.ports import Documents, OneTimeSchedules, Trail

_PAGE = 50


def require_until(until: str | None, since: datetime, now: datetime) -> None:
    """Raise PlanInvalid when `until` is over, or more than a year after `since`, when the run was to start."""
    if until is None:
        return
    at = datetime.fromisoformat(until)
    if at < now + SHORTEST:
        message = f"{until} is over, or will be within a minute: name a later time"
    elif at > since + LONGEST:
        message = f"{until} is more than {LONGEST.days} days away: name an earlier time, or leave it out"
    else:
        return
    raise plan_invalid([problem("until", message, "time_invalid")])


def require_time_left(until: str, now: datetime) -> None:
    """Raise PlanNotApplicable when the plan has waited so long that it would be reverted at once."""
    if until and datetime.fromisoformat(until) < now + SHORTEST:
        message = f"{until} is over, or will be within a minute: the plan could not be applied before"
        raise not_applicable("until", message, "time_invalid")


class Expired(NamedTuple):
    """What has expired beneath a distribution, and is due with it."""

    also: list[str]
    """The distributions whose before-images are re-applied as well, newest first. Their own expiries gave way."""
    left: str = ""
    """The next one beneath them, if it has expired too but another mechanism carried it. Its values stay."""


def expired_with(distribution_id: str, queue_id: str, trail: Trail, documents: Documents) -> Expired:
    """Check that an expired distribution is the last one that changed its queue, and find what expired beneath it.

    Ask under the queue's lock. A later distribution does not count if its own before-image has been re-applied since.
    ADR 16 says why an expiry reverts what expired beneath its distribution.

    Raises:
        Superseded: a later distribution still stands, or somebody has reverted this one already.
        PlanNotApplicable: the distribution did not complete, is permanent, or its expiry was cancelled.
    """
    records = trail.find(distribution_id)
    closing = records.closing
    if not closing or closing.status is not Status.COMPLETED or not closing.until or records.expiry_cancelled:
        message = (
            f"distribution {distribution_id} is no completed distribution of a temporary plan, or its expiry was "
            "cancelled"
        )
        raise not_applicable("restores", message, "nothing_to_return")
    completed = _completed(queue_id, trail)
    later = list(takewhile(lambda run: run.distribution_id != distribution_id, completed))
    _require_last(distribution_id, queue_id, later[::-1])
    also: list[str] = []
    for run in _standing(completed):
        if not run.until or run.until > closing.until or trail.of_kind(ExpiryCancelled, [run.distribution_id]):
            break
        work, beneath = documents.work(distribution_id), documents.work(run.distribution_id)
        if work.decision.carrier != beneath.decision.carrier:
            return Expired(also, run.distribution_id)
        also.append(run.distribution_id)
        if len(also) == MOST_RESTORED:
            break
    return Expired(also)


def _require_last(distribution_id: str, queue_id: str, later: Sequence[RunSummary]) -> None:
    """Raise Superseded unless every `later` distribution, oldest first, has been reverted, and this one has not."""
    standing: tuple[str, ...] = (distribution_id,)
    last = distribution_id
    before: dict[str, tuple[str, ...]] = {distribution_id: ()}
    """By distribution, what stood before it."""
    after = {distribution_id: standing}
    """By distribution, what stood once it had completed."""
    for run in later:
        last, found = run.distribution_id, standing
        for reverted in _reverted(run):
            if after.get(reverted) != standing:
                break
            standing = before[reverted]
        standing = (*found, last) if standing == found else standing
        before[last], after[last] = found, standing
    if not standing:
        raise Superseded(f"Distribution {distribution_id} of queue {queue_id} was reverted already, by {last}.")
    if standing != (distribution_id,):
        raise Superseded(
            f"Distribution {standing[-1]} has been applied to queue {queue_id} since, and stays. To revert "
            f"{distribution_id} nevertheless, send POST /distributions/{distribution_id}/restore."
        )


def _standing(completed: Iterator[RunSummary]) -> Iterator[RunSummary]:
    """The distributions that still stand, newest first, up to the first one whose place is not plain."""
    reverted: list[str] = []
    """Distributions that a newer one has reverted. The next one to come is last."""
    for run in completed:
        if reverted and reverted[-1] == run.distribution_id:
            reverted.pop()
        elif names := _reverted(run):
            reverted += reversed(names)
        elif reverted:
            return
        else:
            yield run


def _reverted(run: RunSummary) -> tuple[str, ...]:
    """The distributions whose before-images a run has re-applied, newest first."""
    return run.restores.before_images_of if run.restores else ()


def _completed(queue_id: str, trail: Trail) -> Iterator[RunSummary]:
    """The completed distributions of a queue, newest end first. The trail is read as far as they are asked for.

    Repairs of drift are left out: each has re-applied what the distribution before it had applied.
    The trail lists distributions by their opening, and runs may wait for one another in any order.
    """
    waiting: list[RunSummary] = []
    after: str | None = None
    while True:
        page, after = trail.of_queue(queue_id, since="0000", until="9999", limit=_PAGE, after=after)
        waiting += [run for run in page if run.status is Status.COMPLETED and not (run.restores and run.restores.drift)]
        waiting.sort(key=lambda run: run.timestamp)
        # A run that was opened before the last one of the page may have ended that much later.
        reached = datetime.fromisoformat(page[-1].started_at).astimezone(UTC) + LONGEST_RUN if page and after else None
        while waiting and (reached is None or waiting[-1].timestamp > timestamp(reached)):
            yield waiting.pop()
        if after is None:
            return


@dataclass(frozen=True)
class CancelExpiry:
    trail: Trail
    schedules: OneTimeSchedules

    def cancel(self, distribution_id: str, caller: str, now: datetime) -> None:
        """Make what a temporary plan has applied permanent.

        Raises:
            ReturnNotFound: no expiry is to come.
            ExpiryApproved: the plan was approved, and with it its end.
        """
        records, name = self.trail.find(distribution_id), return_name(distribution_id)
        opening = records.opening
        until = opening and opening.until
        # Scheduler deletes a schedule only some time after it has started it, so one whose time has come may be found.
        if not self.schedules.exists(name) or not until or datetime.fromisoformat(until) <= now:
            raise ReturnNotFound(
                f"Distribution {distribution_id} has no expiry to come. GET /distributions/{distribution_id} shows one "
                "as returns_at."
            )
        if any(answered.answer == "approved" for answered in records.answered):
            raise ExpiryApproved(
                f"Distribution {distribution_id} was approved as a temporary plan. To make it permanent, send its plan "
                "again without `until`: that asks for approval like any other plan."
            )
        self.trail.append(expiry_cancelled(distribution_id, caller, now))
        self.schedules.delete(name)
