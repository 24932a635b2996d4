"""Fleets of a served stack: what the API stores of them, without the API, and what becomes of them."""

import json
import uuid

from boto3.dynamodb.types import TypeDeserializer

from routing_weights.domain.fleet import FleetOptions, Line, QueueItem, distribution_id, execution_name, waves_by_number
from routing_weights.domain.plan import parse_plan
from tests.support.waiting import until
from tests.support.world import a_plan


class Fleet:
    """A fleet of one plan per queue, with what is stored of it."""

    def __init__(self, world, queues, options=None, fleet_id=None, **changes):
        self.world, self.queues = world, queues
        self.fleet_id = fleet_id or str(uuid.uuid4())
        self.attempt = 0
        options = FleetOptions.model_validate(options or {})
        waves = options.divided(len(queues))
        lines, items = b"", []
        for number, (queue, wave) in enumerate(zip(queues, waves_by_number(waves), strict=True)):
            plan = parse_plan(json.dumps(a_plan(queue, **changes)))
            line = Line.text(plan.canonical(), {}).encode()
            items.append(
                QueueItem(
                    number=number,
                    queue_id=queue,
                    distribution_id=distribution_id(self.fleet_id, number),
                    wave=wave,
                    start=len(lines),
                    length=len(line),
                    members=len(plan.member_weights),
                )
            )
            lines += line + b"\n"
        self._put("plans.jsonl", lines)
        self._put("queues.json", json.dumps([item.model_dump() for item in items]).encode())
        item = {
            "fleet_id": self.fleet_id,
            "part": "fleet",
            "status": "running",
            "options": options.model_dump_json(exclude_none=True),
            "waves": json.dumps([wave.model_dump(exclude_none=True) for wave in waves]),
            "origin": json.dumps({"door": "api", "caller": "a-caller"}),
            "submitted_at": "2026-01-31T08:00:00.000Z",
            "fingerprint": "",
            "execution_arn": "",
            "reason": "",
        }
        self._table("put_item", Item={name: {"S": value} for name, value in item.items()} | _numbers(len(queues)))

    def start(self):
        """Start the next attempt, as the API does."""
        self.attempt += 1
        if self.attempt > 1:
            self._update("SET attempt = :n, #s = :running REMOVE stop, held, reason, ended_at", ":running", "running")
        self.arn = self.world.client("stepfunctions").start_execution(
            stateMachineArn=self.world.ready["fleet_state_machine"],
            name=execution_name(self.fleet_id, self.attempt),
            input=json.dumps({"fleet_id": self.fleet_id, "attempt": self.attempt}),
        )["executionArn"]
        return self

    def cancel(self):
        self._table(
            "update_item",
            Key=self._key("fleet"),
            UpdateExpression="SET stop = :stop",
            ExpressionAttributeValues={":stop": {"S": "cancel"}},
        )

    def release(self, how):
        """Answer a held wave, once it is held."""
        held = until(lambda: json.loads(self.item().get("held", "null")))
        self.world.client("stepfunctions").send_task_success(
            taskToken=held["token"], output=json.dumps({"release": how})
        )
        return held

    def stop(self):
        self.world.client("stepfunctions").stop_execution(executionArn=self.arn)

    def execution(self):
        return self.world.client("stepfunctions").describe_execution(executionArn=self.arn)

    def is_over(self):
        return self.execution()["status"] != "RUNNING"

    def ends(self, status):
        """Wait for the end of the attempt, which has this status."""
        self.world.ends.wait(self.arn)
        execution = self.execution()
        assert self.item()["status"] == status, (self.item(), execution.get("error"), execution.get("cause"))
        assert execution["status"] == ("SUCCEEDED" if status == "completed" else "FAILED")
        until(lambda: not self.world.locks().keys() & set(self.queues))
        return self

    def item(self, part="fleet"):
        return self.parts().get(part, {})

    def parts(self):
        """Return what is stored of the fleet, by sort key."""
        items = self._table(
            "query",
            KeyConditionExpression="fleet_id = :fleet",
            ExpressionAttributeValues={":fleet": {"S": self.fleet_id}},
            ConsistentRead=True,
        )["Items"]
        plain = [{name: TypeDeserializer().deserialize(value) for name, value in item.items()} for item in items]
        return {item["part"]: item for item in plain}

    def outcomes(self):
        """Return the status of each queue that has ended, by number."""
        return {int(p["number"]): p["status"] for name, p in self.parts().items() if name.startswith("queue#")}

    def scores(self):
        """Return what Genesys holds of each queue."""
        return [self.world.held(queue)["scores"] for queue in self.queues]

    def put(self, part, texts, **numbers):
        """Store a part of the fleet, as the state machine does."""
        item = {name: {"S": value} for name, value in texts.items()}
        item |= {name: {"N": str(value)} for name, value in numbers.items()}
        self._table("put_item", Item=self._key(part) | item)

    def _put(self, name, content):
        key = f"fleets/{self.fleet_id}/{name}"
        self.world.client("s3").put_object(Bucket=self.world.ready["documents_bucket"], Key=key, Body=content)

    def _key(self, part):
        return {"fleet_id": {"S": self.fleet_id}, "part": {"S": part}}

    def _update(self, change, name, value):
        self._table(
            "update_item",
            Key=self._key("fleet"),
            UpdateExpression=change,
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues={":n": {"N": str(self.attempt)}, name: {"S": value}},
        )

    def _table(self, operation, **request):
        return getattr(self.world.client("dynamodb"), operation)(TableName=self.world.ready["fleets_table"], **request)


def _numbers(total):
    return {"total": {"N": str(total)}, "attempt": {"N": "1"}}
