"""Every error of the system. The class name is the contract with the state machine (`ErrorEquals`)."""

import json
from collections.abc import Iterable
from typing import Any, ClassVar


class RoutingWeightsError(Exception):
    """The base of all errors: a sentence for the reader, and details for the record.

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


def first_error(
    results: Iterable[object], kinds: tuple[type[RoutingWeightsError], ...] = (RoutingWeightsError,)
) -> RoutingWeightsError | None:
    """Return the first of several results that is an error of these kinds."""
    return next((result for result in results if isinstance(result, kinds)), None)


def from_wire(error_type: str, error_message: str) -> RoutingWeightsError:
    """Return the error that a Lambda reported as `errorType` and `errorMessage`; keep the name of an unknown type."""
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
    """The plan breaks a rule. `details["errors"]` has an entry for each problem: path, message, type."""

    http_status = 422
    title = "The plan is not valid"


class AnswerNotPlan(RoutingWeightsError):
    """The input of an execution answers a distribution that waits for approval. It is no plan."""


class FleetInvalid(RoutingWeightsError):
    """The request, or a plan of the fleet, breaks a rule. `details["errors"]` has each problem with its place."""

    http_status = 422
    title = "The fleet is not valid"


class FleetNotFound(RoutingWeightsError):
    """No fleet has this id."""

    http_status = 404
    title = "No such fleet"


class FleetConflict(RoutingWeightsError):
    """The status of the fleet does not allow the request."""

    http_status = 409
    title = "The status of the fleet does not allow that"


class SignInExpired(RoutingWeightsError):
    """The gateway knows the caller, and this system does not, or not any more."""

    http_status = 401
    title = "Sign in again"


class SignInRefused(RoutingWeightsError):
    """A token of Genesys is not accepted. The gateway answers 403; the log of AuthorizeFunction has the reason."""

    http_status = 403
    title = "The token is not accepted"


class RoleMissing(RoutingWeightsError):
    """The caller does not have the role that the route needs."""

    http_status = 403
    title = "Your roles do not allow this"


class RequestForged(RoutingWeightsError):
    """A POST to the desk that may come from another site: it has no CSRF token, or another origin."""

    http_status = 403
    title = "The request is not from the desk"


class ApiRefused(RoutingWeightsError):
    """The API answered the desk with a problem. `details` has its `status`, `title`, and all of it as `problem`."""


class ApiUnavailable(RoutingWeightsError):
    """The API did not answer the desk in time, or its gateway failed."""

    http_status = 503
    title = "The API did not answer"


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


class CheckpointExists(RoutingWeightsError):
    """Another checkpoint took the same number at this moment."""

    http_status = 409
    title = "Another checkpoint was made at this moment"


class VerificationTooLong(RoutingWeightsError):
    """The records are too many to be verified while the API waits."""

    http_status = 503
    title = "The verification takes longer than a request may"


class BaselineNotFound(RoutingWeightsError):
    """The queue has no baseline of this name."""

    http_status = 404
    title = "No such baseline"


class NamedPlanNotFound(RoutingWeightsError):
    """The queue has no plan of this name."""

    http_status = 404
    title = "No such named plan"


class NamedPlanChanged(RoutingWeightsError):
    """Somebody has saved or deleted the named plan since the caller has seen it. Nothing was replaced."""

    http_status = 412
    title = "Somebody else has changed the named plan"


class ForecastNotFound(RoutingWeightsError):
    """Nobody has stored a forecast for the queue, or it has been deleted."""

    http_status = 404
    title = "No such forecast"


class ScheduleInvalid(RoutingWeightsError):
    """The schedule, or its plan, breaks a rule. `details["errors"]` has each problem: path, message, type."""

    http_status = 422
    title = "The schedule is not valid"


class ScheduleNotFound(RoutingWeightsError):
    """No schedule has this name."""

    http_status = 404
    title = "No such schedule"


class NotRestorable(RoutingWeightsError):
    """The distribution has no image to restore: it failed before it read the queue, or it is another queue's."""

    http_status = 409
    title = "There is nothing to restore"


class ExpiryApproved(RoutingWeightsError):
    """Somebody approved the plan as a temporary one, so its expiry cannot be cancelled."""

    http_status = 409
    title = "The plan was approved as a temporary one"


class ReturnNotFound(RoutingWeightsError):
    """No expiry is scheduled: the plan is permanent, has expired already, or its expiry was cancelled."""

    http_status = 404
    title = "No expiry is scheduled"


class WebhookRefused(RoutingWeightsError):
    """The signature or the timestamp of a webhook does not prove who sent it, and that it was sent just now."""

    http_status = 401
    title = "The webhook is not authentic"


class WebhookTooLarge(RoutingWeightsError):
    """The body of a webhook is larger than any event."""

    http_status = 413
    title = "The webhook is too large"


class WebhookInvalid(RoutingWeightsError):
    """The webhook is authentic, but its body cannot be read."""

    http_status = 422
    title = "The webhook is not valid"


class DistributionNotFound(RoutingWeightsError):
    """No distribution has this id."""

    http_status = 404
    title = "No such distribution"


class ApprovalNotFound(RoutingWeightsError):
    """Nothing of this id waits for approval, or has ever waited."""

    http_status = 404
    title = "Nothing waits for approval"


class ApprovalForbidden(RoutingWeightsError):
    """The caller may not answer: it is the caller's own distribution, or nobody knows who the caller is."""

    http_status = 403
    title = "Somebody else has to approve"


class ApprovalConflict(RoutingWeightsError):
    """The distribution no longer waits for this answer: it has expired, was answered, or asks for something else."""

    http_status = 409
    title = "The distribution does not wait for this answer"


class SharesNotMeasurable(RoutingWeightsError):
    """The deployment's contract does not show what members received."""

    http_status = 409
    title = "Realised shares are not known"


class QueuesNotListable(RoutingWeightsError):
    """The deployment's contract has no listing of queues."""

    http_status = 409
    title = "Queues cannot be listed"


# ---- the projection --------------------------------------------------------------------------------------------------


class MemberNotInQueue(RoutingWeightsError):
    """The plan gives weight to someone who is not a member of the queue."""

    http_status = 422
    title = "A member is not in the queue"


class PlanNotApplicable(RoutingWeightsError):
    """The plan is valid, but does not fit the queue as it is now. `details["errors"]` has each reason."""

    http_status = 422
    title = "The plan does not fit the queue"


class Superseded(RoutingWeightsError):
    """A later distribution has changed the queue, so the expired plan is not reverted."""


class Outdated(RoutingWeightsError):
    """Another distribution has been applied to the queue since the plan was made, see the plan's `based_on`.

    The details name that distribution (`in_force`), and say who applied it (`applied_by`), when, and why.
    """


class QueueSaturated(RoutingWeightsError):
    """The projected load exceeds the queue's capacity, or there is no capacity."""


class SkillNotCovered(RoutingWeightsError):
    """No active agent has a skill that the plan requires."""


class ServiceLevelAtRisk(RoutingWeightsError):
    """By the models, the plan misses the queue's service goal, or the agents cannot carry the load at all."""


class ApprovalRequired(RoutingWeightsError):
    """The projection passes, but rests on stale or assumed input, or overloads agents. A person must accept that."""


class Rejected(RoutingWeightsError):
    """Somebody rejected the distribution."""


class ProjectionInconclusive(RoutingWeightsError):
    """The projected figure is too close to its limit for a verdict."""


class ForecastMissing(RoutingWeightsError):
    """No source has a load or a forecast for the queue."""

    http_status = 422
    title = "The load is unknown"


# ---- Genesys ---------------------------------------------------------------------------------------------------------


class QueueNotFound(RoutingWeightsError):
    """Genesys has no such queue, or does not show it to this OAuth client."""

    http_status = 404
    title = "No such queue"


class Unauthorized(RoutingWeightsError):
    """Genesys refuses the client credentials, or refuses the token even after a refresh."""

    http_status = 502
    title = "Genesys refuses the OAuth client"


class Forbidden(RoutingWeightsError):
    """The OAuth client lacks a permission, or, under contract `score`, a scope."""

    http_status = 502
    title = "The OAuth client lacks a permission"


class RateLimited(RoutingWeightsError):
    """Genesys asks for a pause that is too long for a function. `details["retry_after_s"]` has the whole seconds.

    `details["guessed"]` is true if Genesys did not name a time. The seconds are our own estimate then.
    """

    retryable = True
    http_status = 503
    title = "Genesys asks to wait"


class WaitTooLong(RoutingWeightsError):
    """Genesys limits the rate for longer than the run may take, so the run ends at once."""

    retryable = True
    http_status = 503
    title = "Genesys asks to wait too long"


class GenesysUnavailable(RoutingWeightsError):
    """Genesys did not answer, or answered 5xx, until the deadline of the request."""

    retryable = True
    http_status = 503
    title = "Genesys did not answer"


class GenesysRefused(RoutingWeightsError):
    """Genesys answered 4xx. A retry would get the same answer."""

    http_status = 502
    title = "Genesys refused"


class GenesysAnswerInvalid(RoutingWeightsError):
    """Genesys sent an answer that the contract does not allow."""

    http_status = 502
    title = "Genesys sent an unexpected answer"


class QueueChanged(RoutingWeightsError):
    """Somebody else changed the queue between our reading and our write. The write was not sent.

    The details say what was changed, and, where Genesys says so, when and by whom.
    """


class VerificationFailed(RoutingWeightsError):
    """The values read back differ from the plan. `details["members"]` names the members."""


class QueueBusy(RoutingWeightsError):
    """Another distribution was running on the queue for longer than the plan was willing to wait."""


class Interrupted(RoutingWeightsError):
    """The execution was aborted, timed out or crashed. The state machine Recover closes its record."""


# ---- our own services ------------------------------------------------------------------------------------------------


class StoreUnavailable(RoutingWeightsError):
    """DynamoDB, S3, Secrets Manager or Step Functions failed or did not answer."""

    retryable = True
    http_status = 503
    title = "An AWS service did not answer"


class ConfigurationInvalid(RoutingWeightsError):
    """A parameter or a secret of the deployment is missing or malformed."""
