"""Prints template.yaml with the state machine's definition inside, since cfn-lint does not follow DefinitionUri.

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
        if resource["Type"] == "AWS::Serverless::StateMachine":
            properties = resource["Properties"]
            properties["Definition"] = yaml.safe_load((ROOT / properties.pop("DefinitionUri")).read_text())
        if "ContentUri" in resource.get("Properties", {}):
            resource["Properties"]["ContentUri"] = str(ROOT / resource["Properties"]["ContentUri"])
    yaml.safe_dump(_plain(template), sys.stdout, sort_keys=False, width=200)


def _plain(node: object) -> object:
    """SAM's ordered dictionaries as plain ones, which safe_dump can write."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    return [_plain(item) for item in node] if isinstance(node, list) else node


if __name__ == "__main__":
    main()
