"""Named plans: what may be saved, who learns of the other, and what each application of a plan says."""

import json
from datetime import UTC, datetime

import pytest

from routing_weights.adapters.aws.plans_table import NamedPlanStore
from routing_weights.api.named_plans import version_in
from routing_weights.application.save_plan import ApplyPlan, KeepPlans
from routing_weights.application.submit import Submit
from routing_weights.domain.access import Bounds, Person
from routing_weights.domain.named_plan import OF_A_RUN, ApplyOptions, NamedPlan, plan_to_save
from routing_weights.domain.run import Origin
from routing_weights.errors import (
    IdempotencyConflict,
    NamedPlanChanged,
    NamedPlanNotFound,
    PlanInvalid,
    QueueNotFound,
    RequestInvalid,
)
from tests.support.fakes import SMALLEST_PLAN, FakeDocuments, FakeExecutions, FakeTrail

START = datetime(2026, 1, 31, 8, tzinfo=UTC)
ANA, BEN = (Person(f"genesys:{name}", name, "genesys", {}) for name in ("Ana Ruiz", "Ben Kaya"))
EVERYWHERE = Bounds(None, "")
CONTENT = {name: value for name, value in SMALLEST_PLAN.items() if name != "queue_id"}
STORM = CONTENT | {"overflow_threshold": 0.7, "reason": "storm"}


@pytest.fixture
def documents():
    return FakeDocuments()


@pytest.fixture
def named(aws):
    names = ("queue_id", "name")
    aws("dynamodb").create_table(
        TableName="named-plans",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=[{"AttributeName": n, "KeyType": k} for n, k in zip(names, ("HASH", "RANGE"), strict=True)],
    )
    return NamedPlanStore("named-plans")


@pytest.fixture
def kept(named, documents):
    return KeepPlans(named, documents)


@pytest.fixture
def save(kept):
    def save(document, replaces=None, *, by=ANA, name="Storm", bounds=EVERYWHERE):
        return kept.save("queue-001", name, json.dumps(document).encode(), replaces, by, START, bounds)

    return save


@pytest.fixture
def apply(kept, documents):
    trail, executions = FakeTrail(), FakeExecutions(START)
    use_case = ApplyPlan(kept, Submit(documents, trail, executions))

    def apply(version=None, key=None, bounds=EVERYWHERE, **options):
        given = ApplyOptions(**options)
        return use_case.apply("queue-001", "Storm", version, given, Origin(door="api"), key, START, bounds)

    return apply


# ---- what is saved ---------------------------------------------------------------------------------------------------


def test_a_saved_plan_comes_back_with_who_saved_it(kept, save):
    saved = save(STORM)
    assert kept.find("queue-001", "Storm") == saved
    assert (saved.members, saved.saved_at, saved.saved_by) == (3, "2026-01-31T08:00:00.000Z", "genesys:Ana Ruiz")
    assert kept.content(saved) == STORM


def test_the_plans_of_a_queue_are_listed_by_name(named, save):
    for name in ("Storm", "Default", "Night"):
        save(STORM, name=name)
    assert [plan.name for plan in named.of_queue("queue-001")] == ["Default", "Night", "Storm"]
    assert named.of_queue("queue-002") == []


@pytest.mark.parametrize("name", [*sorted(OF_A_RUN), "queue_id", "restores"])
def test_what_is_not_about_the_plan_is_refused_beside_every_other_problem(named, save, name):
    with pytest.raises(PlanInvalid) as refused:
        save(STORM | {name: "x", "colour": "red", "overflow_threshold": 7})
    found = {(entry["path"], entry["type"]) for entry in refused.value.details["errors"]}
    assert (name, "not_saved") in found
    assert {path for path, _ in found} == {name, "colour", "overflow_threshold"}
    assert named.of_queue("queue-001") == []


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"\xff", b'{"reason": "a", "reason": "b"}'])
def test_what_is_no_plan_is_refused(raw):
    with pytest.raises(PlanInvalid):
        plan_to_save(raw, "queue-001")


def test_a_plan_that_names_a_queue_of_somebody_else_is_not_saved(named, save):
    foreign = STORM | {"shared_with": [{"queue_id": "queue-of-others"}]}
    with pytest.raises(QueueNotFound):
        save(foreign, bounds=Bounds(frozenset(["queue-001"]), ""))
    assert named.of_queue("queue-001") == []


# ---- two people ------------------------------------------------------------------------------------------------------


def test_of_two_people_who_change_one_version_the_later_one_learns_who_was_faster(kept, save):
    first = save(STORM)
    second = save(STORM | {"overflow_threshold": 0.6}, first.version, by=BEN)
    assert second.version != first.version
    with pytest.raises(NamedPlanChanged) as refused:
        save(STORM | {"overflow_threshold": 0.5}, first.version)
    assert refused.value.message == (
        "Ben Kaya has saved plan Storm of queue queue-001 at 2026-01-31T08:00:00.000Z, and that stays. Get it, look at "
        f'both, then send the request with If-Match: "{second.version}".'
    )
    assert kept.find("queue-001", "Storm") == second


def test_a_new_plan_replaces_none_of_its_name(kept, save):
    first = save(STORM)
    with pytest.raises(NamedPlanChanged, match="Ana Ruiz has saved plan Storm"):
        save(CONTENT, by=BEN)
    assert kept.find("queue-001", "Storm") == first


@pytest.mark.parametrize("replaces", [None, "1" * 32])
def test_a_request_that_comes_again_finds_its_plan_saved(save, replaces):
    first = save(STORM)
    assert save(STORM, replaces) == first


def test_a_deleted_plan_is_replaced_by_none_and_its_version_never_comes_back(kept, save):
    first = save(STORM)
    kept.delete("queue-001", "Storm", None)
    with pytest.raises(NamedPlanChanged, match="has been deleted"):
        save(CONTENT, first.version)
    again = save(STORM)
    with pytest.raises(NamedPlanChanged):
        kept.delete("queue-001", "Storm", first.version)
    kept.delete("queue-001", "Storm", again.version)
    for version in (None, again.version):
        with pytest.raises(NamedPlanNotFound):
            kept.delete("queue-001", "Storm", version)
    with pytest.raises(NamedPlanNotFound, match="PUT /queues/queue-001/plans/Storm"):
        kept.find("queue-001", "Storm")


def test_an_item_with_fields_of_a_later_release_can_be_read(named, aws):
    item = {name: {"S": name} for name in ("queue_id", "name", "version", "plan_ref", "saved_at", "colour")}
    aws("dynamodb").put_item(TableName="named-plans", Item=item | {"members": {"N": "3"}})
    assert named.find("queue_id", "name") == NamedPlan("queue_id", "name", "version", "plan_ref", 3, "saved_at")


@pytest.mark.parametrize("header", ["*", "", "abc", '"abc"', 'W/"' + "0" * 32 + '"', '"' + "0" * 32 + '", "x"'])
def test_only_one_version_can_be_named(header):
    with pytest.raises(RequestInvalid) as refused:
        version_in(header)
    assert [entry["path"] for entry in refused.value.details["errors"]] == ["If-Match"]


def test_a_version_is_that_of_the_etag():
    assert version_in('"' + "0" * 32 + '"') == "0" * 32
    assert version_in(None) is None


# ---- a plan is applied -----------------------------------------------------------------------------------------------


def test_an_applied_plan_is_the_saved_one_with_the_options_of_the_run(save, apply):
    save(STORM)
    plan = apply(dry_run=True, requested_by="Ben", reason="hail", wait_for_lock_s=60, based_on="none").plan
    assert (plan.queue_id, plan.member_weights, plan.overflow_threshold) == (
        "queue-001",
        CONTENT["member_weights"],
        0.7,
    )
    assert (plan.dry_run, plan.requested_by, plan.wait_for_lock_s, plan.based_on) == (True, "Ben", 60, "none")
    assert plan.reason == "hail"


def test_without_a_reason_of_the_run_it_is_the_plans_or_its_name(save, apply):
    saved = save(STORM)
    assert apply().plan.reason == "storm"
    save(CONTENT, saved.version)
    assert apply().plan.reason == "Named plan Storm."


def test_a_run_cannot_take_back_that_a_plan_needs_approval(save, apply):
    saved = save(STORM)
    assert not apply().plan.require_approval
    assert apply(require_approval=True).plan.require_approval
    save(STORM | {"require_approval": True}, saved.version)
    assert apply(require_approval=False).plan.require_approval


def test_one_key_is_one_distribution_and_another_version_is_another_plan(save, apply):
    first = save(STORM)
    started = apply(key="storm").run.distribution_id
    assert apply(first.version, key="storm").run.distribution_id == started
    second = save(CONTENT, first.version)
    with pytest.raises(NamedPlanChanged):
        apply(first.version)
    with pytest.raises(IdempotencyConflict):
        apply(second.version, key="storm")


def test_a_plan_that_is_not_there_is_not_applied(apply):
    with pytest.raises(NamedPlanNotFound):
        apply()


def test_a_plan_that_names_a_queue_of_somebody_else_is_not_applied(save, apply):
    save(STORM | {"shared_with": [{"queue_id": "queue-of-others"}]})
    with pytest.raises(QueueNotFound):
        apply(bounds=Bounds(frozenset(["queue-001"]), ""))


def test_a_plan_that_is_no_longer_valid_is_shown_and_not_applied(kept, documents, save, apply):
    saved = save(STORM)
    documents.plans[saved.plan_ref] = json.dumps(STORM | {"queue_id": "queue-001", "strategy_reference": "gone"})
    assert kept.content(saved)["strategy_reference"] == "gone"
    with pytest.raises(PlanInvalid, match="there is no strategy gone"):
        apply()
