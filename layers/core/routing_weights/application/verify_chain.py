"""Verifies the audit trail: every record, link, head, bound document and checkpoint."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from routing_weights.domain.evidence import Inspection
from routing_weights.errors import VerificationTooLong

if TYPE_CHECKING:
    from collections.abc import Callable

    from routing_weights.application.ports import AuditItems, BoundDocuments, Checkpoints, Signer
    from routing_weights.domain.evidence import StoredCheckpoint

DOCUMENTS_IN_A_ROW = 500
SIGNATURES_AT_ONCE = 8


@dataclass(frozen=True)
class VerifyChain:
    items: AuditItems
    checkpoints: Checkpoints
    signer: Signer
    documents: BoundDocuments
    has_time: Callable[[], bool]

    def verify(self) -> Inspection:
        """Read everything that is stored, and judge it.

        Raises:
            VerificationTooLong: there is no time left.
        """
        checkpoints = self._checkpoints()
        inspection = Inspection(self.items.heads(), checkpoints)
        for _ in self.items.inspect(inspection):
            self._require_time()
        inspection.close(self.items.heads())
        bound = inspection.documents
        for first in range(0, len(bound), DOCUMENTS_IN_A_ROW):
            self._require_time()
            part = bound[first : first + DOCUMENTS_IN_A_ROW]
            found = self.documents.sha256([reference for _, reference, _ in part])
            for (key, reference, wanted), sha256 in zip(part, found, strict=True):
                inspection.take_document(key, reference, wanted, sha256)
        return inspection

    def _checkpoints(self) -> tuple[StoredCheckpoint, ...]:
        """Each with its signature verified.

        The newest signature alone would not do: the system itself signs the hash of whatever lies before a new
        checkpoint, a forged one too. Only those before the first one of today's key are covered by that one: the key
        was another one then.
        """
        stored = self.checkpoints.all()
        first = next((i for i, each in enumerate(stored) if self._names_key(each)), len(stored) - 1)
        with ThreadPoolExecutor(SIGNATURES_AT_ONCE) as pool:
            return (*stored[:first], *pool.map(self._with_signature, stored[first:]))

    def _names_key(self, stored: StoredCheckpoint) -> bool:
        return stored.checkpoint is not None and stored.checkpoint.statement["key"] == self.signer.arn

    def _with_signature(self, stored: StoredCheckpoint) -> StoredCheckpoint:
        if stored.checkpoint is None:
            return stored
        return replace(stored, signed=self.signer.is_signed(stored.checkpoint))

    def _require_time(self) -> None:
        if not self.has_time():
            raise VerificationTooLong(
                "There are more records than a request has time for. The daily verification reads all of them, and "
                "so does `make audit-verify`."
            )
