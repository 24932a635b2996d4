"""Wires the function Checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.evidence import AuditItems, CheckpointBucket, CheckpointKey
from routing_weights.application.make_checkpoint import MakeCheckpoint

if TYPE_CHECKING:
    from routing_weights.settings import EvidenceSettings

prepare("dynamodb", "kms", "s3")


def make_checkpoint(settings: EvidenceSettings) -> MakeCheckpoint:
    return MakeCheckpoint(
        AuditItems(settings.audit_table, settings.chains_table),
        CheckpointBucket(settings.evidence_bucket),
        CheckpointKey(settings.checkpoint_key),
    )
