"""Proposes weights that pass the gates, as a plan that can be posted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routing_weights.domain import strict_json
from routing_weights.domain.actuation import resolve
from routing_weights.domain.plan import Plan, parse_plan
from routing_weights.domain.problems import problem, request_invalid
from routing_weights.errors import RoutingWeightsError
from routing_weights.projection.suggestion import OBJECTIVES, Objective, candidates

if TYPE_CHECKING:
    from routing_weights.application.ports import Connect
    from routing_weights.application.project import Projector

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

    def suggest(self, draft: Plan, objective: Objective) -> dict[str, Any]:
        """The first candidate that passes, else the first that could be projected, with the reason why it does not."""
        projector, deployed = self.projector, self.projector.deployed_actuator
        actuation = resolve(draft, deployed=deployed)
        genesys = self.connect(actuation)
        queue = genesys.with_skills_in_use(genesys.read_queue(draft.queue_id), draft.requirements)
        forecast = projector.forecast_for(draft)
        tried, best = [], None
        given = {m: w for m, w in draft.member_weights.items() if m != PLACEHOLDER}
        base = draft.model_copy(update={"member_weights": given, "normalize": False, "dry_run": True})
        joins = actuation.actuator.joins
        for what, weights in candidates(base, queue, objective, joins=joins):
            plan = base.model_copy(update={"member_weights": weights})
            one = self.connect(resolve(plan, deployed=deployed))
            try:
                target = one.target(plan, queue)
                found = projector.project(plan, queue, target, forecast, one, one.statement(plan, target, queue))
            except RoutingWeightsError as error:
                tried.append({"weights": what, "verdict": "blocked", "reason": error.message})
                continue
            verdict = found.document
            tried.append({"weights": what, "verdict": verdict["verdict"], "reason": verdict["reason"]})
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
            "projection": document,
            "tried": tried,
        }
