"""The state machine as a graph: what can be said of it without running it."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from samcli.yamlhelper import yaml_parse

from routing_weights import errors
from routing_weights.distribution import Status
from routing_weights.genesys import connect, transport
from routing_weights.store import aws

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "statemachine/distribute.asl.yaml").read_text(encoding="utf-8")
MACHINE = yaml.safe_load(TEXT)
STATES = MACHINE["States"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
FUNCTIONS = {
    name: state["Arguments"]["FunctionName"].strip("${}")
    for name, state in TASKS.items()
    if state["Resource"].endswith(":lambda:invoke")
}
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
DEFAULT_TIMEOUT_S = TEMPLATE["Globals"]["Function"]["Timeout"]
LAMBDA_TIMEOUTS_S = {
    name: item["Properties"].get("Timeout", DEFAULT_TIMEOUT_S)
    for name, item in TEMPLATE["Resources"].items()
    if item["Type"] == "AWS::Serverless::Function"
}

ERRORS = {name: item for name, item in vars(errors).items() if isinstance(item, type) and issubclass(item, Exception)}
OF_THE_API = {"IdempotencyConflict", "RequestInvalid", "RouteNotFound", "DistributionNotFound"}
FALLS_TO_ITS_STATE = {
    "Project": "projection_failed",
    "Patch queue": "queue_update_failed",
    "Patch members": "member_update_failed",
    "Verify": "verification_failed",
    "Validate": "validation_failed",
    "Lock": "interrupted",
}
"""What `States.ALL` may say: the status that is the state's own."""
HAS_ITS_STATES_STATUS = {
    "ConfigurationInvalid",
    "Forbidden",
    "ForecastMissing",
    "GenesysAnswerInvalid",
    "GenesysRefused",
    "QueueChanged",
    "QueueNotFound",
    "Unauthorized",
    "VerificationFailed",
}
"""Errors that need no name in the state machine, since where they happen says how the run ends."""


def catches(state):
    return STATES[state].get("Catch", [])


def edges(state):
    """Where a state can go: the next state, and what leads there (a rule, a Catch or nothing)."""
    definition = STATES[state]
    yield from ((rule["Next"], rule) for rule in definition.get("Choices", []) + definition.get("Catch", []))
    yield from ((definition[key], {}) for key in ("Next", "Default") if key in definition)


def reachable(start, without=(), unless=lambda _rule: False):
    found, open_ends = set(), [start]
    while open_ends:
        state = open_ends.pop()
        if state in found or state in without:
            continue
        found.add(state)
        open_ends += [target for target, rule in edges(state) if not unless(rule)]
    return found


def nodes(value):
    """Every dictionary in the definition, at any depth."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(item)


def named_errors():
    return {name for node in nodes(STATES) for name in node.get("ErrorEquals", [])}


# ---- the shape ------------------------------------------------------------------------------------------------------


def test_every_target_exists_and_every_state_is_reached():
    targets = {target for state in STATES for target, _ in edges(state)}
    assert targets <= STATES.keys()
    assert reachable(MACHINE["StartAt"]) == STATES.keys()


def test_every_state_leads_to_an_end_and_the_only_ends_are_completed_and_failed():
    ends = {name for name, state in STATES.items() if state["Type"] in {"Succeed", "Fail"} or state.get("End")}
    assert ends == {"Completed", "Failed"}
    assert all(reachable(state) & ends for state in STATES)


def test_completed_is_reached_through_the_check_of_the_status_only():
    assert [state for state in STATES for target, _ in edges(state) if target == "Completed"] == ["Completed?"]
    (rule,) = STATES["Completed?"]["Choices"]
    assert set(re.findall(r"'(\w+)'", rule["Condition"])) == {Status.COMPLETED, Status.DRY_RUN}
    assert STATES["Completed?"]["Default"] == "Failed"


def test_no_way_leads_to_an_end_past_audit_but_that_of_a_plan_that_validate_refused_and_audited():
    past_audit = reachable("Validate", without={"Audit"})
    assert "Completed" not in past_audit
    assert "Failed" in past_audit
    refused = lambda rule: rule.get("ErrorEquals") == ["PlanInvalid"]  # noqa: E731 - a name for a rule
    assert "Failed" not in reachable("Validate", without={"Audit"}, unless=refused)
    assert [state for state in STATES for _, rule in edges(state) if refused(rule)] == ["Validate"]


def test_every_run_that_took_the_lock_gives_it_back():
    assert not {"Completed", "Failed"} & reachable("Lock", without={"Unlock"})


def test_the_stub_functions_of_the_embedded_stack_are_not_used():
    assert not re.search(r"\$(uuid|hash)\b", TEXT)


# ---- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", TASKS)
def test_every_task_has_a_time_out_of_its_own(state):
    assert 0 < TASKS[state]["TimeoutSeconds"] < MACHINE["TimeoutSeconds"]


@pytest.mark.parametrize("state", FUNCTIONS)
def test_a_function_ends_before_its_state_gives_it_up(state):
    assert LAMBDA_TIMEOUTS_S[FUNCTIONS[state]] < TASKS[state]["TimeoutSeconds"]


@pytest.mark.parametrize("function", ["ProjectFunction", "PatchFunction", "VerifyFunction", "TokenFunction"])
def test_an_http_request_ends_before_its_function(function):
    request_s = transport.CONNECT_TIMEOUT_S + transport.READ_TIMEOUT_S
    assert request_s < LAMBDA_TIMEOUTS_S[function]
    assert transport.READ_TIMEOUT_S < connect.RESERVE_S < LAMBDA_TIMEOUTS_S[function]


@pytest.mark.parametrize("function", LAMBDA_TIMEOUTS_S)
def test_a_request_to_aws_ends_before_its_function(function, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    config = aws.client.__wrapped__("dynamodb").meta.config
    assert config.connect_timeout + config.read_timeout < LAMBDA_TIMEOUTS_S[function]


@pytest.mark.parametrize("function", ["ProjectFunction", "PatchFunction", "VerifyFunction"])
def test_who_waits_for_the_token_function_waits_as_long_as_it_may_take(function, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patience = aws.client.__wrapped__("lambda").meta.config.read_timeout
    assert LAMBDA_TIMEOUTS_S["TokenFunction"] <= patience < LAMBDA_TIMEOUTS_S[function]


def test_a_lock_outlives_the_longest_execution():
    expiry = int(re.search(r"\+ (\d+)", TASKS["Lock"]["Arguments"]["Item"]["expires_at"]["N"])[1])
    assert MACHINE["TimeoutSeconds"] < expiry


def test_a_run_gives_up_waiting_for_genesys_before_the_machine_times_out():
    last_ticks = sum(TASKS[name]["TimeoutSeconds"] for name in ("Patch members", "Read back", "Audit", "Unlock"))
    assert connect.MAX_RUN_S + last_ticks < MACHINE["TimeoutSeconds"]


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", TASKS)
def test_every_task_catches_everything_and_last_of_all(state):
    assert catches(state)[-1]["ErrorEquals"] == ["States.ALL"]
    assert ["States.ALL"] not in [rule["ErrorEquals"] for rule in catches(state)[:-1]]


@pytest.mark.parametrize("state", TASKS)
def test_every_retry_is_of_named_errors_bounded_and_jittered(state):
    for retry in TASKS[state]["Retry"]:
        assert not {"States.ALL", "States.TaskFailed"} & set(retry["ErrorEquals"])
        assert retry["JitterStrategy"] == "FULL"
        assert 0 < retry["IntervalSeconds"] <= retry["MaxDelaySeconds"]
        assert retry["MaxAttempts"] > 0


@pytest.mark.parametrize("state", TASKS)
def test_no_state_retries_what_it_catches_by_name(state):
    retried = {name for retry in TASKS[state]["Retry"] for name in retry["ErrorEquals"]}
    caught = {name for rule in catches(state) for name in rule["ErrorEquals"]}
    assert not retried & caught


def test_every_error_that_the_machine_names_is_one_of_ours_or_of_a_service():
    ours = {name for name in named_errors() if "." not in name}
    assert ours <= ERRORS.keys()
    services = {name.partition(".")[0] for name in named_errors() if "." in name}
    assert services == {"States", "Lambda", "DynamoDB"}


def test_every_error_that_the_flow_can_raise_ends_as_someone_decided():
    raised = errors_raised_in_the_flow() - OF_THE_API
    named = {name for name in named_errors() if "." not in name}
    assert raised - named - HAS_ITS_STATES_STATUS == set()
    assert HAS_ITS_STATES_STATUS | named <= raised, "a decision about an error that nobody raises"
    assert not HAS_ITS_STATES_STATUS & named


def test_what_states_all_says_is_the_states_own_status():
    said = {
        state: catches(state)[-1]["Assign"]["outcome"]["status"]
        for state in TASKS
        if "outcome" in catches(state)[-1].get("Assign", {})
    }
    assert said == FALLS_TO_ITS_STATE | {"Audit": "audit_not_written"}


@pytest.mark.parametrize(
    ("error", "status"),
    {
        "PlanInvalid": "validation_failed",
        "MemberNotInQueue": "validation_failed",
        "PlanNotApplicable": "validation_failed",
        "QueueSaturated": "saturation_blocked",
        "SkillNotCovered": "saturation_blocked",
        "DynamoDB.ConditionalCheckFailedException": "queue_busy",
    }.items(),
)
def test_an_error_whose_status_is_not_its_states_own_is_caught_by_name(error, status):
    said = [
        rule["Assign"]["outcome"]["status"]
        for state in TASKS
        for rule in catches(state)
        if error in rule["ErrorEquals"]
    ]
    assert said == [status]


def test_every_status_is_reached_and_no_other_is_said():
    said = {node["status"] for node in nodes(STATES) if isinstance(node.get("status"), str)}
    said = {status for status in said if not status.startswith("{%")}
    assert said == {status.value for status in Status if status.terminal} | {"audit_not_written"}


def test_every_state_that_asks_genesys_can_be_told_to_wait():
    asking = {
        state for state, name in FUNCTIONS.items() if name in {"ProjectFunction", "PatchFunction", "VerifyFunction"}
    }
    catching = {state for state in TASKS for rule in catches(state) if "RateLimited" in rule["ErrorEquals"]}
    assert catching == asking - {"Patch members"}  # its tick keeps its place: it answers with a pause instead


def test_a_wait_resumes_the_state_that_asked_for_it():
    pauses = [
        (state, rule["Assign"]["pause"]["resume"], target)
        for state in STATES
        for target, rule in edges(state)
        if "pause" in rule.get("Assign", {})
    ]
    assert {target for _, _, target in pauses} == {"Wait for Genesys"}
    assert all(resume == state for state, resume, _ in pauses if state != "Members left?")
    assert {resume for state, resume, _ in pauses if state == "Members left?"} == {"Patch members"}
    rules = {re.search(r"'(.+)'", rule["Condition"])[1]: rule["Next"] for rule in STATES["Resume"]["Choices"]}
    assert all(name == target for name, target in rules.items())
    assert {resume for _, resume, _ in pauses} == rules.keys() | {STATES["Resume"]["Default"]}
    waiting = {state for state in TASKS for rule in catches(state) if "RateLimited" in rule["ErrorEquals"]}
    assert waiting <= {resume for _, resume, _ in pauses}


# ---- what the functions of the flow can raise -----------------------------------------------------------------------


def errors_raised_in_the_flow():
    """The classes of `errors.py` that a `raise` names in the functions of the flow, or in what they import."""
    done, todo = set(), [ROOT / "functions" / name / "app.py" for name in flow_folders()]
    raised = set()
    while todo:
        path = todo.pop()
        if path in done:
            continue
        done.add(path)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        todo += imported_modules(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and node.exc is not None:
                raised |= {name.id for name in ast.walk(node.exc) if isinstance(name, ast.Name)}
                raised |= {name.attr for name in ast.walk(node.exc) if isinstance(name, ast.Attribute)}
            elif isinstance(node, ast.Return) and node.value is not None:  # a helper that makes what another raises
                made = node.value.func if isinstance(node.value, ast.Call) else None
                raised |= {made.id} if isinstance(made, ast.Name) else set()
    return raised & (ERRORS.keys() - {"RoutingWeightsError"})


def flow_folders():
    called = {name.removesuffix("Function").lower() for name in FUNCTIONS.values()}
    return called | {"token"}  # Project, Patch and Verify call it, and raise what it raised


def imported_modules(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("routing_weights"):
            for name in [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]:
                path = ROOT / "layers/core" / Path(*name.split("."))
                yield from (p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file())
