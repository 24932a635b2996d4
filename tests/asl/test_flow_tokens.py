"""Tokens, limits and slow writes: they concern the whole organisation, so only one run is under way."""

import time

import pytest

from local.genesys import Settings
from tests.support.waiting import until
from tests.support.world import WEIGHTS, a_plan, early

USUAL = Settings()


@pytest.fixture
def organisation(world):
    """Change settings of the whole organisation, and reset them after the test."""
    yield world.sim.change_settings
    names = ("expires_in", "rate_limit", "rate_window_s", "retry_after", "apply_delay_s", "scope")
    world.sim.change_settings(**{name: getattr(USUAL, name) for name in names})
    world.sim.clear_faults()
    world.sim.revoke_tokens()  # the token of a test must not affect the next test
    assert world.locks() == {}


def extra_token_requests(world, run):
    before = world.token_requests()
    run.ends("completed")
    assert run.held["scores"] == run.plan["member_weights"]
    return world.token_requests() - before


@pytest.mark.parametrize(
    "where",
    [{"method": "PATCH", "path": "$"}, {"method": "PATCH", "path": "/members/", "skip": 1}],
    ids=["before the queue is written", "between two members"],
)
@pytest.mark.usefixtures("organisation")
def test_a_token_revoked_during_a_run_is_replaced_once(world, queue, where):
    run = world.run(a_plan(queue)).with_fault("revoke_tokens", **where)
    assert 1 <= extra_token_requests(world, run) <= 2
    assert len([entry for entry in run.writes if entry["status"] == 200]) == 1 + len(WEIGHTS)


@pytest.mark.usefixtures("organisation")
def test_a_token_that_expires_early_is_replaced_once(world, queue):
    world.run(a_plan(queue, dry_run=True)).ends("dry_run")
    run = world.run(a_plan(queue)).with_fault(
        "status", method="PATCH", path="/members/", skip=2, status=401, body={"code": "bad.credentials"}
    )
    assert 1 <= extra_token_requests(world, run) <= 2


def test_a_run_longer_than_a_tokens_life_renews_it(world, organisation):
    organisation(expires_in=2)
    world.sim.revoke_tokens()
    members = {f"agent-{n:03}": 0.05 for n in range(1, 21)}
    run = world.run(a_plan(world.queue(len(members)), members))
    run.with_fault("delay", method="PATCH", path="/members/", times=None, delay_s=1.3)
    assert 2 <= extra_token_requests(world, run) <= 5
    assert [entry["status"] for entry in run.writes].count(200) == 1 + len(members)


@pytest.mark.usefixtures("organisation")
def test_a_token_that_is_refused_repeatedly_fails_the_run(world, queue):
    run = world.run(a_plan(queue)).with_fault("status", method="GET", path="$", status=401, times=None)
    run.ends("projection_failed")
    assert "OAuth client" in run.cause
    assert len(run.requests) <= 3


@pytest.mark.usefixtures("organisation")
def test_a_refused_oauth_client_fails_the_projection(world, queue):
    world.sim.revoke_tokens()
    body = {"error": "invalid_client", "error_description": "The client is inactive."}
    world.sim.add_faults({"action": "status", "path": "/oauth/token", "status": 401, "body": body, "times": None})
    run = world.run(a_plan(queue)).ends("projection_failed")
    assert "CredentialsSecret" in run.cause
    assert run.record["errors"][0]["type"] == "Unauthorized"
    assert run.writes == []


DESCRIBED = {"error": "invalid_request", "error_description": "rate limit exceeded; try again later"}


@pytest.mark.usefixtures("organisation")
def test_a_run_waits_for_a_login_host_that_limits(world, queue):
    """With the login host's own 400, and with a 429 for which the state machine waits."""
    world.sim.revoke_tokens()
    limit = {"action": "status", "path": "/oauth/token"}
    world.sim.add_faults(limit | {"status": 400, "body": DESCRIBED, "times": 2})
    world.sim.add_faults(limit | {"status": 429, "headers": {"Retry-After": "2"}})
    run = world.run(a_plan(queue)).ends("completed")
    assert "Wait for Genesys" in run.states
    assert run.held["scores"] == run.plan["member_weights"]


@pytest.mark.usefixtures("organisation")
def test_a_login_host_that_asks_for_too_long_fails_the_run_at_once(world, queue):
    world.sim.revoke_tokens()
    headers = {"Retry-After": "200000000"}
    world.sim.add_faults({"action": "status", "path": "/oauth/token", "status": 429, "headers": headers, "times": None})
    run = world.run(a_plan(queue)).ends("projection_failed")
    assert "Wait for Genesys" not in run.states
    assert run.record["errors"][0]["type"] == "WaitTooLong"
    assert "The login host asks to wait 200000000 s" in run.cause
    assert run.writes == []


@pytest.mark.parametrize(
    ("limit", "window_s", "as_date"),
    [
        pytest.param(8, 1.0, False, id="a second, slept in the function"),
        pytest.param(14, 2.5, True, id="a date, waited for"),
    ],
)
def test_a_rate_limit_is_obeyed_exactly(world, organisation, limit, window_s, as_date):
    members = {f"agent-{n:03}": 0.05 for n in range(1, 15)}
    queue = world.queue(len(members))
    organisation(rate_limit=limit, rate_window_s=window_s, retry_after="date" if as_date else "seconds")
    run = world.run(a_plan(queue, members)).ends("completed")
    assert early(run.requests) == []
    assert ("Wait for Genesys" in run.states) == as_date
    refused = [entry for entry in run.requests if entry["status"] == 429]
    assert 1 <= len(refused) <= 2 * len(members), "those that were under way are refused together"
    assert [entry["status"] for entry in run.writes].count(200) == 1 + len(members)


def test_a_run_waits_until_its_writes_are_readable(world, queue, organisation):
    organisation(apply_delay_s=1.0)
    run = world.run(a_plan(queue)).ends("completed")
    assert run.record["applied_weights"] == run.held["scores"] == WEIGHTS
    assert [entry["status"] for entry in run.writes].count(202) == 1 + len(WEIGHTS)


def test_a_late_write_is_restored_when_the_run_fails(world, queue, organisation):
    organisation(apply_delay_s=0.9)  # a write that is not readable after a second is repeated
    run = world.run(a_plan(queue)).with_fault("status", method="PATCH", path="/members/agent-002", status=403)
    run.ends("member_update_failed")
    assert run.record["restore"]["outcome"] == "restored"
    assert run.record["applied_weights"] == run.held["scores"] == dict.fromkeys(WEIGHTS, 0.0)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param({"method": "PATCH", "path": "/members/agent-001"}, "member_update_failed", id="the setting alone"),
        pytest.param({"method": "GET", "path": "/members$", "skip": 1}, "verification_failed", id="everything"),
    ],
)
def test_a_late_write_is_restored_whatever_failed_after_it(world, queue, organisation, fault, status):
    organisation(apply_delay_s=0.9)
    run = world.run(a_plan(queue)).with_fault("status", status=403, **fault).ends(status)
    until(lambda: time.monotonic() > run.writes[-1]["monotonic"] + 1.5)
    assert run.held["scores"] == dict.fromkeys(WEIGHTS, 0.0)
    assert run.held["queue"]["utilizationThreshold"] == 0.8


@pytest.mark.usefixtures("organisation")
def test_runs_that_need_a_token_at_once_share_one_login(world):
    """Schedules of the same minute need the day's first token together, and the token function is slow."""
    world.sim.revoke_tokens()
    world.sim.add_faults({"action": "delay", "path": "/oauth/token", "delay_s": 5})
    before = world.token_requests()
    runs = [world.run(a_plan(world.queue())).start() for _ in range(10)]
    for run in runs:
        run.ends("completed")
    assert world.token_requests() - before == 1
