"""The owners of skills: proficiencies in a skill carry the weights of one queue, so no other plan may write them."""

from dataclasses import dataclass

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.problems import not_applicable
from routing_weights.errors import PlanNotApplicable


@dataclass(frozen=True)
class SkillOwners:
    """SkillsTable: one item per skill. The id is in lower case, so that a skill has one owner in any spelling."""

    table: str

    def require(self, skill_id: str, queue_id: str) -> None:
        """Raise PlanNotApplicable if another queue owns the skill."""
        with reported("read the owner of the skill"):
            item = client("dynamodb").get_item(
                TableName=self.table, Key={"skill_id": {"S": skill_id.lower()}}, ConsistentRead=True
            )
        owner = item.get("Item", {}).get("queue_id", {}).get("S", queue_id)
        if owner != queue_id:
            raise _owned(skill_id, owner)

    def claim(self, skill_id: str, queue_id: str) -> None:
        """Make the queue the owner of the skill. Raises PlanNotApplicable if another queue owns it."""
        try:
            with reported("claim the skill", expected=("ConditionalCheckFailedException",)):
                client("dynamodb").put_item(
                    TableName=self.table,
                    Item={"skill_id": {"S": skill_id.lower()}, "queue_id": {"S": queue_id}},
                    ConditionExpression="attribute_not_exists(skill_id) OR queue_id = :queue",
                    ExpressionAttributeValues={":queue": {"S": queue_id}},
                )
        except ClientError:
            self.require(skill_id, queue_id)


def _owned(skill_id: str, owner: str) -> PlanNotApplicable:
    message = (
        f"skill {skill_id} carries the weights of queue {owner}: name another one, or free it by deleting its item in "
        "SkillsTable"
    )
    return not_applicable("skill", message, "skill_owned")
