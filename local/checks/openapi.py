"""Prints the operators' API as OpenAPI, from the code: `python -m local.checks.openapi > docs/openapi.json`."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def main() -> None:
    sys.path.insert(0, str(ROOT / "layers" / "core"))
    from routing_weights.plan import Plan  # noqa: PLC0415 - only now on the path

    spec = importlib.util.spec_from_file_location("plans_app", ROOT / "functions" / "plans" / "app.py")
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
    # The body is read by the code that every door shares, from its raw bytes, so Powertools does not know its model.
    document["paths"]["/plans"]["post"]["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Plan"}}},
    }
    schemas = document["components"]["schemas"]
    schemas["Plan"] = Plan.model_json_schema()
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


if __name__ == "__main__":
    main()
