"""Prints a sample of every notification: `python -m local.checks.notifications`.

With `--write`, the samples in docs/use/notifications.md are replaced.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "layers" / "core"))
from routing_weights.adapters.aws.notification_topic import body, subject  # noqa: E402 - only now on the path
from routing_weights.adapters.http import slack, teams  # noqa: E402
from routing_weights.domain.events import (  # noqa: E402
    AwaitingApproval,
    DistributionAnswered,
    DistributionMeasured,
    DistributionOutcome,
    DriftFound,
)
from routing_weights.domain.fleet import FleetOutcome  # noqa: E402
from routing_weights.domain.notifications import Earlier, Event, Notification, notification_of  # noqa: E402

LINE = 140
PAGE = ROOT / "docs/use/notifications.md"
_WHO = {"caller": "arn:user/ops", "requested_by": "wfm", "reason": "storm", "door": "api", "fleet_id": None}
_PROJECTION = {"verdict": "pass", "reason": "within the limits", "service_level": 0.83}

OUTCOME = DistributionOutcome.model_validate(
    {
        **_WHO,
        "id": "d-1:completed",
        "distribution_id": "d-1",
        "record": "/distributions/d-1",
        "queue_id": "queue-001",
        "queue_name": "Support",
        "status": "completed",
        "started_at": "2026-07-11T08:00:00.000Z",
        "ended_at": "2026-07-11T08:00:04.000Z",
        "latency_ms": 4000,
        "strategy_reference": "by-weight",
        "members": 3,
        "balance_accuracy": 100.0,
        "changes": {"settings": 1, "members": 2},
        "actuator": "ring",
        "before": {"members": 12, "values": [{"value": 1.0, "members": 12}]},
        "after": {"members": 12, "values": [{"value": 1.0, "members": 10}, {"value": 3.0, "members": 1}]},
        "until": "2026-07-11T20:00:00.000+02:00",
        "projection": _PROJECTION,
        "restore": None,
        "errors": [],
        "error_count": 0,
    }
)
DRIFT = DriftFound.model_validate(
    {
        "id": "queue-001:2026-07-11T09:00:00.000Z.x:repair_started",
        "queue_id": "queue-001",
        "at": "2026-07-11T09:00:00.000Z",
        "record": "/queues/queue-001/drift?from=2026-07-11T09:00:00.000Z&to=2026-07-11T09:00:00.000Z",
        "distribution_id": "d-1",
        "changed_by": "supervisor-7",
        "changed_at": "2026-07-11T08:59:00.000Z",
        "on_drift": "repair",
        "action": "repair_started",
        "why": "Distribution d-1 is applied again.",
        "repair_id": "d-9",
        "differences": [
            {"member": "agent-1", "expected": 1, "held": 6},
            {"member": "agent-2", "expected": True, "held": None, "missing": True},
            {"setting": "overflow_threshold", "expected": 0.8, "held": None},
        ],
        "difference_count": 3,
    }
)
MEASURED = DistributionMeasured.model_validate(
    {
        "id": "d-1:measured",
        "distribution_id": "d-1",
        "record": "/distributions/d-1",
        "queue_id": "queue-001",
        "at": "2026-07-11T09:45:00.000Z",
        "start": "2026-07-11T08:30:00.000Z",
        "end": "2026-07-11T09:30:00.000Z",
        "contacts": 118.0,
        "projected": {"service_level": 0.83, "abandonment": 0.04, "mean_wait_s": 11.0},
        "realised": {"service_level": 0.79, "abandonment": 0.05, "mean_wait_s": 14.0},
        "alone": False,
    }
)
AWAITING = AwaitingApproval.model_validate(
    {
        **_WHO,
        "id": "d-1:awaiting_approval:ab12",
        "distribution_id": "d-1",
        "record": "/distributions/d-1",
        "queue_id": "queue-001",
        "queue_name": "Support",
        "at": "2026-07-11T08:00:01.000Z",
        "expires_at": "2026-07-11T12:00:01.000Z",
        "hash": "ab12",
        "reasons": ["The service level would be 71 %, and the goal is 80 %."],
        "members": 3,
        "until": None,
        "projection": {"verdict": "needs_approval", "reason": None, "service_level": 0.71},
    }
)
ANSWERED = DistributionAnswered.model_validate(
    {
        "id": "d-1:approved:1",
        "distribution_id": "d-1",
        "record": "/distributions/d-1",
        "queue_id": "queue-001",
        "at": "2026-07-11T08:00:03.000Z",
        "answer": "approved",
        "caller": "arn:user/lead",
        "reason": "a short evening",
        "hash": "ab12",
    }
)
FLEET = FleetOutcome.model_validate(
    {
        "id": "f-1:1:partly_completed",
        "fleet_id": "f-1",
        "record": "/fleets/f-1",
        "status": "partly_completed",
        "reason": None,
        "at": "2026-07-11T10:00:00.000Z",
        "submitted_at": "2026-07-11T08:00:00.000Z",
        "caller": "arn:user/ops",
        "total": 1000,
        "queues": {"completed": 997, "verification_failed": 3},
        "reverted": 0,
    }
)
_NO_ERRORS = {"errors": [], "error_count": 0}
_FORBIDDEN = {"type": "GenesysForbidden", "message": "Genesys refused a write: 403.", "path": None}
_FAILED = {"status": "member_update_failed", "errors": [_FORBIDDEN], "error_count": 1, "until": None}
_OLD = {"changes": {"settings": 0, "members": 0}, "after": OUTCOME.model_dump(mode="json")["before"]}
_WAS = {"before": OUTCOME.model_dump(mode="json")["after"], "after": OUTCOME.model_dump(mode="json")["before"]}
_MIXED = {
    "changes": {"settings": 0, "members": 1},
    "after": {"members": 12, "values": [{"value": 1.0, "members": 11}, {"value": 3.0, "members": 1}]},
}
_RESTORE = {"unrestored": 0, "unconfirmed": 0, "edited": 0}


def _outcome(**changes: object) -> DistributionOutcome:
    return DistributionOutcome.model_validate(OUTCOME.model_dump(mode="json") | changes)


def samples() -> dict[str, Notification]:
    """A notification of every kind, by its title in the page."""
    blocked = "queue Support would have 3 agents for 4.2 erlangs."
    nothing = {"changes": None, "after": None, "until": None}
    events: dict[str, Event] = {
        "Applied": OUTCOME,
        "Refused": _outcome(
            status="saturation_blocked",
            projection={"verdict": "blocked", "reason": blocked, "service_level": None},
            **nothing,
        ),
        "Restored": _outcome(**_FAILED, **_OLD, restore=_RESTORE | {"outcome": "restored"}),
        "Not restorable": _outcome(**_FAILED, **_MIXED, restore=_RESTORE | {"outcome": "partial", "unrestored": 1}),
        "Measured": MEASURED,
        "Drift": DRIFT,
        "Expired": _outcome(
            **(_WAS | {"purpose": "expiry", "reverts": "d-0", "door": "schedule", "caller": "return of d-0"}),
            until=None,
            projection=None,
        ),
        "Waiting for approval": AWAITING,
        "Approved": ANSWERED,
        "Fleet": FLEET,
    }
    found = {title: notification_of(event, "Support") for title, event in events.items()}
    return {title: notification for title, notification in found.items() if notification}


def page() -> str:
    """The samples, as Markdown. An e-mail has the same words as the messages in Slack and Teams."""
    link = "https://desk.example.com"
    parts = [
        f"### {title}\n\n```text\nSubject: {subject(one)}\n\n{body(one, link + one.path, Earlier())}```\n"
        for title, one in samples().items()
    ]
    first = samples()["Applied"]
    for title, channel in {"Slack": slack, "Teams": teams}.items():
        text = _short_json(channel.message(first, link + first.path))
        parts.append(f"### The first one in {title}\n\n```json\n{text}\n```\n")
    return "\n".join(parts)


def _short_json(value: Any, indent: str = "") -> str:
    """JSON with whatever fits on a line on one."""
    text = json.dumps(value, ensure_ascii=False)
    if len(indent + text) <= LINE or not isinstance(value, dict | list):
        return text
    more = indent + "  "
    if isinstance(value, list):
        return "[\n" + ",\n".join(more + _short_json(each, more) for each in value) + f"\n{indent}]"
    inside = (f"{more}{json.dumps(name)}: {_short_json(each, more)}" for name, each in value.items())
    return "{\n" + ",\n".join(inside) + f"\n{indent}}}"


def with_samples(text: str) -> str:
    return re.sub(r"(?s)(?<=<!-- samples -->\n\n).*?(?=\n<!-- end -->)", lambda _: page(), text)


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(with_samples(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        sys.stdout.write(page())
