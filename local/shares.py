"""Compares the shares of a deployment with its role, the members, the rules of the queue, and a draw.

Nothing is changed, and the draw that is asked for is not counted.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.shares_table import KIND, shares_of
from routing_weights.api.draws import DrawAnswer
from routing_weights.domain.queue import CANNOT_COME, NOT_JOINED, Member
from routing_weights.domain.shares import SharesInForce, as_text, rules
from routing_weights.errors import ConfigurationInvalid

PAGE = "docs/administer/shares.md"
MOST_NAMED = 5
"""How many members a sentence names."""


@dataclass(frozen=True)
class Deployment:
    """A stack, read with the credentials of whoever asks."""

    clients: Callable[[str], Any]
    """Makes the client of a service. It and every method raise botocore's BotoCoreError and ClientError."""
    stack: str

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The parameters of the stack by name."""
        (stack,) = self.clients("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        return {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}

    def role(self, organisation_id: str) -> str:
        """Check who may ask for draws from outside. Raises ConfigurationInvalid unless this organisation may."""
        account, given = (self.parameters.get(f"Genesys{name}", "") for name in ("AwsAccountId", "OrganisationId"))
        if not account or not given:
            raise ConfigurationInvalid(
                "Flows cannot ask for draws: deploy with GenesysAwsAccountId and GenesysOrganisationId, "
                f"{organisation_id} here. {PAGE} has the steps."
            )
        if given.lower() != organisation_id.lower():
            raise ConfigurationInvalid(
                f"GenesysOrganisationId is {given}, and the client belongs to the organisation {organisation_id}: "
                "flows of this organisation cannot ask for draws. Deploy with its id."
            )
        return f"The AWS account {account} may invoke DrawFunction for this organisation."

    def shares(self, queue_id: str) -> SharesInForce | None:
        """Return the shares in force; None if nobody has one. Raises StoreUnavailable if something else is stored."""
        key = {"queue_id": {"S": queue_id.lower()}, "kind": {"S": KIND}}
        answer = self.clients("dynamodb").get_item(TableName=self._named("SharesTable"), Key=key)
        shares = shares_of(answer["Item"]) if "Item" in answer else None
        return shares if shares and shares.weights else None

    def draw(self, queue_id: str) -> str:
        """Ask for a draw that is not counted. Raises ConfigurationInvalid if there is no answer that a flow can use."""
        request = {"queue_id": queue_id, "conversation_id": "doctor", "media": "voice", "dry_run": True}
        answer = self.clients("lambda").invoke(
            FunctionName=self._named("DrawFunction"), Payload=json.dumps(request).encode()
        )
        text = answer["Payload"].read().decode()
        if "FunctionError" in answer:
            raise ConfigurationInvalid(f"DrawFunction failed: {text[:200]}. Its log has the reason.")
        try:
            drawn = DrawAnswer.model_validate_json(text)
        except ValueError as error:
            raise ConfigurationInvalid(
                f"The answer of DrawFunction is not what a flow expects: {text[:200]}"
            ) from error
        if drawn.reason == "failed":
            raise ConfigurationInvalid("DrawFunction answers that the draw failed. Its log has the reason.")
        if not drawn.agents:
            return f"DrawFunction answers an empty list ({drawn.reason}): now a contact would go to the whole queue."
        return f"DrawFunction names {len(drawn.agents)} agents, and holds a contact for {drawn.hold_s} s. Not counted."

    def _named(self, logical_id: str) -> str:
        """Return the physical name of a resource. Raises ConfigurationInvalid if the stack does not have it."""
        try:
            resource = self.clients("cloudformation").describe_stack_resource(
                StackName=self.stack, LogicalResourceId=logical_id
            )
        except ClientError as error:
            if not error.response["Error"].get("Message", "").startswith(f"Resource {logical_id} does not exist"):
                raise
            raise ConfigurationInvalid(
                f"The deployment has no {logical_id}: it is older than shares. Deploy this version."
            ) from error
        name: str = resource["StackResourceDetail"]["PhysicalResourceId"]
        return name


def described(shares: SharesInForce) -> str:
    return (
        f"Version {shares.version}, of distribution {shares.distribution_id}: {len(shares.weights)} members have "
        f"{1 - shares.nobody:.0%} of the contacts; {shares.options}."
    )


def who_can_be_drawn(shares: SharesInForce, members: Iterable[Member], limit: int) -> str:
    """Compare the shares with the queue's members. Raises ConfigurationInvalid if somebody can never be drawn."""
    by_id = {member.user_id: member for member in members}
    lost = list(_lost(shares, by_id))
    if lost:
        named = ", ".join(lost[:MOST_NAMED]) + (f" and {len(lost) - MOST_NAMED} more" if lost[MOST_NAMED:] else "")
        raise ConfigurationInvalid(
            f"{len(lost)} of the {len(shares.weights)} members with a share cannot be drawn: {named}. Their part goes "
            "to the others. Send a plan without them."
        )
    on_queue = sum(by_id[user].active for user in shares.weights)
    sentence = f"All {len(shares.weights)} members with a share can be drawn; {on_queue} are on queue now."
    if len(shares.weights) > limit:
        sentence += f" A draw names {limit} of them (DrawLimit); the others wait until anyone in the queue is reached."
    return sentence


def rules_that_fit(shares: SharesInForce, held: str | None) -> str:
    """Compare the queue's rules, as text, with those of the shares. Raises ConfigurationInvalid if they differ."""
    needed = as_text(rules(shares.options))
    if held != needed:
        raise ConfigurationInvalid(
            f"The queue's rules are {held or 'none'}, and the shares in force need {needed}. Send the plan again with "
            "a strategy that sets them, for example share-by-weight."
        )
    return f"The queue's rules fit: {needed}."


def _lost(shares: SharesInForce, by_id: Mapping[str, Member]) -> Iterator[str]:
    for user in shares.weights:
        member = by_id.get(user)
        if member is None:
            yield f"{user} is no member"
        elif not member.joined:
            yield f"{user} is {NOT_JOINED}"
        elif member.away and member.away.startswith(CANNOT_COME):
            yield f"{user}: {member.away}"
