"""SharesTable: the shares in force are changed as a whole, and only by whoever has read the last change."""

from dataclasses import replace

import pytest
from botocore.exceptions import ReadTimeoutError

from routing_weights.adapters.aws import shares_table as adapter
from routing_weights.adapters.aws.shares_table import SharesTable
from routing_weights.domain.shares import SharesInForce
from routing_weights.domain.types import ShareOptions
from routing_weights.errors import QueueChanged, StoreUnavailable

SHARES = SharesInForce("queue-001", "d-1", {"a": 0.4, "b": 0.35}, ShareOptions(hold_s=4, then=0), 1)
NEXT = replace(SHARES, weights={"a": 0.1}, distribution_id="d-2", version=2)


@pytest.fixture
def table(shares_table):
    return SharesTable(shares_table)


class Unsure:
    """A client of DynamoDB that stores an item and then fails with `error`, as if the answer were lost."""

    def __init__(self, real, error):
        self.real, self.error = real, error

    def put_item(self, **request):
        self.real.put_item(**request)
        raise self.error

    def get_item(self, **request):
        return self.real.get_item(**request)


def test_nobody_has_a_share_at_first(table):
    assert table.find("queue-001") is None
    assert list(table.in_force()) == []


def test_shares_are_put_in_force_and_replaced(table):
    table.put(SHARES, 0)
    assert table.find("queue-001") == SHARES
    table.put(NEXT, 1)
    assert table.find("queue-001") == NEXT


@pytest.mark.parametrize("expected", [0, 2])
def test_shares_that_somebody_else_has_changed_are_not_overwritten(table, expected):
    table.put(SHARES, 0)
    with pytest.raises(QueueChanged, match="at the same moment"):
        table.put(replace(NEXT, version=expected + 1), expected)
    assert table.find("queue-001") == SHARES


def test_the_index_has_the_queues_in_which_somebody_has_a_share_or_had_one(table):
    table.put(SHARES, 0)
    table.put(replace(SHARES, queue_id="queue-002"), 0)
    table.put(replace(SHARES, weights={}, version=2), 1)
    assert {shares.queue_id: len(shares.weights) for shares in table.in_force()} == {"queue-001": 0, "queue-002": 2}
    assert table.find("queue-001").weights == {}


def test_a_second_try_of_the_same_write_is_no_refusal(table):
    """The client tries again after a lost answer, and the condition refuses what the first try has stored."""
    table.put(SHARES, 0)
    table.put(SHARES, 0)
    assert table.find("queue-001") == SHARES


def test_an_answer_that_stays_lost_is_an_error_to_try_again(table, aws, monkeypatch):
    unsure = Unsure(aws("dynamodb"), ReadTimeoutError(endpoint_url="https://dynamodb.example"))
    monkeypatch.setattr(adapter, "client", lambda _: unsure)
    with pytest.raises(StoreUnavailable, match="ReadTimeoutError"):
        table.put(SHARES, 0)
    assert table.find("queue-001") == SHARES, "and the write is in force"


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"weights": 1}', SHARES.to_json().replace("0.4", "2"), SHARES.to_json().replace("4", "x")]
)
def test_something_else_in_the_item_is_no_answer(table, aws, text):
    item = {"queue_id": {"S": "queue-001"}, "kind": {"S": "weights"}, "version": {"N": "1"}, "shares": {"S": text}}
    aws("dynamodb").put_item(TableName="shares", Item=item)
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        table.find("queue-001")


def test_shares_that_cannot_be_read_keep_no_other_queue_from_being_read(table, aws, logs):
    table.put(SHARES, 0)
    item = {"queue_id": {"S": "queue-000"}, "kind": {"S": adapter.KIND}, "shares": {"S": "{}"}, "version": {"N": "1"}}
    aws("dynamodb").put_item(TableName=table.table, Item=item | {"in_force": {"S": adapter.IN_FORCE}})
    assert list(table.in_force()) == [SHARES]
    assert [record["levelname"] for record in logs()] == ["ERROR"]
