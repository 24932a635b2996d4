"""A volume as a plan or a WFM system states it: contacts and handle time."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from routing_weights.domain.types import Share

MAX_LOAD = 1e6
"""Erlangs."""
SHORTEST_AHT_S = 0.001
Seconds = Annotated[float, Field(ge=0.001, le=86_400, allow_inf_nan=False, strict=True)]


class Contacts(BaseModel):
    """The contacts of one interval."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    offered: Annotated[float, Field(ge=0, le=MAX_LOAD, allow_inf_nan=False, strict=True)] = Field(
        description="Contacts offered per interval."
    )
    aht_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False, strict=True)] | None = Field(
        default=None,
        validate_default=True,
        description="Average handle time in seconds: talk, hold and after-call work together. It may be 0 or absent "
        "if `offered` is 0: the queue is closed.",
    )

    @field_validator("aht_s")
    @classmethod
    def _is_known_if_contacts_are_offered(cls, aht_s: float | None, info: ValidationInfo) -> float | None:
        if (aht_s or 0) < SHORTEST_AHT_S and (aht_s or info.data.get("offered")):
            raise ValueError(f"must be at least {SHORTEST_AHT_S:g} if contacts are offered")
        return aht_s

    def load(self, interval_s: float) -> float:
        """Erlangs. Raises ValueError: nobody has so many agents."""
        load = self.offered * (self.aht_s or 0.0) / interval_s
        if load > MAX_LOAD:
            raise ValueError(f"offered x aht_s / interval_s is {load:.6g} erlangs, more than 1000000: check the units")
        return load


class StatedVolume(Contacts):
    """What a queue expects in one interval."""

    interval_s: Annotated[int, Field(ge=60, le=86_400, strict=True)] = Field(
        default=1800, description="The interval's length in seconds."
    )
    patience_s: Seconds | None = Field(
        default=None,
        description="Mean time in seconds after which a contact gives up waiting: total wait / abandons. When absent, "
        "it comes from the queue's history, or is assumed.",
    )
    service_level_target: Share | None = Field(
        default=None, description="The share of offered contacts to answer in time. When absent, the queue's own."
    )
    answer_within_s: Seconds | None = Field(
        default=None, description="What in time means, in seconds. When absent, the queue's own."
    )

    @model_validator(mode="after")
    def _load_is_bounded(self) -> Self:
        self.load(self.interval_s)
        return self
