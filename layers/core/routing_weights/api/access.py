"""Who may call which route, and which queues a route names. A route that is not in the table is a 404."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, assert_never

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from routing_weights.api.foreign import without_foreign
from routing_weights.api.request import person_of
from routing_weights.domain.access import Person, Role, require_within
from routing_weights.domain.record import Records
from routing_weights.errors import (
    DistributionNotFound,
    FleetNotFound,
    RoleMissing,
    RouteNotFound,
    RoutingWeightsError,
    ScheduleNotFound,
)

Names = Literal["queue", "distribution", "fleet", "schedule", "any_schedule", "body", "listed", "asked", "nothing"]
"""How a request names queues. The guard checks the first five; a route itself checks the others.

any_schedule: as schedule, but there may be none of this name. body: the plans in the body, or the upload that it names.
listed: only what the person may see is shown, or answered. asked: the queue in the query.
"""


class Rule(NamedTuple):
    role: Role | Literal["machine", "account"]
    """`machine`: not for people. IAM, or a signature, decides alone. `account`: for callers by IAM, and nobody else."""
    names: Names


_DISTRIBUTION, _QUEUE, _FLEET = "/distributions/{distribution_id}", "/queues/{queue_id}", "/fleets/{fleet_id}"
_BASELINES, _PLANS, _SCHEDULE = f"{_QUEUE}/baselines", f"{_QUEUE}/plans", "/schedules/{name}"

ROUTES: Mapping[str, Rule] = {
    "GET /queues": Rule(Role.VIEWER, "listed"),
    f"GET {_QUEUE}": Rule(Role.VIEWER, "queue"),
    f"GET {_QUEUE}/members": Rule(Role.VIEWER, "queue"),
    "POST /plans": Rule(Role.PLANNER, "body"),
    "POST /plans/suggest": Rule(Role.PLANNER, "body"),
    f"GET {_DISTRIBUTION}": Rule(Role.VIEWER, "distribution"),
    f"GET {_DISTRIBUTION}/projection.svg": Rule(Role.VIEWER, "distribution"),
    f"POST {_DISTRIBUTION}/restore": Rule(Role.PLANNER, "distribution"),
    f"DELETE {_DISTRIBUTION}/return": Rule(Role.PLANNER, "distribution"),
    f"GET {_QUEUE}/distributions": Rule(Role.VIEWER, "queue"),
    f"GET {_QUEUE}/drift": Rule(Role.VIEWER, "queue"),
    f"GET {_QUEUE}/calibration": Rule(Role.VIEWER, "queue"),
    f"GET {_QUEUE}/shares": Rule(Role.VIEWER, "queue"),
    f"GET {_QUEUE}/shares.svg": Rule(Role.VIEWER, "queue"),
    f"GET {_QUEUE}/forecast": Rule(Role.VIEWER, "queue"),
    f"PUT {_QUEUE}/forecast": Rule(Role.PLANNER, "queue"),
    f"DELETE {_QUEUE}/forecast": Rule(Role.PLANNER, "queue"),
    f"GET {_BASELINES}": Rule(Role.VIEWER, "queue"),
    f"PUT {_BASELINES}/{{name}}": Rule(Role.PLANNER, "queue"),
    f"POST {_BASELINES}/{{name}}/restore": Rule(Role.PLANNER, "queue"),
    f"GET {_PLANS}": Rule(Role.VIEWER, "queue"),
    f"GET {_PLANS}/{{name}}": Rule(Role.VIEWER, "queue"),
    f"PUT {_PLANS}/{{name}}": Rule(Role.PLANNER, "queue"),
    f"DELETE {_PLANS}/{{name}}": Rule(Role.PLANNER, "queue"),
    f"POST {_PLANS}/{{name}}/apply": Rule(Role.PLANNER, "queue"),
    "GET /approvals": Rule(Role.VIEWER, "listed"),
    f"POST {_DISTRIBUTION}/approve": Rule(Role.APPROVER, "distribution"),
    f"POST {_DISTRIBUTION}/reject": Rule(Role.APPROVER, "distribution"),
    f"POST {_FLEET}/approve": Rule(Role.APPROVER, "listed"),
    f"POST {_FLEET}/reject": Rule(Role.APPROVER, "listed"),
    "POST /fleets/uploads": Rule(Role.PLANNER, "nothing"),
    "POST /fleets": Rule(Role.PLANNER, "body"),
    "GET /fleets": Rule(Role.VIEWER, "listed"),
    f"GET {_FLEET}": Rule(Role.VIEWER, "fleet"),
    f"GET {_FLEET}/queues": Rule(Role.VIEWER, "fleet"),
    f"POST {_FLEET}/cancel": Rule(Role.PLANNER, "fleet"),
    f"POST {_FLEET}/continue": Rule(Role.PLANNER, "fleet"),
    f"POST {_FLEET}/revert": Rule(Role.PLANNER, "fleet"),
    "GET /schedules": Rule(Role.VIEWER, "listed"),
    f"GET {_SCHEDULE}": Rule(Role.VIEWER, "schedule"),
    f"GET {_SCHEDULE}/preview": Rule(Role.VIEWER, "schedule"),
    f"PUT {_SCHEDULE}": Rule(Role.PLANNER, "any_schedule"),
    f"DELETE {_SCHEDULE}": Rule(Role.PLANNER, "schedule"),
    "GET /audit/export": Rule(Role.OPERATOR, "asked"),
    # They are about all queues, and PeopleApi has no route for them.
    "POST /checkpoints": Rule("account", "nothing"),
    "GET /checkpoints": Rule("account", "nothing"),
    "GET /audit/verification": Rule("account", "nothing"),
    f"POST {_QUEUE}/draws": Rule("machine", "queue"),
    "POST /webhooks/genesys/callback": Rule("machine", "nothing"),
}


@dataclass(frozen=True)
class Owned:
    """The queues that a distribution, fleet or schedule belongs to. Without queues it belongs to its caller alone."""

    queues: frozenset[str]
    caller: str = ""

    def is_for(self, person: Person, role: Role) -> bool:
        if self.queues or person.queues_for(role) is None:
            return person.may(role, self.queues)
        return bool(self.caller) and self.caller == person.id


def owned_by(records: Records) -> Owned | None:
    """What the records of a distribution say; None if there are none."""
    documents = [record for record in (records.opening, records.closing) if record]
    if not documents:
        return None
    queues = {record.queue_id for record in documents} | {records.opening.opened_queue_id if records.opening else None}
    return Owned(frozenset(queue_id for queue_id in queues if queue_id), documents[0].caller or "")


Owner = Callable[[str], Owned | None]
"""Finds what an id belongs to; None for an unknown id."""


def guard(owners: Mapping[str, Owner]) -> Callable[..., Any]:
    """The middleware that refuses whoever may not call a route, or not for these queues, and hides what is not theirs.

    `owners` has an entry for each of `distribution`, `fleet` and `schedule` that routes of the function name.
    """

    def permit(app: APIGatewayHttpResolver, next_middleware: Callable[..., Any]) -> Any:
        event = app.current_event
        rule = ROUTES.get(f"{event.http_method} {app.context['_route'].openapi_path}")
        if rule is None or rule.role == "machine":
            raise RouteNotFound(f"There is no {event.http_method} {event.path}.")
        if rule.role == "account" and "iam" not in event.request_context.authorizer:
            raise RoleMissing("This is about all queues, and only for callers with an AWS account (IAM).")
        person = person_of(event)
        if rule.role == "account":
            return next_middleware(app)
        app.context["queues"] = person.queues  # for an error, which leaves this place as an exception
        if not person.has(rule.role):
            raise RoleMissing(f"This needs the role {rule.role.value}. {_held(person)}")
        if person.queues_for(rule.role) is not None:
            _require(person, rule.role, rule.names, app.context.get("_route_args") or {}, owners)
        response = next_middleware(app)
        response.body = without_foreign(response.body, person.queues)
        return response

    return permit


def _held(person: Person) -> str:
    roles = ", ".join(sorted(person.roles)) or "no role"
    return f"You have {roles}; docs/administer/access.md says where roles come from."


def _require(
    person: Person,
    role: Role,
    names: Names,
    values: Mapping[str, str],
    owners: Mapping[str, Owner],
) -> None:
    match names:
        case "queue":
            require_within(person.queues_for(role), [values["queue_id"]])
        case "distribution" | "fleet":
            key = values[f"{names}_id"]
            owned = owners[names](key)
            if owned is None or not owned.is_for(person, role):
                raise _not_found(names, key)
        case "schedule" | "any_schedule":
            owned = owners["schedule"](values["name"])
            if (owned is None and names == "schedule") or (owned and not owned.is_for(person, role)):
                raise _not_found("schedule", values["name"])
        case "body" | "listed" | "asked" | "nothing":
            pass
        case _:
            assert_never(names)


def _not_found(kind: Literal["distribution", "fleet", "schedule"], key: str) -> RoutingWeightsError:
    """As for an unknown id: nobody learns that there is one in somebody else's queue."""
    match kind:
        case "distribution":
            return DistributionNotFound(f"No distribution of your queues has the id {key}.")
        case "fleet":
            return FleetNotFound(f"No fleet of your queues alone has the id {key}.")
        case "schedule":
            return ScheduleNotFound(f"No schedule of your queues has the name {key}.")
        case _:
            assert_never(kind)
