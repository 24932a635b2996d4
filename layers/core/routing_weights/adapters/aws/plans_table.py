"""PlansTable: the named plans by queue and name. The plans themselves are in the bucket."""

from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.named_plan import NamedPlan

_REFUSED = "ConditionalCheckFailedException"


@dataclass(frozen=True)
class NamedPlanStore:
    table: str

    def put(self, plan: NamedPlan, replaces: str | None) -> bool:
        """Store a plan. False if the table does not hold the version that it replaces; None: no plan of that name."""
        item = {name: {"S": value} for name, value in asdict(plan).items() if isinstance(value, str)}
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(queue_id)"}
        if replaces is not None:
            condition = _is_version(replaces)
        return self._wrote("put_item", Item=item | {"members": {"N": str(plan.members)}}, **condition)

    def delete(self, queue_id: str, name: str, version: str | None) -> bool:
        """Delete a plan. False if there is none, or another version than this one, if one is given."""
        condition: dict[str, Any] = {"ConditionExpression": "attribute_exists(queue_id)"}
        if version is not None:
            condition = _is_version(version)
        return self._wrote("delete_item", Key=_key(queue_id, name), **condition)

    def find(self, queue_id: str, name: str) -> NamedPlan | None:
        with reported("read the named plan"):
            answer = client("dynamodb").get_item(TableName=self.table, Key=_key(queue_id, name), ConsistentRead=True)
        return _named_plan(answer["Item"]) if "Item" in answer else None

    def of_queue(self, queue_id: str) -> list[NamedPlan]:
        """The named plans of a queue, sorted by name."""
        query: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "queue_id = :queue",
            "ExpressionAttributeValues": {":queue": {"S": queue_id}},
            "ConsistentRead": True,
        }
        with reported("read the named plans of the queue"):
            pages = client("dynamodb").get_paginator("query").paginate(**query)
            return [_named_plan(item) for page in pages for item in page["Items"]]

    def _wrote(self, call: str, **request: Any) -> bool:
        try:
            with reported("write the named plan", expected=(_REFUSED,)):
                getattr(client("dynamodb"), call)(TableName=self.table, **request)
        except ClientError:
            return False
        return True


def _key(queue_id: str, name: str) -> dict[str, Any]:
    return {"queue_id": {"S": queue_id}, "name": {"S": name}}


def _is_version(version: str) -> dict[str, Any]:
    return {
        "ConditionExpression": "#version = :version",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":version": {"S": version}},
    }


def _named_plan(item: dict[str, Any]) -> NamedPlan:
    texts = {name: item[name]["S"] for name in NamedPlan.__dataclass_fields__ if "S" in item.get(name, {})}
    return NamedPlan(members=int(item["members"]["N"]), **texts)
