"""What encrypts the data, who may use a key of your own, and that nothing takes a request without TLS."""

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
from samcli.yamlhelper import yaml_parse

from local.stack import template
from local.stack.iam import Permissions
from tests.support.permissions import EVERYTHING, REGION

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
RESOURCES = TEMPLATE["Resources"]
KEY, NO_VALUE = {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}
IF_THERE_IS_ONE = {"Fn::If": ["HasKey", KEY, NO_VALUE]}
USES = {
    "dynamodb:": {"Decrypt"},
    "s3:GetObject": {"Decrypt"},
    "s3:PutObject": {"GenerateDataKey"},
    "secretsmanager:GetSecretValue": {"Decrypt"},
    "secretsmanager:PutSecretValue": {"Decrypt", "GenerateDataKey"},
    "sns:Publish": {"Decrypt", "GenerateDataKey"},
    "sqs:SendMessage": {"Decrypt", "GenerateDataKey"},
    "sqs:ReceiveMessage": {"Decrypt"},
}
"""What a permission needs of the key, by the beginning of its action: the guides of these services say so."""
MORE_THAN_NEEDED = {("TokenFunctionRole", "GenerateDataKey", "dynamodb")}
"""One statement, with two services."""


def of_type(kind):
    return {name: item["Properties"] for name, item in RESOURCES.items() if item["Type"] == f"AWS::{kind}"}


def under(key):
    """Return the permissions of each role in a deployment with or without a key."""
    known = Permissions(template.load(ROOT / "template.yaml", EVERYTHING | {"KMS_KEY_ARN": key}, REGION).granting)
    return {role: known.of(role) for role in known}


def test_each_role_may_use_the_key_for_what_it_does_and_through_that_service_only():
    needed, given = defaultdict(set), defaultdict(set)
    for role, permissions in under(EVERYTHING["KMS_KEY_ARN"]).items():
        for each in permissions:
            service, _, action = each.action.partition(":")
            if action in {"Decrypt", "GenerateDataKey"}:
                assert each.resource == EVERYTHING["KMS_KEY_ARN"]
                services = each.condition["StringEquals"]["kms:ViaService"]
                for via in services if isinstance(services, list) else [services]:
                    given[via.partition(".")[0], action].add(role)
                    assert via.endswith(f".{REGION}.amazonaws.com")
            for beginning, uses in USES.items():
                for use in uses if each.action.startswith(beginning) else ():
                    needed[service, use].add(role)
    extra = {(role, use, service) for (service, use), roles in given.items() for role in roles - needed[service, use]}
    missing = {(role, use, service) for (service, use), roles in needed.items() for role in roles - given[service, use]}
    assert missing == set(), "add the role to the policy KeyFor… of this use"
    assert extra == MORE_THAN_NEEDED
    assert len([use for use, roles in needed.items() if roles]) == 9


def test_without_a_key_nobody_may_use_one():
    used = {each.action for known in under("").values() for each in known if each.action.startswith("kms:")}
    assert used == {"kms:Sign", "kms:Verify"}, "of the key of the checkpoints"


def test_a_deployment_without_any_of_the_conditional_functions_can_have_a_key():
    little = {
        "GENESYS_BASE_URL": "http://localhost",
        "KMS_KEY_ARN": EVERYTHING["KMS_KEY_ARN"],
        "DRIFT_PATROL_MINUTES": "0",
    }
    known = Permissions(template.load(ROOT / "template.yaml", little, REGION).granting)  # raises for an unknown role
    assert "PatrolFunctionRole" not in known
    assert any(each.action == "kms:Decrypt" for each in known.of("PlansFunctionRole"))


@pytest.mark.parametrize("name", of_type("DynamoDB::Table"))
def test_a_table_is_encrypted_with_the_key(name):
    condition, ours, _ = of_type("DynamoDB::Table")[name]["SSESpecification"]["Fn::If"]
    assert (condition, ours) == ("HasKey", {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY})


@pytest.mark.parametrize(
    ("name", "property_"),
    [
        *((name, "KmsKeyId") for name in of_type("Logs::LogGroup")),
        *((name, "KmsKeyId") for name in of_type("SecretsManager::Secret")),
        *((name, "KmsMasterKeyId") for name in of_type("SQS::Queue")),
        *((name, "KmsMasterKeyId") for name in of_type("SNS::Topic")),
    ],
)
def test_a_log_a_secret_a_queue_and_a_topic_is_encrypted_with_the_key(name, property_):
    assert RESOURCES[name]["Properties"][property_] == IF_THERE_IS_ONE


@pytest.mark.parametrize("name", of_type("SQS::Queue"))
def test_a_queue_has_a_key_of_sqs_without_a_key_of_yours_and_takes_tls_only(name):
    assert of_type("SQS::Queue")[name]["SqsManagedSseEnabled"] == {"Fn::If": ["HasKey", False, True]}
    policies = [item for item in of_type("SQS::QueuePolicy").values() if {"Ref": name} in item["Queues"]]
    assert len(policies) == 1, "a queue has one policy: a second one replaces the first"
    assert "OnlyTls" in {each.get("Sid") for each in policies[0]["PolicyDocument"]["Statement"]}


@pytest.mark.parametrize("name", of_type("S3::Bucket"))
def test_a_bucket_is_encrypted_with_the_key_and_takes_tls_only(name):
    (rule,) = of_type("S3::Bucket")[name]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": {"Fn::If": ["HasKey", "aws:kms", "AES256"]},
        "KMSMasterKeyID": IF_THERE_IS_ONE,
    }
    assert rule["BucketKeyEnabled"]
    (policy,) = (item for item in of_type("S3::BucketPolicy").values() if item["Bucket"] == {"Ref": name})
    (only_tls,) = (each for each in policy["PolicyDocument"]["Statement"] if each["Sid"] == "OnlyTls")
    assert only_tls["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]


def test_no_parameter_is_a_secret_so_no_environment_has_one():
    assert not [name for name, rule in TEMPLATE["Parameters"].items() if rule.get("NoEcho")]
    for name in of_type("Serverless::Function"):
        values = RESOURCES[name]["Properties"].get("Environment", {}).get("Variables", {}).values()
        assert all(
            set(value) <= {"Ref", "Fn::GetAtt", "Fn::Sub", "Fn::If"} for value in values if not isinstance(value, str)
        )
        assert not [value for value in values if "resolve:" in json.dumps(value)], "Secrets Manager, by reference"


def statements():
    """Yield every statement of the policies on resources, also those that a condition includes."""
    for name, item in RESOURCES.items():
        if item["Type"] in {"AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"}:
            for each in item["Properties"]["PolicyDocument"]["Statement"]:
                yield name, each["Fn::If"][1] if "Fn::If" in each else each


def test_what_refuses_requests_without_tls_refuses_them_from_everybody():
    refusals = [(name, each) for name, each in statements() if each.get("Sid") == "OnlyTls"]
    assert {name for name, _ in refusals} == {name for name, _ in statements()}
    for _, each in refusals:
        assert (each["Effect"], each["Principal"]) == ("Deny", "*")
        assert each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert each["Action"] in {"s3:*", "sqs:*", "sns:Publish"}


def test_a_service_may_use_a_resource_only_for_a_named_source():
    """Or another account could have the service act for it: the confused deputy."""
    granted = [each for _, each in statements() if each["Effect"] == "Allow"]
    granted += [
        each for item in of_type("IAM::Role").values() for each in item["AssumeRolePolicyDocument"]["Statement"]
    ]
    for each in granted:
        assert each["Principal"].keys() <= {"Service", "AWS"}
        text = json.dumps(each["Condition"])
        named = ("aws:SourceArn", "aws:SourceAccount") if "Service" in each["Principal"] else ("sts:ExternalId",)
        assert any(key in text for key in named)
        assert "*" not in text.replace("alarm:*", ""), "of alarms, any of this account"
    assert len(granted) >= 8
    invocations = of_type("Lambda::Permission")
    assert invocations
    assert not [name for name, item in invocations.items() if not {"SourceArn", "SourceAccount"} & item.keys()]


def test_the_documented_policy_of_the_key_lets_each_service_use_it_that_sends_or_stores():
    page = (ROOT / "docs/administer/permissions.md").read_text(encoding="utf-8")
    (policy,) = (text for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if "kms:" in text)
    by_sid = {each["Sid"]: each for each in json.loads(policy)["Statement"]}
    services = {each["Principal"]["Service"] for each in by_sid.values() if "Service" in each["Principal"]}
    senders = {each["Principal"]["Service"] for _, each in statements() if each["Effect"] == "Allow"}
    assert services == senders | {"logs.eu-central-1.amazonaws.com"}
    for each in by_sid.values():
        if "Service" in each["Principal"]:
            assert {"aws:SourceAccount", "kms:EncryptionContext:aws:logs:arn"} & {
                key for condition in each["Condition"].values() for key in condition
            }


def test_no_role_may_delete_a_record_or_a_document_or_change_a_policy_a_role_or_a_key():
    """docs/administer/permissions.md says so."""
    for role, permissions in under(EVERYTHING["KMS_KEY_ARN"]).items():
        for each in permissions:
            assert "*" not in each.action, (role, each)
            assert not each.action.startswith(("s3:Delete", "s3:PutBucket", "s3:BypassGovernance")), (role, each)
            assert (each.action, each.resource.rpartition("/")[2]) != ("dynamodb:DeleteItem", "AuditTable"), role
            assert each.action == "iam:PassRole" or not each.action.startswith("iam:"), (role, each)
            uses = ("kms:Decrypt", "kms:GenerateDataKey", "kms:Sign", "kms:Verify", "kms:GetPublicKey")
            assert each.action in uses or not each.action.startswith("kms:"), (role, each)


def test_whatever_keeps_data_says_for_how_long():
    page = (ROOT / "docs/administer/data.md").read_text(encoding="utf-8")
    stores = {*of_type("DynamoDB::Table"), *of_type("S3::Bucket")}
    assert {name for name in stores if name not in page} == set()
    assert all("RetentionInDays" in item for item in of_type("Logs::LogGroup").values())
    assert all("MessageRetentionPeriod" in item for item in of_type("SQS::Queue").values())
    for name, item in of_type("S3::Bucket").items():
        rules = item["LifecycleConfiguration"]["Rules"]
        locked = item.get("ObjectLockEnabled")  # for the time that its parameter says
        assert locked or any("NoncurrentVersionExpiration" in rule and "Prefix" not in rule for rule in rules), name
        assert any("AbortIncompleteMultipartUpload" in rule for rule in rules), name
    for name, item in of_type("DynamoDB::Table").items():
        kept = RESOURCES[name]["DeletionPolicy"] != "Delete"
        assert kept == ("PointInTimeRecoverySpecification" in item), f"{name}: what is kept has a backup"


def test_each_check_that_is_suppressed_has_its_reason_beside_it():
    lines = (ROOT / ".checkov.yaml").read_text(encoding="utf-8").splitlines()
    before = [lines[number - 1] for number, line in enumerate(lines) if line.strip().startswith("- CKV")]
    assert all(line.strip().startswith(("#", "- CKV")) for line in before)
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    beside = re.findall(r"checkov:skip=\w+(.*)", text)
    assert all(len(reason.split()) > 3 for reason in beside)
    assert before
    assert beside
