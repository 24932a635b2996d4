"""Prints the API as OpenAPI, derived from the code: `python -m local.checks.openapi > docs/openapi.json`."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROBLEM, JSON = "application/problem+json", "application/json"
DISTRIBUTION, QUEUE = "/distributions/{distribution_id}", "/queues/{queue_id}"
BASELINE, SCHEDULE, CALLBACK = QUEUE + "/baselines/{name}", "/schedules/{name}", "/webhooks/genesys/callback"
NAMED_PLAN = QUEUE + "/plans/{name}"
FLEET = "/fleets/{fleet_id}"

BODIES = {
    ("/plans", "post"): "Plan",
    ("/plans/suggest", "post"): "Draft",
    (f"{DISTRIBUTION}/restore", "post"): "RestoreOptions",
    (NAMED_PLAN, "put"): "PlanToKeep",
    (f"{NAMED_PLAN}/apply", "post"): "ApplyRequest",
    (BASELINE, "put"): "NewBaseline",
    (f"{BASELINE}/restore", "post"): "RestoreOptions",
    (f"{QUEUE}/forecast", "put"): "NewForecast",
    (SCHEDULE, "put"): "Schedule",
    ("/fleets", "post"): "FleetRequest",
    (f"{QUEUE}/draws", "post"): "NewDraw",
    (f"{DISTRIBUTION}/approve", "post"): "WordsOnHash",
    (f"{DISTRIBUTION}/reject", "post"): "WordsOnHash",
    (f"{FLEET}/approve", "post"): "Words",
    (f"{FLEET}/reject", "post"): "Words",
}
"""The functions read these bodies from raw bytes, so that nothing is dropped. Powertools does not know their models."""
OPTIONAL = {"ApplyRequest", "RestoreOptions", "NewBaseline"}
EXAMPLES: dict[str, Any] = {
    **{
        name: json.loads((ROOT / "events" / f"{sample}.json").read_text(encoding="utf-8"))
        for name, sample in {
            "Plan": "plan",
            "PlanToKeep": "named-plan",
            "Draft": "suggest",
            "NewForecast": "forecast",
            "Schedule": "schedule",
            "FleetRequest": "fleet",
            "NewDraw": "draw-over-http",
        }.items()
    },
    "ApplyRequest": {"dry_run": True},
    "RestoreOptions": {"dry_run": True},
    "NewBaseline": {},
    "Words": {"reason": "The shift leader agrees."},
    "WordsOnHash": {"reason": "The shift leader agrees."},
}
IDS = {"queue_id": "queue-001", "name": "normal"}

_OF_DISTRIBUTION = {"distribution_id": "$response.body#/distribution_id"}
_STARTED = {
    (DISTRIBUTION, "get"): _OF_DISTRIBUTION,
    (f"{DISTRIBUTION}/projection.svg", "get"): _OF_DISTRIBUTION,
    (f"{DISTRIBUTION}/restore", "post"): _OF_DISTRIBUTION,
    (f"{DISTRIBUTION}/return", "delete"): _OF_DISTRIBUTION,
}
_OF_FLEET = {"fleet_id": "$response.body#/fleet_id"}
_BY_QUEUE = {"queue_id": "$request.path.queue_id"}
_BY_NAME = {"name": "$request.path.name"}
LINKS: dict[tuple[str, str, str], dict[tuple[str, str], dict[str, str]]] = {
    ("/plans", "post", "202"): _STARTED,
    (f"{DISTRIBUTION}/restore", "post", "202"): _STARTED,
    (f"{BASELINE}/restore", "post", "202"): _STARTED,
    (f"{NAMED_PLAN}/apply", "post", "202"): _STARTED,
    (NAMED_PLAN, "put", "200"): {
        (NAMED_PLAN, "get"): _BY_QUEUE | _BY_NAME,
        (f"{NAMED_PLAN}/apply", "post"): _BY_QUEUE | _BY_NAME,
        (f"{QUEUE}/plans", "get"): _BY_QUEUE,
        (NAMED_PLAN, "delete"): _BY_QUEUE | _BY_NAME,
    },
    (DISTRIBUTION, "get", "200"): {
        (f"{QUEUE}/{listing}", "get"): {"queue_id": "$response.body#/queue_id"}
        for listing in ("distributions", "drift", "calibration", "shares", "members")
    },
    (BASELINE, "put", "200"): {
        (f"{BASELINE}/restore", "post"): _BY_QUEUE | _BY_NAME,
        (f"{QUEUE}/baselines", "get"): _BY_QUEUE,
        (DISTRIBUTION, "get"): _OF_DISTRIBUTION,
    },
    (f"{QUEUE}/forecast", "put", "200"): {
        (f"{QUEUE}/forecast", "get"): _BY_QUEUE,
        (f"{QUEUE}/forecast", "delete"): _BY_QUEUE,
    },
    (SCHEDULE, "put", "200"): {
        (SCHEDULE, "get"): _BY_NAME,
        (f"{SCHEDULE}/preview", "get"): _BY_NAME,
        (SCHEDULE, "delete"): _BY_NAME,
    },
    ("/fleets", "post", "202"): {
        (FLEET, "get"): _OF_FLEET,
        (f"{FLEET}/queues", "get"): _OF_FLEET,
        (f"{FLEET}/cancel", "post"): _OF_FLEET,
    },
}
"""The routes that take an id from a response, by the route and status of that response."""

GATEWAY = {
    "400": "The request line is malformed (the gateway)",
    "401": "There is no token, or none that PeopleApi accepts (the gateway)",
    "403": "The request is not signed, or its caller may not call the route (the gateway)",
    "429": "More requests than the deployment's throttling allows (the gateway)",
    "500": "The function failed (the gateway)",
    "503": "The function did not answer in time, or could not start (the gateway)",
}
NOT_ROUTED = "The path fits no route"
TOO_LARGE = "The body is larger than 6 MB, as the function receives it (the gateway)"


def main() -> None:
    sys.path.insert(0, str(ROOT / "layers" / "core"))
    from routing_weights.api.approvals import Words, WordsOnHash  # noqa: PLC0415 - only now on the path
    from routing_weights.api.baselines import NewBaseline  # noqa: PLC0415 - only now on the path
    from routing_weights.api.draws import DrawAnswer, NewDraw  # noqa: PLC0415
    from routing_weights.api.forecasts import NewForecast  # noqa: PLC0415
    from routing_weights.api.named_plans import ApplyRequest  # noqa: PLC0415
    from routing_weights.api.submissions import RestoreOptions  # noqa: PLC0415
    from routing_weights.api.suggestion import Draft  # noqa: PLC0415
    from routing_weights.domain.fleet_request import FleetRequest  # noqa: PLC0415
    from routing_weights.domain.named_plan import NOT_SAVED  # noqa: PLC0415
    from routing_weights.domain.plan import Plan  # noqa: PLC0415
    from routing_weights.domain.schedule.schedule import Schedule  # noqa: PLC0415

    document, *others = (
        _documented(folder)
        for folder in (
            *("plans", "suggest", "schedules", "fleets", "shares", "approvals"),
            *("directory", "checkpoint", "evidence"),
        )
    )
    schemas, paths = document["components"]["schemas"], document["paths"]
    for other in others:
        for path, operations in other["paths"].items():  # two functions may share a path
            paths[path] = paths.get(path, {}) | operations
        schemas |= other["components"]["schemas"]
    for model in (
        Words,
        WordsOnHash,
        Plan,
        Schedule,
        Draft,
        NewBaseline,
        NewForecast,
        RestoreOptions,
        ApplyRequest,
        FleetRequest,
        NewDraw,
        DrawAnswer,
    ):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    schemas["PlanToKeep"] = {
        **schemas["Plan"],
        "title": "PlanToKeep",
        "description": "A plan that a queue keeps under a name.",
        "properties": {n: field for n, field in schemas["Plan"]["properties"].items() if n not in NOT_SAVED},
        "required": [name for name in schemas["Plan"]["required"] if name not in NOT_SAVED],
    }
    for unused in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(unused, None)  # Powertools' own error shapes, which our API does not use
    schemas["GatewayMessage"] = {
        "description": "An answer of API Gateway itself.",
        "properties": {"message": {"type": "string"}},
        "required": ["message"],
        "type": "object",
    }
    paths[CALLBACK] = {"post": _callback()}
    paths[f"{QUEUE}/draws"] = {"post": _draw()}
    for (path, method), name in BODIES.items():
        content = {JSON: {"schema": _schema(name), "example": EXAMPLES[name]}}
        paths[path][method]["requestBody"] = {"required": name not in OPTIONAL, "content": content}
    for path, operations in paths.items():
        for operation in operations.values():
            _complete(path, operation)
    _link(paths)
    document["components"]["securitySchemes"] = {
        "iam": {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"},
        "person": {"type": "http", "scheme": "bearer", "description": "PeopleApi: docs/administer/access.md."},
    }
    document["security"] = [{"iam": []}, {"person": []}]
    json.dump(document, sys.stdout, indent=2, sort_keys=True)
    print()


def _documented(folder: str) -> dict[str, Any]:
    """Return the OpenAPI of a function's own routes, from Powertools."""
    spec = importlib.util.spec_from_file_location(f"{folder}_app", ROOT / "functions" / folder / "app.py")
    assert spec and spec.loader  # noqa: S101, PT018
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    document: dict[str, Any] = json.loads(
        module.app.get_openapi_json_schema(
            title="Routing Weights for Genesys Cloud",
            version="1",
            description="Every route except that of webhooks needs a request signed for execute-api (IAM), or a token "
            "of PeopleApi. Bodies are read as JSON in UTF-8 whatever Content-Type says. A wrong method is a 404.",
        )
    )
    return document


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _callback() -> dict[str, Any]:
    """Return the route of webhooks. Its function has no Powertools event handler that could describe it."""
    answer = {
        "type": "object",
        "properties": {"delivery_id": {"type": "string"}, "status": {"enum": ["queued", "known"]}},
        "required": ["delivery_id", "status"],
    }
    headers = {
        "X-Webhook-Timestamp": "Epoch seconds, at most 300 from now.",
        "X-Webhook-Signature": "`sha256=` and HMAC-SHA256 of `{timestamp}.{body}` in hexadecimal.",
        "X-Webhook-Id": "The delivery: 1 to 128 letters, digits, dots, colons, hyphens or underscores.",
    }
    problems = {
        "401": "The signature is wrong, or the bearer secret if the deployment accepts one",
        "413": "The body is larger than 256 KiB",
        "422": "The webhook is authentic, and names no change of a queue",
        "503": "An AWS service did not answer; send the webhook again",
    }
    return {
        "summary": "Report that a queue has changed",
        "description": "For Genesys. The signature is checked before the body is read: docs/administer/webhooks.md.",
        "operationId": "take_webhook_webhooks_genesys_callback_post",
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        ],
        "requestBody": {"required": True, "content": {JSON: {"schema": {"type": "object"}}}},
        "responses": {
            "200": {"description": "The delivery is known already", "content": {JSON: {"schema": answer}}},
            "202": {"description": "Queued", "content": {JSON: {"schema": answer}}},
        }
        | {
            status: {"description": text, "content": {PROBLEM: {"schema": _schema("ProblemDetails")}}}
            for status, text in problems.items()
        },
    }


def _draw() -> dict[str, Any]:
    """Return the route of draws. Its function has no Powertools event handler: a contact waits for its start."""
    refusal = "A parameter or the body breaks a rule; `errors` has each one with its path"
    return {
        "summary": "Draw the preferred agents of a contact",
        "description": "Counts one contact of the queue. If anything fails, the answer has no agents, and the contact "
        "goes to the whole queue: docs/administer/shares.md.",
        "operationId": "draw_agents_queues__queue_id__draws_post",
        "security": [{"iam": []}],
        "parameters": [
            {
                "name": "queue_id",
                "in": "path",
                "required": True,
                "description": "The queue's id.",
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
            }
        ],
        "responses": {
            "200": {"description": "OK", "content": {JSON: {"schema": _schema("DrawAnswer")}}},
            "422": {"description": refusal, "content": {PROBLEM: {"schema": _schema("ProblemDetails")}}},
        },
    }


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Add the responses that Powertools does not know: those of the gateway, and those for an unknown path."""
    responses = operation["responses"]
    # Powertools would replace it by its own shape.
    responses["500"] = {
        "description": "A defect of this system",
        "content": {PROBLEM: {"schema": _schema("ProblemDetails")}},
    }
    if "204" in responses:
        del responses["204"]["content"]
    if "202" in responses and path != CALLBACK:
        location = {
            "description": "Where the distribution or the fleet is.",
            "required": True,
            "schema": {"type": "string"},
        }
        responses["202"]["headers"] = {"Location": location}
    for parameter in operation["parameters"] if "{" in path else []:
        if parameter["name"] in IDS:
            parameter["example"] = IDS[parameter["name"]]
    if "{" in path:
        _add(responses, "404", NOT_ROUTED, PROBLEM, "ProblemDetails")
        _add(responses, "404", "", JSON, "GatewayMessage")
    if "requestBody" in operation:
        _add(responses, "413", TOO_LARGE, JSON, "GatewayMessage")
    for status, text in GATEWAY.items():
        not_there = {"401": "security" in operation, "403": operation.get("security") == []}
        if not not_there.get(status):
            _add(responses, status, text, JSON, "GatewayMessage")


def _add(responses: dict[str, Any], status: str, text: str, kind: str, schema: str) -> None:
    answer = responses.setdefault(status, {"description": text, "content": {}})
    if text not in answer["description"]:
        answer["description"] += f". Or: {text[0].lower()}{text[1:]}"
    answer["content"].setdefault(kind, {"schema": _schema(schema)})


def _link(paths: dict[str, Any]) -> None:
    for (path, method, status), targets in LINKS.items():
        paths[path][method]["responses"][status]["links"] = {
            (name := paths[target][verb]["operationId"]): {"operationId": name, "parameters": parameters}
            for (target, verb), parameters in targets.items()
        }


if __name__ == "__main__":
    main()
