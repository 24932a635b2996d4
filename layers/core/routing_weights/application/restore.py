"""Restore: gives the queue its before-image again after a failure, and reads what the queue really holds then."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from routing_weights.application.ports import Documents, Reconnect
from routing_weights.domain.restore import Restoration, Restorer
from routing_weights.domain.run import Run
from routing_weights.domain.target import PARTS, Part
from routing_weights.domain.verify import Settling
from routing_weights.errors import Interrupted, RoutingWeightsError


@dataclass(frozen=True)
class Restore:
    documents: Documents
    connect: Reconnect
    settling: Settling
    has_time: Callable[[], bool]
    attempt: str
    """Unique for this attempt: a later one may have to repeat its writes."""

    def restore(self, run: Run, accepted: int, settings_left: Mapping[Part, bool]) -> Restoration:
        """Restore what there is time for. Every attempt begins with a fresh reading, so it can be repeated any time.

        Args:
            run: `started_at` is that of the execution that restores: the run's own, or the recovery's.
            accepted: how many member writes, in their order, Genesys has accepted for certain; there may be more.
            settings_left: by part of the queue's settings, True if Genesys has perhaps not accepted it.

        Raises:
            Interrupted: the lock is somebody else's, and so is the rest of the restoration.
        """
        name = run.distribution_id
        earlier = self.documents.find_restoration(name) or Restoration("not_needed")
        if not self.documents.may_have_written(name):
            restoration = Restoration("not_needed")
            self.documents.save_restoration(name, restoration)
            return restoration
        work = self.documents.work(name)
        restorer = Restorer(
            self.connect(work.decision),
            work.before,
            work.decision.target,
            key=f"{name}:restore:{self.attempt}",
            has_time=self.has_time,
            clock=self.settling.clock,
            sleep=self.settling.sleep,
            earlier=earlier,
        )
        try:
            restoration, after = restorer.run(
                accepted=accepted,
                settings_accepted=[part for part in PARTS if not settings_left.get(part, True)],
                watch_s=self.settling.timeout_s,
            )
        except Interrupted:  # what is on record is the new holder's to write
            raise
        except RoutingWeightsError:
            self.documents.save_restoration(name, restorer.interrupted())
            self.documents.save_after(name, None)  # an earlier reading is no longer what Genesys holds
            raise
        self.documents.save_restoration(name, restoration)
        self.documents.save_after(name, after)
        return restoration
