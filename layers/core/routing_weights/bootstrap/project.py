"""Wires the function Project."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.shares_table import SharesTable
from routing_weights.adapters.aws.skills_table import SkillOwners
from routing_weights.application.project import Project
from routing_weights.bootstrap import genesys, stores
from routing_weights.bootstrap.projector import projector
from routing_weights.domain.actuators import actuator_classes
from routing_weights.domain.approval import Gate, Policy

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.domain.approval import Approval
    from routing_weights.domain.run import Run
    from routing_weights.settings import ProjectSettings

prepare("dynamodb", "lambda", "s3", "secretsmanager")
actuator_classes()  # each is imported when it is asked for, and a plan may name any


def project(settings: ProjectSettings, context: LambdaContext, run: Run) -> Project:
    return Project(
        stores.documents(settings),
        stores.trail(settings),
        SkillOwners(settings.skills_table),
        SharesTable(settings.shares_table),
        partial(genesys.contract, settings, context, run),
        projector(settings, context, run),
        settings.genesys_contract,
        partial(datetime.now, UTC),
        Gate(
            partial(_find_approval, settings),
            Policy.parse(settings.approval_policy),
            settings.approval_timeout_s,
            settings.console_may_approve,
        ),
    )


def _find_approval(settings: ProjectSettings, distribution_id: str) -> Approval | None:
    from routing_weights.adapters.aws.approvals_table import Approvals  # noqa: PLC0415 - few runs need approval

    return Approvals(settings.approvals_table).find(distribution_id)
