"""Quotas of the AWS account: what a deployment needs, and what the account grants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from routing_weights.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NEEDED_EXECUTIONS = 30
"""The functions that run at once during ten distributions: one per distribution, the token function, two readers of
each of the two queues, the reader of the stream, three scheduled functions, and about ten requests to the API.
"""
MOST_LOG_POLICIES = 10
"""The quota of resource policies of CloudWatch Logs, per account and region. AWS does not raise it."""
DELIVERY_POLICY = "AWSLogDeliveryWrite20150319"
"""AWS makes this policy at the first log delivery of an account. Later deliveries share it."""


def clients_of(environ: Mapping[str, str]) -> Callable[[str], Any] | None:
    """Return a function that makes the client of a service, or None if the environment has no credentials.

    Only variables count: boto3 would otherwise ask the network for the role of the machine.
    Raises botocore's BotoCoreError for a profile that does not exist.
    """
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    keys = {name: environ[name.upper()] for name in names if environ.get(name.upper())}
    profile = environ.get("AWS_PROFILE")
    if "aws_access_key_id" not in keys and not profile:
        return None
    import boto3  # noqa: PLC0415  takes a second, and is needed with credentials only

    options: dict[str, Any] = {"region_name": environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None}
    options |= keys if "aws_access_key_id" in keys else {"profile_name": profile}
    session: Any = boto3.Session(**options)
    client: Callable[[str], Any] = session.client
    return client


def concurrency(clients: Callable[[str], Any]) -> str:
    """Check the concurrency that Lambda grants. Raises ConfigurationInvalid if it is too low for ten distributions."""
    client = clients("lambda")
    free = client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    grant = f"Lambda grants {free} executions at once in {client.meta.region_name}"
    if free < NEEDED_EXECUTIONS:
        raise ConfigurationInvalid(
            f"{grant}; ten distributions at once take up to {NEEDED_EXECUTIONS}. With fewer, they are throttled, take "
            "longer, or fail. Ask for more: Service Quotas, AWS Lambda, Concurrent executions (L-B99A9384)."
        )
    return f"{grant}."


def log_delivery(clients: Callable[[str], Any]) -> str:
    """Check the log policies. Raises ConfigurationInvalid if there is no room for the one that this system needs."""
    pages = clients("logs").get_paginator("describe_resource_policies").paginate()
    names = [policy["policyName"] for page in pages for policy in page["resourcePolicies"]]
    if DELIVERY_POLICY not in names and len(names) >= MOST_LOG_POLICIES:
        raise ConfigurationInvalid(
            f"CloudWatch Logs has {len(names)} resource policies, which is the maximum, and {DELIVERY_POLICY} is not "
            "among them, so the state machines and the API cannot log. Delete a policy that is not needed any more."
        )
    return f"{len(names)} of {MOST_LOG_POLICIES} resource policies of CloudWatch Logs are in use."
