"""The guard of a plan that was made from what was in force: it is not to replace what its author has not seen."""

from routing_weights.domain.plan import NO_DISTRIBUTION, Plan
from routing_weights.domain.record import RunSummary
from routing_weights.errors import Outdated


def require_based_on(plan: Plan, last: RunSummary | None) -> None:
    """Raise Outdated if the plan is based on another distribution than the queue's last completed one."""
    in_force = last.distribution_id if last else NO_DISTRIBUTION
    if plan.based_on in {None, in_force}:
        return
    if last is None:
        message = f"No distribution has been applied to queue {plan.queue_id}, so the plan cannot be based on one."
        raise Outdated(f"{message} Send it with based_on: {NO_DISTRIBUTION}.", path="based_on", in_force=in_force)
    why, reason = (f" ({last.reason})", {"reason": last.reason}) if last.reason else ("", {})
    raise Outdated(
        f"{last.by} has applied distribution {in_force} to queue {plan.queue_id} at {last.timestamp}{why}, and this "
        f"plan was made before that, from {_base(plan)}. Look at both, then send the plan with based_on: {in_force}.",
        path="based_on",
        in_force=in_force,
        applied_by=last.by,
        applied_at=last.timestamp,
        **reason,
    )


def _base(plan: Plan) -> str:
    return "what Genesys held" if plan.based_on == NO_DISTRIBUTION else f"distribution {plan.based_on}"
