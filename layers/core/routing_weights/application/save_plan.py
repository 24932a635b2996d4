"""Saves plans under names, and applies them. Of two people who edit one plan, neither replaces the other's work."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from routing_weights.domain.named_plan import NamedPlan, plan_to_save
from routing_weights.domain.record import timestamp
from routing_weights.errors import NamedPlanChanged, NamedPlanNotFound, StoreUnavailable

if TYPE_CHECKING:
    from datetime import datetime

    from routing_weights.application.ports import NamedPlans, Plans
    from routing_weights.application.submit import Submit, Submitted
    from routing_weights.domain.access import Bounds, Person
    from routing_weights.domain.named_plan import ApplyOptions
    from routing_weights.domain.run import Origin


@dataclass(frozen=True)
class KeepPlans:
    named: NamedPlans
    plans: Plans

    def save(
        self, queue_id: str, name: str, raw: bytes, replaces: str | None, person: Person, now: datetime, bounds: Bounds
    ) -> NamedPlan:
        """Keep a plan under a name. `replaces` is the version that it replaces; None: there is none of this name yet.

        What is kept already is not saved again, so a request that is sent twice does no harm.

        Raises:
            PlanInvalid: with every problem.
            QueueNotFound: the plan names a queue that is out of bounds.
            NamedPlanChanged: another version is kept; nothing is replaced.
        """
        plan = plan_to_save(raw, queue_id)
        bounds.require(plan.queues_named)
        saved = NamedPlan(
            queue_id,
            name,
            uuid.uuid4().hex,
            self.plans.keep_plan(plan),
            len(plan.member_weights),
            timestamp(now),
            person.id or None,
            person.name or None,
        )
        if self.named.put(saved, replaces):
            return saved
        kept = self.named.find(queue_id, name)
        if kept is None or kept.plan_ref != saved.plan_ref:
            refuse(kept, queue_id, name)
        return kept

    def delete(self, queue_id: str, name: str, version: str | None) -> None:
        """Delete a named plan: any version of it, or only this one.

        Raises:
            NamedPlanNotFound: there is none.
            NamedPlanChanged: another version is kept.
        """
        if self.named.delete(queue_id, name, version):
            return
        refuse(self.find(queue_id, name), queue_id, name)

    def find(self, queue_id: str, name: str) -> NamedPlan:
        """Raises NamedPlanNotFound."""
        kept = self.named.find(queue_id, name)
        if kept is None:
            raise NamedPlanNotFound(
                f"Queue {queue_id} has no plan {name}. Save it with PUT /queues/{queue_id}/plans/{name}, or see GET "
                f"/queues/{queue_id}/plans."
            )
        return kept

    def content(self, named: NamedPlan) -> dict[str, Any]:
        """The plan, as it was saved: without its queue."""
        text = self.plans.kept_plan(named.plan_ref)
        if text is None:
            raise StoreUnavailable(f"The plan {named.name} of queue {named.queue_id} is not in the bucket.")
        document: dict[str, Any] = json.loads(text)
        del document["queue_id"]
        return document


@dataclass(frozen=True)
class ApplyPlan:
    kept: KeepPlans
    submit: Submit

    def apply(
        self,
        queue_id: str,
        name: str,
        version: str | None,
        options: ApplyOptions,
        origin: Origin,
        key: str | None,
        now: datetime,
        bounds: Bounds,
    ) -> Submitted:
        """Submit a named plan, with the options of this run. Without a reason it has the plan's, or its name.

        Raises:
            NamedPlanNotFound: there is none.
            NamedPlanChanged: `version` is given, and another one is kept.
            PlanInvalid, QueueNotFound, IdempotencyConflict: as for every plan.
        """
        named = self.kept.find(queue_id, name)
        if version not in {None, named.version}:
            refuse(named, queue_id, name)
        plan = {"reason": f"Named plan {name}."} | self.kept.content(named)
        plan |= options.model_dump(exclude_defaults=True) | {"queue_id": queue_id}
        return self.submit.submit(json.dumps(plan), origin, key, now, bounds)


def refuse(kept: NamedPlan | None, queue_id: str, name: str) -> NoReturn:
    """Raise NamedPlanChanged: it says who has saved another version, and when. None: the plan was deleted."""
    if kept is None:
        raise NamedPlanChanged(
            f"Plan {name} of queue {queue_id} has been deleted. To save it anew, send the request without If-Match."
        )
    raise NamedPlanChanged(
        f"{kept.by} has saved plan {name} of queue {queue_id} at {kept.saved_at}, and that stays. Get it, look at "
        f'both, then send the request with If-Match: "{kept.version}".'
    )
