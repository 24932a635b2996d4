"""Wires the function Plans, one group of builders per resource of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.adapters.aws.baselines_table import BaselineStore
from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.drift_table import DriftEntries
from routing_weights.adapters.aws.forecast_table import Forecasts
from routing_weights.adapters.aws.plans_table import NamedPlanStore
from routing_weights.adapters.aws.schedule_group import Group
from routing_weights.adapters.aws.state_machine import Executions
from routing_weights.application.expire import CancelExpiry
from routing_weights.application.revert import RevertDistribution, RevertToBaseline
from routing_weights.application.save_plan import ApplyPlan, KeepPlans
from routing_weights.application.set_baseline import SetBaseline
from routing_weights.bootstrap.stores import documents, trail, writing_trail
from routing_weights.bootstrap.submitting import submit
from routing_weights.domain.actuators import actuator_classes

if TYPE_CHECKING:
    from routing_weights.settings import PlansSettings

__all__ = ["documents", "submit", "trail"]

prepare("dynamodb", "s3", "scheduler", "stepfunctions")
actuator_classes()  # each is imported when it is asked for, and a plan may name any


def executions(settings: PlansSettings) -> Executions:
    return Executions(settings.state_machine_arn)


def revert_distribution(settings: PlansSettings) -> RevertDistribution:
    return RevertDistribution(trail(settings), documents(settings), submit(settings))


def revert_to_baseline(settings: PlansSettings) -> RevertToBaseline:
    return RevertToBaseline(baselines(settings), documents(settings), submit(settings))


def set_baseline(settings: PlansSettings) -> SetBaseline:
    return SetBaseline(trail(settings), baselines(settings))


def baselines(settings: PlansSettings) -> BaselineStore:
    return BaselineStore(settings.baselines_table)


def named_plans(settings: PlansSettings) -> NamedPlanStore:
    return NamedPlanStore(settings.plans_table)


def keep_plans(settings: PlansSettings) -> KeepPlans:
    return KeepPlans(named_plans(settings), documents(settings))


def apply_plan(settings: PlansSettings) -> ApplyPlan:
    return ApplyPlan(keep_plans(settings), submit(settings))


def cancel_expiry(settings: PlansSettings) -> CancelExpiry:
    return CancelExpiry(writing_trail(settings), one_time_schedules(settings))


def one_time_schedules(settings: PlansSettings) -> Group:
    return Group(settings.one_time_group)


def forecasts(settings: PlansSettings) -> Forecasts:
    return Forecasts(settings.forecast_table)


def drift_entries(settings: PlansSettings) -> DriftEntries:
    return DriftEntries(settings.drift_table)
