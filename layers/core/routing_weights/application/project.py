"""Projects a plan on a queue as Genesys holds it now, and proposes another one."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.forecast_table import Forecasts
from routing_weights.application.forecast import Forecasting
from routing_weights.application.ports import Genesys
from routing_weights.bootstrap import analytics, contract
from routing_weights.domain import strict_json
from routing_weights.domain.actuation import not_applicable, resolve
from routing_weights.domain.plan import Plan, parse_plan
from routing_weights.domain.problems import problem, request_invalid
from routing_weights.domain.queue import Queue, Target, members_to_write, settings_by_part, settings_to_write
from routing_weights.domain.run import Run
from routing_weights.errors import RoutingWeightsError
from routing_weights.projection.effort import effort
from routing_weights.projection.inputs import Forecast, Observed
from routing_weights.projection.outlook import Other
from routing_weights.projection.report import Limits, Report, report
from routing_weights.projection.suggestion import OBJECTIVES, Objective, candidates
from routing_weights.settings import ProjectionSettings

logger = Logger(child=True)

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
class Planner:
    settings: ProjectionSettings
    context: Any
    run: Run

    def forecast_for(self, plan: Plan) -> Forecast:
        return self._forecasting().forecast_for(plan)

    def _forecasting(self) -> Forecasting:
        settings = self.settings
        stored = Forecasts(settings.forecast_table, settings.default_projected_load)
        genesys = analytics(settings, self.context, self.run)
        sources, unit, age_s = settings.forecast_sources, settings.wfm_business_unit, settings.forecast_max_age_s
        return Forecasting(sources, stored, genesys, unit, age_s)

    def observed(self, plan: Plan, queue: Queue) -> Observed:
        """The queue at this moment. It takes one more request, so a dry run alone gets more than the members."""
        genesys = analytics(self.settings, self.context, self.run) if plan.dry_run else None
        if genesys:
            try:
                return genesys.observe(plan.queue_id)
            except RoutingWeightsError as error:
                logger.warning("The queue could not be observed", reason=error.message)
        return Observed.of_members(queue, time.time())

    def others(self, plan: Plan, genesys: Genesys) -> list[Other]:
        """The queues that share agents with the plan's, as they are."""
        found, forecasting = [], self._forecasting()
        for number, shared in enumerate(plan.shared_with):
            forecast = forecasting.forecast_shared(shared)
            if forecast and not forecast.load and not forecast.volume:  # it is closed, and takes nobody's time
                continue
            if forecast is None or forecast.volume is None:
                message = f"nothing says what queue {shared.queue_id} expects: give its forecast, or push one"
                raise not_applicable(f"shared_with.{number}.forecast", message, "forecast_missing")
            queue = genesys.read_queue(shared.queue_id)
            preferred = self.settings.deployed_actuator == "score"  # no other actuator says which queue goes first
            weights = {m.user_id: (m.weight or 0.0) if preferred else 0.0 for m in queue.members if m.active}
            found.append(Other(shared.queue_id, forecast, weights))
        return found

    def project(
        self,
        plan: Plan,
        queue: Queue,
        target: Target,
        forecast: Forecast,
        genesys: Genesys,
        statement: Mapping[str, Any],
    ) -> Report:
        """What `plan` does to `queue`, with the effort that it takes."""
        limits = Limits(self.settings.saturation_limit, self.settings.max_abandonment, self.settings.required_gates)
        found = report(
            plan,
            queue,
            target,
            forecast,
            rankings=genesys.rankings(queue, target),
            own_target=genesys.service_target(queue),
            limits=limits,
            overflow_gate=statement["overflow"] == "gate",
            others=self.others(plan, genesys),
            without_effect=statement["without_effect"],
        )
        found.document["observed"] = asdict(self.observed(plan, queue))
        changes = members_to_write(target, queue, raise_first=genesys.raise_first)
        settings = settings_to_write(target, queue)
        found.document["diff"] = {
            "settings": [
                {"setting": name, "before": queue.settings.get(name), "after": value}
                for name, value in settings.items()
            ],
            "members": [
                {
                    "member": member.user_id,
                    "before": member.weight,
                    "after": target.weights[member.user_id],
                    "value_before": member.value,
                    "value_after": target.values[member.user_id],
                }
                for member in changes
            ],
        }
        found.document["effort"] = effort(
            members=len(queue.members),
            writes=math.ceil(len(changes) / genesys.per_write),
            sets_queue=sum(map(bool, settings_by_part(target, queue).values())),
            requests_per_minute=self.settings.requests_per_minute * (1 - self.settings.reserved_for_others),
        )
        return found

    def suggest(self, draft: Plan, objective: Objective) -> dict[str, Any]:
        """The first candidate that passes; else the first one that could be projected, with what speaks against it."""
        deployed = self.settings.deployed_actuator
        actuation = resolve(draft, deployed=deployed)
        genesys = contract(self.settings, self.context, self.run, actuation)
        queue = genesys.with_skills_in_use(genesys.read_queue(draft.queue_id), draft.requirements)
        forecast = self.forecast_for(draft)
        tried, best = [], None
        given = {m: w for m, w in draft.member_weights.items() if m != PLACEHOLDER}
        base = draft.model_copy(update={"member_weights": given, "normalize": False, "dry_run": True})
        joins = actuation.actuator.name == "joined"
        for what, weights in candidates(base, queue, objective, joins=joins):
            plan = base.model_copy(update={"member_weights": weights})
            one = contract(self.settings, self.context, self.run, resolve(plan, deployed=deployed))
            try:
                target = one.target(plan, queue)
                found = self.project(plan, queue, target, forecast, one, one.statement(plan, target, queue))
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
