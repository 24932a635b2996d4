"""Makes a checkpoint: what all chains are at this moment, signed, in a bucket that lets nobody change it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from routing_weights.domain.evidence import HIGHEST, Checkpoint, Inspection, stated
from routing_weights.domain.record import timestamp

if TYPE_CHECKING:
    from datetime import datetime

    from routing_weights.application.ports import AuditItems, Checkpoints, Signer


@dataclass(frozen=True)
class MakeCheckpoint:
    items: AuditItems
    checkpoints: Checkpoints
    signer: Signer

    def make(self, now: datetime) -> Checkpoint:
        """Sign the heads of all chains, and the checkpoint before. The first one binds the older records, too.

        Raises:
            CheckpointExists: another one took its number.
        """
        before = [each for each in self.checkpoints.all() if 0 < each.number <= HIGHEST]
        number, sha256 = (before[-1].number + 1, before[-1].sha256) if before else (1, "")
        heads = self.items.heads()
        older = Inspection(heads)
        if not before:
            for _ in self.items.inspect(older):
                pass
        unsigned = stated(number, timestamp(now), sha256, self.signer.arn, heads.values(), older.older)
        checkpoint = replace(unsigned, signature=self.signer.sign(unsigned.statement))
        self.checkpoints.put(checkpoint)
        return checkpoint
