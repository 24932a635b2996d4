"""One run of a schedule whose plan is temporary."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from routing_weights.domain.inputs import FromBaseline, FromPlanRef, not_ours
from routing_weights.domain.schedule.clock import expiry_of, known_expiry, known_zone
from routing_weights.domain.types import Instant, in_utc

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


@dataclass(frozen=True)
class Occasion:
    scheduled_at: datetime
    until: str
    """When the run expires, as a plan states it."""


def occasion_of(given: FromPlanRef | FromBaseline) -> Occasion | None:
    """Which run of a schedule an input is for; None if the schedule's plan is not temporary.

    Raises:
        PlanInvalid: the time of the run, or what the schedule says about its expiry, is invalid.
    """
    schedule = given.schedule
    if schedule is None or schedule.until is None:
        return None
    try:
        known_zone(schedule.time_zone)
        known_expiry(schedule.until)
    except ValueError as error:
        raise not_ours("schedule") from error
    try:
        begun = _INSTANT.validate_python(given.scheduled_at)
        expiry = expiry_of(schedule, begun)
        return Occasion(begun, in_utc(expiry.isoformat() if expiry else None))
    except (ValueError, OverflowError) as error:
        raise not_ours("scheduled_at") from error
