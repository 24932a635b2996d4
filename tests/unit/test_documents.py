"""The documents in S3: found where they were put, and a bucket that cannot be read is no missing document."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ResponseStreamingError
from botocore.response import StreamingBody

from routing_weights.adapters.aws.fleet_documents import FleetDocuments
from routing_weights.domain.fleet import Line
from routing_weights.errors import (
    StoreUnavailable,
)
from tests.support.fakes import plan


def test_a_document_is_found_where_it_was_put(documents):
    assert documents.put("d-1", "before", {"a": [1, 2.5]}) == "distributions/d-1/before.json"
    assert documents.find("d-1", "before") == documents.get("d-1", "before") == {"a": [1, 2.5]}


def test_a_document_that_the_run_never_made_is_none(documents):
    assert documents.find("d-1", "after") is None


def test_the_same_plan_is_kept_once(documents):
    assert documents.keep_plan(plan()) == documents.keep_plan(plan(normalize=False))
    assert documents.kept_plan(documents.keep_plan(plan())) == plan().canonical()


def test_a_plan_of_a_fleet_is_read_by_the_range_of_its_line(documents):
    lines = [Line.text(json.dumps({"queue_id": name}), {}) for name in ("q-1", "q-2")]
    FleetDocuments(documents.bucket).put_plans("f-1", "\n".join(lines).encode())
    assert documents.fleet_line("f-1", len(lines[0]) + 1, len(lines[1])).plan == {"queue_id": "q-2"}


def test_the_documents_of_a_fleet_are_stored_once_its_list_of_queues_is(documents):
    of_fleets = FleetDocuments(documents.bucket)
    of_fleets.put_plans("f-1", b"{}")
    assert not of_fleets.are_stored("f-1")
    of_fleets.put_queues("f-1", [])
    assert of_fleets.are_stored("f-1")


def test_an_upload_goes_to_the_buckets_own_region_and_is_read_in_pieces(documents, aws):
    uploads = FleetDocuments(documents.bucket)
    address = urlsplit(uploads.upload_address("u-1", 3600))
    query = parse_qs(address.query)
    assert (address.hostname, address.path) == ("documents-bucket.s3.eu-central-1.amazonaws.com", "/uploads/u-1")
    assert (query["X-Amz-Algorithm"], query["X-Amz-Expires"]) == (["AWS4-HMAC-SHA256"], ["3600"])
    assert uploads.upload("u-1") is None
    aws("s3").put_object(Bucket=documents.bucket, Key="uploads/u-1", Body=b"x" * 600_000)
    size, pieces = uploads.upload("u-1")
    assert (size, [len(piece) for piece in pieces]) == (600_000, [262_144, 262_144, 75_712])


def test_an_upload_whose_connection_breaks_off_is_no_end_of_the_file(documents, aws, monkeypatch):
    aws("s3").put_object(Bucket=documents.bucket, Key="uploads/u-1", Body=b"x")
    _, pieces = FleetDocuments(documents.bucket).upload("u-1")
    broken = ResponseStreamingError(error="connection reset")

    def break_off(*_):
        raise broken

    monkeypatch.setattr(StreamingBody, "iter_chunks", break_off)
    with pytest.raises(StoreUnavailable, match="Could not read the upload: ResponseStreamingError"):
        list(pieces)


@pytest.mark.parametrize(("fleet_id", "start", "length"), [("f-2", 0, 9), ("f-1", 1, 9), ("f-1", 9_999, 9)])
def test_a_range_without_a_line_is_none(documents, fleet_id, start, length):
    FleetDocuments(documents.bucket).put_plans("f-1", Line.text("{}", {}).encode())
    assert documents.fleet_line(fleet_id, start, length) is None


def test_a_document_that_must_be_there_and_is_not_is_an_error(documents):
    with pytest.raises(StoreUnavailable, match=r"Document distributions/d-1/plan\.json is not in the bucket"):
        documents.get("d-1", "plan")


def test_a_bucket_that_cannot_be_read_is_not_taken_for_a_missing_document(documents):
    elsewhere = type(documents)("another-bucket")
    with pytest.raises(StoreUnavailable) as caught:
        elsewhere.find("d-1", "before")
    assert caught.value.message == "Could not read document distributions/d-1/before.json: NoSuchBucket."
    assert caught.value.details == {"aws_error": "NoSuchBucket"}
