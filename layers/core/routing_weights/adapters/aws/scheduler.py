"""Schedules in Amazon EventBridge Scheduler, in the deployment's own group. They are stored nowhere else.

A schedule starts the state machine with `{origin, schedule, scheduled_at}` and `plan_ref` or `baseline`. `schedule` is
the timing that was asked for: the API shows it again, and with the time of the run it says when a temporary plan ends.

EventBridge Scheduler leaves out a run whose time the clock skips. Such a run has a one-time schedule of its own, in
another group, made with its schedule for the next AHEAD (ADR 23).
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from routing_weights.adapters.aws.schedule_group import Group
from routing_weights.domain.inputs import Asked, scheduled
from routing_weights.domain.revert import BaselineName
from routing_weights.domain.schedule.calendar import next_runs, skipped_runs
from routing_weights.domain.schedule.expression import At, parse_expression
from routing_weights.domain.schedule.schedule import Schedule, StoredSchedule, Timing
from routing_weights.errors import ScheduleNotFound

MOST_LATE_S = 900
"""A run that could not be started within this time is not started any more. Its message goes to the dead letters."""
MOST_ATTEMPTS = 10
AHEAD = timedelta(days=3653)
"""Ten years. A PUT makes the runs of that time which the clock skips."""


@dataclass(frozen=True)
class Schedules:
    group: str
    one_time_group: str
    state_machine_arn: str
    role_arn: str
    dead_letters_arn: str

    def put(self, schedule: Schedule, plan_ref: str | None, set_by: str, now: datetime) -> StoredSchedule:
        """Create a schedule, or replace the one of its name as a whole."""
        self._delete_moved(schedule.name)
        request = self._request(schedule, plan_ref, set_by, now)
        Group(self.group).put(request)
        for moved in _moved(request, schedule, now):
            Group(self.one_time_group).put(moved)
        return _stored(request)

    def get(self, name: str) -> StoredSchedule:
        """Raises ScheduleNotFound, also for a schedule that was not made by `put`."""
        found = Group(self.group).find(name)
        if found is None:
            raise _no_such_schedule(name)
        return _stored(found)

    def delete(self, name: str) -> None:
        """Raises ScheduleNotFound."""
        self._delete_moved(name)
        if not Group(self.group).delete(name):
            raise _no_such_schedule(name)

    def _delete_moved(self, name: str) -> None:
        group = Group(self.one_time_group)
        for moved in list(group.names(_moved_name(name))):
            group.delete(moved)

    def page(self, limit: int, after: str | None) -> tuple[list[str], str | None]:
        """Names of schedules, and the token of the next page."""
        return Group(self.group).page(limit, after)

    def _request(self, schedule: Schedule, plan_ref: str | None, set_by: str, now: datetime) -> dict[str, Any]:
        given = scheduled(schedule, plan_ref, set_by, now)
        window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": schedule.window_minutes}
        return {
            "Name": schedule.name,
            **_expression(schedule),
            "FlexibleTimeWindow": window if schedule.window_minutes else {"Mode": "OFF"},
            "State": "ENABLED",
            "Target": {
                "Arn": self.state_machine_arn,
                "RoleArn": self.role_arn,
                "Input": json.dumps(given.to_json(), sort_keys=True),
                "DeadLetterConfig": {"Arn": self.dead_letters_arn},
                "RetryPolicy": {"MaximumEventAgeInSeconds": MOST_LATE_S, "MaximumRetryAttempts": MOST_ATTEMPTS},
            },
            **_dates(schedule, now),
        }


def _expression(schedule: Schedule) -> dict[str, str]:
    """The expression as it was asked for; a single time as its instant.

    The guide does not say what happens to a single time that the clock skips.
    """
    parsed, _ = parse_expression(schedule.expression)
    if isinstance(parsed, At) and (runs := next_runs(schedule, datetime.min.replace(tzinfo=UTC), 1)):
        return _once(runs[0].at)
    return {"ScheduleExpression": schedule.expression, "ScheduleExpressionTimezone": schedule.time_zone}


def _once(at: datetime) -> dict[str, str]:
    return {"ScheduleExpression": f"at({at.astimezone(UTC):%Y-%m-%dT%H:%M:%S})", "ScheduleExpressionTimezone": "UTC"}


def _moved(request: dict[str, Any], schedule: Schedule, now: datetime) -> Iterator[dict[str, Any]]:
    """The one-time schedules of the runs that EventBridge Scheduler leaves out."""
    for run in skipped_runs(schedule, now, now + AHEAD):
        yield {
            "Name": f"{_moved_name(schedule.name)}{run.at.astimezone(UTC):%Y%m%dT%H%M%S}",
            **_once(run.at),
            "FlexibleTimeWindow": request["FlexibleTimeWindow"],
            "ActionAfterCompletion": "DELETE",
            "Target": request["Target"],
        }


def _moved_name(name: str) -> str:
    """How the names of a schedule's moved runs begin. It is a hash, since the schedule's name may have 64 letters."""
    return f"moved.{hashlib.sha256(name.encode()).hexdigest()[:32]}."


def _dates(schedule: Schedule, now: datetime) -> dict[str, datetime]:
    """EventBridge Scheduler refuses a start in the past. A rate keeps its step if it starts with its next run."""
    dates = {"EndDate": schedule.end.astimezone(UTC)} if schedule.end else {}
    if schedule.start and schedule.start > now:
        dates["StartDate"] = schedule.start.astimezone(UTC)
    elif schedule.expression.startswith("rate") and (runs := next_runs(schedule, now, 1)):
        dates["StartDate"] = runs[0].at.astimezone(UTC)
    return dates


def _stored(found: dict[str, Any]) -> StoredSchedule:
    """Raises ScheduleNotFound for a schedule that somebody made by hand: the API cannot show it."""
    try:
        given = json.loads(found["Target"].get("Input") or "{}")
        asked = Asked.model_validate(given["schedule"])
        baseline = BaselineName.model_validate(given["baseline"]) if given.get("baseline") else None
        timing = Timing.model_validate(asked.timing.model_dump())
    except (ValueError, LookupError, TypeError):
        raise _no_such_schedule(found["Name"]) from None
    return StoredSchedule(
        name=found["Name"],
        timing=timing,
        plan_ref=given.get("plan_ref"),
        baseline=baseline,
        set_at=asked.set_at,
        set_by=asked.set_by or None,
    )


def _no_such_schedule(name: str) -> ScheduleNotFound:
    return ScheduleNotFound(f"There is no schedule {name}. Look it up with GET /schedules.")
