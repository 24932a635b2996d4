"""Functions that a test invokes directly, as the state machine and the mappings do."""

import json
import time
import uuid
from datetime import UTC, datetime


def invoked(world, function, event):
    """Invoke a function and return its answer. A failed function fails the test, with its own message."""
    answer = world.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
    said = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, said
    return said


def run_of(run):
    """Return an ended run, as its states had it."""
    started_at = datetime.now(UTC).isoformat()
    known = {"distribution_id": run.distribution_id, "execution_arn": run.arn, "queue_id": run.queue_id}
    return known | {"started_at": started_at}


def drift_event(queue):
    """Return a batch of one message: an event about a queue's members."""
    body = {"delivery_id": str(uuid.uuid4()), "queue_id": queue, "kind": "members"}
    attributes = {"SentTimestamp": str(int(time.time() * 1000)), "ApproximateReceiveCount": "1"}
    message = {"messageId": "m", "receiptHandle": "none", "body": json.dumps(body), "attributes": attributes}
    return {"Records": [message]}


def in_the_bucket(world, run, record, field, more=None):
    """Move a field of a record to the bucket, as if the record were too large for an item. `more` is added to it."""
    reference = f"distributions/{run.distribution_id}/{record}-{field}.json"
    value = world.records(run.distribution_id)[record][field]
    value = {**value, **more} if more else value
    world.client("s3").put_object(Bucket=world.ready["documents_bucket"], Key=reference, Body=json.dumps(value))
    world.client("dynamodb").update_item(
        TableName=world.ready["audit_table"],
        Key={"distribution_id": {"S": run.distribution_id}, "record": {"S": record}},
        UpdateExpression="SET #field = :moved",
        ExpressionAttributeNames={"#field": field},
        ExpressionAttributeValues={":moved": {"M": {"document": {"S": reference}}}},
    )
