"""What is known of the agents of each queue that draws: the items `standings` of SharesTable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.standings import STATUSES, Membership, Standings, Status

logger = Logger(child=True)

KIND = "standings"
KEPT_S = 86_400
"""How long an item outlives its last change."""
_REFUSED = "ConditionalCheckFailedException"
_JOINED = {True: "joined", False: "left"}


@dataclass(frozen=True)
class AgentStandings:
    """Each fact about a user is a text (S) in the maps `statuses` or `memberships`: the milliseconds, and the fact.

    The milliseconds since the epoch have 13 digits. So of two facts the newer one is the larger text, and a condition
    on one user's text keeps an older event from replacing it, without a conflict with events of other users. `read_at`,
    `heard_at` and `claimed_until` are epoch seconds (N). `version` (N) grows with every write.
    """

    table: str

    def find(self, queue_id: str) -> Standings:
        with reported("read the standings of the agents"):
            response = client("dynamodb").get_item(TableName=self.table, Key=_key(queue_id), ConsistentRead=True)
        return standings_of(response.get("Item"))

    def claim(self, queue_id: str, known: Standings, until: float) -> bool:
        """Claim the next reading of a queue. False if another one was faster than whoever knew `known`."""
        claimed = "claimed_until = :known" if known.claimed_until else "attribute_not_exists(claimed_until)"
        values = {":known": _number(known.claimed_until)} if known.claimed_until else {}
        return self._update(
            queue_id,
            "claim the reading of the agents",
            claimed,
            UpdateExpression="SET claimed_until = :until, expires_at = :expires ADD version :one",
            ExpressionAttributeValues={":until": _number(until), **_lasting(until), **values},
        )

    def replace(self, queue_id: str, standings: Standings) -> bool:
        """Store what a reading has shown, and end its claim. False if the stored version is no longer this one."""
        values = {
            ":statuses": {"M": {user: {"S": _text(*fact)} for user, fact in standings.statuses.items()}},
            ":memberships": {
                "M": {
                    user: {"S": _text(_JOINED[fact.joined], fact.since)} for user, fact in standings.memberships.items()
                }
            },
            ":read": _number(standings.read_at),
            **_lasting(standings.read_at),
        }
        values |= {":version": {"N": str(standings.version)}} if standings.version else {}
        return self._update(
            queue_id,
            "store the standings of the agents",
            "version = :version" if standings.version else "attribute_not_exists(version)",
            UpdateExpression="SET statuses = :statuses, memberships = :memberships, read_at = :read, "
            "expires_at = :expires REMOVE claimed_until ADD version :one",
            ExpressionAttributeValues=values,
        )

    def note(self, queue_id: str, user_id: str, fact: Status | Membership, now: float) -> bool:
        """Note a fact that was heard now. False if a newer one about the user is stored, or the same.

        Only a status shows that the bus has the events of agents: those of memberships are a topic of their own.
        """
        if isinstance(fact, Status):
            kind, text, heard = "statuses", _text(fact.status, fact.since), {":now": _number(now)}
        else:
            kind, text, heard = "memberships", _text(_JOINED[fact.joined], fact.since), {}
        also = "heard_at = :now, " if heard else ""
        change: dict[str, Any] = {
            "UpdateExpression": f"SET {kind}.#user = :fact, {also}expires_at = :expires ADD version :one",
            "ExpressionAttributeNames": {"#user": user_id},
            "ExpressionAttributeValues": {":fact": {"S": text}, **heard, **_lasting(now)},
        }
        condition = f"attribute_exists({kind}) AND (attribute_not_exists({kind}.#user) OR {kind}.#user < :fact)"
        action = "note the standing of an agent"
        if self._update(queue_id, action, condition, **change):
            return True
        # A condition cannot tell an older fact from an item that has no facts at all yet.
        created = self._update(
            queue_id,
            action,
            f"attribute_not_exists({kind})",
            UpdateExpression="SET statuses = if_not_exists(statuses, :none), "
            "memberships = if_not_exists(memberships, :none) ADD version :one",
            ExpressionAttributeValues={":none": {"M": {}}, ":one": {"N": "1"}},
        )
        return created and self._update(queue_id, action, condition, **change)

    def _update(self, queue_id: str, action: str, condition: str, **change: Any) -> bool:
        try:
            with reported(action, expected=(_REFUSED,)):
                client("dynamodb").update_item(
                    TableName=self.table, Key=_key(queue_id), ConditionExpression=condition, **change
                )
        except ClientError:
            return False
        return True


def standings_of(item: Mapping[str, Any] | None) -> Standings:
    """Read an item of DynamoDB, also of another release, which may know more statuses or fewer. None: no item.

    Facts that cannot be read are unknown, until the next reading replaces them: draws and corrections need them less
    than they need to go on.
    """
    if not item:
        return Standings()
    read_at, heard_at, claimed_until, version = (
        float(item.get(name, {}).get("N", 0)) for name in ("read_at", "heard_at", "claimed_until", "version")
    )
    try:
        facts = {user: _fact(text["S"]) for user, text in item.get("statuses", {}).get("M", {}).items()}
        members = {user: _fact(text["S"]) for user, text in item.get("memberships", {}).get("M", {}).items()}
    except (KeyError, ValueError):
        logger.warning("The standings of the agents cannot be read", queue_id=item["queue_id"]["S"])
        return Standings(claimed_until=claimed_until, version=int(version))
    return Standings(
        {user: Status(known, since) for user, (name, since) in facts.items() for known in STATUSES if known == name},
        {user: Membership(name == _JOINED[True], since) for user, (name, since) in members.items()},
        read_at,
        heard_at,
        claimed_until,
        int(version),
    )


def _key(queue_id: str) -> dict[str, Any]:
    return {"queue_id": {"S": queue_id}, "kind": {"S": KIND}}


def _text(name: str, since: float) -> str:
    return f"{max(0, round(since * 1000)):013d} {name}"


def _fact(text: str) -> tuple[str, float]:
    at, _, name = text.partition(" ")
    return name, int(at) / 1000


def _number(seconds: float) -> dict[str, str]:
    return {"N": f"{seconds:.3f}"}


def _lasting(now: float) -> dict[str, Any]:
    return {":expires": {"N": f"{now + KEPT_S:.0f}"}, ":one": {"N": "1"}}
