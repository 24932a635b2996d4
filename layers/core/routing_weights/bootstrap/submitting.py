"""Wires the submission of a plan, for several doors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.adapters.aws.state_machine import Executions
from routing_weights.application.submit import Submit
from routing_weights.bootstrap import stores

if TYPE_CHECKING:
    from routing_weights.settings import Door


def submit(settings: Door) -> Submit:
    return Submit(stores.documents(settings), stores.writing_trail(settings), Executions(settings.state_machine_arn))
