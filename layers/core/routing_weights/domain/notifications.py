"""Notifications: what people read of an event, in the same words on every channel.

Names and reasons come from outside. A queue's name may be an attempt to mention everybody, to link somewhere or to look
like another line: `plain` leaves text that no channel acts on.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, assert_never, get_args
from urllib.parse import quote

from pydantic import BaseModel

from routing_weights.domain.events import (
    AwaitingApproval,
    Counts,
    DistributionAnswered,
    DistributionMeasured,
    DistributionOutcome,
    DriftFound,
    Projection,
    Restore,
)
from routing_weights.domain.fleet import FleetOutcome, FleetStatus
from routing_weights.domain.signing import Reply
from routing_weights.domain.status import Status

Tone = Literal["good", "warning", "bad"]
OfQueue = DistributionOutcome | DistributionMeasured | DriftFound | AwaitingApproval | DistributionAnswered
Event = OfQueue | FleetOutcome
EVENTS: tuple[type[Event], ...] = get_args(Event)
LONGEST_HEADING, LONGEST_FACT, LONGEST_TEXT = 150, 300, 1000
"""In characters. With these the largest message fits every channel."""
LISTED = 3

_DOT = re.compile(r"(?<=[^\W_])\.(?=[^\W\d_]{2})")
_SCHEME = re.compile(r"://", re.ASCII)
_BLANKS = re.compile(r"\s+")


class Kind(StrEnum):
    APPLIED = "applied"
    REVERTED = "reverted"
    EXPIRED = "expired"
    REPAIRED = "repaired"
    REFUSED = "refused"
    RESTORED = "restored"
    NOT_RESTORABLE = "not_restorable"
    MEASURED = "measured"
    DRIFT = "drift"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    FLEET_ENDED = "fleet_ended"
    FLEET_HELD = "fleet_held"

    @property
    def heading(self) -> str:
        return _HEADINGS[self][0]

    @property
    def tone(self) -> Tone:
        return _HEADINGS[self][1]

    @property
    def is_state(self) -> bool:
        """True if it says how the queue is now, so that a first message is replaced by it. A measurement only adds."""
        return self is not Kind.MEASURED

    @property
    def is_step(self) -> bool:
        """True if nobody has to read it once the distribution has gone on."""
        return self in {Kind.AWAITING_APPROVAL, Kind.APPROVED}


_HEADINGS: Mapping[Kind, tuple[str, Tone]] = {
    Kind.APPLIED: ("Applied", "good"),
    Kind.REVERTED: ("Reverted", "good"),
    Kind.EXPIRED: ("Expired, and reverted", "good"),
    Kind.REPAIRED: ("Drift repaired", "good"),
    Kind.REFUSED: ("Not applied", "warning"),
    Kind.RESTORED: ("Failed and restored", "warning"),
    Kind.NOT_RESTORABLE: ("NOT RESTORED", "bad"),
    Kind.MEASURED: ("Measured", "good"),
    Kind.DRIFT: ("Drift", "warning"),
    Kind.AWAITING_APPROVAL: ("Waits for approval", "warning"),
    Kind.APPROVED: ("Approved", "good"),
    Kind.FLEET_ENDED: ("Fleet ended", "good"),
    Kind.FLEET_HELD: ("Fleet held", "warning"),
}
_DONE = {"plan": Kind.APPLIED, "revert": Kind.REVERTED, "expiry": Kind.EXPIRED, "repair": Kind.REPAIRED}
_SILENT_IN_FLEETS = {Kind.APPLIED, Kind.REVERTED, Kind.REFUSED, Kind.RESTORED, Kind.MEASURED, Kind.APPROVED}


@dataclass(frozen=True)
class Notification:
    """One message. All of its texts are plain."""

    event_id: str
    """The same for every copy of the same event."""
    kind: Kind
    about: str
    """The message that a later one answers: a distribution, or `fleet <id>`."""
    at: str
    """When it happened: RFC 3339, UTC. Copies and late events are told from news by it."""
    heading: str
    facts: tuple[tuple[str, str], ...]
    """Names and values."""
    text: str
    """Sentences; may be empty."""
    path: str
    """Of the whole record, below the address of the API or of a page."""
    tone: Tone

    def for_fleet(self, fleet_id: str) -> "Notification | None":
        """The message about one queue of a fleet; None where the message about the fleet says it.

        Of each kind there is one message in a day: a plan of a fleet that expires, expires in every queue.
        """
        if self.kind in _SILENT_IN_FLEETS:
            return None
        more = f"This is the first queue of fleet {fleet_id} today. No further message says this of its other queues."
        if self.kind is Kind.AWAITING_APPROVAL:
            more += f" To answer all that wait: POST /fleets/{fleet_id}/approve or /fleets/{fleet_id}/reject."
        return replace(
            self,
            event_id=f"{fleet_id}:{self.kind}:{self.at[:10]}",
            about=f"fleet {fleet_id}",
            heading=plain(f"{self.heading} · a queue of a fleet", LONGEST_HEADING),
            text=f"{self.text} {more}".strip(),
        )


@dataclass(frozen=True)
class Earlier:
    """What was sent in a conversation before."""

    taken_until: float = 0.0
    """Epoch seconds: proves that the conversation is still this function's."""
    reference: str = ""
    """The first message, as the channel calls it. Empty if there is none, or if the channel has no name for it."""
    newest_at: str = ""
    """When the newest event of the conversation happened."""
    events: frozenset[str] = frozenset()
    """The ids of the events that were sent."""


@dataclass(frozen=True)
class Sent:
    """What came of a message."""

    reply: Reply
    reference: str = ""
    """The first message of the conversation, as the channel calls it."""


def event_of(detail: Mapping[str, Any]) -> Event:
    """Read the detail of an event, of this release or a later one.

    Raises ValueError for a detail that is none of them.
    """
    for model in EVENTS:
        if detail.get("type") == model.model_fields["type"].default:
            return _read(model, detail)
    raise ValueError("The detail is none of the events that lead to a notification.")


def _read(model: type[Event], detail: Mapping[str, Any]) -> Event:
    """Fields that this release does not know are left out, at every depth."""

    def known(part: Any, of: Any) -> Any:
        if isinstance(part, list):
            return [known(each, of) for each in part]
        if not isinstance(part, Mapping) or of is None:
            return part
        return {
            name: known(value, _model_in(of.model_fields[name].annotation))
            for name, value in part.items()
            if name in of.model_fields
        }

    return model.model_validate(known(detail, model))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `list[Model]` or `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _model_in(part))), None)


def notification_of(event: Event, queue_name: str | None) -> Notification | None:
    """The message of an event; None for a dry run, which nobody has to know of."""
    match event:
        case DistributionOutcome():
            return None if event.status is Status.DRY_RUN else _of_outcome(event, queue_name)
        case DistributionMeasured():
            return _of_measurement(event, queue_name)
        case DriftFound():
            return _of_drift(event, queue_name)
        case AwaitingApproval():
            return _of_approval(event, queue_name)
        case DistributionAnswered():  # the outcome of a rejected one says who rejected it, and why
            return _of_answer(event, queue_name) if event.answer == "approved" else None
        case FleetOutcome():
            return None if event.queues.keys() == {Status.DRY_RUN} else _of_fleet(event)
        case _:
            assert_never(event)


def plain(text: str, longest: int = LONGEST_FACT) -> str:
    """Return text of one line that is no address, and has no characters that are invisible or change the direction.

    >>> plain("Support https://evil.example/x")
    'Support https[:]//evil[.]example/x'
    """
    visible = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text)
    line = _SCHEME.sub("[:]//", _DOT.sub("[.]", _BLANKS.sub(" ", visible).strip()))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def moment(text: str) -> str:
    """Return a time for people, in UTC."""
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError):
        return plain(text)


# ---- each event ------------------------------------------------------------------------------------------------------


def kind_of(event: DistributionOutcome) -> Kind:
    if event.status is Status.COMPLETED:
        return _DONE[event.purpose]
    if event.restore is None or event.restore.outcome == "not_needed":
        return Kind.REFUSED
    return Kind.RESTORED if event.restore.outcome == "restored" else Kind.NOT_RESTORABLE


def _of_outcome(event: DistributionOutcome, queue_name: str | None) -> Notification:
    kind = kind_of(event)
    facts = [
        *_queue(event.queue_id, event.queue_name or queue_name),
        *_who(_named(event.caller_name, event.caller), event.door, event.requested_by, event.reason),
        *_fact("Result", "" if kind in _DONE.values() else event.status.sentence),
        *_fact("Changed", _changes(event)),
        *_fact("Before", _counts(event.before, event.actuator)),
        *_fact("After", _counts(event.after, event.actuator)),
        *_projected(event.projection),
        *_fact("Not restored", _unrestored(event.restore)),
        *_fact("Expires", moment(event.until) if event.until and kind is Kind.APPLIED else ""),
        *_fact("About", event.reverts or ""),
        ("Distribution", plain(event.distribution_id)),
    ]
    text = _lead(event, kind) + " ".join(error.message for error in event.errors[:LISTED])
    if event.error_count > LISTED:
        text += f" {event.error_count - LISTED} more problems are in the record."
    return _notification(
        event.id, kind, event.reverts or event.distribution_id, event.ended_at, facts, text,
        event.record, subject=event.queue_name or queue_name or event.queue_id,
    )  # fmt: skip


def _lead(event: DistributionOutcome, kind: Kind) -> str:
    """What a reader has to know first of what was not done, as sentences with a space after each."""
    if kind in _DONE.values():
        return ""
    mixture = "The queue holds a mixture of old and new values. " if kind is Kind.NOT_RESTORABLE else ""
    match event.purpose:
        case "expiry":
            return f"{mixture}The plan has expired, and the earlier state is not back. "
        case "repair":
            return f"{mixture}The drift is not repaired. "
        case "plan" | "revert":
            return mixture
        case _:
            assert_never(event.purpose)


def _of_measurement(event: DistributionMeasured, queue_name: str | None) -> Notification:
    projected, realised = event.projected, event.realised
    others = "" if event.alone else "Other distributions were at work on the queue in that time."
    facts = [
        *_queue(event.queue_id, queue_name),
        *_fact("Measured", f"{moment(event.start)} to {moment(event.end)}"),
        *_fact("Contacts", f"{event.contacts:.0f}"),
        *_beside("Service level", projected.service_level, realised.service_level),
        *_beside("Abandoned", projected.abandonment, realised.abandonment),
        ("Distribution", plain(event.distribution_id)),
    ]
    return _notification(
        event.id, Kind.MEASURED, event.distribution_id, event.at, facts, others, event.record,
        subject=queue_name or event.queue_id,
    )  # fmt: skip


def _beside(name: str, projected: float | None, realised: float | None) -> list[tuple[str, str]]:
    levels = {"projected": projected, "realised": realised}
    return _fact(name, ", ".join(f"{level:.0%} {word}" for word, level in levels.items() if level is not None))


def _of_drift(event: DriftFound, queue_name: str | None) -> Notification:
    listed = [
        f"{each.get('member') or each.get('setting')}: {_value(each.get('expected'))} → "
        + ("no longer in the queue" if each.get("missing") else _value(each.get("held")))
        for each in event.differences[:LISTED]
    ]
    if event.difference_count > LISTED:
        listed.append(f"and {event.difference_count - LISTED} more")
    facts = [
        *_queue(event.queue_id, queue_name),
        *_fact("Changed by", event.changed_by or "not known"),
        *_fact("Changed at", moment(event.changed_at) if event.changed_at else ""),
        *_fact("Differs", "; ".join(listed)),
        *_fact("Answer", event.action.replace("_", " ")),
        *_fact("Repair", event.repair_id or ""),
        ("Distribution", plain(event.distribution_id)),
    ]
    return _notification(
        event.id, Kind.DRIFT, event.distribution_id, event.at, facts, event.why, event.record,
        subject=queue_name or event.queue_id,
    )  # fmt: skip


def _of_approval(event: AwaitingApproval, queue_name: str | None) -> Notification:
    facts = [
        *_queue(event.queue_id, event.queue_name or queue_name),
        *_who(event.caller, event.door, event.requested_by, event.reason),
        *_fact("Asks for", f"weights of {_number(event.members, 'member')}"),
        *_projected(event.projection),
        *_fact("Answer until", moment(event.expires_at)),
        *_fact("Expires", moment(event.until) if event.until else ""),
        *_fact("Hash", event.hash),
        ("Distribution", plain(event.distribution_id)),
    ]
    how = f"To answer: POST {event.record}/approve or {event.record}/reject."
    return _notification(
        event.id, Kind.AWAITING_APPROVAL, event.distribution_id, event.at, facts,
        f"{' '.join(event.reasons)} {how}", event.record, subject=event.queue_name or queue_name or event.queue_id,
    )  # fmt: skip


def _of_answer(event: DistributionAnswered, queue_name: str | None) -> Notification:
    facts = [
        *_queue(event.queue_id, queue_name),
        *_fact("Approved by", event.caller or "somebody in the console"),
        *_fact("Reason", event.reason or ""),
        *_fact("Hash", event.hash),
        ("Distribution", plain(event.distribution_id)),
    ]
    return _notification(
        event.id, Kind.APPROVED, event.distribution_id, event.at, facts, "The plan is applied now.", event.record,
        subject=queue_name or event.queue_id,
    )  # fmt: skip


def _of_fleet(event: FleetOutcome) -> Notification:
    status = FleetStatus(event.status)
    held = not status.terminal
    ended = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(event.queues.items()))
    facts = [
        *_fact("Queues", str(event.total)),
        *_fact("Ended", ended),
        *_fact("Reverted", str(event.reverted) if event.reverted else ""),
        *_fact("Caller", event.caller or ""),
        *_fact("Result", status.sentence),
        ("Fleet", plain(event.fleet_id)),
    ]
    notification = _notification(
        event.id, Kind.FLEET_HELD if held else Kind.FLEET_ENDED, f"fleet {event.fleet_id}", event.at, facts,
        f"{event.reason or ''} This message stands for all queues of the fleet.", event.record,
        subject=_number(event.total, "queue"),
    )  # fmt: skip
    return notification if held or status.green else replace(notification, tone="bad")


def _notification(
    event_id: str, kind: Kind, about: str, at: str, facts: Sequence[tuple[str, str]], text: str, path: str,
    *, subject: str | None,
) -> Notification:  # fmt: skip
    heading = f"{kind.heading}: {plain(subject)}" if subject else kind.heading
    return Notification(
        event_id,
        kind,
        about,
        at,
        plain(heading, LONGEST_HEADING),
        tuple(facts),
        plain(text, LONGEST_TEXT),
        quote(path, safe="/?=&:-._~"),
        kind.tone,
    )


def _fact(name: str, value: str) -> list[tuple[str, str]]:
    """Nothing where there is no value."""
    return [(name, text)] if (text := plain(value)) else []


def _queue(queue_id: str | None, name: str | None) -> list[tuple[str, str]]:
    if not queue_id:
        return _fact("Queue", "the plan names none")
    return _fact("Queue", f"{plain(name)} ({queue_id})" if name else queue_id)


def _who(caller: str | None, door: str, requested_by: str | None, reason: str | None) -> list[tuple[str, str]]:
    """The caller is what the door saw. Whom a plan names beside it is only the plan's word."""
    return [
        *_fact("Caller", f"{caller or 'not known'} ({door})"),
        *_fact("Requested by, as the plan says", requested_by or ""),
        *_fact("Reason", reason or ""),
    ]


def _named(name: str | None, caller: str | None) -> str | None:
    return f"{plain(name)}, {caller}" if name else caller


def _changes(event: DistributionOutcome) -> str:
    if event.changes is None:
        return ""
    of = f" of {event.after.members}" if event.after else ""
    return f"{event.changes.members}{of} members, {_number(event.changes.settings, 'setting')}"


def _projected(projection: Projection | None) -> list[tuple[str, str]]:
    if projection is None:
        return []
    level = "" if projection.service_level is None else f"{projection.service_level:.0%}"
    verdict = projection.verdict.replace("_", " ")
    return [
        *_fact("Verdict", f"{verdict}: {projection.reason}" if projection.reason else verdict),
        *_fact("Projected service level", level),
    ]


def _unrestored(restore: Restore | None) -> str:
    if restore is None or restore.outcome in {"restored", "not_needed"}:
        return ""
    counts = {"unrestored": restore.unrestored, "unconfirmed": restore.unconfirmed, "edited": restore.edited}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing was restored"


def _counts(counts: Counts | None, actuator: str | None) -> str:
    if counts is None:
        return ""
    parts = [f"{_value(each.value, actuator)}: {each.members}" for each in counts.values]
    if others := counts.members - sum(each.members for each in counts.values):
        parts.append(f"others: {others}")
    return ", ".join(parts) or "no members"


def _value(value: Any, actuator: str | None = None) -> str:
    """A value on the wire, for people."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "joined" if value else "not joined"
    if not isinstance(value, int | float):
        return plain(str(value), LONGEST_FACT // 4)
    if actuator == "share":
        return f"{value:.3g} share"
    return f"{actuator} {value:.3g}" if actuator in {"ring", "proficiency", "score"} else f"{value:.3g}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
