"""AccessTable: what signed-in persons may do, for as long as the gateway keeps the authorizer's answer."""

import json
import zlib
from dataclasses import dataclass
from itertools import compress

from routing_weights.adapters.aws.client import Patience, client, reported
from routing_weights.domain.access import Person, Role


@dataclass(frozen=True)
class AccessTable:
    """Items: `reference`, a random id; `person`, compressed; `expires_at`.

    An item has at most 400 KB, and 10,000 queue ids have nearly 200 KB even when they are compressed. So each id is
    there once, with one letter for every role: `1` if the role reaches the queue.
    """

    table: str
    patience: Patience | None = None

    def put(self, reference: str, person: Person, expires_at: int) -> None:
        """Store a person under a new reference. `expires_at` is in epoch seconds."""
        queues = sorted(frozenset[str]().union(*filter(None, person.reach.values())))
        reach = {
            role.value: None if reached is None else "".join("01"[queue in reached] for queue in queues)
            for role, reached in person.reach.items()
        }
        known = {"id": person.id, "name": person.name, "kind": person.kind, "queues": queues, "reach": reach}
        text = json.dumps(known)
        item = {
            "reference": {"S": reference},
            "person": {"B": zlib.compress(text.encode())},
            "expires_at": {"N": str(expires_at)},
        }
        with reported("store what the person may do"):
            client("dynamodb", self.patience).put_item(TableName=self.table, Item=item)

    def find(self, reference: str, now: float) -> Person | None:
        """The person of a reference; None if it is unknown or has expired. DynamoDB deletes expired items late."""
        with reported("read what the person may do"):
            answer = client("dynamodb").get_item(
                TableName=self.table, Key={"reference": {"S": reference}}, ConsistentRead=True
            )
        if "Item" not in answer or int(answer["Item"]["expires_at"]["N"]) <= now:
            return None
        known = json.loads(zlib.decompress(answer["Item"]["person"]["B"]))
        reach = {
            Role(role): None if marks is None else frozenset(compress(known["queues"], map(int, marks)))
            for role, marks in known["reach"].items()
        }
        return Person(known["id"], known["name"], known["kind"], reach)
