"""What a valid schedule is."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from routing_weights.domain import strict_json
from routing_weights.domain.plan import LONGEST_WHILE, SHORTEST_WHILE, Plan, parse_plan
from routing_weights.domain.problems import Location, Problem, as_sentence, listed, problem, problems_of
from routing_weights.domain.schedule.calendar import MOST_RUNS, next_runs
from routing_weights.domain.schedule.clock import MINUTE, TIME_OF_DAY, end_of_run, known_zone, over_at
from routing_weights.domain.schedule.expression import FIRST_YEAR, LAST_YEAR, parse_expression
from routing_weights.domain.schedule.timing import BaselineName, TimingFields
from routing_weights.domain.types import Name
from routing_weights.errors import PlanInvalid, ScheduleInvalid


class Timing(TimingFields):
    """When a schedule runs, checked."""

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
    def _fits_the_expression(cls, moment: datetime | None, info: ValidationInfo) -> datetime | None:
        kind = str(info.data.get("expression", "")).partition("(")[0]
        if moment is None:
            if kind == "rate" and info.field_name == "start":
                raise ValueError("a rate counts from start: send it")
        elif not FIRST_YEAR < moment.year < LAST_YEAR:
            raise ValueError(f"must be in the years {FIRST_YEAR + 1} to {LAST_YEAR - 1}")
        elif kind == "at":
            raise ValueError("at(...) is one time already: leave start and end out")
        elif info.field_name == "end" and (start := info.data.get("start")) and moment <= start:
            raise ValueError("must be after start")
        return moment

    @field_validator("until")
    @classmethod
    def _is_a_time(cls, text: str | None, info: ValidationInfo) -> str | None:
        end = None if text is None else end_of_run(text)
        repeats = not str(info.data.get("expression", "at(")).startswith("at(")
        if end and repeats and not TIME_OF_DAY.fullmatch(end):
            raise ValueError("a schedule that runs again needs a time of day, such as 17:00, instead of an instant")
        return end


class Schedule(Timing):
    """A plan, or the return to a baseline, at times that an expression names."""

    name: Name
    plan: Plan | None = Field(default=None, description="A whole plan. Send it or baseline.")
    baseline: BaselineName | None = Field(default=None, description="Which baseline to put back. Send it or plan.")


def parse_schedule(name: str, raw: str | bytes) -> Schedule:
    """Read a schedule from JSON text.

    Raises:
        ScheduleInvalid: with every problem at once, those of its plan among them, each with its path.
    """
    document, problems = strict_json.load(raw)
    if any(found["type"] in {"json_invalid", "body_too_large"} for found in problems):
        raise _invalid(problems)
    if not isinstance(document, dict):
        raise _invalid([problem("", "the body must be an object", "dict_type")])
    timing = {key: value for key, value in document.items() if key != "plan"}
    if timing.setdefault("name", name) != name:
        problems.append(problem("name", "differs from the name in the path: leave it out", "name_mismatch"))
    plan, of_plan = _plan(document)
    problems += of_plan
    try:
        schedule = Schedule.model_validate(timing | {"name": name, "plan": plan})
    except ValidationError as error:
        problems += _each_of_the_expression(problems_of(error, _in_words), document.get("expression"))
    if problems:
        raise _invalid(problems)
    return schedule


def _plan(document: Mapping[str, Any]) -> tuple[Plan | None, list[Problem]]:
    """The plan of a schedule's document, None where it has a baseline or the plan is not valid."""
    plan = document.get("plan")
    if (plan is None) == (document.get("baseline") is None):
        return None, [problem("plan", "send either plan or baseline", "plan_or_baseline")]
    if plan is None:
        return None, []
    if isinstance(plan, dict) and plan.get("until") is not None:
        message = "belongs beside the plan, as until of the schedule: each run has an end of its own"
        return None, [problem("plan.until", message, "until_misplaced")]
    try:
        return parse_plan(json.dumps(plan)), []
    except PlanInvalid as invalid:
        found = invalid.details["errors"]
        return None, [entry | {"path": f"plan.{entry['path']}".rstrip(".")} for entry in found]


def _in_words(location: Location, message: str, kind: str) -> tuple[Location, str, str]:
    return location, "1 to 64 letters, digits, '-' and '_'" if kind == "string_pattern_mismatch" else message, kind


def _each_of_the_expression(problems: list[Problem], expression: Any) -> list[Problem]:
    """The problems; each thing that is wrong with the expression is a problem of its own."""
    each: list[Problem] = []
    for found in problems:
        if (found["path"], found["type"]) == ("expression", "value_error"):
            each += [problem("expression", wrong, "value_error") for wrong in parse_expression(expression)[1]]
        else:
            each.append(found)
    return each


def _invalid(problems: list[Problem]) -> ScheduleInvalid:
    return ScheduleInvalid(as_sentence(problems, "schedule"), **listed(problems))


def require_runs(schedule: Timing, now: datetime) -> None:
    """Raise ScheduleInvalid where no run is to come, or one of the next 1,000 is not over before the next begins."""
    runs = next_runs(schedule, now, MOST_RUNS if schedule.until else 1)
    if not runs:
        message = f"{schedule.expression} has no run from now on"
        raise _invalid([problem("expression", f"{message}: check the day, the year, and end", "never_runs")])
    for run, following in zip_longest(runs, runs[1:]):
        over = over_at(schedule, run.at)
        if over is None:
            return
        lasts, late = over.astimezone(UTC) - run.at.astimezone(UTC), schedule.window_minutes + 1
        said = f"the run of {run.at.isoformat()} would be over at {over.isoformat()}"
        if lasts <= timedelta(0):
            message = f"{said}, before it has begun: name a later time"
        elif lasts < late * MINUTE + SHORTEST_WHILE:
            message = f"{said}, and may begin {late} min late: name a later time, or a smaller window_minutes"
        elif lasts > LONGEST_WHILE:
            message = f"{said}, more than {LONGEST_WHILE.days} days later: name an earlier time"
        elif following is not None and over.astimezone(UTC) >= following.at.astimezone(UTC):
            message = (
                f"{said}, when that of {following.at.isoformat()} has begun: name an earlier time, or run less often"
            )
        else:
            continue
        raise _invalid([problem("until", message, "time_invalid")])
