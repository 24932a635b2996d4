"""Wires the function Fleets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.efforts import FleetSums
from routing_weights.adapters.aws.fleet_documents import FleetDocuments
from routing_weights.adapters.aws.fleet_machine import FleetMachine
from routing_weights.adapters.aws.fleets_table import Fleets
from routing_weights.application.show_fleet import ListFleets, ListQueues, ShowFleet
from routing_weights.application.steer_fleet import CancelFleet, ContinueFleet, RevertFleet
from routing_weights.application.submit_fleet import AcceptFleet, OpenUpload, SubmitFleet
from routing_weights.domain.actuators import actuator_classes

if TYPE_CHECKING:
    from routing_weights.settings import FleetsSettings

prepare("dynamodb", "s3", "stepfunctions")
actuator_classes()  # each is imported when it is asked for, and a plan may name any


def open_upload(settings: FleetsSettings) -> OpenUpload:
    return OpenUpload(documents(settings))


def submit_fleet(settings: FleetsSettings) -> SubmitFleet:
    acceptance = AcceptFleet(documents(settings), fleets(settings), _machine(settings), settings.deployed_actuator)
    return SubmitFleet(acceptance, fleets(settings), _machine(settings))


def show_fleet(settings: FleetsSettings) -> ShowFleet:
    return ShowFleet(
        fleets(settings),
        FleetSums(settings.fleets_table),
        documents(settings),
        _machine(settings),
        settings.our_requests_per_minute,
    )


def list_fleets(settings: FleetsSettings) -> ListFleets:
    return ListFleets(fleets(settings), _machine(settings))


def list_queues(settings: FleetsSettings) -> ListQueues:
    return ListQueues(fleets(settings), documents(settings), _machine(settings))


def cancel_fleet(settings: FleetsSettings) -> CancelFleet:
    return CancelFleet(fleets(settings), _machine(settings))


def continue_fleet(settings: FleetsSettings) -> ContinueFleet:
    return ContinueFleet(fleets(settings), _machine(settings))


def revert_fleet(settings: FleetsSettings) -> RevertFleet:
    return RevertFleet(fleets(settings), _machine(settings))


def documents(settings: FleetsSettings) -> FleetDocuments:
    return FleetDocuments(settings.documents_bucket)


def fleets(settings: FleetsSettings) -> Fleets:
    return Fleets(settings.fleets_table)


def _machine(settings: FleetsSettings) -> FleetMachine:
    return FleetMachine(settings.fleet_state_machine_arn)
