"""Which quarters of an hour of a queue's draws are to be corrected, and what becomes of one that cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from routing_weights.domain.draw import BUCKET_S, Tally

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SETTLED_S = 600
"""How long after its end a bucket is corrected: until then Genesys still counts contacts into it."""
GIVE_UP_S = 3600
"""How long after its end a bucket is tried. A correction that is missing does less harm than a wrong one."""

FEW_DRAWS = 3
"""With fewer draws, a bucket without an answered contact is usual: it was answered in the next one, or abandoned."""

Verdict = Literal["correct", "pass", "late", "skip"]


def due_buckets(tally: Tally, now: float) -> list[int]:
    """Return the starts of the buckets that are to be corrected now, in epoch seconds, the oldest first.

    A bucket without a draw is none of them: nothing was decided in it. Perhaps no shares were in force then.
    """
    return [start for start in sorted(tally.drawn) if tally.drawn[start] and start + BUCKET_S + SETTLED_S <= now]


def verdict(
    tally: Tally, members: Collection[str], bucket: int, realised: Mapping[str, int] | None, now: float
) -> Verdict:
    """Decide about a bucket that is due.

    Args:
        tally: what the draws have counted.
        members: the users with a share now.
        bucket: its start, in epoch seconds.
        realised: the contacts of that time by user. None: Genesys did not answer.
        now: epoch seconds.

    A bucket is passed over if the members had no share in all of it: they may have had contacts as others have them.

    If there were several draws and Genesys shows no contact at all, its figures are late: a queue whose every drawn
    contact is abandoned is rarer. Figures that are late in part do no harm: what is missing counts as abandoned
    contacts do, in proportion to the weights.
    """
    if realised or (realised is not None and sum(tally.drawn[bucket].values()) < FEW_DRAWS):
        are_theirs = bucket > tally.members_since and tally.deficits.keys() == set(members)
        return "correct" if are_theirs else "pass"
    return "late" if now < bucket + BUCKET_S + GIVE_UP_S else "skip"


def passed(tally: Tally, bucket: int) -> Tally:
    """Return the tally with a bucket behind it, and with the same deficits."""
    later = {start: counts for start, counts in tally.drawn.items() if start > bucket}
    return replace(tally, version=tally.version + 1, drawn=later, corrected_until=bucket + BUCKET_S)
