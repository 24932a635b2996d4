"""A plan says which distribution it was made from. If another one was applied since, nothing is written."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from routing_weights.adapters.aws.audit_table import AuditTrail
from routing_weights.application.project import Project
from routing_weights.domain.fleet_plans import read_file
from routing_weights.domain.images import require_based_on
from routing_weights.domain.record import RunSummary, opened, refused
from routing_weights.domain.status import Status
from routing_weights.errors import ForecastMissing, Outdated, PlanInvalid
from tests.support.fakes import FakeDocuments, FakeShares, FakeTrail, gate, plan, run_of
from tests.unit.test_record import BEFORE, closing_record

START = datetime(2026, 1, 31, 8, tzinfo=UTC)


def completed(name="first", **fields):
    known = {"status": "completed", "timestamp": "2026-01-31T08:00:05.000Z", "started_at": "2026-01-31T08:00:00.000Z"}
    return RunSummary.model_validate({"distribution_id": name, "queue_id": "queue-001", **known, **fields})


@pytest.mark.parametrize(
    ("based_on", "last"), [(None, completed()), (None, None), ("first", completed()), ("none", None)]
)
def test_a_plan_that_is_up_to_date_passes(based_on, last):
    require_based_on(plan(based_on=based_on), last)


def test_an_outdated_plan_says_who_applied_what_since_and_what_to_do():
    newer = completed("second", caller_name="Ana Ruiz", requested_by="shift lead", reason="storm")
    with pytest.raises(Outdated) as refused_:
        require_based_on(plan(based_on="first"), newer)
    assert refused_.value.message == (
        "Ana Ruiz has applied distribution second to queue queue-001 at 2026-01-31T08:00:05.000Z (storm), and this "
        "plan was made before that, from distribution first. Look at both, then send the plan with based_on: second."
    )
    assert refused_.value.details == {
        "path": "based_on",
        "in_force": "second",
        "applied_by": "Ana Ruiz",
        "applied_at": "2026-01-31T08:00:05.000Z",
        "reason": "storm",
    }


@pytest.mark.parametrize(
    ("who", "by"),
    [
        ({"requested_by": "shift lead", "caller": "arn:x"}, "shift lead"),
        ({"caller": "arn:x"}, "arn:x"),
        ({}, "Somebody in the console"),
    ],
)
def test_whoever_applied_it_is_named_as_well_as_it_is_known(who, by):
    with pytest.raises(Outdated, match=f'"{by} has applied distribution first .* from what Genesys held'):
        require_based_on(plan(based_on="none"), completed(**who))


def test_a_plan_cannot_be_based_on_a_distribution_that_never_was():
    with pytest.raises(Outdated, match="Send it with based_on: none") as refused_:
        require_based_on(plan(based_on="first"), None)
    assert refused_.value.details == {"path": "based_on", "in_force": "none"}


@pytest.mark.parametrize("wrong", ["", "two words", "a/b", 7])
def test_what_cannot_be_a_distribution_is_refused_at_the_door(wrong):
    with pytest.raises(PlanInvalid) as refused_:
        plan(based_on=wrong)
    assert [entry["path"] for entry in refused_.value.details["errors"]] == ["based_on"]


def test_project_asks_genesys_nothing_for_an_outdated_plan():
    documents, trail = FakeDocuments(), FakeTrail()
    trail.append(opened(run_of(START).model_copy(update={"distribution_id": "first"}), plan(), START))
    trail.append(closing_record(after=BEFORE).model_copy(update={"distribution_id": "first"}))
    asked = []

    def connect(actuation):
        asked.append(actuation)
        raise ForecastMissing("The run came to Genesys.")

    projector = SimpleNamespace(deployed_actuator="ring")
    project = Project(
        documents, trail, None, FakeShares(), connect, projector, "platform", lambda: START, gate()
    ).project
    documents.save_plan("d-1", plan(based_on="none"))
    with pytest.raises(Outdated):
        project(run_of(START))
    assert asked == []
    documents.save_plan("d-1", plan(based_on="first"))
    with pytest.raises(ForecastMissing, match="came to Genesys"):
        project(run_of(START))


def test_a_line_of_a_fleet_has_it_too():
    heading = "queue,member,weight,overflow_threshold,utilization_target,strategy,based_on"
    rows = f"{heading}\nq-1,a,1,0.85,0.8,by-weight,first\n"
    (accepted,) = read_file([rows.encode()], {}, lambda _: (), "ring").accepted.values()
    assert json.loads(accepted.text)["based_on"] == "first"


# ---- the last completed distribution, in the table -------------------------------------------------------------------


def applied(trail, name, status="completed"):
    run = run_of(START).model_copy(update={"distribution_id": name})
    trail.append(opened(run, plan(), START))
    trail.append(closing_record(after=BEFORE).model_copy(update={"distribution_id": name, "status": Status(status)}))


class Late(AuditTrail):
    """A trail whose index does not have the newest distributions yet."""

    def of_queue(self, *_, **__):
        return [], None


def test_the_last_completed_distribution_is_known_before_the_index_has_it(trail):
    applied(trail, "first")
    applied(trail, "second")
    applied(trail, "a-dry-run", "dry_run")
    late = Late(trail.table, trail.documents)
    assert late.last_completed("queue-001").distribution_id == "second"
    assert late.last_completed("queue-002") is None


def test_it_is_found_beneath_many_that_were_refused(trail, monkeypatch):
    monkeypatch.setattr("routing_weights.adapters.aws.audit_table.PAGE_LENGTH", 2)
    applied(trail, "first")
    for number in range(3):
        run = run_of(START).model_copy(update={"distribution_id": f"refused-{number}"})
        for record in refused(run, "queue-001", [], START):
            trail.append(record)
    assert Late(trail.table, trail.documents).last_completed("queue-001").distribution_id == "first"


def test_a_distribution_of_a_release_without_chains_is_found_by_the_index(trail, aws):
    applied(trail, "first")
    links = aws("dynamodb").query(
        TableName=trail.table,
        KeyConditionExpression="distribution_id = :chain",
        ExpressionAttributeValues={":chain": {"S": "chain#queue-001"}},
    )["Items"]
    for link in links:
        key = {name: link[name] for name in ("distribution_id", "record")}
        aws("dynamodb").delete_item(TableName=trail.table, Key=key)
    assert trail.last_completed("queue-001").distribution_id == "first"
    assert Late(trail.table, trail.documents).last_completed("queue-001") is None
