"""Draws through both doors, with the deployed function and DynamoDB's own conditions."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.stack.invoking import invoked
from tests.support.world import ROOT

SHARES = {"agent-001": 0.4, "agent-002": 0.35, "agent-003": 0.15}


def sample(name):
    return json.loads((ROOT / "events" / name).read_text(encoding="utf-8"))


def put_in_force(world, queue, weights):
    document = {"distribution_id": f"d-of-{queue}", "weights": weights, "share": {"hold_s": 2, "then": 2}}
    item = {"queue_id": {"S": queue}, "kind": {"S": "weights"}, "version": {"N": "1"}}
    item |= {"shares": {"S": json.dumps(document)}}
    world.client("dynamodb").put_item(TableName=world.ready["shares_table"], Item=item)


def counted(world, queue):
    """How often each user was drawn, by the stored tally. "": nobody."""
    key = {"queue_id": {"S": queue}, "kind": {"S": "tally"}}
    item = world.client("dynamodb").get_item(TableName=world.ready["shares_table"], Key=key)["Item"]
    tally, counts = json.loads(item["tally"]["S"]), Counter()
    for bucket in tally["drawn"].values():
        counts.update({tally["users"][int(place)]: count for place, count in bucket.items()})
    return counts


def drawn(world, queue, conversation, media="message"):
    """Draw through the door of the data action, or over HTTP: every second conversation."""
    if conversation % 2:
        event = {"queue_id": queue, "conversation_id": f"c-{conversation}", "media": media}
        return invoked(world, "DrawFunction:live", event)
    body = {"conversation_id": f"c-{conversation}", "media": media}
    answer = world.http.post(f"{world.api_url}/queues/{queue}/draws", json=body, timeout=60)
    assert answer.status_code == 200
    return answer.json()


def test_a_flow_names_the_alias_and_another_one_does_not_exist(world):
    client = world.client("lambda")
    for name in ("DrawFunction:other", "TokenFunction:live"):
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.invoke(FunctionName=name, Payload=b"{}")


def test_of_many_draws_at_once_each_is_counted_once(world, queue):
    put_in_force(world, queue, SHARES)
    conversations = [number for number in range(40) for _ in range(1 + (number % 10 == 0))]  # some are asked twice
    with ThreadPoolExecutor(6) as callers:
        answers = list(callers.map(lambda number: drawn(world, queue, number), conversations))
    by_conversation = {}
    for number, answer in zip(conversations, answers, strict=True):
        assert by_conversation.setdefault(number, answer) == answer
    assert {answer["reason"] for answer in answers} == {"drawn", "nobody"}
    firsts = Counter(answer["agents"][0] if answer["agents"] else "" for answer in by_conversation.values())
    assert counted(world, queue) == firsts
    assert all(abs(firsts[agent] - 40 * share) < 1 for agent, share in [*SHARES.items(), ("", 0.1)])
    drawn(world, queue, 3)
    assert counted(world, queue) == firsts


@pytest.mark.parametrize("name", ["draw.json", "draw-over-http.json"])
def test_a_sample_draws(world, name):
    put_in_force(world, "queue-001", SHARES)
    event = sample(name)
    if name == "draw.json":
        answer = invoked(world, "DrawFunction:live", event)
    else:
        answer = world.http.post(f"{world.api_url}/queues/QUEUE-001/draws", json=event, timeout=60).json()
    assert (answer["agents"][0], answer["scores"], answer["hold_s"]) == (answer["agents"][0], [100, 80, 60], 2)
    assert set(answer["agents"]) == SHARES.keys()
    assert answer["distribution_id"] == "d-of-queue-001"


def test_whatever_the_data_action_sends_and_whatever_is_stored_the_function_does_not_fail(world, queue):
    empty = {"agents": [], "scores": [], "hold_s": 0, "distribution_id": "", "reason": "failed"}
    for event in ([], {"queue_id": queue}, {"queue_id": queue, "conversation_id": "\n"}):
        assert invoked(world, "DrawFunction:live", event) == empty
    assert drawn(world, queue, 1) == drawn(world, queue, 2) == empty | {"reason": "no_shares"}
    put_in_force(world, queue, {"agent-001": "much"})
    assert drawn(world, queue, 1) == drawn(world, queue, 2) == empty
