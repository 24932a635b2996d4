"""Wires the function Sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.adapters.aws.approvals_table import Approvals
from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.locks_table import Locks
from routing_weights.adapters.aws.recoveries import EndedExecutions, Recoveries
from routing_weights.application.recover import Sweep
from routing_weights.bootstrap import stores

if TYPE_CHECKING:
    from routing_weights.settings import SweepSettings

prepare("dynamodb", "s3", "stepfunctions")


def approvals(settings: SweepSettings) -> Approvals:
    return Approvals(settings.approvals_table)


def sweep(settings: SweepSettings) -> Sweep:
    return Sweep(
        stores.trail(settings),
        Locks(settings.locks_table),
        EndedExecutions(settings.state_machine_arn),
        Recoveries(settings.recover_state_machine_arn),
    )
