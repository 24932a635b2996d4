"""Plans that revert a queue: each is an earlier distribution's plan, and restores an image of that distribution."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from routing_weights.domain.inputs import RevertOptions
from routing_weights.errors import BaselineNotFound, NotRestorable

if TYPE_CHECKING:
    from routing_weights.application.ports import Baselines, Documents
    from routing_weights.domain.schedule.timing import BaselineName

EXPIRY_WAITS_S = 3600
"""How long an expiry waits for a distribution that is at work on its queue: as long as any plan may."""


def revert_plan(
    distribution_id: str,
    image: Literal["before", "after"],
    documents: Documents,
    options: RevertOptions,
    *,
    drift: str | None = None,
    keeps_policy: bool = True,
) -> str:
    """The plan of a distribution again, as JSON text, as one that restores the image before or after it.

    `drift` is that of a repair: see plan.Restores. Without `keeps_policy` the plan's `on_drift` is left out.

    Raises:
        NotRestorable: there is no such image.
    """
    try:
        work = documents.find_work(distribution_id)
    except ValidationError as error:
        raise NotRestorable(f"The plan of distribution {distribution_id} is no longer valid.") from error
    if work is None or (image == "after" and documents.find_after(distribution_id) is None):
        raise NotRestorable(f"Distribution {distribution_id} read nothing of its queue, so it has no state {image} it.")
    # A missing forecast of another queue must not block the revert.
    left_out = {*RevertOptions.model_fields, "shared_with"} | (set() if keeps_policy else {"on_drift"})
    plan = work.plan.model_dump(exclude_defaults=True, exclude=left_out)
    restores = {"distribution_id": distribution_id, "image": image} | ({"drift": drift} if drift else {})
    return json.dumps(plan | options.model_dump(exclude_defaults=True) | {"restores": restores})


def baseline_plan(baseline: BaselineName, baselines: Baselines, documents: Documents, options: RevertOptions) -> str:
    """Like `revert_plan`, for a baseline as it is now. Raises BaselineNotFound and NotRestorable."""
    queue_id, name = baseline.queue_id, baseline.name
    known = baselines.find(queue_id, name)
    if known is None:
        raise BaselineNotFound(
            f"Queue {queue_id} has no baseline {name}. Set it with PUT /queues/{queue_id}/baselines/{name}."
        )
    return revert_plan(known["distribution_id"], "after", documents, options)


def expiry_plan(distribution_id: str, documents: Documents) -> str:
    """Like `revert_plan`, for a temporary plan that ends. Its `on_drift` guarded the plan, not the state before it."""
    options = RevertOptions(wait_for_lock_s=EXPIRY_WAITS_S, reason="Its time is over.")
    return revert_plan(distribution_id, "before", documents, options, keeps_policy=False)
