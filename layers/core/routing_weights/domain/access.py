"""Who may what: roles, and the queues for which a person has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

from routing_weights.errors import QueueNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Queues = frozenset[str] | None
"""Queue ids in lower case; None: all queues."""


class Role(StrEnum):
    """Every role includes viewer."""

    VIEWER = "viewer"
    """Looks at everything, and changes nothing."""
    PLANNER = "planner"
    """Sends plans, fleets, schedules, baselines and forecasts, and reverts."""
    APPROVER = "approver"
    """Answers distributions that wait for an approval."""
    OPERATOR = "operator"
    """Exports the records of a queue."""


@dataclass(frozen=True)
class Person:
    """A verified caller. `reach` has the queues for each role that the person has."""

    id: str
    """An ARN, `genesys:<user id>` or `jwt:<issuer>#<sub>`: what the records keep as `caller`."""
    name: str
    """For people; empty if it is not known."""
    kind: Literal["iam", "jwt", "genesys"]
    reach: Mapping[Role, Queues]

    @property
    def roles(self) -> frozenset[Role]:
        return frozenset(self.reach)

    @property
    def queues(self) -> Queues:
        """The queues that the person may look at."""
        return self.queues_for(Role.VIEWER)

    def queues_for(self, role: Role) -> Queues:
        return self.reach.get(role, frozenset())

    def has(self, role: Role) -> bool:
        return role in self.reach

    def may(self, role: Role, queue_ids: Iterable[str]) -> bool:
        """True if the person has a role for every one of these queues."""
        return role in self.reach and within(self.reach[role], queue_ids)


ALL_DIVISIONS: None = None
Divisions = frozenset[str] | None
"""Ids of divisions; ALL_DIVISIONS: all of them, also those to come."""


class GenesysUser(NamedTuple):
    user_id: str
    name: str
    state: str
    organisation_id: str


def reach_of(
    see: Divisions, change: Divisions, roles: Mapping[Role, Divisions], listed: Callable[[], Mapping[str, str]]
) -> dict[Role, Queues]:
    """The reach of a Genesys user, who may `see` queues in some divisions, `change` them in others, and hold `roles`.

    `listed` reads the queues that Genesys shows to the user, with their divisions. It is called only if that matters.
    """
    held = {Role.VIEWER: see, Role.PLANNER: change, **roles}
    held = {role: divisions for role, divisions in held.items() if divisions is None or divisions}
    if not held:
        return {}
    queues = listed() if any(divisions is not None for divisions in held.values()) and Role.VIEWER in held else {}
    reach = {
        role: None if divisions is None else frozenset(q for q, division in queues.items() if division in divisions)
        for role, divisions in held.items()
    }
    seen = [reach.get(role, frozenset()) for role in Role]
    viewer: Queues = None if None in seen else frozenset().union(*(queues for queues in seen if queues is not None))
    return {**reach, Role.VIEWER: viewer}


@dataclass(frozen=True)
class Bounds:
    """What one request may touch."""

    queues: Queues = None
    space: str = ""
    """Apart for each person who signed in: the keys of their requests, and their uploads. Empty for IAM."""

    def allow(self, queue_ids: Iterable[str]) -> bool:
        return within(self.queues, queue_ids)

    def require(self, queue_ids: Iterable[str]) -> None:
        """Raise QueueNotFound for a queue that is out of bounds."""
        require_within(self.queues, queue_ids)


_SESSION = re.compile(r"(arn:[^:]+:sts::[^:]+:(?:assumed-role/[^/]+|federated-user))/.+")


def same_caller(one: str, other: str) -> bool:
    """True if two callers may be the same person.

    Whoever may assume a role chooses the name of the session, and so does whoever asks for a federated user. So all
    sessions of a role are one caller, also those of several people.
    """
    return _SESSION.sub(r"\1", one) == _SESSION.sub(r"\1", other)


def everywhere(roles: Iterable[Role]) -> dict[Role, Queues]:
    """The reach of a person whose roles are for all queues."""
    held = set(roles)
    return dict.fromkeys(sorted(held | {Role.VIEWER}), None) if held else {}


def plain_name(name: object) -> str:
    """A name without control characters, at most 200 characters; empty if there is none."""
    return "".join(letter for letter in name if letter.isprintable())[:200] if isinstance(name, str) else ""


def within(queues: Queues, queue_ids: Iterable[str]) -> bool:
    return queues is None or queues.issuperset(queue_id.lower() for queue_id in queue_ids)


def require_within(queues: Queues, queue_ids: Iterable[str]) -> None:
    """Raise QueueNotFound, as for a queue that does not exist, unless all are among the queues of a person."""
    for queue_id in queue_ids:
        if not within(queues, [queue_id]):
            raise queue_not_found(queue_id)


def queue_not_found(queue_id: str) -> QueueNotFound:
    return QueueNotFound(
        f"There is no queue {queue_id}, or it is in no division of yours. A change of divisions takes effect within "
        "minutes."
    )
