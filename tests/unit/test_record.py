"""Records are stored for years: this release reads those of earlier and of later ones, and stores them unchanged."""

import pytest

from routing_weights.domain.record import (
    Closing,
    ExpiryCancelled,
    Measurement,
    MemberChange,
    Opening,
    Realised,
    Records,
    RunSummary,
    SettingChange,
)

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
        "media": ["voice"],
    }
    assert Measurement.parse(stored).realised == Realised(offered=3.0, media=("voice",))
