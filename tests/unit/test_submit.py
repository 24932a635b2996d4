"""How a plan comes in: it is accepted or refused on record, then kept, started and opened. Reverts come in so, too."""

import json
from datetime import UTC, datetime

import pytest

from routing_weights.application.revert import RevertDistribution, RevertToBaseline
from routing_weights.application.submit import Submit, accept
from routing_weights.application.validate import Validate, accept_input
from routing_weights.domain.fleet import Line
from routing_weights.domain.inputs import FromPlanRef
from routing_weights.domain.plan import parse_plan
from routing_weights.domain.record import opened
from routing_weights.domain.revert import Baseline, BaselineName, RevertOptions
from routing_weights.domain.run import Origin
from routing_weights.errors import (
    BaselineNotFound,
    DistributionNotFound,
    IdempotencyConflict,
    NotRestorable,
    PlanInvalid,
)
from tests.support.fakes import (
    SMALLEST_PLAN,
    FakeBaselines,
    FakeDocuments,
    FakeExecutions,
    FakeTrail,
    account,
    member,
    plan,
    queue,
    run_of,
    target,
    work,
)

START = datetime(2026, 1, 31, 8, tzinfo=UTC)
RUN = run_of(START)
CONSOLE = RUN.model_copy(update={"queue_id": "", "origin": Origin()})
OPS = Origin(door="api", caller="arn:user/ops")
TEXT = json.dumps(SMALLEST_PLAN)


@pytest.fixture
def trail():
    return FakeTrail()


@pytest.fixture
def documents():
    return FakeDocuments()


@pytest.fixture
def executions():
    return FakeExecutions(START)


@pytest.fixture
def submit(documents, trail, executions):
    return Submit(documents, trail, executions)


# ---- accepting -------------------------------------------------------------------------------------------------------


def test_an_accepted_plan_leaves_its_queue_on_the_run_and_no_record(trail):
    run, accepted = accept(RUN, json.dumps(SMALLEST_PLAN | {"queue_id": "q-2", "dry_run": True}), trail, START)
    assert (run.queue_id, run.dry_run, accepted.queue_id) == ("q-2", True, "q-2")
    assert not trail.find("d-1")


def test_an_opened_distribution_is_opened_once(trail):
    assert trail.append(opened(RUN, plan(reason="first"), START))
    assert not trail.append(opened(RUN, plan(reason="second"), START))
    assert trail.find("d-1").opening.reason == "first"


@pytest.mark.parametrize(
    ("body", "queue_id"),
    [
        (json.dumps(SMALLEST_PLAN | {"overflow_threshold": 2}), "queue-001"),
        (json.dumps({"queue_id": "a/b"}), None),
        ("no json", None),
        (json.dumps({"queue_id": 7}), None),
        ("[]", None),
    ],
)
def test_a_refused_plan_is_on_record_before_it_is_refused(trail, body, queue_id):
    with pytest.raises(PlanInvalid) as caught:
        accept(RUN, body, trail, START)
    assert caught.value.details["distribution_id"] == "d-1"
    records = trail.find("d-1")
    assert (records.closing.status, records.opening.opened_queue_id) == ("validation_failed", queue_id)
    assert records.closing.errors


def test_a_bare_plan_comes_from_the_console(trail, documents):
    run, accepted = accept_input(CONSOLE, SMALLEST_PLAN, trail, documents, FakeBaselines(), START)
    assert (accepted, run.queue_id, run.origin.door) == (plan(staffing="now"), "queue-001", "execution")


def test_a_reference_leads_to_the_plan_that_a_door_kept(trail, documents):
    origin = {"door": "api", "caller": "ops"}
    given_ = {"plan_ref": documents.keep_plan(plan(dry_run=True)), "origin": origin}
    run, accepted = accept_input(CONSOLE, given_, trail, documents, FakeBaselines(), START)
    assert (accepted, run.origin, run.dry_run) == (plan(dry_run=True, staffing="now"), Origin(**origin), True)


def test_a_plan_of_a_fleet_is_the_one_of_its_line_and_is_validated_again(trail, documents):
    documents.fleet_lines = {("f-1", 0, 99): Line(SMALLEST_PLAN, {}), ("f-1", 100, 50): Line({"queue_id": "a/b"}, {})}
    given_ = {"fleet": "f-1", "number": 0, "start": 0, "length": 99, "origin": {"door": "fleet", "caller": "ops"}}
    run, accepted = accept_input(CONSOLE, given_, trail, documents, FakeBaselines(), START)
    assert (accepted, run.fleet_id, run.origin.door) == (plan(staffing="now"), "f-1", "fleet")
    for wrong in ({"start": 100, "length": 50}, {"fleet": "f-2"}):
        with pytest.raises(PlanInvalid):
            accept_input(CONSOLE, given_ | wrong, trail, documents, FakeBaselines(), START)


@pytest.mark.parametrize(
    ("door", "said", "staffing"),
    [
        *(("api", None, "now"), ("execution", None, "now"), ("schedule", None, "joined"), ("drift", None, "now")),
        *(("api", "joined", "joined"), ("schedule", "now", "now"), ("schedule", 12, 12)),
    ],
)
def test_without_staffing_a_schedule_counts_joined_members(trail, documents, door, said, staffing):
    kept = documents.keep_plan(plan(staffing=said))
    given_ = {"plan_ref": kept, "origin": {"door": door, "caller": "somebody"}}
    assert accept_input(CONSOLE, given_, trail, documents, FakeBaselines(), START)[1].staffing == staffing


@pytest.mark.parametrize("execution_input", [None, 7, [], "plan", {}, SMALLEST_PLAN | {"queue_id": "a/b"}])
def test_an_execution_input_without_a_valid_plan_is_refused_on_record(trail, documents, execution_input):
    with pytest.raises(PlanInvalid):
        accept_input(CONSOLE, execution_input, trail, documents, FakeBaselines(), START)
    assert trail.find("d-1").closing.status == "validation_failed"


@pytest.mark.parametrize(
    "reference",
    [
        None,
        7,
        "plans/../x.json",
        "distributions/d-1/plan.json",
        "plans/abc.json",
        f"plans/{'a' * 64}.json\n",
        f"plans/{'a' * 64}.json",
    ],
)
def test_a_forged_reference_is_refused_on_record(trail, documents, reference):
    with pytest.raises(PlanInvalid, match="send the plan itself"):
        accept_input(CONSOLE, {"plan_ref": reference}, trail, documents, FakeBaselines(), START)
    assert trail.find("d-1").closing.errors[0].path == "plan_ref"


@pytest.mark.parametrize("origin", [7, {"door": "window"}, {"door": "api", "more": 1}, {"caller": "x" * 2049}])
def test_a_forged_origin_is_refused_on_record(trail, documents, origin):
    with pytest.raises(PlanInvalid, match="origin: not one that this system made"):
        accept_input(
            CONSOLE,
            {"plan_ref": documents.keep_plan(plan()), "origin": origin},
            trail,
            documents,
            FakeBaselines(),
            START,
        )
    assert trail.find("d-1").closing.errors[0].path == "origin"


def test_a_document_beside_the_kept_plans_is_not_one_of_them(trail, documents):
    documents.plans[f"{documents.keep_plan(plan())}.bak"] = plan().canonical()
    with pytest.raises(PlanInvalid, match="send the plan itself"):
        accept_input(
            CONSOLE, {"plan_ref": f"{documents.keep_plan(plan())}.bak"}, trail, documents, FakeBaselines(), START
        )


def test_a_kept_plan_is_not_trusted(trail, documents):
    reference = documents.keep_plan(plan(queue_id="queue-002"))
    documents.plans[reference] = "tampered"
    with pytest.raises(PlanInvalid, match="not JSON"):
        accept_input(CONSOLE, {"plan_ref": reference}, trail, documents, FakeBaselines(), START)


def test_validating_keeps_the_plan_and_opens_the_record(trail, documents):
    validate = Validate(documents, trail, FakeBaselines(), account())
    run = validate.validate(CONSOLE, SMALLEST_PLAN | {"reason": "rush"}, START)
    assert documents.plan("d-1") == plan(reason="rush", staffing="now")
    assert (run.queue_id, trail.find("d-1").opening.reason) == ("queue-001", "rush")


# ---- submitting ------------------------------------------------------------------------------------------------------


def test_a_submitted_plan_is_kept_started_and_opened(submit, documents, trail, executions):
    submitted = submit.submit(TEXT, OPS, None, START)
    (given,) = executions.started.values()
    assert given == FromPlanRef(plan_ref=documents.keep_plan(submitted.plan), origin=OPS)
    assert parse_plan(documents.kept_plan(given.plan_ref)) == plan(staffing="now")
    opening = trail.find(submitted.run.distribution_id).opening
    assert (opening.status, opening.opened_queue_id, opening.caller) == ("initiated", "queue-001", "arn:user/ops")
    assert submitted.run.execution_arn in {f"arn:execution:{name}" for name in executions.started}


@pytest.mark.parametrize(("key", "in_the_execution"), [(None, "r-1"), ("monday", None)])
def test_the_request_is_on_record_and_a_request_with_a_key_is_the_same_execution_twice(
    submit, trail, executions, key, in_the_execution
):
    asked = OPS.model_copy(update={"request_id": "r-1"})
    submitted = submit.submit(TEXT, asked, key, START)
    assert trail.find(submitted.run.distribution_id).opening.request_id == "r-1"
    (given,) = executions.started.values()
    assert given.origin.request_id == in_the_execution


def test_a_refused_plan_starts_nothing_and_its_record_is_named(submit, trail, executions):
    with pytest.raises(PlanInvalid) as refusal:
        submit.submit(json.dumps(SMALLEST_PLAN | {"overflow_threshold": 2}), OPS, "key-1", START)
    assert executions.started == {}
    closing = trail.find(refusal.value.details["distribution_id"]).closing
    assert (closing.status, closing.door, closing.caller) == ("validation_failed", "api", "arn:user/ops")


def test_the_same_key_and_plan_are_one_distribution_with_one_opening(submit, trail):
    first, second = (submit.submit(TEXT, OPS, "key-1", START) for _ in range(2))
    assert first == second
    assert len(trail.records) == 1


def test_the_same_key_with_another_plan_opens_nothing(submit, trail):
    submit.submit(TEXT, OPS, "key-1", START)
    with pytest.raises(IdempotencyConflict):
        submit.submit(json.dumps(SMALLEST_PLAN | {"reason": "another"}), OPS, "key-1", START)
    assert len(trail.records) == 1


def test_an_expiry_is_named_after_the_distribution_that_was_started(submit):
    run = submit.submit(json.dumps(SMALLEST_PLAN | {"until": "2026-01-31T17:00:00Z"}), OPS, None, START).run
    assert (run.until, run.return_name) == ("2026-01-31T17:00:00Z", f"return.{run.distribution_id}")


# ---- reverting -------------------------------------------------------------------------------------------------------


@pytest.fixture
def earlier(trail, documents):
    """A distribution `d-9` that read its queue and what it applied."""
    wanted = plan(reason="rush", until="2026-02-01T17:00:00Z", shared_with=[{"queue_id": "queue-002"}])
    before = queue(member("agent-1", 0.1))
    documents.keep_work("d-9", work(wanted, target({"agent-1": 0.4}), before))
    documents.save_after("d-9", before)
    trail.append(opened(RUN.model_copy(update={"distribution_id": "d-9"}), wanted, START))
    return wanted


@pytest.mark.usefixtures("earlier")
def test_a_revert_is_the_earlier_plan_with_its_own_options(submit, documents, trail):
    options = RevertOptions(dry_run=True, reason="The rush is over.")
    back = RevertDistribution(trail, documents, submit).revert("d-9", options, OPS, None, START).plan
    assert back.restores.model_dump(exclude_defaults=True) == {"distribution_id": "d-9"}
    assert (back.dry_run, back.reason, back.until, back.shared_with) == (True, "The rush is over.", None, [])
    assert back.member_weights == SMALLEST_PLAN["member_weights"]


def test_a_distribution_that_nobody_knows_cannot_be_reverted(submit, documents, trail, executions):
    with pytest.raises(DistributionNotFound, match="GET /queues/"):
        RevertDistribution(trail, documents, submit).revert("d-9", RevertOptions(), OPS, None, START)
    assert executions.started == {}


def test_a_distribution_that_read_nothing_has_no_state_to_revert_to(submit, documents, trail):
    trail.append(opened(RUN, plan(), START))
    with pytest.raises(NotRestorable, match="read nothing"):
        RevertDistribution(trail, documents, submit).revert("d-1", RevertOptions(), OPS, None, START)


@pytest.mark.usefixtures("earlier")
def test_a_revert_to_a_baseline_restores_what_its_distribution_left(submit, documents):
    baselines, name = FakeBaselines(), BaselineName(queue_id="queue-001", name="normal")
    use_case = RevertToBaseline(baselines, documents, submit)
    with pytest.raises(BaselineNotFound, match="PUT /queues/queue-001/baselines/normal"):
        use_case.revert(name, RevertOptions(), OPS, None, START)
    baselines.put(Baseline("queue-001", "normal", "d-9", "2026-01-31T08:00:00.000Z"))
    back = use_case.revert(name, RevertOptions(), OPS, None, START).plan
    assert back.restores.model_dump(exclude_defaults=True) == {"distribution_id": "d-9", "image": "after"}
