"""Prints template.yaml with the state machines' definitions inside, because cfn-lint does not follow DefinitionUri.

`python -m local.checks.inlined > inlined.yaml`
"""

import sys
from pathlib import Path

import yaml
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).parents[2]


def main() -> None:
    template = yaml_parse((ROOT / "template.yaml").read_text())
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::StateMachine":
            # The native type: cfn-lint does not check the definition inside SAM's type.
            resource["Type"] = "AWS::StepFunctions::StateMachine"
            resource["Properties"] = {
                "Definition": yaml.safe_load((ROOT / properties["DefinitionUri"]).read_text()),
                "DefinitionSubstitutions": dict.fromkeys(properties["DefinitionSubstitutions"], "substituted"),
                "RoleArn": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/linted"},
                "StateMachineType": properties["Type"],
            }
        elif "ContentUri" in properties:
            properties["ContentUri"] = str(ROOT / properties["ContentUri"])
    yaml.safe_dump(_plain(template), sys.stdout, sort_keys=False, width=200)


def _plain(node: object) -> object:
    """Turn SAM's ordered dictionaries into plain ones, which safe_dump can write."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    return [_plain(item) for item in node] if isinstance(node, list) else node


if __name__ == "__main__":
    main()
