"""Wires the function Patch."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.skills_table import SkillOwners
from routing_weights.application.patch import PatchMembers, PatchQueue
from routing_weights.bootstrap import genesys, stores
from routing_weights.bootstrap.deadlines import has_time

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.domain.run import Run
    from routing_weights.settings import PatchSettings

prepare("dynamodb", "lambda", "s3", "secretsmanager")


def patch_queue(settings: PatchSettings, context: LambdaContext, run: Run) -> PatchQueue:
    connect = genesys.reconnect(settings, context, run, settings.locks_table, run.execution_arn)
    owners = SkillOwners(settings.skills_table)
    return PatchQueue(stores.documents(settings), owners, connect, genesys.settling(settings))


def patch_members(settings: PatchSettings, context: LambdaContext, run: Run) -> PatchMembers:
    connect = genesys.reconnect(settings, context, run, settings.locks_table, run.execution_arn)
    return PatchMembers(stores.documents(settings), connect, genesys.settling(settings), partial(has_time, context))
