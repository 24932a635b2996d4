"""Prints template.yaml with the state machines' definitions inside, because cfn-lint does not follow DefinitionUri.

`python -m local.checks.inlined > inlined.yaml`
"""

import sys
from pathlib import Path
from typing import Any

import yaml
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).parents[2]
_NUMBERS = {"MaxConcurrency", "TimeoutSeconds"}
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


def main() -> None:
    template = yaml_parse((ROOT / "template.yaml").read_text())
    roles = {}
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::StateMachine":
            # The native type: cfn-lint does not check the definition inside SAM's type.
            resource["Type"] = "AWS::StepFunctions::StateMachine"
            resource["Properties"] = {
                "Definition": _without_expressions(yaml.safe_load((ROOT / properties["DefinitionUri"]).read_text())),
                "DefinitionSubstitutions": dict.fromkeys(properties["DefinitionSubstitutions"], "substituted"),
                "RoleArn": {"Fn::GetAtt": [f"{name}Role", "Arn"]},
                "StateMachineType": properties["Type"],
            }
            # As SAM makes it: policies outside name it.
            roles[f"{name}Role"] = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": _TRUST}}
        elif "ContentUri" in properties:
            properties["ContentUri"] = str(ROOT / properties["ContentUri"])
    template["Resources"].update(roles)
    yaml.safe_dump(_plain(template), sys.stdout, sort_keys=False, width=200)


def _without_expressions(node: Any) -> Any:
    """Write a number for an expression where cfn-lint knows only numbers."""
    if isinstance(node, dict):
        return {
            key: 1 if key in _NUMBERS and isinstance(value, str) else _without_expressions(value)
            for key, value in node.items()
        }
    return [_without_expressions(item) for item in node] if isinstance(node, list) else node


def _plain(node: object) -> object:
    """Turn SAM's ordered dictionaries into plain ones, which safe_dump can write."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    return [_plain(item) for item in node] if isinstance(node, list) else node


if __name__ == "__main__":
    main()
