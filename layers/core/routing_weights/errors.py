"""Every error of the system. The class name is the contract with the state machine (`ErrorEquals`)."""

import json
from typing import Any, ClassVar


class RoutingWeightsError(Exception):
    """Something went wrong, with a sentence for the reader and details for the record.

    `str(error)` is the wire form, a JSON object `{"message": ..., **details}`: the Lambda runtime puts it into
    `errorMessage`, Step Functions carries it as `Cause`, and the audit record takes it apart again. Show people
    `error.message`.
    """

    retryable: ClassVar[bool] = False
    http_status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return json.dumps({"message": self.message, **self.details}, ensure_ascii=False)

    @classmethod
    def problem_type(cls) -> str:
        """The `type` of an RFC 9457 problem: stable, relative to the API, documented in docs/reference/errors.md."""
        kebab = "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("-")
        return f"/problems/{kebab}"


def from_wire(error_type: str, error_message: str) -> RoutingWeightsError:
    """The error that a Lambda reported as `errorType` and `errorMessage`; an unknown type stays what it says."""
    try:
        wire = json.loads(error_message)
    except ValueError:
        wire = None
    if not isinstance(wire, dict) or "message" not in wire:
        wire = {"message": error_message}
    message = str(wire.pop("message"))
    known = {cls.__name__: cls for cls in RoutingWeightsError.__subclasses__()}
    if error_type in known:
        return known[error_type](message, **wire)
    return RoutingWeightsError(f"{error_type}: {message}" if message else error_type, **wire)


# ---- the plan --------------------------------------------------------------------------------------------------------


class PlanInvalid(RoutingWeightsError):
    """The plan breaks a rule. `details["errors"]` has each one: path, message, type."""

    http_status = 422
    title = "The plan is not valid"


class IdempotencyConflict(RoutingWeightsError):
    """The Idempotency-Key was used for another plan."""

    http_status = 409
    title = "The Idempotency-Key belongs to another plan"


class RequestInvalid(RoutingWeightsError):
    """A path, query or header parameter breaks a rule."""

    http_status = 422
    title = "The request is not valid"


class RouteNotFound(RoutingWeightsError):
    """The API has no such route."""

    http_status = 404
    title = "No such route"


class BaselineNotFound(RoutingWeightsError):
    """The queue has no baseline of this name."""

    http_status = 404
    title = "No such baseline"


class ForecastNotFound(RoutingWeightsError):
    """Nobody has stored a forecast for the queue, or it has been deleted."""

    http_status = 404
    title = "No such forecast"


class ScheduleInvalid(RoutingWeightsError):
    """The schedule, or its plan, breaks a rule. `details["errors"]` has each one: path, message, type."""

    http_status = 422
    title = "The schedule is not valid"


class ScheduleNotFound(RoutingWeightsError):
    """No schedule has this name."""

    http_status = 404
    title = "No such schedule"


class NotRestorable(RoutingWeightsError):
    """The distribution has no state that could be put back: it never came so far, or it is another queue's."""

    http_status = 409
    title = "There is nothing to put back"


class ReturnNotFound(RoutingWeightsError):
    """The distribution has no return to come: it is for good, it is over, or the return was cancelled."""

    http_status = 404
    title = "No such return"


class WebhookRefused(RoutingWeightsError):
    """A webhook's signature or timestamp does not prove that it is its sender's, and of now."""

    http_status = 401
    title = "The webhook is not authentic"


class WebhookTooLarge(RoutingWeightsError):
    """A webhook's body is larger than any event is."""

    http_status = 413
    title = "The webhook is too large"


class WebhookInvalid(RoutingWeightsError):
    """A webhook is its sender's, and cannot be read."""

    http_status = 422
    title = "The webhook is not valid"


class DistributionNotFound(RoutingWeightsError):
    """No distribution has this id."""

    http_status = 404
    title = "No such distribution"


# ---- the projection --------------------------------------------------------------------------------------------------


class MemberNotInQueue(RoutingWeightsError):
    """The plan gives weight to someone who is not a member of the queue."""

    http_status = 422
    title = "A member is not in the queue"


class PlanNotApplicable(RoutingWeightsError):
    """The plan is valid, and cannot be carried out on this queue as it is. `details["errors"]` has each reason."""

    http_status = 422
    title = "The plan does not fit the queue"


class Superseded(RoutingWeightsError):
    """A later distribution has changed the queue, so what the one whose time is over had found is not put back."""


class QueueSaturated(RoutingWeightsError):
    """The projected load is too much for the queue's capacity, or there is no capacity."""


class SkillNotCovered(RoutingWeightsError):
    """No active agent has a skill that the plan requires."""


class ServiceLevelAtRisk(RoutingWeightsError):
    """The models say that the plan misses the queue's target, or that its agents cannot carry the load at all."""


class ApprovalRequired(RoutingWeightsError):
    """The projection passes on input that is stale or assumed, or overloads agents: somebody has to accept that."""


class ProjectionInconclusive(RoutingWeightsError):
    """The projected figure is too close to its limit to say on which side it is."""


class ForecastMissing(RoutingWeightsError):
    """No source knows the queue's load."""

    http_status = 422
    title = "Nobody knows the load"


# ---- Genesys ---------------------------------------------------------------------------------------------------------


class QueueNotFound(RoutingWeightsError):
    """Genesys knows no such queue, or does not show it to this OAuth client."""

    http_status = 404
    title = "No such queue"


class Unauthorized(RoutingWeightsError):
    """Genesys refuses the token even after a refresh, or refuses the client credentials."""

    http_status = 502
    title = "Genesys refuses the OAuth client"


class Forbidden(RoutingWeightsError):
    """The OAuth client lacks a permission, or, under contract `score`, a scope."""

    http_status = 502
    title = "The OAuth client lacks a permission"


class RateLimited(RoutingWeightsError):
    """Genesys asks for a pause too long to sleep in a function: `details["retry_after_s"]`, whole seconds.

    `details["guessed"]` is true where Genesys does not say how long, so the seconds are ours.
    """

    retryable = True
    http_status = 503
    title = "Genesys asks to wait"


class WaitTooLong(RoutingWeightsError):
    """Genesys limits the rate for longer than the run may take, so nobody waits."""

    retryable = True
    http_status = 503
    title = "Genesys asks to wait too long"


class GenesysUnavailable(RoutingWeightsError):
    """Genesys did not answer, or answered 5xx, for as long as the request's deadline allowed."""

    retryable = True
    http_status = 503
    title = "Genesys did not answer"


class GenesysRefused(RoutingWeightsError):
    """Genesys answered a 4xx that no retry can mend."""

    http_status = 502
    title = "Genesys refused"


class GenesysAnswerInvalid(RoutingWeightsError):
    """Genesys answered something that the contract does not allow."""

    http_status = 502
    title = "Genesys answered something unexpected"


class QueueChanged(RoutingWeightsError):
    """Somebody else changed the queue between our reading and our write, which was not sent: who, when, and what."""


class VerificationFailed(RoutingWeightsError):
    """What was read back differs from the plan: `details["members"]`."""


class QueueBusy(RoutingWeightsError):
    """Another distribution is running on the queue, longer than the plan would wait."""


class Interrupted(RoutingWeightsError):
    """The execution was aborted, timed out, or broke off: Recover closes its record."""


# ---- our own services ------------------------------------------------------------------------------------------------


class StoreUnavailable(RoutingWeightsError):
    """DynamoDB, S3, Secrets Manager or Step Functions did not do what it was asked."""

    retryable = True
    http_status = 503
    title = "A service that this one needs did not answer"


class ConfigurationInvalid(RoutingWeightsError):
    """The deployment is not set up: a parameter or a secret is missing or malformed."""
