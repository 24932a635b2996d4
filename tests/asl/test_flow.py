"""The deployed state machine, with the real handlers and a simulated Genesys: every status and every branch."""

import json
import time
from email.utils import formatdate

import pytest

from tests.support.waiting import until
from tests.support.world import WEIGHTS, Run, a_plan, assert_is_a_sentence

STRAIGHT_ON = [
    "Validate", "Lock", "Project", "May it write?", "Patch queue", "What is left?", "Patch members", "What is left?",
    "Verify", "Audit", "Unlock", "Completed?", "Completed",
]  # fmt: skip
NOTHING_TO_WRITE = [*STRAIGHT_ON[:6], *STRAIGHT_ON[8:]]
REFUSED_BY_PROJECT = ["Validate", "Lock", "Project", "Audit", "Unlock", "Completed?", "Failed"]

PLACES = {
    # The queue is read by Project first and by Verify second; members are listed in the same order.
    "Project": {"method": "GET", "path": "$"},
    "Patch queue": {"method": "PATCH", "path": "$"},
    "Patch members": {"method": "PATCH", "path": "/members/", "skip": 1},
    "Verify": {"method": "GET", "path": "/members$", "skip": 1},
}
PAUSES = {
    "a pause of a second": "1",
    "a pause of two seconds": "2",
    "a pause until a date that has come": formatdate(time.time(), usegmt=True),
}
UNTOUCHED: dict = {"unrestored": [], "unconfirmed": [], "edited": []}
PASSING_FAULTS = {
    "a connection lost before": {"action": "reset_before"},
    "a connection lost after": {"action": "reset_after"},
    "an outage of two requests": {"action": "status", "status": 503, "times": 2},
}
UNREADABLE = {
    "403": ({"action": "status", "status": 403}, "needs the scope routing:queue:read"),
    "404": ({"action": "status", "status": 404}, "Genesys knows no queue"),
    "half a document, whenever it is read": ({"action": "malformed", "times": None}, "something that is not JSON"),
    "a list": ({"action": "status", "status": 200, "body": [1]}, "not an object"),
    "a redirect": ({"action": "status", "status": 302, "headers": {"Location": "http://127.0.0.1:1/"}}, "302"),
    "a threshold that is no number": (
        {"action": "status", "status": 200, "body": {"utilizationThreshold": "much"}},
        "utilizationThreshold",
    ),
    "a member without an id": (
        {"path": "/members", "action": "status", "status": 200, "body": {"entities": [{"score": 0.1}]}},
        "without a user id",
    ),
    "a page without members": (
        {"path": "/members", "action": "status", "status": 200, "body": {"pageCount": 1}},
        "without a list of entities",
    ),
}
BLOCKED = {
    "more load than 0.95 of the capacity": ({}, {"projected_load": 2.3}, "lower the load to 2.28 erlangs"),
    "a utilization target of 0": ({}, {"utilization_target": 0}, "Raise utilization_target"),
    "a skill that no one has": ({}, {"required_skills": ["Latin"]}, "required skill Latin"),
}
UNSTAFFED = {
    "everyone is off queue": ({"off_queue": 3}, {}, "approval_required"),
    "no one has joined": ({"unjoined": 3}, {}, "approval_required"),
    "everyone is off queue, which is accepted": ({"off_queue": 3}, {"accept_uncertain": True}, "completed"),
    "everyone is off queue, for the next shift": ({"off_queue": 3}, {"staffing": "joined"}, "completed"),
    "everyone is off queue, three are expected": ({"off_queue": 3}, {"staffing": 3}, "completed"),
    "too few for the next shift": ({"off_queue": 3}, {"staffing": 1, "projected_load": 2}, "saturation_blocked"),
}
"""By case: the queue's members, the plan's changes, the status."""
BAD_INPUTS = {
    "a plan with many errors": (
        {
            "queue_id": "a/b",
            "member_weights": {"agent-001": 1.5, "agent-002": True},
            "overflow_threshold": "0.5",
            "strategy_reference": "x",
            "colour": "red",
        },
        {
            "queue_id",
            "member_weights.agent-001",
            "member_weights.agent-002",
            "overflow_threshold",
            "utilization_target",
            "strategy_reference",
            "colour",
        },
    ),
    "an array": ([1, 2], {""}),
    "a text": ("plan", {""}),
    "null": (None, {""}),
    "a forged reference": ({"plan_ref": "plans/../distributions/other/plan.json"}, {"plan_ref"}),
    "a restore of nothing": ({"restore": "no-such-distribution"}, {"restore"}),
    "a restore with many errors": (
        {"restore": 7, "image": "now", "member_weights": {}, "dry_run": True},
        {"restore", "image", "member_weights"},
    ),
    "a restore that is no id": ({"restore": ["a"], "dry_run": True}, {"restore"}),
    "a reference that is no text": ({"plan_ref": 7}, {"plan_ref"}),
    "a reference to nothing": ({"plan_ref": f"plans/{'0' * 64}.json"}, {"plan_ref"}),
}
HUNDRED = {f"agent-{number:03}": 0.01 for number in range(1, 101)}
FULL = {"agent-001": 0.1, "agent-002": 0.2, "agent-003": 0.7}


def spoilt(action, agents=3, **rule):
    return lambda world: world.run(a_plan(world.queue(agents))).with_fault(action, **rule)


def paused_everywhere(pause):
    def scene(world):
        run = world.run(a_plan(world.queue()))
        for rule in PLACES.values():
            run.with_fault("status", status=429, headers={"Retry-After": PAUSES[pause]}, **rule)
        return run

    return scene


def failing_everywhere(fault):
    def scene(world):
        run = world.run(a_plan(world.queue()))
        for rule in PLACES.values():
            run.with_fault(**fault, **rule)
        return run

    return scene


def blocked(members, changes):
    return lambda world: world.run(a_plan(world.queue(**members), **changes))


def planned(*arguments, agents=3, **changes):
    return lambda world: world.run(a_plan(world.queue(agents), *arguments, **changes))


UNDER_WAY = {
    "the listing fails for ever": spoilt("status", method="GET", path="/members", status=503, times=None),
    "the queue's setting fails for ever": spoilt("status", method="PATCH", path="$", status=500, times=None),
    # The writes of members are under way together. Those that were begun before the last one are answered for certain.
    "the last member fails for ever": spoilt("status", path="/members/agent-003", status=500, times=None),
    **{pause: paused_everywhere(pause) for pause in PAUSES},
    **{name: failing_everywhere(fault) for name, fault in PASSING_FAULTS.items()},
    **{name: spoilt(**{"method": "GET", "path": "$"} | fault) for name, (fault, _) in UNREADABLE.items()},
    **{name: blocked(members, changes) for name, (members, changes, _) in {**BLOCKED, **UNSTAFFED}.items()},
    **{name: lambda world, document=document: world.run(document) for name, (document, _) in BAD_INPUTS.items()},
    "the queue's setting is forbidden": spoilt("status", method="PATCH", path="$", status=403, times=None),
    "the last member is forbidden": spoilt("status", path="/members/agent-003", status=403, times=None),
    "no read-back after a failure": lambda world: spoilt("status", path="/members/", status=403)(world).with_fault(
        "status", method="GET", path="/members$", skip=1, status=403
    ),
    "a write that cannot be restored": lambda world: spoilt("status", path="/members/agent-003", status=403)(
        world
    ).with_fault("status", path="/members/agent-001", skip=1, status=403, times=None),
    "nothing can be restored": lambda world: (
        spoilt("status", path="/members/agent-003", status=403)(world)
        .with_fault("status", path="/members/agent-001", skip=1, status=403, times=None)
        .with_fault("status", path="/members/agent-002", skip=1, status=403, times=None)
        .with_fault("status", method="PATCH", path="$", skip=1, status=403, times=None)
    ),
    "an outage while restoring": lambda world: spoilt("status", path="/members/agent-003", status=403)(
        world
    ).with_fault("status", method="GET", path="$", skip=1, status=503, times=7),
    "a pause while restoring": lambda world: spoilt("status", method="PATCH", path="$", status=403)(world).with_fault(
        "status", method="GET", path="$", skip=1, status=429, headers={"Retry-After": "2"}
    ),
    "two writes are dropped": spoilt("drop", path="/members/agent-00[23]", times=2),
    "the queue's setting is dropped": spoilt("drop", method="PATCH", path="$"),
    "the read-back fails": spoilt("status", path="/members$", skip=1, status=403, times=None),
    "half a document, once": spoilt("malformed", method="GET", path="$"),
    "pages that repeat": spoilt("repeat_page", agents=150, path="/members", times=None),
    "no such queue": lambda world: world.run(a_plan("queue-that-is-not-there")),
    "unknown members": planned({"agent-001": 0.5, "agent-998": 0.1, "agent-999": 0.2}),
    "exactly the limit": planned(agents=5, projected_load=3.8),  # 0.95 x 5 x 0.8
    "skills": planned(dry_run=True, required_skills=["Support", "skill-billing"]),
    "a hundred members": planned(HUNDRED, agents=100),
    "a full queue": lambda world: world.run(
        a_plan(
            world.queue(members=[{"user": {"id": user_id}, "score": score} for user_id, score in FULL.items()]),
            {"agent-001": 0.6, "agent-002": 0.3, "agent-003": 0.1},
        )
    ),
}
"""Runs that share only the organisation. They start together, because most of them wait."""


def completed(run: Run) -> Run:
    """Assert that the run completed, that Genesys holds exactly the plan, and that the record says so."""
    run.ends("completed")
    assert run.held["scores"] | run.plan["member_weights"] == run.held["scores"]
    assert run.held["queue"]["utilizationThreshold"] == run.plan["overflow_threshold"]
    assert run.record["applied_weights"] == run.plan["member_weights"]
    assert run.record["balance_accuracy"] == 100
    return run


def test_a_short_pause_is_slept_in_the_function(under_way):
    run = completed(under_way["a pause of a second"])
    assert run.states == STRAIGHT_ON
    assert_paused_at_each_place(run)


def test_a_long_pause_is_waited_in_the_state_machine(under_way):
    run = completed(under_way["a pause of two seconds"])
    waits = [(place, "Wait for Genesys", "Resume", place) for place in PLACES if place != "Patch members"]
    waits.insert(2, ("Patch members", "What is left?", "Wait for Genesys", "Resume", "Patch members"))
    run.reaches(*(state for wait in waits for state in wait))
    assert run.states.count("Wait for Genesys") == len(PLACES)
    assert_paused_at_each_place(run)


def test_a_date_in_the_past_is_no_pause(under_way):
    run = completed(under_way["a pause until a date that has come"])
    assert run.states == STRAIGHT_ON
    assert_paused_at_each_place(run)


def assert_paused_at_each_place(run):
    assert [entry["status"] for entry in run.requests].count(429) == len(PLACES)
    assert [entry["status"] for entry in run.writes].count(200) == 1 + len(WEIGHTS)


@pytest.mark.parametrize("fault", PASSING_FAULTS)
def test_a_temporary_fault_is_survived_everywhere(under_way, fault):
    run = completed(under_way[fault])
    assert run.states == STRAIGHT_ON
    spoilt_requests = len(PLACES) * PASSING_FAULTS[fault].get("times", 1)
    # A write whose answer was lost is looked for by reading, and repeated only where it was not applied.
    looked_for = 2 if fault == "a connection lost before" else 0
    sent_again = 0
    if fault == "a connection lost after":
        # A warm function may hold a token that an earlier test revoked. Its write is refused, and that answer lost.
        current = run.admitted[-1]["token"]
        sent_again = sum(entry["method"] == "PATCH" and entry["token"] != current for entry in run.admitted)
    assert len(run.admitted) == 4 + 1 + len(WEIGHTS) + spoilt_requests + looked_for + sent_again
    keys = {(entry["path"], entry["idempotency_key"]) for entry in run.writes}
    assert len(keys) == 1 + len(WEIGHTS), "a repeated write has the same idempotency key"
    assert len({key for _, key in keys}) == len(keys), "and no other write has it"


def test_every_record_counts_the_effort_of_its_run(under_way):
    """Of retried, failed and refused states, too: compared with the history and with what Genesys has received."""
    assert {name: run.record["effort"]["transitions"] for name, run in under_way.items()} == {
        name: run.transitions for name, run in under_way.items()
    }
    of_queues = {name: run for name, run in under_way.items() if run.queue_id}
    assert {name: run.record["effort"]["requests"] for name, run in of_queues.items()} == {
        name: len(run.requests) for name, run in of_queues.items()
    }
    assert {name for name, run in under_way.items() if run.record["effort"]["unreported"]} == set()


def test_a_listing_that_never_answers_fails_the_projection(under_way):
    run = under_way["the listing fails for ever"].ends("projection_failed")
    assert run.states == REFUSED_BY_PROJECT
    assert run.writes == []
    assert "503" in run.cause
    assert len(run.requests) < 30


def test_a_setting_that_never_answers_fails_the_queue_update(under_way):
    run = under_way["the queue's setting fails for ever"].ends("queue_update_failed")
    run.reaches("Patch queue", "Restore", "Restored?", "Audit", "Unlock", "Failed").avoids("Patch members", "Verify")
    assert run.record["changes"] == []
    assert run.record["restore"]["outcome"] == "not_needed"
    assert set(run.held["scores"].values()) == {0.0}


def test_a_forbidden_setting_fails_the_queue_update_and_names_the_scope(under_way):
    run = under_way["the queue's setting is forbidden"].ends("queue_update_failed")
    run.reaches("Patch queue", "Restore", "Audit").avoids("Patch members")
    assert run.record["restore"]["outcome"] == "not_needed"
    assert "routing:queue:write" in run.cause
    assert run.record["applied_weights"] == dict.fromkeys(WEIGHTS, 0.0)
    assert run.record["applied_overflow_threshold"] == 0.8
    assert len(run.writes) == 1


@pytest.mark.parametrize("name", ["the last member fails for ever", "the last member is forbidden"])
def test_a_failure_after_some_writes_is_restored(under_way, name):
    run = under_way[name].ends("member_update_failed")
    run.reaches("Patch members", "Restore", "Restored?", "Audit", "Unlock", "Failed").avoids("Verify")
    assert run.held["scores"] == dict.fromkeys(WEIGHTS, 0.0)
    assert run.held["queue"]["utilizationThreshold"] == 0.8
    assert run.record["applied_weights"] == run.held["scores"]
    assert run.record["requested_weights"] == WEIGHTS
    assert run.record["changes"] == []
    assert run.record["restore"] == UNTOUCHED | {"outcome": "restored", "restored": 3}
    assert "agent-003" in run.cause


def test_a_member_that_cannot_be_restored_is_named(under_way):
    run = under_way["a write that cannot be restored"].ends("member_update_failed")
    assert run.held["scores"] == {"agent-001": 0.5, "agent-002": 0.0, "agent-003": 0.0}
    assert run.record["applied_weights"] == run.held["scores"]
    assert run.record["changes"] == [{"member": "agent-001", "before": 0.0, "requested": 0.5, "after": 0.5}]
    assert run.record["restore"] == UNTOUCHED | {"outcome": "partial", "restored": 2, "unrestored": ["agent-001"]}
    assert run.record["balance_accuracy"] == pytest.approx(100 * (1 - 0.5 / 3))


def test_a_failed_restore_is_recorded(under_way):
    run = under_way["nothing can be restored"].ends("member_update_failed")
    stuck = ["agent-001", "agent-002", "overflow_threshold"]
    left = UNTOUCHED | {"outcome": "failed", "restored": 0, "unrestored": stuck}
    assert run.record["restore"] == run.world.distribution(run.distribution_id)["restore"] == left
    assert run.held["queue"]["utilizationThreshold"] == run.record["applied_overflow_threshold"] == 0.85


def test_a_restore_is_tried_again_after_an_outage(under_way):
    run = under_way["an outage while restoring"].ends("member_update_failed")
    assert run.record["restore"] == UNTOUCHED | {"outcome": "restored", "restored": 3}
    assert run.held["scores"] == dict.fromkeys(WEIGHTS, 0.0)


@pytest.mark.parametrize("name", ["no read-back after a failure", "the read-back fails"])
def test_a_restore_that_cannot_read_is_recorded_as_failed(under_way, name):
    if name == "the read-back fails":
        assert under_way[name].held["scores"] == WEIGHTS
    assert under_way[name].record["restore"]["outcome"] == "failed"


def test_without_a_read_back_nothing_is_claimed(under_way):
    run = under_way["no read-back after a failure"].ends("member_update_failed")
    run.reaches("Patch members", "Restore", "Audit", "Failed")
    assert not {"applied_weights", "balance_accuracy", "changes"} & run.record.keys()


def test_a_restore_waits_for_genesys_too(under_way):
    run = under_way["a pause while restoring"].ends("queue_update_failed")
    run.reaches("Patch queue", "Restore", "Wait for Genesys", "Resume", "Restore", "Audit", "Failed")
    assert run.record["applied_weights"] == dict.fromkeys(WEIGHTS, 0.0)


def test_writes_that_were_accepted_and_never_applied_are_named(under_way):
    run = under_way["two writes are dropped"].ends("verification_failed")
    run.reaches("Verify", "Restore", "Audit", "Unlock", "Failed")
    assert "agent-002, agent-003" in run.cause
    assert run.record["errors"][0]["members"] == ["agent-002", "agent-003"]
    assert run.record["applied_weights"] == run.held["scores"] == dict.fromkeys(WEIGHTS, 0.0)
    assert run.record["restore"]["outcome"] == "restored"


def test_a_setting_that_was_accepted_and_never_applied_is_named(under_way):
    run = under_way["the queue's setting is dropped"].ends("verification_failed")
    assert "the queue's own overflow_threshold" in run.cause
    assert run.record["applied_overflow_threshold"] == 0.8
    assert run.record["applied_weights"] == dict.fromkeys(WEIGHTS, 0.0)


def test_a_value_that_was_not_read_back_is_not_called_applied(under_way):
    run = under_way["the read-back fails"].ends("verification_failed")
    assert "routing:queue:read" in run.cause
    assert "applied_weights" not in run.record


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_a_bad_console_input_is_refused_with_every_error(under_way, name):
    refused = under_way[name].ends("validation_failed")
    assert refused.states == ["Validate", "Failed"]
    assert {error["path"] for error in refused.record["errors"]} == BAD_INPUTS[name][1]
    assert all(len(error["message"].split()) >= 2 for error in refused.record["errors"])
    assert refused.opened["status"] == "validation_failed"


def test_unknown_members_are_found_before_the_first_write_and_named(under_way):
    refused = under_way["unknown members"].ends("validation_failed")
    assert refused.states == REFUSED_BY_PROJECT
    assert {e["path"] for e in refused.record["errors"]} == {"member_weights.agent-998", "member_weights.agent-999"}
    assert refused.writes == []
    assert "agent-998" in refused.cause
    assert "agent-999" in refused.cause


@pytest.mark.parametrize("name", BLOCKED)
def test_a_plan_that_the_queue_cannot_carry_is_blocked_with_its_reason(under_way, name):
    run = under_way[name].ends("saturation_blocked")
    assert run.states == REFUSED_BY_PROJECT
    assert BLOCKED[name][2] in run.cause
    assert run.record["projection"]["verdict"] == "blocked"
    assert run.record["projection"]["reason"] == run.cause
    assert run.writes == []


@pytest.mark.parametrize("name", UNSTAFFED)
def test_a_plan_sent_before_agents_are_on_queue_depends_on_staffing(under_way, name):
    _, changes, status = UNSTAFFED[name]
    run = under_way[name].ends(status)
    assert run.record["staffing"] == run.record["projection"]["staffing"]["staffing"] == changes.get("staffing", "now")
    if status == "approval_required":
        assert "Nobody is on queue now" in run.cause
        assert run.writes == []


def test_a_load_of_exactly_the_limit_passes(under_way):
    completed(under_way["exactly the limit"])


def test_a_required_skill_is_covered_by_its_name_or_id(under_way):
    covered = under_way["skills"].ends("dry_run").record["projection"]["skill_coverage"]
    assert covered == pytest.approx({"Support": 2 / 3, "skill-billing": 1 / 3})


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_queue_that_cannot_be_read_fails_the_projection(under_way, name):
    failed = under_way[name].ends("projection_failed")
    assert failed.states == REFUSED_BY_PROJECT
    assert UNREADABLE[name][1] in failed.cause
    assert failed.writes == []
    assert "before_image" not in failed.record


def test_an_unknown_queue_fails_the_projection(under_way):
    failed = under_way["no such queue"].ends("projection_failed")
    assert "queue-that-is-not-there" in failed.cause
    assert "Check queue_id" in failed.cause


def test_repeated_pages_fail_the_projection(under_way):
    failed = under_way["pages that repeat"].ends("projection_failed")
    assert "None of 5 readings of the members" in failed.cause
    assert failed.writes == []


def test_half_a_document_is_read_again(under_way):
    completed(under_way["half a document, once"])


def test_weights_are_lowered_before_others_are_raised(under_way):
    run = completed(under_way["a full queue"])
    scores = dict(FULL)
    for entry in run.writes[1:]:
        scores[entry["body"]["user_id"]] = entry["body"]["score"]
        assert sum(scores.values()) <= 1 + 1e-9, entry
    assert run.writes[1]["body"]["user_id"] == "agent-003"
    assert scores == run.plan["member_weights"]


def test_a_run_of_a_hundred_members_takes_at_most_fifteen_transitions(under_way):
    run = completed(under_way["a hundred members"])
    assert len(run.states) <= 15
    assert len(run.writes) == 101


# ---- runs that follow one another -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_a_row(world):
    """Three plans on one queue: a plan, the same plan again, and one that differs in one member."""
    queue = world.queue()
    plans = {
        "the plan": a_plan(queue, requested_by="me", reason="because"),
        "again": a_plan(queue),
        "one member less": a_plan(queue, WEIGHTS | {"agent-003": 0.1}),
    }
    return {name: completed(world.run(plan)) for name, plan in plans.items()}


def test_a_plan_is_carried_out_and_recorded(in_a_row):
    run = in_a_row["the plan"]
    assert run.states == STRAIGHT_ON
    assert len(run.admitted) == 4 + 1 + len(WEIGHTS)
    assert run.opened["status"] == "initiated"
    assert run.opened["timestamp"] < run.record["timestamp"]
    record = run.record
    assert (record["requested_by"], record["reason"], record["door"]) == ("me", "because", "execution")
    assert record["changes"] == [
        {"setting": "overflow_threshold", "before": 0.8, "after": 0.85},
        *({"member": m, "before": 0.0, "requested": w, "after": w} for m, w in WEIGHTS.items()),
    ]


def test_the_before_image_is_kept(in_a_row, world):
    where = {"Bucket": world.ready["documents_bucket"], "Key": in_a_row["the plan"].record["before_image"]}
    image = json.load(world.client("s3").get_object(**where)["Body"])["before"]
    assert {m["user_id"]: m["weight"] for m in image["members"]} == dict.fromkeys(WEIGHTS, 0.0)
    assert image["settings"]["overflow_threshold"] == 0.8


def test_the_same_plan_again_writes_nothing(in_a_row):
    assert in_a_row["again"].states == NOTHING_TO_WRITE
    assert in_a_row["again"].writes == []
    assert in_a_row["again"].record["changes"] == []


def test_only_members_that_differ_are_written(in_a_row):
    assert [entry["path"].rpartition("/")[2] for entry in in_a_row["one member less"].writes] == ["agent-003"]


def test_each_distribution_has_its_own_idempotency_keys(in_a_row):
    keys = [entry["idempotency_key"] for run in in_a_row.values() for entry in run.writes]
    assert len(keys) == 1 + len(WEIGHTS) + 1
    assert None not in keys
    assert len(set(keys)) == len(keys)


def test_a_dry_run_projects_and_writes_nothing(run, queue):
    done = (
        run(a_plan(queue, dry_run=True))
        .reaches("Project", "May it write?", "Audit", "Unlock", "Completed")
        .ends("dry_run")
    )
    done.avoids("Patch queue", "Patch members", "Verify")
    assert done.writes == []
    assert done.record["projection"]["verdict"] == "pass"
    assert "applied_weights" not in done.record


def test_a_plan_without_a_load_uses_the_queues_forecast(world, queue):
    plan = a_plan(queue, dry_run=True)
    del plan["projected_load"]
    assumed = world.run(plan).ends("dry_run").record["projection"]
    assert (assumed["source"], assumed["projected_load"]) == ("default_parameter", 1.0)
    world.client("dynamodb").put_item(
        TableName=world.ready["forecast_table"],
        Item={
            "queue_id": {"S": queue},
            "projected_load": {"N": "2"},
            "updated_at": {"N": str(int(time.time()) - 3600)},
            "detail": {"S": "Tuesday"},
        },
    )
    known = world.run(plan).ends("dry_run").record["projection"]
    assert (known["source"], known["projected_load"], known["source_detail"]) == ("forecast_table", 2.0, "Tuesday")
    assert known["source_age_s"] == pytest.approx(3600, abs=30)


def locked(world, queue):
    """Start a run, and wait until it has its lock."""
    run = world.run(a_plan(queue)).start()
    until(lambda: queue in world.locks())
    return run


def test_a_queue_with_another_distribution_is_left_alone(world, queue):
    with world.holding(f"/{queue}"):
        first = locked(world, queue)
        busy = world.run(a_plan(queue, {"agent-001": 0.1})).ends("queue_busy")
    assert busy.states == ["Validate", "Lock", "Recover", "Audit", "Unlock", "Completed?", "Failed"]
    assert busy.writes == []
    assert "send the plan again" in busy.cause
    assert busy.record["errors"] == [{"type": "QueueBusy", "message": busy.cause}]
    completed(first)


def test_a_plan_that_waits_for_the_lock_starts_when_it_is_free(world, queue):
    with world.holding(f"/{queue}"):
        first = locked(world, queue)
        second = world.run(a_plan(queue, WEIGHTS | {"agent-001": 0.1}, wait_for_lock_s=300)).start()
        until(lambda: "Wait for the lock" in second.entered)
    second.reaches("Lock", "Recover", "Wait for the lock", "Lock", "Project").ends("completed")
    first.ends("completed")
    assert second.held["scores"] == WEIGHTS | {"agent-001": 0.1}


def test_a_plan_waits_for_the_lock_no_longer_than_it_says(world, queue):
    with world.holding(f"/{queue}"):
        first = locked(world, queue)
        busy = world.run(a_plan(queue, {"agent-001": 0.1}, wait_for_lock_s=1)).ends("queue_busy")
    busy.reaches("Lock", "Recover", "Wait for the lock", "Lock", "Recover", "Audit")
    assert busy.writes == []
    completed(first)


def test_any_plan_takes_over_the_lock_of_an_ended_execution(world, queue):
    over = world.run(a_plan(queue, dry_run=True)).ends("dry_run")  # no event reports an execution that succeeds
    item = {"queue_id": {"S": queue}, "holder": {"S": over.arn}, "taken_at": {"N": "1"}}
    world.client("dynamodb").put_item(TableName=world.ready["locks_table"], Item=item)
    completed(world.run(a_plan(queue)).reaches("Lock", "Recover", "Wait for the lock", "Lock", "Project"))
    assert queue not in world.locks()


@pytest.fixture(scope="module", autouse=True)
def aborted(world):
    """A run that was aborted during the write of its second member."""
    run = world.run(a_plan(world.queue()))
    with world.holding(f"/{run.queue_id}/members/agent-002"):
        run.start()
        until(lambda: world.held(run.queue_id)["scores"]["agent-001"] == 0.5)
        return run.abort()


def test_an_aborted_run_is_restored_and_its_record_is_closed(aborted, world):
    record = until(lambda: world.records(aborted.distribution_id).get("9-closed"))
    assert (record["status"], record["restore"]["outcome"], record["changes"]) == ("interrupted", "restored", [])
    assert aborted.held["scores"] == dict.fromkeys(WEIGHTS, 0.0)
    assert aborted.held["queue"]["utilizationThreshold"] == 0.8
    (error,) = record["errors"]
    assert error["type"] == "Interrupted"
    assert_is_a_sentence(error["message"])
    until(lambda: aborted.queue_id not in world.locks())
    completed(world.run(aborted.plan))


def test_of_two_plans_at_once_on_a_queue_one_is_refused_as_busy(world, queue):
    first, second = world.run(a_plan(queue)), world.run(a_plan(queue, {"agent-001": 0.1}))
    with world.holding(f"/{queue}"):
        runs = [first.start(), second.start()]
        until(lambda: any(run.arn in world.ends for run in runs))
    statuses = sorted(run.record["status"] for run in (first, second))
    assert statuses == ["completed", "queue_busy"]
    winner = first if first.record["status"] == "completed" else second
    assert winner.held["scores"] | winner.plan["member_weights"] == winner.held["scores"]
    assert queue not in world.locks()


def test_causes_are_sentences_without_internals():
    assert_is_a_sentence("Genesys knows no queue x, or does not show it.")
    with pytest.raises(AssertionError):
        assert_is_a_sentence('{"message": "Genesys knows no queue x at all"}')
