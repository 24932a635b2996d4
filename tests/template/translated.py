"""template.yaml as CloudFormation gets it, made by SAM's own translator, without AWS."""

import copy
from functools import cache
from pathlib import Path

from boto3.session import Session
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).resolve().parents[2]
PACKAGED = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}
"""The property of a resource that names a folder or a file, and an object in S3 once it is packaged."""


@cache
def _document():
    return yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))


def packaged():
    """The template as `sam package` leaves it: objects in S3, named after their contents, instead of paths."""
    document = copy.deepcopy(_document())
    for name, resource in document["Resources"].items():
        if uri := PACKAGED.get(resource["Type"]):
            resource["Properties"][uri] = {"Bucket": "artifacts", "Key": name}
    return document


def translated(document, parameters):
    """The resources of CloudFormation, by logical id, for a packaged document and the values of its parameters."""
    values = {"AWS::Region": "eu-central-1", "AWS::Partition": "aws", **parameters}
    managed_policies = {
        name: f"arn:aws:iam::aws:policy/service-role/{name}"
        for name in ("AWSLambdaBasicExecutionRole", "AWSXRayDaemonWriteAccess")
    }
    translator = Translator(managed_policies, Parser(), boto_session=Session(region_name="eu-central-1"))
    return translator.translate(document, values)["Resources"]
