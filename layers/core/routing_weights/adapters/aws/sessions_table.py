"""SessionsTable: the people who are signed in at the desk."""

from dataclasses import dataclass

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.session import Session


@dataclass(frozen=True)
class SessionsTable:
    """Items: `session`, the hash of the cookie; `token`; `name`, of the person; `expires_at`."""

    table: str

    def put(self, key: str, session: Session) -> None:
        item = {
            "session": {"S": key},
            "token": {"S": session.token},
            "name": {"S": session.name},
            "expires_at": {"N": str(session.expires_at)},
        }
        with reported("store the sign-in"):
            client("dynamodb").put_item(TableName=self.table, Item=item)

    def find(self, key: str, now: float) -> Session | None:
        """The session of a key; None if it is unknown or has expired. DynamoDB deletes expired items late."""
        with reported("read the sign-in"):
            answer = client("dynamodb").get_item(TableName=self.table, Key={"session": {"S": key}}, ConsistentRead=True)
        if "Item" not in answer:
            return None
        item = answer["Item"]
        session = Session(item["token"]["S"], item["name"]["S"], int(item["expires_at"]["N"]))
        return session if now < session.expires_at else None

    def delete(self, key: str) -> None:
        with reported("end the sign-in"):
            client("dynamodb").delete_item(TableName=self.table, Key={"session": {"S": key}})
