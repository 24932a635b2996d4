"""One run of a schedule whose plan is temporary."""

from pydantic import BaseModel, ConfigDict, ValidationError

from routing_weights.domain.inputs import FromBaseline, FromPlanRef, not_ours
from routing_weights.domain.schedule.calendar import over_at
from routing_weights.domain.schedule.schedule import Timing
from routing_weights.domain.types import Moment, in_utc


class Occasion(BaseModel):
    """One run of a schedule."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    timing: Timing
    scheduled_at: Moment

    def until(self) -> str | None:
        """When it is over, as a plan says it."""
        over = over_at(self.timing, self.scheduled_at)
        return in_utc(over.isoformat()) if over else None


def occasion_of(given: FromPlanRef | FromBaseline) -> Occasion | None:
    """Which run of a schedule an input is for; None if the schedule's plan is not temporary.

    Raises:
        PlanInvalid: the time of the run is missing or invalid, or the schedule is.
    """
    if given.schedule is None or given.schedule.until is None:
        return None
    try:
        return Occasion.model_validate(
            {"timing": given.schedule.timing.model_dump(), "scheduled_at": given.scheduled_at}
        )
    except ValidationError as error:
        paths = ("schedule" if entry["loc"][0] == "timing" else str(entry["loc"][0]) for entry in error.errors())
        raise not_ours(*dict.fromkeys(paths)) from error
