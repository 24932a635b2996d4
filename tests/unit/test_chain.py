"""The chain of a queue: every record has its link, in whatever order and by whatever writers it came."""

import hashlib
from datetime import UTC, datetime

import pytest
import rfc8785
from boto3.dynamodb.types import TypeDeserializer

from routing_weights.adapters.aws.audit_table import document_of
from routing_weights.domain.chain import Head, digest, digest_of_record, linked
from routing_weights.domain.record import expiry_cancelled, opened
from tests.support.fakes import plan, run_of

START = datetime(2026, 1, 31, 8, 0, 0, 123_456, tzinfo=UTC)
RUN = run_of(START)


def opening(distribution_id, queue_id="queue-001"):
    return opened(RUN.model_copy(update={"distribution_id": distribution_id}), plan(queue_id=queue_id), START)


@pytest.fixture
def items(aws):
    """Return the items of a table as JSON, by their keys."""

    def read(table="audit", keys=("distribution_id", "record")):
        found = aws("dynamodb").scan(TableName=table)["Items"]
        plain = [{name: TypeDeserializer().deserialize(value) for name, value in item.items()} for item in found]
        return {tuple(item[key] for key in keys): item for item in plain}

    return read


def test_a_digest_is_the_sha_256_of_the_canonical_json():
    document = {"b": 1.0, "a": [1e-7, "\u20ac", None], "c": {"z": True, "\ue000": 1, "\U0001f600": 2}}
    canonical = '{"a":[1e-7,"\u20ac",null],"b":1,"c":{"z":true,"\U0001f600":2,"\ue000":1}}'.encode()
    assert rfc8785.dumps(document) == canonical
    assert digest(document) == hashlib.sha256(canonical).hexdigest()


def test_a_link_binds_the_record_and_the_link_before():
    record = linked({"distribution_id": "d-1", "record": "0-opened"}, Head("queue-001", 6, "aa"))
    assert (record["chain_queue"], record["chain_number"], record["chain_before"]) == ("queue-001", 7, "aa")
    assert record["chain_hash"] == digest_of_record(record)
    for name in record.keys() - {"chain_hash"}:
        assert digest_of_record(record | {name: "changed"}) != record["chain_hash"]


def test_each_record_follows_the_one_before_it_in_the_chain_of_its_queue(trail, items):
    for name in ("d-1", "d-2", "d-3"):
        trail.append(opening(name))
    trail.append(opening("other", "queue-002"))
    stored = items()
    first, second, third = (stored[name, "0-opened"] for name in ("d-1", "d-2", "d-3"))
    assert [record["chain_number"] for record in (first, second, third)] == [1, 2, 3]
    assert first["chain_before"] == ""
    assert (second["chain_before"], third["chain_before"]) == (first["chain_hash"], second["chain_hash"])
    assert stored["chain#queue-001", "000000000002"] == {
        "distribution_id": "chain#queue-001",
        "record": "000000000002",
        "leads_to": "d-2",
        "kind": "0-opened",
        "before": first["chain_hash"],
        "hash": second["chain_hash"],
    }
    heads = items("chains", ("chain",))
    assert {chain: head["number"] for (chain,), head in heads.items()} == {"queue-001": 3, "queue-002": 1}
    assert heads["queue-001",]["hash"] == third["chain_hash"]


def test_the_hash_fits_what_is_read_whatever_the_record_holds(trail, aws):
    weights = {"a": 1 / 3, "b": 1e-9, "c": 5e-324, "d": 1.0, "\u00fc": 0.30000000000000004}
    trail.append(opening("d-1").model_copy(update={"requested_weights": weights, "reason": "\u20ac \U0001f600"}))
    record = next(
        map(
            document_of,
            aws("dynamodb").query(
                TableName="audit",
                KeyConditionExpression="distribution_id = :id",
                ExpressionAttributeValues={":id": {"S": "d-1"}},
            )["Items"],
        )
    )
    assert record["chain_hash"] == digest_of_record(record)


def test_a_record_without_a_queue_is_in_the_chain_of_its_own(trail, items):
    trail.append(expiry_cancelled("d-1", "somebody", START))
    assert items()["d-1", "7-kept"]["chain_queue"] == "-"


def test_the_writer_that_loses_makes_no_link(trail, items):
    assert [trail.append(opening("d-1")), trail.append(opening("d-1"))] == [True, False]
    assert items().keys() == {("d-1", "0-opened"), ("chain#queue-001", "000000000001")}


@pytest.mark.parametrize("change", ["removed", "rewound"])
def test_a_head_that_somebody_changed_keeps_no_record_from_its_place(trail, items, aws, change):
    trail.append(opening("d-1"))
    trail.append(opening("d-2"))
    if change == "removed":
        aws("dynamodb").delete_item(TableName="chains", Key={"chain": {"S": "queue-001"}})
    else:
        head = {"chain": {"S": "queue-001"}, "number": {"N": "1"}, "hash": {"S": "aa"}}
        aws("dynamodb").put_item(TableName="chains", Item=head)
    assert trail.append(opening("d-3"))
    assert items()["d-3", "0-opened"]["chain_number"] == 3
    assert items("chains", ("chain",))["queue-001",]["number"] == 3
