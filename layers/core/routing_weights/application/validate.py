"""Validate: accepts an execution's input as a plan, whatever door it came through, and opens the audit record."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, assert_never

from routing_weights.application.account import Account
from routing_weights.application.ports import Baselines, Documents, Plans, Trail
from routing_weights.application.revert import baseline_plan, expiry_plan, fleet_revert_plan, revert_plan
from routing_weights.application.submit import accept, queue_named_in, record_refusal
from routing_weights.domain import inputs
from routing_weights.domain.plan import Plan, plan_invalid
from routing_weights.domain.problems import problem
from routing_weights.domain.record import opened
from routing_weights.domain.revert import RevertOptions
from routing_weights.domain.run import Run
from routing_weights.errors import BaselineNotFound, NotRestorable, PlanInvalid

if TYPE_CHECKING:
    from routing_weights.domain.schedule.occasion import Occasion


@dataclass(frozen=True)
class Validate:
    documents: Documents
    trail: Trail
    baselines: Baselines
    account: Account

    def validate(self, run: Run, execution_input: Any, now: datetime) -> Run:
        """Keep the plan and return the run with what later states ask of it.

        Raises:
            PlanInvalid: the input is no valid plan. The refusal is on record.
        """
        run, plan = accept_input(run, execution_input, self.trail, self.documents, self.baselines, now, self.account)
        self.documents.save_plan(run.distribution_id, plan)
        self.trail.append(opened(run, plan, now))
        return run


def accept_input(
    run: Run,
    document: Any,
    trail: Trail,
    documents: Documents,
    baselines: Baselines,
    now: datetime,
    account: Account | None = None,
) -> tuple[Run, Plan]:
    """Like `accept`, for the input of an execution."""
    run = run.model_copy(update={"origin": inputs.claimed_origin(document)})  # for the record of a refusal
    try:
        given = inputs.parse(document)
        returns = given.returns if isinstance(given, inputs.Expiry) else ""
        found = {"origin": inputs.origin_of(given), "returns": returns, "asked_by": inputs.asker_in(document, given)}
        run = run.model_copy(update=found)
        if isinstance(given, inputs.FromFleet):
            run = run.model_copy(update={"fleet_id": given.fleet, "fleet_line": (given.start, given.length)})
        elif isinstance(given, inputs.FleetRevert):
            run = run.model_copy(update={"fleet_id": given.fleet_id})
        occasion = _occasion(given)
        text = _text_of(given, documents, baselines)
    except PlanInvalid as invalid:
        record_refusal(run, queue_named_in(json.dumps(document.get("baseline"))), invalid, trail, now, account)
        raise
    return accept(run, text, trail, now, occasion, account)


def _occasion(given: inputs.ExecutionInput) -> "Occasion | None":
    if not isinstance(given, inputs.FromPlanRef | inputs.FromBaseline) or given.schedule is None:
        return None
    from routing_weights.domain.schedule.occasion import occasion_of  # noqa: PLC0415 - no other input needs a calendar

    return occasion_of(given)


def _text_of(given: inputs.ExecutionInput, documents: Documents, baselines: Baselines) -> str:
    """The plan that an input stands for, as JSON text, which is not trusted. Raises PlanInvalid if there is none."""
    try:
        match given:
            case inputs.BarePlan():
                return json.dumps(given.document)
            case inputs.FromPlanRef():
                return _kept(given.plan_ref, documents)
            case inputs.Revert():
                return revert_plan(given.restore, given.image, documents, given.options)
            case inputs.FromBaseline():
                return baseline_plan(given.baseline, baselines, documents, RevertOptions())
            case inputs.Expiry():
                return expiry_plan(given.returns, documents)
            case inputs.FromFleet() | inputs.FleetRevert():
                return _of_fleet(given, documents)
            case _:
                assert_never(given)
    except (NotRestorable, BaselineNotFound) as error:
        raise plan_invalid([problem(given.KEY, error.message, "reference_invalid")]) from error


def _kept(reference: str, plans: Plans) -> str:
    text = plans.kept_plan(reference)
    if text is None:
        raise inputs.not_ours("plan_ref")
    return text


def _of_fleet(given: inputs.FromFleet | inputs.FleetRevert, documents: Documents) -> str:
    if isinstance(given, inputs.FleetRevert):
        return fleet_revert_plan(given.reverts, given.fleet_id, documents)
    line = documents.fleet_line(given.fleet, given.start, given.length)
    if line is None:
        raise inputs.not_ours("fleet")
    return json.dumps(line.plan)
