"""EventBridge: an execution that ends sends an event, and rules start state machines with it.

moto sends no such event, and starts no state machine for a rule. The rules are the `Events` of state machines in the
template.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.events.models import EventPattern

from local.stack.errors import StackError
from local.stack.template import STATE_MACHINE, role_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local.stack.template import Resource


@dataclass(frozen=True)
class Rule:
    """A rule, and the state machine that it starts. The input is the part of the event that `input_path` names."""

    role: str
    machine_arn: str
    pattern: Any
    input_path: str

    def input_for(self, event: dict[str, Any]) -> Any:
        """Return the input for the state machine, or None if the rule does not match."""
        if not self.pattern.matches_event(event):
            return None
        return event if not self.input_path else event[self.input_path.removeprefix("$.")]


def rules(resources: Iterable[Resource]) -> list[Rule]:
    """Read the rules of the template. Raises StackError for a kind of rule that the embedded stack does not know."""
    rules = []
    for resource in resources:
        if resource.type != STATE_MACHINE:
            continue
        for name, event in resource.properties.get("Events", {}).items():
            properties = event["Properties"]
            path = properties.get("InputPath", "")
            if event["Type"] != "EventBridgeRule" or path.count(".") > 1:
                raise StackError(f"{resource.logical_id}: the embedded stack does not know the event {name}")
            role, pattern = role_of(resource.logical_id + name), EventPattern.load(json.dumps(properties["Pattern"]))
            rules.append(Rule(role, resource.name, pattern, path))
    return rules


def execution_ended(arn: str, machine_arn: str, status: str, region: str, account: str) -> dict[str, Any]:
    """Return the event, with the members that rules and targets use."""
    detail = {"executionArn": arn, "stateMachineArn": machine_arn, "status": status}
    of = {"detail-type": "Step Functions Execution Status Change", "source": "aws.states", "resources": [arn]}
    return _event(region, account) | of | {"detail": detail}


def time_has_come(time: str, region: str, account: str) -> dict[str, Any]:
    """Return the event of a scheduled rule. `time` is RFC 3339, in UTC."""
    return _event(region, account) | {"detail-type": "Scheduled Event", "source": "aws.events", "time": time}


def _event(region: str, account: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "account": account,
        "region": region,
        "resources": [],
        "detail": {},
    }


def deliver(event: dict[str, Any], known: Iterable[Rule], start: Callable[[str, str, str], None]) -> None:
    """Call `start` with role, state machine and input for every rule that matches the event."""
    for rule in known:
        given = rule.input_for(event)
        if given is not None:
            start(rule.role, rule.machine_arn, json.dumps(given))
