"""Wires who calls: the settings of every function behind the API, and the store of persons who signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.settings import Guarded

if TYPE_CHECKING:
    from routing_weights.domain.access import Person


def roles_claim() -> str:
    return Guarded.load().jwt_roles_claim


def signed_in(reference: str, now: float) -> Person | None:
    """The person of an authorizer's reference; None if it is unknown or has expired."""
    from routing_weights.adapters.aws.access_table import AccessTable  # noqa: PLC0415 - callers by IAM need no table

    return AccessTable(Guarded.load().access_table).find(reference, now)
