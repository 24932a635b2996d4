"""Wires the function Schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.adapters.aws.baselines_table import BaselineStore
from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.documents import Documents
from routing_weights.adapters.aws.scheduler import Schedules
from routing_weights.application.schedule import PutSchedule, SchedulePlan

if TYPE_CHECKING:
    from routing_weights.settings import SchedulesSettings

prepare("dynamodb", "s3", "scheduler")


def schedules(settings: SchedulesSettings) -> Schedules:
    return Schedules(
        settings.schedule_group,
        settings.one_time_group,
        settings.state_machine_arn,
        settings.schedule_role_arn,
        settings.schedule_dead_letters_arn,
    )


def put_schedule(settings: SchedulesSettings) -> PutSchedule:
    return PutSchedule(
        schedules(settings), Documents(settings.documents_bucket), BaselineStore(settings.baselines_table)
    )


def schedule_plan(settings: SchedulesSettings) -> SchedulePlan:
    return SchedulePlan(Documents(settings.documents_bucket), BaselineStore(settings.baselines_table))
