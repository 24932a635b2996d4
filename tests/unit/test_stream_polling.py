"""The stack's stream of a table: a function gets its records in order, and again from the one that failed."""

import json

import pytest
from moto.dynamodb.models.table import Table

from local.stack import moto_seam
from local.stack.metrics import Metrics, Series
from local.stack.polling import StreamPoller
from local.stack.runtime import Outcome as Invoked
from local.stack.template import StreamSource
from routing_weights.domain.record import Closing


@pytest.fixture
def stream(aws):
    keys = {"distribution_id": "HASH", "record": "RANGE"}
    aws("dynamodb").create_table(
        TableName="told",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    return lambda key, record: aws("dynamodb").put_item(
        TableName="told", Item={"distribution_id": {"S": key}, "record": {"S": record}}
    )


def test_a_function_gets_records_in_order_from_the_failed_one_on(stream, tmp_path):
    got, failing = [], ["b"]
    metrics = Metrics(tmp_path / "log")

    def invoke(_name, payload, _trace=""):
        records = json.loads(payload)["Records"]
        keys = [record["dynamodb"]["Keys"]["distribution_id"]["S"] for record in records]
        got.append(keys)
        failed = [
            record["dynamodb"]["SequenceNumber"] for record, key in zip(records, keys, strict=True) if key in failing
        ]
        return Invoked(
            json.dumps({"batchItemFailures": [{"itemIdentifier": n} for n in failed]}).encode(), failed=False
        )

    pattern = '{"eventName": ["INSERT"], "dynamodb": {"Keys": {"record": {"S": ["9-closed"]}}}}'
    arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/told/stream/now"
    poller = StreamPoller(StreamSource(arn, "OutcomesFunction", 4, (pattern,), None), invoke, "eu-central-1", metrics)
    for key in "abc":
        stream(key, "0-opened")
        stream(key, Closing.KEY)
    pauses = [poller._turn() for _ in range(3)]
    assert got == [["a", "b"], ["b", "c"], ["b", "c"]]
    assert 0 < pauses[0] < pauses[1] < pauses[2]
    failing.clear()
    assert [poller._turn(), poller._turn() > 0] == [0, True]
    assert got[3:] == [["b", "c"]]
    (ages,) = metrics.minutes().items()
    assert ages[0] == Series.of("AWS/Lambda", "IteratorAge", {"FunctionName": "OutcomesFunction"})
    assert sum(each.total() for each in ages[1].values()) == len(got)


def test_a_transaction_that_is_undone_leaves_nothing_in_the_stream(stream, aws, monkeypatch):
    monkeypatch.setattr(Table, "__deepcopy__", moto_seam._snapshot, raising=False)  # as `install` does
    stream("a", Closing.KEY)
    put = {"Put": {"TableName": "told", "Item": {"distribution_id": {"S": "b"}, "record": {"S": Closing.KEY}}}}
    key = {"distribution_id": {"S": "c"}, "record": {"S": Closing.KEY}}
    condition = "attribute_exists(distribution_id)"
    check = {"ConditionCheck": {"TableName": "told", "Key": key, "ConditionExpression": condition}}
    with pytest.raises(aws("dynamodb").exceptions.TransactionCanceledException):
        aws("dynamodb").transact_write_items(TransactItems=[put, check])
    ids = [record["dynamodb"]["Keys"]["distribution_id"]["S"] for record in moto_seam.stream_of("told", 0, 10)]
    assert ids == ["a"]
