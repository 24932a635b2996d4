"""From a failed Lambda to the record of it: Run and Outcome, the records, the trail and its neighbours in AWS."""

import base64
import dataclasses
import io
import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.adapters.aws.audit_table import AuditTrail, _start_key
from routing_weights.adapters.aws.client import reported
from routing_weights.adapters.aws.documents import Documents
from routing_weights.adapters.aws.forecast_table import Forecasts
from routing_weights.adapters.aws.locks_table import Locks
from routing_weights.adapters.aws.secrets import JsonSecret, TokenFunction
from routing_weights.adapters.aws.skills_table import SkillOwners
from routing_weights.adapters.aws.state_machine import Executions
from routing_weights.domain.actuation import resolve
from routing_weights.domain.drift import Answer, DriftEntry
from routing_weights.domain.inputs import FromPlanRef
from routing_weights.domain.problems import problem
from routing_weights.domain.queue import Queue, QueueSettings
from routing_weights.domain.record import Closing, Records, closed, opened, refused, timestamp
from routing_weights.domain.run import Outcome, Run
from routing_weights.domain.target import Target
from routing_weights.domain.verify import Settling, unverified
from routing_weights.errors import (
    ConfigurationInvalid,
    Forbidden,
    PlanInvalid,
    PlanNotApplicable,
    RateLimited,
    RequestInvalid,
    RoutingWeightsError,
    StoreUnavailable,
)
from tests.support.fakes import SMALLEST_PLAN, FakeTime, member, plan, queue, run_of, target

START = datetime(2026, 1, 31, 8, 0, 0, 123_456, tzinfo=UTC)
PLAN = f"plans/{'a' * 64}.json"
MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:distribute"
RUN = run_of(START)


def after(**duration):
    return START + timedelta(**duration)


# ---- Run and Outcome -------------------------------------------------------------------------------------------------


def test_a_run_comes_back_from_a_states_payload_as_it_went():
    assert Run.model_validate(json.loads(RUN.model_dump_json()) | {"target": "members", "next": 3}) == RUN


@pytest.mark.parametrize(
    ("now", "milliseconds"),
    [
        (after(seconds=1.5), 1500),
        (after(microseconds=600), 1),
        (after(seconds=-3), 0),
        (after(hours=1).astimezone(timezone(timedelta(hours=5))), 3_600_000),
    ],
)
def test_latency_is_whole_milliseconds_since_the_start_and_never_negative(now, milliseconds):
    assert RUN.latency_ms(now) == milliseconds


def test_latency_is_told_from_a_start_in_another_time_zone():
    run = Run.model_validate(RUN.model_dump(mode="json") | {"started_at": "2026-01-31T10:00:00+02:00"})
    assert run.latency_ms(datetime(2026, 1, 31, 8, 0, 1, tzinfo=UTC)) == 1000


def errors_of(error, cause, status="member_update_failed"):
    return Outcome(status=status, error={"Error": error, "Cause": cause}).errors()


def lambda_cause(error):
    return json.dumps({"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": ["File ..."]})


def test_a_completed_run_has_no_errors():
    assert Outcome(status="completed").errors() == []


def test_a_lambdas_error_in_our_wire_form_is_taken_apart():
    error = Forbidden("Add the scope.", http_status=403, genesys_code="missing")
    assert errors_of("Forbidden", lambda_cause(error)) == [
        {"type": "Forbidden", "message": "Add the scope.", "http_status": 403, "genesys_code": "missing"}
    ]


def test_an_error_with_several_problems_is_one_entry_for_each():
    listed = [problem("member_weights.x", "not there", "member_not_in_queue"), problem("queue_id", "bad", "missing")]
    assert errors_of("PlanInvalid", lambda_cause(PlanInvalid("Both.", errors=listed, error_count=2))) == listed


def test_a_bug_in_a_lambda_is_recorded_with_its_class_and_text():
    cause = json.dumps({"errorMessage": "'plan'", "errorType": "KeyError", "stackTrace": []})
    assert errors_of("KeyError", cause) == [{"type": "KeyError", "message": "KeyError: 'plan'"}]


@pytest.mark.parametrize(
    ("error", "cause", "message"),
    [
        ("States.Timeout", "", "States.Timeout"),
        ("States.DataLimitExceeded", "The state is too big.", "States.DataLimitExceeded: The state is too big."),
        ("Lambda.TooManyRequestsException", "Rate exceeded", "Lambda.TooManyRequestsException: Rate exceeded"),
        ("QueueGone", "Queue queue-001 is gone.", "QueueGone: Queue queue-001 is gone."),
        ("States.TaskFailed", "[1]", "States.TaskFailed: [1]"),
        ("States.TaskFailed", '"text"', 'States.TaskFailed: "text"'),
        ("Sandbox.Timedout", '{"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 20.00 seconds"}',
         "Sandbox.Timedout: Task timed out after 20.00 seconds"),
        ("Lambda.Unknown", '{"errorMessage": "2026-01-31 Task timed out after 3.00 seconds"}',
         "Lambda.Unknown: 2026-01-31 Task timed out after 3.00 seconds"),
    ],
)  # fmt: skip
def test_what_is_not_our_error_is_recorded_as_a_sentence(error, cause, message):
    assert errors_of(error, cause) == [{"type": error, "message": message}]


def test_an_error_without_a_cause_is_recorded():
    assert Outcome(status="interrupted", error={"Error": "States.Timeout"}).errors() == [
        {"type": "States.Timeout", "message": "States.Timeout"}
    ]


@given(st.text(), st.text() | st.dictionaries(st.text(), st.text() | st.integers()).map(json.dumps))
def test_every_failure_can_be_recorded(error, cause):
    for entry in errors_of(error, cause):
        assert isinstance(entry["message"], str)


# ---- records ---------------------------------------------------------------------------------------------------------


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
    assert closing_record(status, restore=said | {"left": 0}).to_json()["restore"] == said


@pytest.mark.parametrize("status", ["queue_update_failed", "interrupted"])
def test_a_run_that_never_read_the_queue_has_nothing_to_restore(status):
    assert closing_record(status, before=None).restore is None


def test_a_run_that_never_read_the_queue_has_no_before_image():
    record = closing_record("validation_failed", plan=None, before=None, projection=None)
    assert (record.before_image, record.projection, record.queue_id) == (None, None, "queue-001")
    assert record.actuation is None
    assert "requested_weights" not in record.to_json()


# ---- the trail -------------------------------------------------------------------------------------------------------


def listing(trail, queue_id="queue-001", *, since="0000", until="9999", limit=20, after=None):
    records, token = trail.of_queue(queue_id, since=since, until=until, limit=limit, after=after)
    return [record.distribution_id for record in records], token


def open_several(trail, count, queue_id="queue-001"):
    for number in range(count):
        run = RUN.model_copy(update={"distribution_id": f"d-{number}"})
        trail.append(opened(run, plan(queue_id=queue_id), after(minutes=number)))


def test_a_record_comes_back_as_it_went(trail):
    record = opened(RUN, plan(), START)
    assert trail.append(record) is True
    assert trail.find("d-1").opening.to_json() == record.to_json()


def test_the_second_writer_of_a_record_loses_and_changes_nothing(trail):
    first = opened(RUN, plan(reason="first"), START)
    trail.append(first)
    assert trail.append(opened(RUN, plan(reason="second"), after(seconds=1))) is False
    assert trail.find("d-1").opening.reason == "first"


def test_a_distribution_has_an_opening_and_a_closing_record(trail):
    trail.append(opened(RUN, plan(), START))
    assert trail.append(closing_record(after=BEFORE)) is True
    found = trail.find("d-1")
    assert (found.opening.status, found.closing.status) == ("initiated", "completed")


def test_an_unknown_distribution_has_no_records(trail):
    assert trail.find("nobody") == Records()
    assert not trail.find("nobody")


@pytest.mark.parametrize("weight", [0.1, 1 / 3, 1e-9, 1e-119, 0.0, 1.0, 2**-52, 0.30000000000000004])
def test_a_weight_comes_back_exactly(trail, weight):
    trail.append(opened(RUN, plan(member_weights={"a": weight}), START))
    assert trail.find("d-1").opening.requested_weights == {"a": weight}


@pytest.mark.parametrize("weight", [5e-324, 1e-200, 1e-130])
def test_a_weight_too_small_for_dynamodb_is_recorded_as_zero(trail, weight):
    trail.append(opened(RUN, plan(member_weights={"a": weight}), START))
    assert trail.find("d-1").opening.requested_weights == {"a": 0}


def test_whole_numbers_come_back_as_integers_and_others_as_floats(trail):
    given = [3, 0.5, {"deep": 7}, None, True, "text"]
    trail.append(closing_record(projection={"values": given}))
    values = trail.find("d-1").closing.projection["values"]
    assert values == given
    assert [type(value) for value in values[:2]] == [int, float]
    assert isinstance(values[2]["deep"], int)


def test_a_record_of_five_thousand_members_moves_to_s3_and_comes_back_whole(trail, aws):
    weights = {f"agent-{i:04}-{'x' * 50}": i * 1e-8 for i in range(5_000)}
    held = queue(*(member(name, weight) for name, weight in weights.items()))
    record = closing_record(plan=plan(member_weights=weights), before=BEFORE, after=held)
    assert trail.append(record) is True
    item = aws("dynamodb").get_item(
        TableName="audit", Key={"distribution_id": {"S": "d-1"}, "record": {"S": Closing.KEY}}
    )["Item"]
    assert len(json.dumps(item)) < 400_000
    assert item["requested_weights"] == {"M": {"document": {"S": "distributions/d-1/9-closed-requested_weights.json"}}}
    back = trail.find("d-1").closing
    assert back.applied_weights == weights
    assert back.to_json() == record.to_json()


def test_a_record_that_fits_stays_whole_in_its_item(trail, aws):
    trail.append(opened(RUN, plan(), START).model_copy(update={"reason": "x" * 150_000}))
    assert "Contents" not in aws("s3").list_objects_v2(Bucket="documents-bucket")


def test_only_as_many_fields_move_as_must(trail, aws):
    long = {"reason": "s" * 90_000, "caller": "l" * 150_000}
    trail.append(opened(RUN, plan(), START).model_copy(update=long))
    keys = [entry["Key"] for entry in aws("s3").list_objects_v2(Bucket="documents-bucket")["Contents"]]
    assert keys == ["distributions/d-1/0-opened-caller.json"]


def test_a_queues_trail_is_newest_first_and_holds_no_other_queues(trail):
    open_several(trail, 3)
    trail.append(opened(RUN.model_copy(update={"distribution_id": "other"}), plan(queue_id="queue-002"), START))
    assert listing(trail) == (["d-2", "d-1", "d-0"], None)
    assert listing(trail, "queue-002") == (["other"], None)
    assert listing(trail, "queue-003") == ([], None)


def test_each_distribution_is_listed_once_with_its_outcome(trail):
    trail.append(opened(RUN, plan(reason="why"), START))
    trail.append(closing_record(after=BEFORE))
    (record,), token = trail.of_queue("queue-001", since="0000", until="9999", limit=5, after=None)
    assert (record.status, record.reason, record.latency_ms, token) == ("completed", "why", 4000, None)
    assert record.timestamp == timestamp(after(seconds=4))


def test_a_listing_does_without_the_fields_that_moved_to_s3(trail):
    members = tuple(f"agent-{number:05}-{'x' * 50}" for number in range(5_000))
    restore = {"outcome": "partial", "restored": 0, "unrestored": members, "unconfirmed": [], "edited": []}
    trail.append(opened(RUN, plan(), START))
    trail.append(closing_record("member_update_failed", restore=restore))
    (record,), _ = trail.of_queue("queue-001", since="0000", until="9999", limit=5, after=None)
    assert (record.status, record.restore) == ("member_update_failed", None)
    assert trail.find("d-1").closing.restore.unrestored == members


def test_a_refused_plan_is_in_its_queues_trail(trail):
    for record in refused(RUN, "queue-001", [problem("", "bad", "json_invalid")], START):
        trail.append(record)
    assert listing(trail)[0] == ["d-1"]


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (0, 4, ["d-4", "d-3", "d-2", "d-1", "d-0"]),
        (1, 3, ["d-3", "d-2", "d-1"]),
        (2, 2, ["d-2"]),
        (5, 9, []),
    ],
)
def test_from_and_to_are_inclusive(trail, since, until, found):
    open_several(trail, 5)
    assert listing(trail, since=timestamp(after(minutes=since)), until=timestamp(after(minutes=until)))[0] == found


def test_pages_hold_limit_distributions_and_lead_to_the_end(trail):
    open_several(trail, 7)
    found, token = [], None
    for _ in range(4):
        page, token = listing(trail, limit=3, after=token)
        assert len(page) <= 3
        found += page
        if token is None:
            break
    assert found == [f"d-{i}" for i in range(6, -1, -1)]
    assert token is None


def test_a_full_listing_of_fifty_is_read(trail):
    open_several(trail, 51)
    page, token = listing(trail, limit=50)
    assert (len(page), page[0], page[-1], bool(token)) == (50, "d-50", "d-1", True)


def token_of(key):
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


KEY = {name: {"S": "x"} for name in ("distribution_id", "record", "timestamp")} | {
    "opened_queue_id": {"S": "queue-001"}
}


@pytest.mark.parametrize(
    "token",
    [
        "not base64!",
        "%%%",
        "é",
        "\ud800",
        token_of(None),
        token_of([]),
        token_of(sorted(KEY)),
        token_of("distribution_id"),
        token_of(7),
        token_of({}),
        token_of(KEY | {"more": {"S": "x"}}),
        token_of({name: value for name, value in KEY.items() if name != "record"}),
        token_of(KEY | {"opened_queue_id": {"S": "queue-002"}}),
        token_of(KEY | {"record": {"N": "1"}}),
        token_of(KEY | {"record": "S"}),
        token_of(KEY | {"record": {"S": 1}}),
        token_of(KEY | {"record": None}),
        base64.urlsafe_b64encode(b"[" * 1400).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        token_of(KEY)[:-5],
    ],
    ids=lambda token: repr(token)[:30],
)
def test_a_hostile_page_token_is_refused(trail, token):
    with pytest.raises(RequestInvalid) as caught:
        listing(trail, after=token)
    assert caught.value.details["errors"][0]["path"] == "next"


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_page_token_that_is_not_ours_is_refused(token):
    with pytest.raises(RequestInvalid):
        _start_key(token, "queue-001")


def test_a_page_token_carries_nothing_but_the_key_to_dynamodb():
    assert _start_key(token_of(KEY | {"record": {"S": "x", "N": "1"}}), "queue-001") == KEY


# ---- documents -------------------------------------------------------------------------------------------------------


def test_a_document_is_found_where_it_was_put(documents):
    assert documents.put("d-1", "before", {"a": [1, 2.5]}) == "distributions/d-1/before.json"
    assert documents.find("d-1", "before") == documents.get("d-1", "before") == {"a": [1, 2.5]}


def test_a_document_that_the_run_never_made_is_none(documents):
    assert documents.find("d-1", "after") is None


def test_the_same_plan_is_kept_once(documents):
    assert documents.keep_plan(plan()) == documents.keep_plan(plan(normalize=False))
    assert documents.kept_plan(documents.keep_plan(plan())) == plan().canonical()


def test_a_document_that_must_be_there_and_is_not_is_an_error(documents):
    with pytest.raises(StoreUnavailable, match=r"Document distributions/d-1/plan\.json is not in the bucket"):
        documents.get("d-1", "plan")


def test_a_bucket_that_cannot_be_read_is_not_taken_for_a_missing_document(documents):
    elsewhere = type(documents)("another-bucket")
    with pytest.raises(StoreUnavailable) as caught:
        elsewhere.find("d-1", "before")
    assert caught.value.message == "Could not read document distributions/d-1/before.json: NoSuchBucket."
    assert caught.value.details == {"aws_error": "NoSuchBucket"}


# ---- secrets ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def secret(aws):
    def make(text=None):
        aws("secretsmanager").create_secret(Name="token", **({"SecretString": text} if text is not None else {}))
        return JsonSecret("token")

    return make


def test_a_secret_comes_back_as_it_was_written(secret):
    token = secret("{}")
    token.write({"access_token": "t", "expires_at": 1.5})
    assert token.read() == {"access_token": "t", "expires_at": 1.5}


def test_a_secret_is_read_anew_each_time(secret):
    token = secret('{"a": 1}')
    token.read()
    token.write({"a": 2})
    assert token.read() == {"a": 2}


def test_a_secret_without_a_value_is_empty(secret):
    assert secret().read() == {}


@pytest.mark.parametrize("text", ["p4ss-word", '"p4ss-word"', '["p4ss-word"]', '{"p4ss-word"', "7"])
def test_a_secret_that_is_no_json_object_is_a_configuration_error_that_does_not_show_it(secret, text):
    with pytest.raises(ConfigurationInvalid, match="The secret token does not hold a JSON object") as caught:
        secret(text).read()
    assert "p4ss" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def lambda_answer(payload, function_error=None):
    answer = {"Payload": io.BytesIO(json.dumps(payload).encode())}
    return answer | ({"FunctionError": function_error} if function_error else {})


def test_the_token_function_is_told_which_token_was_refused(aws_answers):
    asked = aws_answers("lambda", "Invoke", lambda_answer({"stored": True}))
    assert TokenFunction("token-function").refresh("abc") is True
    assert [json.loads(request["body"]) for request in asked] == [{"refused": "abc"}]


def test_a_token_function_that_finds_another_one_at_it_says_so(aws_answers):
    aws_answers("lambda", "Invoke", lambda_answer({"stored": False}))
    assert TokenFunction("token-function").refresh("abc") is False


def test_a_token_function_that_is_throttled_is_to_be_asked_again_and_not_a_failure(aws_answers):
    aws_answers("lambda", "Invoke", "TooManyRequestsException")
    assert TokenFunction("token-function").refresh("abc") is False


def test_a_failure_of_the_token_function_is_raised_as_its_own_class(aws_answers):
    failure = json.loads(lambda_cause(RateLimited("Wait.", retry_after_s=30)))
    aws_answers("lambda", "Invoke", lambda_answer(failure, "Unhandled"))
    with pytest.raises(RateLimited) as caught:
        TokenFunction("token-function").refresh("")
    assert (caught.value.message, caught.value.details) == ("Wait.", {"retry_after_s": 30})


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"errorMessage": "Task timed out after 30.00 seconds"}, "Lambda.Unknown: Task timed out after 30.00 seconds"),
        ({"errorType": "Runtime.ExitError"}, "Runtime.ExitError"),
    ],
)
def test_a_token_function_that_dies_is_an_error_that_says_so(aws_answers, payload, message):
    aws_answers("lambda", "Invoke", lambda_answer(payload, "Unhandled"))
    with pytest.raises(RoutingWeightsError) as caught:
        TokenFunction("token-function").refresh("")
    assert caught.value.message == message


# ---- AWS refuses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "operation", "act"),
    [
        ("dynamodb", "PutItem", lambda: AuditTrail("audit", Documents("b")).append(opened(RUN, plan(), START))),
        ("dynamodb", "Query", lambda: AuditTrail("audit", Documents("b")).find("d-1")),
        ("dynamodb", "Query", lambda: listing(AuditTrail("audit", Documents("b")))),
        ("dynamodb", "GetItem", lambda: Forecasts("forecasts").find("queue-001")),
        ("dynamodb", "GetItem", lambda: SkillOwners("skills").require("skill-1", "queue-001")),
        ("dynamodb", "PutItem", lambda: SkillOwners("skills").claim("skill-1", "queue-001")),
        ("s3", "PutObject", lambda: Documents("documents-bucket").put("d-1", "before", {})),
        ("s3", "GetObject", lambda: Documents("documents-bucket").find("d-1", "before")),
        ("secretsmanager", "GetSecretValue", lambda: JsonSecret("token").read()),
        ("secretsmanager", "PutSecretValue", lambda: JsonSecret("token").write({})),
        ("lambda", "Invoke", lambda: TokenFunction("token-function").refresh("")),
        ("stepfunctions", "StartExecution", lambda: Executions(MACHINE).start(FromPlanRef(plan_ref=PLAN), None)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_aws_refuses_is_reported_and_never_taken_for_an_answer(aws_answers, service, operation, act):
    aws_answers(service, operation, "AccessDeniedException")
    with pytest.raises(StoreUnavailable) as caught:
        act()
    assert caught.value.details == {"aws_error": "AccessDeniedException"}
    assert caught.value.message.startswith("Could not ")


def test_an_audit_record_that_was_not_written_is_not_taken_for_a_second_writer(trail, aws_answers):
    aws_answers("dynamodb", "PutItem", "ThrottlingException")
    with pytest.raises(StoreUnavailable):
        trail.append(opened(RUN, plan(), START))


CONFLICT = {
    "Error": {"Code": "TransactionCanceledException"},
    "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}],
}
MET_ONE = {"Error": {"Code": "TransactionConflictException"}}


@pytest.fixture
def meets(aws, monkeypatch):
    """Have an operation of DynamoDB refused so many times, and count how often it is asked for."""

    def meet(operation, response, times):
        original, asked = getattr(aws("dynamodb"), operation), []

        def write(**arguments):
            asked.append(arguments)
            if len(asked) <= times:
                raise ClientError(response, operation)
            return original(**arguments)

        monkeypatch.setattr(aws("dynamodb"), operation, write)
        return asked

    return meet


@pytest.fixture
def locked(aws):
    """The holder of the lock of queue-001."""
    aws("dynamodb").create_table(
        TableName="locks",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "queue_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "queue_id", "KeyType": "HASH"}],
    )
    aws("dynamodb").put_item(TableName="locks", Item={"queue_id": {"S": "queue-001"}, "holder": {"S": "me"}})
    return "me"


def test_a_record_alone_is_written_without_a_transaction(trail, meets):
    assert trail.append(opened(RUN, plan(), START))
    refused = meets("transact_write_items", CONFLICT, times=math.inf)
    assert not trail.append(opened(RUN, plan(), START))
    assert refused == []


@pytest.mark.parametrize("with_lock", [False, True], ids=["alone", "with a check of the lock"])
def test_a_write_that_met_a_transaction_is_tried_again(trail, meets, locked, fake_time, with_lock):
    operation, response = ("transact_write_items", CONFLICT) if with_lock else ("put_item", MET_ONE)
    asked = meets(operation, response, times=3)
    trail = replace(trail, sleep=fake_time.sleep)
    assert trail.append(opened(RUN, plan(), START), locked if with_lock else "")
    assert len(asked) == 4
    assert len(fake_time.slept) == 3


def test_a_write_that_meets_transactions_again_and_again_is_not_taken_for_an_answer(trail, meets, locked, fake_time):
    asked = meets("transact_write_items", CONFLICT, times=math.inf)
    with pytest.raises(StoreUnavailable, match="TransactionConflict"):
        replace(trail, sleep=fake_time.sleep).append(opened(RUN, plan(), START), locked)
    assert len(asked) == 8
    assert sum(fake_time.slept) <= 3.75
    assert not trail.find(RUN.distribution_id)


@pytest.mark.usefixtures("locked")
def test_the_takeover_of_a_lock_that_a_closing_record_checks_is_tried_again(meets):
    asked = meets("update_item", MET_ONE, times=1)
    assert Locks("locks").take_over("queue-001", {"me"}, "recovery", START)
    assert len(asked) == 2


ENTRY = DriftEntry("queue-001", "2026-01-01", "2026-01-01T00:00:00.000Z", "d-1", ())


def test_drift_that_two_readings_record_at_once_is_recorded(records, meets, fake_time):
    asked = meets("transact_write_items", CONFLICT, times=2)
    records = replace(records, sleep=fake_time.sleep)
    assert records.append(ENTRY, "state-1", 1)
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("operation", "write"),
    [
        ("update_item", lambda entries: entries.note("queue-001", "2026-01-01", Answer("notified", "."), final=True)),
        ("update_item", lambda entries: entries.note_begun("queue-001", "2026-01-01") is None),
        ("put_item", lambda entries: entries.settled("queue-001", 2) is None),
    ],
    ids=["note", "note_begun", "settled"],
)
def test_what_is_noted_beside_drift_while_that_is_recorded_is_tried_again(records, meets, fake_time, operation, write):
    records = replace(records, sleep=fake_time.sleep)
    records.append(ENTRY, "state-1", 1)
    asked = meets(operation, MET_ONE, times=1)
    assert write(records)
    assert len(asked) == 2


def test_a_connection_that_fails_is_reported_by_its_class():
    with pytest.raises(StoreUnavailable, match=r"Could not read it: EndpointConnectionError\."), reported("read it"):
        raise EndpointConnectionError(endpoint_url="https://internal")


def test_an_expected_refusal_passes_through():
    refusal = ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
    with pytest.raises(ClientError), reported("read it", expected=("NoSuchKey",)):
        raise refusal


# ---- skills and their queues -----------------------------------------------------------------------------------------


@pytest.fixture
def owners(aws):
    aws("dynamodb").create_table(
        TableName="skills",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "skill_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "skill_id", "KeyType": "HASH"}],
    )
    return SkillOwners("skills")


def test_a_skill_that_nobody_owns_may_be_used_and_is_not_claimed_by_asking(owners):
    owners.require("skill-1", "queue-001")
    owners.require("skill-1", "queue-002")


def test_a_skill_is_its_queues_from_the_first_claim_on(owners):
    owners.claim("skill-1", "queue-001")
    owners.claim("skill-1", "queue-001")
    owners.require("skill-1", "queue-001")
    owners.claim("skill-2", "queue-002")


@pytest.mark.parametrize("act", [SkillOwners.require, SkillOwners.claim])
def test_a_skill_has_one_owner_however_its_id_is_written(owners, act):
    owners.claim("SKILL-1", "queue-001")
    with pytest.raises(PlanNotApplicable):
        act(owners, "skill-1", "queue-002")


@pytest.mark.parametrize("act", [SkillOwners.require, SkillOwners.claim])
def test_another_queues_skill_is_refused_with_its_owner_and_two_ways_out(owners, act):
    owners.claim("skill-1", "queue-001")
    with pytest.raises(PlanNotApplicable) as caught:
        act(owners, "skill-1", "queue-002")
    (found,) = caught.value.details["errors"]
    assert (found["path"], found["type"]) == ("skill", "skill_owned")
    assert found["message"] == (
        "skill skill-1 carries the weights of queue queue-001: name another one, or free it by deleting its item in "
        "SkillsTable"
    )
    owners.require("skill-1", "queue-001")


def test_a_skill_that_was_freed_may_be_claimed_by_another_queue(owners, aws):
    owners.claim("skill-1", "queue-001")
    aws("dynamodb").delete_item(TableName="skills", Key={"skill_id": {"S": "skill-1"}})
    owners.claim("skill-1", "queue-002")
    owners.require("skill-1", "queue-002")


def test_a_claim_that_aws_refuses_is_not_taken_for_another_owner(owners, aws_answers):
    aws_answers("dynamodb", "PutItem", "ThrottlingException")
    with pytest.raises(StoreUnavailable):
        owners.claim("skill-1", "queue-001")


# ---- reading back ----------------------------------------------------------------------------------------------------


WANTED = target(SMALLEST_PLAN["member_weights"], overflow_threshold=0.85)


class SlowQueue:
    """Genesys with writes that become readable one after the other, at set times."""

    def __init__(self, time, readable_at, *, threshold_at=0.0):
        self.time, self.readable_at, self.threshold_at = time, readable_at, threshold_at
        self.read_whole, self.reread = 0, []

    def _now(self):
        wanted = SMALLEST_PLAN["member_weights"]
        elapsed = self.time.now - 1000.0
        return queue(
            *(member(name, weight if elapsed >= self.readable_at[name] else 0.0) for name, weight in wanted.items()),
            overflow_threshold=0.85 if elapsed >= self.threshold_at else 0.5,
        )

    def read_queue(self, _queue_id):
        self.read_whole += 1
        return self._now()

    def read_again(self, _queue, user_ids):
        self.reread.append(sorted(user_ids))
        return self._now()


def settled(time, timeout_s, readable_at=(0, 0, 0), **genesys):
    slow = SlowQueue(time, dict(zip(SMALLEST_PLAN["member_weights"], readable_at, strict=True)), **genesys)
    return slow, Settling(timeout_s, time.clock, time.sleep).settle(slow, BEFORE, WANTED)


def test_a_queue_that_holds_the_plan_is_read_once(fake_time):
    slow, found = settled(fake_time, 15)
    assert (slow.read_whole, slow.reread, fake_time.slept) == (1, [], [])
    assert unverified(WANTED, found) == []


def test_only_what_differs_is_read_again_with_longer_and_longer_pauses(fake_time):
    slow, found = settled(fake_time, 15, (0, 0.5, 3))
    assert slow.read_whole == 1
    assert slow.reread == [["agent-2", "agent-3"], ["agent-2", "agent-3"], ["agent-3"], ["agent-3"]]
    assert fake_time.slept == [0.25, 0.5, 1.0, 2.0]
    assert unverified(WANTED, found) == []


def test_a_queues_own_setting_that_lags_is_read_again_too(fake_time):
    slow, found = settled(fake_time, 15, threshold_at=0.5)
    assert (slow.read_whole, slow.reread) == (3, [])
    assert unverified(WANTED, found) == []


def rounded(time, was):
    """A reading back where Genesys keeps whole numbers only, and `was` is what agent-2 held before."""
    before = queue(member("agent-1", 2.0), member("agent-2", was))
    wanted = Target({}, {"agent-1": 5.0, "agent-2": 1.4}, actuator="proficiency")
    held = queue(member("agent-1", 5.0), member("agent-2", 1.0))
    genesys = SimpleNamespace(read_queue=lambda _: held, read_again=lambda *_: held)
    found = Settling(15, time.clock, time.sleep).settle(genesys, before, wanted)
    return unverified(wanted, found)


def test_a_value_that_genesys_has_rounded_is_read_once(fake_time):
    assert rounded(fake_time, 3.0) == []
    assert fake_time.slept == []


def test_a_rounded_value_that_the_member_held_before_may_only_not_be_readable_yet(fake_time):
    assert rounded(fake_time, 1.0) == []
    assert sum(fake_time.slept) > 10


@pytest.mark.parametrize("timeout_s", [0, 0.2, 1, 15, 60])
def test_reading_again_ends_in_time_with_the_last_reading(timeout_s):
    time = FakeTime()
    _, found = settled(time, timeout_s, (0, 0, 1e9), threshold_at=1e9)
    assert sum(time.slept) <= timeout_s
    assert max(time.slept, default=0) <= 4
    assert unverified(WANTED, found) == ["the queue's own overflow_threshold", "agent-3"]


@pytest.mark.parametrize(("wanted", "held", "differs"), [(None, 30, False), (20, 30, True), (30, 30, False)])
def test_a_setting_is_verified_only_where_the_target_names_it(wanted, held, differs):
    whole = queue(*(member(n, w) for n, w in SMALLEST_PLAN["member_weights"].items()), wrap_up_timeout_s=held)
    named = {} if wanted is None else {"wrap_up_timeout_s": wanted}
    assert bool(unverified(target(SMALLEST_PLAN["member_weights"], **named), whole)) is differs
