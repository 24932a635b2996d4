"""What the functions find in their environment in a deployment that changes no parameter."""

import re
from pathlib import Path

import yaml

TEXT = (Path(__file__).parents[2] / "template.yaml").read_text(encoding="utf-8")
PARAMETERS = yaml.safe_load(TEXT[TEXT.index("\nParameters:") : TEXT.index("\nRules:")])["Parameters"]


def variable_of(parameter):
    """The environment variable that a parameter sets.

    >>> variable_of("MaxRetryAfterS")
    'MAX_RETRY_AFTER_S'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", parameter).upper()


OF_LAMBDA = {"AWS_REGION": "eu-central-1"}
"""What Lambda itself puts into every function's environment."""
DEFAULTS = OF_LAMBDA | {
    variable_of(name): str(rule["Default"]) for name, rule in PARAMETERS.items() if "Default" in rule
}
