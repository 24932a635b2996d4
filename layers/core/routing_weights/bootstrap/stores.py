"""Wires documents and records, which most functions read or write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.adapters.aws.audit_table import AuditTrail
from routing_weights.adapters.aws.documents import Documents

if TYPE_CHECKING:
    from routing_weights.settings import Audited, Documented, Recording


def documents(settings: Documented) -> Documents:
    return Documents(settings.documents_bucket)


def trail(settings: Audited) -> AuditTrail:
    """For whoever only reads records."""
    return AuditTrail(settings.audit_table, Documents(settings.documents_bucket))


def writing_trail(settings: Recording, locks_table: str = "") -> AuditTrail:
    """`locks_table` is for whoever writes records under the lock of a queue."""
    documents = Documents(settings.documents_bucket)
    return AuditTrail(settings.audit_table, documents, locks_table, settings.chains_table)
