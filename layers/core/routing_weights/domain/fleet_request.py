"""The request that starts a fleet. It is not trusted."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from routing_weights.domain import strict_json
from routing_weights.domain.fleet import MAX_PLANS, FleetOptions
from routing_weights.domain.plan import Plan, check_plan
from routing_weights.domain.problems import Problem, as_sentence, listed, problem, problems_of
from routing_weights.errors import FleetInvalid

MAX_BODY_BYTES = 6_291_456
"""What a function can receive. Larger fleets are uploaded."""
MAX_UPLOAD_BYTES = 67_108_864
"""64 MiB."""
MOST_IN_A_CAUSE = 20
UPLOAD_ID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
OF_ONE_PLAN = ("queue_id", "member_weights", "restores")
"""The fields that plans cannot share."""
_ANY_PLAN = {
    "queue_id": "queue",
    "member_weights": {"member": 0},
    "overflow_threshold": 0,
    "utilization_target": 0,
    "strategy_reference": "by-weight",
}
"""A valid plan, to try defaults on."""


class FleetRequest(BaseModel):
    """Many plans in one submission: in the request, or in a file that was uploaded before."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    plans: list[Any] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_PLANS,
        description="The plans, at most one for each queue. In their order they are divided into waves.",
    )
    upload: Annotated[str, StringConstraints(pattern=UPLOAD_ID, strict=True)] | None = Field(
        default=None, description="The `upload_id` of POST /fleets/uploads, instead of plans."
    )
    defaults: dict[str, Any] = Field(
        default_factory=dict,
        description="Fields of every plan that does not have them itself: any except queue_id, member_weights and "
        "restores.",
    )
    options: FleetOptions = FleetOptions()


def parse_request(raw: str | bytes) -> tuple[FleetRequest, list[Problem]]:
    """The request, and the problems that reading the JSON of its `plans` has found.

    Raises:
        FleetInvalid: with every problem outside of `plans`.
    """
    document, hidden = strict_json.load(raw, MAX_BODY_BYTES)
    of_plans = [found for found in hidden if found["path"].startswith("plans.")]
    problems = [found for found in hidden if not found["path"].startswith("plans.")]
    if document is None and problems:
        raise fleet_invalid(problems)
    try:
        request = FleetRequest.model_validate(document)
    except ValidationError as error:
        raise fleet_invalid(problems + problems_of(error)) from error
    if (request.plans is None) is (request.upload is None):
        problems.append(problem("plans", "send either plans, or the id of an upload", "plans_or_upload"))
    problems += _of_defaults(request.defaults)
    if problems:
        raise fleet_invalid(problems)
    return request, of_plans


def fleet_invalid(problems: Sequence[Problem], count: int | None = None) -> FleetInvalid:
    """The refusal. `count` is the number of all problems, if `problems` are the first ones."""
    details = listed(problems) | ({"error_count": count} if count is not None else {})
    more = details["error_count"] - len(problems)
    return FleetInvalid(as_sentence(problems, "fleet", more), **details)


def for_a_cause(refusal: FleetInvalid) -> FleetInvalid:
    """The refusal with fewer problems: the cause of a failed state has at most 32,768 characters."""
    return fleet_invalid(refusal.details["errors"][:MOST_IN_A_CAUSE], refusal.details["error_count"])


def _of_defaults(defaults: dict[str, Any]) -> list[Problem]:
    """The problems of the defaults themselves: on a plan they would be found once for each."""
    wrong = [name for name in defaults if name in OF_ONE_PLAN or name not in Plan.model_fields]
    message = "this is not a field that plans can share"
    problems = [problem(f"defaults.{name[:80]}", message, "extra_forbidden") for name in wrong]
    shared = {name: value for name, value in defaults.items() if name not in wrong}
    _, found = check_plan(_ANY_PLAN | shared)
    return problems + [{**one, "path": f"defaults.{one['path']}"} for one in found]
