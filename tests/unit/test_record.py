"""The audit records: what each says, and that those of earlier and of later releases can be read."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.adapters.aws.audit_table import MAX_INLINE_BYTES
from routing_weights.domain.actuation import resolve
from routing_weights.domain.problems import problem
from routing_weights.domain.queue import Queue, QueueSettings
from routing_weights.domain.record import (
    Closing,
    ExpiryCancelled,
    Measurement,
    MemberChange,
    Opening,
    Realised,
    RealisedShares,
    Records,
    Requested,
    RunSummary,
    SettingChange,
    closed,
    opened,
    refused,
    timestamp,
)
from routing_weights.domain.restore import Restoration
from routing_weights.domain.run import Outcome
from tests.support.fakes import SMALLEST_PLAN, member, plan, queue, run_of

START = datetime(2026, 1, 31, 8, 0, 0, 123_456, tzinfo=UTC)
RUN = run_of(START)


def after(**duration):
    return START + timedelta(**duration)


def test_a_timestamp_is_of_fixed_width_in_every_year():
    assert timestamp(datetime(999, 1, 1, tzinfo=UTC)) == "0999-01-01T00:00:00.000Z"


@given(*[st.datetimes(min_value=datetime(1000, 1, 2), timezones=st.just(UTC))] * 2)  # noqa: DTZ001
def test_timestamps_sort_as_their_moments_do(one, other):
    assert (timestamp(one) < timestamp(other)) <= (one < other)


def test_the_opening_record_says_who_wants_what():
    record = opened(RUN, plan(reason="why", requested_by="Ada", wrap_up_timeout_s=20), after(seconds=1))
    assert record.to_json() == {
        "distribution_id": "d-1",
        "record": "0-opened",
        "opened_queue_id": "queue-001",
        "queue_id": "queue-001",
        "timestamp": "2026-01-31T08:00:01.123Z",
        "started_at": "2026-01-31T08:00:00.123Z",
        "status": "initiated",
        "execution_arn": "arn:execution:d-1",
        "door": "api",
        "caller": "arn:user/ops",
        "requested_weights": SMALLEST_PLAN["member_weights"],
        "overflow_threshold": 0.85,
        "utilization_target": 0.8,
        "strategy_reference": "longest-available-agent",
        "wrap_up_timeout_s": 20,
        "on_drift": "record",
        "requested_by": "Ada",
        "reason": "why",
        "plan_fingerprint": plan(reason="why", requested_by="Ada", wrap_up_timeout_s=20).fingerprint(),
    }


def test_a_normalized_plan_is_recorded_with_both_sets_of_weights():
    record = opened(RUN, plan(member_weights={"a": 1, "b": 1}, normalize=True), START)
    assert record.requested_weights == {"a": 0.5, "b": 0.5}
    assert record.submitted_weights == {"a": 1, "b": 1}


def test_the_opening_of_a_revert_has_no_weights_and_stays_in_the_table():
    weights = {f"{number:036d}": 1 for number in range(5000)}
    restores = {"distribution_id": "d-0", "image": "after", "drift": "0" * 64}
    revert = plan(member_weights=weights, normalize=True, reason="x" * 1000, restores=restores)
    record = opened(RUN, revert, START)
    assert (record.requested_weights, record.submitted_weights) == ({}, None)
    assert len(json.dumps(record.to_json())) < MAX_INLINE_BYTES / 10


def test_a_refused_plan_is_opened_and_closed_at_once():
    opening, closing = refused(RUN, "queue-001", [problem("queue_id", "bad", "missing")], after(seconds=2))
    assert {opening.status, closing.status} == {"validation_failed"}
    assert (opening.opened_queue_id, closing.queue_id) == ("queue-001", "queue-001")
    document = closing.to_json()
    assert "opened_queue_id" not in document
    assert (document["latency_ms"], document["errors"]) == (
        2000,
        [{"type": "missing", "path": "queue_id", "message": "bad"}],
    )


BEFORE = queue(member("agent-1", 0.1), member("agent-2", 0.35), member("agent-3", None), overflow_threshold=0.7)


def closing_record(status="completed", **known):
    known = {"plan": plan(), "before": BEFORE, "projection": {"verdict": "pass"}, "actuation": None} | known
    return closed(RUN, Outcome(status=status), at=after(seconds=4), **{"after": None, "restore": None} | known)


def changes_in(record):
    return record.to_json()["changes"]


def change(user, before, *, requested, after, **values):
    """A member's change; without values the weights carry themselves."""
    return {"member": user, "before": before, "requested": requested, "after": after} | values


def test_a_completed_record_says_what_is_really_held():
    held = queue(member("agent-3", 0.25), member("agent-1", 0.4), member("agent-2", 0.35), overflow_threshold=0.85)
    record = closing_record(after=held, before_image="distributions/d-1/work.json")
    assert record.applied_weights == {"agent-1": 0.4, "agent-2": 0.35, "agent-3": 0.25}
    assert (record.balance_accuracy, record.applied_overflow_threshold) == (100.0, 0.85)
    document = record.to_json()
    assert document["changes"] == [
        {"setting": "overflow_threshold", "before": 0.7, "after": 0.85},
        change("agent-1", 0.1, requested=0.4, after=0.4),
        change("agent-3", None, requested=0.25, after=0.25),
    ]
    assert (record.status, record.latency_ms, document["record"]) == ("completed", 4000, "9-closed")
    assert (record.projection, record.actuation, record.errors) == ({"verdict": "pass"}, None, ())
    assert record.before_image == "distributions/d-1/work.json"


def test_a_queue_that_ranks_nobody_has_no_weights_and_no_accuracy():
    held = queue(*(member(f"agent-{n}", None, value=1) for n in (1, 2, 3)))
    record = closing_record(after=dataclasses.replace(held, ranks=False))
    assert record.applied_weights == {"agent-1": None, "agent-2": None, "agent-3": None}
    assert record.balance_accuracy is None


def test_a_failed_record_says_member_by_member_what_was_changed():
    held = queue(member("agent-1", 0.4), member("agent-2", 0.35), member("agent-3", None), overflow_threshold=0.85)
    record = closing_record("member_update_failed", after=held)
    assert record.applied_weights == {"agent-1": 0.4, "agent-2": 0.35, "agent-3": None}
    assert [change["member"] for change in changes_in(record) if "member" in change] == ["agent-1"]
    assert record.balance_accuracy == pytest.approx(100 * (1 - 1 / 3))


def test_a_changed_wrap_up_timeout_and_a_vanished_member_are_changes():
    held = queue(member("agent-2", 0.35), member("agent-3", None), overflow_threshold=0.7, wrap_up_timeout_s=10)
    assert changes_in(closing_record(after=held)) == [
        {"setting": "wrap_up_timeout_s", "before": 30.0, "after": 10},
        change("agent-1", 0.1, requested=0.4, after=None),
    ]


def test_a_change_has_the_weights_and_what_carried_them():
    before = queue(
        member("agent-1", 0.2, value=4), member("agent-2", None, value=None), member("agent-3", 0.4, value=1)
    )
    held = queue(member("agent-1", 0.4, value=1), member("agent-2", 0.4, value=1), member("agent-3", 0.4, value=1))
    assert changes_in(closing_record(before=before, after=held)) == [
        change("agent-1", 0.2, requested=0.4, after=0.4, value_before=4, value_after=1),
        change("agent-2", None, requested=0.35, after=0.4, value_before=None, value_after=1),
    ]


@pytest.mark.parametrize(("actuator", "old", "new"), [("ring", 1, 6), ("proficiency", 5.0, 0.0)])
def test_a_change_is_recorded_where_every_weight_is_nothing_too(actuator, old, new):
    (found,) = changes_of(0.0, actuator, old, new)
    assert (found["value_before"], found["value_after"]) == (old, new)


@pytest.mark.parametrize(
    ("actuator", "old", "new"), [("ring", 4, 1), ("proficiency", 0.0, 5.0), ("joined", False, True)]
)
def test_a_value_is_recorded_where_it_happens_to_equal_its_weight(actuator, old, new):
    (found,) = changes_of(1.0, actuator, old, new)
    assert (found.get("value_before"), found.get("value_after")) == (old, new)


def changes_of(requested, actuator, old, new):
    """What is recorded of one member whose value was `old` and is `new`."""
    wanted = plan(member_weights={"agent-1": requested}, actuator=actuator, skill="Queue 1")
    weight = resolve(wanted, deployed="ring").actuator.weight
    before, held = (queue(member("agent-1", weight(value), value=value)) for value in (old, new))
    return changes_in(closing_record(plan=wanted, before=before, after=held))


def test_a_setting_that_came_with_the_plan_is_a_change_from_nothing():
    before = queue(skill_evaluation_method="ALL")
    held = queue(skill_evaluation_method="BEST", bullseye_rings=6)
    assert changes_in(closing_record(before=before, after=held))[:2] == [
        {"setting": "skill_evaluation_method", "before": "ALL", "after": "BEST"},
        {"setting": "bullseye_rings", "before": None, "after": 6},
    ]


def test_a_queue_without_a_threshold_of_its_own_has_none_applied():
    held = Queue("queue-001", QueueSettings(wrap_up_timeout_s=30.0), ())
    assert closing_record(after=held).applied_overflow_threshold is None


def test_a_difference_within_the_tolerance_is_no_change():
    held = queue(member("agent-1", 0.1 + 1e-12), member("agent-2", 0.35), member("agent-3"), overflow_threshold=0.7)
    assert [change["member"] for change in changes_in(closing_record(after=held))] == ["agent-3"]


@pytest.mark.parametrize("missing", ["plan", "before", "after"])
def test_without_a_read_back_nothing_is_claimed_to_have_been_applied(missing):
    record = closing_record("member_update_failed", **{"after": BEFORE, missing: None})
    claims = {"applied_weights", "balance_accuracy", "changes", "applied_overflow_threshold"}
    assert not claims & record.to_json().keys()


FAILED_UNSAID = {"outcome": "failed", "restored": 0, "unrestored": [], "unconfirmed": [], "edited": []}


@pytest.mark.parametrize(
    "status",
    [
        "queue_update_failed",
        "member_update_failed",
        "verification_failed",
        "interrupted",
    ],
)
def test_a_restoration_that_never_said_what_it_came_to_has_failed(status):
    assert closing_record(status).restore.model_dump(mode="json") == FAILED_UNSAID


@pytest.mark.parametrize("status", ["completed", "dry_run", "saturation_blocked", "projection_failed", "queue_busy"])
def test_a_run_with_nothing_to_restore_has_no_restore(status):
    assert closing_record(status).restore is None


@pytest.mark.parametrize("status", ["member_update_failed", "interrupted"])
def test_what_a_restoration_came_to_is_recorded_without_how_much_was_left_to_do(status):
    said = FAILED_UNSAID | {"outcome": "partial", "restored": 2, "unrestored": ["agent-1"], "edited": ["agent-2"]}
    assert closing_record(status, restore=Restoration(**said)).to_json()["restore"] == said


@pytest.mark.parametrize("status", ["queue_update_failed", "interrupted"])
def test_a_run_that_never_read_the_queue_has_nothing_to_restore(status):
    assert closing_record(status, before=None).restore is None


def test_a_run_that_never_read_the_queue_has_no_before_image():
    record = closing_record("validation_failed", plan=None, before=None, projection=None)
    assert (record.before_image, record.projection, record.queue_id) == (None, None, "queue-001")
    assert record.actuation is None
    assert "requested_weights" not in record.to_json()


# ---- of earlier and later releases -----------------------------------------------------------------------------------


AT = "2025-03-01T08:00:00.000Z"
OF_THE_FIRST_RELEASE = {
    "distribution_id": "d-1",
    "record": "9-closed",
    "timestamp": AT,
    "started_at": AT,
    "queue_id": "queue-001",
    "status": "member_update_failed",
    "latency_ms": 4000,
    "execution_arn": "arn:execution:d-1",
    "requested_weights": {"agent-1": 1, "agent-2": 0},
    "applied_weights": {"agent-1": None, "agent-2": 0.5},
    "errors": [{"type": "Forbidden", "message": "No.", "http_status": 403}],
    "restore": {"outcome": "partial", "restored": 1, "unrestored": ["agent-1"]},
    "changes": [
        {"setting": "overflow_threshold", "before": None, "after": 0.85},
        {"member": "agent-1", "before": None, "requested": 1, "after": 0.5, "value_before": None, "value_after": True},
        {"member": "agent-2", "before": 0.1, "requested": 0, "after": 0.5},
    ],
    "before_image": "distributions/d-1/before.json",
}


def test_a_record_of_the_first_release_is_read_and_is_stored_again_as_it_was():
    record = Closing.parse(OF_THE_FIRST_RELEASE)
    assert (record.status.failed_writing, record.door, record.on_drift, record.until) == (True, "execution", None, None)
    assert (record.restore.edited, record.restore.unrestored) == ((), ("agent-1",))
    assert [type(change) for change in record.changes] == [SettingChange, MemberChange, MemberChange]
    assert record.to_json() == OF_THE_FIRST_RELEASE


def test_a_value_on_the_wire_keeps_its_kind():
    for value in (True, False, 1, 3, 0.5):
        (change,) = Closing.parse(
            OF_THE_FIRST_RELEASE
            | {"changes": [{"member": "a", "before": 0, "requested": 1, "after": 1, "value_after": value}]}
        ).changes
        assert (change.value_after, type(change.value_after)) == (value, type(value))


def test_a_field_of_a_later_release_is_left_out():
    later = OF_THE_FIRST_RELEASE | {"mood": "good", "restore": {"outcome": "restored", "by": "hand"}}
    record = Closing.parse(later)
    assert record.to_json() == OF_THE_FIRST_RELEASE | {"restore": {"outcome": "restored"}}


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        (Opening, {"status": "initiated"}),
        (Closing, {"status": "interrupted"}),
        (Measurement, {}),
        (RealisedShares, {}),
        (Requested, {}),
        (ExpiryCancelled, {}),
        (RunSummary, {"status": "completed", "started_at": AT}),
    ],
)
def test_few_fields_make_a_record(kind, least):
    fields = {"distribution_id": "d-1", "timestamp": AT} | least
    assert kind.model_validate(fields).distribution_id == "d-1"


def test_the_records_of_a_distribution_are_told_apart_by_their_keys():
    common = {"distribution_id": "d-1", "timestamp": AT}
    records = Records.parse(
        [
            common | {"record": "7-kept", "caller": "arn:me"},
            common | {"record": "0-opened", "status": "initiated"},
            common | {"record": "8-of-a-later-release"},
        ]
    )
    assert (records.opening.status, records.expiry_cancelled.caller) == ("initiated", "arn:me")
    assert (records.measurement, records.closing) == (None, None)


def test_a_measurement_is_stored_with_every_figure():
    fields = {"distribution_id": "d-1", "timestamp": AT, "queue_id": "queue-001", "alone": True}
    stored = Measurement(**fields, realised=Realised(offered=3.0, media=("voice",))).to_json()
    assert stored["realised"] == {
        "offered": 3.0,
        "answered": 0.0,
        "abandoned": 0.0,
        "handled": 0.0,
        "handle_s": 0.0,
        "waited": 0.0,
        "wait_s": 0.0,
        "in_time": 0.0,
        "counted": 0.0,
        "wanted": 0.0,
        "media": ["voice"],
    }
    assert Measurement.parse(stored).realised == Realised(offered=3.0, media=("voice",))
