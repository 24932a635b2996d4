"""The view of the realised shares that are on record of a distribution."""

from pydantic import BaseModel, Field

from routing_weights.domain.realised import interval
from routing_weights.domain.record import RealisedAccuracy, RealisedShares


class MemberShareView(BaseModel):
    """What a plan asks for one member, and what the member received."""

    requested: float = Field(description="The weight: a share of all contacts of the queue.")
    drawn: int | None = Field(default=None, description="Contacts drawn for the member; null where nothing draws.")
    contacts: int = Field(description="The contacts that the member answered.")
    handle_s: float = Field(description="Talk, hold and after-call work, in seconds.")
    share: float | None = Field(description="contacts / the contacts of all members; null without contacts.")
    low: float = Field(description="Wilson's 95 % interval of the share.")
    high: float


class RealisedAccuracyView(BaseModel):
    """How near what the members received after a distribution came to its plan."""

    start: str | None = Field(default=None, description="The interval that was measured, in whole half-hours.")
    end: str | None = None
    contacts: int = Field(description="The sample size: contacts answered by all members, requested or not.")
    handle_s: float
    realised_accuracy: float | None = Field(
        default=None,
        description="100 x (1 - mean |requested - realised share|) over the requested members. Null below 100 "
        "contacts: see `why`.",
    )
    accuracy_by_chance: float | None = Field(
        default=None,
        description="The accuracy that as many contacts have on average if each is given at random, with exactly the "
        "requested shares.",
    )
    why: str | None = Field(default=None, description="Why there is no realised accuracy.")
    ended_by: str | None = Field(
        default=None, description="The distribution that wrote to the queue next, where that ended the measurement."
    )


class RealisedSharesView(RealisedAccuracyView):
    """The same, with what each requested member received."""

    members: dict[str, MemberShareView]


def realised_accuracy(record: RealisedAccuracy) -> RealisedAccuracyView:
    return RealisedAccuracyView.model_validate(record, from_attributes=True)


def realised_shares(record: RealisedShares) -> RealisedSharesView:
    members = {}
    for member, share in record.shares.items():
        low, high = interval(share.contacts, record.contacts)
        members[member] = MemberShareView(
            requested=share.requested,
            drawn=share.drawn,
            contacts=share.contacts,
            handle_s=share.handle_s,
            share=share.contacts / record.contacts if record.contacts else None,
            low=low,
            high=high,
        )
    return RealisedSharesView(**realised_accuracy(record).model_dump(), members=members)
