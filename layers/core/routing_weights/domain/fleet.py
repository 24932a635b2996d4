"""A fleet: many plans, submitted together and carried out in waves."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from routing_weights.domain.execution import SHOWS_WITHIN, Execution
from routing_weights.domain.run import Origin, distribution_of
from routing_weights.domain.status import Status

MAX_PLANS = 10_000
MAX_WAVES = 50
LONGEST_BAKE_S = 86_400
MAX_CONCURRENCY = 1_000
LONGEST_REASON = 1_000
"""Of the reason in an event, in characters."""
FLEET_OUTCOME = "Fleet Outcome"
"""The detail type of the event."""

Verdict = Literal["passed", "failed", "inconclusive"]
"""The verdict of a wave's gate. An inconclusive wave is held until somebody decides."""
Release = Literal["continue", "revert", "cancel"]
"""The decision about a held fleet."""
Stop = Literal["cancel", "failed"]
"""Why no further queue begins: somebody cancelled the fleet, or a wave had too many failures."""


class FleetStatus(StrEnum):
    """The status of a fleet."""

    RUNNING = "running"
    HELD = "held"
    REVERTING = "reverting"
    COMPLETED = "completed"
    PARTLY_COMPLETED = "partly_completed"
    STOPPED = "stopped"
    REVERTED = "reverted"
    REVERT_INCOMPLETE = "revert_incomplete"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def terminal(self) -> bool:
        return FACTS[self].terminal

    @property
    def green(self) -> bool:
        """True if every queue has what was asked for."""
        return FACTS[self].green

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        return FACTS[self].sentence


class Facts(NamedTuple):
    """A row: see the properties of FleetStatus."""

    terminal: bool
    green: bool
    sentence: str


FACTS = {
    FleetStatus.RUNNING: Facts(False, False, "The queues are being changed, wave by wave."),
    FleetStatus.HELD: Facts(False, False, "The gate of a wave did not pass. Decide: continue, revert or cancel."),
    FleetStatus.REVERTING: Facts(False, False, "The queues that were changed are being reverted, newest first."),
    FleetStatus.COMPLETED: Facts(True, True, "Every plan was applied and read back, or was a dry run."),
    FleetStatus.PARTLY_COMPLETED: Facts(True, False, "Every plan was tried, and some were not applied."),
    FleetStatus.STOPPED: Facts(True, False, "A wave failed, so the queues after it were left as they are."),
    FleetStatus.REVERTED: Facts(True, False, "The queues that were changed hold what they held before."),
    FleetStatus.REVERT_INCOMPLETE: Facts(True, False, "Some of the queues that were changed were not reverted."),
    FleetStatus.CANCELLED: Facts(True, False, "Somebody cancelled the fleet. Queues that were done stay as they are."),
    FleetStatus.INTERRUPTED: Facts(True, False, "The execution of the fleet broke off. Continue resumes it."),
}


class Wave(BaseModel):
    """A part of the fleet's queues, in the order of the submission, and what must hold before the next part begins."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, strict=True)] | None = Field(
        default=None, description="The part of all queues, in (0, 1]; rounded up."
    )
    count: Annotated[int, Field(ge=1, le=MAX_PLANS, strict=True)] | None = Field(
        default=None,
        description="The number of queues, instead of `share`. Only the last wave may have neither: it has the rest.",
    )
    bake_s: int = Field(
        default=0, ge=0, le=LONGEST_BAKE_S, description="How long, in seconds, the wave is watched before the next one."
    )
    max_failed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_PLANS,
        description="With more failed queues than this the wave has failed. When absent, no number is too many.",
    )
    min_contacts: int = Field(
        default=20,
        ge=0,
        le=1_000_000,
        description="With fewer contacts during bake_s, in the queues that the fleet has changed, the wave is "
        "inconclusive. Contract platform only.",
    )

    @model_validator(mode="after")
    def _has_one_size(self) -> Self:
        if self.share is not None and self.count is not None:
            raise ValueError("a wave has a share or a count, not both")
        return self


class FleetOptions(BaseModel):
    """How the plans of a fleet are carried out. All of it is optional."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    waves: list[Wave] = Field(
        default_factory=list,
        max_length=MAX_WAVES,
        description="The waves in their order. Queues that none of them has are one more wave. When absent: one wave.",
    )
    on_failure: Literal["stop", "revert", "hold"] | None = Field(
        default=None,
        description="After a failed wave: stop; revert, newest first, what the fleet has changed; or hold until "
        "somebody decides. When absent: stop, and revert for an atomic fleet.",
    )
    atomic: bool = Field(
        default=False, description="One wave. The first failure reverts what the fleet has changed. Excludes waves."
    )
    skip_invalid: bool = Field(default=False, description="Leave out plans that break a rule, instead of refusing all.")
    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=MAX_CONCURRENCY,
        description="How many queues are worked on at the same time, at most. FleetConcurrency is the limit, "
        "and the default.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.atomic and self.waves:
            raise ValueError("an atomic fleet is one wave: leave out waves, or atomic")
        if self.atomic and self.on_failure not in {None, "revert"}:
            raise ValueError("an atomic fleet reverts: leave out on_failure, or atomic")
        if any(wave.share is None and wave.count is None for wave in self.waves[:-1]):
            raise ValueError("only the last wave may have neither share nor count")
        if math.fsum(wave.share or 0 for wave in self.waves) > 1:
            raise ValueError("the shares of the waves sum to more than 1")
        return self

    @property
    def after_failure(self) -> Literal["stop", "revert", "hold"]:
        return self.on_failure or ("revert" if self.atomic else "stop")

    def divided(self, total: int) -> list[Wave]:
        """The waves of a fleet of `total` queues, each with its exact `count`. Their counts sum to `total`.

        A wave for which no queue is left is left out.
        """
        if self.atomic:
            return [Wave(count=total, max_failed=0)]
        waves, left = [], total
        for wave in self.waves:
            wanted = left if wave.share is wave.count else wave.count or math.ceil(round((wave.share or 0) * total, 9))
            count = min(wanted, left)
            if count:
                waves.append(wave.model_copy(update={"share": None, "count": count}))
            left -= count
        return [*waves, Wave(count=left)] if left else waves


class Held(BaseModel):
    """A wave that waits for somebody's decision."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    token: str
    """The task token of Step Functions."""
    wave: int
    reason: str


class Steered(BaseModel):
    """Somebody cancelled, continued or reverted a fleet."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    action: Release
    at: str
    origin: Origin = Origin()


class Fleet(BaseModel):
    """The stored item of a fleet."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    fleet_id: str
    status: FleetStatus
    options: FleetOptions
    total: int
    """How many plans it has."""
    waves: tuple[Wave, ...]
    """As divided: each has its exact `count`."""
    submitted_at: str
    begun_at: str = ""
    """When the last attempt began."""
    origin: Origin = Origin()
    fingerprint: str = ""
    """SHA-256 of the accepted plans and options, hexadecimal: the same key with other plans is a conflict."""
    execution_arn: str = ""
    """Of the last attempt."""
    attempt: int = 1
    """Counts the executions of the fleet: one that broke off is resumed by another."""
    stop: Stop | None = None
    held: Held | None = None
    reason: str = ""
    """Why the fleet was stopped, held or reverted, as a sentence."""
    ended_at: str = ""
    steered: tuple[Steered, ...] = ()
    """What people did with it, the oldest first."""

    @property
    def reverted_by(self) -> Origin:
        """Whoever wants the revert: the last one who asked for it, else whoever submitted the fleet."""
        asked = [steered.origin for steered in self.steered if steered.action == "revert"]
        return asked[-1] if asked else self.origin

    def status_with(self, execution: Execution, now: datetime) -> FleetStatus:
        """The status, given the execution of the last attempt: an execution that broke off could not store one."""
        if self.status.terminal or not execution.is_over(None, now):
            return self.status
        begun_at = datetime.fromisoformat(self.begun_at or self.submitted_at)
        if execution.status == "SUCCEEDED" or (execution.status == "UNKNOWN" and now - begun_at <= SHOWS_WITHIN):
            return self.status
        return FleetStatus.CANCELLED if self.stop == "cancel" else FleetStatus.INTERRUPTED


class QueueItem(BaseModel):
    """One queue of `queues.json`: what the execution of the queue is started with."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    number: int
    """From 0, in the order of the submission."""
    queue_id: str
    distribution_id: str
    wave: int
    start: int
    """The position of its line in plans.jsonl, in bytes."""
    length: int
    """Of the line without its line break, in bytes."""
    members: int


class QueueOutcome(BaseModel):
    """The item of a queue whose distribution has ended."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    number: int
    queue_id: str
    wave: int
    distribution_id: str
    """Of the last attempt."""
    status: Status
    sentence: str = ""
    reverted_by: str = ""
    """The distribution that reverted the queue."""
    revert_status: Status | None = None
    revert_sentence: str = ""


class WaveOutcome(BaseModel):
    """The item of a wave."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    wave: int
    failed: frozenset[int] = frozenset()
    """The numbers of the queues that failed."""
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()
    baked_until: str = ""
    """When the wave has been watched for as long as it asks for: RFC 3339, UTC. Empty until its queues have ended."""

    def is_watched(self, now: datetime) -> bool:
        """True while its queues have ended and its gate has not judged yet."""
        return bool(self.baked_until) and self.verdict is None and datetime.fromisoformat(self.baked_until) > now


class FleetOutcome(BaseModel):
    """`detail` of the event: a fleet has ended, or is held. Its distributions have events of their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["fleet_outcome"] = "fleet_outcome"
    version: Literal["1"] = "1"
    id: str = Field(description="The same for every copy: remember it to drop the copies.")
    fleet_id: str
    record: str = Field(description="Path of the fleet, below the API's address.")
    status: str
    reason: str | None = Field(description="Why it was stopped, held or reverted.")
    at: str = Field(description="RFC 3339, UTC.")
    submitted_at: str = Field(description="RFC 3339, UTC.")
    caller: str | None
    total: int = Field(ge=0, description="The queues of the fleet.")
    queues: dict[str, int] = Field(description="How many distributions ended with each status.")
    reverted: int = Field(ge=0, description="How many queues were reverted.")


def fleet_outcome(fleet: Fleet, outcomes: Iterable[QueueOutcome], at: str, what: str) -> FleetOutcome:
    """The event of a fleet that has ended or is held. `what` tells the events of one attempt from each other."""
    outcomes = list(outcomes)
    return FleetOutcome(
        id=f"{fleet.fleet_id}:{fleet.attempt}:{what}",
        fleet_id=fleet.fleet_id,
        record=f"/fleets/{fleet.fleet_id}",
        status=fleet.status.value,
        reason=fleet.reason[:LONGEST_REASON] or None,
        at=at,
        submitted_at=fleet.submitted_at,
        caller=fleet.origin.caller or None,
        total=fleet.total,
        queues=dict(Counter(outcome.status.value for outcome in outcomes)),
        reverted=sum(outcome.revert_status is not None and outcome.revert_status.green for outcome in outcomes),
    )


@dataclass(frozen=True)
class Line:
    """The line of a plan in plans.jsonl, read by its byte range."""

    plan: dict[str, Any]
    neighbours: dict[str, Any]
    """The stored form of domain.neighbours.Neighbours; empty without neighbours."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for a text that is no line of ours."""
        try:
            document = json.loads(text)
            line = cls(document["plan"], document["neighbours"])
        except (TypeError, LookupError, ValueError):
            return None
        return line if isinstance(line.plan, dict) and isinstance(line.neighbours, dict) else None

    @staticmethod
    def text(plan: str, neighbours: Mapping[str, Any]) -> str:
        """What is stored, without its line break. `plan` is its canonical text."""
        return f'{{"plan":{plan},"neighbours":{json.dumps(neighbours, separators=(",", ":"))}}}'


def fleet_of(idempotency_key: str) -> str:
    """The id of the fleet that a key leads to, which is also the name of its first execution."""
    return distribution_of(idempotency_key)


REQUESTS_BESIDE = 8
"""The requests of a distribution beside one per member and two per page of 100: its queue, read and written."""


def most_at_once(asked: int, deployed: int, requests_per_minute: float, most_members: int, longest_s: float) -> int:
    """How many queues may be worked on at the same time.

    Those that run share the rate that Genesys grants (0: no limit). All of them must end within half of `longest_s`,
    which is how long a run may wait for Genesys, also if each has `most_members`.
    """
    if not requests_per_minute:
        return min(asked, deployed)
    requests = most_members + 2 * math.ceil(most_members / 100) + REQUESTS_BESIDE
    return max(1, min(asked, deployed, int(requests_per_minute / 60 * longest_s / 2 / requests)))


def execution_name(fleet_id: str, attempt: int) -> str:
    """The name of the execution of an attempt. The first one has the fleet's id."""
    return fleet_id if attempt == 1 else f"{fleet_id}.{attempt}"


def distribution_id(fleet_id: str, number: int, run: int = 1) -> str:
    """The id of a queue's distribution, which is the name of its execution: at most 80 characters.

    `run` counts the runs of the queue's plan: one that was stopped is followed by another.
    """
    return f"{fleet_id}.{number}" if run == 1 else f"{fleet_id}.{number}.{run}"


def queue_part(number: int) -> str:
    """The sort key of a queue's item."""
    return f"queue#{number:06d}"


def wave_part(wave: int) -> str:
    """The sort key of a wave's item."""
    return f"wave#{wave:02d}"


def waves_by_number(waves: Sequence[Wave]) -> list[int]:
    """The wave of each queue, by the queue's number."""
    return [wave for wave, part in enumerate(waves) for _ in range(part.count or 0)]
