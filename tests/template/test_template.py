"""The deployed resources: least privilege, names, logs, data that survives, and settings that fit their functions."""

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest
from annotated_types import Ge, Gt, Le
from moto.events.models import EventPattern
from samcli.yamlhelper import yaml_parse

from local.stack import template
from local.stack.rules import MANAGED_RULE, MOST_ROTATION_DAYS
from routing_weights import settings
from routing_weights.adapters.aws.event_bus import SOURCE
from routing_weights.adapters.aws.notifications_table import TAKEN_S
from routing_weights.adapters.http.webhook_sender import TIMEOUTS_S
from routing_weights.application.messages import FIRST_PAUSE_S, LONGEST_PAUSE_S, QUIET_S
from routing_weights.bootstrap.deadlines import MAX_RUN_S
from routing_weights.domain.actuators import names_for
from routing_weights.domain.agent_events import agent_event_in
from routing_weights.domain.change_events import LONGEST_DELAY_S, event_of
from routing_weights.domain.correction import GIVE_UP_S, SETTLED_S
from routing_weights.domain.events import (
    APPROVAL_ANSWERED,
    AWAITING_APPROVAL,
    DISTRIBUTION_MEASURED,
    DISTRIBUTION_OUTCOME,
    DRIFT_FOUND,
)
from routing_weights.domain.fleet import FLEET_OUTCOME
from routing_weights.domain.record import ApprovalAnswered, Closing, Measurement
from routing_weights.domain.regions import DOMAINS
from routing_weights.domain.standings import AWAY_S, CLAIM_S
from routing_weights.projection.checks import GATES
from tests.support.deployment import OF_LAMBDA, variable_of

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "template.yaml").read_text(encoding="utf-8")
TEMPLATE = yaml_parse(TEXT)
RESOURCES = TEMPLATE["Resources"]
PARAMETERS = TEMPLATE["Parameters"]
ASL = yaml_parse((ROOT / "statemachine/distribute.asl.yaml").read_text(encoding="utf-8"))
FOLDERS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))

BEFORE, PLANS, OF_RUNS = "DocumentsBucket", "DocumentsBucket/plans/*", "DocumentsBucket/distributions/*"
OF_FLEETS, UPLOADS = "DocumentsBucket/fleets/*", "DocumentsBucket/uploads/*"
LOG_DELIVERY = {
    f"logs:{action}"
    for action in (
        *("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries"),
        *("PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups"),
    )
}
BUDGET = {"dynamodb:GetItem": {"BudgetTable"}, "dynamodb:UpdateItem": {"BudgetTable"}}
TOKENS = {"secretsmanager:GetSecretValue": {"TokenSecret"}, "lambda:InvokeFunction": {"TokenFunction"}}
ALLOWED = {
    "PlansFunction": {
        "states:StartExecution": {"DistributeStateMachine"},
        "states:DescribeExecution": {"executions of DistributeStateMachine"},
        "states:GetExecutionHistory": {"executions of DistributeStateMachine"},
        "dynamodb:PutItem": {"AuditTable", "ChainsTable", "BaselinesTable", "PlansTable", "ForecastTable"},
        "dynamodb:Query": {"AuditTable", "AuditTable/index/by_queue", "BaselinesTable", "PlansTable", "DriftTable"},
        "dynamodb:GetItem": {"AccessTable", "BaselinesTable", "PlansTable", "ForecastTable"},
        "dynamodb:DeleteItem": {"PlansTable", "ForecastTable"},
        "dynamodb:BatchGetItem": {"AuditTable"},
        "s3:PutObject": {PLANS, OF_RUNS},
        "s3:GetObject": {PLANS, OF_RUNS},
        "s3:ListBucket": {BEFORE},
        "scheduler:GetSchedule": {"schedules of OneTimeGroup"},
        "scheduler:DeleteSchedule": {"schedules of OneTimeGroup"},
    },
    "SchedulesFunction": {
        **{
            f"scheduler:{verb}Schedule": {"schedules of ScheduleGroup", "schedules of OneTimeGroup"}
            for verb in ("Create", "Update", "Delete")
        },
        "scheduler:GetSchedule": {"schedules of ScheduleGroup"},
        "scheduler:ListSchedules": {"*"},
        "iam:PassRole": {"ScheduleRole"},
        "dynamodb:GetItem": {"AccessTable", "BaselinesTable"},
        "s3:GetObject": {PLANS, OF_RUNS},
        "s3:PutObject": {PLANS},
        "s3:ListBucket": {BEFORE},
    },
    "FleetsFunction": {
        "dynamodb:GetItem": {"AccessTable", "FleetsTable"},
        **{f"dynamodb:{verb}": {"FleetsTable"} for verb in ("PutItem", "UpdateItem")},
        "dynamodb:Query": {"FleetsTable", "FleetsTable/index/by_time"},
        "s3:GetObject": {UPLOADS, OF_FLEETS},
        "s3:PutObject": {UPLOADS, OF_FLEETS},
        "s3:ListBucket": {BEFORE},
        "states:StartExecution": {"FleetStateMachine"},
        "states:SendTaskSuccess": {"FleetStateMachine"},
        "states:DescribeExecution": {"executions of FleetStateMachine"},
    },
    "AuthorizeFunction": {"dynamodb:PutItem": {"AccessTable"}},
    "DeskFunction": {f"dynamodb:{verb}Item": {"SessionsTable"} for verb in ("Get", "Put", "Delete")},
    "DrawFunction": {
        "dynamodb:Query": {"SharesTable"},
        "dynamodb:PutItem": {"SharesTable"},
        "lambda:InvokeFunction": {"StandingsFunction"},
    },
    "DrawRole": {"lambda:InvokeFunction": {"DrawFunction:live"}},
    "DrawDeploymentRole": {
        **{
            f"lambda:{action}": {"DrawFunction", "DrawFunction:*"}
            for action in ("GetAlias", "UpdateAlias", "GetProvisionedConcurrencyConfig")
        },
        "cloudwatch:DescribeAlarms": {"*"},
    },
    "CheckpointFunction": {
        "dynamodb:Scan": {"AuditTable", "ChainsTable"},
        "s3:ListBucketVersions": {"EvidenceBucket"},
        "s3:GetObjectVersion": {"EvidenceBucket/checkpoints/*"},
        "s3:PutObject": {"EvidenceBucket/checkpoints/*"},
        "kms:Sign": {"CheckpointKey"},
    },
    "EvidenceFunction": {
        "dynamodb:GetItem": {"AccessTable"},
        "dynamodb:Scan": {"AuditTable", "ChainsTable"},
        "dynamodb:Query": {"AuditTable", "AuditTable/index/by_queue"},
        "dynamodb:BatchGetItem": {"AuditTable"},
        "s3:GetObject": {OF_RUNS, "DocumentsBucket/exports/*"},
        "s3:PutObject": {"DocumentsBucket/exports/*"},
        "s3:ListBucket": {BEFORE},
        "s3:ListBucketVersions": {"EvidenceBucket"},
        "s3:GetObjectVersion": {"EvidenceBucket/checkpoints/*"},
        "kms:Verify": {"CheckpointKey"},
    },
    "SuggestFunction": TOKENS
    | BUDGET
    | {"dynamodb:GetItem": {"AccessTable", "ForecastTable", "BudgetTable", "SharesTable"}},
    "DirectoryFunction": TOKENS
    | BUDGET
    | {
        "dynamodb:GetItem": {"AccessTable", "SharesTable", "BudgetTable"},
        "dynamodb:Query": {"AuditTable", "AuditTable/index/by_queue", "ApprovalsTable/index/by_time"},
        "dynamodb:BatchGetItem": {"AuditTable", "DriftTable"},
        "s3:GetObject": {OF_RUNS},
    },
    "SharesFunction": TOKENS
    | BUDGET
    | {
        "dynamodb:GetItem": {"AccessTable", "SharesTable", "BudgetTable"},
        "dynamodb:Query": {"SharesTable", "AuditTable/index/by_queue"},
        "dynamodb:BatchGetItem": {"AuditTable"},
        "s3:GetObject": {OF_RUNS},
    },
    "WebhookFunction": {
        "dynamodb:BatchGetItem": {"DeliveriesTable"},
        "dynamodb:BatchWriteItem": {"DeliveriesTable"},
        "sqs:SendMessage": {"WebhookQueue"},
        "secretsmanager:GetSecretValue": {"WebhookSecret"},
    },
    "DriftFunction": TOKENS
    | BUDGET
    | {f"sqs:{action}": {"WebhookQueue"} for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")}
    | {
        "sqs:ChangeMessageVisibility": {"WebhookQueue"},
        "sqs:SendMessage": {"WebhookQueue"},
        "states:StartExecution": {"DistributeStateMachine"},
        "states:DescribeExecution": {"executions of DistributeStateMachine"},
        "dynamodb:PutItem": {"AuditTable", "ChainsTable", "DriftTable"},
        "dynamodb:UpdateItem": {"DriftTable", "BudgetTable"},
        "events:PutEvents": {"OutgoingBus"},
        "s3:PutObject": {PLANS},
        "dynamodb:BatchGetItem": {"AuditTable"},
        "dynamodb:Query": {"AuditTable", "AuditTable/index/by_queue"},
        "dynamodb:GetItem": {"LocksTable", "BudgetTable", "DriftTable", "SharesTable"},
        "s3:GetObject": {OF_RUNS},
        "s3:ListBucket": {BEFORE},
    },
    "ValidateFunction": {
        "dynamodb:PutItem": {"AuditTable", "ChainsTable"},
        "dynamodb:Query": {"AuditTable"},
        "dynamodb:GetItem": {"BaselinesTable"},
        "s3:GetObject": {PLANS, OF_FLEETS, OF_RUNS},
        "s3:PutObject": {OF_RUNS},
        "s3:ListBucket": {BEFORE},
    },
    "ProjectFunction": TOKENS
    | BUDGET
    | {
        "dynamodb:GetItem": {"ForecastTable", "SkillsTable", "BudgetTable", "SharesTable", "ApprovalsTable"},
        "dynamodb:Query": {"AuditTable", "AuditTable/index/by_queue"},
        "dynamodb:BatchGetItem": {"AuditTable"},
        "s3:GetObject": {OF_RUNS, OF_FLEETS},
        "s3:PutObject": {OF_RUNS},
        "s3:ListBucket": {BEFORE},
    },
    "ApprovalsFunction": {
        "dynamodb:GetItem": {"AccessTable", "ApprovalsTable"},
        "dynamodb:PutItem": {"ApprovalsTable", "AuditTable", "ChainsTable"},
        "dynamodb:UpdateItem": {"ApprovalsTable"},
        "dynamodb:Query": {"ApprovalsTable/index/by_time", "AuditTable"},
        "s3:GetObject": {OF_RUNS},
        "s3:ListBucket": {BEFORE},
        "events:PutEvents": {"OutgoingBus"},
    },
    "PatchFunction": TOKENS
    | BUDGET
    | {
        "dynamodb:GetItem": {"SkillsTable", "BudgetTable", "LocksTable", "SharesTable"},
        "dynamodb:PutItem": {"SkillsTable", "SharesTable"},
        "s3:GetObject": {OF_RUNS},
        "s3:PutObject": {OF_RUNS},
    },
    "VerifyFunction": TOKENS
    | BUDGET
    | {
        "dynamodb:GetItem": {"BudgetTable", "SharesTable"},
        "s3:GetObject": {OF_RUNS},
        "s3:PutObject": {OF_RUNS},
    },
    "RestoreFunction": TOKENS
    | BUDGET
    | {
        "dynamodb:GetItem": {"BudgetTable", "LocksTable", "SharesTable"},
        "dynamodb:PutItem": {"SharesTable"},
        "s3:GetObject": {OF_RUNS},
        "s3:PutObject": {OF_RUNS},
        "s3:ListBucket": {BEFORE},
    },
    "OutcomesFunction": {
        **{
            f"dynamodb:{action}": {"AuditTable/stream/*"}
            for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
        },
        "dynamodb:Query": {"AuditTable"},
        "s3:GetObject": {OF_RUNS},
        "events:PutEvents": {"OutgoingBus"},
        "sqs:SendMessage": {"OutcomeDeadLetters"},
    },
    "OutgoingFunction": {
        **{f"sqs:{action}": {"OutgoingQueue"} for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")},
        "sqs:ChangeMessageVisibility": {"OutgoingQueue"},
        "sqs:SendMessage": {"OutgoingDeadLetters"},
        "secretsmanager:GetSecretValue": {"OutgoingSecret"},
    },
    "NotifyFunction": {
        **{f"sqs:{action}": {"NotifyQueue"} for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")},
        "sqs:ChangeMessageVisibility": {"NotifyQueue"},
        "sqs:SendMessage": {"NotifyDeadLetters"},
        "secretsmanager:GetSecretValue": {"NotifySecret"},
        "dynamodb:GetItem": {"NotificationsTable"},
        "dynamodb:UpdateItem": {"NotificationsTable"},
    },
    "RecoverFunction": {
        "dynamodb:Query": {"AuditTable"},
        "dynamodb:GetItem": {"LocksTable"},
        "dynamodb:UpdateItem": {"LocksTable"},
        "s3:GetObject": {OF_RUNS},
    },
    "PatrolFunction": {"dynamodb:Query": {"DriftTable"}, "sqs:SendMessage": {"WebhookQueue"}},
    "SweepFunction": {
        "dynamodb:Query": {"AuditTable", "ApprovalsTable/index/by_time"},
        "dynamodb:Scan": {"LocksTable"},
        "s3:GetObject": {OF_RUNS},
        "states:StartExecution": {"RecoverStateMachine"},
        "states:ListExecutions": {"DistributeStateMachine"},
        "states:DescribeExecution": {"executions of DistributeStateMachine", "executions of RecoverStateMachine"},
    },
    "CalibrateFunction": TOKENS
    | BUDGET
    | {
        "dynamodb:PutItem": {"AuditTable", "ChainsTable"},
        "dynamodb:Query": {"AuditTable", "AuditTable/index/by_queue", "SharesTable"},
        "dynamodb:BatchGetItem": {"AuditTable"},
        "s3:GetObject": {OF_RUNS},
        "s3:PutObject": {OF_RUNS},
        "states:ListExecutions": {"DistributeStateMachine"},
    },
    "StandingsFunction": TOKENS
    | {f"sqs:{action}": {"StandingsQueue"} for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")}
    | {
        "dynamodb:GetItem": {"SharesTable", "BudgetTable"},
        "dynamodb:UpdateItem": {"SharesTable", "BudgetTable"},
        "dynamodb:Query": {"SharesTable/index/in_force"},
    },
    "CorrectFunction": TOKENS
    | {
        "dynamodb:GetItem": {"SharesTable", "BudgetTable"},
        "dynamodb:PutItem": {"SharesTable"},
        "dynamodb:UpdateItem": {"BudgetTable"},
        "dynamodb:Query": {"SharesTable/index/in_force"},
    },
    "AuditFunction": {
        "dynamodb:PutItem": {"AuditTable", "ChainsTable", "DriftTable"},
        "dynamodb:Query": {"AuditTable"},
        "dynamodb:DeleteItem": {"DriftTable"},
        "dynamodb:ConditionCheckItem": {"LocksTable"},
        "dynamodb:UpdateItem": {"FleetsTable", "ApprovalsTable"},
        "scheduler:DeleteSchedule": {"schedules of OneTimeGroup"},
        "s3:GetObject": {OF_RUNS},
        "s3:PutObject": {OF_RUNS},
        "s3:ListBucket": {BEFORE},
    },
    "RotateFunction": {
        f"secretsmanager:{action}": {"CredentialsSecret", "TokenSecret"}
        for action in ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
    },
    "TokenFunction": {
        "secretsmanager:GetSecretValue": {"CredentialsSecret", "TokenSecret"},
        "secretsmanager:PutSecretValue": {"TokenSecret"},
        "dynamodb:PutItem": {"BudgetTable"},
        "dynamodb:DeleteItem": {"BudgetTable"},
    },
    "DistributeStateMachine": {
        "lambda:InvokeFunction": {
            f"{name}Function"
            for name in ("Validate", "Project", "Patch", "Verify", "Restore", "Recover", "Audit", "Approvals")
        },
        "dynamodb:PutItem": {"LocksTable"},
        "dynamodb:DeleteItem": {"LocksTable"},
        "scheduler:CreateSchedule": {"schedules of OneTimeGroup"},
        "iam:PassRole": {"ScheduleRole"},
    }
    | {action: {"*"} for action in LOG_DELIVERY},
    "RecoverStateMachine": {
        "lambda:InvokeFunction": {f"{name}Function" for name in ("Recover", "Restore", "Audit")},
        "dynamodb:DeleteItem": {"LocksTable"},
    }
    | {action: {"*"} for action in LOG_DELIVERY},
    "AdvanceFunction": TOKENS
    | {
        "events:PutEvents": {"OutgoingBus"},
        "dynamodb:GetItem": {"FleetsTable", "BudgetTable"},
        "dynamodb:PutItem": {"FleetsTable"},
        "dynamodb:Query": {"FleetsTable"},
        "dynamodb:UpdateItem": {"FleetsTable", "BudgetTable"},
        "s3:GetObject": {OF_FLEETS, "DocumentsBucket/uploads/*"},
        "s3:PutObject": {OF_FLEETS},
        "s3:ListBucket": {BEFORE},
        "states:DescribeExecution": {"executions of DistributeStateMachine"},
    },
    "FleetStateMachine": {
        "lambda:InvokeFunction": {"AdvanceFunction"},
        "dynamodb:GetItem": {"FleetsTable"},
        "dynamodb:UpdateItem": {"FleetsTable"},
        "s3:GetObject": {OF_FLEETS},
        "states:StartExecution": {"DistributeStateMachine"},
        "states:DescribeExecution": {"executions of DistributeStateMachine"},
        "states:StopExecution": {"executions of DistributeStateMachine"},
        **{f"events:{action}": {f"rule {MANAGED_RULE}"} for action in ("PutTargets", "PutRule", "DescribeRule")},
    }
    | {action: {"*"} for action in LOG_DELIVERY},
}
TO_THE_SCHEDULER = {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
"""The condition of every permission to pass a role: only this service may get the role."""
PARTNER_BUS = "aws.partner/genesys.com/cloud/0f3b6a1e-6c1a-4c0e-9d27-3b1d0a8c2f55/routing-weights"
MACHINES = {
    "DistributeStateMachine": "distribute",
    "RecoverStateMachine": "recover",
    "FleetStateMachine": "fleet",
}


def of_type(kind):
    return {name: item for name, item in RESOURCES.items() if item["Type"] == kind}


FUNCTIONS = of_type("AWS::Serverless::Function")
HTTP_API, MACHINE = "AWS::Serverless::HttpApi", "AWS::Serverless::StateMachine"
TABLE = "AWS::DynamoDB::Table"


def names_in(value):
    """Yield every resource and parameter that a value refers to."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "Ref":
                yield item.partition(".")[0]
            elif key == "Fn::GetAtt":
                yield item[0]
            elif key == "Fn::Sub":
                yield from (name.partition(".")[0] for name in re.findall(r"\$\{([\w.]+)\}", item))
            else:
                yield from names_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from names_in(item)


def readable(resource):
    """Return the resource of a policy in words: its logical id and the path below it."""
    if isinstance(resource, str):
        return resource
    text = resource.get("Fn::Sub", "")
    if ":execution:" in text:
        machine, children = re.search(r":execution:\$\{(\w+)\.Name\}(/\w+)?:\*$", text).groups()
        return f"executions of {machine}{children or ''}"
    if ":rule/" in text:
        return "rule " + text.rpartition("/")[2]
    if ":schedule/" in text:
        return "schedules of " + re.fullmatch(r".*:schedule/\$\{(\w+)\}/\*", text)[1]
    (name,) = names_in(resource)
    return name + text.partition("}")[2]


def statements(name):
    for item in RESOURCES[name]["Properties"].get("Policies", []):
        policy = item.get("PolicyDocument", item)  # of a role, or of a function
        assert policy["Version"] == "2012-10-17"
        yield from (each for each in policy["Statement"] if "Fn::If" not in each)  # of the key: test_key.py


def as_list(value):
    return value if isinstance(value, list) else [value]


def allowed(name):
    found = {}
    for statement in statements(name):
        condition = {"Condition": TO_THE_SCHEDULER} if "iam:PassRole" in statement["Action"] else {}
        only = {name: statement[name] for name in ("Action", "Resource")}
        assert statement == {"Effect": "Allow", **only, **condition}
        for action in as_list(statement["Action"]):
            found.setdefault(action, set()).update(map(readable, as_list(statement["Resource"])))
    return found


# ---- names -----------------------------------------------------------------------------------------------------------


def test_every_folder_of_functions_is_a_function_of_its_name():
    assert {f"{folder.title()}Function": f"functions/{folder}/" for folder in FOLDERS} == {
        name: item["Properties"]["CodeUri"] for name, item in FUNCTIONS.items()
    }


def definition_of(machine):
    return (ROOT / f"statemachine/{MACHINES[machine]}.asl.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("machine", MACHINES)
def test_a_state_is_named_after_its_function(machine):
    called = {
        name: state["Arguments"]["FunctionName"].strip("${}")
        for name, state in yaml_parse(definition_of(machine))["States"].items()
        if "FunctionName" in state.get("Arguments", {})
    }
    if machine == "RecoverStateMachine":
        assert called.pop("Begin") == "RecoverFunction"  # named after the state machine
    if machine == "DistributeStateMachine":
        assert {called.pop(name) for name in ("Await approval", "Answer")} == {"ApprovalsFunction"}
    if machine == "FleetStateMachine":
        assert called.pop("Hold") == "AdvanceFunction"  # which keeps the token
        assert called.pop("Accept") == "AdvanceFunction"  # which the door of the console has no function for
    assert called == {name: f"{name.split()[0]}Function" for name in called}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_state_machine_gets_every_substitution_it_needs(machine):
    text = definition_of(machine)
    given = RESOURCES[machine]["Properties"]["DefinitionSubstitutions"]
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(given)
    assert all(name in set(names_in(value)) for name, value in given.items())


def test_no_resource_has_a_fixed_name():
    named = {
        (name, key): value
        for name, item in RESOURCES.items()
        for key, value in item.get("Properties", {}).items()
        if key == "Name" or (key.endswith("Name") and key not in {"MetricName", "FunctionName", "EventBusName"})
    }
    # The name of an inline policy is its role's own.
    assert named.pop(("RecoverFunctionPolicy", "PolicyName")) == "executions"
    assert named.pop(("ScheduleRolePolicy", "PolicyName")) == "runs"
    assert named.pop(("ApprovalsFunctionPolicy", "PolicyName")) == "answers"
    assert {named.pop((f"{name}FunctionPolicy", "PolicyName")) for name in ("Audit", "Validate")} == {"histories"}
    assert named.pop(("FleetStateMachinePolicy", "PolicyName")) == "children"
    assert named.pop(("NotifyFunctionPolicy", "PolicyName")) == "publish"
    assert all(named.pop((name, "PolicyName")) for name in list(RESOURCES) if name.startswith("KeyFor"))
    machines = ("Distribute", "RecoverStateMachine", "FleetStateMachine")
    groups = {(f"{name}LogGroup", "LogGroupName") for name in ("Api", *machines)}
    assert named.keys() == groups | {("OutgoingBus", "Name")}
    assert all("${AWS::StackName}" in value["Fn::Sub"] for value in named.values())


@pytest.mark.parametrize("literal", [r"arn:aws:", r"\b[a-z]{2}-[a-z]+-\d\b", r"\b\d{12}\b", r"amazonaws\.com"])
def test_no_partition_region_or_account_is_hard_coded(literal):
    without_regions_of_genesys = re.sub(
        r"(?s)(  GenesysRegion:\n.*?AllowedValues:\n).*?(    Description:)", r"\1\2", TEXT
    )
    assert without_regions_of_genesys != TEXT
    # A service principal has this name in every partition.
    without_principals = re.sub(
        r"(Service|Principal): (scheduler|events|cloudwatch|codedeploy|secretsmanager|apigateway)\.amazonaws\.com",
        "",
        without_regions_of_genesys,
    )
    assert not re.search(literal, without_principals)


def test_the_regions_are_those_whose_hosts_are_known():
    assert TEMPLATE["Parameters"]["GenesysRegion"]["AllowedValues"] == ["", *DOMAINS]


def test_a_deployment_may_have_every_actuator_of_the_platform():
    assert sorted(TEMPLATE["Parameters"]["Actuator"]["AllowedValues"]) == sorted(names_for("platform"))


def test_the_token_function_learns_that_the_stack_is_deleted():
    assert RESOURCES["TokenRevocation"]["Type"].startswith("Custom::")
    assert RESOURCES["TokenRevocation"]["Properties"]["ServiceToken"] == {"Fn::GetAtt": ["TokenFunction", "Arn"]}


# ---- what each may do ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALLOWED)
def test_a_role_allows_what_its_function_does_and_nothing_else(name):
    assert allowed(name) == ALLOWED[name]


def test_the_list_of_roles_is_complete():
    assert {name for name, item in RESOURCES.items() if item.get("Properties", {}).get("Policies")} == ALLOWED.keys()
    assert of_type("AWS::IAM::Role").keys() == {"DrawDeploymentRole", "DrawRole", "ScheduleRole"}
    assert not of_type("AWS::IAM::ManagedPolicy")
    others = {name for name in of_type("AWS::IAM::Policy") if not name.startswith("KeyFor")}  # those: test_key.py
    assert others == {
        *("ApprovalsFunctionPolicy", "AuditFunctionPolicy", "RecoverFunctionPolicy"),
        *("ScheduleRolePolicy", "ValidateFunctionPolicy"),
        *("FleetStateMachinePolicy", "NotifyFunctionPolicy"),
    }


GO_IN_A_CIRCLE = {
    "ApprovalsFunctionRole": {
        ("states:SendTaskSuccess", "DistributeStateMachine"),
        ("states:SendTaskFailure", "DistributeStateMachine"),
    },
    "AuditFunctionRole": {
        ("states:GetExecutionHistory", "executions of DistributeStateMachine"),
        ("states:GetExecutionHistory", "executions of RecoverStateMachine"),
    },
    "ValidateFunctionRole": {("states:GetExecutionHistory", "executions of DistributeStateMachine")},
    "RecoverFunctionRole": {
        ("states:StartExecution", "RecoverStateMachine"),
        ("states:DescribeExecution", "executions of DistributeStateMachine"),
        ("states:DescribeExecution", "executions of RecoverStateMachine"),
    },
    "ScheduleRole": {
        ("states:StartExecution", "DistributeStateMachine"),
        ("sqs:SendMessage", "ScheduleDeadLetters"),
    },
    "FleetStateMachineRole": {
        ("states:StartExecution", "FleetStateMachine"),
        ("states:DescribeExecution", "executions of FleetStateMachine"),
        ("states:RedriveExecution", "executions of FleetStateMachine/queues"),
    },
}
"""Permissions in a policy outside the role: the resources that they name depend on the role."""


@pytest.mark.parametrize("role", GO_IN_A_CIRCLE)
def test_a_policy_outside_its_role_allows_what_it_is_there_for(role):
    (properties,) = (
        item["Properties"]
        for item in of_type("AWS::IAM::Policy").values()
        if item["Properties"]["Roles"] == [{"Ref": role}]
    )
    allowed_to = {
        (action, readable(resource))
        for statement in properties["PolicyDocument"]["Statement"]
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }
    assert allowed_to == GO_IN_A_CIRCLE[role]


def test_only_eventbridge_scheduler_may_take_the_schedule_role():
    (trust,) = RESOURCES["ScheduleRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"] == {
        "StringEquals": {
            "aws:SourceAccount": {"Ref": "AWS::AccountId"},
            "aws:SourceArn": [{"Fn::GetAtt": [group, "Arn"]} for group in ("ScheduleGroup", "OneTimeGroup")],
        }
    }


def test_only_genesys_may_take_the_draw_role_and_only_for_one_organisation():
    role = RESOURCES["DrawRole"]
    (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {
        "Effect": "Allow",
        "Principal": {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${GenesysAwsAccountId}:root"}},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": {"Ref": "GenesysOrganisationId"}}},
    }
    given = [
        {"Fn::Not": [{"Fn::Equals": [{"Ref": f"Genesys{name}Id"}, ""]}]} for name in ("AwsAccount", "Organisation")
    ]
    assert TEMPLATE["Conditions"][role["Condition"]] == {"Fn::And": given}
    assert TEMPLATE["Outputs"]["DrawRoleArn"]["Condition"] == role["Condition"]
    assert "GenesysDrawsForOneOrganisation" in TEMPLATE["Rules"]


def test_a_draw_ends_before_its_function_does():
    assert PARAMETERS["DrawPatienceS"]["MaxValue"] < FUNCTIONS["DrawFunction"]["Properties"]["Timeout"]
    assert PARAMETERS["DrawPatienceS"]["Default"] <= 1


def test_only_explained_permissions_are_allowed_on_everything():
    stars = {action for name in ALLOWED for action, where in allowed(name).items() if "*" in where}
    assert stars == LOG_DELIVERY | {"scheduler:ListSchedules", "cloudwatch:DescribeAlarms"}
    assert re.search(r"# It asks for .*\n\s+- Effect: Allow\n\s+Action: cloudwatch:DescribeAlarms\n", TEXT)
    assert re.search(r"# .* IAM cannot narrow it\.\n\s+- Effect: Allow\n\s+Action: scheduler:ListSchedules\n", TEXT)
    comments = re.findall(r"# (.*)\n\s+- Effect: Allow\n\s+Action:\n(?:\s+- logs:\w+\n)+\s+Resource: \"\*\"", TEXT)
    assert len(comments) == len(MACHINES)
    assert all("no resource-level permissions" in comment for comment in comments)


def test_only_the_token_function_and_the_rotation_read_the_client_credentials():
    holders = {name for name, item in RESOURCES.items() if "CredentialsSecret" in set(names_in(item))}
    assert holders == {"TokenFunction", "RotateFunction", "CredentialsRotation"}


def test_nothing_rotates_before_the_secrets_have_values_and_unless_it_is_asked_for():
    rotation = {name: item for name, item in RESOURCES.items() if item.get("Condition") == "RotatesCredentials"}
    assert rotation.keys() == {
        *("RotateFunction", "RotateLogGroup", "RotatePermission", "RotationFailsAlarm"),
        *("CredentialsRotation", "TokenRotation"),
    }
    for name in ("CredentialsRotation", "TokenRotation"):
        assert rotation[name]["Properties"]["RotateImmediatelyOnUpdate"] is False
        assert rotation[name]["DependsOn"] == "RotatePermission"
    assert PARAMETERS["RotateCredentialsDays"]["MaxValue"] <= MOST_ROTATION_DAYS


def test_no_function_reserves_concurrency():
    """A new account may have 10 altogether and none to reserve. Calls beyond a reservation are refused, not queued."""
    assert not [name for name, item in FUNCTIONS.items() if "ReservedConcurrentExecutions" in item["Properties"]]


def test_every_route_except_the_webhooks_needs_a_signed_request():
    auth = RESOURCES["Api"]["Properties"]["Auth"]
    assert (auth["EnableIamAuthorizer"], auth["DefaultAuthorizer"]) == (True, "AWS_IAM")
    routes = [
        event["Properties"]
        for item in FUNCTIONS.values()
        for event in item["Properties"].get("Events", {}).values()
        if event["Type"] != "Schedule"
    ]
    assert len(routes) == 49
    assert all(list(names_in(route["ApiId"])) == ["Api"] for route in routes)
    (public,) = (route for route in routes if "Auth" in route)
    assert (public["Method"], public["Path"]) == ("POST", "/webhooks/genesys/callback")
    assert public["Auth"] == {"Authorizer": "NONE"}
    assert public in [event["Properties"] for event in FUNCTIONS["WebhookFunction"]["Properties"]["Events"].values()]
    # The route that anybody may call has its own throttle, so that nobody can lock operators out with it.
    throttled = RESOURCES["Api"]["Properties"]["RouteSettings"]
    # So have draws: a contact is waiting for each.
    assert {f"{public['Method']} {public['Path']}", "POST /queues/{queue_id}/draws"} <= throttled.keys()
    # Routes that ask Genesys whenever they are called, so that a page that reloads cannot use up the request budget.
    shares = {"GET /queues/{queue_id}/shares", "GET /queues/{queue_id}/shares.svg"}
    assert {route for route, throttle in throttled.items() if throttle["ThrottlingRateLimit"] <= 2} == shares
    assert shares <= {f"{route['Method']} {route['Path']}" for route in routes}
    assert not any("FunctionUrlConfig" in item["Properties"] for item in FUNCTIONS.values())


def test_every_route_of_people_names_the_authorizer_except_the_desks():
    """A security requirement of the whole document is not enough to rely on."""
    definition = RESOURCES["PeopleApi"]["Properties"]["DefinitionBody"]
    assert definition["security"] == [{"people": []}]
    of_desk = {"/desk", "/desk/{proxy+}"}
    assert definition["paths"].keys() > of_desk
    for path, item in definition["paths"].items():
        condition, methods, otherwise = item["Fn::If"] if path in of_desk else (None, item, None)
        assert methods.keys() == {"x-amazon-apigateway-any-method"}
        method = methods["x-amazon-apigateway-any-method"]
        integration = method["x-amazon-apigateway-integration"]["$ref"].rpartition("/")[2]
        assert (path in of_desk) == (integration == "Desk") == (condition == "ServesDesk")
        assert method["security"] == ([] if path in of_desk else [{"people": []}]), path
        assert otherwise == ({"Ref": "AWS::NoValue"} if path in of_desk else None)


def test_the_desk_is_there_only_if_people_sign_in_with_genesys_and_a_client_is_named():
    little = {"GENESYS_BASE_URL": "http://localhost"}
    with_people = little | {"PEOPLE_SIGN_IN": "genesys"}
    of_desk = {"DeskFunction", "DeskLogGroup", "DeskPermission", "SessionsTable"}
    assert {name for name, item in RESOURCES.items() if item.get("Condition") == "ServesDesk"} == of_desk
    for environment, there in (
        (little, False),
        (little | {"DESK_CLIENT_ID": "c"}, False),
        (with_people, False),
        (with_people | {"DESK_CLIENT_ID": "c"}, True),
    ):
        loaded = template.load(ROOT / "template.yaml", environment, "us-east-1")
        assert ("DeskFunction" in {each.name for each in loaded.functions}) == there
        assert ("/desk" in (loaded.people or {"paths": {}})["paths"]) == there


# ---- settings --------------------------------------------------------------------------------------------------------


API = "routing_weights.api"


def settings_of(folder):
    """Return the settings model that a function's code loads, or that the routes of its API load."""
    app = ast.parse((ROOT / "functions" / folder / "app.py").read_text(encoding="utf-8"))
    routes = {
        f"{node.module}.{alias.name}".removeprefix(f"{API}.").partition(".")[0]
        for node in ast.walk(app)
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{API}.")
        for alias in node.names
    }
    folder_of_routes = Path(settings.__file__).parent / "api"
    trees = [app, *(ast.parse((folder_of_routes / f"{name}.py").read_text(encoding="utf-8")) for name in routes)]
    (name,) = {
        node.func.value.id
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "load"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id.endswith("Settings")
    }
    return getattr(settings, name)


def environment_of(folder):
    return FUNCTIONS[f"{folder.title()}Function"]["Properties"]["Environment"]["Variables"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_function_gets_every_setting_it_reads_and_no_other(folder):
    read = {name.upper() for name in settings_of(folder).model_fields}
    assert environment_of(folder).keys() == read - OF_LAMBDA.keys()


def test_every_function_has_the_variables_of_powertools():
    shared = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert shared.keys() == {"LOG_LEVEL", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_setting_is_named_after_the_parameter_or_resource_that_sets_it(folder):
    for variable, value in environment_of(folder).items():
        sources = list(names_in(value))
        assert len(sources) == (2 if "Fn::If" in value else 1), f"{variable} is set from {sources}"
        for source in sources:
            words = variable_of(source).removesuffix("_ARN")
            assert variable.removesuffix("_ARN") in {words, words.removeprefix("DISTRIBUTE_")}, f"set from {source}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_secret_is_in_an_environment(folder):
    assert "resolve:" not in str(environment_of(folder))
    for variable, value in environment_of(folder).items():
        if variable.endswith("_SECRET"):
            assert value.keys() == {"Ref"}, "the secret's id, never its value"


def test_no_parameter_is_a_secret_and_every_one_is_used():
    assert not any(rule.get("NoEcho") for rule in PARAMETERS.values())
    used = set(names_in([RESOURCES, TEMPLATE["Globals"], TEMPLATE["Conditions"]]))
    assert PARAMETERS.keys() <= used


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_is_described_and_bounded(name):
    rule = PARAMETERS[name]
    assert rule["Description"].strip().endswith(".")
    assert "AllowedValues" in rule or (
        {"MinValue", "MaxValue"} <= rule.keys() if rule["Type"] == "Number" else "AllowedPattern" in rule
    )
    if "AllowedPattern" in rule:
        assert rule["ConstraintDescription"].startswith("must be")
        assert rule["AllowedPattern"].startswith("^")
        assert rule["AllowedPattern"].endswith("$")


def test_the_parameter_takes_the_gates_that_the_code_knows():
    rule, names = PARAMETERS["RequiredGates"], "|".join(GATES)
    assert rule["AllowedPattern"] == f"^$|^({names})(,({names}))*$"
    assert [gate for gate in GATES if gate not in rule["ConstraintDescription"]] == []
    assert rule["Default"].split(",") == [*GATES], "every gate is required by default; if not, say here why"


def models_with(variable):
    """The settings models that read a variable."""
    found = [model for model in vars(settings).values() if isinstance(model, type)]
    return [m for m in found if issubclass(m, settings.Settings) and variable.lower() in m.model_fields]


OF_SERVICES = {"RotateCredentialsDays", "EvidenceRetentionDays"}
"""Numbers that no function reads: services of AWS do."""


@pytest.mark.parametrize(
    "name", [name for name, rule in PARAMETERS.items() if "MinValue" in rule and name not in OF_SERVICES]
)
def test_a_number_has_the_bounds_of_its_setting(name):
    rule, models = PARAMETERS[name], models_with(variable_of(name))
    assert models
    for bound in [bound for m in models for bound in m.model_fields[variable_of(name).lower()].metadata]:
        match bound:
            case Ge(ge=least):
                assert rule["MinValue"] == least
            case Gt(gt=below):
                # Without minutes there is no patrol, so its function never reads the 0.
                assert rule["MinValue"] > below or name == "DriftPatrolMinutes"
            case Le(le=most):
                assert rule["MaxValue"] == most


def test_the_page_on_deploying_has_every_parameter_with_its_default():
    page = (ROOT / "docs/administer/deploy.md").read_text(encoding="utf-8")
    written = {}
    for names, defaults in re.findall(r"^\| (`[A-Z]\w+`(?:, `\w+`)*) \| (.+?) \|", page, re.MULTILINE):
        written |= zip(re.findall(r"\w+", names), defaults.replace("`", "").split(", "), strict=True)
    words = {"": "empty", ",".join(GATES): "all"}
    defaults = {name: str(rule.get("Default", "required")) for name, rule in PARAMETERS.items()}
    assert written == {name: words.get(default, default) for name, default in defaults.items()}


@pytest.mark.parametrize("name", [name for name, rule in PARAMETERS.items() if "Default" in rule])
def test_a_default_obeys_its_own_rule(name):
    rule = PARAMETERS[name]
    if "AllowedPattern" in rule:
        assert re.fullmatch(rule["AllowedPattern"], rule["Default"])
    if rule["Type"] == "Number" and "MinValue" in rule:
        assert rule["MinValue"] <= rule["Default"] <= rule["MaxValue"]
    if "AllowedValues" in rule:
        assert rule["Default"] in rule["AllowedValues"]


@pytest.mark.parametrize(
    "url",
    ["genesys.example.com", "ftp://x.example", "https://me:secret@x.example", "https://x.example?a=b", "https://x y"],
)
def test_an_address_with_credentials_a_query_or_another_scheme_is_refused(url):
    for name in ("GenesysBaseUrl", "GenesysLoginUrl", "OutgoingWebhookUrl", "LinkBaseUrl"):
        assert not re.fullmatch(PARAMETERS[name]["AllowedPattern"], url)


def test_the_longest_read_back_fits_into_verify():
    assert PARAMETERS["VerifyTimeoutS"]["MaxValue"] + 20 < FUNCTIONS["VerifyFunction"]["Properties"]["Timeout"]


def test_the_longest_read_backs_fit_into_restore():
    assert 2 * PARAMETERS["VerifyTimeoutS"]["MaxValue"] + 40 < FUNCTIONS["RestoreFunction"]["Properties"]["Timeout"]


# ---- logs, alarms and data -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_its_own_log_group(name):
    group = name.replace("Function", "LogGroup")
    assert FUNCTIONS[name]["Properties"]["LoggingConfig"]["LogGroup"] == {"Ref": group}


@pytest.mark.parametrize("name", of_type("AWS::Logs::LogGroup"))
def test_logs_expire(name):
    assert RESOURCES[name]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert name in set(names_in({key: item for key, item in RESOURCES.items() if key != name}))


def test_a_log_group_of_aws_has_the_prefix_that_needs_no_policy():
    delivered = {name: item["Properties"]["Logging"]["Destinations"] for name, item in of_type(MACHINE).items()}
    delivered |= {name: api["Properties"]["AccessLogSettings"] for name, api in of_type(HTTP_API).items()}
    groups = [group for where in delivered.values() for group in names_in(where)]
    assert len(groups) == len(delivered) == 5
    for group in groups:
        assert RESOURCES[group]["Properties"]["LogGroupName"]["Fn::Sub"].startswith("/aws/vendedlogs/")


@pytest.mark.parametrize("machine", MACHINES)
def test_the_state_machine_logs_no_plans(machine):
    assert RESOURCES[machine]["Properties"]["Logging"]["IncludeExecutionData"] is False


def test_an_execution_that_ends_uncaught_is_recovered():
    (rule,) = RESOURCES["RecoverStateMachine"]["Properties"]["Events"].values()
    detail = rule["Properties"]["Pattern"]["detail"]
    assert set(detail["status"]) == {"FAILED", "TIMED_OUT", "ABORTED"}
    assert detail["stateMachineArn"] == [{"Ref": "DistributeStateMachine"}]
    (schedule,) = FUNCTIONS["SweepFunction"]["Properties"]["Events"].values()
    assert schedule["Properties"]["Schedule"] == "rate(15 minutes)"


def test_the_patrol_has_a_schedule_unless_it_is_turned_off():
    (schedule,) = FUNCTIONS["PatrolFunction"]["Properties"]["Events"].values()
    assert schedule["Properties"]["Schedule"] == {"Fn::Sub": "cron(0/${DriftPatrolMinutes} * * * ? *)"}
    for name in ("PatrolFunction", "PatrolLogGroup", "PatrolFailsAlarm"):
        assert RESOURCES[name]["Condition"] == "PatrolsDrift"
    limits = TEMPLATE["Parameters"]["DriftPatrolMinutes"]
    assert (limits["Default"], limits["MinValue"], limits["MaxValue"]) == (15, 0, 59), "minutes of a cron"


def test_nothing_but_the_api_invokes_the_schedules_function():
    events = FUNCTIONS["SchedulesFunction"]["Properties"]["Events"].values()
    assert {event["Type"] for event in events} == {"HttpApi"}


def test_accuracy_is_measured_on_a_schedule():
    (schedule,) = FUNCTIONS["CalibrateFunction"]["Properties"]["Events"].values()
    assert (schedule["Type"], schedule["Properties"]["Schedule"]) == ("Schedule", "rate(30 minutes)")


ALARMS = of_type("AWS::CloudWatch::Alarm")


def heading_of(alarm):
    """`SweepFailsAlarm` is explained under the heading `Sweep fails`, whose link ends in `#sweep-fails`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", alarm.removesuffix("Alarm")).lower()


def dimensions_of(alarm):
    """The metrics that an alarm watches: (name, dimension, the resource that the dimension names)."""
    properties = ALARMS[alarm]["Properties"]
    metrics = [item["MetricStat"]["Metric"] for item in properties.get("Metrics", []) if "MetricStat" in item]
    return {
        (metric["MetricName"], dimension["Name"], *names_in(dimension["Value"]))
        for metric in metrics or [properties]
        for dimension in metric["Dimensions"]
    }


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_says_what_happened_and_what_to_do(name):
    description = ALARMS[name]["Properties"]["AlarmDescription"]
    what, _, then = description.partition(". ")
    assert what.startswith(
        ("A distribution ", "A draw ", "A fleet ", "A record ", "A rotation ", "A wave ", "A webhook ")
    )
    assert re.match(r"(Find|Read|Check|Compare|Send|Put|Look) ", then), then
    assert description.endswith(f". docs/operate/alarms.md#{heading_of(name)}")
    assert ALARMS[name]["Properties"]["TreatMissingData"] == "notBreaching"


def test_every_alarm_has_a_section_in_the_docs():
    page = (ROOT / "docs/operate/alarms.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)+)", page, re.MULTILINE))
    assert {heading.lower().replace(" ", "-") for heading in sections} == {heading_of(name) for name in ALARMS}
    for heading, text in sections.items():
        assert re.findall(r"^\*\*(.+?)\.\*\* ", text, re.MULTILINE) == ["What it means", "Look at", "Do"], heading


REDRIVEN = {f"{kind}DeadLetters": f"{kind}Queue" for kind in ("Webhook", "Outgoing", "Notify")}
"""Dead-letter queues that also get messages directly. Such messages have no source queue for a redrive."""


@pytest.mark.parametrize(("dead_letters", "queue"), REDRIVEN.items())
def test_a_redrive_names_its_destination(dead_letters, queue):
    assert f"redrive of {dead_letters} with {queue} as its destination" in " ".join(
        ALARMS[f"{dead_letters}Alarm"]["Properties"]["AlarmDescription"].split()
    )
    pages = [" ".join(page.read_text(encoding="utf-8").split()) for page in sorted((ROOT / "docs").rglob("*.md"))]
    advice = [sentence for page in pages for sentence in page.split(". ") if re.search("then redrive", sentence)]
    assert any(queue in sentence for sentence in advice)
    assert all(any(known in sentence for known in REDRIVEN.values()) for sentence in advice)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_is_sent_when_it_begins_and_when_it_ends(name):
    topic = [{"Fn::If": ["MakesAlarmTopic", {"Ref": "AlarmTopic"}, {"Ref": "AlarmTopicArn"}]}]
    properties = ALARMS[name]["Properties"]
    assert (properties["AlarmActions"], properties["OKActions"]) == (topic, topic)
    assert properties.get("ActionsEnabled", True) is True


def test_an_alarm_can_be_published_to_the_topic():
    assert TEMPLATE["Conditions"]["MakesAlarmTopic"] == {"Fn::Equals": [{"Ref": "AlarmTopicArn"}, ""]}
    topic, policy = RESOURCES["AlarmTopic"], RESOURCES["AlarmTopicPolicy"]
    assert topic["Condition"] == policy["Condition"] == "MakesAlarmTopic"
    assert policy["Properties"]["Topics"] == [{"Ref": "AlarmTopic"}]
    statement, _ = policy["Properties"]["PolicyDocument"]["Statement"]  # the other one: test_key.py
    assert statement["Condition"].keys() == {"StringEquals", "ArnLike"}, "of this account, and of an alarm"
    assert statement == {
        "Effect": "Allow",
        "Condition": statement["Condition"],
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": {"Ref": "AlarmTopic"},
    }


def test_the_mail_address_is_subscribed_to_the_alarm_topic():
    subscription = RESOURCES["AlarmSubscription"]
    assert subscription["Condition"] == "MailsAlarms"
    assert TEMPLATE["Conditions"]["MailsAlarms"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmEmail"}, ""]}]}
    assert subscription["Properties"] == {
        "TopicArn": ALARMS["SweepFailsAlarm"]["Properties"]["AlarmActions"][0],
        "Protocol": "email",
        "Endpoint": {"Ref": "AlarmEmail"},
    }


def test_an_execution_that_does_not_complete_raises_an_alarm():
    """A recovery ends an aborted distribution. Nothing ends an aborted recovery or fleet."""
    ends = {
        "DistributionsFailAlarm": "DistributeStateMachine",
        "RecoveriesFailAlarm": "RecoverStateMachine",
        "FleetsFailAlarm": "FleetStateMachine",
    }
    assert set(ends.values()) == MACHINES.keys()
    for alarm, machine in ends.items():
        aborted = {"ExecutionsAborted"} if machine != "DistributeStateMachine" else set()
        counted = {"ExecutionsFailed", "ExecutionsTimedOut"} | aborted
        assert dimensions_of(alarm) == {(metric, "StateMachineArn", machine) for metric in counted}


@pytest.mark.parametrize("name", [name for name in ALARMS if "Metrics" in ALARMS[name]["Properties"]])
def test_an_alarm_on_several_metrics_counts_each_of_them(name):
    """A metric without data is missing, and then a sum with it would be missing, too."""
    (math,) = (item for item in ALARMS[name]["Properties"]["Metrics"] if "Expression" in item)
    parts = [item for item in ALARMS[name]["Properties"]["Metrics"] if "MetricStat" in item]
    assert set(math["Expression"].split(" + ")) == {f"FILL({part['Id']}, 0)" for part in parts}
    assert math.get("ReturnData", True) is True
    assert all(part["ReturnData"] is False and part["MetricStat"]["Stat"] == "Sum" for part in parts)


def test_a_draw_without_an_answer_raises_an_alarm_also_if_lambda_refuses_to_begin_it():
    invoked = {(metric, "FunctionName", "DrawFunction") for metric in ("Errors", "Throttles")}
    assert dimensions_of("DrawsFailAlarm") == {("DrawFailed", "service", "AWS::StackName"), *invoked}


def test_an_incomplete_restore_raises_an_alarm():
    assert dimensions_of("RestoreFailedAlarm") == {
        (metric, "service", "AWS::StackName") for metric in ("RestorePartial", "RestoreFailed")
    }


def dead_letter_queues():
    """Return every queue that receives the failures of another resource."""
    targets = ("deadLetterTargetArn", "DeadLetterConfig", "OnFailure", "DeadLetterArn", "DeadLetterQueue")

    def given(value):
        for key, item in (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        ):
            yield from names_in(item) if key in targets else given(item)

    handed_over = {name for name in FUNCTIONS for name in names_in(FUNCTIONS[name]) if name.endswith("DeadLetters")}
    return {*given(RESOURCES), *handed_over}


def test_every_dead_letter_queue_has_an_alarm():
    queues = dead_letter_queues()
    assert queues == {name for name in of_type("AWS::SQS::Queue") if name.endswith("DeadLetters")}
    metric = "ApproximateNumberOfMessagesVisible"
    watched = set().union(*map(dimensions_of, ALARMS))
    assert queues == {queue for name, _, *rest in watched if name == metric for queue in rest}


def test_every_function_for_whose_answer_nobody_waits_has_an_alarm():
    """Only an alarm shows that it fails: a schedule starts it, or somebody invokes it asynchronously."""
    unattended = {
        name
        for name, item in FUNCTIONS.items()
        if any(event["Type"] == "Schedule" for event in item["Properties"].get("Events", {}).values())
        or "EventInvokeConfig" in item["Properties"]
    }
    watched = set().union(*map(dimensions_of, ALARMS))
    of_errors = {function for name, _, *rest in watched if name == "Errors" for function in rest}
    rotating = {"RotateFunction"}  # Secrets Manager invokes it
    assert of_errors == unattended | rotating | {"DrawFunction"}, "a flow hides from its caller that a draw failed"


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("AlarmTopicArn", "arn:aws:sns:eu-central-1:123456789012:pager", True),
        ("AlarmTopicArn", "arn:aws:sns:eu-central-1:123456789012:pager.fifo", False),
        ("AlarmTopicArn", "pager", False),
        ("AlarmEmail", "on-call@example.com", True),
        ("AlarmEmail", "on-call", False),
        ("AlarmEmail", "a@example.com, b@example.com", False),
    ],
)
def test_the_parameter_checks_the_mail_address_of_alarms(name, value, fits):
    assert bool(re.fullmatch(PARAMETERS[name]["AllowedPattern"], value)) is fits


def test_the_audit_trail_outlives_the_stack():
    table = RESOURCES["AuditTable"]
    assert table["DeletionPolicy"] == "RetainExceptOnCreate"
    assert table["UpdateReplacePolicy"] == "Retain"


def test_the_audit_table_is_protected_after_the_first_deployment():
    """DynamoDB refuses to delete a protected table, also in the rollback of a first deployment."""
    assert PARAMETERS["ProtectAuditTable"]["Default"] == "off"
    assert TEMPLATE["Conditions"]["AuditTableIsProtected"] == {"Fn::Equals": [{"Ref": "ProtectAuditTable"}, "on"]}
    protected = {name: table["Properties"].get("DeletionProtectionEnabled") for name, table in of_type(TABLE).items()}
    for name in ("AuditTable", "ChainsTable"):
        assert protected.pop(name) == {"Fn::If": ["AuditTableIsProtected", True, False]}
    assert set(protected.values()) == {None}


def test_nobody_may_change_or_delete_an_audit_record():
    granted = {action for name in ALLOWED for action, where in allowed(name).items() if "AuditTable" in where}
    assert granted == {"dynamodb:PutItem", "dynamodb:Query", "dynamodb:BatchGetItem", "dynamodb:Scan"}


def test_data_survives_the_stack_but_not_a_failed_first_deployment():
    kept = {name for name, item in RESOURCES.items() if item.get("UpdateReplacePolicy") == "Retain"}
    assert kept == {
        *("AuditTable", "ChainsTable", "ForecastTable", "SkillsTable", "BaselinesTable", "DriftTable", "FleetsTable"),
        *("PlansTable", "DocumentsBucket", "SharesTable", "EvidenceBucket", "CheckpointKey"),
    }
    # The rollback of a first deployment deletes what it has created; `Retain` would leave it behind.
    assert kept == {name for name, item in RESOURCES.items() if item.get("DeletionPolicy") == "RetainExceptOnCreate"}
    assert "Retain" not in {item.get("DeletionPolicy") for item in RESOURCES.values()}


@pytest.mark.parametrize("name", of_type(TABLE))
def test_a_retained_table_has_point_in_time_recovery(name):
    recovery = RESOURCES[name]["Properties"].get("PointInTimeRecoverySpecification")
    kept = RESOURCES[name]["UpdateReplacePolicy"] == "Retain"
    assert recovery == ({"PointInTimeRecoveryEnabled": True} if kept else None)


def test_documents_are_private_encrypted_and_versioned():
    bucket = RESOURCES["DocumentsBucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["VersioningConfiguration"]["Status"] == "Enabled"
    assert "BucketEncryption" in bucket


def test_a_lock_does_not_expire():
    """Its owner releases it, or a recovery takes it over and first restores what the owner left half done."""
    assert "TimeToLiveSpecification" not in RESOURCES["LocksTable"]["Properties"]
    assert set(ASL["States"]["Lock"]["Arguments"]["Item"]) == {"queue_id", "holder", "taken_at"}


@pytest.mark.parametrize("name", ["ForecastTable", "SharesTable", "NotificationsTable", "SessionsTable"])
def test_an_item_expires_by_the_attribute_that_the_store_writes(name):
    ttl = RESOURCES[name]["Properties"]["TimeToLiveSpecification"]
    assert ttl == {"AttributeName": "expires_at", "Enabled": True}


# ---- webhooks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Webhook", "Outgoing", "Notify"])
def test_an_event_that_cannot_be_processed_ends_as_a_dead_letter(kind):
    queue = RESOURCES[f"{kind}Queue"]["Properties"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": [f"{kind}DeadLetters", "Arn"]}
    dimensions = RESOURCES[f"{kind}DeadLettersAlarm"]["Properties"]["Dimensions"]
    assert dimensions == [{"Name": "QueueName", "Value": {"Fn::GetAtt": [f"{kind}DeadLetters", "QueueName"]}}]


def test_an_event_is_retried_for_longer_than_a_distribution_may_take():
    most = RESOURCES["WebhookQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
    pauses = [min(FIRST_PAUSE_S * 2**n, LONGEST_PAUSE_S) for n in range(most - 1)]
    assert MAX_RUN_S < sum(pauses) < MAX_RUN_S * 1.25


def test_a_repair_may_wait_as_long_as_the_parameter_allows():
    """Lambda ends a chain of a function and its own queue after 16 invocations, unless the function allows it."""
    in_a_row = PARAMETERS["RepairAfterS"]["MaxValue"] / LONGEST_DELAY_S
    assert in_a_row < 16 or FUNCTIONS["DriftFunction"]["Properties"].get("RecursiveLoop") == "Allow"
    assert [name for name, item in FUNCTIONS.items() if "RecursiveLoop" in item["Properties"]] == ["DriftFunction"]


def test_a_message_stays_hidden_while_its_function_may_run():
    for queue, function in (
        ("WebhookQueue", "DriftFunction"),
        ("OutgoingQueue", "OutgoingFunction"),
        ("NotifyQueue", "NotifyFunction"),
        ("StandingsQueue", "StandingsFunction"),
    ):
        timeout = FUNCTIONS[function]["Properties"]["Timeout"]
        assert RESOURCES[queue]["Properties"]["VisibilityTimeout"] == 6 * timeout


def test_a_queue_is_read_once_a_change_can_show():
    assert RESOURCES["WebhookQueue"]["Properties"]["DelaySeconds"] == QUIET_S


def test_a_batch_fails_in_part_and_a_burst_has_bounded_concurrency():
    mappings = of_type("AWS::Lambda::EventSourceMapping")
    assert {str(one["Properties"]["FunctionResponseTypes"]) for one in mappings.values()} == {
        "['ReportBatchItemFailures']"
    }
    assert mappings["WebhookQueueMapping"]["Properties"]["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_a_delivery_expires_by_the_attribute_that_the_store_writes():
    ttl = RESOURCES["DeliveriesTable"]["Properties"]["TimeToLiveSpecification"]
    assert ttl == {"AttributeName": "expires_at", "Enabled": True}


def senders_to(queue):
    """Return the condition and the rule of each statement that lets EventBridge send to a queue."""
    choices = [each["Fn::If"] for each in RESOURCES["QueuesPolicy"]["Properties"]["PolicyDocument"]["Statement"][1:]]
    senders = []
    for condition, statement, otherwise in choices:
        assert otherwise == {"Ref": "AWS::NoValue"}
        assert (statement["Principal"], statement["Action"]) == ({"Service": "events.amazonaws.com"}, "sqs:SendMessage")
        (rule,) = names_in(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
        senders += [(condition, rule) for name in names_in(statement["Resource"]) if name == queue]
    return senders


def test_without_a_partner_bus_there_is_no_rule():
    assert {name for name, item in RESOURCES.items() if item.get("Condition") == "HasPartnerBus"} == {
        *("PartnerRule", "AgentsRule", "StandingsMapping"),
    }
    assert PARAMETERS["PartnerEventBus"]["Default"] == ""


@pytest.mark.parametrize(("rule", "queue"), [("PartnerRule", "WebhookQueue"), ("AgentsRule", "StandingsQueue")])
def test_only_a_rule_of_the_partner_bus_may_fill_its_queue(rule, queue):
    properties = RESOURCES[rule]["Properties"]
    assert properties["EventBusName"] == {"Ref": "PartnerEventBus"}
    (target,) = properties["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [queue, "Arn"]}
    assert senders_to(queue) == [("HasPartnerBus", rule)]


@pytest.mark.parametrize("topic", ["v2.audits.entitytype.Queue.entityid.q-1", "v2.routing.queues.q-1.users"])
def test_the_rule_passes_every_event_that_the_parser_reads(topic):
    assert heard_by_the_rule(topic)
    event_of(json.dumps({"topicName": topic, "eventBody": {}}).encode(), "d")


@pytest.mark.parametrize("topic", ["v2.audits.entitytype.User.entityid.u-1", "v2.users.u-1.presence"])
def test_the_rule_passes_no_other_event(topic):
    assert not heard_by_the_rule(topic)


@pytest.mark.parametrize(
    "topic", ["v2.users.u-1.routingStatus", "v2.users.u-1.activity", "v2.routing.queues.q-1.users"]
)
def test_the_rule_of_agents_passes_every_event_that_its_parser_reads(topic):
    assert heard_by_the_rule(topic, "AgentsRule")
    detail = {"topicName": topic, "eventBody": {"id": "u-1", "joined": True, "routingStatus": {"status": "IDLE"}}}
    assert agent_event_in(json.dumps({"detail": detail}), 0.0)


@pytest.mark.parametrize("topic", ["v2.users.u-1.presence", "v2.routing.queues.q-1.conversations"])
def test_the_rule_of_agents_passes_no_other_event(topic):
    assert not heard_by_the_rule(topic, "AgentsRule")


def test_an_event_of_an_agent_expires_before_it_is_worth_nothing():
    queue, function = RESOURCES["StandingsQueue"]["Properties"], FUNCTIONS["StandingsFunction"]["Properties"]
    assert queue["MessageRetentionPeriod"] <= AWAY_S
    assert function["Timeout"] == CLAIM_S, "two never read at once"
    assert function["EventInvokeConfig"]["MaximumRetryAttempts"] == 0


def test_a_bucket_is_corrected_several_times_before_it_is_given_up():
    (schedule,) = FUNCTIONS["CorrectFunction"]["Properties"]["Events"].values()
    assert (schedule["Type"], schedule["Properties"]["Schedule"]) == ("Schedule", "rate(5 minutes)")
    assert GIVE_UP_S - SETTLED_S >= 5 * 300


def heard_by_the_rule(topic, rule="PartnerRule"):
    kind = re.sub(r"(?<=entitytype\.)\w+|(?<=entityid\.)[\w-]+|(?<=queues\.|.users\.)[\w-]+", "{id}", topic)
    event = {"source": PARTNER_BUS, "detail-type": kind, "detail": {"topicName": topic}}
    return EventPattern.load(json.dumps(RESOURCES[rule]["Properties"]["EventPattern"])).matches_event(event)


@pytest.mark.parametrize(
    ("name", "fits"), [(PARTNER_BUS, True), ("default", False), ("aws.partner/other.com/x", False)]
)
def test_a_partner_bus_belongs_to_genesys(name, fits):
    assert bool(re.fullmatch(PARAMETERS["PartnerEventBus"]["AllowedPattern"], name)) is fits


# ---- outcomes --------------------------------------------------------------------------------------------------------


def test_exactly_outcomes_and_measurements_are_published():
    assert RESOURCES["AuditTable"]["Properties"]["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    mapping = RESOURCES["OutcomesMapping"]["Properties"]
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["AuditTable", "StreamArn"]}
    assert mapping["StartingPosition"] == "TRIM_HORIZON", "a stream that is new holds what is to be told"
    (only,) = mapping["FilterCriteria"]["Filters"]
    assert json.loads(only["Pattern"]) == {
        "eventName": ["INSERT"],
        "dynamodb": {"Keys": {"record": {"S": [Closing.KEY, Measurement.KEY, {"prefix": ApprovalAnswered.KEY}]}}},
    }


def test_an_outcome_becomes_a_dead_letter_before_the_stream_forgets_it():
    mapping = RESOURCES["OutcomesMapping"]["Properties"]
    assert mapping["MaximumRecordAgeInSeconds"] < 86_400
    assert "MaximumRetryAttempts" not in mapping, "an outage may last for as long"
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["OutcomeDeadLetters", "Arn"]}
    dimensions = RESOURCES["OutcomeDeadLettersAlarm"]["Properties"]["Dimensions"]
    assert dimensions == [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["OutcomeDeadLetters", "QueueName"]}}]


def test_without_a_url_no_webhook_is_sent():
    off = {"OutgoingRule", "OutgoingMapping"}
    assert {name for name, item in RESOURCES.items() if item.get("Condition") == "TellsAWebhook"} == off
    assert TEMPLATE["Conditions"]["TellsAWebhook"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "OutgoingWebhookUrl"}, ""]}]}
    assert PARAMETERS["OutgoingWebhookUrl"]["Default"] == ""


def test_only_the_outcome_rule_may_fill_the_outgoing_queue():
    rule = RESOURCES["OutgoingRule"]["Properties"]
    assert rule["EventBusName"] == {"Ref": "OutgoingBus"}
    assert rule["EventPattern"] == {"source": [SOURCE], "detail-type": [DISTRIBUTION_OUTCOME]}
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["OutgoingQueue", "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["OutgoingDeadLetters", "Arn"]}}
    assert senders_to("OutgoingQueue") == [("TellsAWebhook", "OutgoingRule")]


def test_notifications_are_off_until_a_channel_is_named():
    conditions = TEMPLATE["Conditions"]
    off = {"NotifyRule", "NotifyMapping"}
    assert {name for name, item in RESOURCES.items() if item.get("Condition") == "Notifies"} == off
    defaults = {name: PARAMETERS[name]["Default"] for name in ("NotifySlack", "NotifyTeams", "NotifyEmail")}
    assert defaults == {"NotifySlack": "off", "NotifyTeams": "off", "NotifyEmail": ""}
    assert PARAMETERS["NotifyTopicArn"]["Default"] == PARAMETERS["LinkBaseUrl"]["Default"] == ""
    assert set(names_in(conditions["Notifies"])) == {"NotifySlack", "NotifyTeams"}
    assert {"Condition": "MailsNotifications"} in conditions["Notifies"]["Fn::Or"]


def test_people_read_of_every_event_of_ours_and_only_their_rule_fills_their_queue():
    rule = RESOURCES["NotifyRule"]["Properties"]
    assert rule["EventBusName"] == {"Ref": "OutgoingBus"}
    assert set(rule["EventPattern"]["detail-type"]) == {
        DISTRIBUTION_OUTCOME, DISTRIBUTION_MEASURED, DRIFT_FOUND, AWAITING_APPROVAL, APPROVAL_ANSWERED,
        FLEET_OUTCOME,
    }  # fmt: skip
    assert rule["EventPattern"]["source"] == [SOURCE]
    assert senders_to("NotifyQueue") == [("Notifies", "NotifyRule")]


def test_emails_go_to_the_topic_that_the_function_may_publish_to():
    topic = {"Fn::If": ["HasNotifyTopic", {"Ref": "NotifyTopicArn"}, {"Ref": "NotifyTopic"}]}
    statement, _ = RESOURCES["NotifyFunctionPolicy"]["Properties"]["PolicyDocument"]["Statement"]  # of the key, too
    assert statement == {"Effect": "Allow", "Action": "sns:Publish", "Resource": topic}
    assert RESOURCES["NotifySubscription"]["Properties"]["TopicArn"] == topic


def test_a_conversation_is_taken_for_longer_than_the_function_runs():
    """Three requests to Slack and one to Teams, each as slow as it may be, fit into the function's time."""
    timeout = FUNCTIONS["NotifyFunction"]["Properties"]["Timeout"]
    assert 4 * sum(TIMEOUTS_S) < timeout < TAKEN_S
    assert RESOURCES["NotifyMapping"]["Properties"]["BatchSize"] == 1


def test_a_slow_receiver_does_not_delay_other_outcomes():
    assert RESOURCES["OutgoingMapping"]["Properties"]["BatchSize"] == 1
    # During a rotation, a webhook is sent with either secret: two answers fit into the function's time.
    assert 2 * sum(TIMEOUTS_S) < FUNCTIONS["OutgoingFunction"]["Properties"]["Timeout"]


@pytest.mark.parametrize(
    "sources", ["plan", "plan,default", "genesys_wfm,plan", "plan,pushed,genesys_wfm,history,default"]
)
def test_the_parameter_accepts_the_sources_that_the_settings_accept(sources):
    assert re.fullmatch(PARAMETERS["ForecastSources"]["AllowedPattern"], sources)


@pytest.mark.parametrize("sources", ["", "plan,", "plan, default", "plan;default", "wfm", "Plan"])
def test_the_parameter_refuses_unknown_sources(sources):
    assert not re.fullmatch(PARAMETERS["ForecastSources"]["AllowedPattern"], sources)


# ---- the rest --------------------------------------------------------------------------------------------------------


SAMCONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))


def test_a_deployment_names_its_stage():
    assert SAMCONFIG["default"].keys() == {"build", "validate"}
    assert SAMCONFIG["default"]["validate"]["parameters"]["lint"] is True


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a_stage_deploys_without_named_roles_what_the_template_accepts(stage):
    deploy = SAMCONFIG[stage]["deploy"]["parameters"]
    assert deploy["capabilities"] == "CAPABILITY_IAM"
    assert deploy["confirm_changeset"] is (stage == "prod")
    for name, value in (override.split("=") for override in deploy["parameter_overrides"]):
        rule = PARAMETERS[name]
        assert value != str(rule["Default"])
        if "AllowedValues" in rule:
            assert value in map(str, rule["AllowedValues"])
        else:
            assert rule["MinValue"] <= float(value) <= rule["MaxValue"]


def test_two_stages_in_one_account_share_no_name():
    """Names of resources: test_no_resource_has_a_fixed_name. An export would be a name of the account, too."""
    stacks = [SAMCONFIG[stage]["global"]["parameters"]["stack_name"] for stage in ("dev", "prod")]
    prefixes = [SAMCONFIG[stage]["deploy"]["parameters"]["s3_prefix"] for stage in ("dev", "prod")]
    assert len({*stacks}) == len({*prefixes}) == len(stacks)
    assert all("Export" not in output for output in TEMPLATE["Outputs"].values())


def test_the_functions_run_on_the_python_of_this_repository():
    version = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    assert TEMPLATE["Globals"]["Function"]["Runtime"] == f"python{version}"
    assert RESOURCES["CoreLayer"]["Properties"]["CompatibleRuntimes"] == [f"python{version}"]
