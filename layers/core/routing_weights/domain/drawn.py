"""The draws of a queue in a quarter of an hour, and the contacts that its agents had in the same time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from routing_weights.domain.draw import Tally


@dataclass(frozen=True, slots=True)
class DrawnBucket:
    """Users are in lower case. What nobody was free for was not drawn, and is in no count."""

    start: datetime
    """In UTC. A bucket lasts 15 minutes."""
    distribution_id: str
    """The distribution whose shares were in force when the bucket was corrected."""
    drawn: Mapping[str, int] = field(default_factory=dict)
    """How often each user was drawn."""
    nobody: int = 0
    """How often nobody was drawn: the part of the contacts without a share."""
    realised: Mapping[str, int] | None = None
    """The contacts that each user answered, with a share or without. None if Genesys did not show them in time."""

    def to_json(self) -> str:
        """Return the stored form. The queue and the start stand beside it."""
        document = {
            "distribution_id": self.distribution_id,
            "drawn": dict(self.drawn),
            "nobody": self.nobody,
            "realised": None if self.realised is None else dict(self.realised),
        }
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_json(cls, start: str, text: str) -> DrawnBucket:
        """Raises ValueError or KeyError if somebody has stored something else. `start` is RFC 3339."""
        document = json.loads(text)
        fields = {name: document[name] for name in ("distribution_id", "drawn", "nobody", "realised")}
        return cls(datetime.fromisoformat(start).astimezone(UTC), **fields)


def drawn_between(
    history: Iterable[DrawnBucket], start: datetime, end: datetime, tally: Tally | None = None
) -> dict[str, int]:
    """The draws by user in the quarters of an hour that begin in this time; "" is nobody. Empty without draws.

    `history` has the quarters of that time. A quarter is in it once it is corrected, 10 to 15 minutes after its end.
    Before, it is in the tally.
    """
    quarters = {bucket.start: {**bucket.drawn, "": bucket.nobody} for bucket in history}
    for begun, drawn in (tally.drawn if tally else {}).items():
        at = datetime.fromtimestamp(begun, UTC)
        if start <= at < end:
            quarters.setdefault(at, dict(drawn))
    counts: dict[str, int] = {}
    for drawn in quarters.values():
        for user, count in drawn.items():
            counts[user] = counts.get(user, 0) + count
    return counts
