"""The directory: the queues and their members with names, and what is in force in each queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from routing_weights.domain.queue import Member, QueueSettings
    from routing_weights.domain.record import Applied, RunSummary


@dataclass(frozen=True, slots=True)
class ListedQueue:
    """A queue as a listing of Genesys shows it."""

    queue_id: str
    """In lower case."""
    name: str
    division: str | None = None
    """The name of the division. None if Genesys shows none."""
    members: int | None = None

    @property
    def place(self) -> tuple[str, str]:
        """The place of the queue in the order of names."""
        return self.name.casefold(), self.queue_id


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue, with what the records of this system say about it."""

    queue: ListedQueue
    last: RunSummary | None = None
    """The newest distribution that has ended. Dry runs do not count."""
    running: str | None = None
    """The newest distribution that has not ended. Dry runs do not count."""
    drift: int = 0
    returns_at: str | None = None
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class QueueInForce:
    """A queue with what is in force, and how it chooses among its agents."""

    state: QueueState
    evaluation: str
    in_force: Applied | None


@dataclass(frozen=True, slots=True)
class MemberInForce:
    """A member with the weight in force."""

    member: Member
    actuator: str
    weight: float | None

    def value_if(self, actuator: str) -> Any:
        """The value that is held, if it is one of this actuator."""
        return self.member.value if actuator == self.actuator else None

    @property
    def on_queue(self) -> bool | None:
        """None if Genesys does not show it. Contract `score` does not."""
        away = self.member.away
        if away is None:
            return None if self.actuator == "score" else True
        return None if away.endswith("routing status") else False

    @property
    def is_active(self) -> bool:
        """False for a user who is inactive or deleted."""
        return not (self.member.away or "").startswith("user ")

    @property
    def holds(self) -> str:
        """The sentence about what is held for the member."""
        value = self.member.value
        match self.actuator:
            case "joined":
                return "joined" if self.member.joined else "not joined"
            case "share":
                return f"share {value:g}" if value else "no share"
            case name:
                return f"no {name}" if value is None else f"{name} {value:g}"


def evaluation(settings: QueueSettings | None) -> str:
    """Return how a queue chooses among its agents, for people. None: under contract `score`."""
    if settings is None:
        return "scores, as the gateway evaluates them"
    parts = []
    if (rings := settings.bullseye_rings or 0) > 1:
        parts.append(f"{rings} bullseye rings")
    if settings.skill_evaluation_method:
        parts.append(f"skills by {settings.skill_evaluation_method}")
    if settings.routing_rules:
        parts.append("preferred agents first")
    return ", ".join(parts) or "the agent who is idle longest"
