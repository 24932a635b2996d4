"""Prints the JSON schema of an outcome: `python -m local.checks.outcome_schema > docs/outcome-event.schema.json`."""

import json
import sys
from pathlib import Path


def schema() -> str:
    sys.path.insert(0, str(Path(__file__).parents[2] / "layers" / "core"))
    from routing_weights.domain.events import DistributionOutcome  # noqa: PLC0415 - only now on the path

    written = DistributionOutcome.model_json_schema(mode="serialization")
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **written}
    # A reader must ignore unknown fields, so the schema must not refuse them.
    for part in (document, *document["$defs"].values()):
        part.pop("additionalProperties", None)
    return json.dumps(document, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
