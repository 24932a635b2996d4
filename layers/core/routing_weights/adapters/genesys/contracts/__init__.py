"""The contracts: what the rest of the system needs of Genesys, and which module speaks which dialect."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from routing_weights.domain.actuation import Ranking
from routing_weights.domain.plan import Plan, RequiredSkill
from routing_weights.domain.queue import Member, Queue, Setting, Target


class Contract(Protocol):
    """One dialect, made for one plan. Reading gives domain objects, writing takes them."""

    @property
    def per_write(self) -> int:
        """How many members one request writes."""
        ...

    @property
    def raise_first(self) -> bool:
        """Which order of writes is safe: raising before lowering, or the other way round."""
        ...

    def read_queue(self, queue_id: str) -> Queue:
        """The queue with all its members: at most 2 + ceil(members / 100) requests."""
        ...

    def read_again(self, queue: Queue, user_ids: Collection[str]) -> Queue:
        """`queue` with the given members read anew: only the pages that hold them."""
        ...

    def with_skills_in_use(self, queue: Queue, required: Sequence[RequiredSkill]) -> Queue:
        """`queue` with the required skills as the organisation has them: one that is not active, nobody has.

        Raises PlanNotApplicable where several skills have the name of a required one.
        """
        ...

    def target(self, plan: Plan, before: Queue) -> Target:
        """What the queue will hold. Raises PlanNotApplicable, with a problem for each reason why it cannot."""
        ...

    def statement(self, plan: Plan, target: Target, before: Queue) -> dict[str, Any]:
        """What the actuator can represent of the plan, and what it does not do: see `actuation.statement`."""
        ...

    def rankings(self, before: Queue, target: Target) -> tuple[Ranking, Ranking]:
        """How the queue chooses among its agents, before and once `target` is applied."""
        ...

    def service_target(self, queue: Queue) -> tuple[float, float] | None:
        """The queue's own target: the share of contacts to answer within so many seconds; None where it has none."""
        ...

    def completed(self, target: Target, before: Queue) -> Target:
        """`target` with what else has to change for it. Raises PlanNotApplicable where the queue cannot hold it."""
        ...

    def fields_of(self, queue: Queue, names: Iterable[str]) -> Mapping[str, Any]:
        """By setting, what carried it in a queue that was read: see `Target.fields`."""
        ...

    def write_queue(
        self,
        before: Queue,
        target: Target,
        names: Collection[str],
        key: str,
        own: Mapping[str, Setting] | None = None,
    ) -> None:
        """Set the named settings. Raises QueueChanged, and sends nothing, where somebody else changed the queue.

        `own` is what the run has written of the queue before, None where it has written nothing, members neither.
        """
        ...

    def put_back_queue(self, before: Queue, target: Target, names: Collection[str], key: str) -> None:
        """Give the named settings what they held in the before-image, and change nothing else of the queue."""
        ...

    def write_members(self, before: Queue, members: Sequence[Member], target: Target, key: str) -> None:
        """Give at most `per_write` members their values, and change nothing else of them.

        `key` is unique per distribution and write.
        """
        ...
