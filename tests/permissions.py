"""Whether every permission of template.yaml is one that a test would miss: known at the end of a run of all tests.

Each embedded stack of the run writes what its roles used and what they were refused (local/stack/iam.py). A permission
that was used would be refused without it, and no test may meet a refusal: so whoever removes one sees tests fail, and
whoever adds one that nothing uses does too.
"""

import json
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from local.stack import template
from local.stack.iam import Permissions

ROOT = Path(__file__).resolve().parents[1]
REGION = "us-east-1"
EVERYTHING = {
    "GENESYS_BASE_URL": "http://localhost",
    "PARTNER_EVENT_BUS": "aws.partner/genesys.com/x",
    "OUTGOING_WEBHOOK_URL": "https://localhost",
}
"""With what the template has every resource, whatever its condition."""
UNMET = {
    ("*", "logs:*", "*"): "log delivery of Step Functions: nothing in the embedded stack calls CloudWatch",
    (
        "Calibrate Drift Restore Suggest Verify",
        "lambda:InvokeFunction",
        "*:TokenFunction",
    ): "the token is due in the function that reads it next, by one code for all; Project and Patch meet it",
    (
        "Calibrate Drift Restore Suggest",
        "dynamodb:*Item",
        "*:table/BudgetTable",
    ): "Genesys has shown a limit, by one code for all; Project, Patch and Verify meet it",
    (
        "Calibrate Outcomes Recover Sweep",
        "s3:GetObject",
        "*/distributions/*",
    ): "a record is over 200 KB, so that the bucket has its fields, by one code for all",
    ("Audit Plans", "s3:PutObject", "*/distributions/*"): "the same, where a record is written",
    ("Outcomes", "dynamodb:Query", "*:table/AuditTable"): "an event is put once more by hand",
    ("Drift Plans Schedules", "s3:ListBucket", "*"): "a document that is looked for is not there",
    ("Recover Sweep", "states:DescribeExecution", "*:RecoverStateMachine:*"): "the recovery of a recovery",
    ("Drift", "states:DescribeExecution", "*"): "a repair is started under a name that has been used",
    ("Patch", "dynamodb:GetItem", "*:table/SkillsTable"): "two queues claim one skill at the same moment",
}
"""Functions, action and resource of what a run of all tests may go without, and when it is used all the same.

tests/template has every permission in its table, so that none of these can be taken away unseen.
"""
ON_PURPOSE = {("ScheduleRole", "states:StartExecution", "RecoverStateMachine")}
"""The refusals that a test provokes: role, action and the end of the resource."""


@cache
def declared():
    """Every permission of every role, as (role, action, resource)."""
    known = Permissions(template.load(ROOT / "template.yaml", EVERYTHING, REGION).granting)
    return {(role, each.action, each.resource) for role in known for each in known.of(role)}


def is_of(unmet, role, action, resource):
    """Whether an entry of UNMET is about a permission."""
    functions, *patterns = unmet
    named = functions == "*" or role in {f"{name}FunctionRole" for name in functions.split()}
    return named and all(map(fnmatchcase, (action, resource), patterns))


def complaints(folder):
    """A line for each permission that no stack of the run used, and for each call that a role was refused."""
    written = [json.loads(path.read_text(encoding="utf-8")) for path in Path(folder).glob("*.json")]
    used = {tuple(each) for one in written for each in one["used"]}
    refused = {tuple(each) for one in written for each in one["refused"]}
    for role, action, resource in sorted(refused):
        if (role, action, resource.rpartition(":")[2]) not in ON_PURPOSE:
            yield f"{role} was refused {action} on {resource}"
    for role, action, resource in sorted(declared() - used):
        if not any(is_of(each, role, action, resource) for each in UNMET):
            yield f"{role} may {action} on {resource}, and no test uses it: write one, or take it away"
