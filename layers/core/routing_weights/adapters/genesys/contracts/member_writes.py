"""The writes of members: many at once under every contract, and the requests of the platform."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, assert_never

from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts.reading import queue_path
from routing_weights.domain.actuators.base import MemberField, SkillProficiency
from routing_weights.domain.queue import Member, Value
from routing_weights.domain.target import Answers
from routing_weights.errors import RoutingWeightsError


def write_each(
    client: GenesysClient,
    write: Callable[[Sequence[Member]], None],
    members: Sequence[Member],
    per_write: int,
    *,
    go_on: Callable[[], bool],
    stops_at: tuple[type[RoutingWeightsError], ...],
) -> Answers:
    """Write the members, `per_write` by one request, several requests at once. See the port `Genesys.write_members`."""
    chunks = [members[start : start + per_write] for start in range(0, len(members), per_write)]
    answers = client.in_lanes(write, chunks, go_on=go_on, stops_at=stops_at)
    return {member.user_id: answers[n] for n in sorted(answers) for member in chunks[n]}


@dataclass(frozen=True, slots=True)
class MemberWrite:
    method: Literal["PATCH", "DELETE"]
    path: str
    body: Any = None


def member_write(
    carrier: MemberField | SkillProficiency, queue_id: str, values: Mapping[str, Value | None], skill_id: str
) -> MemberWrite:
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
