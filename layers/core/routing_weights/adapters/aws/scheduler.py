"""Schedules in Amazon EventBridge Scheduler, in the deployment's own group. Nothing of them is kept elsewhere.

A schedule starts the state machine with `{origin, schedule, scheduled_at}` and `plan_ref` or `baseline`. `schedule` is
what was asked for: it is shown again, and says with the time of the run when a plan for a while is over.

A run that a change of the clock moves is one that EventBridge Scheduler leaves out, so it has a schedule of its own, of
one time, in another group. They are made for AHEAD; a daily upkeep goes on, and follows the rules of time zones.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from routing_weights.adapters.aws.schedule_group import Group
from routing_weights.domain.inputs import Asked, scheduled
from routing_weights.domain.schedule.calendar import left_out, next_runs
from routing_weights.domain.schedule.expression import At, parse_expression
from routing_weights.domain.schedule.schedule import Schedule, Timing
from routing_weights.errors import ScheduleNotFound

MOST_LATE_S = 900
"""A run that could not be started for so long is not started any more: its message goes to the dead letters."""
MOST_ATTEMPTS = 10
AHEAD = timedelta(days=400)

_MOVED = "moved."


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
    one_time_group: str
    state_machine_arn: str
    role_arn: str
    dead_letters_arn: str

    def put(self, schedule: Schedule, plan_ref: str | None, set_by: str, now: datetime) -> Stored:
        """Create a schedule, or replace the one of its name as a whole."""
        self._forget_moved(schedule.name)
        request = self._request(schedule, plan_ref, set_by, now)
        Group(self.group).put(request)
        for moved in _moved(request, now).values():
            Group(self.one_time_group).put(moved)
        return _stored(request)

    def get(self, name: str) -> Stored:
        """Raises ScheduleNotFound, for one that did not come through this API too."""
        return _stored(self._find(name))

    def delete(self, name: str) -> None:
        """Raises ScheduleNotFound."""
        self._forget_moved(name)
        if not Group(self.group).delete(name):
            raise _no_such_schedule(name)

    def upkeep(self, now: datetime) -> int:
        """Have every moved run of the next days started, and no other; how many schedules that took."""
        group, wanted = Group(self.one_time_group), dict[str, dict[str, Any]]()
        for name in Group(self.group).names():
            with suppress(ScheduleNotFound):  # deleted meanwhile, or put by hand
                wanted |= _moved(self._find(name), now)
        there = set(group.names(_MOVED))
        # One whose time has come may still be waiting for its moment in a window.
        stale = {name for name in there - wanted.keys() if name.rpartition(".")[2] > _stamp(now)}
        for name in stale:
            group.delete(name)
        for name in wanted.keys() - there:
            group.put(wanted[name])
        return len(stale) + len(wanted.keys() - there)

    def _find(self, name: str) -> dict[str, Any]:
        found = Group(self.group).find(name)
        if found is None:
            raise _no_such_schedule(name)
        return found

    def _forget_moved(self, name: str) -> None:
        group = Group(self.one_time_group)
        for moved in list(group.names(_moved_name(name))):
            group.delete(moved)

    def page(self, limit: int, after: str | None) -> tuple[list[str], str | None]:
        """Names of schedules, and what to send for those that follow."""
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
    """As it was asked for, but for a single time: the guide does not say what becomes of one that the clock skips."""
    parsed, _ = parse_expression(schedule.expression)
    if isinstance(parsed, At) and (runs := next_runs(schedule, datetime.min.replace(tzinfo=UTC), 1)):
        return _once(runs[0].at)
    return {"ScheduleExpression": schedule.expression, "ScheduleExpressionTimezone": schedule.time_zone}


def _once(at: datetime) -> dict[str, str]:
    return {"ScheduleExpression": f"at({at.astimezone(UTC):%Y-%m-%dT%H:%M:%S})", "ScheduleExpressionTimezone": "UTC"}


def _moved(found: dict[str, Any], now: datetime) -> dict[str, dict[str, Any]]:
    """By name, the schedules of the runs that EventBridge Scheduler leaves out of one that it was asked for."""
    timing = _stored(found).timing
    return {
        (name := f"{_moved_name(found['Name'])}{_stamp(run.at)}"): {
            "Name": name,
            **_once(run.at),
            "FlexibleTimeWindow": found["FlexibleTimeWindow"],
            "ActionAfterCompletion": "DELETE",
            "Target": found["Target"],
        }
        for run in left_out(timing, now, now + AHEAD)
    }


def _moved_name(name: str) -> str:
    """What the names of a schedule's moved runs begin with: a name has 64 letters, and may use them up itself."""
    return f"{_MOVED}{hashlib.sha256(name.encode()).hexdigest()[:32]}."


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S}"


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
        asked = Asked.model_validate(given["schedule"])
        timing = Timing.model_validate(asked.timing.model_dump())
    except (ValueError, LookupError, TypeError):
        raise _no_such_schedule(found["Name"]) from None
    return Stored(
        name=found["Name"],
        timing=timing,
        plan_ref=given.get("plan_ref"),
        baseline=given.get("baseline"),
        set_at=asked.set_at,
        set_by=asked.set_by or None,
    )


def _no_such_schedule(name: str) -> ScheduleNotFound:
    return ScheduleNotFound(f"There is no schedule {name}. Look it up with GET /schedules.")
