"""The ports: what the use cases need of the world, and nothing more.

A port is a Protocol. A use case names it, an adapter satisfies it by its shape, a test fakes it in ten lines, and
`bootstrap` brings them together. Add a method here when a use case calls it, and delete it with its last caller.
Neither side imports the other. What goes through a port is a domain or projection object, never a client's answer.

Every method of a store raises StoreUnavailable when AWS does not answer. Errors beyond that are named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from pydantic import BaseModel

    from routing_weights.domain.access import Divisions, GenesysUser, Person
    from routing_weights.domain.actuation import Actuation, Statement
    from routing_weights.domain.actuators.base import Ranking
    from routing_weights.domain.approval import Approval
    from routing_weights.domain.chain import Head
    from routing_weights.domain.change_events import ChangeEvent
    from routing_weights.domain.decision import Decision, Image, Work
    from routing_weights.domain.directory import ListedQueue
    from routing_weights.domain.draw import Stored, Tally
    from routing_weights.domain.drawn import DrawnBucket
    from routing_weights.domain.drift import Answer, DriftEntry
    from routing_weights.domain.effort import Effort, Spent
    from routing_weights.domain.evidence import Checkpoint, Inspection, StoredCheckpoint
    from routing_weights.domain.execution import Execution
    from routing_weights.domain.fleet import (
        Fleet,
        FleetStatus,
        Held,
        Line,
        QueueItem,
        QueueOutcome,
        Steered,
        Verdict,
        WaveOutcome,
    )
    from routing_weights.domain.inputs import FromPlanRef
    from routing_weights.domain.named_plan import NamedPlan
    from routing_weights.domain.notifications import Earlier, Notification, Sent
    from routing_weights.domain.plan import Plan, RequiredSkill
    from routing_weights.domain.queue import Member, Queue, QueueSettings, SettingName, Settings
    from routing_weights.domain.record import (
        AuditRecord,
        Handled,
        Kind,
        Published,
        Realised,
        Records,
        RunSummary,
        Unreadable,
    )
    from routing_weights.domain.restore import Restoration
    from routing_weights.domain.revert import Baseline
    from routing_weights.domain.run import Lock, Started
    from routing_weights.domain.schedule.schedule import Schedule, StoredSchedule
    from routing_weights.domain.shares import SharesInForce
    from routing_weights.domain.signing import Reply
    from routing_weights.domain.standings import Membership, Standings, Status
    from routing_weights.domain.target import Answers, Target
    from routing_weights.domain.types import ApprovalAnswer
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

    def read(self, distribution_id: str, *names: Literal["work", "before", "after"]) -> dict[str, str]:
        """The SHA-256 of these documents in hex, by what the audit record calls them, as far as they were read here."""
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

    def upload_address(self, upload_id: str, expires_s: int, space: str = "") -> str:
        """The address to which an upload can be sent with PUT, without credentials, for `expires_s` seconds."""
        ...

    def upload(self, upload_id: str, space: str = "") -> tuple[int, Iterator[bytes]] | None:
        """The size in bytes of an upload, and its content in pieces; None if nothing was uploaded in this space."""
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


class OwnToken(Protocol):
    """Genesys, as the owner of a token sees it. Every method may raise SignInRefused and GenesysUnavailable."""

    def user(self) -> GenesysUser: ...

    def divisions(self, permission: str) -> Divisions:
        """The divisions in which the user has a permission."""
        ...

    def granted(self) -> dict[str, Divisions]:
        """The divisions in which the user holds each role, by the role's name."""
        ...

    def queues(self) -> dict[str, str]:
        """The queues that the user may see, in lower case, with the division of each."""
        ...


class Access(Protocol):
    """What persons who signed in may do."""

    def put(self, reference: str, person: Person, expires_at: int) -> None:
        """Store a person under a new reference. `expires_at` is in epoch seconds."""
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

    def token(self, fleet: Fleet) -> str:
        """The token of the page that begins after a fleet."""
        ...

    def stop(self, fleet_id: str, attempt: int, by: Steered) -> bool:
        """Note that somebody cancelled the fleet. False if it has ended, or another attempt runs."""
        ...

    def begin_again(
        self, fleet_id: str, attempt: int, status: FleetStatus, execution_arn: str, now: datetime, by: Steered
    ) -> bool:
        """Note the attempt after `attempt`, before its execution starts. False if somebody else has begun it."""
        ...

    def end(
        self,
        fleet_id: str,
        attempt: int,
        status: FleetStatus,
        reason: str,
        now: datetime,
        by: Steered | None = None,
    ) -> bool:
        """Store how an attempt has ended. False if it has ended already, or another attempt runs."""
        ...

    def hold(self, fleet_id: str, attempt: int, held: Held) -> bool:
        """Note that a wave waits for a decision. False if the fleet is cancelled or over, or another attempt runs."""
        ...

    def go_on(self, fleet_id: str, attempt: int, status: FleetStatus, reason: str, by: Steered | None = None) -> bool:
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

    def release(self, held: Held, by: Steered) -> bool:
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

    def stored(self, distribution_id: str) -> list[dict[str, Any]]:
        """The records of a distribution as JSON, with their links."""
        ...

    def exported(self, distribution_id: str) -> list[dict[str, Any]]:
        """Like `stored`. A record that cannot be read has the reason as `unreadable`, and stops nothing."""
        ...

    def of_queue(
        self, queue_id: str, *, since: str, until: str, limit: int, after: str | None
    ) -> tuple[list[RunSummary], str | None]:
        """Summaries of a queue's distributions, newest first, and the token of the next page (None: the last one)."""
        ...

    def listed(
        self, queue_id: str, *, since: str, until: str, limit: int, after: str | None
    ) -> tuple[list[RunSummary | Unreadable], str | None]:
        """Like `of_queue`, for people: an unreadable record is named in its place, and stops nothing."""
        ...

    def newest(self, queue_id: str) -> list[RunSummary]:
        """Summaries of a queue's newest distributions, page by page until a completed one is among them."""
        ...

    def last_completed(self, queue_id: str) -> RunSummary | None:
        """The queue's distribution that completed last. Under the queue's lock, nothing is newer than the answer."""
        ...

    def summaries(self, ids: Sequence[str]) -> dict[str, RunSummary]:
        """Summaries by id; a distribution that has no record is left out."""
        ...

    def of_kind(self, kind: type[Kind], ids: Sequence[str]) -> dict[str, Kind]:
        """The records of one kind, by id; a distribution that has none is left out."""
        ...


class NewestRuns(Protocol):
    """The audit trail, of many queues at once."""

    def of(self, queue_ids: Sequence[str], most: int) -> dict[str, list[RunSummary]]:
        """By queue, its newest distributions, newest first, until a completed one is among them; at most `most`."""
        ...


class AuditItems(Protocol):
    """All records, links and heads, as they are stored."""

    def heads(self) -> dict[str, Head]:
        """The head of each chain, by chain."""
        ...

    def inspect(self, inspection: Inspection) -> Iterator[None]:
        """Give every record and every link to an inspection. Yields between, so that the caller can stop."""
        ...


class BoundDocuments(Protocol):
    """The documents that records rely on."""

    def sha256(self, keys: Sequence[str]) -> Iterator[str | None]:
        """Each document's SHA-256 in hex, in the order of the keys. None: there is none. Empty: it is unreadable."""
        ...


class Checkpoints(Protocol):
    """The signed checkpoints. What is stored cannot be changed."""

    def all(self) -> tuple[StoredCheckpoint, ...]:
        """Every checkpoint, in the order of the numbers, as it was first stored."""
        ...

    def put(self, checkpoint: Checkpoint) -> None:
        """Raises CheckpointExists if another one took its number."""
        ...


class Exports(Protocol):
    """What was exported, for a day."""

    def put(self, text: str, extension: str, content_type: str) -> str:
        """Store an export, and return its address, which anybody who has it can read for a short time."""
        ...


class Signer(Protocol):
    """The key of the checkpoints."""

    @property
    def arn(self) -> str: ...

    def sign(self, statement: Mapping[str, Any]) -> str: ...

    def is_signed(self, checkpoint: Checkpoint) -> bool: ...


class NamedPlans(Protocol):
    """The named plans."""

    def put(self, plan: NamedPlan, replaces: str | None) -> bool:
        """Store a plan. False if another version than `replaces` is kept. None: no plan of this name is kept yet."""
        ...

    def delete(self, queue_id: str, name: str, version: str | None) -> bool:
        """Delete a plan. False if there is none, or, with a `version`, if another one is kept."""
        ...

    def find(self, queue_id: str, name: str) -> NamedPlan | None: ...

    def of_queue(self, queue_id: str) -> list[NamedPlan]:
        """The named plans of a queue, sorted by name."""
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


# ---- approval --------------------------------------------------------------------------------------------------------


class Approvals(Protocol):
    """The last question of each distribution that has asked for approval, and its answer."""

    def find(self, distribution_id: str) -> Approval | None: ...

    def ask(self, approval: Approval) -> Approval:
        """Store a question, or give a question that still waits another token. Returns what is stored then."""
        ...

    def answer(
        self, asked: Approval, answer: ApprovalAnswer, caller: str, reason: str, now: datetime
    ) -> Approval | None:
        """Store the answer to a question. None if it no longer waits, or has expired."""
        ...

    def end(self, distribution_id: str) -> None:
        """Note that a run is over: if it waits, no answer reaches it any more."""
        ...

    def waiting(self, now: datetime) -> Iterator[Approval]:
        """What waits at this moment, the oldest first. A question and its answer show within seconds."""
        ...


class RunAnswers(Protocol):
    """The executions that wait for an answer."""

    def deliver(self, answered: Approval) -> bool:
        """End the wait with an answer. False if the execution no longer waits with this token."""
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

    def open(self, queue_ids: Sequence[str]) -> dict[str, DriftEntry]:
        """By queue, the entry of the state that the queue was last seen in. Queues without drift are left out."""
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


class Shares(Protocol):
    """The shares in force."""

    def find(self, queue_id: str) -> SharesInForce | None:
        """The queue's shares. Nobody has one where `weights` is empty. None where nobody ever had one."""
        ...

    def in_force(self) -> Iterator[SharesInForce]:
        """Those of every queue in which somebody has a share or had one. A change shows within seconds."""
        ...


class Tallies(Protocol):
    """What the draws of each queue have counted."""

    def find(self, queue_id: str) -> Tally | None:
        """None where nothing was drawn yet."""
        ...

    def put(self, queue_id: str, tally: Tally) -> bool:
        """Store the successor of what was read. False where its version is no longer the next one."""
        ...


class DrawStore(Protocol):
    """What a draw reads and writes of a queue."""

    def read(self, queue_id: str) -> Stored:
        """Shares, tally and standings, in one request."""
        ...

    def count(self, queue_id: str, tally: Tally) -> Tally | None:
        """Store the successor of a tally that was read. If a newer one is stored, that one comes back."""
        ...


class Readings(Protocol):
    """Whoever reads the agents of a queue."""

    def ask(self, queue_id: str) -> Callable[[], None] | None:
        """Ask for a reading, and return at once. What comes back waits for some moments until the question is sent.

        Nothing is raised. None: this process has just asked.
        """
        ...


class DrawnHistory(Protocol):
    """The draws of each queue by quarters of an hour, as far as they are corrected."""

    def put(self, queue_id: str, bucket: DrawnBucket) -> None:
        """Keep a bucket, in place of an earlier version of it."""
        ...

    def of_queue(self, queue_id: str, since: datetime, until: datetime) -> Iterator[DrawnBucket]:
        """The buckets that begin from `since` on and before `until`, the oldest first."""
        ...


class AgentStatuses(Protocol):
    """Genesys, as far as it shows what the members of a queue are doing. Contract `score` has none of it."""

    def of_queue(self, queue_id: str, now: float) -> Mapping[str, Status | None]:
        """The status of each user who is a member, joined and active; None where it is unknown. `now`: epoch seconds.

        Raises RateLimited where the request budget has no slot.
        """
        ...


class AgentStandings(Protocol):
    """What is known of the agents of each queue that draws."""

    def find(self, queue_id: str) -> Standings: ...

    def claim(self, queue_id: str, known: Standings, until: float) -> bool:
        """Claim the next reading of a queue. False where another one was faster than whoever knew `known`."""
        ...

    def replace(self, queue_id: str, standings: Standings) -> bool:
        """Store what a reading has shown, and end its claim. False where the stored version is no longer this one."""
        ...

    def note(self, queue_id: str, user_id: str, fact: Status | Membership, now: float) -> bool:
        """Note a fact that was heard now. False where a newer one about the user is stored, or the same."""
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


class SecretVersions(Protocol):
    """The versions of a secret that is rotated: see `application/rotate.py`."""

    def labels(self, version: str) -> Collection[str]: ...

    def current(self) -> dict[str, Any]: ...

    def previous(self) -> dict[str, Any]:
        """Return the value that was current before, empty if there is none."""
        ...

    def pending(self, version: str) -> dict[str, Any] | None: ...

    def store(self, version: str, value: dict[str, Any]) -> None: ...

    def promote(self, version: str) -> dict[str, Any]:
        """Make a version the current one. Returns the value that it replaces."""
        ...


class Renewal(Protocol):
    """How the value of one kind of secret is renewed. Raises what Genesys answers."""

    def renewed(self, current: dict[str, Any]) -> dict[str, Any]: ...

    def check(self, pending: dict[str, Any], current: dict[str, Any]) -> None:
        """Raise an error if the new value would not do, or would undo a change of the current one."""
        ...

    def retire(self, replaced: dict[str, Any]) -> None:
        """End the use of the value before. It may have ended already."""
        ...


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

    def record_in(self, image: Mapping[str, Any]) -> Published:
        """The record in a stream record's image of its item."""
        ...


class Channel(Protocol):
    """Where people read notifications. Nothing of an earlier message is known to a channel but its reference."""

    name: ClassVar[str]

    def send(self, notification: Notification, link: str, earlier: Earlier) -> Sent:
        """Send a message, or answer and update the one that `earlier` refers to, where the channel can.

        `link` is empty if there is none.

        Raises:
            ConfigurationInvalid: the secret does not hold what the channel needs.
        """
        ...


class Conversations(Protocol):
    """What was sent on each channel about each distribution."""

    def begin(self, channel: str, about: str, now: float) -> Earlier | None:
        """Take the conversation, so that nobody else sends in it. None while somebody else has it."""
        ...

    def sent(self, channel: str, about: str, earlier: Earlier, notification: Notification, reference: str) -> None:
        """Note that a message was sent, or need not be, and give the conversation back."""
        ...

    def give_back(self, channel: str, about: str, earlier: Earlier) -> None:
        """Give the conversation back: nothing was sent."""
        ...


class Known(Protocol):
    """What earlier events said of queues and distributions, for later events that do not say it."""

    def name_queue(self, queue_id: str, name: str) -> None: ...

    def queue_name(self, queue_id: str) -> str | None: ...

    def put_in_fleet(self, distribution_id: str, fleet_id: str) -> None: ...

    def fleet_of(self, distribution_id: str) -> str | None: ...


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
    def per_write(self) -> float:
        """How many members one request writes. Infinite if Genesys gets no request for them."""
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


class Directory(Protocol):
    """The queues of the organisation."""

    def queues(self) -> list[ListedQueue]:
        """All queues, in one request for each 100. Raises QueuesNotListable under contract `score`."""
        ...

    def queue(self, queue_id: str) -> tuple[ListedQueue, QueueSettings | None]:
        """A queue, and the settings that say how it chooses among agents; None under contract `score`.

        Raises:
            QueueNotFound.
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

    def realised_by_member(
        self, queue_ids: Sequence[str], start: datetime, end: datetime
    ) -> dict[str, dict[str, Handled]]:
        """By queue and user, in lower case, what each user handled. Whoever had no contact is left out.

        One request for each 100 queues.
        """
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
