"""The doctor against the simulated public API. Runs the commands of docs/administer/genesys-setup.md."""

import io
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import boto3
import botocore.session
import pytest
import requests

from local import doctor, quotas
from local.genesys import GenesysSimulator
from routing_weights.adapters.genesys.contracts import platform
from routing_weights.adapters.genesys.contracts.reading import PAGE_SIZE
from routing_weights.domain.actuators import ACTUATORS, actuator_class, names_for
from routing_weights.domain.actuators.joined import MAX_BULK
from routing_weights.domain.plan import parse_plan
from routing_weights.domain.regions import DOMAINS, api_url, login_url
from routing_weights.domain.shares import SharesInForce
from routing_weights.domain.strategies import Strategy, strategies
from routing_weights.domain.types import ShareOptions

ROOT = Path(__file__).parents[2]
PAGES = ("docs/administer/genesys-setup.md", "docs/use/weights.md")
PAGE = "\n".join((ROOT / page).read_text() for page in PAGES)
CLIENT_ID, CLIENT_SECRET = "client-001", "s3cret-of-the-client"
QUEUE, SKILL, ORGANISATION = "queue-001", "Weight", "0b1f0f6e-3d3c-4a64-9d0e-5f5f6f0a1b2c"
PERMISSIONS = {
    "routing:queue:view",
    "routing:queueMember:manage",
    "routing:skill:view",
    "routing:skill:assign",
    "routing:queue:edit",
}
OPTIONAL = {
    "analytics:queueObservation:view": "agents now",
    "analytics:conversationAggregate:view": "history",
    "wfm:shortTermForecast:view": "WFM forecast",
}
"""The permissions for forecasts from Genesys, and the requests that test them."""
UNIT = "unit-001"
RULES = [
    {"operator": "MEETS_THRESHOLD", "threshold": 100, "waitSeconds": 10},
    {"operator": "MEETS_THRESHOLD", "threshold": 80, "waitSeconds": 5},
    {"operator": "MEETS_THRESHOLD", "threshold": 60, "waitSeconds": 5},
    {"operator": "MEETS_THRESHOLD", "threshold": 40, "waitSeconds": 5},
    {"operator": "ANY", "waitSeconds": 5},
]
DRAWN = {
    "agents": ["user-3", "user-1"],
    "scores": [100, 80],
    "hold_s": 10,
    "distribution_id": "distribution-1",
    "reason": "drawn",
}
PLATFORM = names_for("platform")


@pytest.fixture
def genesys():
    with GenesysSimulator(
        contract="platform",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        queue_id=QUEUE,
        permissions=" ".join(PERMISSIONS | OPTIONAL.keys()),
    ) as simulator:
        members = [
            {"user": {"id": "user-1"}, "skills": [{"id": "skill-1", "name": SKILL, "proficiency": 3}]},
            {"user": {"id": "user-2"}, "joined": False},
            {"user": {"id": "user-3"}, "memberBy": "group"},
        ]
        simulator.put_queue(QUEUE, members=members)
        old = {"id": "forecast-1", "businessUnitId": UNIT, "weekDate": "2020-01-06", "groups": []}
        simulator.put_analytics(forecasts=[old])
        yield simulator


AWS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "eu-central-1"}
MODELS = botocore.session.get_session().get_component("data_loader")
"""It keeps the models of the services: each session would read them anew."""
POLICIES = [f"policy-{number}" for number in range(quotas.MOST_LOG_POLICIES)]


def answered(operation, granted):
    """The answer to a call, in place of AWS: the reply and what it says."""
    if granted["refused"]:
        return refused(granted["refused"], "")
    if operation.startswith("DescribeStack") and not granted["stack"]:
        return refused("ValidationError", "Stack with id routing-weights does not exist")
    if operation == "DescribeStackResource" and not granted["resources"]:
        return refused("ValidationError", "Resource DrawFunction does not exist for stack routing-weights")
    match operation:
        case "GetAccountSettings":
            said = {"AccountLimit": {"UnreservedConcurrentExecutions": granted["executions"]}}
        case "DescribeResourcePolicies":
            said = {"resourcePolicies": [{"policyName": name} for name in granted["policies"]]}
        case "DescribeStacks":
            pairs = granted["parameters"].items()
            said = {"Stacks": [{"Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in pairs]}]}
        case "DescribeStackResource":
            said = {"StackResourceDetail": {"PhysicalResourceId": "routing-weights-any"}}
        case "GetItem":
            shares = granted["shares"]
            said = {"Item": stored(shares)} if shares else {}
        case "Invoke":
            body = json.dumps(granted["drawn"]).encode()
            failed = {"FunctionError": "Unhandled"} if "errorMessage" in granted["drawn"] else {}
            said = {"Payload": io.BytesIO(body), **failed}
    return SimpleNamespace(status_code=200), said


def refused(code, message):
    return SimpleNamespace(status_code=400), {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {}}


def stored(shares):
    """The item of SharesTable."""
    return {
        "queue_id": {"S": shares.queue_id},
        "kind": {"S": "weights"},
        "shares": {"S": shares.to_json()},
        "version": {"N": str(shares.version)},
    }


@pytest.fixture
def account(monkeypatch):
    """What an AWS account and a deployment with shares answer, and the error that they answer instead."""
    weights = {"user-1": 0.4, "user-3": 0.25}
    granted = {
        "executions": 1000,
        "policies": [],
        "refused": "",
        "stack": True,
        "resources": True,
        "parameters": {
            "GenesysAwsAccountId": "765628985471",
            "GenesysOrganisationId": ORGANISATION,
            "DrawLimit": "20",
        },
        "shares": SharesInForce(QUEUE, "distribution-1", weights, ShareOptions(), 2),
        "drawn": DRAWN,
    }
    make = boto3.Session.client

    def client(session, service):
        session._session.register_component("data_loader", MODELS)
        made = make(session, service)
        made.meta.events.register("before-call.*.*", lambda model, **_: answered(model.name, granted))
        return made

    monkeypatch.setattr(boto3.Session, "client", client)
    return granted


@pytest.fixture
def examine(genesys, account, capsys):
    """Run the doctor in this process. Returns its exit code, and state and sentence by check."""
    assert account

    def run(*argv, **environ):
        given = {"GENESYS_BASE_URL": genesys.url, "GENESYS_CLIENT_ID": CLIENT_ID, **AWS}
        code = doctor.main(argv, given | {"GENESYS_CLIENT_SECRET": CLIENT_SECRET} | environ)
        out, err = capsys.readouterr()
        assert CLIENT_SECRET not in out + err
        assert max(map(len, out.splitlines())) <= 80
        found = re.findall(r"^(ok|missing|skipped) +(\w+(?: \w+)*)  +(.*(?:\n {23}.*)*)", out, re.MULTILINE)
        return code, {name: (state, re.sub(r"\n +", " ", sentence)) for state, name, sentence in found}

    return run


def states(findings):
    return {name: state for name, (state, _) in findings.items()}


@pytest.mark.parametrize("actuator", PLATFORM)
def test_all_is_well(examine, genesys, actuator):
    genesys.edit_queue(QUEUE, routingRules=RULES)
    code, findings = examine("--queue", QUEUE, "--actuator", actuator, "--skill", SKILL, "--wfm-business-unit", UNIT)
    assert (code, set(states(findings).values())) == (0, {"ok"})
    assert findings["agents now"][1] == "On queue: 2 IDLE. 0 contacts wait."
    assert "too few of the last weeks" in findings["history"][1]
    assert "none of the 0 short-term forecasts around this week covers this moment" in findings["WFM forecast"][1]
    assert genesys.url in findings["hosts"][1]
    assert "1440 minutes" in findings["token"][1]
    assert ORGANISATION in findings["organisation"][1]
    assert f"Queue {QUEUE} is visible" in findings["queue"][1]
    assert "skillEvaluationMethod ALL, 0 bullseye rings, 0 rules" in findings["queue"][1]
    assert "3, of whom 2 are joined, 1 through a group." in findings["members"][1]


def test_a_region_has_its_own_hosts():
    given = doctor.Input(genesys_region="eu-central-1", genesys_client_id=CLIENT_ID, genesys_client_secret="-")
    with requests.Session() as session:
        checks = dict(itertools.islice(doctor.Doctor(given, session, {})._checks(), 2))
    said = "eu-central-1: API https://api.mypurecloud.de, tokens https://login.mypurecloud.de."
    assert checks["hosts"]() == said


def test_the_skill_is_found_by_id_and_by_name(examine):
    for skill in ("skill-1", SKILL):
        _, findings = examine(QUEUE_ID=QUEUE, ACTUATOR="proficiency", SKILL=skill)
        assert findings["skill"] == ("ok", f"{skill} exists. 1 of the members hold it.")


@pytest.mark.parametrize("actuator", PLATFORM)
def test_a_setting_that_the_actuator_needs_is_named(examine, genesys, actuator):
    _, findings = examine("--queue", QUEUE, "--actuator", actuator)
    kind = actuator_class(actuator)
    advised = [name for name in strategies() if re.search(rf"strategy {name}\b", findings["queue"][1])]
    assert advised == ([kind.strategy] if kind.uses else [])
    rings = [{"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": 5}]}] * 2
    genesys.edit_queue(QUEUE, bullseye={"rings": rings}, skillEvaluationMethod="BEST", routingRules=RULES)
    _, findings = examine("--queue", QUEUE, "--actuator", actuator)
    assert "strategy" not in findings["queue"][1]


@pytest.mark.parametrize("actuator", PLATFORM)
def test_a_full_run_changes_nothing(examine, genesys, actuator):
    before = genesys.state()
    examine("--queue", QUEUE, "--actuator", actuator, "--skill", SKILL)
    after = genesys.state()
    assert after.pop("tokens_issued") == before.pop("tokens_issued") + 1
    assert after == before
    writes = [entry for entry in genesys.requests() if entry["method"] not in {"GET", "POST"}]
    assert all(doctor.NOBODY in json.dumps([entry["path"], entry["body"]]) for entry in writes)
    assert len(writes) == (1 if actuator == "share" else 2), "no share is in Genesys"
    posts = [entry["path"] for entry in genesys.requests() if entry["method"] == "POST"]
    assert posts == ["/oauth/token", *(path for path in posts if path.endswith("/query"))]


@pytest.mark.parametrize(
    ("permission", "actuator", "check"),
    [
        ("routing:queue:view", "ring", "queue"),
        ("routing:queueMember:manage", "ring", "write member"),
        ("routing:queueMember:manage", "joined", "write member"),
        ("routing:skill:view", "proficiency", "read skills"),
        ("routing:skill:assign", "proficiency", "write member"),
        ("routing:queue:edit", "ring", "edit queue"),
        ("routing:queue:edit", "proficiency", "edit queue"),
        ("routing:queue:edit", "joined", "edit queue"),
    ],
)
def test_a_missing_permission_is_named(examine, genesys, permission, actuator, check):
    lost = {permission, "routing:queue:edit"} if permission == "routing:queueMember:manage" else {permission}
    genesys.change_settings(permissions=" ".join(PERMISSIONS - lost))
    code, findings = examine("--queue", QUEUE, "--actuator", actuator, "--skill", SKILL)
    state, sentence = findings[check]
    assert (code, state) == (1, "missing")
    assert sentence.startswith(f"It needs the permission {permission},")
    assert "Grant it in the Genesys admin console, then run this again." in sentence
    missing = {name for name, state in states(findings).items() if state == "missing"}
    also = {"routing:queue:edit": "edit queue", "routing:skill:view": "skill"}
    assert missing == {check} | {name for needed, name in also.items() if needed in lost}


@pytest.mark.parametrize(("permission", "check"), OPTIONAL.items())
def test_a_permission_for_forecasts_is_optional(examine, genesys, permission, check):
    genesys.change_settings(permissions=" ".join((PERMISSIONS | OPTIONAL.keys()) - {permission}))
    code, findings = examine("--queue", QUEUE, WFM_BUSINESS_UNIT=UNIT)
    assert (code, {name for name, state in states(findings).items() if state == "skipped"}) == (0, {check})
    assert findings[check][1].startswith(f"It needs the permission {permission},")
    assert findings[check][1].endswith("Only forecasts from Genesys need it: docs/use/forecasts.md.")


def test_only_permissions_that_the_actuator_needs_are_checked(examine, genesys):
    genesys.change_settings(permissions=" ".join(PERMISSIONS - {"routing:skill:view", "routing:skill:assign"}))
    assert examine("--queue", QUEUE, "--actuator", "joined")[0] == 0
    genesys.change_settings(permissions=" ".join(PERMISSIONS - {"routing:queueMember:manage"}))
    assert examine("--queue", QUEUE, "--actuator", "proficiency", "--skill", SKILL)[0] == 0


def test_a_wrong_secret(examine, genesys):
    code, findings = examine("--queue", QUEUE, GENESYS_CLIENT_SECRET="another-secret")
    assert code == 1
    assert findings["token"][0] == "missing"
    assert "GENESYS_CLIENT_SECRET" in findings["token"][1]
    assert "another-secret" not in findings["token"][1]
    skipped = {state for name, state in states(findings).items() if name not in doctor.WITHOUT_A_TOKEN}
    assert skipped == {"skipped"}
    assert [entry["path"] for entry in genesys.requests()] == ["/oauth/token"]


def test_an_unknown_queue(examine, genesys):
    code, findings = examine("--queue", "queue-999", "--actuator", "proficiency", "--skill", SKILL)
    assert code == 1
    assert findings["queue"][0] == "missing"
    assert "knows no queue queue-999" in findings["queue"][1]
    assert states(findings)["members"] == states(findings)["skill"] == "skipped"
    assert states(findings)["write member"] == "ok"
    assert "queue-999/members" not in str(genesys.requests())


def test_an_unknown_skill(examine):
    code, findings = examine("--queue", QUEUE, "--actuator", "proficiency", "--skill", "Juggling")
    assert code == 1
    state, sentence = findings["skill"]
    assert state == "missing"
    assert sentence.startswith("Genesys knows no skill Juggling, by id or by name: create it, name another one, or")


def test_checks_without_a_name_are_skipped(examine):
    code, findings = examine("--actuator", "proficiency")
    assert code == 0
    assert {name for name, state in states(findings).items() if state == "skipped"} == {
        *("queue", "members", "skill"),
        *OPTIONAL.values(),
    }
    assert "--queue" in findings["queue"][1]


def test_an_account_that_grants_enough(examine, account):
    account["policies"] = [*POLICIES[1:], quotas.DELIVERY_POLICY]
    _, findings = examine()
    assert findings["concurrency"] == ("ok", "Lambda grants 1000 executions at once in eu-central-1.")
    assert findings["log delivery"] == ("ok", "10 of 10 resource policies of CloudWatch Logs are in use.")


def test_a_quota_that_is_too_low_says_how_to_raise_it(examine, account):
    account |= {"executions": 10, "policies": POLICIES}  # a new account, and one that many stacks share
    code, findings = examine()
    assert code == 1
    assert findings["concurrency"][0] == findings["log delivery"][0] == "missing"
    assert "Lambda grants 10 executions at once in eu-central-1; ten distributions" in findings["concurrency"][1]
    assert "Service Quotas" in findings["concurrency"][1]
    assert "Delete a policy that is not needed any more" in findings["log delivery"][1]


def test_an_unknown_quota_is_not_taken_as_enough(examine, account):
    account["refused"] = "AccessDeniedException"
    code, findings = examine()
    assert (code, findings["concurrency"][0], findings["log delivery"][0]) == (0, "skipped", "skipped")
    assert "Not checked: An error occurred (AccessDeniedException)" in findings["concurrency"][1]


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        (dict.fromkeys(AWS, ""), "there are no AWS credentials. Set AWS_PROFILE and AWS_REGION."),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_PROFILE": "nobody's"}, "The config profile (nobody's) could not be found"),
        ({"AWS_REGION": ""}, "You must specify a region."),
    ],
)
def test_without_aws_credentials_quotas_are_reported_as_unchecked(examine, monkeypatch, environ, reason):
    for name in ("AWS_DEFAULT_REGION", "AWS_CONFIG_FILE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    code, findings = examine(**environ)
    assert code == 0
    assert findings["concurrency"] == findings["log delivery"] == ("skipped", f"Not checked: {reason}")


# ---- shares ----------------------------------------------------------------------------------------------------------


OF_SHARES = ["realised", "draw role", "shares", "can be drawn", "rules", "draw"]


@pytest.fixture
def sharing(genesys, examine):
    """Examine a queue whose rules fit the shares in force."""
    genesys.edit_queue(QUEUE, routingRules=RULES)
    return lambda *argv, **environ: examine("--queue", QUEUE, "--actuator", "share", *argv, **environ)


def test_shares_that_fit(sharing):
    code, findings = sharing()
    assert (code, {findings[name][0] for name in OF_SHARES}) == (0, {"ok"})
    assert "The AWS account 765628985471 may invoke DrawFunction" in findings["draw role"][1]
    assert "Version 2, of distribution distribution-1: 2 members have 65% of the contacts" in findings["shares"][1]
    assert findings["can be drawn"][1] == "All 2 members with a share can be drawn; 2 are on queue now."
    assert findings["draw"][1] == "DrawFunction names 2 agents, and holds a contact for 10 s. Not counted."
    assert "In the last hour agents answered 0 contacts" in findings["realised"][1]


def test_another_actuator_has_no_checks_of_shares(examine):
    assert not OF_SHARES & examine("--queue", QUEUE)[1].keys()


@pytest.mark.parametrize(
    ("parameter", "value", "sentence"),
    [
        (
            "GenesysAwsAccountId",
            "",
            f"deploy with GenesysAwsAccountId and GenesysOrganisationId, {ORGANISATION} here",
        ),
        ("GenesysOrganisationId", "organisation-2", "flows of this organisation cannot ask for draws"),
    ],
)
def test_a_role_that_this_organisation_cannot_assume(sharing, account, parameter, value, sentence):
    account["parameters"][parameter] = value
    code, findings = sharing()
    assert (code, findings["draw role"][0]) == (1, "missing")
    assert sentence in findings["draw role"][1]


def test_members_who_can_never_be_drawn_are_named(sharing, account):
    weights = {"user-1": 0.4, "user-2": 0.3, "user-9": 0.1}
    account["shares"] = SharesInForce(QUEUE, "distribution-1", weights, ShareOptions(), 2)
    code, findings = sharing()
    assert (code, findings["can be drawn"][0]) == (1, "missing")
    assert "2 of the 3 members with a share cannot be drawn" in findings["can be drawn"][1]
    assert "user-2 is not joined, user-9 is no member." in findings["can be drawn"][1]
    assert "user-1" not in findings["can be drawn"][1]


def test_more_members_than_a_draw_names_are_a_note(sharing, account):
    account["parameters"]["DrawLimit"] = "1"
    code, findings = sharing()
    assert (code, findings["can be drawn"][0]) == (0, "ok")
    assert "A draw names 1 of them (DrawLimit)" in findings["can be drawn"][1]


def test_rules_that_do_not_fit_the_shares(sharing, genesys):
    genesys.edit_queue(QUEUE, routingRules=RULES[:1])
    code, findings = sharing()
    assert (code, findings["rules"][0]) == (1, "missing")
    assert (
        "The queue's rules are 100 for 10 s, and the shares in force need 100 for 10 s; 80 for 5"
        in (findings["rules"][1])
    )


def test_a_queue_without_shares_is_no_mistake(sharing, account):
    empty = {"agents": [], "scores": [], "hold_s": 0, "distribution_id": "", "reason": "no_shares"}
    account |= {"shares": None, "drawn": empty}
    code, findings = sharing()
    assert (code, {findings[name][0] for name in ("shares", "can be drawn", "rules")}) == (0, {"skipped"})
    assert "an empty list (no_shares): now a contact would go to the whole queue" in findings["draw"][1]


@pytest.mark.parametrize("drawn", [{"errorMessage": "out of memory"}, {"agent": "user-1"}])
def test_a_draw_that_no_flow_can_use(sharing, account, drawn):
    account["drawn"] = drawn
    code, findings = sharing()
    assert (code, findings["draw"][0]) == (1, "missing")


def test_a_deployment_that_is_older_than_shares(sharing, account):
    account["resources"] = False
    code, findings = sharing()
    assert (code, findings["draw"][0]) == (1, "missing")
    assert findings["draw"][1] == "The deployment has no DrawFunction: it is older than shares. Deploy this version."


def test_before_a_deployment_its_shares_are_reported_as_unchecked(sharing, account):
    account["stack"] = False
    code, findings = sharing()
    of_the_stack = ["draw role", "shares", "draw"]
    assert (code, {findings[name][0] for name in of_the_stack}) == (0, {"skipped"})
    assert all("Stack with id routing-weights does not exist" in findings[name][1] for name in of_the_stack)


def test_what_draws_are_corrected_by_is_needed_for_shares(sharing, genesys):
    genesys.change_settings(permissions=" ".join(PERMISSIONS))
    code, findings = sharing()
    assert (code, findings["realised"][0]) == (1, "missing")
    assert findings["realised"][1].startswith("It needs the permission analytics:conversationAggregate:view,")
    assert "Counters of draws are corrected by it" in findings["realised"][1]


@pytest.mark.parametrize("status", [405, 409])
def test_an_unclear_answer_does_not_count_as_granted(examine, genesys, status):
    genesys.add_faults({"action": "status", "method": "PUT", "status": status, "times": 9})
    code, findings = examine("--queue", QUEUE)
    assert (code, findings["edit queue"][0]) == (1, "missing")


def test_names_from_genesys_cannot_write_to_the_terminal(examine, genesys):
    genesys.edit_queue(QUEUE, name="Sup\x1b[2Jport")
    assert "Sup[2Jport is visible" in examine("--queue", QUEUE)[1]["queue"][1]


@pytest.mark.parametrize(
    ("argv", "environ", "named"),
    [
        ([], {"GENESYS_BASE_URL": "https://api.mypurecloud.de.example.com"}, "set GENESYS_REGION"),
        ([], {"GENESYS_LOGIN_URL": "https://example.com"}, "set GENESYS_REGION"),
        ([], {"GENESYS_BASE_URL": ""}, "set GENESYS_REGION"),
        ([], {"GENESYS_REGION": "eu-north-9"}, "GENESYS_REGION"),
        ([], {"GENESYS_CLIENT_SECRET": ""}, "GENESYS_CLIENT_SECRET"),
        ([], {"GENESYS_CONTRACT": "score"}, "GENESYS_CONTRACT"),
        ([], {"QUEUE_ID": "../users"}, "QUEUE_ID"),
        (["--actuator", "score"], {}, "ACTUATOR"),
        (["--secret", CLIENT_SECRET], {}, "--secret"),
    ],
)
def test_wrong_usage_sends_nothing(genesys, capsys, monkeypatch, argv, environ, named):
    monkeypatch.setattr("requests.Session.send", lambda *_, **__: pytest.fail("something was sent"))
    given = {"GENESYS_BASE_URL": genesys.url, "GENESYS_CLIENT_ID": CLIENT_ID, "GENESYS_CLIENT_SECRET": CLIENT_SECRET}
    with pytest.raises(SystemExit) as ended:
        doctor.main(argv, given | environ)
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert named in err
    assert not out
    assert argv or CLIENT_SECRET not in err


def test_help_fits_a_terminal_and_names_every_variable(capsys):
    with pytest.raises(SystemExit) as ended:
        doctor.main(["--help"], {})
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert max(map(len, text.splitlines())) <= 80
    inputs = {name.upper() for name in doctor.Input.model_fields} - {"MAX_RETRY_AFTER_S", "TOKEN_SECRET"}
    assert [name for name in inputs if name not in text] == []
    assert all(actuator in text for actuator in PLATFORM)


# ---- docs/administer/genesys-setup.md and docs/use/weights.md ------------------------------------------------------


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def rows(cells, first):
    """Rows of the tables with this many cells whose first one matches."""
    split = ([cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|")
    return [row for row in split if len(row) == cells and re.match(first, row[0])]


def test_the_page_names_the_permissions_that_the_layer_needs():
    table = rows(3, "`routing:")
    assert {row[0].strip("`") for row in table} == PERMISSIONS
    for permission, listed, _ in table:
        pairs = re.findall(r"`([A-Z]+) (/\S+)`", listed)
        assert pairs
        for method, path in pairs:
            assert platform.needs(method, path).startswith(f"the permission {permission.strip('`')},")


def test_the_page_lists_the_regions_of_the_layer():
    table = {re.findall(r"`(.*?)`", row[0])[0]: tuple(row[1:]) for row in rows(3, r"`[a-z]+-[a-z-]+\d`")}
    assert table == {r: tuple(url(r).removeprefix("https://") for url in (api_url, login_url)) for r in DOMAINS}


def test_every_plan_is_valid():
    plans = [parse_plan(text) for text in blocks("json")]
    assert [plan.dry_run for plan in plans] == [True, False]
    assert plans[1].overflow_groups


def test_the_example_of_weights_is_what_actuators_write():
    (header,) = (line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| weight |"))
    columns = [cell.strip(" `") for cell in header[1:]]
    assert sorted(columns) == sorted(ACTUATORS)
    table = rows(len(header), r"[\d.]+$")
    weights = [float(row[0]) for row in table]
    largest = max(weights)
    actuators = [actuator_class(name).for_weights(weights, 1) for name in columns]
    for weight, (_, *cells) in zip(weights, table, strict=True):
        for actuator, cell in zip(actuators, cells, strict=True):
            value = actuator.value(weight, Fraction(str(weight)) / Fraction(str(largest)))
            shown = str(value).lower() if isinstance(value, bool) else f"{value:g}"
            assert cell == f"{shown} ({round(actuator.weight(value), 4):g})"


def test_the_strategies_that_the_page_names_exist():
    for text in blocks("toml"):
        for entry in tomllib.loads(text).values():
            Strategy.model_validate(entry)
    named = set(re.findall(r"[Ss]trategy `([\w-]+)`", PAGE))
    assert named
    assert named <= strategies().keys()


def test_the_requests_for_a_thousand_members_are_counted_right(examine, genesys):
    genesys.put_queue(QUEUE, agents=2 * PAGE_SIZE)
    genesys.clear_requests()
    examine("--queue", QUEUE)
    listed = sum(entry["method"] == "GET" and entry["path"].endswith("/members") for entry in genesys.requests())
    assert listed == 2 + 1  # only an empty page says that the full one before was the last
    reads = 2 * (1 + 1000 // PAGE_SIZE + 1)
    assert f"twice, {reads // 2} requests" in " ".join(PAGE.split())
    assert f"{1000 + reads:,} requests" in PAGE
    assert f"`joined` needs {1000 // MAX_BULK + reads}" in PAGE


def test_the_commands_for_the_doctor_are_valid(examine):
    of_shares = (ROOT / "docs/administer/shares.md").read_text(encoding="utf-8")
    (script,) = blocks("bash")
    script += "".join(re.findall(r"^```bash\n(.*?)^```$", of_shares, re.DOTALL | re.MULTILINE))
    commands = [shlex.split(line)[2:] for line in script.splitlines() if line.startswith("make doctor ")]
    variables = [dict(word.split("=") for word in words) for words in commands]
    assert [given["ACTUATOR"] for given in variables] == ["ring", "proficiency", "share"]
    for given in variables:
        code, findings = examine(**given)  # as make passes them on
        assert (code, findings["queue"][0]) == (1, "missing")
        assert given["QUEUE_ID"] in findings["queue"][1]


def test_the_commands_for_aws_store_the_credentials_and_free_a_skill(tmp_path):
    template = (ROOT / "template.yaml").read_text()
    fake = tmp_path / "aws"
    fake.write_text(
        "#!/bin/sh\n"
        'case "$1 $2" in\n'
        '  "cloudformation describe-stack-resource") echo "name-of-$6";;\n'
        '  "secretsmanager put-secret-value") echo "$@" >> told; cat "${6#file://}" > secret;;\n'
        '  *) echo "$@" >> told;;\n'
        "esac\n"
    )
    fake.chmod(0o755)
    environ = {
        "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}",  # the folder of python3
        "GENESYS_CLIENT_ID": CLIENT_ID,
        "GENESYS_CLIENT_SECRET": 'with "quotes" and $signs',
    }
    for script in blocks("sh"):
        subprocess.run(["sh", "-e", "-c", script], cwd=tmp_path, env=environ, check=True)
    pair = json.loads((tmp_path / "secret").read_text())
    assert pair == {"client_id": CLIENT_ID, "client_secret": 'with "quotes" and $signs'}
    told = (tmp_path / "told").read_text()
    assert "quotes" not in told
    assert "--secret-id name-of-CredentialsSecret --secret-string file:///dev/stdin" in told
    assert "dynamodb delete-item --table-name name-of-SkillsTable" in told
    key = json.loads(re.search(r"--key (.*)", told)[1])
    assert [f"AttributeName: {name}, KeyType: HASH" in template for name in key] == [True]
    assert all(f"\n  {name}:\n" in template for name in ("CredentialsSecret", "SkillsTable"))
