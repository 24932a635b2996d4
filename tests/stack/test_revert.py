"""A distribution is reverted on request, and one call reverts a queue to a baseline."""

import json
import time

import pytest

from tests.support.carriers import CARRIERS, Carrier
from tests.support.waiting import until
from tests.support.world import NO_RINGS, ROOT


@pytest.fixture(params=[*CARRIERS, "share"])
def carrier(request):
    world = request.getfixturevalue("world" if request.param == "score" else "platform_world")
    world.sim.clear_faults()
    return Carrier(request.param, world)


def new_queue(carrier):
    """Make a queue. For `joined`, everybody has joined: without agents, no state passes the projection."""
    return carrier.world.queue(3, off_queue=0, unjoined=0) if carrier.actuator == "joined" else carrier.queue()


def held(carrier, queue):
    """Return values and settings, without the fields that Genesys writes itself."""
    queue_held = carrier.world.held(queue)["queue"]
    facts = {"dateModified", "modifiedBy", "version", "joinedMemberCount"}
    return carrier.held(queue), {name: value for name, value in queue_held.items() if name not in facts}


def call(world, method, path, body=None):
    return world.http.request(method, f"{world.api_url}{path}", json=body, timeout=60)


def ended(world, answer, status="completed"):
    assert answer.status_code == 202, answer.text
    path = answer.headers["Location"]
    record = until(lambda: (found := world.get(path).json())["terminal"] and found)
    assert record["status"] == status, record["errors"]
    return record


def applied(carrier, queue, **changes):
    weights = carrier.weights(3)
    return carrier.world.run(carrier.plan(queue, weights, **changes)).start("api").ends("completed").distribution_id


def test_members_are_listed_with_the_weights_in_force_and_what_is_held(carrier):
    queue, weights = new_queue(carrier), carrier.weights(3)
    applied(carrier, queue)
    listed = {member["user_id"]: member for member in carrier.world.get(f"/queues/{queue}/members").json()["items"]}
    assert {user_id: listed[user_id]["weight"] for user_id in weights} == weights
    if carrier.actuator in {"ring", "proficiency", "share"}:
        shown, held_now = {user_id: listed[user_id][carrier.actuator] for user_id in weights}, carrier.held(queue)
        assert shown == {user_id: held_now[user_id] for user_id in weights}


def test_a_distribution_is_reverted_and_the_revert_too(carrier):
    queue = new_queue(carrier)
    before = held(carrier, queue)
    first = applied(carrier, queue)
    after = held(carrier, queue)
    assert before != after

    asked = call(carrier.world, "POST", f"/distributions/{first}/restore", {"reason": "enough", "requested_by": "me"})
    back = ended(carrier.world, asked)
    assert held(carrier, queue) == before
    assert back["restores"] == {"distribution_id": first, "image": "before"}
    assert (back["reason"], back["requested_by"], back["balance_accuracy"]) == ("enough", "me", 100)
    assert back["requested_weights"] == back["applied_weights"]
    assert back["projection"]["verdict"] == "pass"

    ended(carrier.world, call(carrier.world, "POST", f"/distributions/{back['distribution_id']}/restore"))
    assert held(carrier, queue) == after


@pytest.mark.parametrize("carrier", ["score", "ring"], indirect=True)
def test_a_revert_is_projected_and_never_blocked(carrier):
    """Nobody is on queue any more, nobody has the skill, and the forecast is a hundred times as high."""
    queue = new_queue(carrier)
    before = held(carrier, queue)
    plan = carrier.plan(queue, carrier.weights(3), required_skills=["Support"])
    del plan["projected_load"]
    quiet = {"aht_s": 60, "patience_s": 120, "service_level_target": 0.5, "answer_within_s": 60, "ttl_s": 3600}
    assert call(carrier.world, "PUT", f"/queues/{queue}/forecast", quiet | {"offered": 2}).status_code == 200
    first = carrier.world.run(plan).start("api").ends("completed").distribution_id
    call(carrier.world, "PUT", f"/queues/{queue}/forecast", quiet | {"offered": 5000})
    for member in carrier.world.held(queue)["members"]:
        carrier.world.sim.edit_member(queue, member, routingStatus={"status": "OFF_QUEUE"})
    carrier.world.run(carrier.plan(queue, carrier.weights(3))).ends("approval_required")
    back = ended(carrier.world, call(carrier.world, "POST", f"/distributions/{first}/restore"))
    assert back["projection"]["verdict"] == "needs_approval", "it is shown"
    assert held(carrier, queue) == before


def test_one_call_reverts_a_queue_to_its_baseline(carrier):
    queue = new_queue(carrier)
    first = applied(carrier, queue)
    normal = held(carrier, queue)
    named = call(carrier.world, "PUT", f"/queues/{queue}/baselines/normal")
    assert (named.status_code, named.json()["distribution_id"]) == (200, first)
    backwards = dict(zip(carrier.weights(3), reversed(carrier.weights(3).values()), strict=True))
    carrier.world.run(carrier.plan(queue, backwards, wrap_up_timeout_s=60)).ends("completed")
    assert held(carrier, queue) != normal

    ended(carrier.world, call(carrier.world, "POST", f"/queues/{queue}/baselines/normal/restore"))
    assert held(carrier, queue) == normal
    listed = call(carrier.world, "GET", f"/queues/{queue}/baselines").json()["items"]
    assert [(item["name"], item["distribution_id"]) for item in listed] == [("normal", first)]


def test_a_dry_run_of_a_revert_writes_nothing(carrier):
    queue = new_queue(carrier)
    first = applied(carrier, queue)
    before = held(carrier, queue)
    record = ended(
        carrier.world, call(carrier.world, "POST", f"/distributions/{first}/restore", {"dry_run": True}), "dry_run"
    )
    assert held(carrier, queue) == before
    assert record["actuation"]["members"].keys() == carrier.weights(3).keys()
    changed = carrier.world.get(f"/distributions/{first}").json()["changes"]
    back = {change["member"]: change for change in changed if "member" in change}
    planned = {change["user_id"]: change for change in record["planned"] if "user_id" in change}
    assert planned.keys() == back.keys()
    for member, change in planned.items():
        was, now = (back[member].get(f"value_{when}", back[member][when]) for when in ("before", "after"))
        assert (change["before"], change["after"]) == (now, was), "in the unit that Genesys holds"


def test_a_revert_that_is_sent_twice_with_one_key_is_one_distribution(world):
    carrier = Carrier("score", world)
    queue = carrier.queue()
    path, since = f"/distributions/{applied(carrier, queue)}/restore", time.monotonic()

    def press(**body):
        return world.http.post(f"{world.api_url}{path}", json=body, headers={"Idempotency-Key": f"back-{queue}"})

    first, second = press(reason="back"), press(reason="back")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.headers["Location"] == second.headers["Location"]
    ended(world, first)
    writes = [entry for entry in world.requests_about(queue, since) if entry["method"] == "PATCH"]
    third = press(reason="back")
    assert third.headers["Location"] == first.headers["Location"], "also after it has ended"
    assert len({entry["path"] for entry in writes}) == len(writes) == 4, "three members and the queue, once each"
    assert len(world.get(f"/queues/{queue}/distributions").json()["items"]) == 2
    assert press(reason="another").status_code == 409


def steps(world, queue, plan, status="completed"):
    """Run a plan. Returns the run and its writes in order: members, or the queue's rings and threshold."""
    since = time.monotonic()
    run, found = world.run(plan).ends(status), []
    for entry in world.requests_about(queue, since):
        if entry["method"] == "PATCH" and (not found or found[-1] != "members"):
            found.append("members")
        if entry["method"] == "PUT":
            rules = (entry["body"].get("conditionalGroupRouting") or {}).get("rules") or [{}]
            rings = (entry["body"].get("bullseye") or {}).get("rings") or []
            found.append((len(rings), rules[0].get("conditionValue")))
    return run, found


@pytest.fixture
def strict(platform_world):
    """Genesys refuses missing rings and the removal of rings in use, and a member's write changes the queue's date."""
    platform_world.sim.clear_faults()
    platform_world.sim.change_settings(members_date_queue=True)
    yield Carrier("ring", platform_world)
    platform_world.sim.change_settings(members_date_queue=False)


def test_rings_are_made_before_their_members_and_removed_when_empty(strict):
    groups = [{"id": "night-shift", "type": "GROUP"}]
    rule = {"metric": "ServiceLevel", "operator": "LessThan", "conditionValue": 0.9, "groups": groups}
    queue = strict.queue(queue=NO_RINGS | {"conditionalGroupRouting": {"rules": [rule]}})
    before = held(strict, queue)
    plan = strict.plan(queue, strict.weights(3), strategy_reference="ring-by-weight", overflow_groups=groups)
    first, written = steps(strict.world, queue, plan)
    assert written == [(6, 0.9), "members", (6, 0.85)], "the lower threshold comes last"
    back, written = steps(strict.world, queue, {"restore": first.distribution_id})
    assert written == ["members", (0, 0.9)]
    assert held(strict, queue) == before
    _, written = steps(strict.world, queue, {"restore": back.distribution_id})
    assert written == [(6, 0.9), "members", (6, 0.85)]


def test_a_revert_that_would_remove_a_ring_in_use_is_refused(strict):
    queue = strict.queue(5, queue=NO_RINGS)
    plan = strict.plan(queue, strict.weights(3), strategy_reference="ring-by-weight")
    first = strict.world.run(plan).ends("completed")
    strict.world.sim.edit_member(queue, "agent-005", ringNumber=3)
    after = held(strict, queue)
    back = strict.world.run({"restore": first.distribution_id}).ends("validation_failed")
    assert [error["type"] for error in back.record["errors"]] == ["ring_in_use"]
    assert "agent-005. Give them ring 1" in back.record["errors"][0]["message"]
    assert held(strict, queue) == after


def test_the_console_reverts_a_distribution(carrier):
    queue = new_queue(carrier)
    before = held(carrier, queue)
    first = applied(carrier, queue)
    after = held(carrier, queue)
    sample = json.loads((ROOT / "events" / "console-restore.json").read_text(encoding="utf-8")) | {"restore": first}
    back = carrier.world.run(sample).ends("completed")
    assert held(carrier, queue) == before
    assert back.record["restores"] == {"distribution_id": first, "image": "before"}
    assert (back.record["reason"], back.record["queue_id"]) == (sample["reason"], queue)
    carrier.world.run({"restore": first, "image": "after", "dry_run": True}).ends("dry_run")
    assert held(carrier, queue) == before
    carrier.world.run({"restore": first, "image": "after"}).ends("completed")
    assert held(carrier, queue) == after
    wrong = carrier.world.run({"restore": first, "dry_run": "yes", "wait_for_lock_s": -1}).ends("validation_failed")
    assert {error["path"] for error in wrong.record["errors"]} == {"dry_run", "wait_for_lock_s"}


def test_a_revert_removes_a_skill_that_the_plan_assigned(platform_world):
    carrier = Carrier("proficiency", platform_world)
    queue = platform_world.queue(skills=[{"id": "to-be-taken", "name": "To be taken"}])
    before = platform_world.held(queue)["members"]
    plan = carrier.plan(queue, carrier.weights(3), skill="to-be-taken")
    first = platform_world.run(plan).start("api").ends("completed").distribution_id
    back = ended(platform_world, call(platform_world, "POST", f"/distributions/{first}/restore"))
    assert platform_world.held(queue)["members"] == before
    assert {change["member"] for change in back["changes"] if "member" in change} == set(carrier.weights(3))


def test_a_revert_removes_rings_and_rules_that_the_plan_made(platform_world):
    carrier = Carrier("ring", platform_world)
    queue = carrier.queue()
    before = held(carrier, queue)
    extras = {"strategy_reference": "ring-by-weight", "overflow_groups": [{"id": "night-shift", "type": "GROUP"}]}
    first = applied(carrier, queue, **extras)
    ended(platform_world, call(platform_world, "POST", f"/distributions/{first}/restore"))
    assert held(carrier, queue) == before


def test_an_impossible_revert_is_refused_with_a_reason(world):
    queue, other = world.queue(), world.queue()
    carrier = Carrier("score", world)
    first = applied(carrier, queue)
    saturated = world.run(carrier.plan(queue, {"nobody": 0.1})).start("api").ends("validation_failed").distribution_id
    refusals = {
        ("POST", "/distributions/nowhere/restore"): (404, "distribution-not-found"),
        ("POST", f"/queues/{queue}/baselines/none/restore"): (404, "baseline-not-found"),
        ("PUT", f"/queues/{other}/baselines/normal"): (409, "not-restorable"),
        ("POST", f"/queues/{queue}/baselines/a.b/restore"): (422, "request-invalid"),
    }
    for (method, path), (status, kind) in refusals.items():
        answer = call(world, method, path)
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}"), path
    for body in ({"distribution_id": saturated}, {"distribution_id": "nowhere"}):
        assert call(world, "PUT", f"/queues/{queue}/baselines/normal", body).status_code == 409
    assert call(world, "PUT", f"/queues/{other}/baselines/normal", {"distribution_id": first}).status_code == 409
    assert call(world, "POST", f"/distributions/{first}/restore", {"colour": "red"}).status_code == 422


def test_a_plan_cannot_revert_to_another_queues_state(world):
    carrier = Carrier("score", world)
    first = applied(carrier, carrier.queue())
    for restores in ({"distribution_id": first}, {"distribution_id": "nowhere", "image": "after"}):
        plan = carrier.plan(carrier.queue(), carrier.weights(3), restores=restores)
        run = world.run(plan).ends("validation_failed")
        assert [error["path"] for error in run.record["errors"]] == ["restores"]
        assert run.writes == []
