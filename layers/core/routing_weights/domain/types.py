"""Types of fields that several models have."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$", strict=True)]
"""A name that is safe in a URL path: letters, digits, `-` and `_`, 1 to 64 of them."""

GenesysId = Annotated[Name, AfterValidator(str.lower)]
"""An id of Genesys, in lower case. Ids compare without regard to case; an SQL export has them in upper case."""

DISTRIBUTION_ID = r"^[^\s/]{1,80}$"
"""An execution's name."""

FLEET_ID = r"^[A-Za-z0-9_-]{1,68}$"
FleetId = Annotated[str, StringConstraints(pattern=FLEET_ID, strict=True)]
"""A UUID, `key-` with 64 hexadecimal digits, or the name of an execution. It is part of names of 80 characters."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
"""A finite number in [0, 1]. Booleans and numbers in strings are refused."""

MAX_PROFICIENCY = 5
"""The highest proficiency that Genesys knows."""


def folded(name: str) -> str:
    """The form in which names and ids are compared: NFC, without regard to case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


LINE = r"^[^\x00-\x1f\x7f]*$"
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=LINE, strict=True)]
"""Text without line breaks and control characters, 1 to 200 characters."""


def _dated(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]", value)):
        return value
    raise ValueError("not an RFC 3339 date and time such as 2026-01-31T08:00:00Z")


def _held_in_utc(at: datetime) -> datetime:
    try:
        at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the years 1 to 9999 in UTC") from None
    return at


Instant = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_dated), AfterValidator(_held_in_utc)]
"""RFC 3339 with an offset, in the years 1 to 9999 in UTC. A number is refused."""


def in_utc(value: Any) -> str:
    """An instant as RFC 3339 text, to the second and in UTC. Raises ValueError."""
    try:
        at = datetime.fromisoformat(value) if isinstance(_dated(value), str) else None
        if at is not None and at.tzinfo is not None:
            return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError):  # no calendar holds it without its offset
        pass
    raise ValueError("not an RFC 3339 date and time with an offset, such as 2026-01-31T17:00:00+01:00")


InstantText = Annotated[str, BeforeValidator(in_utc)]
"""RFC 3339 with an offset, as text in UTC, to the second: equal instants have equal texts."""


ContentHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", strict=True)]
"""SHA-256, hexadecimal."""
ApprovalAnswer = Literal["approved", "rejected"]


class ApprovalReason(BaseModel):
    """Why a distribution waits: a check that is in doubt, a rule of the policy, or the plan's own wish."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    sentence: str


SHORTEST_WAIT_S, LONGEST_S = 2, 600
"""The bounds of the waits of shares, in seconds. Genesys lets no routing rule wait for less than 2 s."""


def _is_no_second(seconds: int) -> int:
    if 0 < seconds < SHORTEST_WAIT_S:
        raise ValueError(f"0, or {SHORTEST_WAIT_S} to {LONGEST_S}: Genesys lets no rule wait for less")
    return seconds


class ShareOptions(BaseModel):
    """How strict the shares are."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    hold_s: Annotated[int, Field(ge=SHORTEST_WAIT_S, le=LONGEST_S, strict=True)] = Field(
        default=10, description="The seconds that a contact waits for the drawn agent alone."
    )
    then: Annotated[int, Field(ge=0, le=LONGEST_S, strict=True), AfterValidator(_is_no_second)] = Field(
        default=20,
        description="The seconds after that for all preferred agents, by score: 0, or 2 to 600. Then the contact goes "
        "to anyone in the queue.",
    )

    def __str__(self) -> str:
        return f"{self.hold_s} s alone, then {self.then} s"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the options of a text that `str` has made of them. Raises ValueError for any other text."""
        hold_s, _, then = text.removesuffix(" s").partition(" s alone, then ")
        return cls(hold_s=int(hold_s), then=int(then))

    @property
    def anyone_s(self) -> int:
        """The second from which a contact reaches anyone in the queue."""
        return self.hold_s + self.then
