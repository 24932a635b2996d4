"""Named plans: a plan that is kept under a name of its queue, and what each application of it may say."""

from dataclasses import dataclass

from pydantic import Field

from routing_weights.domain import strict_json
from routing_weights.domain.plan import Plan, check_plan, plan_invalid
from routing_weights.domain.problems import Problem, problem
from routing_weights.domain.revert import RevertOptions

OF_THE_PATH, OF_THE_SYSTEM = "queue_id", "restores"
OF_A_RUN = frozenset({"dry_run", "until", "based_on", "wait_for_lock_s", "requested_by"})
"""The fields of a plan that are about one run. `reason` and `require_approval` are kept unless a run says otherwise."""
NOT_SAVED = OF_A_RUN | {OF_THE_PATH, OF_THE_SYSTEM}


class ApplyOptions(RevertOptions):
    """What a person may say of one run of a named plan."""

    require_approval: bool = Field(default=False, description="Waits for approval, also if the named plan does not.")


@dataclass(frozen=True)
class NamedPlan:
    """A plan of a queue under a name, as it was saved last."""

    queue_id: str
    name: str
    version: str
    """Another one after each change. It is never used again, also not after the plan was deleted."""
    plan_ref: str
    """Where the plan is kept: see Plans.keep_plan."""
    members: int
    saved_at: str
    """RFC 3339 in UTC."""
    saved_by: str | None = None
    """The caller, as the gateway verified it."""
    saved_by_name: str | None = None

    @property
    def by(self) -> str:
        return self.saved_by_name or self.saved_by or "somebody"


def plan_to_save(raw: str | bytes, queue_id: str) -> Plan:
    """Read the plan that is to be saved for a queue, with the code that reads every plan.

    Raises:
        PlanInvalid: with every problem at once, each with its path.
    """
    document, problems = strict_json.load(raw)
    if document is None and problems:
        raise plan_invalid(problems)
    if not isinstance(document, dict):
        raise plan_invalid(check_plan(document)[1])
    problems += [_not_saved(name) for name in document if name in NOT_SAVED]
    kept = {name: value for name, value in document.items() if name not in NOT_SAVED}
    plan, wrong = check_plan({**kept, "queue_id": queue_id})
    if plan is None or problems:
        raise plan_invalid(problems + wrong)
    return plan


def _not_saved(name: str) -> Problem:
    message = {
        OF_THE_PATH: "the path of the request says the queue: leave it out",
        OF_THE_SYSTEM: "a named plan has weights; to name a state of the queue, set a baseline",
    }
    return problem(name, message.get(name, "about one run, not about the plan: say it when you apply it"), "not_saved")
