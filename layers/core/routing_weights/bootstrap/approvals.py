"""Wires the function Approvals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.adapters.aws.approvals_table import Approvals
from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.event_bus import Bus
from routing_weights.adapters.aws.run_answers import RunAnswers
from routing_weights.application.answer_approval import AnswerApproval, AnswerFleet, AnswerInConsole
from routing_weights.application.ask_approval import AskApproval
from routing_weights.bootstrap import stores

if TYPE_CHECKING:
    from routing_weights.settings import ApprovalsSettings

prepare("dynamodb", "events", "s3", "stepfunctions")


def approvals(settings: ApprovalsSettings) -> Approvals:
    return Approvals(settings.approvals_table)


def ask_approval(settings: ApprovalsSettings) -> AskApproval:
    return AskApproval(
        approvals(settings),
        stores.documents(settings),
        stores.writing_trail(settings),
        Bus(settings.outgoing_bus),
        RunAnswers(),
    )


def answer_approval(settings: ApprovalsSettings) -> AnswerApproval:
    return AnswerApproval(approvals(settings), stores.writing_trail(settings), RunAnswers())


def answer_fleet(settings: ApprovalsSettings) -> AnswerFleet:
    return AnswerFleet(approvals(settings), answer_approval(settings))


def answer_in_console(settings: ApprovalsSettings) -> AnswerInConsole:
    return AnswerInConsole(answer_approval(settings), stores.writing_trail(settings), settings.console_may_approve)
