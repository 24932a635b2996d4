"""The refusals of the embedded stack that follow AWS (local/stack/rules.py), tested through moto's own API."""

import threading

import pytest
from botocore.exceptions import ClientError
from moto.dynamodb.parsing.executors import UpdateExpressionExecutor
from moto.dynamodb.responses import DynamoHandler

from local.stack import moto_seam
from local.stack.rules import Transactions

# ---- DynamoDB: transactions ------------------------------------------------------------------------------------------


def put(name, **more):
    return {"TableName": "things", "Item": {"id": {"S": name}, **more}}


@pytest.fixture
def dynamodb(aws, monkeypatch):
    """A client of moto with the stack's rules, and a hook that is called while a transaction is under way."""
    meanwhile = []

    def sleep(_seconds):
        while meanwhile:
            meanwhile.pop()()

    seams = [(name, moto_seam._one_at_a_time(name)) for name in moto_seam._WRITES]
    seams += [(name, moto_seam._whole(name)) for name in moto_seam._READS]
    for name, ours in seams:
        original = moto_seam._originals.get((DynamoHandler, name), getattr(DynamoHandler, name))
        monkeypatch.setitem(moto_seam._originals, (DynamoHandler, name), original)
        monkeypatch.setattr(DynamoHandler, name, ours)
    monkeypatch.setattr(moto_seam, "_transactions", Transactions(sleep=sleep))
    client = aws("dynamodb")
    client.create_table(
        TableName="things",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    return client, meanwhile


def transact(client, *names):
    return client.transact_write_items(TransactItems=[{"Put": put(name)} for name in names])


@pytest.mark.parametrize(
    "write",
    [
        lambda client: client.put_item(**put("a")),
        lambda client: client.delete_item(TableName="things", Key={"id": {"S": "a"}}),
        lambda client: client.update_item(TableName="things", Key={"id": {"S": "a"}}, UpdateExpression="REMOVE n"),
    ],
    ids=["PutItem", "DeleteItem", "UpdateItem"],
)
def test_a_write_to_an_item_of_an_open_transaction_is_refused(dynamodb, write):
    client, meanwhile = dynamodb

    def write_meanwhile():
        with pytest.raises(client.exceptions.TransactionConflictException):
            write(client)

    meanwhile.append(write_meanwhile)
    transact(client, "a", "b")
    assert meanwhile == []
    write(client)


def test_a_transaction_on_an_item_of_another_one_is_cancelled(dynamodb):
    client, meanwhile = dynamodb

    def transact_meanwhile():
        with pytest.raises(client.exceptions.TransactionCanceledException) as caught:
            transact(client, "c", "b")
        assert [reason["Code"] for reason in caught.value.response["CancellationReasons"]] == [
            "None",
            "TransactionConflict",
        ]

    meanwhile.append(transact_meanwhile)
    transact(client, "a", "b")
    assert meanwhile == []
    assert {item["id"]["S"] for item in client.scan(TableName="things")["Items"]} == {"a", "b"}


def test_a_transaction_refuses_neither_reads_nor_other_writes(dynamodb):
    client, meanwhile = dynamodb
    meanwhile.append(lambda: client.put_item(**put("c")))
    meanwhile.append(lambda: client.get_item(TableName="things", Key={"id": {"S": "a"}}, ConsistentRead=True))
    transact(client, "a", "b")
    assert client.scan(TableName="things")["Count"] == 3


@pytest.mark.parametrize(
    "read",
    [
        lambda client: client.scan(TableName="things")["Items"],
        lambda client: [client.get_item(TableName="things", Key={"id": {"S": "a"}}).get("Item")],
        lambda client: client.query(
            TableName="things", KeyConditionExpression="id = :a", ExpressionAttributeValues={":a": {"S": "a"}}
        )["Items"],
        lambda client: client.batch_get_item(RequestItems={"things": {"Keys": [{"id": {"S": "a"}}]}})["Responses"][
            "things"
        ],
    ],
    ids=["Scan", "GetItem", "Query", "BatchGetItem"],
)
def test_nobody_reads_an_item_that_is_half_updated(dynamodb, monkeypatch, read):
    client, _ = dynamodb
    execute, answers, answered = UpdateExpressionExecutor.execute, [], threading.Event()

    def read_meanwhile():
        answers.extend(read(client))
        answered.set()

    reader = threading.Thread(target=read_meanwhile)

    def execute_meanwhile(executor, *arguments, **named):
        if reader.ident is None:  # moto calls this once for each part of the expression
            reader.start()
            answered.wait(0.3)  # a reader that does not wait for the update has its answer by then
        return execute(executor, *arguments, **named)

    monkeypatch.setattr(UpdateExpressionExecutor, "execute", execute_meanwhile)
    client.update_item(
        TableName="things",
        Key={"id": {"S": "a"}},
        UpdateExpression="SET n = :n",
        ExpressionAttributeValues={":n": {"N": "1"}},
    )
    reader.join(10)
    assert answers == [{"id": {"S": "a"}, "n": {"N": "1"}}]


def test_a_transaction_that_failed_is_over(dynamodb):
    client, _ = dynamodb
    client.put_item(**put("a"))
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        client.transact_write_items(
            TransactItems=[{"Put": {**put("a"), "ConditionExpression": "attribute_not_exists(id)"}}]
        )
    client.put_item(**put("a"))
