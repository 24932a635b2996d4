"""Project: decides what a run will do, once for all later states, and says what it will do to the queue."""

import math
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.application.expire import expired_with, require_time_left
from routing_weights.application.forecast import Forecasting
from routing_weights.application.ports import Analytics, Connect, Documents, Genesys, Shares, SkillOwners, Trail
from routing_weights.domain.actuation import Actuation, Statement, as_kept, resolve
from routing_weights.domain.actuators import ActuatorName, actuator_class
from routing_weights.domain.actuators.base import ContractName
from routing_weights.domain.approval import Ask, Gate
from routing_weights.domain.decision import Decision, Image, Work
from routing_weights.domain.effort import Prices
from routing_weights.domain.images import (
    images_of,
    kept_before,
    require_as_applied,
    require_based_on,
    require_known_drift,
    target_of,
)
from routing_weights.domain.neighbours import NONE, Neighbours
from routing_weights.domain.plan import Plan
from routing_weights.domain.problems import not_applicable
from routing_weights.domain.queue import Queue, require_members
from routing_weights.domain.run import Run
from routing_weights.domain.target import (
    Target,
    diff,
    image,
    in_groups,
    members_to_write,
    settings_by_part,
    unsettled,
)
from routing_weights.domain.verify import decimals_kept
from routing_weights.errors import ForecastMissing, RoutingWeightsError, StoreUnavailable
from routing_weights.projection.checks import Limits
from routing_weights.projection.effort import expected
from routing_weights.projection.inputs import Forecast, Observed
from routing_weights.projection.outlook import Draws, Other
from routing_weights.projection.project import Projection, project

logger = Logger(child=True)


@dataclass(frozen=True)
class Projector:
    """Projects plans on queues. It writes nothing, so that a suggestion can try one plan after another."""

    forecasting: Callable[[], Forecasting]
    analytics: Callable[[], Analytics | None]
    """Both are opened when they are needed, since the time that they may take begins then."""
    limits: Limits
    deployed_actuator: ActuatorName
    requests_per_minute: float
    """The part of the request budget that distributions may use; 0 if nothing is paced."""
    concurrent_writes: int
    prices: Prices
    standings_s: float | None
    """For actuator share: how old a reading of the agents' standings may be. 0: events say each change. None: none."""
    draw_limit: int
    wall_clock: Callable[[], float]

    def forecast_for(self, plan: Plan, neighbours: Neighbours = NONE) -> Forecast:
        """The forecast of the plan's queue, with what its agents carry for the neighbours.

        A neighbour that the plan's `shared_with` names too is counted as a neighbour only. What the plan states of its
        load counts if the neighbour's own plan states nothing.
        """
        stated = {shared.queue_id: shared.forecast for shared in plan.shared_with}
        return self.forecasting().forecast_for(plan, neighbours.with_stated(stated))

    def project(
        self,
        plan: Plan,
        queue: Queue,
        target: Target,
        forecast: Forecast,
        genesys: Genesys,
        statement: Statement,
        *,
        frontier: bool = True,
    ) -> Projection:
        """What `plan` does to `queue`, and the requests, the time and the dollars that it is expected to take."""
        projection = project(
            plan,
            queue,
            target,
            forecast,
            rankings=genesys.rankings(queue, target),
            own_goal=genesys.service_goal(queue),
            limits=self.limits,
            overflow_gate=statement["overflow"] == "gate",
            draws=Draws(self.standings_s, self.draw_limit),
            frontier=frontier,
            others=self._others(plan, genesys, {each.queue_id for each in forecast.carried}),
            without_effect=statement["without_effect"],
        )
        changes = members_to_write(target, queue, raise_first=genesys.raise_first)
        parts, groups = settings_by_part(target, queue), in_groups(target, changes)
        needs = expected(
            members=len(queue.members),
            changed=len(changes),
            writes=sum(math.ceil(len(group) / genesys.per_write) for group in groups),
            sets_queue=sum(map(bool, parts.values())),
            settings_last=bool(parts["last"]),
            reads_between=target.joins and len(groups) > 1,
            concurrent_writes=self.concurrent_writes,
            requests_per_minute=self.requests_per_minute,
            prices=self.prices,
        )
        more = {
            "observed": asdict(self.observed(plan, queue)),
            "diff": diff(target, queue, [member.user_id for member in changes]),
            "expected": asdict(needs),
        }
        return replace(projection, document=projection.document | more)

    def observed(self, plan: Plan, queue: Queue) -> Observed:
        """The queue at this moment. Only a dry run spends a request on it; other runs count the members."""
        analytics = self.analytics() if plan.dry_run else None
        if analytics:
            try:
                return analytics.observe(plan.queue_id)
            except RoutingWeightsError as error:
                logger.warning("The queue could not be observed", reason=error.message)
        return Observed.of_members(queue, self.wall_clock())

    def _others(self, plan: Plan, genesys: Genesys, carried: AbstractSet[str]) -> list[Other]:
        """The queues that share agents with the plan's, as they are. Those that are `carried` count already."""
        others, forecasting = [], self.forecasting()
        for number, shared in enumerate(plan.shared_with):
            if shared.queue_id in carried:
                continue
            forecast = forecasting.forecast_shared(shared)
            if forecast and not forecast.load and not forecast.volume:  # it is closed, and takes nobody's time
                continue
            if forecast is None or forecast.volume is None:
                message = f"nothing says what queue {shared.queue_id} expects: give its forecast, or push one"
                raise not_applicable(f"shared_with.{number}.forecast", message, "forecast_missing")
            queue = genesys.read_queue(shared.queue_id)
            preferred = actuator_class(self.deployed_actuator).orders_queues
            weights = {m.user_id: (m.weight or 0.0) if preferred else 0.0 for m in queue.members if m.active}
            others.append(Other(shared.queue_id, forecast, weights))
        return others


@dataclass(frozen=True)
class Projected:
    writes: int
    """Members to write."""
    settings_last: bool
    """Settings of the queue are written after the members, too."""
    approval: Ask

    def to_json(self) -> dict[str, Any]:
        return {"writes": self.writes, "settings_last": self.settings_last, "approval": self.approval.to_json()}


@dataclass(frozen=True)
class Project:
    documents: Documents
    trail: Trail
    skills: SkillOwners
    shares: Shares
    connect: Connect
    projector: Projector
    contract: ContractName
    utc_now: Callable[[], datetime]
    gate: Gate

    def project(self, run: Run) -> Projected:
        """Read the queue, decide, keep the before-image, and project. Nothing is written to Genesys.

        Raises:
            PlanNotApplicable: the plan does not fit the queue.
            Superseded: the plan is an expiry, and another distribution has been applied since.
            Outdated: another distribution has been applied than the one that the plan is based on.
            SaturationBlocked, ApprovalRequired, ProjectionInconclusive: a gate does not pass, or nobody can approve.
        """
        plan = self._plan(run)
        if plan.based_on:
            require_based_on(plan, self.trail.last_completed(plan.queue_id))
        images = images_of(plan, self.documents.find_image)
        work, genesys = self._decide(run, plan, images)
        self.documents.keep_work(run.distribution_id, work)
        projection = self._project(work, genesys, self._neighbours(run), is_revert=bool(images))
        if projection:
            self.documents.save_projection(run.distribution_id, projection.document)
        ask = self.gate.judge(run, work, projection)
        require_time_left(run.until, self.utc_now())  # last: reading a slow queue takes up to two minutes
        return Projected(len(work.decision.order), bool(work.decision.parts["last"]), ask)

    def _plan(self, run: Run) -> Plan:
        """The plan of the run; that of an expiry names everything that it reverts, and what it has to leave."""
        plan = self.documents.plan(run.distribution_id)
        if not (run.returns and plan.restores):
            return plan
        expired = expired_with(run.returns, plan.queue_id, self.trail, self.documents)
        changes: dict[str, Any] = {"restores": plan.restores.model_copy(update={"also": expired.also})}
        if expired.left:
            changes["reason"] = (
                f"{plan.reason or ''} Distribution {expired.left} beneath it has expired too, and stays: another "
                f"mechanism carried it. To revert it, send POST /distributions/{expired.left}/restore."
            ).strip()
        return plan.model_copy(update=changes)

    def _decide(self, run: Run, plan: Plan, images: Sequence[Image]) -> tuple[Work, Genesys]:
        """What the run will do, with Genesys opened for it. A revert takes its mechanism from what it reverts."""
        if images:
            images[0].decision.require_contract(self.contract)
            actuation = images[0].decision.for_revert()
        else:
            actuation = resolve(plan, deployed=self.projector.deployed_actuator)
        genesys = self.connect(actuation)
        queue = genesys.read_queue(plan.queue_id)
        try:
            target = self._target(genesys, plan, images, queue)
            if queue.skill_id:
                self.skills.require(queue.skill_id, plan.queue_id)
            decimals = None if images else decimals_kept(target, queue)
            if decimals is not None:
                target = self._kept_before(plan, actuation, target, queue)
            statement = genesys.statement(plan, target, queue)
            if decimals is not None and not unsettled(target, queue):
                statement = as_kept(statement, queue, decimals)
            statement = beside_shares(statement, plan, actuation, queue, self.shares)
        except RoutingWeightsError:  # nothing is decided; the record says all the same what the queue held
            self.documents.save_before(run.distribution_id, queue)
            raise
        decision = Decision.of(self.contract, actuation, target, queue, statement, raise_first=genesys.raise_first)
        return Work(plan, decision, queue), genesys

    def _kept_before(self, plan: Plan, actuation: Actuation, target: Target, queue: Queue) -> Target:
        """The target with the values that the last distribution read back, if it applied the same plan."""
        last = self._last(plan)
        image = self.documents.find_image(last, "after") if last else None
        return kept_before(plan, actuation, target, queue, image) if image else target

    def _last(self, plan: Plan) -> str | None:
        """The queue's last completed distribution."""
        last = self.trail.last_completed(plan.queue_id)
        return last.distribution_id if last else None

    def _target(self, genesys: Genesys, plan: Plan, images: Sequence[Image], queue: Queue) -> Target:
        """What the queue will hold: the plan's weights, or the state that it reverts to."""
        if not images:
            require_members(plan.weights, queue)
            return genesys.target(plan, queue)
        target = target_of(genesys, images, queue)
        if plan.restores and plan.is_repair:
            require_known_drift(plan.restores, target, queue, self._last(plan))
        if plan.restores and plan.restores.unedited:
            applied = image(self.documents.after(plan.restores.distribution_id), images[0].decision.target)
            require_as_applied(plan.restores, applied, queue, self._last(plan))
        return target

    def _neighbours(self, run: Run) -> Neighbours:
        """The neighbours of the plan in its fleet, from the line that Validate has read the plan from."""
        if not any(run.fleet_line):  # also for the revert of a fleet
            return NONE
        line = self.documents.fleet_line(run.fleet_id, *run.fleet_line)
        if line is None:
            raise StoreUnavailable(f"The plan's line of fleet {run.fleet_id} is not in the bucket.")
        return Neighbours.model_validate(line.neighbours)

    def _project(self, work: Work, genesys: Genesys, neighbours: Neighbours, *, is_revert: bool) -> Projection | None:
        """None for a revert of a queue that has no forecast any more."""
        plan, queue = work.plan, work.before
        if not is_revert:
            queue = genesys.with_skills_in_use(queue, plan.requirements)
        try:
            forecast = self.projector.forecast_for(plan, neighbours)
            return self.projector.project(plan, queue, work.decision.target, forecast, genesys, work.decision.statement)
        except ForecastMissing:
            if is_revert:
                return None
            raise


def beside_shares(statement: Statement, plan: Plan, actuation: Actuation, queue: Queue, shares: Shares) -> Statement:
    """Return the statement with what shares in force mean for another actuator, which does not touch them.

    Where contacts wait for drawn agents, a ranking has hardly any effect: that needs approval. A revert is noted.
    """
    actuator = actuation.actuator
    if actuator.takes_share or actuator.contract != "platform":
        return statement
    found = shares.find(plan.queue_id)
    if found is None or not found.weights:
        return statement
    ends = (
        "After this plan, an `until` of theirs no longer ends them. To end them, revert that distribution, or send a "
        "plan with actuator share in which every weight is 0"
    )
    in_force = f"hares of distribution {found.distribution_id} are in force"
    note = f"S{in_force}: a flow that draws goes on with them. {ends}."
    draws_first = bool(queue.settings.routing_rules) and not actuator.joins
    if plan.restores or statement["without_effect"] or not draws_first:
        return {**statement, "notes": [*statement["notes"], note]}
    without_effect = f"The weights have hardly any effect: s{in_force}, so drawn agents come first. {ends}"
    return {**statement, "without_effect": without_effect, "notes": [f"{without_effect}.", *statement["notes"]]}
