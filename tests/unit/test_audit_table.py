"""The audit trail in DynamoDB: append-only, by distribution and by queue, and whole however large a record is."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from routing_weights.adapters.aws.audit_table import _start_key
from routing_weights.domain.problems import problem
from routing_weights.domain.record import Closing, Records, Unreadable, opened, refused, timestamp
from routing_weights.domain.restore import Restoration
from routing_weights.errors import (
    RequestInvalid,
    StoreUnavailable,
)
from tests.support.fakes import member, plan, queue, run_of
from tests.unit.test_record import BEFORE, closing_record

START = datetime(2026, 1, 31, 8, 0, 0, 123_456, tzinfo=UTC)
RUN = run_of(START)


def after(**duration):
    return START + timedelta(**duration)


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
    moved = item["requested_weights"]["M"]
    sha256, reference = moved["sha256"]["S"], moved["document"]["S"]
    assert reference == f"distributions/d-1/9-closed-requested_weights-{sha256[:16]}.json"
    body = aws("s3").get_object(Bucket="documents-bucket", Key=reference)["Body"].read()
    assert hashlib.sha256(body).hexdigest() == sha256
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
    assert [key.rpartition("-")[0] for key in keys] == ["distributions/d-1/0-opened-caller"]


def test_a_writer_that_loses_leaves_the_moved_fields_of_the_winner(trail):
    opening = opened(RUN, plan(), START)
    assert trail.append(opening.model_copy(update={"reason": "a" * 250_000}))
    assert not trail.append(opening.model_copy(update={"reason": "b" * 250_000}))
    assert trail.find("d-1").opening.reason == "a" * 250_000


def test_a_moved_field_of_an_earlier_release_has_no_hash_and_is_read(trail, documents, aws):
    reference = documents.put("d-1", "plan", "why")
    item = {name: {"S": text} for name, text in opened(RUN, plan(), START).to_json().items() if isinstance(text, str)}
    aws("dynamodb").put_item(TableName="audit", Item=item | {"reason": {"M": {"document": {"S": reference}}}})
    assert trail.find("d-1").opening.reason == "why"


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
    restore = Restoration("partial", unrestored=list(members))
    trail.append(opened(RUN, plan(), START))
    trail.append(closing_record("member_update_failed", restore=restore))
    (record,), _ = trail.of_queue("queue-001", since="0000", until="9999", limit=5, after=None)
    assert (record.status, record.restore) == ("member_update_failed", None)
    assert trail.find("d-1").closing.restore.unrestored == members


def test_a_refused_plan_is_in_its_queues_trail(trail):
    for record in refused(RUN, "queue-001", [problem("", "bad", "json_invalid")], START):
        trail.append(record)
    assert listing(trail)[0] == ["d-1"]


def spoil(aws, name, kind="0-opened", **fields):
    key = {"distribution_id": {"S": name}, "record": {"S": kind}}
    item = aws("dynamodb").get_item(TableName="audit", Key=key).get("Item", key)
    aws("dynamodb").put_item(TableName="audit", Item=item | fields)


def test_a_listing_names_an_unreadable_record_and_has_all_others(trail, aws):
    open_several(trail, 3)
    spoil(aws, "d-1", "9-closed", status={"S": "no status"}, reason={"N": "5"})
    page, token = trail.listed("queue-001", since="0000", until="9999", limit=20, after=None)
    assert [run.distribution_id for run in page] == ["d-2", "d-1", "d-0"]
    assert token is None
    assert isinstance(page[1], Unreadable)
    assert page[1].record == "9-closed"
    assert page[1].why.startswith("status: Input should be")
    assert "reason" in page[1].why


def test_whoever_decides_by_the_trail_does_not_pass_over_an_unreadable_record(trail, aws):
    open_several(trail, 2)
    spoil(aws, "d-0", status={"S": "no status"})
    with pytest.raises(ValidationError):
        listing(trail)


@pytest.mark.parametrize("state", ["gone", "no JSON", "NoSuchKey", "AccessDenied"])
def test_a_record_whose_field_in_the_bucket_cannot_be_read_is_named(trail, aws, aws_answers, state):
    trail.append(opened(RUN, plan(), START).model_copy(update={"reason": "x" * 250_000}))
    trail.append(closing_record())
    key = aws("s3").list_objects_v2(Bucket="documents-bucket")["Contents"][0]["Key"]
    if state == "gone":
        aws("s3").delete_object(Bucket="documents-bucket", Key=key)
    elif state == "no JSON":
        aws("s3").put_object(Bucket="documents-bucket", Key=key, Body=b"[" * 100_000)
    else:
        aws_answers("s3", "GetObject", state)
    unreadable, closing = trail.exported("d-1")
    assert (unreadable["distribution_id"], unreadable["record"]) == ("d-1", "0-opened")
    assert unreadable.keys() == {"distribution_id", "record", "unreadable"}
    assert key in unreadable["unreadable"]
    assert closing["status"] == "completed"


def test_an_outage_of_the_bucket_makes_no_record_unreadable(trail, aws_answers):
    trail.append(opened(RUN, plan(), START).model_copy(update={"reason": "x" * 250_000}))
    aws_answers("s3", "GetObject", "SlowDown")
    with pytest.raises(StoreUnavailable):
        trail.exported("d-1")


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
