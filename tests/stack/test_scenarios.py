"""Whole distributions at the sizes of real queues, several at once, and what must never be written down."""

import math

import pytest

from tests.support.world import CLIENT_SECRET, a_plan

LARGE = 1_000
"""A plan may name 5,000 members. A fifth of them shows the same in a fifth of the time."""


@pytest.fixture(autouse=True)
def an_empty_request_log(world):
    world.sim.clear_requests()


def weights_for(members):
    """Return this many different weights whose sum is at most 1."""
    total = members * (members + 1) // 2
    return {f"agent-{n + 1:03}": (members - n) / total * 0.999 for n in range(members)}


def most_requests(changed, members):
    """Return the budget of a distribution."""
    return changed + 2 * math.ceil(members / 100) + 8


def test_a_large_plan_is_carried_out_and_its_record_comes_back_whole(world):
    queue = world.queue(LARGE)
    weights = weights_for(LARGE)
    run = world.run(a_plan(queue, weights)).start("api").ends("completed")
    assert run.held["scores"] == weights
    assert len(run.admitted) <= most_requests(LARGE, LARGE)
    record = world.distribution(run.distribution_id)
    assert record["requested_weights"] == record["applied_weights"] == weights
    assert len(record["changes"]) == LARGE + 1
    (item,) = world.get(f"/queues/{queue}/distributions").json()["items"]
    assert (item["status"], item["balance_accuracy"]) == ("completed", 100)
    assert sum(len(str(event)) > 250_000 for event in run.events) == 0, "plans travel by reference"


def test_no_secret_is_written_down_anywhere(world, queue):
    """Neither the client's secret nor a token is stored, although Genesys repeats both in its refusals.

    Both are planted: the run fails if the stack finds them in a table, an object, a history or the log.
    """
    tokens = world.sim._organisation.tokens._tokens
    world.sim.revoke_tokens()
    echo = {"error": "invalid_client", "error_description": f"no client has the secret {CLIENT_SECRET}"}
    world.sim.add_faults({"action": "status", "path": "/oauth/token", "status": 401, "body": echo})
    runs = [world.run(a_plan(queue)).ends("projection_failed")]
    assert "[hidden]" in runs[0].cause

    runs.append(world.run(a_plan(queue, dry_run=True)).start("api").ends("dry_run"))
    held = world.client("secretsmanager").get_secret_value(SecretId=world.ready["token_secret"])["SecretString"]
    (current,) = [token for token in tokens if token in held]
    echo = {"message": f"the token {current} may not do this", "code": "missing.any.scopes"}
    run = world.run(a_plan(queue)).with_fault("status", method="PATCH", path="/members/", status=403, body=echo)
    runs.append(run.ends("member_update_failed"))
    assert "[hidden]" in run.cause

    texts = [world.get(f"/distributions/{run.distribution_id}").text for run in runs]
    texts += [world.get(f"/queues/{queue}/distributions").text, world.post(b"\xff").text, world.get("/nowhere").text]
    assert not [text for secret in (CLIENT_SECRET, *tokens) for text in texts if secret in text]
