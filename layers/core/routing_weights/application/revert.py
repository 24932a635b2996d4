"""Reverts a queue: a new distribution applies an earlier image again, on request, to a baseline, or as a repair."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from routing_weights.domain.revert import RevertOptions
from routing_weights.errors import BaselineNotFound, DistributionNotFound, NotRestorable

if TYPE_CHECKING:
    from datetime import datetime

    from routing_weights.application.ports import Baselines, Documents, Trail
    from routing_weights.application.submit import Submit, Submitted
    from routing_weights.domain.revert import BaselineName
    from routing_weights.domain.run import Origin

EXPIRY_WAITS_S = 3600
"""How long an expiry waits for a distribution that is at work on its queue: as long as any plan may."""


@dataclass(frozen=True)
class RevertDistribution:
    trail: Trail
    documents: Documents
    submit: Submit

    def revert(
        self, distribution_id: str, options: RevertOptions, origin: Origin, key: str | None, now: datetime
    ) -> Submitted:
        """Submit the plan that restores what the queue held before a distribution.

        Raises:
            DistributionNotFound, NotRestorable, IdempotencyConflict.
        """
        if not self.trail.find(distribution_id):
            raise DistributionNotFound(
                f"No distribution has the id {distribution_id}. Look it up with GET /queues/{{queue_id}}/distributions."
            )
        text = revert_plan(distribution_id, "before", self.documents, options)
        return self.submit.submit(text, origin, key, now)


@dataclass(frozen=True)
class RevertToBaseline:
    baselines: Baselines
    documents: Documents
    submit: Submit

    def revert(
        self, baseline: BaselineName, options: RevertOptions, origin: Origin, key: str | None, now: datetime
    ) -> Submitted:
        """Submit the plan that restores a baseline as it is now.

        Raises:
            BaselineNotFound, NotRestorable, IdempotencyConflict.
        """
        text = baseline_plan(baseline, self.baselines, self.documents, options)
        return self.submit.submit(text, origin, key, now)


def revert_plan(
    distribution_id: str,
    image: Literal["before", "after"],
    documents: Documents,
    options: RevertOptions,
    *,
    drift: str | None = None,
    unedited: bool = False,
    keeps_policy: bool = True,
) -> str:
    """The plan of a distribution again, as JSON text, as one that restores the image before or after it.

    `drift` is that of a repair, `unedited` that of a fleet's revert: see plan.Restores.
    Without `keeps_policy` the plan's `on_drift` is left out.

    Raises:
        NotRestorable: there is no such image.
    """
    try:
        work = documents.find_work(distribution_id)
    except ValidationError as error:
        raise NotRestorable(f"The plan of distribution {distribution_id} is no longer valid.") from error
    if work is None or (image == "after" and documents.find_after(distribution_id) is None):
        raise NotRestorable(f"Distribution {distribution_id} read nothing of its queue, so it has no state {image} it.")
    # Neither a missing forecast of another queue nor a missing person must block the revert.
    left_out = {*RevertOptions.model_fields, "shared_with", "require_approval"} | (
        set() if keeps_policy else {"on_drift"}
    )
    plan = work.plan.model_dump(exclude_defaults=True, exclude=left_out)
    restores: dict[str, Any] = {"distribution_id": distribution_id, "image": image}
    restores |= {name: value for name, value in (("drift", drift), ("unedited", unedited)) if value}
    return json.dumps(plan | options.model_dump(exclude_defaults=True) | {"restores": restores})


def baseline_plan(baseline: BaselineName, baselines: Baselines, documents: Documents, options: RevertOptions) -> str:
    """Like `revert_plan`, for a baseline as it is now. Raises BaselineNotFound and NotRestorable."""
    queue_id, name = baseline.queue_id, baseline.name
    known = baselines.find(queue_id, name)
    if known is None:
        raise BaselineNotFound(
            f"Queue {queue_id} has no baseline {name}. Set it with PUT /queues/{queue_id}/baselines/{name}."
        )
    return revert_plan(known.distribution_id, "after", documents, options)


def expiry_plan(distribution_id: str, documents: Documents) -> str:
    """Like `revert_plan`, for a temporary plan that ends. Its `on_drift` guarded the plan, not the state before it."""
    options = RevertOptions(wait_for_lock_s=EXPIRY_WAITS_S, reason="The temporary plan has expired.")
    return revert_plan(distribution_id, "before", documents, options, keeps_policy=False)


def fleet_revert_plan(distribution_id: str, fleet_id: str, documents: Documents) -> str:
    """Like `revert_plan`, for a queue of a fleet that is reverted. Later edits of the queue stay."""
    options = RevertOptions(wait_for_lock_s=EXPIRY_WAITS_S, reason=f"Fleet {fleet_id} is reverted.")
    return revert_plan(distribution_id, "before", documents, options, unedited=True, keeps_policy=False)
