"""Events that lead to notifications, as the samples of docs/use/notifications.md show them."""

from local.checks.notifications import ANSWERED, AWAITING, DRIFT, FLEET, MEASURED, OUTCOME

__all__ = ["ANSWERED", "AWAITING", "DRIFT", "FLEET", "MEASURED", "OUTCOME", "outcome"]


def outcome(**changes):
    """The outcome with changes, read as it comes from the bus."""
    return type(OUTCOME).model_validate(OUTCOME.model_dump(mode="json") | changes)
