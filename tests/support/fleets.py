"""Fleets of a served stack, through the API: one plan per queue, and what becomes of them."""

import json

from boto3.dynamodb.types import TypeDeserializer

from routing_weights.domain.fleet import execution_name
from tests.support.waiting import DEADLINE_S, until
from tests.support.world import a_plan


class Fleet:
    """A fleet of one plan per queue. `start` submits it, and later continues it."""

    def __init__(self, world, queues, options=None, **changes):
        self.world, self.queues = world, queues
        # The queues of a test have the same agents, who must carry the loads of all of them.
        plans = [a_plan(queue, **{"projected_load": 0.05} | changes) for queue in queues]
        self.body = {"plans": plans, "options": options or {}}
        self.fleet_id, self.attempt = "", 0

    def start(self):
        """Start the fleet, or its next attempt."""
        self.attempt += 1
        if self.fleet_id:
            self.post("continue")
        else:
            self.fleet_id = self._post("/fleets", self.body).json()["fleet_id"]
        return self

    def post(self, what):
        """Cancel, continue or revert the fleet."""
        self._post(f"/fleets/{self.fleet_id}/{what}", {})

    def is_held(self):
        return self.shown()["status"] == "held"

    def shown(self):
        return self.world.get(f"/fleets/{self.fleet_id}").json()

    @property
    def arn(self):
        machine = self.world.ready["fleet_state_machine"].replace(":stateMachine:", ":execution:")
        return f"{machine}:{execution_name(self.fleet_id, self.attempt)}"

    def execution(self):
        return self.world.client("stepfunctions").describe_execution(executionArn=self.arn)

    def history(self):
        return self.world.client("stepfunctions").get_execution_history(executionArn=self.arn)["events"]

    def is_over(self):
        return self.execution()["status"] != "RUNNING"

    def ends(self, status):
        """Wait for the end of the attempt, which has this status, and for its queues to be unlocked."""
        until(self.is_over)
        execution, shown = self.execution(), self.shown()
        assert shown["status"] == status, (shown, execution.get("error"), execution.get("cause"), self.history())
        assert execution["status"] == ("SUCCEEDED" if status == "completed" else "FAILED")
        until(lambda: not self.world.locks().keys() & set(self.queues))
        return self

    def outcomes(self):
        """Return the status of each queue that has ended, by number."""
        return {int(part["number"]): part["status"] for name, part in self.parts().items() if name.startswith("queue#")}

    def queue(self, number):
        """Return what is stored of a queue that has ended."""
        return self.parts().get(f"queue#{number:06d}", {})

    def parts(self):
        """Return what is stored of the fleet, by sort key."""
        items = self.world.client("dynamodb").query(
            TableName=self.world.ready["fleets_table"],
            KeyConditionExpression="fleet_id = :fleet",
            ExpressionAttributeValues={":fleet": {"S": self.fleet_id}},
            ConsistentRead=True,
        )["Items"]
        plain = [{name: TypeDeserializer().deserialize(value) for name, value in item.items()} for item in items]
        return {item["part"]: item for item in plain}

    def scores(self):
        """Return what Genesys holds of each queue."""
        return [self.world.held(queue)["scores"] for queue in self.queues]

    def _post(self, path, body):
        answer = self.world.http.post(f"{self.world.api_url}{path}", data=json.dumps(body), timeout=DEADLINE_S)
        assert answer.status_code == 202, answer.text
        return answer
