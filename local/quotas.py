"""What a deployment needs of its AWS account, and what the account grants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from routing_weights.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NEEDED_EXECUTIONS = 30
"""Functions at once for ten distributions at once: one each, and beside them the token function, two readers of each of
the two queues, the reader of the stream, three functions of the clock, and about ten requests at the API.
"""
MOST_LOG_POLICIES = 10
"""Of CloudWatch Logs, by account and region; AWS raises it for nobody."""
DELIVERY_POLICY = "AWSLogDeliveryWrite20150319"
"""The one that AWS makes at the first log delivery of an account, and that every later one shares."""


def clients_of(environ: Mapping[str, str]) -> Callable[[str], Any] | None:
    """Make clients by service for the credentials in the environment; None where it has none.

    Only variables count: looking further would ask the network for the role of a machine.
    Raises botocore's BotoCoreError for a profile that does not exist.
    """
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    keys = {name: environ[name.upper()] for name in names if environ.get(name.upper())}
    profile = environ.get("AWS_PROFILE")
    if "aws_access_key_id" not in keys and not profile:
        return None
    import boto3  # noqa: PLC0415  a second, for those who have credentials

    given: dict[str, Any] = {"region_name": environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None}
    given |= keys if "aws_access_key_id" in keys else {"profile_name": profile}
    session: Any = boto3.Session(**given)
    client: Callable[[str], Any] = session.client
    return client


def concurrency(clients: Callable[[str], Any]) -> str:
    """Raises ConfigurationInvalid where Lambda grants fewer executions at once than ten distributions take."""
    client = clients("lambda")
    free = client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    told = f"Lambda grants {free} executions at once in {client.meta.region_name}"
    if free < NEEDED_EXECUTIONS:
        raise ConfigurationInvalid(
            f"{told}; ten distributions at once take up to {NEEDED_EXECUTIONS}. With fewer they are throttled and take "
            "longer, or fail. Ask for more: Service Quotas, AWS Lambda, Concurrent executions (L-B99A9384)."
        )
    return f"{told}."


def log_delivery(clients: Callable[[str], Any]) -> str:
    """Raises ConfigurationInvalid where neither a state machine nor the API could be allowed to log."""
    pages = clients("logs").get_paginator("describe_resource_policies").paginate()
    names = [policy["policyName"] for page in pages for policy in page["resourcePolicies"]]
    if DELIVERY_POLICY not in names and len(names) >= MOST_LOG_POLICIES:
        raise ConfigurationInvalid(
            f"CloudWatch Logs has {len(names)} resource policies, the most there can be, and {DELIVERY_POLICY} is not "
            "among them, so state machines and API could not log. Delete one that nobody needs any more."
        )
    return f"{len(names)} of {MOST_LOG_POLICIES} resource policies of CloudWatch Logs are in use."
