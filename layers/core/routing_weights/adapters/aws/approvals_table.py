"""ApprovalsTable: the last question of each distribution that has asked for approval, its answer, and the task token.

Partition key `distribution_id`. An item that waits has `waiting`, which the sparse index `by_time` lists. The rest of
the question is JSON text; what a condition reads is an attribute of its own.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.approval import Approval
from routing_weights.domain.record import timestamp
from routing_weights.domain.types import ApprovalAnswer

KEPT_S = 90 * 86_400
"""The audit trail has question and answer; the item is needed as long as an execution may wait."""
_REFUSED = "ConditionalCheckFailedException"
_TEXT = ("distribution_id", "state", "hash", "asked_at", "expires_at", "token")
"""The attributes of an approval that are attributes of the item. The others are in `approval`."""

Item = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Approvals:
    table: str

    def find(self, distribution_id: str) -> Approval | None:
        with reported("read the approval"):
            answer = client("dynamodb").get_item(TableName=self.table, Key=_key(distribution_id), ConsistentRead=True)
        return _approval(answer["Item"]) if "Item" in answer else None

    def ask(self, approval: Approval) -> Approval:
        """Store a question, unless it is stored already: then it only gets the new token, while it waits."""
        number = {":number": {"N": str(approval.number)}}
        try:
            with reported("store the question", expected=(_REFUSED,)):
                client("dynamodb").put_item(
                    TableName=self.table,
                    Item=_to_item(approval),
                    ConditionExpression="attribute_not_exists(distribution_id) OR #number < :number",
                    ExpressionAttributeNames={"#number": "number"},
                    ExpressionAttributeValues=number,
                )
        except ClientError:
            renewed = self._change(
                approval.distribution_id,
                "SET #token = :token",
                "#number = :number AND #state = :waiting",
                {":token": {"S": approval.token}, ":waiting": {"S": "waiting"}, **number},
                {"#token": "token", "#number": "number", "#state": "state"},
            )
            return renewed or self.find(approval.distribution_id) or approval
        return approval

    def answer(
        self, asked: Approval, answer: ApprovalAnswer, caller: str, reason: str, now: datetime
    ) -> Approval | None:
        answered = asked.model_copy(
            update={"state": answer, "answered_by": caller, "answered_at": timestamp(now), "reason": reason}
        )
        return self._change(
            asked.distribution_id,
            "SET #state = :answer, approval = :approval REMOVE waiting",
            "#state = :waiting AND #number = :number AND #hash = :hash AND expires_at > :now",
            {
                ":answer": {"S": answer},
                ":approval": {"S": _rest(answered)},
                ":waiting": {"S": "waiting"},
                ":number": {"N": str(asked.number)},
                ":hash": {"S": asked.hash},
                ":now": {"S": timestamp(now)},
            },
            {"#state": "state", "#number": "number", "#hash": "hash"},
        )

    def end(self, distribution_id: str) -> None:
        self._change(
            distribution_id,
            "SET #state = :over REMOVE waiting",
            "#state = :waiting",
            {":over": {"S": "over"}, ":waiting": {"S": "waiting"}},
            {"#state": "state"},
        )

    def waiting(self, now: datetime) -> Iterator[Approval]:
        """What waits, the oldest first. The index shows a change within seconds."""
        query: dict[str, Any] = {
            "TableName": self.table,
            "IndexName": "by_time",
            "KeyConditionExpression": "waiting = :yes",
            "ExpressionAttributeValues": {":yes": {"S": "yes"}},
        }
        while True:
            with reported("list what waits for approval"):
                page = client("dynamodb").query(**query)
            yield from (approval for item in page["Items"] if (approval := _approval(item)).is_open(now))
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _change(
        self, distribution_id: str, change: str, condition: str, values: Item, names: dict[str, str]
    ) -> Approval | None:
        """The item after a change. None if `condition` does not hold."""
        try:
            with reported("store the answer", expected=(_REFUSED,)):
                answer = client("dynamodb").update_item(
                    TableName=self.table,
                    Key=_key(distribution_id),
                    UpdateExpression=change,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ExpressionAttributeNames=names,
                    ReturnValues="ALL_NEW",
                )
        except ClientError:
            return None
        return _approval(answer["Attributes"])


def _key(distribution_id: str) -> Item:
    return {"distribution_id": {"S": distribution_id}}


def _rest(approval: Approval) -> str:
    return json.dumps(approval.model_dump(mode="json", exclude={*_TEXT, "number"}), separators=(",", ":"))


def _to_item(approval: Approval) -> Item:
    expires = int(datetime.fromisoformat(approval.expires_at).timestamp()) + KEPT_S
    return {
        **{name: {"S": getattr(approval, name)} for name in _TEXT},
        "number": {"N": str(approval.number)},
        "approval": {"S": _rest(approval)},
        "waiting": {"S": "yes"},
        "deleted_at": {"N": str(expires)},
    }


def _approval(item: Mapping[str, Any]) -> Approval:
    known = {name: item[name]["S"] for name in _TEXT if name in item}
    return Approval.model_validate({**json.loads(item["approval"]["S"]), **known, "number": int(item["number"]["N"])})
