"""A valid schedule, and how it is read from JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from routing_weights.domain import strict_json
from routing_weights.domain.plan import LONGEST, SHORTEST, Plan, parse_plan
from routing_weights.domain.problems import Location, Problem, as_sentence, listed, problem, problems_of
from routing_weights.domain.revert import BaselineName
from routing_weights.domain.schedule.calendar import MOST_RUNS, next_runs
from routing_weights.domain.schedule.clock import MINUTE, TIME_OF_DAY, expiry_of, known_expiry, known_zone
from routing_weights.domain.schedule.expression import FIRST_YEAR, LAST_YEAR, parse_expression
from routing_weights.domain.schedule.timing import TimingFields
from routing_weights.domain.types import Name
from routing_weights.errors import PlanInvalid, ScheduleInvalid


class Timing(TimingFields):
    """When a schedule runs. Every field is checked, and how the fields fit together."""

    @field_validator("expression")
    @classmethod
    def _is_known(cls, text: str) -> str:
        _, wrong = parse_expression(text)
        if wrong:
            raise ValueError("; ".join(wrong))
        return text

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        return known_zone(name)

    @field_validator("start", "end")
    @classmethod
    def _fits_the_expression(cls, instant: datetime | None, info: ValidationInfo) -> datetime | None:
        kind = str(info.data.get("expression", "")).partition("(")[0]
        if instant is None:
            if kind == "rate" and info.field_name == "start":
                raise ValueError("a rate counts from start: send it")
        elif not FIRST_YEAR < instant.year < LAST_YEAR:
            raise ValueError(f"must be in the years {FIRST_YEAR + 1} to {LAST_YEAR - 1}")
        elif kind == "at":
            raise ValueError("at(...) is one time already: leave start and end out")
        elif info.field_name == "end" and (start := info.data.get("start")) and instant <= start:
            raise ValueError("must be after start")
        return instant

    @field_validator("until")
    @classmethod
    def _is_a_time(cls, text: str | None, info: ValidationInfo) -> str | None:
        expiry = None if text is None else known_expiry(text)
        repeats = not str(info.data.get("expression", "at(")).startswith("at(")
        if expiry and repeats and not TIME_OF_DAY.fullmatch(expiry):
            raise ValueError("a schedule that runs again needs a time of day, such as 17:00, instead of an instant")
        return expiry


class Schedule(Timing):
    """A plan, or the revert to a baseline, at the times of an expression."""

    name: Name
    plan: Plan | None = Field(default=None, description="A whole plan. Send it or baseline.")
    baseline: BaselineName | None = Field(default=None, description="The baseline to revert to. Send it or plan.")

    @property
    def queues_named(self) -> tuple[str, ...]:
        """The queue of the schedule, and those whose load its plan counts."""
        return (*(self.plan.queues_named if self.plan else ()), *((self.baseline.queue_id,) if self.baseline else ()))


@dataclass(frozen=True)
class StoredSchedule:
    """A schedule as EventBridge Scheduler holds it."""

    name: str
    timing: Timing
    plan_ref: str | None
    """None if the schedule has a baseline."""
    baseline: BaselineName | None
    set_at: str
    set_by: str | None


def parse_schedule(name: str, raw: str | bytes) -> Schedule:
    """Read a schedule from JSON text.

    Raises:
        ScheduleInvalid: the details have every problem with its path, those of the plan included.
    """
    document, problems = strict_json.load(raw)
    if any(entry["type"] in {"json_invalid", "body_too_large"} for entry in problems):
        raise _invalid(problems)
    if not isinstance(document, dict):
        raise _invalid([problem("", "the body must be an object", "dict_type")])
    timing = {key: value for key, value in document.items() if key != "plan"}
    if timing.setdefault("name", name) != name:
        problems.append(problem("name", "differs from the name in the path: leave it out", "name_mismatch"))
    plan, plan_problems = _plan(document)
    problems += plan_problems
    try:
        schedule = Schedule.model_validate(timing | {"name": name, "plan": plan})
    except ValidationError as error:
        problems += _each_of_the_expression(problems_of(error, _in_words), document.get("expression"))
    if problems:
        raise _invalid(problems)
    return schedule


def _plan(document: Mapping[str, Any]) -> tuple[Plan | None, list[Problem]]:
    """The plan of a schedule's document, with its problems. None: it has a baseline, or the plan is not valid."""
    plan = document.get("plan")
    if (plan is None) == (document.get("baseline") is None):
        return None, [problem("plan", "send either plan or baseline", "plan_or_baseline")]
    if plan is None:
        return None, []
    if isinstance(plan, dict) and plan.get("until") is not None:
        message = "belongs beside the plan, as until of the schedule: each run expires at its own time"
        return None, [problem("plan.until", message, "until_misplaced")]
    try:
        return parse_plan(json.dumps(plan)), []
    except PlanInvalid as invalid:
        entries = invalid.details["errors"]
        return None, [entry | {"path": f"plan.{entry['path']}".rstrip(".")} for entry in entries]


def _in_words(location: Location, message: str, kind: str) -> tuple[Location, str, str]:
    return location, "1 to 64 letters, digits, '-' and '_'" if kind == "string_pattern_mismatch" else message, kind


def _each_of_the_expression(problems: list[Problem], expression: Any) -> list[Problem]:
    """The problems, with one problem for each thing that is wrong with the expression."""
    each: list[Problem] = []
    for entry in problems:
        if (entry["path"], entry["type"]) == ("expression", "value_error"):
            each += [problem("expression", wrong, "value_error") for wrong in parse_expression(expression)[1]]
        else:
            each.append(entry)
    return each


def _invalid(problems: list[Problem]) -> ScheduleInvalid:
    return ScheduleInvalid(as_sentence(problems, "schedule"), **listed(problems))


def require_runs(schedule: Timing, now: datetime) -> None:
    """The schedule has a run to come, and each of the next 1,000 expires before the next one begins.

    Raises:
        ScheduleInvalid: it does not.
    """
    runs = next_runs(schedule, now, MOST_RUNS if schedule.until else 1)
    if not runs:
        message = f"{schedule.expression} has no run from now on"
        raise _invalid([problem("expression", f"{message}: check the day, the year, and end", "never_runs")])
    for run, following in zip_longest(runs, runs[1:]):
        expiry = expiry_of(schedule, run.at)
        if expiry is None:
            return
        lasts, late = expiry.astimezone(UTC) - run.at.astimezone(UTC), schedule.window_minutes + 1
        subject = f"the run of {run.at.isoformat()} would expire at {expiry.isoformat()}"
        if lasts <= timedelta(0):
            message = f"{subject}, before it begins: name a later time"
        elif lasts < late * MINUTE + SHORTEST:
            message = f"{subject}, and may begin {late} min late: name a later time, or a smaller window_minutes"
        elif lasts > LONGEST:
            message = f"{subject}, more than {LONGEST.days} days later: name an earlier time"
        elif following is not None and expiry.astimezone(UTC) >= following.at.astimezone(UTC):
            begins = f"the run of {following.at.isoformat()} has begun"
            message = f"{subject}, when {begins}: name an earlier time, or run less often"
        else:
            continue
        raise _invalid([problem("until", message, "time_invalid")])
