"""The roles of a JWT: whole names of a list, or words of a text."""

import base64
import json

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from routing_weights.api.request import person_of
from routing_weights.bootstrap import people
from routing_weights.domain.access import Role


def roles(claim, in_token, scheme="Bearer "):
    """The roles of somebody whose token has `in_token`, and whose gateway passes on `claim`."""
    payload = base64.urlsafe_b64encode(json.dumps({"roles": in_token}).encode()).decode().rstrip("=")
    claims = {"iss": "https://id.example", "sub": "42", "roles": claim}
    event = {
        "headers": {"authorization": f"{scheme}e30.{payload}.AAAA"},
        "requestContext": {"requestId": "r", "authorizer": {"jwt": {"claims": claims}}},
    }
    return person_of(APIGatewayProxyEventV2(event)).roles - {Role.VIEWER}


@pytest.fixture(autouse=True)
def roles_claim(monkeypatch):
    monkeypatch.setattr(people, "roles_claim", lambda: "roles")


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", ""])
@pytest.mark.parametrize(
    ("in_token", "found"),
    [
        (["planner", "approver"], {Role.PLANNER, Role.APPROVER}),
        (["Junior planner"], set()),
        (["Junior planner", "approver"], {Role.APPROVER}),
        (["not", "planner,approver"], set()),
        (["[planner]"], set()),
        ([["planner"], {"planner": 1}], set()),
        ([], set()),
    ],
)
def test_an_entry_of_a_list_is_a_role_only_as_a_whole(in_token, found, scheme):
    assert roles(f"[{' '.join(map(str, in_token))}]", in_token, scheme) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("planner approver", {Role.PLANNER, Role.APPROVER}),
        ("openid planner", {Role.PLANNER}),
        ("planner,approver", set()),
        ("[planner", set()),
        ("[planner]", set()),
        ("", set()),
    ],
)
def test_a_text_is_split_at_spaces(text, found):
    assert roles(text, text) == found


def test_a_list_in_a_header_counts_only_if_the_gateway_has_verified_it():
    assert roles("[Junior planner]", ["Junior", "planner"]) == {Role.PLANNER}, "the gateway's text fits both"
    assert roles("[viewer]", ["planner"]) == set()
    assert roles("viewer", ["planner"]) == set()
    assert roles("[planner]", "no list") == set()
