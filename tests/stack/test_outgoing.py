"""A system that wants to know is told of every outcome by a signed webhook, through whatever it answers meanwhile."""

import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from local.genesys import GenesysSimulator
from tests.asl.runner import CLIENT_ID, CLIENT_SECRET, World, a_plan, served_stack, until
from tests.receiver import WfmSystem

SECRET = "a-secret-of-ours"


@pytest.fixture(scope="module")
def wired(tmp_path_factory):
    """A stack with a system to tell."""
    with (
        closing(WfmSystem(SECRET, time.time)) as system,
        GenesysSimulator(contract="score", client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as sim,
        served_stack(
            tmp_path_factory.mktemp("wired"),
            sim.url,
            "score",
            OUTGOING_WEBHOOK_URL=f"{system.url}/outcomes",
            OUTGOING_SECRET=SECRET,
        ) as ready,
        closing(World(ready, sim)) as world,
    ):
        world.system = system
        world.warm()
        yield world


@pytest.fixture
def completed(wired):
    """The distribution id of a new distribution that is applied, with the system's `answers` to what it is told."""

    def apply(*answers):
        wired.system.script[:] = answers
        return wired.run(a_plan(wired.queue())).start("api").ends("completed").distribution_id

    return apply


def dead_letters(world):
    url = world.ready["outgoing_dead_letters"]
    messages = world.client("sqs").receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages", [])
    for message in messages:
        world.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [
        (json.loads(message["Body"])["detail"]["distribution_id"], message.get("MessageAttributes", {}))
        for message in messages
    ]


def statuses(world, distribution_id):
    return [status for status, *_ in world.system.of(distribution_id)]


def test_a_plan_that_is_applied_is_told_once_and_signed(wired, completed):
    first, second = completed(), completed()
    until(lambda: wired.system.of(first) and wired.system.of(second))
    ((status, delivery, outcome),) = wired.system.of(first)
    assert (status, delivery) == (204, f"{first}:completed")
    assert (outcome["type"], outcome["version"], outcome["id"]) == ("distribution_outcome", "1", delivery)
    assert (outcome["status"], outcome["changes"]) == ("completed", {"settings": 1, "members": 3})
    assert dead_letters(wired) == []


def test_a_system_that_fails_twice_gets_the_same_outcome_at_the_third_attempt(wired, completed):
    told = completed(503, 503)
    until(lambda: len(wired.system.of(told)) == 3)
    assert statuses(wired, told) == [503, 503, 204]
    assert len({json.dumps(outcome) for _, _, outcome in wired.system.of(told)}) == 1
    assert {delivery for _, delivery, _ in wired.system.of(told)} == {f"{told}:completed"}
    assert dead_letters(wired) == []


def test_a_system_that_refuses_is_not_asked_again_and_the_outcome_is_a_dead_letter(wired, completed):
    told = completed(422)
    ((dead, why),) = until(lambda: dead_letters(wired))
    assert (dead, why["reason"]["StringValue"]) == (told, "status 422")
    assert statuses(wired, told) == [422]


def test_a_system_that_never_answers_leaves_a_dead_letter_when_the_patience_is_over(wired, completed):
    sqs, queue = wired.client("sqs"), wired.ready["outgoing_queue"]
    declared = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])["Attributes"]
    impatient = json.loads(declared["RedrivePolicy"]) | {"maxReceiveCount": 2}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": json.dumps(impatient)})
    try:
        told = completed(None, None, None)
        ((dead, _),) = until(lambda: dead_letters(wired))
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=declared)
    assert dead == told
    assert statuses(wired, told) == [None, None]


def test_nobody_learns_a_secret_from_the_log(wired, completed):
    told = completed()
    until(lambda: wired.system.of(told))
    text = Path(wired.ready["logs"]).read_text(errors="replace")
    assert "The receiver was told" in text
    assert SECRET not in text
