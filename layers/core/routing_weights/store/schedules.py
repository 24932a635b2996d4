"""Schedules in Amazon EventBridge Scheduler, in the deployment's own group. Nothing of them is kept elsewhere.

A schedule starts the state machine with `{origin, schedule, scheduled_at}` and `plan_ref` or `baseline`. `schedule` is
what was asked for: it is shown again, and says with the time of the run when a plan for a while is over.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from routing_weights.errors import ScheduleNotFound
from routing_weights.record import timestamp
from routing_weights.scheduling import Schedule, Timing, next_runs
from routing_weights.store.scheduler import Group

MOST_LATE_S = 900
"""A run that could not be started for so long is not started any more: its message goes to the dead letters."""
MOST_ATTEMPTS = 10
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""EventBridge Scheduler puts the time of the run in its place, in UTC: not when it began, which may be later."""


@dataclass(frozen=True)
class Stored:
    """A schedule as it is in the group."""

    name: str
    timing: Timing
    plan_ref: str | None
    """None where it has a baseline."""
    baseline: dict[str, str] | None
    set_at: str
    set_by: str | None


@dataclass(frozen=True)
class Schedules:
    group: str
    state_machine_arn: str
    role_arn: str
    dead_letters_arn: str

    def put(self, schedule: Schedule, plan_ref: str | None, set_by: str, now: datetime) -> Stored:
        """Create a schedule, or replace the one of its name as a whole."""
        Group(self.group).put(self._request(schedule, plan_ref, set_by, now))
        return self.get(schedule.name)

    def get(self, name: str) -> Stored:
        """Raises ScheduleNotFound, for one that did not come through this API too."""
        found = Group(self.group).find(name)
        if found is None:
            raise _no_such_schedule(name)
        return _stored(found)

    def delete(self, name: str) -> None:
        """Raises ScheduleNotFound."""
        if not Group(self.group).delete(name):
            raise _no_such_schedule(name)

    def page(self, limit: int, after: str | None) -> tuple[list[str], str | None]:
        """Names of schedules, and what to send for those that follow."""
        return Group(self.group).page(limit, after)

    def _request(self, schedule: Schedule, plan_ref: str | None, set_by: str, now: datetime) -> dict[str, Any]:
        asked = schedule.model_dump(mode="json", exclude={"name", "plan", "baseline"}, exclude_none=True)
        baseline = schedule.baseline.model_dump() if schedule.baseline else None
        given = {
            **({"baseline": baseline} if baseline else {"plan_ref": plan_ref}),
            "scheduled_at": SCHEDULED_TIME,
            "origin": {"door": "schedule", "caller": schedule.name},
            "schedule": asked | {"set_at": timestamp(now), "set_by": set_by},
        }
        window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": schedule.window_minutes}
        return {
            "Name": schedule.name,
            "ScheduleExpression": schedule.expression,
            "ScheduleExpressionTimezone": schedule.time_zone,
            "FlexibleTimeWindow": window if schedule.window_minutes else {"Mode": "OFF"},
            "State": "ENABLED",
            "Target": {
                "Arn": self.state_machine_arn,
                "RoleArn": self.role_arn,
                "Input": json.dumps(given, sort_keys=True),
                "DeadLetterConfig": {"Arn": self.dead_letters_arn},
                "RetryPolicy": {"MaximumEventAgeInSeconds": MOST_LATE_S, "MaximumRetryAttempts": MOST_ATTEMPTS},
            },
            **_dates(schedule, now),
        }


def _dates(schedule: Schedule, now: datetime) -> dict[str, datetime]:
    """Scheduler refuses a start that is over. A rate keeps its step by starting with its next run instead."""
    dates = {"EndDate": schedule.end.astimezone(UTC)} if schedule.end else {}
    if schedule.start and schedule.start > now:
        dates["StartDate"] = schedule.start.astimezone(UTC)
    elif schedule.expression.startswith("rate") and (runs := next_runs(schedule, now, 1)):
        dates["StartDate"] = runs[0].at.astimezone(UTC)
    return dates


def _stored(found: dict[str, Any]) -> Stored:
    """A schedule that was put by hand, in the console, is not one that this API can show."""
    try:
        given = json.loads(found["Target"].get("Input") or "{}")
        asked = dict(given["schedule"])
        set_at, set_by, baseline = asked.pop("set_at"), asked.pop("set_by"), given.get("baseline")
        timing = Timing.model_validate(asked)
    except (ValueError, LookupError, TypeError):
        raise _no_such_schedule(found["Name"]) from None
    return Stored(
        name=found["Name"],
        timing=timing,
        plan_ref=given.get("plan_ref"),
        baseline=baseline,
        set_at=set_at,
        set_by=set_by or None,
    )


def _no_such_schedule(name: str) -> ScheduleNotFound:
    return ScheduleNotFound(f"There is no schedule {name}. Look it up with GET /schedules.")
