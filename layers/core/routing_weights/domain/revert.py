"""Reverts: what a person may say of one, and the baselines, which are named states to revert to."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from routing_weights.domain.plan import BasedOn, Reason
from routing_weights.domain.types import GenesysId, InstantText, Line, Name


class RevertOptions(BaseModel):
    """What a person may say of a revert's own run. The plan that is reverted to says the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    dry_run: bool = False
    based_on: BasedOn | None = Field(
        default=None,
        description="The distribution that was applied last when the revert was decided on. If another one has been "
        "applied since, nothing is written, and the status is outdated.",
    )
    wait_for_lock_s: Annotated[int, Field(ge=0, le=3600)] = 0
    requested_by: Line | None = None
    reason: Reason | None = None
    until: InstantText | None = Field(default=None, description="The end of a temporary revert.")


@dataclass(frozen=True)
class Baseline:
    """What a queue held after a completed distribution."""

    queue_id: str
    name: str
    distribution_id: str
    set_at: str
    """RFC 3339 in UTC."""
    set_by: str | None = None
    """The caller's ARN."""


class BaselineName(BaseModel):
    """Which baseline of which queue."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    queue_id: GenesysId
    name: Name
