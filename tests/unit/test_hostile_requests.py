"""Every route of the template answers whatever comes in with a status that docs/openapi.json has, and never with 5xx.

A route that is new in the template is tested without a line here.
"""

import base64
import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from http import HTTPMethod
from pathlib import Path
from random import Random
from urllib.parse import quote, urlsplit
from uuid import UUID

import pytest
from samcli.yamlhelper import yaml_parse

from routing_weights.adapters.aws.access_table import AccessTable
from routing_weights.adapters.aws.approvals_table import Approvals
from routing_weights.adapters.aws.drift_table import DriftEntries
from routing_weights.adapters.aws.fleet_documents import FleetDocuments
from routing_weights.adapters.aws.plans_table import NamedPlanStore
from routing_weights.adapters.aws.run_answers import RunAnswers
from routing_weights.adapters.aws.schedule_group import Group
from routing_weights.adapters.genesys.directory import PlatformDirectory
from routing_weights.api import access
from routing_weights.api.problem import ProblemDetails
from routing_weights.application.show_queues import ShowMembers
from routing_weights.application.show_shares import ShowShares
from routing_weights.application.suggest import Suggest
from routing_weights.domain.access import Person, Role
from routing_weights.domain.approval import Approval
from routing_weights.domain.directory import ListedQueue
from routing_weights.domain.fleet import Fleet, QueueItem
from routing_weights.domain.named_plan import NamedPlan, plan_to_save
from routing_weights.domain.plan import parse_plan
from routing_weights.domain.record import Closing, Opening
from routing_weights.domain.signing import DELIVERY, SIGNATURE, TIMESTAMP, signature
from routing_weights.errors import QueueNotFound, RequestInvalid, SharesNotMeasurable
from routing_weights.settings import Settings
from tests.support.fakes import LambdaContext, function_module, member, queue, target, work

ROOT = Path(__file__).parents[2]
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
OPENAPI = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
FUNCTIONS = {
    resource["Properties"]["CodeUri"].split("/")[1]: resource["Properties"]
    for resource in TEMPLATE["Resources"].values()
    if resource["Type"] == "AWS::Serverless::Function"
}
ROUTES = {
    f"{event['Properties']['Method']} {event['Properties']['Path']}": folder
    for folder, function in FUNCTIONS.items()
    for event in function.get("Events", {}).values()
    if event["Type"] == "HttpApi"
}
OPS = {"iam": {"userArn": "arn:aws:iam::123456789012:user/ops"}}
IDS = {"distribution_id": "d-1", "queue_id": "queue-001", "name": "normal", "fleet_id": "f-1"}
"""What there is in the fixture: a completed distribution of a queue, its state as a baseline, and a held fleet."""


WAITING = Approval(
    distribution_id="d-1", number=1, hash="0" * 64, reasons=(), queue_id="queue-001", fleet_id="f-1", door="fleet",
    asked_at="2026-01-01T00:00:00.000Z", expires_at="9998-01-01T00:00:00.000Z", token="t",
)  # fmt: skip


def sample(name):
    return (ROOT / "events" / name).read_bytes()


GOOD = {
    "Plan": sample("plan.json"),
    "Draft": sample("suggest.json"),
    "PlanToKeep": sample("named-plan.json"),
    "ApplyRequest": b'{"dry_run": true}',
    "RestoreOptions": b'{"dry_run": true}',
    "NewBaseline": b'{"distribution_id": "d-1"}',
    "NewForecast": sample("forecast.json"),
    "Schedule": sample("schedule.json"),
    "FleetRequest": sample("fleet.json"),
    "NewDraw": sample("draw-over-http.json"),
    "Words": b'{"reason": "why"}',
    "WordsOnHash": b'{"reason": "why"}',
}
"""A body that each model takes."""


def operation(route):
    method, path = route.split()
    return OPENAPI["paths"][path][method.lower()]


def good_body(route):
    content = operation(route).get("requestBody", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    return GOOD.get(reference.rpartition("/")[2])


WITH_A_BODY = [route for route in ROUTES if good_body(route)]


@pytest.fixture
def tables(aws, trail, documents, executions, drift_table, fleets):
    """What the functions need: tables, groups, a bucket, a queue, and one completed distribution with a baseline."""
    for table, *names in (
        ("baselines", "queue_id", "name"),
        ("named-plans", "queue_id", "name"),
        ("forecasts", "queue_id"),
        ("access", "reference"),
        ("deliveries", "delivery"),
        ("shares", "queue_id", "kind"),
        ("approvals", "distribution_id"),
    ):
        aws("dynamodb").create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=[
                {"AttributeName": n, "KeyType": kind} for n, kind in zip(names, ("HASH", "RANGE"), strict=False)
            ],
        )
    for group in ("schedules", "one-time"):
        aws("scheduler").create_schedule_group(Name=group)
    aws("secretsmanager").create_secret(Name="webhooks", SecretString='{"current": "new"}')
    common = {"distribution_id": "d-1", "queue_id": "queue-001", "started_at": "2026-01-01T00:00:00.000Z"}
    common["timestamp"] = common["started_at"]
    trail.append(Opening(**common, opened_queue_id="queue-001", status="initiated"))
    trail.append(Closing(**common, status="completed"))
    held = queue(member("agent-1", 0.1))
    documents.keep_work("d-1", work(parse_plan(sample("plan.json")), target({"agent-1": 0.4}), held))
    documents.put("d-1", "after", held.to_json())
    baseline = {"queue_id": "queue-001", "name": "normal", "distribution_id": "d-1", "set_at": common["timestamp"]}
    aws("dynamodb").put_item(TableName="baselines", Item={name: {"S": value} for name, value in baseline.items()})
    kept = plan_to_save(sample("named-plan.json"), "queue-001")
    named = NamedPlan("queue-001", "normal", "0" * 32, documents.keep_plan(kept), 2, common["timestamp"])
    NamedPlanStore("named-plans").put(named, None)
    held_fleet = {"fleet_id": "f-1", "status": "held", "options": {}, "total": 1, "waves": [{"count": 1}]}
    held_fleet |= {"submitted_at": common["timestamp"], "held": {"token": "t", "wave": 0, "reason": "too few contacts"}}
    execution = aws("stepfunctions").start_execution(stateMachineArn=executions.state_machine_arn, name="f-1")
    fleets.create(Fleet.model_validate(held_fleet | {"execution_arn": execution["executionArn"]}))
    FleetDocuments(documents.bucket).put_queues("f-1", [])
    role = "arn:aws:iam::123456789012:role/scheduler"
    return {
        "ACCESS_TABLE": "access",
        "AUDIT_TABLE": "audit",
        "CHAINS_TABLE": "chains",
        "EVIDENCE_BUCKET": documents.bucket,
        "CHECKPOINT_KEY": aws("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"],
        "BASELINES_TABLE": "baselines",
        "PLANS_TABLE": "named-plans",
        "FORECAST_TABLE": "forecasts",
        "DRIFT_TABLE": drift_table.table,
        "FLEETS_TABLE": fleets.table,
        "SHARES_TABLE": "shares",
        "APPROVALS_TABLE": Approvals("approvals").ask(WAITING) and "approvals",
        "FLEET_STATE_MACHINE_ARN": executions.state_machine_arn,
        "DELIVERIES_TABLE": "deliveries",
        "DOCUMENTS_BUCKET": documents.bucket,
        "STATE_MACHINE_ARN": executions.state_machine_arn,
        "SCHEDULE_GROUP": "schedules",
        "ONE_TIME_GROUP": "one-time",
        "SCHEDULE_ROLE_ARN": role,
        "SCHEDULE_DEAD_LETTERS_ARN": "arn:aws:sqs:eu-central-1:123456789012:dead",
        "WEBHOOK_QUEUE": aws("sqs").create_queue(QueueName="events")["QueueUrl"],
        "WEBHOOK_SECRET": "webhooks",
        "GENESYS_REGION": "eu-central-1",
    }


def forget_settings():
    for settings in [Settings, *Settings.__subclasses__()]:
        settings.load.__func__.cache_clear()


@pytest.fixture
def ask(tables, monkeypatch, request):
    """Send a route's function what the gateway would: the answer, once it is one that the route documents."""
    route = request.node.callspec.params["route"]
    folder, variables = ROUTES[route], FUNCTIONS[ROUTES[route]].get("Environment", {}).get("Variables", {})
    for name, value in variables.items():
        parameter = TEMPLATE["Parameters"].get(value.get("Ref"), {}) if isinstance(value, dict) else {}
        monkeypatch.setenv(name, tables.get(name, str(parameter.get("Default", "unused"))))
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "RoutingWeights")
    forget_settings()
    module = function_module(folder)

    def nobody(*_):
        raise QueueNotFound("Genesys knows no such queue.")

    def silent(*_):
        raise SharesNotMeasurable("Genesys says nothing.")

    monkeypatch.setattr(RunAnswers, "deliver", lambda *_: True)
    monkeypatch.setattr(Approvals, "waiting", lambda *_: iter([WAITING]))  # the table of the test has no index
    monkeypatch.setattr(Suggest, "suggest", nobody)
    monkeypatch.setattr(ShowShares, "show", silent)
    monkeypatch.setattr(PlatformDirectory, "queues", lambda _self: [ListedQueue("queue-001", "Billing", "Home", 3)])
    monkeypatch.setattr(PlatformDirectory, "queue", nobody)
    monkeypatch.setattr(ShowMembers, "show", nobody)

    def send(body=None, *, path=None, headers=None, query=None, ids=IDS, authorizer=OPS):
        method, pattern = route.split()
        path = pattern.format_map(ids) if path is None else path
        event = {
            "version": "2.0",
            "routeKey": route,
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"content-type": "application/json", **(headers or {})},
            "isBase64Encoded": isinstance(body, bytes),
            "requestContext": {
                "http": {"method": method, "path": path},
                "stage": "$default",
                "requestId": "request-1",
                "authorizer": authorizer,
            },
        }
        if query:
            event["queryStringParameters"] = query
        if body is not None:
            event["body"] = base64.b64encode(body).decode() if isinstance(body, bytes) else body
        answer = module.handler(json.loads(json.dumps(event)), LambdaContext())
        conforms(route, answer)
        return answer

    yield send
    forget_settings()


def conforms(route, answer):
    """The status, the content type and, of a refusal, the shape are those of the OpenAPI."""
    status, responses = answer["statusCode"], operation(route)["responses"]
    assert status < 500, answer
    assert str(status) in responses
    kind = (answer.get("headers") or {}).get("Content-Type")
    if status == 204:
        assert (answer.get("body") or "", kind) == ("", None)
        return
    assert kind in responses[str(status)]["content"]
    if status >= 400:
        assert kind == "application/problem+json"
        assert ProblemDetails.model_validate_json(answer["body"]).status == status
    assert len(answer["body"].encode()) < 6_291_456, "a function's answer has at most 6 MB"


def test_the_openapi_document_is_that_of_the_code():
    command = [sys.executable, "-m", "local.checks.openapi"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert json.loads(printed) == OPENAPI, "docs/openapi.json is old: make openapi"


def test_every_route_of_the_template_is_in_the_openapi_and_no_other():
    documented = {
        f"{method.upper()} {path}"
        for path, operations in OPENAPI["paths"].items()
        for method in operations
        if method.upper() in set(HTTPMethod)
    }
    assert documented == set(ROUTES)
    assert len(ROUTES) >= 21


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_documents_what_the_gateway_says_itself(route):
    """401, 403, 413, 429, 500 and 503 have its own shape, and so has 404 where a path may fit no route."""
    responses = operation(route)["responses"]
    own = {"400", "429", "500", "503"}
    own |= {"403"} if operation(route).get("security") != [] else set()
    own |= {"401"} if "security" not in operation(route) else set()
    own |= {"404"} if "{" in route else set()
    own |= {"413"} if "requestBody" in operation(route) else set()
    reference = {"$ref": "#/components/schemas/GatewayMessage"}
    found = {
        s for s, r in responses.items() if r.get("content", {}).get("application/json", {}).get("schema") == reference
    }
    assert found == own
    assert "content" not in responses.get("204", {})
    ours = {"409", "422", "500"} | (set() if ROUTES[route] == "draw" else {"503"})  # a draw answers without the store
    for status in ours & responses.keys():
        assert "application/problem+json" in responses[status]["content"]


def test_every_link_leads_to_an_operation_and_says_each_of_its_ids():
    by_id = {o["operationId"]: (path, o) for path, ops in OPENAPI["paths"].items() for o in ops.values()}
    links = {
        (o["operationId"], link["operationId"]): link["parameters"]
        for _, o in by_id.values()
        for response in o["responses"].values()
        for link in response.get("links", {}).values()
    }
    for (_, leads_to), parameters in links.items():
        assert set(re.findall(r"{(\w+)}", by_id[leads_to][0])) == parameters.keys()
    made_by_plans = {leads_to for source, leads_to in links if source.startswith("submit_plan")}
    assert {by_id[target][0] for target in made_by_plans} >= {
        "/distributions/{distribution_id}",
        "/distributions/{distribution_id}/restore",
        "/distributions/{distribution_id}/projection.svg",
    }


# ---- bodies ----------------------------------------------------------------------------------------------------------

CONTENT_TYPES = [
    "application/x-www-form-urlencoded",  # curl's own
    "application/octet-stream",
    "text/xml",
    "text/plain; charset=utf-16",
    "application/vnd.api+json",
    "application/json; charset=latin-1",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/json, text/html",
    "é",
    "\x00",
    "",
    "x" * 9_000,
]


@pytest.mark.parametrize("route", WITH_A_BODY)
def test_a_body_is_read_as_json_whatever_its_content_type_says(ask, route):
    expected = ask(good_body(route))["statusCode"]
    assert expected < 400 or ROUTES[route] == "suggest"
    for kind in CONTENT_TYPES:
        for body in (good_body(route), good_body(route).decode()):
            assert ask(body, headers={"content-type": kind})["statusCode"] == expected, kind


TWICE = ",".join(f'"{n}":1,"{n}":1' for n in range(30_000))
BODIES = {
    "nothing": "",
    "white space": " \n",
    "null": "null",
    "a number": "1e400",
    "an integer of 5,000 digits": "9" * 5_000,
    "NaN": '{"queue_id": NaN}',
    "a text": '"plan"',
    "a list": "[[]]",
    "no UTF-8": b'{"reason": "\xff\xfe"}',
    "UTF-16": '{"dry_run": true}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "NUL": '{"reason": "\\u0000", "\\u0000": "\x00"}',
    "half a surrogate pair": '{"reason": "\\ud800", "\\udfff": "\\ud800", "queue_id": "\\ud800", "source": "\\ud800"}',
    "half a surrogate pair as it is": '{"reason": "\ud800"}',
    "a key twice": '{"dry_run": true, "dry_run": false}',
    "deep nesting": '{"a":' * 2_000 + "1" + "}" * 2_000,
    "nesting without an end": "[" * 100_000,
    "a form": "dry_run=true&reason=x",
    "a multipart form": '--x\r\nContent-Disposition: form-data; name="dry_run"\r\n\r\ntrue\r\n--x--',
    "100,000 unknown fields": "{" + ",".join(f'"k{n}":1' for n in range(90_000)) + "}",
    "many keys twice below a long one": f'{{"{"k" * 400_000}": {{{TWICE}}}}}',
    "a long text": json.dumps({"reason": "x" * 900_000, "requested_by": "é" * 10_000}),
    "more than 1 MiB": b" " * 1_100_000,
    "numbers that no clock has": '{"offered": 1e308, "aht_s": 1e-308, "ttl_s": 1e30, "interval_s": 99999999999999}',
    "a moment before the year 1": '{"offered": 1, "aht_s": 1, "valid_from": "0001-01-01T00:00:00+14:00"}',
    "a moment after the year 9999": '{"offered": 1, "aht_s": 1, "expires_at": "9999-12-31T23:59:59-14:00"}',
    "values of other types": '{"objective": [], "plan": [], "baseline": 1, "name": {}, "distribution_id": []}',
    "an id that is too long": json.dumps({"distribution_id": "x" * 2_000, "queue_id": "x" * 2_000}),
}


@pytest.mark.parametrize("route", [route for route in ROUTES if "requestBody" in operation(route)])
def test_a_bad_body_is_a_problem_and_no_server_error(ask, route):
    for kind, body in BODIES.items():
        headers = {}
        if ROUTES[route] == "webhook":
            raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
            assert ask(body)["statusCode"] in {401, 413}, "its sender comes first"
            stamp = str(int(time.time()))
            headers = {TIMESTAMP: stamp, DELIVERY: "delivery", SIGNATURE: signature(b"new", stamp, raw)}
        status = ask(body, headers=headers)["statusCode"]
        assert 400 <= status < 500 or kind == "nothing", kind


# ---- paths, queries, headers -----------------------------------------------------------------------------------------

SEGMENTS = [
    "a/b", "a%2Fb", "..", ".", "%2e%2e", "\x00", "%00", "a\nb", "a\n", "a b", "a+b", "é", "\ud800", "\U0001f600", '"',
    "\\", "?", "#", "%", "%zz", "<b>", "{queue_id}", "$default", "'", "a;b", "-", "\u202e", "x" * 81, "x" * 3_000,
    "00000000-0000-4000-8000-00000000ABCD", "",
]  # fmt: skip


@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route])
def test_an_odd_path_segment_is_a_problem_and_no_server_error(ask, route):
    """An HTTP API decodes `rawPath`; one that is not decoded is as good."""
    for segment in SEGMENTS:
        for name in re.findall(r"{(\w+)}", route):
            for text in (segment, quote(segment.encode("utf-8", "replace"), safe="")):
                path = route.split()[1].format_map(IDS | {name: text})
                answer = ask(good_body(route), path=path)
                if re.search(r"[\x00\n\ud800/\"\\?#]", text):
                    assert answer["statusCode"] in {404, 422}, text


MOMENTS = [
    "garbage", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "12", "1e9", "\ud800", "\x00", ",",
    "2026-01-01,2026-01-02", "2026-01-01T00:00:00+99:99", "x" * 41,
]  # fmt: skip
QUERIES = {
    "limit": ["-1", "0", "1e400", "NaN", "9" * 5_000, "", " ", "1,2", "\uff11", "\x00", "\ud800", "true", "0x10"],
    "count": ["-1", "0", "", "9" * 5_000, "1,1", "\ud800"],
    "from": MOMENTS,
    "to": MOMENTS,
    "unknown": ["x", "\ud800"],
    "next": ["garbage", "é", "\ud800", "x" * 2_000, "x" * 9_000, "W10=", "bnVsbA==", "a,b", "\x00", "=", "{}",
             base64.urlsafe_b64encode(b"[" * 1_400).decode()],
}  # fmt: skip


@pytest.mark.parametrize("route", [route for route in ROUTES if route.startswith("GET")])
def test_an_odd_query_is_a_problem_and_no_server_error(ask, aws_answers, route):
    known = {parameter["name"]: parameter["schema"] for parameter in operation(route).get("parameters", [])}
    for name, values in QUERIES.items():
        if name == "next":
            aws_answers("scheduler", "ListSchedules", "ValidationException")
        too_many = [str(known[name]["maximum"] + 1)] if "maximum" in known.get(name, {}) else []
        for value in [*values, *too_many]:
            status = ask(query={name: value})["statusCode"]
            if name in known and value.strip():
                assert status in {404, 422}, (name, value)


@pytest.mark.parametrize("route", ROUTES)
def test_odd_headers_are_a_problem_and_no_server_error(ask, route):
    for key in ("", " ", "é", "\ud800", "\x00", "a,b", "x" * 256, "x" * 9_000, "../../x", "\U0001f600"):
        ask(good_body(route), headers={"idempotency-key": key})
        # The signature comes first, and nobody reads the last three: no refusal of one hides that of another.
        others = ("x-webhook-signature", "x-webhook-id", "authorization", "accept", "cookie")
        ask(good_body(route), headers=dict.fromkeys(others, key))


# ---- page tokens -----------------------------------------------------------------------------------------------------

FORGED = [
    lambda key: key | {"timestamp": {"S": "9999"}},
    lambda key: key | {"timestamp": {"S": "2026" * 300}},
]


@pytest.mark.parametrize("forge", FORGED)
def test_a_token_that_dynamodb_refuses_is_the_callers_mistake(trail, aws_answers, forge):
    """ "The provided starting key is outside query boundaries", or longer than a key may be."""
    key = {name: {"S": "d-1"} for name in ("distribution_id", "record", "opened_queue_id", "timestamp")}
    token = base64.urlsafe_b64encode(json.dumps(forge(key | {"opened_queue_id": {"S": "queue-001"}})).encode()).decode()
    aws_answers("dynamodb", "Query", "ValidationException")
    with pytest.raises(RequestInvalid, match="next"):
        trail.of_queue("queue-001", since="2026", until="2027", limit=1, after=token)
    with pytest.raises(RequestInvalid, match="next"):
        DriftEntries("drift").of_queue(
            "queue-001", since="2026", until="2027", limit=1, after=base64.b64encode(b"9999").decode()
        )


def test_a_token_that_the_scheduler_refuses_is_the_callers_mistake(aws_answers):
    aws_answers("scheduler", "ListSchedules", "ValidationException")
    with pytest.raises(RequestInvalid, match="next"):
        Group("schedules").page(20, "garbage")


# ---- who may call: a new route fails here until its rule is in the table, and keeps others out -----------------------

OURS, THEIRS = "queue-001", "queue-998"
ONCE = {
    "DELETE /queues/{queue_id}/plans/{name}": 204,
    "DELETE /schedules/{name}": 204,
    **{f"POST /distributions/{{distribution_id}}/{answer}": 202 for answer in ("approve", "reject")},
}
"""Routes that cannot be called a second time with the same result."""
OF_PEOPLE = [route for route in ROUTES if access.ROUTES[route].role not in {"machine", "account"}]
OF_THE_ACCOUNT = [route for route in ROUTES if access.ROUTES[route].role == "account"]
CHANGES = [route for route in OF_PEOPLE if access.ROUTES[route].role != Role.VIEWER]
SCHEDULE = {
    "ScheduleExpression": "cron(0 8 * * ? *)",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": {
        "Arn": "arn:aws:states:eu-central-1:123456789012:stateMachine:machine",
        "RoleArn": "arn:aws:iam::123456789012:role/r",
    },
}
TIMING = {
    "expression": "cron(0 8 * * ? *)",
    "time_zone": "UTC",
    "set_at": "2026-01-01T00:00:00.000Z",
    "set_by": "arn:user/ops",
}


@pytest.fixture
def inhabited(tables, aws):
    """What there is belongs to queue-001: the distribution, the baseline, the fleet, and a schedule. All are `IDS`."""
    baseline = {"queue_id": OURS, "name": "normal"}
    given = json.dumps({"baseline": baseline, "schedule": TIMING, "origin": {"door": "schedule", "caller": "normal"}})
    Group(tables["SCHEDULE_GROUP"]).put({"Name": "normal", **SCHEDULE, "Target": SCHEDULE["Target"] | {"Input": given}})
    item = QueueItem(number=0, queue_id=OURS, distribution_id="f-1.0", wave=0, start=0, length=2, members=1)
    FleetDocuments(tables["DOCUMENTS_BUCKET"]).put_queues("f-1", [item])
    return aws


def signed_in(reach, user_id="u-1", expires_at=2_000_000_000):
    """What the gateway says of a person whose roles are for some queues."""
    person = Person(f"genesys:{user_id}", "Ada", "genesys", {Role.VIEWER: frozenset(), **reach})
    AccessTable("access").put(user_id, person, expires_at)
    return {"lambda": {"person": user_id, "caller": person.id}}


def all_roles(*queues):
    return signed_in(dict.fromkeys(Role, frozenset(queues)))


def everything(aws):
    """All items, objects, executions and schedules, without what the tests store about persons."""
    tables = {name for name in aws("dynamodb").list_tables()["TableNames"] if name != "access"}
    items = {name: aws("dynamodb").scan(TableName=name)["Items"] for name in sorted(tables)}
    buckets = [bucket["Name"] for bucket in aws("s3").list_buckets()["Buckets"]]
    objects = {
        b: [(o["Key"], o["ETag"]) for o in aws("s3").list_objects_v2(Bucket=b).get("Contents", [])] for b in buckets
    }
    machines = [machine["stateMachineArn"] for machine in aws("stepfunctions").list_state_machines()["stateMachines"]]
    runs = [
        (run["name"], run["status"])
        for arn in machines
        for run in aws("stepfunctions").list_executions(stateMachineArn=arn)["executions"]
    ]
    schedules = [
        aws("scheduler").get_schedule(GroupName=each["GroupName"], Name=each["Name"])["Target"]
        for each in aws("scheduler").list_schedules()["Schedules"]
    ]
    return json.dumps([items, objects, sorted(runs), schedules], sort_keys=True, default=str)


def test_every_route_says_who_may_call_it():
    assert access.ROUTES.keys() == ROUTES.keys()
    assert [route for route in ROUTES if access.ROUTES[route].role == "machine"] == [
        "POST /queues/{queue_id}/draws",
        "POST /webhooks/genesys/callback",
    ]
    reading = {route for route in OF_PEOPLE if access.ROUTES[route].role == Role.VIEWER}
    assert {route.split()[0] for route in reading} == {"GET"}


def good_query(route):
    return {"queue_id": OURS} if access.ROUTES[route].names == "asked" else None


@pytest.mark.parametrize("route", OF_THE_ACCOUNT)
def test_evidence_about_all_queues_is_for_callers_of_the_account_alone(ask, inhabited, route):
    before = everything(inhabited)
    jwt = {"jwt": {"claims": {"iss": "i", "sub": "u-1", "roles": "[operator]"}}}
    for authorizer, status in (({}, 403), ({"iam": {}}, 401), (jwt, 403)):
        assert ask(authorizer=authorizer, query=good_query(route))["statusCode"] == status
    assert everything(inhabited) == before


@pytest.mark.parametrize("route", OF_PEOPLE)
def test_a_queue_of_others_is_neither_shown_nor_changed(ask, inhabited, route):
    stranger, before = all_roles(THEIRS), everything(inhabited)
    answer = ask(good_body(route), authorizer=stranger, query=good_query(route))
    match access.ROUTES[route].names:
        case "listed" if route.startswith("GET"):
            assert (answer["statusCode"], json.loads(answer["body"])["items"]) == (200, [])
            assert not json.loads(answer["body"]).get("next")
        case "nothing":
            assert OURS not in answer["body"]
        case _ if route == "POST /fleets":
            assert answer["statusCode"] == 422
            assert {found["type"] for found in json.loads(answer["body"])["errors"]} == {"queue_unknown"}
        case _:
            assert answer["statusCode"] == 404
    assert everything(inhabited) == before


@pytest.mark.parametrize(
    "route", [route for route in OF_PEOPLE if "{" in route and not route.startswith("PUT /schedules")]
)
def test_an_id_of_others_looks_like_an_unknown_one(ask, inhabited, route):
    assert inhabited
    stranger, unknown = all_roles(THEIRS), dict.fromkeys(IDS, "unknown-1")
    known = ask(good_body(route), authorizer=stranger)
    nobody = ask(good_body(route), authorizer=stranger, ids=unknown)
    assert known["statusCode"] == nobody["statusCode"] == 404
    for value in {*IDS.values(), "unknown-1"}:
        known["body"], nobody["body"] = (text.replace(value, "id") for text in (known["body"], nobody["body"]))
    assert known["body"] == nobody["body"]


@pytest.mark.parametrize("route", OF_PEOPLE)
def test_whoever_has_the_queue_and_the_role_gets_what_iam_gets(ask, inhabited, route):
    assert inhabited
    named = {OURS, *re.findall(r'"queue_id": *"([^"]+)"', (good_body(route) or b"").decode())}
    person = all_roles(*named, *[f"queue-{number:03}" for number in range(20)])
    status = ask(good_body(route), authorizer=person, query=good_query(route))["statusCode"]
    assert status == (ONCE.get(route) or ask(good_body(route), query=good_query(route))["statusCode"])


@pytest.mark.parametrize("route", CHANGES)
def test_a_viewer_changes_nothing(ask, inhabited, route):
    viewer, before = signed_in({Role.VIEWER: None}), everything(inhabited)
    answer = ask(good_body(route), authorizer=viewer, query=good_query(route))
    assert (answer["statusCode"], json.loads(answer["body"])["type"]) == (403, "/problems/role-missing")
    assert everything(inhabited) == before


@pytest.mark.parametrize("route", OF_PEOPLE)
def test_nobody_is_somebody_without_the_gateway(ask, inhabited, route):
    """A claim in a header or a query is no identity, and a sign-in ends."""
    before = everything(inhabited)
    claims = {"x-amzn-oidc-identity": "genesys:u-1", "x-caller": "arn:user/ops", "authorization": "Bearer u-1"}
    expired = signed_in(dict.fromkeys(Role), expires_at=int(time.time()))
    for authorizer in ({}, {"lambda": {"person": "u-2"}}, {"jwt": {"claims": {"sub": "u-1"}}}, {"iam": {}}, expired):
        query = {"caller": "genesys:u-1"} | (good_query(route) or {})
        answer = ask(good_body(route), authorizer=authorizer, headers=claims, query=query)
        assert (answer["statusCode"], json.loads(answer["body"])["type"]) == (401, "/problems/sign-in-expired")
    assert everything(inhabited) == before


@pytest.mark.parametrize("route", ["POST /plans"])
def test_the_record_has_the_caller_whom_the_gateway_verified(ask, inhabited, trail, route):
    assert inhabited
    body = json.dumps(json.loads(good_body(route)) | {"requested_by": "the director"}).encode()
    person, claims = all_roles("queue-001"), {"x-caller": "arn:user/ops", "idempotency-key": "monday"}
    mine = json.loads(ask(body, authorizer=person, headers=claims)["body"])["distribution_id"]
    opening = trail.find(mine).opening
    assert (opening.caller, opening.caller_name, opening.requested_by) == ("genesys:u-1", "Ada", "the director")
    jwt = {"jwt": {"claims": {"iss": "https://id.example", "sub": "42", "name": "Grace", "roles": "planner other"}}}
    other = json.loads(ask(body, authorizer=jwt, headers=claims)["body"])["distribution_id"]
    assert (trail.find(other).opening.caller, trail.find(other).opening.caller_name) == (
        "jwt:https://id.example#42",
        "Grace",
    )
    assert mine != other, "the Idempotency-Key of one person is not that of another"
    claimed = json.dumps(json.loads(body) | {"caller": "arn:user/ops"})
    assert ask(claimed, authorizer=person)["statusCode"] == 422


@pytest.mark.parametrize("route", ["POST /plans"])
def test_a_plan_cannot_reach_another_queue_by_what_it_names(ask, inhabited, route):
    person, before = all_roles(THEIRS), everything(inhabited)
    mine = json.loads(good_body(route)) | {"queue_id": THEIRS}
    shared = mine | {"shared_with": [{"queue_id": OURS}]}
    image = mine | {"restores": {"distribution_id": "d-1"}}
    nobody = mine | {"restores": {"distribution_id": "d-2"}}
    refused = json.loads(good_body(route)) | {
        "member_weights": "wrong"
    }  # its refusal would be in the trail of the others
    answers = [ask(json.dumps(body), authorizer=person) for body in (shared, image, nobody, refused)]
    assert [answer["statusCode"] for answer in answers] == [404] * 4
    assert answers[1]["body"].replace("d-1", "d-2") == answers[2]["body"]
    assert everything(inhabited) == before


@pytest.mark.parametrize("route", ["POST /fleets"])
def test_an_upload_belongs_to_whoever_opened_it(ask, inhabited, documents, route):
    assert route
    uploads, name = FleetDocuments(documents.bucket), "6f1c9a52-0b7e-4a55-9a3c-1f0f3c7f9d10"
    line = json.dumps(json.loads(GOOD["Plan"]) | {"queue_id": THEIRS}).encode()
    place = urlsplit(uploads.upload_address(name, 60, "genesys:u-2")).path.lstrip("/")
    inhabited("s3").put_object(Bucket=documents.bucket, Key=place.removeprefix(f"{documents.bucket}/"), Body=line)
    body = json.dumps({"upload": name}).encode()
    opened, guessed = (
        ask(body, authorizer=signed_in(dict.fromkeys(Role, frozenset({THEIRS})), user)) for user in ("u-2", "u-1")
    )
    assert (opened["statusCode"], guessed["statusCode"], ask(body)["statusCode"]) == (202, 422, 422)
    assert "no file has this id" in guessed["body"]


def test_a_person_with_10000_queues_in_every_role_fits_an_item(tables):
    """A sign-in reads at most 10,000 queues, and an item of DynamoDB has at most 400 KB."""
    assert tables
    random = Random(1)
    queues = [str(UUID(int=random.getrandbits(128))) for _ in range(10_000)]
    reach = {Role.VIEWER: frozenset(queues), Role.PLANNER: frozenset(queues[::2]), Role.APPROVER: frozenset(queues[1:])}
    person = Person("genesys:u-1", "Ada", "genesys", reach | {Role.OPERATOR: None})
    AccessTable("access").put("r-1", person, 2_000_000_000)
    assert AccessTable("access").find("r-1", 1.0) == person
    AccessTable("access").put("r-2", replace(person, reach={Role.VIEWER: frozenset()}), 2_000_000_000)
    assert AccessTable("access").find("r-2", 1.0).reach == {Role.VIEWER: frozenset()}


@pytest.mark.parametrize("route", ["GET /fleets"])
def test_a_list_and_its_token_name_only_what_is_shown(ask, inhabited, fleets, documents, route):
    assert inhabited
    assert route
    lists = FleetDocuments(documents.bucket)
    for number in range(7):
        item = QueueItem(
            number=0,
            queue_id=THEIRS if number % 3 == 0 else OURS,
            distribution_id="d",
            wave=0,
            start=0,
            length=2,
            members=1,
        )
        fleet = fleets.find("f-1").model_copy(
            update={"fleet_id": f"g-{number}", "submitted_at": f"2026-02-0{number + 1}T00:00:00.000Z"}
        )
        fleets.create(fleet)
        lists.put_queues(fleet.fleet_id, [item])
    person, seen, token = all_roles(THEIRS), [], ""
    while token is not None:
        page = json.loads(ask(authorizer=person, query={"limit": "1"} | ({"next": token} if token else {}))["body"])
        seen += [item["fleet_id"] for item in page["items"]]
        token = page.get("next")
        assert token is None or json.loads(base64.urlsafe_b64decode(token))[1] in seen
    assert seen == ["g-6", "g-3", "g-0"]
