"""Prints the operators' API as OpenAPI, from the code: `python -m local.checks.openapi > docs/openapi.json`."""

import copy
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def main() -> None:
    sys.path.insert(0, str(ROOT / "layers" / "core"))
    from routing_weights.api import Draft, NewForecast, Suggestion  # noqa: PLC0415 - only now on the path
    from routing_weights.plan import Plan  # noqa: PLC0415
    from routing_weights.scheduling import Schedule  # noqa: PLC0415

    document, of_schedules = _documented("plans"), _documented("schedules")
    document["paths"] |= of_schedules["paths"]
    document["components"]["schemas"] |= of_schedules["components"]["schemas"]
    # These bodies are read from their raw bytes, so that nothing is dropped, and Powertools does not know their models.
    schemas = document["components"]["schemas"]
    for path, method, model in (
        ("/plans", "post", Plan),
        ("/queues/{queue_id}/forecast", "put", NewForecast),
        ("/schedules/{name}", "put", Schedule),
    ):
        document["paths"][path][method]["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}},
        }
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    document["paths"]["/plans/suggest"] = {"post": _suggest(document["paths"]["/plans"]["post"]["responses"])}
    for own in (Draft, Suggestion):
        schema = own.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {}) | {own.__name__: schema}
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        operation["responses"]["500"]["content"].pop("application/json", None)
    for unused in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(unused, None)  # Powertools' own shapes: every error of ours is a problem
    document["components"]["securitySchemes"] = {
        "iam": {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"}
    }
    document["security"] = [{"iam": []}]
    json.dump(document, sys.stdout, indent=2, sort_keys=True)
    print()


def _documented(folder: str) -> dict[str, Any]:
    """A function's own routes, as Powertools knows them."""
    spec = importlib.util.spec_from_file_location(f"{folder}_app", ROOT / "functions" / folder / "app.py")
    assert spec and spec.loader  # noqa: S101, PT018
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    document: dict[str, Any] = json.loads(
        module.app.get_openapi_json_schema(
            title="Routing Weights for Genesys Cloud",
            version="1",
            description="Every route needs a request signed for execute-api (IAM).",
        )
    )
    return document


def _suggest(answers: dict[str, Any]) -> dict[str, Any]:
    """The route of another function: its refusals are those of a plan, and the simplest of them are not repeated."""
    good = {"application/json": {"schema": {"$ref": "#/components/schemas/Suggestion"}}}
    return {
        "summary": "Propose weights that pass the gate",
        "description": "Takes a plan, with or without `member_weights`, and an `objective`. Writes nothing.",
        "operationId": "suggest_plan_plans_suggest_post",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Draft"}}},
        },
        "responses": {"200": {"description": "OK", "content": good}}
        | {code: answer for code, answer in copy.deepcopy(answers).items() if code in {"422", "500", "503"}},
    }


if __name__ == "__main__":
    main()
