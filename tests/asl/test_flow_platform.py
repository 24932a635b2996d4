"""The deployed state machine under contract `platform`: conflicts, refusals before any write, and the records."""

import json

import pytest

from tests.support.carriers import Carrier
from tests.support.world import NO_RINGS, RINGS, a_plan, skill_of


@pytest.fixture
def ring(platform_world):
    platform_world.sim.clear_faults()
    return Carrier("ring", platform_world)


@pytest.fixture
def proficiency(platform_world):
    platform_world.sim.clear_faults()
    return Carrier("proficiency", platform_world)


def edit(run, before="GET", skip=1, **fields):
    """A person edits the queue right before a request. GET and skip 1: between the reading and the write."""
    return run.with_fault("edit", method=before, path="$", skip=skip, body=fields)


def problems(run):
    return {error["path"]: error["message"] for error in run.record["errors"]}


@pytest.mark.parametrize("fields", [{"description": "new"}, {"acwSettings": {"wrapupPrompt": "OPTIONAL"}}])
def test_a_queue_that_somebody_else_changed_is_not_overwritten(ring, fields):
    queue = ring.queue()
    run = edit(ring.world.run(ring.plan(queue, ring.weights(3))), **fields).ends("queue_update_failed")
    held = ring.world.held(queue)["queue"]
    assert {name: held[name] for name in fields} == fields
    (error,) = run.record["errors"]
    assert error["type"] == "QueueChanged"
    assert (error["modified_by"], error["date_modified"]) == (held["modifiedBy"], held["dateModified"])
    assert error["fields"] == list(fields)
    assert held["modifiedBy"] in run.cause
    assert run.writes == []
    assert set(ring.held(queue).values()) == {1}


def test_a_change_between_two_attempts_of_a_write_is_not_overwritten(ring):
    queue = ring.queue()
    run = ring.world.run(ring.plan(queue, ring.weights(3)))
    run.with_fault("status", method="PUT", path="$", status=503)
    edit(run, skip=2, description="in between").ends("queue_update_failed")
    assert ring.world.held(queue)["queue"]["description"] == "in between"
    assert [entry["status"] for entry in run.writes] == [503]


def test_a_change_to_the_plans_own_value_is_no_conflict(ring):
    queue = ring.queue()
    wanted = {"wrapupPrompt": "MANDATORY_TIMEOUT", "timeoutMs": 45_000}
    run = edit(ring.world.run(ring.plan(queue, ring.weights(3))), acwSettings=wanted).ends("completed")
    assert not [entry for entry in run.writes if entry["method"] == "PUT"]


def test_a_write_with_a_lost_answer_is_not_sent_again(ring):
    queue = ring.queue()
    run = ring.world.run(ring.plan(queue, ring.weights(3))).with_fault("reset_after", method="PUT", path="$")
    run.ends("completed")
    assert len([entry for entry in run.writes if entry["method"] == "PUT"]) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 409},
        {
            "status": 400,
            "body": {"message": "The version 3 does not match the current version 4", "code": "bad.request"},
        },
    ],
)
def test_after_a_version_conflict_the_queue_is_read_again(proficiency, refusal):
    queue, weights = proficiency.queue(), proficiency.weights(3)
    run = proficiency.world.run(proficiency.plan(queue, weights))
    run.with_fault("status", **proficiency.member_write, **refusal).with_fault(
        "status", method="PUT", path="$", **refusal
    )
    run.ends("completed")
    assert proficiency.held(queue) == proficiency.expected(weights)


def test_a_skill_that_nobody_has_is_assigned(proficiency):
    queue, weights = proficiency.queue(skills=[{"id": "fresh", "name": "Fresh skill"}]), proficiency.weights(3)
    run = proficiency.world.run(proficiency.plan(queue, weights, skill="Fresh skill")).ends("completed")
    held = proficiency.world.held(queue)["members"]
    proficiencies = {m: {s["id"]: s["proficiency"] for s in member["skills"]}["fresh"] for m, member in held.items()}
    assert proficiencies == proficiency.expected(weights)
    assert run.record["actuation"]["skill"] == "Fresh skill"


def test_a_skill_belongs_to_one_queue(proficiency):
    first, second = proficiency.queue(), proficiency.queue()
    weights = proficiency.weights(3)
    proficiency.world.run(proficiency.plan(first, weights)).ends("completed")
    run = proficiency.world.run(proficiency.plan(second, weights, skill=skill_of(first))).ends("validation_failed")
    assert first in problems(run)["skill"]
    assert run.writes == []


def test_a_skill_that_does_not_exist_is_refused(proficiency):
    run = proficiency.world.run(proficiency.plan(proficiency.queue(), proficiency.weights(3), skill="no such skill"))
    assert "no skill no such skill" in problems(run.ends("validation_failed"))["skill"]


def test_a_member_through_a_group_gets_no_ring(ring):
    members = [{"user": {"id": f"agent-{n:03}"}, "memberBy": "group" if n == 2 else "user"} for n in (1, 2, 3)]
    queue = ring.world.queue(members=members)
    run = ring.world.run(ring.plan(queue, ring.weights(3))).ends("validation_failed")
    assert list(problems(run)) == ["member_weights.agent-002"]
    assert run.writes == []
    kept = ring.world.run(ring.plan(queue, {"agent-002": 0.5, "agent-001": 0.1})).ends("completed")
    assert ring.held(queue) == {"agent-001": 5, "agent-002": 1, "agent-003": 1}
    assert kept.record["status"] == "completed"


def test_overflow_groups_become_a_rule_and_other_rules_stay(ring):
    theirs = {
        "metric": "EstimatedWaitTime",
        "operator": "GreaterThan",
        "conditionValue": 30,
        "groups": [{"id": "other", "type": "TEAM"}],
    }
    queue = ring.queue(queue={"conditionalGroupRouting": {"rules": [theirs]}})
    groups = [{"id": "night-shift", "type": "GROUP"}]
    run = ring.world.run(ring.plan(queue, ring.weights(3), overflow_groups=groups)).ends("completed")
    ours = {"metric": "ServiceLevel", "operator": "LessThan", "conditionValue": 0.85, "groups": groups}
    waits = theirs | {"waitSeconds": 2}  # the rule is no longer the last one
    assert ring.world.held(queue)["queue"]["conditionalGroupRouting"]["rules"] == [waits, ours]
    record = ring.world.distribution(run.distribution_id)
    assert (record["actuation"]["overflow"], record["applied_overflow_threshold"]) == (
        "conditional_group_routing",
        0.85,
    )
    ring.world.run(ring.plan(queue, ring.weights(3), overflow_groups=groups, overflow_threshold=0.8)).ends("completed")
    assert ring.world.held(queue)["queue"]["conditionalGroupRouting"]["rules"] == [
        waits,
        ours | {"conditionValue": 0.8},
    ]
    ring.world.run({"restore": run.distribution_id}).ends("completed")
    assert ring.world.held(queue)["queue"]["conditionalGroupRouting"]["rules"] == [theirs]


def test_without_overflow_groups_the_threshold_is_only_a_gate(ring):
    queue = ring.queue()
    run = ring.world.run(ring.plan(queue, ring.weights(3), overflow_threshold=0.5, projected_load=1.8))
    run.ends("saturation_blocked")
    assert "no group to overflow to" in run.cause
    assert run.record["actuation"]["overflow"] == "gate"
    assert run.writes == []


def test_a_strategy_sets_the_settings_that_it_requires(ring, proficiency):
    queue = ring.queue(queue=NO_RINGS)
    ring.world.run(ring.plan(queue, ring.weights(3), strategy_reference="ring-by-weight")).ends("completed")
    assert len(ring.world.held(queue)["queue"]["bullseye"]["rings"]) == 6
    queue = proficiency.queue()
    plan = proficiency.plan(queue, proficiency.weights(3), strategy_reference="proficiency-by-weight")
    proficiency.world.run(plan).ends("completed")
    assert proficiency.world.held(queue)["queue"]["skillEvaluationMethod"] == "BEST"


def test_a_plan_without_effect_needs_approval_and_claims_no_weight(ring):
    queue = ring.queue(queue=NO_RINGS)
    plan = ring.plan(queue, dict.fromkeys(ring.weights(3), 0.3))
    refused = ring.world.run(plan).ends("approval_required")
    assert "Take strategy ring-by-weight" in refused.cause
    assert refused.writes == []
    record = ring.world.run(plan | {"accept_uncertain": True}).ends("completed").record
    assert record["applied_weights"] == dict.fromkeys(ring.weights(3))
    assert record.get("balance_accuracy") is None
    assert "Take strategy ring-by-weight" in record["projection"]["reason"]
    back = ring.world.run({"restore": record["distribution_id"]}).ends("completed")
    assert back.record.get("balance_accuracy") is None


def test_existing_rings_are_not_replaced(ring):
    rings = RINGS[:2]
    queue = ring.queue(queue={"bullseye": {"rings": rings}})
    run = ring.world.run(ring.plan(queue, ring.weights(3), strategy_reference="ring-by-weight"))
    assert "are not replaced" in problems(run.ends("validation_failed"))["strategy_reference"]


def test_an_actuator_of_the_other_contract_is_refused(ring, world):
    run = ring.world.run(a_plan(ring.queue(), actuator="score")).ends("validation_failed")
    assert "contract platform has no score" in problems(run)["actuator"]
    other = world.run(a_plan(world.queue(), actuator="ring")).ends("validation_failed")
    assert "contract score has no ring" in problems(other)["actuator"]


def test_a_plan_that_unjoins_everybody_is_blocked(platform_world):
    joined = Carrier("joined", platform_world)
    queue = platform_world.queue()
    run = platform_world.run(joined.plan(queue, dict.fromkeys(("agent-001", "agent-002", "agent-003"), 0.0)))
    run.ends("saturation_blocked")
    assert run.writes == []


def test_a_plan_without_an_actuator_gets_the_deployments(ring):
    queue = ring.queue()
    run = ring.world.run(a_plan(queue, ring.weights(3))).ends("completed")
    assert run.record["actuation"]["actuator"] == "ring"
    assert ring.held(queue) == ring.expected(ring.weights(3))


def test_a_deleted_deployment_revokes_its_token(ring):
    world = ring.world
    world.run(ring.plan(ring.queue(), ring.weights(3), dry_run=True)).ends("dry_run")
    event = {
        "RequestType": "Delete",
        "ResponseURL": f"{world.ready['aws_endpoint_url']}/{world.ready['documents_bucket']}/answer",
        **dict.fromkeys(("StackId", "RequestId", "LogicalResourceId"), "x"),
    }
    payload = json.dumps(event).encode()
    answer = world.client("lambda").invoke(FunctionName="TokenFunction", Payload=payload)["Payload"].read()
    assert json.loads(answer) == {"answered": True}
    told = world.client("s3").get_object(Bucket=world.ready["documents_bucket"], Key="answer")["Body"].read()
    assert (json.loads(told)["Status"], json.loads(told)["Reason"]) == ("SUCCESS", "")
    last = world.sim.requests()[-1]
    assert (last["method"], last["path"], last["status"]) == ("DELETE", "/api/v2/tokens/me", 200)
    held = world.client("secretsmanager").get_secret_value(SecretId=world.ready["token_secret"])["SecretString"]
    assert json.loads(held) == {}
    world.run(ring.plan(ring.queue(), ring.weights(3), dry_run=True)).ends("dry_run")
