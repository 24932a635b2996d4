"""Checks, at the end of a run of all tests of stacks, that every permission of template.yaml was needed by a test.

Each embedded stack of the run writes its roles' used permissions and refused calls (local/stack/iam.py). Any refused
call fails the run, also a run of some tests: the product survives some refusals, so not every one fails a test by
itself. Whoever removes a needed permission, or adds one that nothing uses, sees a run fail.
"""

import json
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from local.stack import template
from local.stack.iam import Permissions

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
STARTING_STACKS = {"tests/asl", "tests/faults", "tests/stack"}
EVERYTHING = {
    "GENESYS_BASE_URL": "http://localhost",
    "PARTNER_EVENT_BUS": "aws.partner/genesys.com/x",
    "OUTGOING_WEBHOOK_URL": "https://localhost",
    "NOTIFY_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:people",
    "ROTATE_CREDENTIALS_DAYS": "30",
    "PEOPLE_SIGN_IN": "genesys",
    "DESK_CLIENT_ID": "desk",
    "KMS_KEY_ARN": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000001",
}
"""Environment variables with which the template has every resource."""
UNMET = {
    (
        "Approvals",
        "s3:ListBucket",
        "*documentsbucket",
    ): "a document that somebody removed: S3 answers 404, so a wrong policy does not look like a removal",
    ("DrawDeploymentRole", "*", "*"): "CodeDeploy assumes this role, and the stack has no CodeDeploy",
    (
        "*",
        "logs:*",
        "*",
    ): "log delivery: Step Functions uses it when a state machine is made, and moto keeps no logs",
    (
        "*",
        "states:RedriveExecution",
        "*",
    ): "a redrive in the console redrives the children of a map, too; neither moto nor the stack has redrives",
}
"""Functions, action and resource of what a run of all tests may go without, and when it is used all the same.

tests/template has every permission in its table, so that none of these can be taken away unseen.
"""
ON_PURPOSE = {
    ("ScheduleRole", "states:StartExecution", "RecoverStateMachine"),
    ("FleetStateMachineRole", "states:StartExecution", "a-map-without-rights"),
}
"""The refusals that a test provokes: role, action and the end of the resource."""


@cache
def declared():
    """Every permission of every role, as (role, action, resource)."""
    known = Permissions(template.load(ROOT / "template.yaml", EVERYTHING, REGION).granting)
    return {(role, each.action, each.resource) for role in known for each in known.of(role)}


def is_of(unmet, role, action, resource):
    """Return True if an entry of UNMET is about this permission."""
    functions, *patterns = unmet
    named = functions in {"*", role} or role in {f"{name}FunctionRole" for name in functions.split()}
    return named and all(map(fnmatchcase, (action, resource), patterns))


def complaints(folder, *, whole=True):
    """A line for each call that a role was refused, and after a whole run for each permission that no stack used."""
    written = [json.loads(path.read_text(encoding="utf-8")) for path in Path(folder).glob("*.json")]
    used = {tuple(each) for one in written for each in one["used"]}
    refused = {tuple(each) for one in written for each in one["refused"]}
    for role, action, resource in sorted(refused):
        if (role, action, resource.rpartition(":")[2]) not in ON_PURPOSE:
            yield f"AccessDenied: {role} was refused {action} on {resource}"
    for role, action, resource in sorted(declared() - used) if whole else ():
        if not any(is_of(each, role, action, resource) for each in UNMET):
            yield f"{role} may {action} on {resource}, and no test uses it: write one, or take it away"


def is_whole(config):
    """Return True for a run of all tests that start a stack, if no option leaves tests out."""
    narrowing = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise", "collectonly")
    every = config.args_source is pytest.Config.ArgsSource.TESTPATHS or set(config.args) >= STARTING_STACKS
    return every and not any(getattr(config.option, name, None) for name in narrowing)
