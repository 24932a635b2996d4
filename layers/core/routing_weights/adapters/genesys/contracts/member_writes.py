"""The requests of the platform that write members, by where Genesys keeps the value of a member."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, assert_never

from routing_weights.adapters.genesys.contracts.reading import queue_path
from routing_weights.domain.actuators.base import Carrier, MemberField, SkillProficiency
from routing_weights.domain.queue import Value


@dataclass(frozen=True, slots=True)
class MemberWrite:
    method: Literal["PATCH", "DELETE"]
    path: str
    body: Any = None


def member_write(carrier: Carrier, queue_id: str, values: Mapping[str, Value | None], skill_id: str) -> MemberWrite:
    """Return the request that gives these members, at most `carrier.per_write`, their values. None removes a value.

    The keys of `values` are the ids as Genesys shows them.
    """
    match carrier:
        case MemberField(field, per_write) if per_write > 1:
            body = [{"id": user, field: value} for user, value in values.items()]
            return MemberWrite("PATCH", f"{queue_path(queue_id)}/members", body)
        case MemberField(field):
            ((user, value),) = values.items()
            return MemberWrite("PATCH", f"{queue_path(queue_id)}/members/{user}", {"id": user, field: value})
        case SkillProficiency():
            ((user, value),) = values.items()
            path = f"/api/v2/users/{user}/routingskills"
            if value is None:
                return MemberWrite("DELETE", f"{path}/{skill_id}")
            # Assigns the skill to a user who does not have it, and leaves the user's other skills alone.
            return MemberWrite("PATCH", f"{path}/bulk", [{"id": skill_id, "proficiency": value}])
        case unreachable:
            assert_never(unreachable)
