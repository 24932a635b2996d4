"""The events that others receive: a summary of a closing record, and the schema that docs/ publishes."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from moto.events.models import EventPattern

from local.checks.outcome_schema import schema
from routing_weights.adapters.aws.event_bus import SOURCE
from routing_weights.domain.events import DISTRIBUTION_OUTCOME, DistributionOutcome, outcome_of
from routing_weights.domain.inputs import Expiry
from routing_weights.domain.problems import problem
from routing_weights.domain.record import Closing, Reverted, closed, refused
from routing_weights.domain.restore import Restoration
from routing_weights.domain.run import Outcome
from routing_weights.domain.status import Status
from tests.support.fakes import member, plan, queue, run_of

ROOT = Path(__file__).parents[2]
START, END = datetime(2026, 1, 31, 8, 0, tzinfo=UTC), datetime(2026, 1, 31, 8, 0, 4, tzinfo=UTC)
RUN = run_of(START)
BEFORE = replace(
    queue(member("agent-1", 0.1), member("agent-2", 0.35), member("agent-3"), overflow_threshold=0.7), name="Support"
)
AFTER = queue(member("agent-1", 0.4), member("agent-2", 0.35), member("agent-3", 0.25), overflow_threshold=0.85)


def closing(status="completed", error=None, **known):
    known = {"plan": plan(reason="evening"), "before": BEFORE, "after": AFTER, "restore": None} | known
    known = {"projection": {"verdict": "pass", "reason": "within the limits"}, "actuation": None} | known
    return closed(RUN, Outcome(status=status, error=error or {}), at=END, **known)


def test_an_outcome_is_a_summary_and_leads_to_its_record():
    told = outcome_of(closing()).model_dump(mode="json")
    assert told == {
        "type": "distribution_outcome",
        "version": "1",
        "id": "d-1:completed",
        "distribution_id": "d-1",
        "record": "/distributions/d-1",
        "queue_id": "queue-001",
        "status": "completed",
        "started_at": "2026-01-31T08:00:00.000Z",
        "ended_at": "2026-01-31T08:00:04.000Z",
        "latency_ms": 4000,
        "door": "api",
        "fleet_id": None,
        "caller": "arn:user/ops",
        "caller_name": None,
        "requested_by": None,
        "reason": "evening",
        "strategy_reference": "longest-available-agent",
        "members": 3,
        "balance_accuracy": 100.0,
        "changes": {"settings": 1, "members": 2},
        "queue_name": "Support",
        "actuator": None,
        "before": {
            "members": 3,
            "values": [{"value": value, "members": 1} for value in (0.0, 0.1, 0.35)],
        },
        "after": {"members": 3, "values": [{"value": value, "members": 1} for value in (0.25, 0.35, 0.4)]},
        "until": None,
        "purpose": "plan",
        "reverts": None,
        "projection": {"verdict": "pass", "reason": "within the limits", "service_level": None},
        "restore": None,
        "errors": [],
        "error_count": 0,
    }


def test_a_failed_outcome_has_its_errors_and_its_restore():
    restore = Restoration("partial", restored=1, unrestored=["agent-1"])
    told = outcome_of(closing("member_update_failed", {"Error": "Forbidden", "Cause": "No."}, restore=restore))
    assert told.restore.model_dump() == {"outcome": "partial", "unrestored": 1, "unconfirmed": 0, "edited": 0}
    assert [(error.type, error.path) for error in told.errors] == [("Forbidden", None)]


def test_an_outcome_says_how_many_members_held_each_value_with_the_rarest_left_out():
    held = queue(*(member(f"agent-{n}", 1 / (1 + n % 9)) for n in range(90)), member("agent-x", 0.001))
    counts = outcome_of(closing(after=held)).after
    assert counts.members == 91
    assert [count.members for count in counts.values] == [10] * 6
    assert counts.values == sorted(counts.values, key=lambda count: count.value)


def test_an_outcome_has_the_projected_service_level():
    models = {"simulation": {"after": {"service_level": {"mean": 0.83, "low": 0.8, "high": 0.86}}}}
    told = outcome_of(closing(projection={"verdict": "pass", "reason": "", "models": models}))
    assert told.projection.service_level == 0.83
    for unknown in ({"models": None}, {"models": {"simulation": None}}, {}):
        assert outcome_of(closing(projection={"verdict": "pass", **unknown})).projection.service_level is None


@pytest.mark.parametrize(
    ("door", "caller", "restores", "expected"),
    [
        ("api", "arn:user/ops", None, ("plan", None)),
        ("api", "arn:user/ops", Reverted(distribution_id="d-0"), ("revert", "d-0")),
        ("drift", "entry", Reverted(distribution_id="d-0", image="after", drift="f" * 64), ("repair", "d-0")),
        ("schedule", "return of d-0", Reverted(distribution_id="d-0"), ("expiry", "d-0")),
        ("schedule", "return of d-0", None, ("expiry", "d-0")),
        ("schedule", "early-shift", None, ("plan", None)),
        ("api", "return of d-0", None, ("plan", None)),
    ],
)
def test_an_outcome_says_what_its_distribution_was_for(door, caller, restores, expected):
    record = closing().model_copy(update={"door": door, "caller": caller, "restores": restores})
    told = outcome_of(record)
    assert (told.purpose, told.reverts) == expected


def test_the_caller_of_an_expiry_names_what_has_expired():
    origin = Expiry(returns="d-0").origin
    told = outcome_of(closing().model_copy(update={"door": origin.door, "caller": origin.caller}))
    assert (told.purpose, told.reverts) == ("expiry", "d-0")


@pytest.mark.parametrize("status", [status for status in Status if status.terminal])
def test_every_terminal_status_has_an_outcome_with_and_without_what_a_run_leaves(status):
    nothing = dict.fromkeys(("plan", "before", "after", "projection"))
    for record in (closing(status), closing(status, **nothing)):
        assert outcome_of(record).id == f"d-1:{status}"


def test_a_refused_plan_is_told_with_its_first_problems_and_their_number():
    problems = [problem(f"member_weights.a{n}", "too large", "less_than_equal") for n in range(9)]
    _, record = refused(RUN, None, problems, END)
    told = outcome_of(record)
    assert (told.status, told.queue_id, told.error_count) == ("validation_failed", None, 9)
    assert [error.path for error in told.errors] == [f"member_weights.a{n}" for n in range(5)]


def test_the_largest_outcome_is_small(trail, aws):
    weights = {f"agent-{i:04}-{'x' * 50}": i * 1e-8 for i in range(5_000)}
    held = queue(*(member(name, weight) for name, weight in weights.items()))
    wide = {"Error": "Forbidden", "Cause": "€" * 30_000}
    record = closing("member_update_failed", wide, plan=plan(member_weights=weights), before=BEFORE, after=held)
    trail.append(record)
    image = aws("dynamodb").get_item(
        TableName="audit", Key={"distribution_id": {"S": "d-1"}, "record": {"S": Closing.KEY}}
    )
    told = outcome_of(trail.record_in(image["Item"]))
    assert (told.members, told.changes.members) == (5_000, 5_000)
    assert told.errors[0].message == "€" * 999 + "…"
    assert len(told.model_dump_json().encode()) < 10_000


def test_the_pages_pattern_fits_the_pages_event_which_keeps_the_schema():
    page = (ROOT / "docs/use/outcomes.md").read_text(encoding="utf-8")
    pattern, detail = re.findall(r"^```json\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    outcome = DistributionOutcome.model_validate_json(detail, strict=True)
    event = {"source": SOURCE, "detail-type": DISTRIBUTION_OUTCOME, "detail": json.loads(detail)}
    assert EventPattern.load(pattern).matches_event(event)
    assert outcome.model_dump(mode="json") == event["detail"]


def test_the_schema_of_the_page_is_the_codes():
    page = (ROOT / "docs" / "outcome-event.schema.json").read_text(encoding="utf-8")
    assert page == schema(), "python -m local.checks.outcome_schema > docs/outcome-event.schema.json"
