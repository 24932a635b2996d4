"""Who is free, and what agents really answered: the functions of shares that no state machine calls."""

import time
from dataclasses import replace
from datetime import UTC, datetime

from routing_weights.adapters.aws.standings_table import standings_of
from routing_weights.domain.correction import SETTLED_S
from routing_weights.domain.draw import BUCKET_S, Tally
from routing_weights.domain.drawn import DrawnBucket
from routing_weights.domain.shares import ShareOptions, SharesInForce
from tests.stack.invoking import invoked
from tests.support.waiting import until

WEIGHTS = {"agent-001": 0.5, "agent-002": 0.3, "agent-004": 0.2}


def put(world, queue, kind, **attributes):
    item = {"queue_id": {"S": queue}, "kind": {"S": kind}, **attributes}
    world.client("dynamodb").put_item(TableName=world.ready["shares_table"], Item=item)


def item_of(world, queue, kind):
    key = {"queue_id": {"S": queue}, "kind": {"S": kind}}
    return world.client("dynamodb").get_item(TableName=world.ready["shares_table"], Key=key).get("Item")


def in_force(world, queue, weights=WEIGHTS):
    """Put shares in force without a distribution."""
    shares = SharesInForce(queue, "d-1", weights, ShareOptions(), 1)
    text = {"shares": {"S": shares.to_json()}, "version": {"N": "1"}, "in_force": {"S": "yes"}}
    put(world, queue, "weights", **text)
    return shares


def standings(world, queue):
    return standings_of(item_of(world, queue, "standings"))


def drawn(world, queue, conversation):
    event = {"queue_id": queue, "conversation_id": conversation, "media": "message"}
    return invoked(world, "DrawFunction", event)["agents"]


def readings(world, queue):
    return [entry["path"] for entry in world.requests_about(queue) if entry["method"] == "GET"]


def counted(world, queue, drawn, bucket):
    """Store the tally of a queue whose draws in one bucket are known."""
    tally = Tally(1, dict.fromkeys(WEIGHTS, 0.0), drawn={bucket: drawn}, corrected_until=bucket)
    text = {"tally": {"S": tally.to_json()}, "version": {"N": "1"}}
    put(world, queue, "tally", **text)
    return tally


def last_ended():
    return int((time.time() - SETTLED_S) // BUCKET_S - 1) * BUCKET_S


def answered(world, queue, contacts, bucket):
    start = datetime.fromtimestamp(bucket + 60, UTC).isoformat()
    world.sim.put_analytics(
        contacts=[{"queueId": queue, "userId": user, "answered": n, "start": start} for user, n in contacts.items()]
    )


def test_a_draw_has_the_agents_of_its_queue_read_and_the_next_one_knows_who_is_free(platform_world):
    world = platform_world
    queue = world.queue(5, off_queue=1, unjoined=0)
    shares = in_force(world, queue, dict.fromkeys([*WEIGHTS, "agent-005", "stranger"], 0.2))
    assert set(drawn(world, queue, "c-1")) == shares.weights.keys(), "nothing is known yet, and nobody waits"
    known = until(lambda: (found := standings(world, queue)).read_at and found)
    states = [known.of(user, "voice", known.read_at) for user in sorted(shares.weights)]
    assert states == ["free", "busy", "busy", "away", "away"]
    assert readings(world, queue) == [f"/api/v2/routing/queues/{queue}/members"], "one request for 100 members"
    *free, busy = drawn(world, queue, "c-2")
    assert (set(free), busy) == ({"agent-001", "agent-002"}, "agent-004")


def test_a_quarter_of_an_hour_is_corrected_once_by_what_agents_answered(platform_world):
    world, bucket = platform_world, last_ended()
    queue = world.queue(4)
    shares = in_force(world, queue)
    before = counted(world, queue, {"agent-001": 4, "": 1}, bucket)
    assert invoked(world, "CorrectFunction", {})["late"] >= 1
    assert item_of(world, queue, "tally")["version"] == {"N": "1"}
    answered(world, queue, {"agent-002": 3, "agent-003": 2}, bucket)
    assert invoked(world, "CorrectFunction", {})["corrected"] >= 1
    item = item_of(world, queue, "tally")
    after = Tally.from_json(item["tally"]["S"], int(item["version"]["N"]))
    expected = before.corrected(shares, bucket, {"agent-002": 3, "agent-003": 2})
    assert after == replace(expected, deficits={u: round(d, 12) for u, d in expected.deficits.items()})
    start = datetime.fromtimestamp(bucket, UTC)
    kept = item_of(world, queue, f"drawn#{start:%Y-%m-%dT%H:%M:%SZ}")
    assert DrawnBucket.from_json(start.isoformat(), kept["bucket"]["S"]) == DrawnBucket(
        start, "d-1", {"agent-001": 4}, 1, {"agent-002": 3, "agent-003": 2}
    )
    invoked(world, "CorrectFunction", {})
    assert item_of(world, queue, "tally") == item, "once"
