"""The audit records of a distribution: what each of them says, and how it is made.

Records are stored for years, and none is ever changed. So a field that an earlier release did not write has a default,
and a field that this release does not know is left out.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from routing_weights.domain.effort import Cost, Effort
from routing_weights.domain.plan import Plan
from routing_weights.domain.problems import Problem, as_sentence, problems_of
from routing_weights.domain.queue import SETTINGS, Member, Queue, same
from routing_weights.domain.run import Origin, Outcome, Run
from routing_weights.domain.status import Status
from routing_weights.domain.types import ApprovalAnswer, ApprovalReason

if TYPE_CHECKING:
    from routing_weights.domain.actuation import Statement
    from routing_weights.domain.approval import Approval
    from routing_weights.domain.restore import Restoration

MAX_INLINE_BYTES = 200_000
"""A DynamoDB item holds 400 KB, a log event 256 KB: above this, the largest fields of a record move to S3."""
Value = int | float | bool | None
"""What carries a weight on the wire. A whole number stays one."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Failure(_Part):
    """What went wrong, with the details of its error."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str
    message: str
    path: str | None = None


class Reverted(_Part):
    """The distribution whose image a plan re-applies, and which image: see plan.Restores."""

    distribution_id: str
    image: str = "before"
    also: tuple[str, ...] = ()
    drift: str | None = None

    @property
    def before_images_of(self) -> tuple[str, ...]:
        """The distributions whose before-images the plan re-applies, from the newest on."""
        return (self.distribution_id, *self.also) if self.image == "before" else ()


class Restored(_Part):
    """The result of a restore: see restore.Restoration."""

    outcome: str
    restored: int = 0
    unrestored: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()


class SettingChange(_Part):
    """A change of one of the queue's own settings: before the run, and as read back."""

    setting: str
    before: Value | str
    after: Value | str


class MemberChange(_Part):
    """A change of a member's weight: before the run, as requested, and as read back."""

    member: str
    before: float | None
    requested: float | None
    after: float | None
    value_before: Value = None
    """On the wire; unset where the weight itself is what is written."""
    value_after: Value = None


MOST_VALUES = 6
"""How many different values MemberCounts names: Genesys has six rings and six proficiencies."""


class ValueCount(_Part):
    """How many members of a queue hold a value, on the wire. None: no value."""

    value: Value = None
    members: int


class MemberCounts(_Part):
    """How many members a queue has, and how many of them hold each value."""

    members: int
    values: tuple[ValueCount, ...] = ()
    """The values that most members hold, at most MOST_VALUES of them, in the order of the values."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A simulated mean and its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a projection said of the queue after the plan. Volumes are per interval of the forecast."""

    offered: float
    interval_s: float
    aht_s: float
    patience_s: float
    source: str
    service_level: Interval | None
    abandonment: Interval | None
    mean_wait_s: Interval | None
    answer_within_s: float
    agents: int
    erlang_a: float | None
    """The service level that Erlang A gives."""


@dataclass(frozen=True, slots=True)
class Realised:
    """What happened in a queue in a span of time, all media together, as sums and counts."""

    offered: float = 0.0
    answered: float = 0.0
    abandoned: float = 0.0
    handled: float = 0.0
    handle_s: float = 0.0
    waited: float = 0.0
    """Contacts whose wait has ended: answered, abandoned, or gone elsewhere."""
    wait_s: float = 0.0
    in_time: float = 0.0
    """Of `counted`, those within the service level, both as Genesys counts them by the queue's own setting."""
    counted: float = 0.0
    wanted: float = 0.0
    """Of `counted`, those that the queue's own goals want within the service level. Earlier records have 0."""
    media: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Handled:
    """What a member received from a queue in a span of time, all media together."""

    contacts: int = 0
    """The contacts that the member answered."""
    handle_s: float = 0.0
    """The time of the handling that ended in the span: talk, hold and after-call work."""


@dataclass(frozen=True, slots=True)
class MemberShare:
    """The share that a plan asks for, and what the member received."""

    requested: float
    contacts: int = 0
    handle_s: float = 0.0
    drawn: int | None = None
    """How many contacts were drawn for the member; None where nothing draws."""


Kind = TypeVar("Kind", bound="AuditRecord")


class AuditRecord(BaseModel):
    """A record of a distribution. `KEY` names its kind in the table."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    KEY: ClassVar[str]

    distribution_id: str
    timestamp: str
    """When the record was written: RFC 3339, UTC."""
    queue_id: str | None = None

    @property
    def key(self) -> str:
        """The name of the record in the table."""
        return self.KEY

    def to_json(self) -> dict[str, Any]:
        """What is stored: a field that has no value is left out."""
        document = self.model_dump(mode="json", exclude_unset=True)
        return {"record": self.key} | {name: value for name, value in document.items() if value is not None}

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        return cls.model_validate(document)


class _OfRun(AuditRecord):
    """The opening record: the caller who started the run, and the contents of its plan."""

    status: Status
    execution_arn: str = ""
    started_at: str = ""
    request_id: str | None = None
    door: str = "execution"
    caller: str | None = None
    caller_name: str | None = None
    fleet_id: str | None = None
    requested_weights: dict[str, float] = {}
    submitted_weights: dict[str, float] | None = None
    """The weights as sent, where `normalize` changed them."""
    restores: Reverted | None = None
    until: str | None = None
    overflow_threshold: float | None = None
    utilization_target: float | None = None
    staffing: Literal["now", "joined"] | int | None = None
    strategy_reference: str | None = None
    wrap_up_timeout_s: int | None = None
    on_drift: str | None = None
    accept_uncertain: bool | None = None
    require_approval: bool | None = None
    based_on: str | None = None
    dry_run: bool | None = None
    """Unset where the plan was to be applied, and in records of earlier releases."""
    requested_by: str | None = None
    reason: str | None = None
    plan_fingerprint: str | None = None

    @property
    def origin(self) -> Origin:
        return Origin.model_validate({"door": self.door, "caller": self.caller or "", "caller_name": self.caller_name})


class Opening(_OfRun):
    """A door accepted or refused the plan."""

    KEY: ClassVar[str] = "0-opened"

    opened_queue_id: str | None = None
    """The queue in whose trail the distribution is listed."""


class Closing(_OfRun):
    """The outcome. Where nothing was read back, nothing is claimed to have been applied."""

    KEY: ClassVar[str] = "9-closed"

    latency_ms: int | None = None
    errors: tuple[Failure, ...] = ()
    projection: dict[str, Any] | None = None
    """The document of projection.report."""
    actuation: dict[str, Any] | None = None
    """The document of actuation.statement."""
    restore: Restored | None = None
    before_image: str | None = None
    """The key of the document that has the before-image."""
    documents: dict[str, str] = {}
    """The SHA-256, in hex, of what a later revert reads of this distribution, by the document's key."""
    applied_weights: dict[str, float | None] = {}
    applied_overflow_threshold: float | None = None
    balance_accuracy: float | None = None
    changes: tuple[SettingChange | MemberChange, ...] | None = None
    """The differences from the before-image. None if nothing was read back."""
    queue_name: str | None = None
    """As Genesys showed it. None if the queue was not read."""
    counts_before: MemberCounts | None = None
    counts_after: MemberCounts | None = None
    """None if nothing was read back."""
    effort: Effort | None = None
    """None if no execution was started, if Step Functions did not answer, or if an earlier release wrote the record."""
    cost: Cost | None = None


class _OfApproval(AuditRecord):
    """A distribution may ask several times: the name of each record ends with the number."""

    number: int
    hash: str
    """What was asked: see approval.content_hash."""

    @property
    def key(self) -> str:
        return f"{self.KEY}-{self.number}"


class ApprovalAsked(_OfApproval):
    """The distribution waits for approval."""

    KEY: ClassVar[str] = "3-asked"

    reasons: tuple[ApprovalReason, ...] = ()
    asked_by: str | None = None
    expires_at: str


class ApprovalAnswered(_OfApproval):
    """Somebody approved or rejected it."""

    KEY: ClassVar[str] = "4-answered"

    answer: ApprovalAnswer
    caller: str | None = None
    """Who answered; None in the console."""
    reason: str | None = None


class Measurement(AuditRecord):
    """What happened in the queue after a completed distribution, or why it cannot be compared."""

    KEY: ClassVar[str] = "5-realised"

    why: str | None = None
    """Why there is nothing to compare; then there is nothing else."""
    start: str | None = None
    end: str | None = None
    predicted: Prediction | None = None
    realised: Realised | None = None
    others: tuple[str, ...] = ()
    """The other distributions that were at work on the queue in that time."""
    alone: bool = False
    """No other distribution was at work on the queue."""


class Requested(AuditRecord):
    """Of a closing record, what the plan asks for, and how its weights are carried."""

    KEY: ClassVar[str] = Closing.KEY

    requested_weights: dict[str, float] = {}
    actuation: dict[str, Any] | None = None

    @property
    def actuator(self) -> str:
        """Empty in a record that does not say it."""
        return str((self.actuation or {}).get("actuator") or "")


class Applied(Requested):
    """Of a closing record, what a distribution has put in force."""

    caller_name: str | None = None
    requested_by: str | None = None
    overflow_threshold: float | None = None
    utilization_target: float | None = None
    strategy_reference: str | None = None
    until: str | None = None

    @property
    def skill(self) -> str | None:
        return (self.actuation or {}).get("skill")


Published = Closing | Measurement | ApprovalAnswered
"""The records that become events of the bus."""


def published(document: Mapping[str, Any]) -> Published:
    """Read one of these records by its key."""
    key = document["record"]
    if key == Measurement.KEY:
        return Measurement.parse(document)
    return (ApprovalAnswered if key.startswith(ApprovalAnswered.KEY) else Closing).parse(document)


class RealisedAccuracy(AuditRecord):
    """How near what the members received came to the plan; of RealisedShares, what does not grow with the queue."""

    KEY: ClassVar[str] = "6-shares"

    start: str | None = None
    end: str | None = None
    contacts: int = 0
    """The contacts of all members of the queue, requested or not."""
    handle_s: float = 0.0
    realised_accuracy: float | None = None
    accuracy_by_chance: float | None = None
    """What as many contacts have on average if each is given by lot, with exactly the requested shares."""
    why: str | None = None
    """Why there is no realised accuracy."""
    ended_by: str | None = None
    """The distribution that wrote to the queue next, where that ended the measurement."""


class RealisedShares(RealisedAccuracy):
    """What each requested member received of the queue's contacts after a completed distribution."""

    shares: dict[str, MemberShare] = {}
    """By requested member."""


class ExpiryCancelled(AuditRecord):
    """Somebody cancelled the expiry of a distribution: what it applied stays."""

    KEY: ClassVar[str] = "7-kept"

    caller: str | None = None


class RunSummary(BaseModel):
    """One line of a queue's trail: fields of the opening record, overlaid with those of the closing one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    distribution_id: str
    queue_id: str | None = None
    status: Status
    timestamp: str
    started_at: str
    latency_ms: int | None = None
    balance_accuracy: float | None = None
    overflow_threshold: float | None = None
    caller: str | None = None
    caller_name: str | None = None
    requested_by: str | None = None
    reason: str | None = None
    door: str | None = None
    fleet_id: str | None = None
    errors: tuple[Failure, ...] = ()
    restores: Reverted | None = None
    until: str | None = None
    dry_run: bool | None = None
    restore: Restored | None = None

    @property
    def by(self) -> str:
        """Whoever wanted the distribution, for people: a verified name, otherwise what its plan or its door says."""
        return self.caller_name or self.requested_by or self.caller or "Somebody in the console"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record of a listed distribution that is none as this system writes them."""

    distribution_id: str
    record: str
    """The kind of the record."""
    why: str


def unreadable(record: Mapping[str, Any], why: str) -> dict[str, Any]:
    """What stands in for a record that cannot be read: its key, and the reason."""
    return {"distribution_id": record["distribution_id"], "record": record["record"], "unreadable": why}


def summary_of(documents: Sequence[Mapping[str, Any]]) -> RunSummary:
    """Merge the opening and the closing record of a distribution. Raises pydantic's ValidationError."""
    return RunSummary.model_validate({name: value for document in documents for name, value in document.items()})


def summary_or_why(documents: Sequence[Mapping[str, Any]]) -> RunSummary | Unreadable:
    """Like `summary_of`, and where there is no summary, which record is the reason, and why."""
    try:
        return summary_of(documents)
    except ValidationError as error:
        problems = problems_of(error)
        wrong = problems[0]["path"].partition(".")[0]
        at_fault = next((each for each in reversed(documents) if wrong in each), documents[0])
        return Unreadable(str(at_fault["distribution_id"]), str(at_fault["record"]), as_sentence(problems))


@dataclass(frozen=True)
class Records:
    """The records of one distribution, as far as they are written."""

    opening: Opening | None = None
    measurement: Measurement | None = None
    shares: RealisedShares | None = None
    expiry_cancelled: ExpiryCancelled | None = None
    closing: Closing | None = None
    asked: tuple[ApprovalAsked, ...] = ()
    """Every question of the distribution, by number."""
    answered: tuple[ApprovalAnswered, ...] = ()
    """The answers that there were, by number."""

    def __bool__(self) -> bool:
        """False where nothing is on record of the distribution."""
        return self != Records()

    @classmethod
    def parse(cls, documents: Iterable[Mapping[str, Any]]) -> "Records":
        by_key = {document["record"]: document for document in documents}

        def read(kind: type[Kind]) -> Kind | None:
            return kind.parse(by_key[kind.KEY]) if kind.KEY in by_key else None

        def read_all(kind: type[Kind]) -> tuple[Kind, ...]:
            return tuple(kind.parse(by_key[key]) for key in sorted(by_key) if key.startswith(f"{kind.KEY}-"))

        return cls(
            read(Opening),
            read(Measurement),
            read(RealisedShares),
            read(ExpiryCancelled),
            read(Closing),
            read_all(ApprovalAsked),
            read_all(ApprovalAnswered),
        )


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: fixed width, so it sorts as text."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def opened(run: Run, plan: Plan, at: datetime) -> Opening:
    """A door accepted the plan."""
    return Opening(
        distribution_id=run.distribution_id,
        opened_queue_id=plan.queue_id,
        timestamp=timestamp(at),
        status=Status.INITIATED,
        **_who(run),
        **_asked(plan),
    )


def expiry_cancelled(distribution_id: str, caller: str, at: datetime) -> ExpiryCancelled:
    return ExpiryCancelled(distribution_id=distribution_id, timestamp=timestamp(at), caller=caller or None)


def approval_asked(approval: "Approval") -> ApprovalAsked:
    return ApprovalAsked(
        distribution_id=approval.distribution_id,
        queue_id=approval.queue_id,
        timestamp=approval.asked_at,
        number=approval.number,
        hash=approval.hash,
        reasons=approval.reasons,
        asked_by=approval.asked_by or None,
        expires_at=approval.expires_at,
    )


def approval_answered(approval: "Approval") -> ApprovalAnswered:
    """The record of an approval whose state is its answer."""
    return ApprovalAnswered.model_validate(
        {
            "distribution_id": approval.distribution_id,
            "queue_id": approval.queue_id,
            "timestamp": approval.answered_at,
            "number": approval.number,
            "hash": approval.hash,
            "answer": approval.state,
            "caller": approval.answered_by or None,
            "reason": approval.reason or None,
        }
    )


def refused(run: Run, queue_id: str | None, problems: list[Problem], at: datetime) -> tuple[Opening, Closing]:
    """A door refused the plan: its opening and its closing at once. `queue_id` None where the plan names none."""
    common: dict[str, Any] = {
        "distribution_id": run.distribution_id,
        "timestamp": timestamp(at),
        "status": Status.VALIDATION_FAILED,
        "queue_id": queue_id,
        **_who(run),
    }
    errors = tuple(Failure(type=p["type"], path=p["path"], message=p["message"]) for p in problems)
    return Opening(**common, opened_queue_id=queue_id), Closing(**common, latency_ms=run.latency_ms(at), errors=errors)


def closed(
    run: Run,
    outcome: Outcome,
    *,
    plan: Plan | None,
    before: Queue | None,
    projection: dict[str, Any] | None,
    actuation: "Statement | None",
    restore: "Restoration | None",
    after: Queue | None,
    at: datetime,
    before_image: str | None = None,
    may_have_written: bool = True,
    documents: Mapping[str, str] | None = None,
) -> Closing:
    """The outcome. `after` is a read-back: without one, nothing is claimed to have been applied.

    `before_image` is the key of the document that has `before`, and `documents` has the SHA-256 of documents by key.
    `may_have_written` is False if the run ended before its first write.
    """
    record: dict[str, Any] = {
        "distribution_id": run.distribution_id,
        "timestamp": timestamp(at),
        "queue_id": run.queue_id,
        "status": outcome.status,
        "latency_ms": run.latency_ms(at),
        "errors": outcome.errors(),
        "projection": projection,
        "actuation": actuation,
        "restore": _restored(outcome, before, restore, may_have_written=may_have_written),
        "before_image": before_image,
        "queue_name": before.name if before else None,
        "counts_before": _counts(before) if before else None,
        "counts_after": _counts(after) if after else None,
        **_who(run),
        **(_asked(plan) if plan else {}),
    }
    if documents:
        record["documents"] = dict(documents)
    named = _named(plan, actuation) if plan else {}
    # A revert may name a member who had no value: no weight is asked for.
    requested = {member: weight for member, weight in named.items() if weight is not None}
    if requested:
        record["requested_weights"] = requested
    if named and before and after:
        held = after.weights()
        record |= {
            "applied_weights": {member: held.get(member) for member in requested},
            "applied_overflow_threshold": after.overflow_threshold,
            "balance_accuracy": round(balance_accuracy(requested, held), 9) if requested and after.ranks else None,
            "changes": _changes(named, before, after),
        }
    return Closing(**record)


def last_completed(runs: Iterable[RunSummary]) -> str | None:
    """The id of the run that completed last, by the time of its end: runs wait for one another in any order."""
    completed = [run for run in runs if run.status is Status.COMPLETED]
    return max(completed, key=lambda run: run.timestamp).distribution_id if completed else None


def _restored(
    outcome: Outcome, before: Queue | None, restore: "Restoration | None", *, may_have_written: bool
) -> Restored | None:
    """What a restoration came to. A restoration that left no document has failed, where it had something to restore."""
    if restore is None and before and outcome.status.failed_writing:
        came_to = "failed" if may_have_written else "not_needed"
        return Restored(outcome=came_to, restored=0, unrestored=(), unconfirmed=(), edited=())
    return Restored.model_validate(restore.to_json()) if restore else None


def _named(plan: Plan, actuation: "Statement | None") -> Mapping[str, float | None]:
    """The weights asked for: the plan's, or those of the image that it re-applies; None for no value at all."""
    if plan.restores is None:
        return plan.weights
    members = actuation["members"] if actuation else {}
    return {member: None if line["value"] is None else line["requested"] for member, line in members.items()}


def _who(run: Run) -> dict[str, Any]:
    return {
        "execution_arn": run.execution_arn,
        "started_at": timestamp(run.started_at),
        "request_id": run.origin.request_id,
        "door": run.origin.door,
        "caller": run.origin.caller or None,
        "caller_name": run.origin.caller_name,
        "fleet_id": run.fleet_id or None,
    }


def _asked(plan: Plan) -> dict[str, Any]:
    return {
        "queue_id": plan.queue_id,
        "requested_weights": plan.requested,
        "restores": _reverted(plan),
        "until": plan.until,
        "submitted_weights": plan.submitted,
        "overflow_threshold": plan.overflow_threshold,
        "utilization_target": plan.utilization_target,
        "staffing": plan.staffing,
        "strategy_reference": plan.strategy_reference,
        "wrap_up_timeout_s": plan.wrap_up_timeout_s,
        "on_drift": plan.drift_policy,
        "accept_uncertain": plan.accept_uncertain or None,
        "require_approval": plan.require_approval or None,
        "based_on": plan.based_on,
        "dry_run": plan.dry_run or None,
        "requested_by": plan.requested_by,
        "reason": plan.reason,
        "plan_fingerprint": plan.fingerprint(),
    }


def _reverted(plan: Plan) -> Reverted | None:
    if plan.restores is None:
        return None
    further = {name: value for name in ("also", "drift") if (value := getattr(plan.restores, name))}
    return Reverted(distribution_id=plan.restores.distribution_id, image=plan.restores.image, **further)


def _changes(
    requested: Mapping[str, float | None], before: Queue, after: Queue
) -> tuple[SettingChange | MemberChange, ...]:
    """What differs from the before-image, the queue's own settings first, then member by member."""
    settings = [
        SettingChange(setting=name, before=before.settings.get(name), after=after.settings.get(name))
        for name in SETTINGS
        if before.settings.get(name) != after.settings.get(name)
    ]
    old, new = ({member.user_id: member for member in queue.members} for queue in (before, after))
    members = [_change(member, weight, old.get(member), new.get(member)) for member, weight in requested.items()]
    return (*settings, *(change for change in members if change))


def _counts(queue: Queue) -> MemberCounts:
    held = Counter(member.value for member in queue.members).most_common(MOST_VALUES)
    in_order = sorted(held, key=lambda count: (count[0] is not None, count[0] or 0))
    values = tuple(ValueCount(value=value, members=members) for value, members in in_order)
    return MemberCounts(members=len(queue.members), values=values)


def _change(member: str, requested: float | None, old: Member | None, new: Member | None) -> MemberChange | None:
    """One member's change; None where the value is the same as before."""
    was, now = old.value if old else None, new.value if new else None
    if was == now or same(was, now):
        return None
    values = {"value_before": was, "value_after": now}
    on_the_wire = any(member_ and member_.carried is not None for member_ in (old, new))
    return MemberChange(
        member=member,
        before=old.weight if old else None,
        requested=requested,
        after=new.weight if new else None,
        **(values if on_the_wire else {}),  # else the weight itself is on the wire
    )


def balance_accuracy(requested: Mapping[str, float], held: Mapping[str, float | None]) -> float:
    """Return 100 x (1 - mean |requested - read back|) over the requested members, in [0, 100].

    A member without a read-back counts as completely wrong (distance 1).

    >>> balance_accuracy({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.25})
    87.5
    """
    distances = []
    for member, weight in requested.items():
        back = held.get(member)
        distances.append(1.0 if back is None else min(1.0, abs(weight - back)))
    return 100.0 * (1.0 - math.fsum(distances) / len(requested))
