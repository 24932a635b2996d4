"""A plan in a JSON file."""

import json
from pathlib import Path

from routing_weights_cli.api import Json
from routing_weights_cli.errors import CliError


def plan_in(file: Path) -> Json:
    """The plan of a file. Raises CliError."""
    try:
        plan = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise CliError(f"{file} is not JSON: {error}.") from error
    if not isinstance(plan, dict):
        raise CliError(f"{file} has no plan: it is no JSON object.")
    return plan
