"""All callers of Genesys share the tokens and their budgets: no request exceeds the limit of its token."""

import json
import time

import pytest

from local.genesys import GenesysSimulator
from routing_weights.domain.record import timestamp
from routing_weights.projection.accuracy import SPAN
from tests.stack.invoking import drift_event, invoked, run_of
from tests.stack.test_calibration import completed_two_hours_ago
from tests.stack.test_standings import answered, counted, in_force, item_of, last_ended
from tests.support.carriers import Carrier
from tests.support.world import CLIENT_ID, CLIENT_SECRET, WEIGHTS, World, a_plan, served_stack

LIMIT, WINDOW_S, RESERVED = 50, 10.0, 0.05
"""The limit of 300 requests a minute, in a window that a test can see the end of.

What delays a request after its slot does not shrink with the window: this one leaves 0.25 s for it where a minute
leaves 1.2 s, and the reserve leaves room for two requests more.
"""
DISTRIBUTIONS, MEMBERS, TOKENS = 10, 8, 2


@pytest.fixture(scope="module")
def limited_world(tmp_path_factory):
    limit = {"rate_limit": LIMIT, "rate_window_s": WINDOW_S}
    deployed = {"REQUESTS_PER_MINUTE": "300", "RESERVED_FOR_OTHERS": str(RESERVED), "MAX_RETRY_AFTER_S": "5"}
    deployed["TOKEN_POOL"] = str(TOKENS)
    with (
        GenesysSimulator(contract="platform", client_id=CLIENT_ID, client_secret=CLIENT_SECRET, **limit) as sim,
        served_stack(tmp_path_factory.mktemp("budget"), sim.url, "platform", **deployed) as ready,
    ):
        world = World(ready, sim)
        world.warm()
        # All can then begin at once, before anybody knows of a limit: nobody waits for a token.
        for number in range(TOKENS):
            event = json.dumps({"refused": "", "number": number})
            world.client("lambda").invoke(FunctionName="TokenFunction", Payload=event)
        yield world
        world.close()


def test_ten_distributions_at_once_stay_within_the_limit(limited_world):
    ring = Carrier("ring", limited_world)
    weights = ring.weights(MEMBERS)
    runs = [limited_world.run(ring.plan(ring.queue(MEMBERS), weights)) for _ in range(DISTRIBUTIONS)]
    for run in runs:
        run.start()
    for run in runs:
        run.ends("completed")
        assert ring.held(run.queue_id) == ring.expected(weights)

    counted = [entry for entry in limited_world.sim.requests() if entry["path"].startswith("/api/")]
    began = counted[0]["monotonic"]
    refused = [entry["monotonic"] - began for entry in counted if entry["status"] == 429]
    assert [at for at in refused if at > 1.0] == []
    assert limited_world.token_requests() == len({entry["token"] for entry in counted}) == TOKENS


# ---- those who ask beside a distribution, and at its end -------------------------------------------------------------

DUE = {"offered": 2, "aht_s": 60, "patience_s": 120, "service_level_target": 0.5, "answer_within_s": 60}


@pytest.fixture(scope="module")
def over(limited_world):
    """A completed distribution that was projected with a forecast."""
    queue = limited_world.queue(unjoined=0, off_queue=0)
    plan = a_plan(queue, actuator="ring", forecast=DUE, accept_uncertain=True)
    del plan["projected_load"]
    return limited_world.run(plan).ends("completed")


def suggests(world, run):
    asked = {"queue_id": run.queue_id, "overflow_threshold": 0.85, "utilization_target": 0.8, "projected_load": 1.0}
    asked |= {"strategy_reference": "longest-available-agent", "actuator": "ring", "objective": "equal_occupancy"}
    answer = world.http.post(f"{world.api_url}/plans/suggest", json=asked, timeout=60)
    assert answer.status_code == 200, answer.text


def calibrates(world, run):
    key = {"distribution_id": {"S": run.distribution_id}, "record": {"S": "5-realised"}}
    world.client("dynamodb").delete_item(TableName=world.ready["audit_table"], Key=key)
    completed_two_hours_ago(world, run)
    assert invoked(world, "CalibrateFunction", {}) == {"measured": 1, "shared": 0, "failed": 0}


def shows(world, run):
    start = completed_two_hours_ago(world, run)
    answer = world.get(f"/queues/{run.queue_id}/shares", **{"from": timestamp(start), "to": timestamp(start + SPAN)})
    assert [plan["distribution_id"] for plan in answer.json()["plans"]] == [run.distribution_id]


def compares(world, run):
    assert invoked(world, "DriftFunction", drift_event(run.queue_id)) == {"batchItemFailures": []}


def verifies(world, run):
    assert invoked(world, "VerifyFunction", run_of(run))["verified"] == len(WEIGHTS)


def watches(world, run):
    """A wave whose time is up, with no contact to judge it by."""
    fleet, then = f"of-{run.distribution_id}", "2026-01-31T08:00:00.000Z"
    options, waves = {"waves": [{"bake_s": 60}]}, [{"count": 1, "bake_s": 60}]
    queue = {"queue_id": run.queue_id, "distribution_id": run.distribution_id, "number": 0, "wave": 0}
    known = {
        "fleet": {"status": "running", "options": json.dumps(options), "waves": json.dumps(waves), "total": 1}
        | {"submitted_at": then, "attempt": 1},
        "queue#000000": queue | {"status": "completed"},
        "wave#00": {"baked_until": then},
    }
    for part, attributes in known.items():
        item = {name: {"N" if isinstance(value, int) else "S": str(value)} for name, value in attributes.items()}
        item |= {"fleet_id": {"S": fleet}, "part": {"S": part}}
        world.client("dynamodb").put_item(TableName=world.ready["fleets_table"], Item=item)
    body = json.dumps([queue | {"start": 0, "length": 9, "members": 3}]).encode()
    key = f"fleets/{fleet}/queues.json"
    world.client("s3").put_object(Bucket=world.ready["documents_bucket"], Key=key, Body=body)
    tick = {"fleet_id": fleet, "attempt": 1, "last": {"step": "bake", "wave": 0}}
    assert invoked(world, "AdvanceFunction", tick)["step"] == "hold"


def reads(world, run):
    in_force(world, run.queue_id)
    assert invoked(world, "StandingsFunction", {"queue_id": run.queue_id}) == {"outcome": "read"}


def corrects(world, run):
    bucket = last_ended()
    in_force(world, run.queue_id)
    counted(world, run.queue_id, {"agent-001": 1}, bucket)
    answered(world, run.queue_id, {"agent-001": 1}, bucket)
    assert invoked(world, "CorrectFunction", {})["corrected"] == 1


def lists(world, run):
    listed = world.get(f"/queues/{run.queue_id}/members").json()["items"]
    assert {member["user_id"] for member in listed} >= WEIGHTS.keys()


def restores(world, run):
    """The caller writes under a lock, like every writer. It runs last, because the others compare the applied state."""
    table, queue = world.ready["locks_table"], {"queue_id": {"S": run.queue_id}}
    lock = queue | {"holder": {"S": run.arn}, "taken_at": {"N": f"{time.time():.0f}"}}
    world.client("dynamodb").put_item(TableName=table, Item=lock)
    answer = invoked(world, "RestoreFunction", run_of(run) | {"accepted": 0, "settings_left": {}})
    world.client("dynamodb").delete_item(TableName=table, Key=queue)
    assert (answer["outcome"], answer["left"]) == ("restored", 0)


def slots_since(world, began):
    """The slots of all tokens that were taken since a time, in epoch seconds."""
    items = world.client("dynamodb").scan(TableName=world.ready["budget_table"])["Items"]
    paces = [json.loads(item["pace"]["S"]) for item in items if "pace" in item]
    assert [pace["announced_until"] > time.time() * 1000 for pace in paces] == [True] * TOKENS
    return sum(count for pace in paces for at, count in pace["log"] if pace["next_at"] + at >= began * 1000)


@pytest.mark.parametrize(
    "asking", [suggests, calibrates, shows, compares, verifies, watches, reads, corrects, lists, restores]
)
def test_every_caller_of_genesys_gets_a_token_and_takes_slots(limited_world, over, asking):
    """The limit is known: the distributions above have met it. A revoked token is replaced by whoever needs it."""
    world = limited_world
    world.sim.revoke_tokens()
    world.client("secretsmanager").put_secret_value(SecretId=world.ready["token_secret"], SecretString="{}")
    made, began = world.token_requests(), time.time()
    asking(world, over)
    asked = [one for one in world.sim.requests() if one["path"].startswith("/api/") and one["wall"] >= began]
    used = {one["token"] for one in asked if one["status"] != 401}
    assert 1 <= len(used) <= world.token_requests() - made <= TOKENS
    known_since = max(began, time.time() - WINDOW_S)  # an earlier slot is forgotten
    sent = [one for one in asked if known_since == began or one["wall"] >= known_since + 0.5]
    assert slots_since(world, known_since) >= len(sent)


def test_a_reading_of_agents_without_a_slot_is_dropped(limited_world):
    """Everybody's slots are taken for a minute, as by a large distribution."""
    world, now = limited_world, time.time() * 1000
    queue, table = world.queue(), world.ready["budget_table"]
    in_force(world, queue)
    for item in world.client("dynamodb").scan(TableName=table)["Items"]:
        if "pace" in item:
            pace = json.loads(item["pace"]["S"])
            pace |= {"next_at": round(now) + 60_000, "log": [], "announced_until": now + 60_000}
            changed = item | {"pace": {"S": json.dumps(pace)}, "version": {"N": str(int(item["version"]["N"]) + 1)}}
            world.client("dynamodb").put_item(TableName=table, Item=changed)
    assert invoked(world, "StandingsFunction", {"queue_id": queue}) == {"outcome": "dropped"}
    assert world.requests_about(queue) == []
    assert float(item_of(world, queue, "standings")["claimed_until"]["N"]) > time.time(), "and not asked for at once"
