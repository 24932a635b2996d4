"""The documents in S3: found where they were put, and a bucket that cannot be read is no missing document."""

import pytest

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


def test_a_document_that_must_be_there_and_is_not_is_an_error(documents):
    with pytest.raises(StoreUnavailable, match=r"Document distributions/d-1/plan\.json is not in the bucket"):
        documents.get("d-1", "plan")


def test_a_bucket_that_cannot_be_read_is_not_taken_for_a_missing_document(documents):
    elsewhere = type(documents)("another-bucket")
    with pytest.raises(StoreUnavailable) as caught:
        elsewhere.find("d-1", "before")
    assert caught.value.message == "Could not read document distributions/d-1/before.json: NoSuchBucket."
    assert caught.value.details == {"aws_error": "NoSuchBucket"}
