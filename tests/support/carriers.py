"""The same scenario under each contract and actuator: the set-up of a queue, its values, and its writes."""

import math
from dataclasses import dataclass
from typing import Any

from tests.support.mechanisms import MECHANISMS, Mechanism
from tests.support.world import World, a_plan, skill_of

OTHER_RULES = [{"operator": "MEETS_THRESHOLD", "threshold": 70, "waitSeconds": 30}]


@dataclass(frozen=True)
class Carrier:
    """An actuator, and its contract."""

    actuator: str
    world: World

    @property
    def mechanism(self) -> Mechanism:
        return MECHANISMS[self.actuator]

    @property
    def member_write(self) -> dict[str, str]:
        """The write of a member, for `with_fault`."""
        return self.mechanism.member_write

    @property
    def settings_write(self) -> str:
        return self.mechanism.settings_write

    @property
    def per_write(self) -> int:
        return self.mechanism.per_write

    def queue(self, agents: int = 3, **spec: Any) -> str:
        """Make a queue in which no member holds the value of a plan of `weights_for`."""
        queue_id = self.world.queue(agents, unjoined=agents if self.actuator == "joined" else 0, off_queue=0)
        if self.actuator == "proficiency":
            skill = {"id": skill_of(queue_id), "name": "Dedicated", "proficiency": 0.3}
            spec = {"skills": [skill], **spec}
        if self.actuator == "share":
            spec = {"queue": {"routingRules": OTHER_RULES} | spec.pop("queue", {}), **spec}
            self.world.put_shares(queue_id, {f"agent-{agents:03}": 0.7})
        if spec:
            self.world.put_queue(queue_id, **{"agents": agents, "unjoined": 0, "off_queue": 0} | spec)
        return queue_id

    def plan(self, queue_id: str, weights: dict[str, float], **changes: Any) -> dict[str, Any]:
        """Return a plan with a setting that differs from a new queue's."""
        carried = {"actuator": self.actuator} if self.mechanism.is_named else {}
        if self.actuator == "proficiency":
            carried["skill"] = skill_of(queue_id)
        if self.actuator == "share":
            carried["strategy_reference"] = "share-by-weight"
        return a_plan(queue_id, weights, **carried | {"wrap_up_timeout_s": 45} | changes)

    def weights(self, members: int) -> dict[str, float]:
        """Return different weights whose sum is at most 1. For `joined`, every third is 0."""
        total = members * (members + 1) / 2
        skip = 3 if self.actuator == "joined" else members + 1
        return {
            f"agent-{n + 1:03}": 0.0 if (n + 1) % skip == 0 else (members - n) / total * 0.999 for n in range(members)
        }

    def expected(self, weights: dict[str, float]) -> dict[str, Any]:
        """Return the expected values on the wire, by the formulas of docs/use/weights.md."""
        largest = max(weights.values()) or 1.0
        return {member: self.mechanism.value(weight, largest) for member, weight in weights.items()}

    def held(self, queue_id: str) -> dict[str, Any]:
        """Return the values as Genesys holds them, or the shares in force."""
        members = self.world.held(queue_id)["members"]
        if self.actuator == "share":
            shares = self.world.shares(queue_id)
            return {user_id: shares["weights"].get(user_id, 0.0) for user_id in members}
        skill = skill_of(queue_id)
        return {user_id: self.mechanism.read(member, skill) for user_id, member in members.items()}

    def writes(self, before: dict[str, Any], after: dict[str, Any]) -> int:
        """Return how many requests write the members that differ."""
        return math.ceil(sum(before[member] != value for member, value in after.items()) / self.per_write)

    def of_members(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the writes of members, without those of the queue's own settings."""
        return [entry for entry in entries if entry["path"].split("/")[-2] != "queues"]


CARRIERS = tuple(name for name in MECHANISMS if name != "share")
"""The actuators whose values Genesys holds."""
