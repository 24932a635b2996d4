"""Submits a fleet: all of its plans are accepted, or nothing is written."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from routing_weights.application.expire import require_until
from routing_weights.domain.fleet import (
    Fleet,
    FleetStatus,
    Line,
    QueueItem,
    Steered,
    distribution_id,
    fleet_of,
    waves_by_number,
)
from routing_weights.domain.fleet_plans import read_file, read_plans
from routing_weights.domain.fleet_request import MAX_UPLOAD_BYTES, fleet_invalid, parse_request
from routing_weights.domain.neighbours import neighbours
from routing_weights.domain.problems import problem
from routing_weights.domain.record import timestamp
from routing_weights.domain.types import FLEET_ID
from routing_weights.errors import IdempotencyConflict, PlanInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from routing_weights.application.ports import FleetDocuments, FleetExecutions, FleetMachine, Fleets
    from routing_weights.domain.access import Bounds
    from routing_weights.domain.actuators import ActuatorName
    from routing_weights.domain.fleet_plans import AcceptedPlan, Reading
    from routing_weights.domain.fleet_request import FleetRequest
    from routing_weights.domain.plan import Plan
    from routing_weights.domain.problems import Problem
    from routing_weights.domain.run import Origin

UPLOAD_EXPIRES_S = 3600
"""How long the address of an upload is valid."""


@dataclass(frozen=True)
class Upload:
    """Where a caller can put a file with plans."""

    upload_id: str
    url: str
    expires_at: datetime


@dataclass(frozen=True)
class OpenUpload:
    documents: FleetDocuments

    def open(self, now: datetime, space: str = "") -> Upload:
        """A new address, to which one file can be sent without credentials. Only `space` can submit the file."""
        upload_id = str(uuid.uuid4())
        url = self.documents.upload_address(upload_id, UPLOAD_EXPIRES_S, space)
        return Upload(upload_id, url, now + timedelta(seconds=UPLOAD_EXPIRES_S))


@dataclass(frozen=True)
class AcceptedFleet:
    fleet: Fleet
    reading: Reading
    """With `skip_invalid`, its problems are those of the plans that were left out."""
    is_new: bool


@dataclass(frozen=True)
class AcceptFleet:
    documents: FleetDocuments
    fleets: Fleets
    executions: FleetExecutions
    deployed: ActuatorName
    """The actuator of a plan that names none, and whose strategy names none."""

    def accept(
        self, fleet_id: str, raw: str | bytes, origin: Origin, now: datetime, bounds: Bounds | None = None
    ) -> AcceptedFleet:
        """Store a fleet and its plans, or find the one with this id and these plans. Nothing is started.

        Raises:
            FleetInvalid: the request or a plan breaks a rule, or names a queue out of bounds. Nothing is written.
            IdempotencyConflict: the id is that of a fleet with other plans or options.
        """
        if not re.fullmatch(FLEET_ID, fleet_id):
            message = f"the name of the execution must match {FLEET_ID}: it is part of the names of the queues' runs"
            raise fleet_invalid([problem("", message, "name_invalid")])
        request, hidden = parse_request(raw)
        reading = self._read(request, hidden, now, bounds)
        if reading.problems and (reading.broken or not request.options.skip_invalid):
            raise fleet_invalid(reading.problems, reading.problem_count)
        plans = list(reading.accepted.values())
        if not plans:
            raise fleet_invalid(reading.problems, reading.problem_count)
        waves = request.options.divided(len(plans))
        fleet = Fleet(
            fleet_id=fleet_id,
            status=FleetStatus.RUNNING,
            options=request.options,
            total=len(plans),
            waves=tuple(waves),
            submitted_at=timestamp(now),
            begun_at=timestamp(now),
            origin=origin.repeatable,
            fingerprint=_fingerprint(request, plans),
            execution_arn=self.executions.execution_arn(fleet_id, 1),
        )
        lines, queues = _documents_of(fleet, plans)
        # Before the documents: of two requests with one key and other plans, one must not overwrite the other's.
        is_new = self.fleets.create(fleet)
        if not is_new:
            known = self.fleets.find(fleet_id)
            if known is None or known.fingerprint != fleet.fingerprint:
                message = f"This Idempotency-Key has started another fleet: GET /fleets/{fleet_id} shows it. "
                raise IdempotencyConflict(message + "Use a new key for a new fleet.", fleet_id=fleet_id)
            fleet = known
        if is_new or not self.documents.are_stored(fleet_id):
            self.documents.put_plans(fleet_id, lines)
            self.documents.put_queues(fleet_id, queues)
        return AcceptedFleet(fleet, reading, is_new)

    def _read(self, request: FleetRequest, hidden: Sequence[Problem], now: datetime, bounds: Bounds | None) -> Reading:
        check = partial(_of_moment, now=now, bounds=bounds)
        if request.plans is not None:
            return read_plans(request.plans, hidden, request.defaults, check, self.deployed)
        found = self.documents.upload(request.upload or "", bounds.space if bounds else "")
        if found is None:
            message = "no file has this id: nothing was uploaded, or more than 7 days ago. Upload the file again"
            raise fleet_invalid([problem("upload", message, "reference_invalid")])
        size, pieces = found
        if size > MAX_UPLOAD_BYTES:
            message = f"the file has {size} bytes; at most {MAX_UPLOAD_BYTES} are accepted"
            raise fleet_invalid([problem("upload", message, "upload_too_large")])
        return read_file(pieces, request.defaults, check, self.deployed)


@dataclass(frozen=True)
class SubmitFleet:
    acceptance: AcceptFleet
    fleets: Fleets
    machine: FleetMachine

    def submit(
        self, raw: str | bytes, origin: Origin, key: str | None, now: datetime, bounds: Bounds | None = None
    ) -> AcceptedFleet:
        """Start a fleet, or find the one that the same `key` and plans started. One that broke off is resumed.

        Raises:
            FleetInvalid, IdempotencyConflict: see AcceptFleet.
        """
        fleet_id = fleet_of(key) if key else str(uuid.uuid4())
        accepted = self.acceptance.accept(fleet_id, raw, origin, now, bounds)
        if accepted.is_new:
            self.machine.start(fleet_id, 1)
        else:
            by = Steered(action="continue", at=timestamp(now), origin=origin.repeatable)
            go_on(accepted.fleet, self.fleets, self.machine, now, by)
        return accepted


def go_on(fleet: Fleet, fleets: Fleets, machine: FleetMachine, now: datetime, by: Steered) -> bool:
    """Resume a fleet whose execution broke off. False if it has ended, or is running."""
    execution = machine.describe(fleet.execution_arn)
    if execution.status == "UNKNOWN" and not fleet.status.terminal:
        machine.start(fleet.fleet_id, fleet.attempt)
        return True
    if fleet.status_with(execution, now) is not FleetStatus.INTERRUPTED:
        return False
    reverts = fleet.status is FleetStatus.REVERTING
    begin_again(fleet, FleetStatus.REVERTING if reverts else FleetStatus.RUNNING, fleets, machine, now, by)
    return True


def begin_again(
    fleet: Fleet, status: FleetStatus, fleets: Fleets, machine: FleetMachine, now: datetime, by: Steered
) -> None:
    """Start the next attempt, which reverts if `status` is `reverting`. Somebody else may start it first."""
    arn = machine.execution_arn(fleet.fleet_id, fleet.attempt + 1)
    if fleets.begin_again(fleet.fleet_id, fleet.attempt, status, arn, now, by):
        machine.start(fleet.fleet_id, fleet.attempt + 1)


def _documents_of(fleet: Fleet, plans: Sequence[AcceptedPlan]) -> tuple[bytes, list[QueueItem]]:
    """The plans, each with its neighbours in a line, and the list of the queues."""
    lines, queues = bytearray(), []
    wave_of = waves_by_number(fleet.waves)
    for number, (plan, found) in enumerate(zip(plans, neighbours([plan.crew for plan in plans]), strict=True)):
        line = Line.text(plan.text, found.to_json()).encode()
        queues.append(
            QueueItem(
                number=number,
                queue_id=plan.queue_id,
                distribution_id=distribution_id(fleet.fleet_id, number),
                wave=wave_of[number],
                start=len(lines),
                length=len(line),
                members=plan.members,
            )
        )
        lines += line + b"\n"
    return bytes(lines), queues


def _of_moment(plan: Plan, now: datetime, bounds: Bounds | None) -> Sequence[Problem]:
    """The problems that depend on the present time, and on who submits the fleet."""
    if bounds and not bounds.allow(plan.queues_named):
        return (problem("queue_id", "there is no such queue, or it is in no division of yours", "queue_unknown"),)
    if plan.restores and bounds and bounds.queues is not None:
        message = "send POST /distributions/{id}/restore for each queue, or revert the fleet"
        return (problem("restores", message, "restores_alone"),)
    try:
        require_until(plan.until, now, now)
    except PlanInvalid as invalid:
        problems: list[Problem] = invalid.details["errors"]
        return problems
    return ()


def _fingerprint(request: FleetRequest, plans: Sequence[AcceptedPlan]) -> str:
    digest = hashlib.sha256(request.options.model_dump_json().encode())
    for plan in plans:
        digest.update(plan.text.encode())
    return digest.hexdigest()
