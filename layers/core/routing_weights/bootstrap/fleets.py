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
    return OpenUpload(_documents(settings))


def submit_fleet(settings: FleetsSettings) -> SubmitFleet:
    fleets, machine = _fleets(settings), _machine(settings)
    acceptance = AcceptFleet(_documents(settings), fleets, machine, settings.deployed_actuator)
    return SubmitFleet(acceptance, fleets, machine)


def show_fleet(settings: FleetsSettings) -> ShowFleet:
    return ShowFleet(
        _fleets(settings),
        FleetSums(settings.fleets_table),
        _documents(settings),
        _machine(settings),
        settings.our_requests_per_minute,
    )


def list_fleets(settings: FleetsSettings) -> ListFleets:
    return ListFleets(_fleets(settings), _machine(settings))


def list_queues(settings: FleetsSettings) -> ListQueues:
    return ListQueues(_fleets(settings), _documents(settings), _machine(settings))


def cancel_fleet(settings: FleetsSettings) -> CancelFleet:
    return CancelFleet(_fleets(settings), _machine(settings))


def continue_fleet(settings: FleetsSettings) -> ContinueFleet:
    return ContinueFleet(_fleets(settings), _machine(settings))


def revert_fleet(settings: FleetsSettings) -> RevertFleet:
    return RevertFleet(_fleets(settings), _machine(settings))


def _documents(settings: FleetsSettings) -> FleetDocuments:
    return FleetDocuments(settings.documents_bucket)


def _fleets(settings: FleetsSettings) -> Fleets:
    return Fleets(settings.fleets_table)


def _machine(settings: FleetsSettings) -> FleetMachine:
    return FleetMachine(settings.fleet_state_machine_arn)
