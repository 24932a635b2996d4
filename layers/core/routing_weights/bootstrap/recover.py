"""Wires the function Recover."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.locks_table import Locks
from routing_weights.adapters.aws.recoveries import EndedExecutions, Recoveries
from routing_weights.application.recover import Recover, Unblock
from routing_weights.bootstrap import stores

if TYPE_CHECKING:
    from routing_weights.settings import RecoverSettings

prepare("dynamodb", "s3", "stepfunctions")


def unblock(settings: RecoverSettings, recover_state_machine_arn: str) -> Unblock:
    return Unblock(Locks(settings.locks_table), EndedExecutions(), Recoveries(recover_state_machine_arn))


def recover(settings: RecoverSettings, recover_state_machine_arn: str) -> Recover:
    recoveries = Recoveries(recover_state_machine_arn)
    return Recover(stores.trail(settings), Locks(settings.locks_table), EndedExecutions(), recoveries)
