"""The ports: what the use cases need of the world, and nothing more.

A port is a Protocol. A use case names it, an adapter satisfies it by its shape, a test fakes it in ten lines, and
`bootstrap` brings them together. Add a method here when a use case calls it, and delete it with its last caller.
Neither side imports the other. What goes through a port is a domain or projection object, never a client's answer.

Every method of a store raises StoreUnavailable when AWS does not answer. Errors beyond that are named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from pydantic import BaseModel

    from routing_weights.domain.actuation import Actuation, Statement
    from routing_weights.domain.actuators.base import Ranking
    from routing_weights.domain.change_events import ChangeEvent
    from routing_weights.domain.decision import Decision, Image, Work
    from routing_weights.domain.drift import Answer, DriftEntry
    from routing_weights.domain.effort import Effort, Spent
    from routing_weights.domain.execution import Execution, Lock
    from routing_weights.domain.fleet import (
        Fleet,
        FleetStatus,
        Held,
        Line,
        QueueItem,
        QueueOutcome,
        Release,
        Verdict,
        WaveOutcome,
    )
    from routing_weights.domain.inputs import FromPlanRef
    from routing_weights.domain.plan import Plan, RequiredSkill
    from routing_weights.domain.queue import Member, Queue, SettingName, Settings
    from routing_weights.domain.record import AuditRecord, Closing, Kind, Realised, Records, RunSummary
    from routing_weights.domain.restore import Restoration
    from routing_weights.domain.revert import Baseline
    from routing_weights.domain.run import Started
    from routing_weights.domain.schedule.schedule import Schedule, StoredSchedule
    from routing_weights.domain.signing import Reply
    from routing_weights.domain.target import Answers, Target
    from routing_weights.errors import RoutingWeightsError
    from routing_weights.projection.inputs import History, Observed, Predicted, PushedForecast

# ---- what a run stores -----------------------------------------------------------------------------------------------


class Plans(Protocol):
    """The plans that the doors accepted."""

    def keep_plan(self, plan: Plan) -> str:
        """Store a plan and return its reference. Equal plans have the same reference."""
        ...

    def kept_plan(self, reference: str) -> str | None:
        """The text behind a reference, None if there is none. It is not trusted: validate it again."""
        ...


class Documents(Plans, Protocol):
    """The documents of a run. `find_…` gives None when the run did not come that far."""

    def fleet_line(self, fleet_id: str, start: int, length: int) -> Line | None:
        """The line of a fleet's plan, by its range of bytes; None if no line is there. Validate its plan again."""
        ...

    def save_plan(self, distribution_id: str, plan: Plan) -> None: ...

    def plan(self, distribution_id: str) -> Plan: ...

    def find_plan(self, distribution_id: str) -> Plan | None: ...

    def keep_work(self, distribution_id: str, work: Work) -> None: ...

    def work(self, distribution_id: str) -> Work: ...

    def find_work(self, distribution_id: str) -> Work | None: ...

    def find_image(self, distribution_id: str, which: Literal["before", "after"]) -> Image | None:
        """What a queue held before or after a run."""
        ...

    def save_before(self, distribution_id: str, queue: Queue) -> None:
        """Keep what the queue held, for a run that decided nothing: otherwise its `work` has it."""
        ...

    def find_before(self, distribution_id: str) -> Queue | None: ...

    def reference(self, distribution_id: str, name: Literal["work", "before"]) -> str:
        """What the audit record calls a document."""
        ...

    def save_projection(self, distribution_id: str, projection: Mapping[str, Any]) -> None: ...

    def find_projection(self, distribution_id: str) -> dict[str, Any] | None: ...

    def mark_writing(self, distribution_id: str) -> None:
        """Note that the run is about to write: from now on it may have left something behind."""
        ...

    def may_have_written(self, distribution_id: str) -> bool: ...

    def save_after(self, distribution_id: str, queue: Queue | None) -> None:
        """Keep the last reading of the queue; None when an earlier reading no longer holds."""
        ...

    def after(self, distribution_id: str) -> Queue: ...

    def find_after(self, distribution_id: str) -> Queue | None: ...

    def save_restoration(self, distribution_id: str, restoration: Restoration) -> None: ...

    def find_restoration(self, distribution_id: str) -> Restoration | None: ...


# ---- fleets ----------------------------------------------------------------------------------------------------------


class FleetDocuments(Protocol):
    """What callers upload, the accepted plans of a fleet, and the list of its queues."""

    def upload_address(self, upload_id: str, expires_s: int) -> str:
        """The address to which an upload can be sent with PUT, without credentials, for `expires_s` seconds."""
        ...

    def upload(self, upload_id: str) -> tuple[int, Iterator[bytes]] | None:
        """The size in bytes of an upload, and its content in pieces; None if nothing was uploaded."""
        ...

    def put_plans(self, fleet_id: str, lines: bytes) -> None: ...

    def put_queues(self, fleet_id: str, queues: Sequence[QueueItem]) -> None: ...

    def are_stored(self, fleet_id: str) -> bool:
        """True if the plans of a fleet and the list of its queues are stored. The list is stored last."""
        ...

    def queues(self, fleet_id: str) -> list[QueueItem]:
        """The queues of a fleet in the order of the submission."""
        ...

    def put_items(self, fleet_id: str, name: str, items: Sequence[Mapping[str, Any]]) -> str:
        """Store items as a Distributed Map reads them, and return the key of the document."""
        ...


class Fleets(Protocol):
    """Fleets, their queues that have ended, and their waves."""

    def create(self, fleet: Fleet) -> bool:
        """Store a new fleet. False if there is one with this id."""
        ...

    def find(self, fleet_id: str) -> Fleet | None: ...

    def newest(self, limit: int, after: str | None) -> tuple[list[Fleet], str | None]:
        """A page of fleets, newest first, as they were some moments ago, and the token of the next page."""
        ...

    def stop(self, fleet_id: str, attempt: int) -> bool:
        """Note that somebody cancelled the fleet. False if it has ended, or another attempt runs."""
        ...

    def begin_again(self, fleet_id: str, attempt: int, status: FleetStatus, execution_arn: str, now: datetime) -> bool:
        """Note the attempt after `attempt`, before its execution starts. False if somebody else has begun it."""
        ...

    def end(self, fleet_id: str, attempt: int, status: FleetStatus, reason: str, now: datetime) -> bool:
        """Store how an attempt has ended. False if it has ended already, or another attempt runs."""
        ...

    def hold(self, fleet_id: str, attempt: int, held: Held) -> bool:
        """Note that a wave waits for a decision. False if the fleet is cancelled or over, or another attempt runs."""
        ...

    def go_on(self, fleet_id: str, attempt: int, status: FleetStatus, reason: str) -> bool:
        """Note that a fleet runs, or reverts, and is neither held nor stopped. False as for `hold`."""
        ...

    def begin_wave(self, fleet_id: str, wave: int, failed: Collection[int]) -> None:
        """Note which queues of a wave have failed, before the others begin. The wave is not watched any more."""
        ...

    def bake(self, fleet_id: str, wave: int, until: datetime) -> None:
        """Note until when a wave is watched."""
        ...

    def judge(self, fleet_id: str, wave: int, verdict: Verdict, reasons: Sequence[str]) -> None:
        """Store the verdict of a wave's gate."""
        ...

    def note(self, fleet_id: str, outcome: QueueOutcome) -> None:
        """Store how a queue has ended whose child execution could not."""
        ...

    def outcomes(self, fleet_id: str) -> list[QueueOutcome]:
        """All queues that have ended, by number."""
        ...

    def waves(self, fleet_id: str) -> list[WaveOutcome]: ...


class FleetSums(Protocol):
    """The effort and cost of all distributions of a fleet together."""

    def add(self, fleet_id: str, spent: Spent) -> None: ...

    def find(self, fleet_id: str) -> Spent:
        """The sum so far."""
        ...


class QueueRuns(Protocol):
    """The executions of the state machine of one queue."""

    def describe(self, distribution_id: str) -> Execution: ...


class FleetExecutions(Protocol):
    """The executions of fleets."""

    def execution_arn(self, fleet_id: str, attempt: int) -> str: ...


class FleetMachine(FleetExecutions, Protocol):
    """The state machine of fleets."""

    def describe(self, execution_arn: str) -> Execution: ...

    def start(self, fleet_id: str, attempt: int) -> None:
        """Start an attempt, if it is not started yet. The fleet's stored status tells the attempt whether to revert."""
        ...

    def release(self, held: Held, how: Release) -> bool:
        """Release a held fleet with a decision. False if it is no longer held."""
        ...


# ---- the audit trail -------------------------------------------------------------------------------------------------


class Trail(Protocol):
    """The audit trail: append-only."""

    def append(self, record: AuditRecord, holder: str = "") -> bool:
        """Write a record. False when it was written before.

        With a `holder`, the record is written only while that execution holds the lock of the record's queue.

        Raises:
            Interrupted: the lock is somebody else's, so the record is somebody else's to write.
        """
        ...

    def find(self, distribution_id: str) -> Records:
        """The records of a distribution, as far as they are written."""
        ...

    def of_queue(
        self, queue_id: str, *, since: str, until: str, limit: int, after: str | None
    ) -> tuple[list[RunSummary], str | None]:
        """Summaries of a queue's distributions, newest first, and the token of the next page (None: the last one)."""
        ...

    def newest(self, queue_id: str) -> list[RunSummary]:
        """Summaries of a queue's newest distributions, page by page until a completed one is among them."""
        ...

    def summaries(self, ids: Sequence[str]) -> dict[str, RunSummary]:
        """Summaries by id; a distribution that has no record is left out."""
        ...

    def of_kind(self, kind: type[Kind], ids: Sequence[str]) -> dict[str, Kind]:
        """The records of one kind, by id; a distribution that has none is left out."""
        ...


class Baselines(Protocol):
    """The baselines."""

    def put(self, baseline: Baseline) -> None:
        """Store a baseline and replace an earlier one of its queue and name."""
        ...

    def find(self, queue_id: str, name: str) -> Baseline | None: ...

    def of_queue(self, queue_id: str) -> list[Baseline]: ...


# ---- executions, locks, and the end of temporary plans ---------------------------------------------------------------


class Executions(Protocol):
    """The state machine of distributions."""

    def start(self, given: FromPlanRef, idempotency_key: str | None) -> Started:
        """Start a distribution, or find the one that the same key and plan started.

        Raises:
            IdempotencyConflict: the key was used for another plan.
        """
        ...

    def succeeded(self, since: datetime) -> Iterator[str]:
        """The ids of the runs that succeeded, newest first, back to those that started at `since`."""
        ...


class EndedExecutions(Protocol):
    """Executions of any state machine, as Step Functions describes them."""

    def describe(self, arn: str) -> Execution:
        """An execution that Step Functions does not know has the status UNKNOWN."""
        ...

    def failed(self, since: datetime) -> Iterator[str]:
        """The ARNs of the newest distributions that failed, timed out or were aborted, back to `since`."""
        ...


class Histories(Protocol):
    """The histories of executions, of any state machine."""

    def effort(self, execution_arn: str, *, is_over: bool) -> Effort:
        """The effort of an execution, in all its invocations that have ended.

        If the execution is not over, the caller is its last invocation.
        """
        ...


class Recoveries(Protocol):
    """The state machine that recovers abandoned executions."""

    def start(self, execution_arn: str, queue_id: str) -> None:
        """Start the recovery of an execution. `queue_id` is that of the lock that led here, empty if none did."""
        ...

    def includes(self, execution_arn: str) -> bool:
        """True if the execution is itself a recovery."""
        ...


class Locks(Protocol):
    """The locks of the queues."""

    def find(self, queue_id: str) -> Lock | None: ...

    def all(self) -> Iterator[Lock]: ...

    def take_over(self, queue_id: str, owners: Collection[str], me: str, now: datetime) -> bool:
        """Make `me` the holder of a lock that one of `owners` holds. False when somebody else holds it, or nobody."""
        ...


class OneTimeSchedules(Protocol):
    """The one-time schedules that end temporary plans, by name."""

    def exists(self, name: str) -> bool: ...

    def delete(self, name: str) -> bool:
        """False when there was none."""
        ...


class Schedules(Protocol):
    """The schedules of the deployment."""

    def put(self, schedule: Schedule, plan_ref: str | None, set_by: str, now: datetime) -> StoredSchedule:
        """Create a schedule, or replace the one of its name as a whole. `plan_ref` is None if it has a baseline."""
        ...

    def get(self, name: str) -> StoredSchedule:
        """Raises ScheduleNotFound, also for a schedule that was not created by `put`."""
        ...

    def delete(self, name: str) -> None:
        """Raises ScheduleNotFound."""
        ...

    def page(self, limit: int, after: str | None) -> tuple[list[str], str | None]:
        """Names of schedules, and the token of the next page (None: the last one)."""
        ...


# ---- drift -----------------------------------------------------------------------------------------------------------


class DriftEntries(Protocol):
    """The drift that was found. An entry is one state of a queue."""

    def append(self, entry: DriftEntry, fingerprint: str, seen_at_ms: int) -> bool:
        """Store an entry. False when the queue was last seen in its state, or was seen later."""
        ...

    def of_state(self, queue_id: str, fingerprint: str) -> DriftEntry | None:
        """The entry of the state that the queue was last seen in, None when that is another state by now."""
        ...

    def note(self, queue_id: str, entry_id: str, answer: Answer, *, final: bool) -> bool:
        """Note how an entry was answered. False when an earlier answer was final."""
        ...

    def note_begun(self, queue_id: str, entry_id: str) -> None:
        """Note that the repair of an entry was started."""
        ...

    def claim_repair(self, queue_id: str, entry_id: str, most: int, now_ms: int) -> bool:
        """Take one of the `most` repairs that a queue may have within an hour; an entry's second claim is its first."""
        ...

    def settled(self, queue_id: str, seen_at_ms: int) -> None: ...

    def of_queue(
        self, queue_id: str, *, since: str, until: str, limit: int, after: str | None
    ) -> tuple[list[DriftEntry], str | None]: ...


class Patrols(Protocol):
    """The queues that the patrol reads, with the time of their last reading."""

    def watch(self, queue_id: str, looked_at_ms: int) -> None: ...

    def forget(self, queue_id: str) -> None: ...

    def looked(self, queue_id: str, at_ms: int) -> None: ...

    def due(self, before_ms: int) -> list[str]:
        """The queues that nobody has read since `before_ms`, the longest unread first."""
        ...


class Bus(Protocol):
    """The event bus of the deployment."""

    def put(self, detail_type: str, detail: BaseModel | dict[str, Any]) -> None:
        """Put one event. Delivery is at least once, so a repeated event has to have the same id."""
        ...


# ---- messages in and out ---------------------------------------------------------------------------------------------


class Postpone(Protocol):
    """A queue of messages that were received."""

    def postpone(self, receipt: str, pause_s: int) -> None:
        """Have a message come back after a pause. It comes back as well where the queue does not answer."""
        ...


class ChangeQueue(Postpone, Protocol):
    """The change events that wait for a reading of their queue."""

    def send(self, event: ChangeEvent, after_s: float | None = None) -> None:
        """Queue an event, to come after so many seconds or in 15 minutes, whichever is sooner."""
        ...


class DeadLetters(Protocol):
    """Messages that a person has to look at."""

    def put(self, body: str, reason: str) -> None: ...


class Deliveries(Protocol):
    """The webhooks of the last day, each by the names that it is remembered by."""

    def known(self, names: Sequence[str], now: float) -> bool:
        """True where one of the names was noted."""
        ...

    def note(self, names: Sequence[str], now: float) -> None: ...


class WebhookSecrets(Protocol):
    """The secrets that webhooks are signed with. During a rotation there are two of a kind."""

    def current(self) -> tuple[str, ...]: ...

    def bearers(self) -> tuple[str, ...]: ...


class Receiver(Protocol):
    """The system that outcomes are sent to."""

    def post(self, event_id: str, body: bytes, secrets: Sequence[str]) -> Reply:
        """Send one signed event, and judge the response."""
        ...


class OutcomeStream(Protocol):
    """The stream of the audit table."""

    def closing_in(self, image: Mapping[str, Any]) -> Closing:
        """The closing record in a stream record's image of its item."""
        ...


# ---- Genesys ---------------------------------------------------------------------------------------------------------


class SkillOwners(Protocol):
    """Each skill carries the weights of one queue."""

    def require(self, skill_id: str, queue_id: str) -> None:
        """Raise PlanNotApplicable when the skill is another queue's."""
        ...

    def claim(self, skill_id: str, queue_id: str) -> None:
        """Make the queue the owner. Raises PlanNotApplicable when another queue is."""
        ...


class Genesys(Protocol):
    """One contract of Genesys, made for one plan. Reading gives domain objects, writing takes them."""

    @property
    def per_write(self) -> int:
        """How many members one request writes."""
        ...

    @property
    def raise_first(self) -> bool:
        """True if raising before lowering is the safe order of writes."""
        ...

    def read_queue(self, queue_id: str) -> Queue:
        """The queue with all its members: at most 2 + ceil(members / 100) requests."""
        ...

    def read_again(self, queue: Queue, user_ids: Collection[str]) -> Queue:
        """`queue` with the given members read anew: only the pages that hold them."""
        ...

    def with_skills_in_use(self, queue: Queue, required: Sequence[RequiredSkill]) -> Queue:
        """`queue` with the required skills as the organisation has them. Nobody has a skill that is not active.

        Raises:
            PlanNotApplicable: several skills have the name of a required one.
        """
        ...

    def target(self, plan: Plan, before: Queue) -> Target:
        """What the queue will hold. Raises PlanNotApplicable, with a problem for each reason why it cannot."""
        ...

    def statement(self, plan: Plan, target: Target, before: Queue) -> Statement:
        """What the actuator can represent of the plan, and what it does not do."""
        ...

    def rankings(self, before: Queue, target: Target) -> tuple[Ranking, Ranking]:
        """How the queue chooses among its agents, before and after `target` is applied."""
        ...

    def service_goal(self, queue: Queue) -> tuple[float, float] | None:
        """The queue's own goal: the share of contacts to answer within so many seconds; None if it has none."""
        ...

    def completed(self, target: Target, before: Queue) -> Target:
        """`target` with everything else that has to change for it.

        Raises:
            PlanNotApplicable: the queue cannot hold it.
        """
        ...

    def fields_of(self, queue: Queue, names: Iterable[SettingName]) -> Mapping[str, Any]:
        """By setting, what carried it in a queue that was read: see `Target.fields`."""
        ...

    def write_queue(
        self,
        before: Queue,
        target: Target,
        names: Collection[SettingName],
        key: str,
        own: Settings | None = None,
    ) -> None:
        """Set the named settings.

        `own` is what the run has written of the queue before, None if it has written nothing, members neither.

        Raises:
            QueueChanged: somebody else changed the queue. Nothing was sent.
        """
        ...

    def restore_settings(self, before: Queue, target: Target, names: Collection[SettingName], key: str) -> None:
        """Give the named settings what they held in the before-image, and change nothing else of the queue."""
        ...

    def write_members(
        self,
        before: Queue,
        members: Sequence[Member],
        target: Target,
        key: str,
        *,
        go_on: Callable[[], bool],
        stops_at: tuple[type[RoutingWeightsError], ...],
    ) -> Answers:
        """Give members their values, and change nothing else of them. Several writes are under way at once.

        Writes are begun in the order of `members`, while `go_on()` is true and no error of `stops_at` has come. When
        this returns, each of them is answered.

        Args:
            before: the queue as it was read, with the pages of the members.
            members: as they were read.
            target: their values.
            key: unique per distribution and attempt. Each write adds the id of its first member.
            go_on: False ends it, for instance because the time is up.
            stops_at: the errors after which no further write makes sense.
        """
        ...


class Connect(Protocol):
    """Opens Genesys for a plan whose mechanism is about to be decided."""

    def __call__(self, actuation: Actuation) -> Genesys: ...


class Reconnect(Protocol):
    """Opens Genesys for what was decided before."""

    def __call__(self, decision: Decision) -> Genesys:
        """Raises PlanNotApplicable when the deployment speaks another contract by now."""
        ...


class Analytics(Protocol):
    """What Genesys knows of the load of queues. Contract `score` has none of it."""

    def observe(self, queue_id: str) -> Observed:
        """The queue at this moment, in one request."""
        ...

    def history(self, queue_ids: Sequence[str]) -> dict[str, History | None]:
        """The same weekday and half hour (UTC) of the last weeks, None for a queue with too few of them."""
        ...

    def predicted(self, business_unit: str, queue_id: str) -> Predicted | str:
        """The newest workforce forecast that covers this moment, or a sentence that says why there is none."""
        ...

    def realised(self, queue_ids: Sequence[str], start: datetime, end: datetime) -> dict[str, Realised]:
        """What happened in the queues, in one request. A queue without any contact is left out."""
        ...


class Forecasts(Protocol):
    """The forecasts that were pushed for queues."""

    def find(self, queue_id: str) -> PushedForecast | None:
        """The queue's forecast, expired or not. Raises StoreUnavailable when what is stored is no forecast."""
        ...

    def put(self, queue_id: str, pushed: PushedForecast) -> None: ...

    def delete(self, queue_id: str) -> bool:
        """False when there was none."""
        ...
