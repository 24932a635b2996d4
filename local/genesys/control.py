"""The control routes under /_sim: the simulator's Python methods, over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from local.genesys.wire import ApiError, Reply, Request

if TYPE_CHECKING:
    from local.genesys.simulator import GenesysSimulator


def handle(simulator: GenesysSimulator, request: Request) -> Reply:
    try:
        return Reply(body=_answer(simulator, request))
    except (TypeError, ValueError) as error:  # a TypeError: the method has no such keyword
        raise ApiError(400, "bad.request", str(error)) from error


def _answer(simulator: GenesysSimulator, request: Request) -> Any:  # noqa: C901, PLR0911, PLR0912 - a table of routes
    match [request.method, *request.segments[1:]]:
        case ["GET", "state"]:
            return simulator.state()
        case ["PUT", "queues", queue_id]:
            simulator.put_queue(queue_id, **request.json_object())
            return simulator.state()["queues"][queue_id]
        case ["PATCH", "queues", queue_id]:
            simulator.edit_queue(queue_id, **request.json_object())
        case ["PATCH", "queues", queue_id, "members", user_id]:
            simulator.edit_member(queue_id, user_id, **request.json_object())
        case ["POST", "queues", queue_id, "members"]:
            simulator.add_member(queue_id, **request.json_object())
        case ["DELETE", "queues", queue_id, "members", user_id]:
            simulator.remove_member(queue_id, user_id)
        case ["PATCH", "users", user_id]:
            simulator.edit_user(user_id, **request.json_object())
        case ["PATCH", "skills", skill_id]:
            simulator.edit_organisation_skill(skill_id, **request.json_object())
        case ["PATCH", "users", user_id, "skills", skill_id]:
            simulator.edit_skill(user_id, skill_id, **request.json_object())
        case ["PUT", "people", user_id]:
            simulator.put_person(user_id, **request.json_object())
        case ["POST", "people", user_id, "tokens"]:
            return {"access_token": simulator.user_token(user_id)}
        case ["PUT", "analytics"]:
            simulator.put_analytics(**request.json_object())
        case ["GET", "events"]:
            return simulator.events()
        case ["DELETE", "events"]:
            simulator.clear_events()
        case ["GET", "requests"]:
            return simulator.requests()
        case ["DELETE", "requests"]:
            simulator.clear_requests()
        case ["GET", "peaks"]:
            return simulator.peaks()
        case ["POST", "faults"]:
            rules = request.json()
            simulator.add_faults(*(rules if isinstance(rules, list) else [rules]))
        case ["DELETE", "faults"]:
            simulator.clear_faults()
        case ["POST", "tokens", "revoke"]:
            simulator.revoke_tokens()
        case ["PATCH", "settings"]:
            simulator.change_settings(**request.json_object())
            return {key: value for key, value in asdict(simulator.settings).items() if not key.endswith("_secret")}
        case _:
            raise ApiError(404, "not.found", f"There is no control route {request.method} {request.path}.")
    return {}
