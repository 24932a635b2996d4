"""Projects a plan on a queue as Genesys holds it now."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.application.forecast import Forecasting
from routing_weights.application.ports import Analytics, Genesys
from routing_weights.domain.actuators import actuator_class
from routing_weights.domain.plan import Plan
from routing_weights.domain.problems import not_applicable
from routing_weights.domain.queue import Queue, Target, members_to_write, settings_by_part, settings_to_write
from routing_weights.errors import RoutingWeightsError
from routing_weights.projection.effort import effort
from routing_weights.projection.inputs import Forecast, Observed
from routing_weights.projection.outlook import Other
from routing_weights.projection.project import Projection, project
from routing_weights.settings import ProjectionSettings

logger = Logger(child=True)


@dataclass(frozen=True)
class Planner:
    """`forecasting` and `analytics` are opened when they are needed: the time that they may take begins then."""

    settings: ProjectionSettings
    forecasting: Callable[[], Forecasting]
    analytics: Callable[[], Analytics | None]

    def forecast_for(self, plan: Plan) -> Forecast:
        return self.forecasting().forecast_for(plan)

    def observed(self, plan: Plan, queue: Queue) -> Observed:
        """The queue at this moment. It takes one more request, so a dry run alone gets more than the members."""
        genesys = self.analytics() if plan.dry_run else None
        if genesys:
            try:
                return genesys.observe(plan.queue_id)
            except RoutingWeightsError as error:
                logger.warning("The queue could not be observed", reason=error.message)
        return Observed.of_members(queue, time.time())

    def others(self, plan: Plan, genesys: Genesys) -> list[Other]:
        """The queues that share agents with the plan's, as they are."""
        found, forecasting = [], self.forecasting()
        for number, shared in enumerate(plan.shared_with):
            forecast = forecasting.forecast_shared(shared)
            if forecast and not forecast.load and not forecast.volume:  # it is closed, and takes nobody's time
                continue
            if forecast is None or forecast.volume is None:
                message = f"nothing says what queue {shared.queue_id} expects: give its forecast, or push one"
                raise not_applicable(f"shared_with.{number}.forecast", message, "forecast_missing")
            queue = genesys.read_queue(shared.queue_id)
            preferred = actuator_class(self.settings.deployed_actuator).orders_queues
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
    ) -> Projection:
        """What `plan` does to `queue`, with the effort that it takes."""
        found = project(
            plan,
            queue,
            target,
            forecast,
            rankings=genesys.rankings(queue, target),
            own_goal=genesys.service_goal(queue),
            limits=self.settings.limits,
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
        found.document["effort"] = asdict(
            effort(
                members=len(queue.members),
                writes=math.ceil(len(changes) / genesys.per_write),
                sets_queue=sum(map(bool, settings_by_part(target, queue).values())),
                requests_per_minute=self.settings.requests_per_minute * (1 - self.settings.reserved_for_others),
            )
        )
        return found
