"""The same scenarios under both contracts and with every actuator, against a Genesys in another process group."""

import math

import pytest

from local.genesys import publicapi
from tests.support.carriers import CARRIERS, Carrier
from tests.support.waiting import until
from tests.support.world import a_plan

MEMBERS = [3, 100, 1_000]
UNKNOWN_FIELDS = {"surveyRouting": {"mode": "X", "weights": [1, 2.5, None]}, "futureFlag": True}


@pytest.fixture(params=CARRIERS)
def carrier(request):
    world = request.getfixturevalue("world" if request.param == "score" else "platform_world")
    world.sim.clear_requests()
    world.sim.clear_faults()
    yield Carrier(request.param, world)
    if request.param != "score":
        breaches = [(e["method"], e["path"], b) for e in world.sim.requests() for b in outside_the_api(e, request.node)]
        assert breaches == []
    assert world.locks() == {}


def outside_the_api(entry, node):
    """Return the breaches of the public API by a request. Fields that a test planted belong to the queue."""
    planted = frozenset(UNKNOWN_FIELDS) if "survive" in node.name else frozenset()
    return publicapi.breaches(entry, planted)


def most_requests(writes, members):
    """Return the budget of reads: a token, the queue and its pages twice, the reading before a PUT, and the skill."""
    return writes + 2 * (math.floor(members / 100) + 2) + 4


@pytest.mark.parametrize("members", MEMBERS)
def test_a_plan_is_applied_exactly_within_the_budget_of_requests(carrier, members):
    queue, weights = carrier.queue(members), carrier.weights(members)
    plan, before, expected = carrier.plan(queue, weights), carrier.held(queue), carrier.expected(weights)

    run = carrier.world.run(plan).start("api").ends("completed")
    assert carrier.held(queue) == expected
    assert len(carrier.of_members(run.writes)) == carrier.writes(before, expected)
    assert len(run.writes) == carrier.writes(before, expected) + 1
    assert len(run.admitted) <= most_requests(len(run.writes), members)

    record = carrier.world.distribution(run.distribution_id)
    assert record["requested_weights"] == weights
    stated = {member: line["value"] for member, line in record["actuation"]["members"].items()}
    assert stated == expected
    represented = {member: line["represented"] for member, line in record["actuation"]["members"].items()}
    assert record["applied_weights"] == pytest.approx(represented)
    errors = [abs(weights[member] - represented[member]) for member in weights]
    assert record["actuation"]["largest_error"] == pytest.approx(max(errors), abs=1e-9)
    assert record["balance_accuracy"] == pytest.approx(100 * (1 - math.fsum(errors) / len(errors)), abs=1e-6)

    if members > 100:
        return
    again = carrier.world.run(plan).start("api").ends("completed")
    assert again.writes == []
    assert carrier.world.distribution(again.distribution_id)["changes"] == []


def test_everything_else_of_the_queue_and_unknown_fields_survive(carrier):
    queue = carrier.queue(queue=UNKNOWN_FIELDS)
    before = carrier.world.held(queue)["queue"]
    carrier.world.run(carrier.plan(queue, carrier.weights(3))).ends("completed")
    after = carrier.world.held(queue)["queue"]
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    ours = {"acwSettings"} if carrier.actuator != "score" else {"utilizationThreshold", "wrapUpTimeout"}
    facts = {"dateModified", "modifiedBy", "version", "joinedMemberCount"}
    assert ours <= changed <= ours | facts


def test_a_dry_run_says_what_it_would_write_and_writes_nothing(carrier):
    queue, weights = carrier.queue(), carrier.weights(3)
    before = carrier.world.held(queue)
    run = carrier.world.run(carrier.plan(queue, weights, dry_run=True)).start("api").ends("dry_run")
    assert run.writes == []
    assert carrier.world.held(queue) == before
    actuation = carrier.world.distribution(run.distribution_id)["actuation"]
    assert {member: line["value"] for member, line in actuation["members"].items()} == carrier.expected(weights)
    assert actuation["actuator"] == carrier.actuator


@pytest.mark.parametrize("outage", ["reset_before", "reset_after", "status"])
def test_a_short_outage_of_a_write_is_survived(carrier, outage):
    queue, weights = carrier.queue(), carrier.weights(3)
    fault = {"status": 503} if outage == "status" else {}
    run = carrier.world.run(carrier.plan(queue, weights)).with_fault(outage, **carrier.member_write, **fault)
    run.ends("completed")
    assert carrier.held(queue) == carrier.expected(weights)


def test_writes_that_are_never_applied_fail_the_verification(carrier):
    queue, weights = carrier.queue(), carrier.weights(3)
    run = carrier.world.run(carrier.plan(queue, weights)).with_fault("drop", **carrier.member_write, times=None)
    before, settings = carrier.held(queue), own_settings(carrier, queue)
    run.ends("verification_failed")
    (error,) = run.record["errors"]
    expected = carrier.expected(weights)
    assert error["members"] == sorted(member for member, value in expected.items() if before[member] != value)
    assert carrier.held(queue) == before
    assert own_settings(carrier, queue) == settings, "the applied settings are restored"
    assert run.record["restore"]["outcome"] == "restored"
    assert run.record["applied_weights"] != pytest.approx(weights)


def test_writes_that_are_applied_late_complete(carrier):
    queue, weights = carrier.queue(), carrier.weights(3)
    carrier.world.sim.change_settings(apply_delay_s=0.6)
    try:
        carrier.world.run(carrier.plan(queue, weights)).ends("completed")
    finally:
        carrier.world.sim.change_settings(apply_delay_s=0)
    assert carrier.held(queue) == carrier.expected(weights)


def own_settings(carrier, queue):
    """Return the queue without its members and without the fields that Genesys writes itself."""
    facts = {"dateModified", "modifiedBy", "version", "joinedMemberCount"}
    return {name: value for name, value in carrier.world.held(queue)["queue"].items() if name not in facts}


def test_after_a_refused_write_everything_is_restored(carrier):
    queue, weights = carrier.queue(), carrier.weights(3)
    before, settings = carrier.held(queue), own_settings(carrier, queue)
    skip = 0 if carrier.actuator == "joined" else 1
    run = carrier.world.run(carrier.plan(queue, weights))
    run.with_fault("status", **carrier.member_write, skip=skip, status=403).ends("member_update_failed")
    (error,) = run.record["errors"]
    assert (error["type"], error["http_status"]) == ("Forbidden", 403)
    assert error["correlation_id"]
    assert error["genesys_code"] == "simulated.fault"
    needed = {"score": "the scope routing:queue:write", "proficiency": "routing:skill:assign"}
    assert needed.get(carrier.actuator, "the permission routing:queueMember:manage") in error["message"]
    assert carrier.held(queue) == before
    assert own_settings(carrier, queue) == settings
    # The write of the third member may have been under way together with the refused one.
    writes = [entry for entry in run.writes if not entry["path"].endswith(f"/queues/{queue}")]
    accepted = {entry["path"] for entry in writes if entry["status"] != 403}
    assert skip <= len(accepted) <= 2 * skip
    own = 2 if carrier.actuator == "score" else 1  # the threshold too
    restored = {
        "outcome": "restored",
        "restored": own + len(accepted),
        "unrestored": [],
        "unconfirmed": [],
        "edited": [],
    }
    assert run.record["restore"] == restored
    assert run.record["changes"] == []


def test_a_run_waits_for_a_rate_limit(carrier):
    queue, weights = carrier.queue(), carrier.weights(3)
    limit = {"status": 429, "headers": {"Retry-After": "2"}}
    run = carrier.world.run(carrier.plan(queue, weights)).with_fault("status", **carrier.member_write, **limit)
    run.reaches("Wait for Genesys").ends("completed")
    assert carrier.held(queue) == carrier.expected(weights)


def test_a_revoked_token_is_replaced_once(carrier):
    queue, weights = carrier.queue(), carrier.weights(3)
    before = carrier.world.token_requests()
    revocations = len(revoked(carrier.world))
    run = carrier.world.run(carrier.plan(queue, weights)).with_fault("revoke_tokens", **carrier.member_write)
    run.ends("completed")
    assert carrier.world.token_requests() == before + 1
    # After a 401 there is nothing to revoke on the real platform.
    assert len(revoked(carrier.world)) == revocations + (carrier.actuator == "score")
    assert carrier.held(queue) == carrier.expected(weights)


def revoked(world):
    return [entry for entry in world.sim.requests() if entry["path"] == "/api/v2/tokens/me"]


def test_unknown_members_and_too_much_load_write_nothing(carrier):
    queue, weights = carrier.queue(), carrier.weights(3)
    before = carrier.world.held(queue)
    stranger = carrier.world.run(carrier.plan(queue, weights | {"nobody": 0.0001})).ends("validation_failed")
    assert [error["path"] for error in stranger.record["errors"]] == ["member_weights.nobody"]
    loaded = carrier.world.run(carrier.plan(queue, weights, projected_load=60.0)).ends("saturation_blocked")
    assert stranger.writes == loaded.writes == []
    assert carrier.world.held(queue) == before


def test_plans_on_several_queues_at_once_complete(carrier):
    queues = [carrier.queue(20) for _ in range(3)]
    weights = carrier.weights(20)
    runs = [carrier.world.run(carrier.plan(queue, weights)).start("api") for queue in queues]
    for run in runs:
        run.ends("completed")
        assert carrier.held(run.queue_id) == carrier.expected(weights)


def test_a_small_change_of_a_large_queue_takes_few_requests(carrier):
    queue, weights = carrier.queue(300), carrier.weights(300)
    carrier.world.run(carrier.plan(queue, weights)).ends("completed")
    changed = weights | {"agent-002": 0.0, "agent-151": 0.0}
    run = carrier.world.run(carrier.plan(queue, changed)).ends("completed")
    assert carrier.held(queue) == carrier.expected(changed)
    assert len(run.writes) == (1 if carrier.actuator == "joined" else 2)
    assert len(run.admitted) <= most_requests(2, 300)


def test_two_plans_for_one_queue_do_not_mix(carrier):
    queue, weights = carrier.queue(), carrier.weights(3)
    with carrier.world.holding(f"/{queue}"):
        first = carrier.world.run(carrier.plan(queue, weights)).start()
        until(lambda: queue in carrier.world.locks())
        carrier.world.run(carrier.plan(queue, weights)).ends("queue_busy")
    first.ends("completed")
    assert carrier.held(queue) == carrier.expected(weights)


def test_a_distribution_under_way_shows_its_state(platform_world):
    world = platform_world
    plan = a_plan(world.queue(2, unjoined=0, off_queue=0), {"agent-001": 0.6, "agent-002": 0.4}, actuator="ring")
    with world.holding(plan["queue_id"], "PATCH", "/members/"):
        run = world.run(plan).start("api")
        until(lambda: (world.distribution(run.distribution_id)["progress"] or {}).get("state") == "Patch members")
    run.ends("completed")
    assert world.distribution(run.distribution_id)["progress"] is None
