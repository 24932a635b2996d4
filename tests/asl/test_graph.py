"""The state machines as graphs: checks that need no execution."""

import ast
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import get_args
from xml.etree import ElementTree as ET

import pytest
import yaml
from jsonata.jsonata import Jsonata
from samcli.yamlhelper import yaml_parse

from local.checks import flow
from local.checks.picture import example, picture, ways
from routing_weights import errors
from routing_weights.adapters.aws import client
from routing_weights.adapters.genesys import transport
from routing_weights.bootstrap import authorize, deadlines, draw
from routing_weights.domain.fleet import FleetStatus
from routing_weights.domain.fleet_steps import Bake, End, Hold, RunQueues, Step
from routing_weights.domain.plan import Plan
from routing_weights.domain.run import GRACE_S, LONGEST_APPROVAL, LONGEST_AT_WORK, LONGEST_RUN
from routing_weights.domain.status import Status

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


class Machine:
    """A state machine: its definition, states, tasks, and the functions that the tasks call.

    `within` is a Map state: then it is what the state does for each item.
    """

    def __init__(self, name, within=""):
        self.name = f"{name}: {within}" if within else name
        self.picture = (name, within)
        self.text = (ROOT / f"statemachine/{name}.asl.yaml").read_text(encoding="utf-8")
        self.definition = yaml.safe_load(self.text)
        if within:
            longest = self.definition["TimeoutSeconds"]
            self.definition = self.definition["States"][within]["ItemProcessor"] | {"TimeoutSeconds": longest}
        self.states = self.definition["States"]
        self.tasks = {state: item for state, item in self.states.items() if item["Type"] == "Task"}
        self.functions = {
            state: item["Arguments"]["FunctionName"].strip("${}")
            for state, item in self.tasks.items()
            if item["Resource"].endswith(":lambda:invoke")
        }

    def catches(self, state):
        return self.states[state].get("Catch", [])

    def edges(self, state):
        """Yield the next states of a state, each with the rule or Catch that leads there, or None."""
        definition = self.states[state]
        yield from ((rule["Next"], rule) for rule in definition.get("Choices", []) + definition.get("Catch", []))
        yield from ((definition[key], {}) for key in ("Next", "Default") if key in definition)

    def reachable(self, start, without=(), unless=lambda _rule: False):
        found, open_ends = set(), [start]
        while open_ends:
            state = open_ends.pop()
            if state in found or state in without:
                continue
            found.add(state)
            open_ends += [target for target, rule in self.edges(state) if not unless(rule)]
        return found


DISTRIBUTE, RECOVER = Machine("distribute"), Machine("recover")
FLEET, QUEUE = Machine("fleet"), Machine("fleet", "Run queues")
MACHINES = [DISTRIBUTE, RECOVER, FLEET, QUEUE]
STATES, TASKS = DISTRIBUTE.states, DISTRIBUTE.tasks
catches, edges, reachable = DISTRIBUTE.catches, DISTRIBUTE.edges, DISTRIBUTE.reachable
every_machine = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
every_task = pytest.mark.parametrize(
    ("machine", "state"),
    [pytest.param(machine, state, id=f"{machine.name}: {state}") for machine in MACHINES for state in machine.tasks],
)
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
DEFAULT_TIMEOUT_S = TEMPLATE["Globals"]["Function"]["Timeout"]
LAMBDA_TIMEOUTS_S = {
    name: item["Properties"].get("Timeout", DEFAULT_TIMEOUT_S)
    for name, item in TEMPLATE["Resources"].items()
    if item["Type"] == "AWS::Serverless::Function"
}

ERRORS = {name: item for name, item in vars(errors).items() if isinstance(item, type) and issubclass(item, Exception)}
OF_THE_API = {
    *("IdempotencyConflict", "RequestInvalid", "RouteNotFound", "DistributionNotFound", "NotRestorable"),
    *("BaselineNotFound", "ScheduleInvalid", "WebhookInvalid", "WebhookRefused", "WebhookTooLarge"),
    *("ScheduleNotFound", "ReturnNotFound", "ApprovalNotFound", "ApprovalForbidden", "ApprovalConflict"),
    *("FleetNotFound", "RoleMissing", "SignInExpired", "ExpiryApproved"),
}
FALLS_TO_ITS_STATE = {
    "Project": "projection_failed",
    "Patch queue": "queue_update_failed",
    "Patch members": "member_update_failed",
    "Verify": "verification_failed",
    "Validate": "validation_failed",
    "Lock": "interrupted",
    "Schedule the expiry": "interrupted",
    "Recover": "interrupted",
    "Answer": "validation_failed",
    "Unlock meanwhile": "interrupted",
    "Await approval": "approval_required",
}
"""The state's own status, to which its `States.ALL` leads."""
HAS_ITS_STATES_STATUS = {
    "ConfigurationInvalid",
    "Forbidden",
    "ForecastMissing",
    "GenesysRefused",
    "Interrupted",
    "QueueChanged",
    "QueueNotFound",
    "Unauthorized",
    "VerificationFailed",
    "WaitTooLong",
}
"""Errors that the state machine need not name: the state in which they happen decides the status."""


def nodes(value):
    """Yield every dictionary in the definition, at any depth."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(item)


def named_errors():
    return {name for machine in MACHINES for node in nodes(machine.states) for name in node.get("ErrorEquals", [])}


def writes_the_record_only(rule):
    """The transitions after a record that could not be written."""
    return rule.get("Assign", {}).get("outcome", {}).get("status") == "audit_not_written"


# ---- the shape ------------------------------------------------------------------------------------------------------


@every_machine
def test_every_target_exists_and_every_state_is_reached(machine):
    targets = {target for state in machine.states for target, _ in machine.edges(state)}
    assert targets <= machine.states.keys()
    assert machine.reachable(machine.definition["StartAt"]) == machine.states.keys()


@pytest.mark.parametrize(
    ("machine", "known"),
    [
        (DISTRIBUTE, {"Completed", "Failed", "Answered"}),
        (RECOVER, {"Done"}),
        (FLEET, {"Completed", "Failed"}),
        (QUEUE, {"Done", "Not done"}),
    ],
)
def test_every_state_leads_to_an_end_and_there_are_no_other_ends(machine, known):
    ends = {name for name, state in machine.states.items() if state["Type"] in {"Succeed", "Fail"} or state.get("End")}
    assert ends == known
    assert all(machine.reachable(state) & ends for state in machine.states)


def test_completed_is_reached_through_the_check_of_the_status_only():
    assert [state for state in STATES for target, _ in edges(state) if target == "Completed"] == ["Completed?"]
    (rule,) = STATES["Completed?"]["Choices"]
    assert set(re.findall(r"'(\w+)'", rule["Condition"])) == {status for status in Status if status.green}
    assert STATES["Completed?"]["Default"] == "Failed"


def test_every_path_to_an_end_passes_audit():
    past_audit = reachable("Validate", without={"Audit"})
    assert "Completed" not in past_audit
    assert "Failed" in past_audit
    refused = lambda rule: rule.get("ErrorEquals") == ["PlanInvalid"]  # noqa: E731 - a name for a rule
    assert "Failed" not in reachable("Validate", without={"Audit"}, unless=refused)
    assert [state for state in STATES for _, rule in edges(state) if refused(rule)] == ["Validate", "Answer"]
    assert reachable("Answer", without={"Audit"}, unless=refused) == {"Answer", "Answered"}, "it is no distribution"


def test_a_run_releases_its_lock_unless_its_record_is_missing():
    assert not {"Completed", "Failed"} & reachable("Lock", without={"Unlock"}, unless=writes_the_record_only)
    assert [(s, target) for s in STATES for target, rule in edges(s) if writes_the_record_only(rule)] == [
        ("Audit", "Failed")
    ]


def test_a_lock_does_not_expire():
    """Its owner releases it, or a recovery takes it over. Time alone never does."""
    assert TASKS["Lock"]["Arguments"]["Item"].keys() == {"queue_id", "holder", "taken_at"}
    condition = TASKS["Lock"]["Arguments"]["ConditionExpression"]
    assert condition == "attribute_not_exists(queue_id) OR holder = :me"


@pytest.mark.parametrize("machine", [DISTRIBUTE, RECOVER], ids=["distribute", "recover"])
def test_only_its_owner_releases_a_lock(machine):
    unlocking = [task["Arguments"] for name, task in machine.tasks.items() if name.startswith("Unlock")]
    assert {arguments["ConditionExpression"] for arguments in unlocking} == {"holder = :me"}


# ---- approval --------------------------------------------------------------------------------------------------------


def test_nothing_is_written_between_the_projection_and_an_approval():
    """Whatever ends the wait leads back through the lock and a new projection, or to the end."""
    assert {target for target, rule in edges("Await approval") if not rule} == {"Lock"}
    assert {target for target, rule in edges("Await approval") if rule} == {"Audit"}
    wanted = next(rule for rule in STATES["May it write?"]["Choices"] if rule["Next"] == "Unlock meanwhile")
    assert wanted["Condition"] == "{% $approval.wanted %}"
    order = [rule["Next"] for rule in STATES["May it write?"]["Choices"]]
    assert order == ["Audit", "Unlock meanwhile", "Schedule the expiry"], "before the expiry and the first write"
    assert not WRITING & reachable("Await approval", without={"Project"})
    assert [s for s in STATES for target, _ in edges(s) if target == "Project"] == ["Lock", "Resume"]


def test_a_run_waits_without_the_lock_for_as_long_as_its_decision_says():
    assert {s for s in STATES for target, _ in edges(s) if target == "Await approval"} == {"Unlock meanwhile"}
    state = STATES["Await approval"]
    assert "'can_wait': true" in STATES["Project"]["Arguments"]["Payload"], "an older definition would write at once"
    assert state["TimeoutSeconds"] == "{% $approval.wait_s %}"
    assert "heartbeat" not in json.dumps(state).lower()
    named = {error for rule in catches("Await approval") for error in rule["ErrorEquals"]}
    assert named == {"Rejected", "States.Timeout", "States.ALL"}


def test_an_answer_of_the_console_is_no_plan():
    (rule,) = [rule for rule in catches("Validate") if rule["Next"] == "Answer"]
    assert rule["ErrorEquals"] == ["AnswerNotPlan"]
    assert rule["Assign"] == {"answer": "{% $states.input %}"}
    assert {s for s in STATES for target, _ in edges(s) if target == "Answer"} == {"Validate"}


WRITING = {"Patch queue", "Patch members", "What is left?"}


def test_every_failure_after_a_possible_write_goes_through_restore():
    for state in WRITING | {"Verify"}:
        for rule in [
            *catches(state),
            *(r for r in STATES[state].get("Choices", []) if "outcome" in r.get("Assign", {})),
        ]:
            assert rule["Next"] in {"Restore", "Wait for Genesys"}, (state, rule)
    succeeded = lambda rule: rule == {}  # noqa: E731 - a name for an edge
    assert [s for s in STATES for target, rule in edges(s) if target == "Audit" and succeeded(rule)] == [
        "Verify",
        "Restored?",
    ]
    assert not {"Audit", "Failed"} & reachable("What is left?", without={"Restore", "Verify", "Project"})


def test_an_expiry_is_scheduled_before_the_first_write():
    (rule,) = [rule for rule in STATES["May it write?"]["Choices"] if rule["Next"] == "Schedule the expiry"]
    assert rule["Condition"] == "{% $run.until != '' %}"
    assert {target for target, _ in edges("Schedule the expiry")} == {"Patch queue", "Audit"}
    assert not WRITING & reachable("Project", without={"May it write?", "Resume"})
    assert STATES["Schedule the expiry"]["Arguments"]["Target"]["Arn"] == "{% $states.context.StateMachine.Id %}"


def test_nothing_is_restored_that_was_not_written():
    assert "Restore" not in reachable("Validate", without=WRITING | {"Resume"})
    leads_to = {state for state in STATES for target, _ in edges(state) if target == "Restore"}
    assert leads_to == WRITING | {"Verify", "Resume", "Restored?"}


def test_every_way_to_restore_carries_status_and_progress():
    rules = [(s, rule) for s in WRITING | {"Verify"} for target, rule in edges(s) if target == "Restore"]
    assert len(rules) == 4
    for state, rule in rules:
        assert rule["Assign"].keys() == {"outcome", "restore"}, state
        assert rule["Assign"]["restore"].keys() == {"accepted", "settings_left"}, state


def test_a_restore_never_changes_the_status_of_a_failed_run():
    assert {target for target, _ in edges("Restore")} == {"Restored?", "Wait for Genesys", "Audit"}
    assert not any("outcome" in rule.get("Assign", {}) for _, rule in edges("Restore"))
    assert {target for target, _ in edges("Restored?")} == {"Restore", "Audit"}


def test_a_recovery_restores_before_it_closes_the_record_and_unlocks_last():
    assert not {"Audit", "Unlock", "Done"} & RECOVER.reachable("Wait for the last write", without={"Restore"})
    assert not {"Unlock", "Done"} & RECOVER.reachable("Restore", without={"Audit"})
    assert "Done" not in RECOVER.reachable("Audit", without={"Unlock"})


def test_a_recovery_gets_the_end_of_the_execution_from_the_event():
    told = RECOVER.tasks["Begin"]["Arguments"]["Payload"]["told"]
    assert told == {
        name: f"{{% $exists($states.input.{name}) ? $states.input.{name} : '' %}}"
        for name in ("status", "error", "cause")
    }


def test_a_recovery_that_cannot_write_the_record_keeps_the_lock_and_fails():
    assert RECOVER.catches("Begin") == RECOVER.catches("Audit") == []
    (rule,) = RECOVER.catches("Unlock")
    assert rule["ErrorEquals"] == ["DynamoDB.ConditionalCheckFailedException"]
    assert [rule["ErrorEquals"] for rule in RECOVER.catches("Restore")] == [["RateLimited"], ["States.ALL"]]


@every_machine
def test_the_stub_functions_of_the_embedded_stack_are_not_used(machine):
    assert not re.search(r"\$(uuid|hash)\b", machine.text)


def test_no_child_of_a_fleet_fails_because_a_map_has_the_whole_execution_of_a_failed_child_in_its_result():
    assert {state["Type"] for state in QUEUE.states.values()} == {"Task", "Choice", "Wait", "Pass", "Succeed"}


def test_a_queue_of_a_fleet_without_a_stored_outcome_is_begun_again():
    """Advance counts on that: the map tolerates every failure, and Advance looks for outcomes."""
    assert FLEET.states["Run queues"]["ToleratedFailurePercentage"] == 100
    stored = QUEUE.reachable("Still wanted?", without={"Record", "Not done"})
    skipped = lambda state: state == "Wanted?"  # noqa: E731 - a name for the way of a queue that is not begun
    assert [s for s in stored for target, _ in QUEUE.edges(s) if target == "Done" and not skipped(s)] == []


def test_every_step_of_a_fleet_ends_in_the_next_decision():
    for state in ("Run queues", "Bake", "Hold"):
        assert {target for target, _ in FLEET.edges(state)} <= {"Advance", "Failed"}
    rules = [re.search(r"step = '(\w+)'", rule["Condition"]) for rule in FLEET.states["What next?"]["Choices"]]
    forms = [RunQueues("", 1, 0), Bake(0, 1), Hold(0, ""), End(FleetStatus.COMPLETED, "")]
    assert [rule[1] for rule in rules if rule] + ["end"] == [form.to_json()["step"] for form in forms]
    assert {type(form) for form in forms} == set(get_args(Step))


@pytest.mark.parametrize("machine", [FLEET, QUEUE], ids=["fleet", "queue"])
def test_every_task_of_a_fleet_ends_with_a_catch_of_everything(machine):
    for state in machine.tasks:
        assert machine.catches(state)[-1]["ErrorEquals"] == ["States.ALL"], state


# ---- time -----------------------------------------------------------------------------------------------------------


@every_task
def test_every_task_has_its_own_time_out(machine, state):
    time_out = machine.tasks[state]["TimeoutSeconds"]
    if state == "Await approval":  # its decision says how long, at most the bound of the parameter
        assert TEMPLATE["Parameters"]["ApprovalTimeoutS"]["MaxValue"] == LONGEST_APPROVAL.total_seconds()
        time_out = LONGEST_APPROVAL.total_seconds() + GRACE_S
    assert 0 < time_out < machine.definition["TimeoutSeconds"]


@every_task
def test_a_function_ends_before_its_state_times_out(machine, state):
    if state in machine.functions:
        assert LAMBDA_TIMEOUTS_S[machine.functions[state]] < machine.tasks[state]["TimeoutSeconds"]


ASKING_GENESYS = ["ProjectFunction", "PatchFunction", "VerifyFunction", "RestoreFunction"]


@pytest.mark.parametrize("function", [*ASKING_GENESYS, "TokenFunction"])
def test_an_http_request_ends_before_its_function(function):
    request_s = transport.CONNECT_TIMEOUT_S + transport.READ_TIMEOUT_S
    assert request_s < LAMBDA_TIMEOUTS_S[function]
    assert transport.READ_TIMEOUT_S < deadlines.RESERVE_S < LAMBDA_TIMEOUTS_S[function]


@pytest.mark.parametrize("function", LAMBDA_TIMEOUTS_S)
def test_a_request_to_aws_ends_before_its_function(function, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    longest = SimpleNamespace(draw_patience_s=TEMPLATE["Parameters"]["DrawPatienceS"]["MaxValue"])
    own = {"DrawFunction": draw.patience(longest), "AuthorizeFunction": authorize.PATIENCE}
    patience = own.get(function)
    config = client._client.__wrapped__("dynamodb", patience).meta.config
    assert config.connect_timeout + config.read_timeout < LAMBDA_TIMEOUTS_S[function]


@pytest.mark.parametrize("function", ASKING_GENESYS)
def test_callers_of_the_token_function_wait_as_long_as_it_may_take(function, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patience = client._client.__wrapped__("lambda", None).meta.config.read_timeout
    assert LAMBDA_TIMEOUTS_S["TokenFunction"] <= patience < LAMBDA_TIMEOUTS_S[function]


def test_a_fleet_waits_for_a_run_until_the_run_has_timed_out():
    assert QUEUE.tasks["Distribute"]["TimeoutSeconds"] > DISTRIBUTE.definition["TimeoutSeconds"]


def test_no_run_takes_longer_than_the_longest_run():
    assert DISTRIBUTE.definition["TimeoutSeconds"] == LONGEST_RUN.total_seconds()


def test_a_run_gives_up_waiting_for_genesys_before_the_machine_times_out():
    last = ("Patch members", "Verify", "Restore", "Audit", "Unlock")
    last_ticks = sum(TASKS[name]["TimeoutSeconds"] for name in last)
    assert deadlines.MAX_RUN_S + last_ticks < LONGEST_AT_WORK.total_seconds()


@pytest.mark.parametrize("machine", [DISTRIBUTE, RECOVER], ids=["distribute", "recover"])
def test_a_restore_gives_up_before_the_machine_times_out(machine):
    """A run that waits for approval has as long for that, on top."""
    last = sum(machine.states[name]["TimeoutSeconds"] for name in ("Restore", "Audit", "Unlock"))
    assert deadlines.MAX_RUN_S + 3600 < deadlines.MAX_RESTORE_S
    assert deadlines.MAX_RESTORE_S + 2 * last < LONGEST_AT_WORK.total_seconds() <= machine.definition["TimeoutSeconds"]


def test_the_restore_of_a_recovery_counts_from_the_recoverys_start():
    payload = RECOVER.states["Restore"]["Arguments"]["Payload"]
    assert "'started_at': $states.context.Execution.StartTime" in payload


def test_a_run_waits_less_for_the_lock_than_for_genesys():
    longest = Plan.model_json_schema()["properties"]["wait_for_lock_s"]["maximum"]
    assert longest < deadlines.MAX_RUN_S


def test_a_recovery_waits_for_the_last_write_of_a_dead_run():
    """The fence is checked right before each attempt, so at most one request is under way when the lock changes."""
    answered_s = transport.FENCE_S + transport.CONNECT_TIMEOUT_S + transport.READ_TIMEOUT_S
    assert answered_s < RECOVER.states["Wait for the last write"]["Seconds"]


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", TASKS)
def test_every_task_ends_with_a_catch_of_everything(state):
    assert catches(state)[-1]["ErrorEquals"] == ["States.ALL"]
    assert ["States.ALL"] not in [rule["ErrorEquals"] for rule in catches(state)[:-1]]


@every_task
def test_every_retry_names_its_errors_and_is_bounded_and_jittered(machine, state):
    for retry in machine.tasks[state]["Retry"]:
        assert not {"States.ALL", "States.TaskFailed"} & set(retry["ErrorEquals"])
        assert retry["JitterStrategy"] == "FULL"
        assert 0 < retry["IntervalSeconds"] <= retry["MaxDelaySeconds"]
        assert retry["MaxAttempts"] > 0


PASSES = {
    # Errors of Lambda, of the SDK of Step Functions, of the network, and of every function's own store.
    "lambda:invoke": {
        *(f"Lambda.{name}" for name in ("ServiceException", "AWSLambdaException", "SdkClientException")),
        *("Lambda.ClientExecutionTimeoutException", "Lambda.TooManyRequestsException", "StoreUnavailable"),
    },
    # A transaction on the same item refuses a write; the last but one is what DynamoDB does not model by name.
    "dynamodb": {
        *(f"DynamoDB.{name}" for name in ("InternalServerErrorException", "ProvisionedThroughputExceededException")),
        *(f"DynamoDB.{name}" for name in ("RequestLimitExceededException", "ThrottlingException")),
        *(f"DynamoDB.{name}" for name in ("TransactionConflictException", "AmazonDynamoDBException")),
        "DynamoDB.SdkClientException",
    },
    "aws-sdk:scheduler": {
        *(f"Scheduler.{name}" for name in ("InternalServerException", "ThrottlingException", "SdkClientException"))
    },
    # The quota of running executions, and what the SDK of Step Functions does not model by name.
    "states:startExecution": {
        *(f"StepFunctions.{name}" for name in ("ExecutionLimitExceededException", "AWSStepFunctionsException")),
        "StepFunctions.SdkClientException",
    },
    "aws-sdk:sfn": {"Sfn.SfnException", "Sfn.SdkClientException"},
}
"""What any task may meet that passes by itself, by its service."""


@every_task
def test_temporary_errors_are_retried(machine, state):
    resource = machine.tasks[state]["Resource"]
    (passing,) = (errors for service, errors in PASSES.items() if f":::{service}" in resource)
    assert passing <= {name for retry in machine.tasks[state]["Retry"] for name in retry["ErrorEquals"]}


@every_task
def test_no_state_retries_what_it_catches_by_name(machine, state):
    retried = {name for retry in machine.tasks[state]["Retry"] for name in retry["ErrorEquals"]}
    caught = {name for rule in machine.catches(state) for name in rule["ErrorEquals"]}
    assert not retried & caught


@pytest.mark.parametrize("machine", [DISTRIBUTE, RECOVER], ids=["distribute", "recover"])
def test_restore_is_retried_after_every_temporary_error(machine):
    """A restore begins with a fresh reading, so it may be repeated after a time-out, too."""
    (retry,) = machine.tasks["Restore"]["Retry"]
    passing = {"GenesysUnavailable", "StoreUnavailable", "States.Timeout", "Sandbox.Timedout", "Lambda.Unknown"}
    assert passing <= set(retry["ErrorEquals"])
    assert retry["MaxAttempts"] >= 4


def test_every_error_name_exists():
    ours = {name for name in named_errors() if "." not in name}
    assert ours <= ERRORS.keys()
    services = {name.partition(".")[0] for name in named_errors() if "." in name}
    assert services == {"States", "Lambda", "DynamoDB", "Scheduler", "Runtime", "Sandbox", "StepFunctions", "Sfn"}


def test_every_error_of_the_flow_has_a_decided_status():
    raised = errors_raised_in_the_flow() - OF_THE_API
    named = {name for name in named_errors() if "." not in name}
    assert raised - named - HAS_ITS_STATES_STATUS == set()
    assert HAS_ITS_STATES_STATUS | named <= raised, "a decision about an error that nobody raises"
    assert not HAS_ITS_STATES_STATUS & named


def test_states_all_leads_to_the_states_own_status():
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
        "Superseded": "validation_failed",
        "Outdated": "outdated",
        "QueueSaturated": "saturation_blocked",
        "SkillNotCovered": "saturation_blocked",
        "QueueBusy": "queue_busy",
    }.items(),
)
def test_an_error_with_another_status_is_caught_by_name(error, status):
    said = [
        rule["Assign"]["outcome"]["status"]
        for state in TASKS
        for rule in catches(state)
        if error in rule["ErrorEquals"]
    ]
    assert set(said) == {status}


def test_recover_decides_about_a_locked_queue():
    (rule,) = [rule for rule in catches("Lock") if rule["ErrorEquals"] != ["States.ALL"]]
    assert (rule["ErrorEquals"], rule["Next"]) == (["DynamoDB.ConditionalCheckFailedException"], "Recover")
    assert STATES[STATES["Recover"]["Next"]] == {
        "Type": "Wait",
        "Seconds": "{% $pause.seconds %}",
        "Next": "Lock",
    }


def test_every_status_is_reached_and_no_other():
    said = {node["status"] for node in nodes(STATES) if isinstance(node.get("status"), str)}
    said = {status for status in said if not status.startswith("{%")}
    assert said == {status.value for status in Status if status.terminal} | {"audit_not_written"}


@every_machine
def test_every_state_that_calls_genesys_can_wait(machine):
    asking = {state for state, name in machine.functions.items() if name in ASKING_GENESYS}
    catching = {s for s in machine.tasks for rule in machine.catches(s) if "RateLimited" in rule["ErrorEquals"]}
    assert catching == asking - {"Patch members"}  # its tick answers with a pause instead


def test_a_wait_resumes_the_state_that_asked_for_it():
    pauses = [
        (state, rule["Assign"]["pause"]["resume"], target)
        for state in STATES
        for target, rule in edges(state)
        if "resume" in rule.get("Assign", {}).get("pause", {})
    ]
    assert {target for _, _, target in pauses} == {"Wait for Genesys"}
    assert all(resume == state for state, resume, _ in pauses if state != "What is left?")
    assert {resume for state, resume, _ in pauses if state == "What is left?"} == {"Patch members"}
    rules = {re.search(r"'(.+)'", rule["Condition"])[1]: rule["Next"] for rule in STATES["Resume"]["Choices"]}
    assert all(name == target for name, target in rules.items())
    assert {resume for _, resume, _ in pauses} == rules.keys() | {STATES["Resume"]["Default"]}
    waiting = {state for state in TASKS for rule in catches(state) if "RateLimited" in rule["ErrorEquals"]}
    assert waiting <= {resume for _, resume, _ in pauses}


def test_a_recovery_that_waits_goes_on_restoring():
    assert RECOVER.states["Wait for Genesys"]["Next"] == "Restore"


# ---- what the functions of the flow can raise -----------------------------------------------------------------------


def errors_raised_in_the_flow():
    """Return the error classes that the functions of the flow, or modules that they import, raise."""
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
            elif (
                isinstance(node, ast.Return) and node.value is not None
            ):  # a helper that makes an error for its caller to raise
                made = node.value.func if isinstance(node.value, ast.Call) else None
                raised |= {made.id} if isinstance(made, ast.Name) else set()
    return raised & (ERRORS.keys() - {"RoutingWeightsError"})


def flow_folders():
    called = {name.removesuffix("Function").lower() for machine in MACHINES for name in machine.functions.values()}
    return called | {"token"}  # callers of Genesys invoke it, and raise its errors


def imported_modules(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("routing_weights"):
            for name in [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]:
                path = ROOT / "layers/core" / Path(*name.split("."))
                yield from (p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file())


# ---- the picture -----------------------------------------------------------------------------------------------------

PICTURES = {
    DISTRIBUTE: "state-machine.svg",
    RECOVER: "state-machine-recover.svg",
    FLEET: "state-machine-fleet.svg",
    QUEUE: "state-machine-fleet-queue.svg",
}


@every_machine
def test_the_picture_in_the_docs_is_the_machine(machine):
    path = ROOT / "docs" / PICTURES[machine]
    assert path.read_text(encoding="utf-8") == example(*machine.picture), f"docs/{path.name} is old: make pictures"


def test_the_flow_in_the_readme_is_the_machine():
    path = ROOT / "docs/flow.svg"
    assert path.read_text(encoding="utf-8") == flow.example(), "docs/flow.svg is old: make pictures"


def test_the_flow_shows_every_state_that_does_something_and_what_talks_to_genesys():
    assert flow.CAPTIONS.keys() | flow.SIDE == TASKS.keys()
    asks = {name for name, item in TEMPLATE["Resources"].items() if "TOKEN_FUNCTION" in json.dumps(item)}
    assert flow.GENESYS.keys() == {state for state, function in DISTRIBUTE.functions.items() if function in asks}


def test_the_flow_leads_from_every_failed_write_to_the_restoration():
    found = flow.edges(STATES)
    assert {source for source, target, caught in found if target == "Restore" and caught} - flow.SIDE == {
        "Patch queue",
        "Patch members",
        "Verify",
    }
    assert {target for source, target, _ in found if source == "Unlock"} == {"Completed", "Failed"}


def test_the_flow_names_every_door():
    """Return the resources that may start the state machine by the template, and a person in the console."""
    starts = {
        name
        for name, item in TEMPLATE["Resources"].items()
        if re.search(r'"states:StartExecution", "Resource": {"Ref": "DistributeStateMachine"}', json.dumps(item))
    }
    assert starts | {"the console"} == flow.DOORS.keys()


@every_machine
def test_the_picture_names_every_state_and_every_way_out(machine):
    drawn = [element.text for element in ET.fromstring(example(*machine.picture)).iter(f"{SVG}text")]  # noqa: S314
    assert set(machine.states) <= set(drawn)
    for state in machine.states:
        told = [way.target for way in ways(state, machine.states[state])]
        assert sorted(told) == sorted(target for target, _ in machine.edges(state))
    leading = [target for state in machine.states for target, _ in machine.edges(state)]
    assert sorted(f"→ {target}" for target in leading) == sorted(text for text in drawn if text and text[0] == "→")


def test_a_picture_shows_transitions_in_any_order():
    states = {
        "A": {"Type": "Choice", "Choices": [{"Condition": "{% $x > 1 %}", "Next": "C"}], "Default": "B"},
        "B": {"Type": "Wait", "Next": "A"},
        "C": {"Type": "Succeed"},
    }
    drawn = ET.fromstring(picture("m", {"Comment": "A machine.", "States": states}))  # noqa: S314
    texts = [element.text for element in drawn.iter(f"{SVG}text")]
    assert [text for text in texts if text in {"x > 1", "otherwise", "then"}] == ["x > 1", "otherwise", "then"]
    lanes = [line for line in drawn.iter(f"{SVG}line") if line.get("x1") == line.get("x2") and line.get("x1") > "584"]
    spans = [(float(line.get("y1")), float(line.get("y2"))) for line in lanes]
    assert len(spans) == 2, "from A to C, and from B to A; from A to B is an arrow"
    assert all(low < high for low, high in spans)


def test_an_unrecorded_outcome_is_passed_on_as_data():
    (catch,) = STATES["Audit"]["Catch"]
    expression = catch["Assign"]["outcome"]["message"].removeprefix("{%").removesuffix("%}").strip()
    evaluated = Jsonata(expression)
    evaluated.assign("outcome", {"status": "completed", "message": 'It said "done".'})
    evaluated.assign("states", {"errorOutput": {"Error": "StoreUnavailable", "Cause": "{}"}})
    said = json.loads(evaluated.evaluate(None))
    assert said.keys() == {"status", "sentence"}
    assert said["status"] == "completed"
    assert said["sentence"].startswith("The outcome completed could not be recorded: StoreUnavailable. ")
