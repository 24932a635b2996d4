"""The effort of a run is counted: by its functions, from its history, and into its record with the cost."""

import json
import math
import re
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from routing_weights.adapters import meter
from routing_weights.adapters.aws.efforts import Histories, counted
from routing_weights.api.projection import ProjectionView
from routing_weights.application.close import AFTER_AUDIT, AFTER_RECOVERY
from routing_weights.application.submit import AFTER_REFUSAL
from routing_weights.application.validate import Validate
from routing_weights.bootstrap.metered import metered
from routing_weights.domain.effort import Busy, Effort, Prices, prices, reported_in
from routing_weights.domain.record import MAX_INLINE_BYTES, Closing
from routing_weights.domain.run import Outcome
from routing_weights.errors import PlanInvalid, RateLimited, StoreUnavailable
from tests.support.fakes import FakeBaselines, FakeDocuments, FakeTrail, LambdaContext, account, run_of

ROOT = Path(__file__).parents[2]
START = datetime(2026, 1, 31, 8, tzinfo=UTC)
PROJECT = Effort(requests=4, functions={"project": Busy(invocations=1, ms=300, gb_ms=300)}, s3_reads=1, s3_writes=2)
PATCH = Effort(requests=100, functions={"patch": Busy(invocations=1, ms=9000, gb_ms=4500)}, dynamodb_writes=10)

# ---- sums ------------------------------------------------------------------------------------------------------------


def test_the_effort_of_two_is_their_sum_function_by_function():
    again = Effort(requests=1, functions={"patch": Busy(invocations=1, ms=1000, gb_ms=500)}, unreported=1)
    assert sum([PROJECT, PATCH, again], Effort()) == Effort(
        requests=105,
        functions={
            "project": Busy(invocations=1, ms=300, gb_ms=300),
            "patch": Busy(invocations=2, ms=10_000, gb_ms=5000),
        },
        dynamodb_writes=10,
        s3_reads=1,
        s3_writes=2,
        unreported=1,
    )


def test_an_effort_comes_back_from_an_answer_as_it_went():
    assert reported_in({"effort": json.loads(PATCH.model_dump_json(exclude_defaults=True))}) == PATCH


@pytest.mark.parametrize("document", [{}, None, "text", [], {"effort": None}, {"effort": {"requests": "many"}}])
def test_an_answer_without_an_effort_reports_none(document):
    assert reported_in(document) is None


# ---- what a function counts ------------------------------------------------------------------------------------------


@pytest.fixture
def measured():
    """The effort of an invocation that has just begun."""
    meter.begin(100.0)
    return lambda: meter.effort("patch", 512, 102.0001)


def test_calls_of_s3_and_dynamodb_are_counted_with_the_units_that_dynamodb_reports(documents, trail, measured):
    documents.put("d-1", "plan", {})
    documents.find("d-1", "plan")
    documents.find("d-2", "plan")
    trail.append(Closing(distribution_id="d-1", timestamp="2026", status="dry_run"))
    trail.find("d-1")
    effort = measured()
    assert (effort.s3_reads, effort.s3_writes) == (2, 1)
    assert (effort.dynamodb_reads, effort.dynamodb_writes, effort.read_units, effort.write_units) == (2, 1, 2, 1)
    assert effort.requests == 0


@pytest.mark.parametrize(
    ("consumed", "units"),
    [({"CapacityUnits": 12.5}, 12.5), ([{"CapacityUnits": 4.0}, {"CapacityUnits": 2.0}], 6.0), (None, 1.0), ([], 1.0)],
)
def test_the_units_of_all_tables_of_a_call_are_summed(aws, aws_answers, measured, consumed, units):
    asked = aws_answers(
        "dynamodb", "TransactWriteItems", {"ConsumedCapacity": consumed} if consumed is not None else {}
    )
    put = {"Put": {"TableName": "t", "Item": {"id": {"S": "1"}}}}
    aws("dynamodb").transact_write_items(TransactItems=[put])
    assert json.loads(asked[0]["body"])["ReturnConsumedCapacity"] == "TOTAL"
    assert (measured().dynamodb_writes, measured().write_units) == (1, units)


def test_a_refused_call_costs_a_unit(trail, measured):
    record = Closing(distribution_id="d-1", timestamp="2026", status="dry_run")
    assert [trail.append(record), trail.append(record)] == [True, False]
    assert (measured().dynamodb_writes, measured().write_units) == (2, 2)


def test_requests_of_threads_are_all_counted(measured):
    def send():
        for _ in range(1000):
            meter.count(requests=1)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert measured().requests == 8000


def test_the_time_of_a_function_is_rounded_up_and_weighed_with_its_memory(measured):
    assert measured().functions == {"patch": Busy(invocations=1, ms=2001, gb_ms=1000.5)}


@pytest.fixture
def state():
    """A state's function that sends two requests, and raises or returns what it is told to."""

    @metered("project")
    def handler(event, _context):
        for _ in range(2):
            meter.count(requests=1)
        if isinstance(event, Exception):
            raise event
        return event

    return lambda event: handler(event, LambdaContext())


def test_a_function_reports_its_effort_in_its_answer_and_each_invocation_anew(state):
    for _ in range(2):
        answer = state({"writes": 3})
        effort = reported_in(answer)
        assert (answer["writes"], effort.requests, effort.functions.keys()) == (3, 2, {"project"})


def test_a_function_that_fails_reports_its_effort_in_its_error(state):
    with pytest.raises(RateLimited) as raised:
        state(RateLimited("Wait.", retry_after_s=7))
    wire = json.loads(str(raised.value))
    assert (wire["retry_after_s"], reported_in(wire).requests) == (7, 2)
    cause = json.dumps({"errorType": "RateLimited", "errorMessage": str(raised.value)})
    (entry,) = Outcome(status="projection_failed", error={"Error": "RateLimited", "Cause": cause}).errors()
    assert entry == {"type": "RateLimited", "message": "Wait.", "retry_after_s": 7}, "the record's error is without it"


def test_every_function_of_the_state_machines_reports_under_its_own_name():
    machines = [
        (ROOT / f"statemachine/{name}.asl.yaml").read_text(encoding="utf-8") for name in ("distribute", "recover")
    ]
    called = {name.lower() for text in machines for name in re.findall(r"FunctionName: \$\{(\w+)Function\}", text)}
    reporting = {
        path.parent.name: re.findall(r'^@metered\("(\w+)"\)$', path.read_text(encoding="utf-8"), re.MULTILINE)
        for path in (ROOT / "functions").glob("*/app.py")
    }
    assert {name: names for name, names in reporting.items() if names} == {name: [name] for name in called}


# ---- what a history counts -------------------------------------------------------------------------------------------


def entered(name="Project", kind="Task"):
    return {"type": f"{kind}StateEntered", "stateEnteredEventDetails": {"name": name}}


def scheduled(resource="lambda"):
    return {"type": "TaskScheduled", "taskScheduledEventDetails": {"resourceType": resource}}


def succeeded(effort=None):
    payload = {"writes": 3} | ({"effort": effort.model_dump()} if effort else {})
    return {"type": "TaskSucceeded", "taskSucceededEventDetails": {"output": json.dumps({"Payload": payload})}}


def failed(error, cause):
    return {"type": "TaskFailed", "taskFailedEventDetails": {"error": error, "cause": cause}}


def raised(effort):
    message = json.dumps({"message": "Gone.", "effort": effort.model_dump()})
    return failed("GenesysUnavailable", json.dumps({"errorType": "GenesysUnavailable", "errorMessage": message}))


STARTED, TIMED_OUT, ABORTED = {"type": "TaskStarted"}, {"type": "TaskTimedOut"}, {"type": "ExecutionAborted"}
AUDITING = [entered("Audit"), scheduled(), STARTED]


def test_a_history_has_states_locks_and_what_each_function_reported():
    events = [
        {"type": "ExecutionStarted"},
        *(entered("Lock"), scheduled("dynamodb"), STARTED, succeeded(PROJECT)),
        *(entered(), scheduled(), STARTED, succeeded(PROJECT)),
        entered("What is left?", "Choice"),
        *(entered("Patch members"), scheduled(), STARTED, succeeded(PATCH)),
        entered("Wait for Genesys", "Wait"),
        *AUDITING,
    ]
    expected = PROJECT + PATCH + Effort(transitions=6, dynamodb_writes=1, write_units=1)
    assert counted(events, is_over=False) == expected


def test_a_retried_state_is_one_more_transition_and_its_failure_is_counted():
    events = [entered(), scheduled(), raised(PATCH), scheduled(), succeeded(PROJECT), *AUDITING]
    assert counted(events, is_over=False) == PROJECT + PATCH + Effort(transitions=3)


@pytest.mark.parametrize(
    "end",
    [
        TIMED_OUT,
        failed("Lambda.Unknown", "Task timed out after 300.00 seconds"),
        failed("Runtime.ExitError", json.dumps({"errorType": "Runtime.ExitError", "errorMessage": "signal: killed"})),
        failed("KeyError", json.dumps({"errorType": "KeyError", "errorMessage": "'plan'"})),
        failed("States.TaskFailed", None),
        failed("States.DataLimitExceeded", "The answer is too large."),
        succeeded(),
        {"type": "TaskSucceeded", "taskSucceededEventDetails": {}},
        {"type": "TaskSucceeded", "taskSucceededEventDetails": {"output": '{"Payload": {"eff'}},
    ],
)
def test_an_invocation_that_left_no_report_is_named(end):
    assert counted([entered(), scheduled(), end, *AUDITING], is_over=False) == Effort(transitions=2, unreported=1)


def test_an_invocation_that_was_under_way_when_its_execution_was_aborted_is_named():
    events = [entered(), scheduled(), STARTED, ABORTED]
    assert counted(events, is_over=True) == Effort(transitions=1, unreported=1)


def test_a_throttled_invocation_never_began():
    throttled = failed("Lambda.TooManyRequestsException", "Rate exceeded")
    effort = counted([entered(), scheduled(), throttled, scheduled(), succeeded(PROJECT), *AUDITING], is_over=False)
    assert effort == PROJECT + Effort(transitions=3)


@pytest.mark.parametrize("events", [[], [entered()], [entered(), scheduled(), succeeded(PROJECT)]])
def test_a_history_that_does_not_show_its_reader_is_not_complete(events):
    with pytest.raises(StoreUnavailable, match="does not show the invocation"):
        counted(events, is_over=False)


def test_a_long_history_is_read_page_by_page(aws):
    pages = iter([{"events": [entered()] * 1000, "nextToken": "more"}, {"events": AUDITING}])
    asked = []

    def answer(params, **_):
        asked.append(json.loads(params["body"]).get("nextToken"))
        return type("Http", (), {"status_code": 200}), next(pages)

    aws("stepfunctions").meta.events.register_first("before-call.stepfunctions.GetExecutionHistory", answer)
    try:
        assert Histories().effort("arn:aws:states:eu-central-1:1:execution:m:d-1", is_over=False).transitions == 1001
    finally:
        aws("stepfunctions").meta.events.unregister("before-call.stepfunctions.GetExecutionHistory", answer)
    assert asked == [None, "more"]


# ---- the cost --------------------------------------------------------------------------------------------------------


def test_a_cost_is_the_sum_of_counts_times_prices():
    effort = Effort(
        requests=1000,
        transitions=14,
        functions={"patch": Busy(invocations=3, ms=20_000, gb_ms=10_000)},
        read_units=100,
        write_units=200,
        s3_reads=9,
        s3_writes=6,
    )
    cost = prices("us-east-1").cost(effort)
    lambda_ = 10 * Decimal("0.0000133334") + 3 * Decimal("0.0000002")
    others = 14 * Decimal("0.000025") + 100 * Decimal("0.125e-6") + 200 * Decimal("0.625e-6")
    s3 = 9 * Decimal("0.4e-6") + 6 * Decimal("5e-6")
    assert math.isclose(cost.usd, float(lambda_ + others + s3), abs_tol=1e-10)
    assert (cost.region, cost.prices_of) == ("us-east-1", prices("us-east-1").date)


@pytest.mark.parametrize(
    ("region", "named"), [("eu-central-1", "eu-central-1"), ("sa-east-1", "us-east-1"), ("", "us-east-1")]
)
def test_a_region_without_prices_gets_those_of_the_fallback_and_says_so(region, named):
    assert prices(region).cost(Effort(transitions=1)).region == named


def test_the_page_on_cost_has_the_prices_and_its_example_is_computed():
    page = (ROOT / "docs/reference/cost.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    shown = json.loads(example)
    assert prices("us-east-1").cost(Effort.model_validate(shown["effort"])).model_dump() == shown["cost"]
    for region in ("us-east-1", "eu-central-1"):
        known = prices(region)
        assert f"of {known.date}" in page
        for name in Prices.model_fields.keys() - {"date", "region"}:
            (row,) = re.findall(rf"^\|.*\(`{name}`\) \| (\S+) \| (\S+) \|$", page, re.MULTILINE)
            assert getattr(known, name) == Decimal(row[region == "eu-central-1"])


# ---- the record ------------------------------------------------------------------------------------------------------

RECORD = Closing(distribution_id="d-1", timestamp="2026", status="completed", execution_arn="run", reason="x" * 1500)


def test_a_record_has_what_was_counted_what_this_invocation_did_and_what_is_to_come():
    own = Effort(functions={"audit": Busy(invocations=1, ms=50, gb_ms=25)}, s3_reads=5)
    settled = account(own, run=PROJECT + PATCH).settled(RECORD, AFTER_AUDIT, with_lock=True)
    # 2 KB, the link, the head of the chain and the check of the lock; before them, the newest link is read
    put = Effort(dynamodb_reads=1, read_units=1, dynamodb_writes=1, write_units=2 * (2 + 1 + 1 + 1))
    assert settled.effort == PROJECT + PATCH + own + put + AFTER_AUDIT
    assert settled.cost == prices("eu-central-1").cost(settled.effort)
    assert Closing.parse(json.loads(json.dumps(settled.to_json()))) == settled


def test_the_largest_record_costs_what_stays_in_the_table():
    huge = RECORD.model_copy(update={"reason": "x" * 3_000_000})
    effort = account(run=Effort()).settled(huge, Effort()).effort
    units = 2 * (math.ceil(MAX_INLINE_BYTES / 1024) + 2)
    assert effort == Effort(dynamodb_reads=1, read_units=1, dynamodb_writes=1, write_units=units)


def test_a_recovered_run_has_the_effort_of_its_recovery_too():
    books = account(run=PATCH, recovery=PROJECT)
    settled = books.settled(RECORD, AFTER_RECOVERY, recovery="recovery")
    put = Effort(dynamodb_reads=1, read_units=1, dynamodb_writes=1, write_units=2 * (2 + 2))
    assert settled.effort == PATCH + PROJECT + put + AFTER_RECOVERY
    assert books.histories.asked == [("run", True), ("recovery", False)]


def test_a_record_is_written_without_an_effort_if_the_history_cannot_be_read(logs):
    assert account().settled(RECORD, AFTER_AUDIT) == RECORD
    assert any("could not be counted" in str(entry.get("msg")) for entry in logs())


def test_a_plan_that_validate_refuses_has_an_effort():
    trail, run = FakeTrail(), run_of(START)
    validate = Validate(
        FakeDocuments(), trail, FakeBaselines(), account(PROJECT, **{run.execution_arn: Effort(transitions=1)})
    )
    with pytest.raises(PlanInvalid):
        validate.validate(run, {"queue_id": "a/b"}, START)
    closing = trail.find("d-1").closing
    assert (closing.status, closing.effort.transitions) == ("validation_failed", 1 + AFTER_REFUSAL.transitions)
    assert (closing.effort.requests, closing.cost.region) == (PROJECT.requests, "eu-central-1")


def test_a_record_of_an_earlier_release_shows_what_was_expected():
    """It has it at `effort`, without transitions and dollars."""
    earlier = {"requests": 8, "reads": 4, "writes": 3, "seconds": 1.6, "seconds_at_the_budget": 1.6}
    figures = {"capacity": 2.4, "projected_load": 1.0, "saturation_ratio": 0.4, "saturation_limit": 0.95}
    document = {"verdict": "pass", "reason": "It fits.", "active_agents": 3, "members_read": 3, "source": "plan"}
    view = ProjectionView.model_validate(document | figures | {"skill_coverage": {}, "effort": earlier})
    assert view.expected.model_dump(exclude_none=True) == earlier
