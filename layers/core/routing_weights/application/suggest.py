"""Proposes weights that pass the gates, and for shares a hold time, as a plan that can be posted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routing_weights.application.project import beside_shares
from routing_weights.domain import strict_json
from routing_weights.domain.actuation import resolve
from routing_weights.domain.plan import Plan, parse_plan
from routing_weights.domain.problems import problem, request_invalid
from routing_weights.errors import RoutingWeightsError
from routing_weights.projection.suggestion import OBJECTIVES, Objective, candidates

if TYPE_CHECKING:
    from routing_weights.application.ports import Connect, Shares
    from routing_weights.application.project import Projector
    from routing_weights.domain.queue import Queue
    from routing_weights.projection.attainable import Proposal
    from routing_weights.projection.inputs import Forecast
    from routing_weights.projection.project import Projection

PLACEHOLDER = "anybody"
"""Stands for the weights of a draft that names none, while the queue is read."""


def draft_of(text: str | bytes) -> tuple[Plan, Objective]:
    """A plan that may lack `member_weights`, and what to optimise (`equal_occupancy` where the text does not say).

    Raises:
        PlanInvalid: as for a plan.
        RequestInvalid: no such objective.
    """
    document, problems = strict_json.load(text)
    if problems or not isinstance(document, dict):
        return parse_plan(text), OBJECTIVES[-1]  # which says what is wrong
    objective = document.pop("objective", "equal_occupancy")
    if objective not in OBJECTIVES:
        message = f"objective is one of {', '.join(OBJECTIVES)}"
        raise request_invalid(problem("objective", message, "objective_unknown"))
    if not document.get("member_weights"):
        document["member_weights"] = {PLACEHOLDER: 0.0}
    document.setdefault("normalize", True)
    return parse_plan(json.dumps(document)), objective


@dataclass(frozen=True)
class Suggest:
    projector: Projector
    connect: Connect
    shares: Shares

    def suggest(self, draft: Plan, objective: Objective) -> dict[str, Any]:
        """The first candidate that passes, else the first that could be projected, with the reason why it does not."""
        projector, deployed = self.projector, self.projector.deployed_actuator
        actuation = resolve(draft, deployed=deployed)
        genesys = self.connect(actuation)
        queue = genesys.with_skills_in_use(genesys.read_queue(draft.queue_id), draft.requirements)
        forecast = projector.forecast_for(draft)
        tried: list[dict[str, Any]] = []
        best: tuple[Plan, dict[str, Any]] | None = None
        hold: Proposal | None = None
        given = {m: w for m, w in draft.member_weights.items() if m != PLACEHOLDER}
        base = draft.model_copy(update={"member_weights": given, "normalize": False, "dry_run": True})
        joins = actuation.actuator.joins
        for what, weights in candidates(base, queue, objective, joins=joins):
            plan = base.model_copy(update={"member_weights": weights})
            try:
                plan, verdict, hold = self._projected(plan, queue, forecast, hold)
            except RoutingWeightsError as error:
                tried.append({"weights": what, "verdict": "blocked", "reason": error.message})
                continue
            tried.append(
                {
                    "weights": f"{what}, and {hold.options}" if hold else what,
                    "verdict": verdict["verdict"],
                    "reason": verdict["reason"],
                }
            )
            if best is None or verdict["verdict"] == "pass":
                best = (plan, verdict)
            if verdict["verdict"] == "pass":
                break
        if best is None:
            message = (
                "no active member could be given a weight: bring agents on queue, send staffing joined for a later "
                "time, or loosen required_skills"
            )
            raise request_invalid(problem("queue_id", message, "nobody_to_suggest"))
        plan, document = best
        ready = plan.model_copy(update={"dry_run": draft.dry_run})
        return {
            "objective": objective,
            "passes": document["verdict"] == "pass",
            "plan": ready.model_dump(mode="json", exclude_defaults=True),
            "hold": hold and {**hold.options.model_dump(), "why": hold.why},
            "projection": document,
            "tried": tried,
        }

    def _projected(
        self, plan: Plan, queue: Queue, forecast: Forecast, hold: Proposal | None
    ) -> tuple[Plan, dict[str, Any], Proposal | None]:
        """Project the plan with a hold time. If there is none yet, take what the frontier of the plan proposes."""
        if hold:
            plan = plan.model_copy(update={"share": hold.options})
            return plan, self._project(plan, queue, forecast, frontier=False).document, hold
        projection = self._project(plan, queue, forecast, frontier=True)
        outlook = projection.outlook
        shares = outlook.shares if outlook else None
        if outlook is None or shares is None or (hold := shares.proposed(outlook.goal.service_level)) is None:
            return plan, projection.document, None
        if hold.options == shares.options:
            return plan, projection.document, hold
        plan, document, _ = self._projected(plan, queue, forecast, hold)
        document["models"]["simulation"]["shares"]["frontier"] = shares.to_json()["frontier"]
        return plan, document, hold

    def _project(self, plan: Plan, queue: Queue, forecast: Forecast, *, frontier: bool) -> Projection:
        actuation = resolve(plan, deployed=self.projector.deployed_actuator)
        genesys = self.connect(actuation)
        target = genesys.target(plan, queue)
        statement = beside_shares(genesys.statement(plan, target, queue), plan, actuation, queue, self.shares)
        return self.projector.project(plan, queue, target, forecast, genesys, statement, frontier=frontier)
