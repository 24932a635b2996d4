"""Wires the function Evidence."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.evidence import AuditItems, BoundDocuments, CheckpointBucket, CheckpointKey, Exports
from routing_weights.application.export_audit import ExportAudit
from routing_weights.application.verify_chain import VerifyChain
from routing_weights.bootstrap import stores

if TYPE_CHECKING:
    from collections.abc import Callable

    from routing_weights.settings import EvidenceSettings

prepare("dynamodb", "kms", "s3")


def verify_chain(settings: EvidenceSettings, seconds: float) -> VerifyChain:
    """`seconds` is what a verification may take."""
    return VerifyChain(
        AuditItems(settings.audit_table, settings.chains_table),
        checkpoints(settings),
        CheckpointKey(settings.checkpoint_key),
        BoundDocuments(settings.documents_bucket),
        _within(seconds),
    )


def checkpoints(settings: EvidenceSettings) -> CheckpointBucket:
    return CheckpointBucket(settings.evidence_bucket)


def export_audit(settings: EvidenceSettings, seconds: float) -> ExportAudit:
    """`seconds` is what an export may take."""
    return ExportAudit(stores.trail(settings), Exports(settings.documents_bucket), _within(seconds))


def _within(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end
