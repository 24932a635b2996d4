"""Verify: nothing is claimed that was not read back."""

from dataclasses import dataclass

from routing_weights.application.ports import Documents, Reconnect
from routing_weights.domain.queue import named
from routing_weights.domain.run import Run
from routing_weights.domain.verify import Settling, unverified
from routing_weights.errors import VerificationFailed


@dataclass(frozen=True)
class Verify:
    documents: Documents
    connect: Reconnect
    settling: Settling

    def verify(self, run: Run) -> int:
        """Read the queue until it holds the target, and return how many members do.

        Raises:
            VerificationFailed: something differs when the time is up.
        """
        work = self.documents.work(run.distribution_id)
        target = work.decision.target
        after = self.settling.settle(self.connect(work.decision), work.before, target)
        self.documents.save_after(run.distribution_id, after)
        differing = unverified(target, after)
        if differing:
            gone = [user for user in differing if user in target.values.keys() - {m.user_id for m in after.members}]
            raise VerificationFailed(
                f"Genesys accepted the writes, and {self.settling.timeout_s:g} s later still holds something else for "
                f"{named(differing)}. {f'No longer in the queue: {named(gone)}. ' if gone else ''}"
                f"See in the record what was restored, then send the plan again{' without them' if gone else ''}.",
                members=differing[:100],
            )
        return len(target.values)
