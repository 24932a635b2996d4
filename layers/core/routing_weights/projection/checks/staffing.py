"""Check `staffing`: somebody is there of the agents whose presence the plan counts, as its `staffing` says.

`now` counts the members who can take work at this moment. `joined` counts everybody who is joined to the queue: for a
plan that is sent before its shift begins. A number counts that many of the joined members. Nobody knows which of them
will be there, so they are taken evenly across the plan's weights: the counted ones rank as the whole queue does.

The limit is that number. A plan that misses it, or that counts nobody, needs approval.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from routing_weights.domain.plan import Plan, Staffing
from routing_weights.domain.queue import Queue
from routing_weights.projection.checks.base import Check, Drawn

NOT_COUNTED = "not counted by staffing"
DRAWN = Drawn("number", "at least", "staffing")


@dataclass(frozen=True, slots=True)
class Staffed:
    """A queue before and after a plan. Its active members are those whose presence the plan counts."""

    staffing: Staffing
    before: Queue
    after: Queue
    doubt: str | None
    """Why the plan needs approval: nobody is there, or fewer than the plan counts on. None: it does not."""
    sentence: str
    """How many were counted."""

    @property
    def nobody(self) -> bool:
        """True where nobody counts, with or without the plan."""
        return not _active(self.before) and not _active(self.after)

    @property
    def agents(self) -> int:
        """The number of agents who count once the plan is applied."""
        return _active(self.after)

    def to_json(self) -> dict[str, Any]:
        return {"staffing": self.staffing, "agents": self.agents, "sentence": self.sentence}


def staffed(plan: Plan, before: Queue, after: Queue) -> Staffed:
    """Count by the plan's `staffing`.

    Args:
        plan: a valid plan.
        before: the queue as Genesys holds it.
        after: the queue once the plan is applied (queue.as_targeted).
    """
    counts = plan.counts
    before, after = (_counted(queue, counts, plan.weights) for queue in (before, after))
    agents, members = _active(after), len(after.members)
    where = f"queue {after.queue_id}"
    doubt = None
    if counts == "now":
        sentence = f"{agents} of the {members} members of {where} can take work now, once the plan is applied."
        if not _active(before) and not agents:
            doubt = (
                f"Nobody is on queue now: none of the {members} members of {where} can take work{_why(after)}. For "
                'a later time, send the plan with staffing "joined" or a number of agents; else bring agents on queue'
            )
    else:
        present = sum(member.may_come for member in after.members)
        sentence = f"{agents} of the {present} joined members of {where} are counted, whoever is there now."
        if not present and not any(member.may_come for member in before.members):
            doubt = f"Nobody is joined to {where}, of its {members} members: join agents to the queue"
        elif counts != "joined" and present < counts:
            doubt = (
                f"The plan counts on {counts} agents, and {present} members of {where} are joined to it: join more "
                "agents, or lower staffing"
            )
    return Staffed(counts, before, after, doubt, sentence)


def check(staffed: Staffed, *, accepted: bool) -> Check:
    doubt = staffed.doubt
    return Check(
        name="staffing",
        verdict="needs_approval" if doubt and not accepted else "pass",
        sentence=f"{doubt}, or accept it with accept_uncertain." if doubt else staffed.sentence,
        value=staffed.agents,
        threshold=staffed.staffing if isinstance(staffed.staffing, int) else None,
        quoted=doubt is not None,
    )


def _counted(queue: Queue, staffing: Staffing, weights: Mapping[str, float]) -> Queue:
    if staffing == "now":
        return queue
    present = [member.user_id for member in queue.members if member.may_come]
    if staffing != "joined":
        present = _evenly(sorted(present, key=lambda user: (-weights.get(user, 0.0), user)), staffing)
    counted = frozenset(present)
    return replace(
        queue,
        members=tuple(
            replace(m, away=None) if m.user_id in counted else replace(m, away=m.away or NOT_COUNTED)
            for m in queue.members
        ),
    )


def _evenly(ranked: list[str], wanted: int) -> list[str]:
    """`wanted` of them, at equal distances; all of them where there are fewer.

    >>> _evenly(["a", "b", "c", "d", "e", "f"], 3)
    ['b', 'd', 'f']
    """
    if wanted >= len(ranked):
        return ranked
    return [ranked[(2 * place + 1) * len(ranked) // (2 * wanted)] for place in range(wanted)]


def _why(queue: Queue) -> str:
    absent = queue.absent()
    return f" ({', '.join(f'{count} {reason}' for reason, count in absent.items())})" if absent else ""


def _active(queue: Queue) -> int:
    return sum(member.active for member in queue.members)
