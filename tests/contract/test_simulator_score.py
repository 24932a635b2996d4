"""The simulator's contract `score`, over real loopback HTTP: the oracle must itself be right."""

import json
import math
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from local.genesys import GenesysSimulator
from tests.contract.loopback import LoopbackClient, assert_error, starting
from tests.support.waiting import DEADLINE_S, until

QUEUE = "/api/v2/routing/queues/queue-001"
MEMBERS = f"{QUEUE}/members"
CREDENTIALS = {
    "grant_type": "client_credentials",
    "client_id": "demo-client",
    "client_secret": "demo-client-secret",
}


class Client(LoopbackClient):
    def login(self, **body):
        return self.keep_token(self.post("/oauth/token", json=CREDENTIALS | body))

    def set_score(self, user_id, score, key=None, **body):
        headers = {"X-Genesys-Idempotency-Key": key} if key else {}
        body = {"user_id": user_id, "routing_type": "Automatic", "score": score} | body
        return self.patch(f"{MEMBERS}/{user_id}", json=body, headers=headers)


@pytest.fixture
def start(fake_time):
    with starting(Client, fake_time, contract="score") as start:
        yield start


def scores(simulator):
    members = simulator.state()["queues"]["queue-001"]["members"]
    return {member["user"]["id"]: member["score"] for member in members}


# Tokens


def test_a_token_has_the_documented_shape(start):
    _, client = start(expires_in=120)
    answer = client.login(scope="routing:queue:read not:granted")
    assert answer.keys() == {"access_token", "expires_in", "token_type", "scope"}
    assert answer["expires_in"] == 120
    assert (answer["token_type"], answer["scope"]) == ("Bearer", "routing:queue:read")


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": ["demo-client"]}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": 7}, 400, "invalid_scope"),
    ],
)
def test_a_token_is_refused(start, body, status, error):
    _, client = start()
    answer = client.post("/oauth/token", json=CREDENTIALS | body)
    assert_error(answer, status, error.replace("_", "."))
    assert answer.json()["error"] == error


def test_a_form_body_is_refused_as_a_token_request(start):
    _, client = start()
    assert_error(client.post("/oauth/token", data=CREDENTIALS), 400, "invalid.json")
    assert_error(client.get("/oauth/token"), 405, "method.not.allowed")


def test_a_token_expires_in_the_servers_clock(start, fake_time):
    _, client = start(expires_in=100)
    fake_time.now += 99.9
    assert client.get(QUEUE).status_code == 200
    fake_time.now += 0.1
    assert_error(client.get(QUEUE), 401, "bad.credentials")


def test_a_missing_or_unknown_token_is_401(start):
    _, client = start()
    assert_error(client.get(QUEUE, headers={"Authorization": None}), 401, "authentication.required")
    assert_error(client.get(QUEUE, headers={"Authorization": "Basic eDp5"}), 401, "authentication.required")
    assert_error(client.get(QUEUE, headers={"Authorization": "Bearer made-up"}), 401, "bad.credentials")
    assert_error(client.get("/api/v2/no/such", headers={"Authorization": None}), 401, "authentication.required")


def test_revoking_answers_200_for_any_token_that_was_issued(start):
    _, client = start()
    assert client.delete("/api/v2/tokens/me").status_code == 200
    assert_error(client.get(QUEUE), 401, "bad.credentials")
    assert client.delete("/api/v2/tokens/me").status_code == 200
    unknown = client.delete("/api/v2/tokens/me", headers={"Authorization": "Bearer made-up"})
    assert_error(unknown, 401, "bad.credentials")


def test_scopes_are_enforced_and_named(start):
    simulator, client = start(scope="routing:queue:read")
    refused = client.set_score("agent-001", 0.5)
    assert_error(refused, 403, "missing.any.scopes")
    assert "routing:queue:write" in refused.json()["message"]
    assert client.get(MEMBERS).status_code == 200
    simulator.change_settings(scope="routing:queue:write")
    client.login()
    assert client.set_score("agent-001", 0.5).status_code == 200
    assert "routing:queue:read" in client.get(QUEUE).json()["message"]


# Queues


def test_a_queue_patch_leaves_other_fields(start):
    _, client = start()
    before = client.get(QUEUE).json()
    assert (before["utilizationThreshold"], before["wrapUpTimeout"]) == (0.8, 30)
    assert {"description", "mediaSettings", "memberCount"} <= before.keys()
    patched = client.patch(QUEUE, json={"utilizationThreshold": 0.85})
    assert patched.status_code == 200
    assert patched.json()["version"] == before["version"] + 1
    after = client.get(QUEUE).json()
    assert after == patched.json()
    ours = {"utilizationThreshold": 0.85, "version": after["version"], "dateModified": after["dateModified"]}
    assert after == before | ours


@pytest.mark.parametrize(
    "body",
    [
        {"utilizationThreshold": 1.01},
        {"utilizationThreshold": True},
        {"utilizationThreshold": "0.5"},
        {"wrapUpTimeout": -1},
        {"wrapUpTimeout": 1.5},
        {"wrapUpTimeout": False},
        {"wrapUpTimeout": 60, "description": "mine"},
        ["utilizationThreshold"],
    ],
)
def test_a_bad_queue_patch_is_400_and_changes_nothing(start, body):
    _, client = start()
    before = client.get(QUEUE).json()
    assert_error(client.patch(QUEUE, json=body), 400, "bad.request")
    assert client.get(QUEUE).json() == before


def test_unknown_paths_and_methods(start):
    _, client = start()
    for path in (
        "/api/v2/routing/queues/other",
        "/api/v2/routing/queues/other/members",
        "/api/v2/users",
        "/x",
    ):
        assert_error(client.get(path), 404, "not.found")
    for method in ("PUT", "DELETE"):
        answer = client.request(method, QUEUE, json={})
        assert_error(answer, 405, "method.not.allowed")
        assert answer.headers["Allow"] == "GET, PATCH"
    assert_error(client.get(f"{MEMBERS}/agent-001"), 405, "method.not.allowed")
    assert client.head(QUEUE).status_code == 405
    assert client.get(QUEUE).status_code == 200  # the connection is still usable


# Members


def test_members_are_listed_in_pages_in_a_stable_order(start):
    _, client = start(agents=105)
    pages = [client.get(MEMBERS, params={"pageSize": 50, "page": page}).json() for page in (1, 2, 3, 4)]
    assert [len(page["entities"]) for page in pages] == [50, 50, 5, 0]
    listed = [member["user"]["id"] for page in pages for member in page["entities"]]
    assert listed == [f"agent-{number:03}" for number in range(1, 106)]
    assert {key: pages[1][key] for key in ("pageSize", "pageNumber", "pageCount", "total")} == {
        "pageSize": 50,
        "pageNumber": 2,
        "pageCount": 3,
        "total": 105,
    }
    assert client.get(MEMBERS, params={"pageSize": 50, "pageNumber": 2}).json() == pages[1]
    assert client.get(MEMBERS, params={"pageSize": 50, "page": 2, "pageNumber": 2}).json() == pages[1]
    assert len(client.get(MEMBERS).json()["entities"]) == 25


def test_the_mix_of_members_is_as_set(start):
    _, client = start(agents=10, off_queue=3, unjoined=2, initial_score=0.1)
    members = client.get(MEMBERS).json()["entities"]
    assert members[0].keys() == {"user", "score", "routingType", "joined", "routingStatus", "skills"}
    off_queue = [number for number, member in enumerate(members, 1) if member["routingStatus"]["status"] == "OFF_QUEUE"]
    assert off_queue == [6, 7, 8]
    assert [number for number, member in enumerate(members, 1) if not member["joined"]] == [9, 10]
    assert {member["score"] for member in members} == {0.1}
    assert members[0]["skills"] != members[1]["skills"]
    assert members[0]["skills"] == members[2]["skills"]


@pytest.mark.parametrize(
    "query",
    ["pageSize=101", "pageSize=0", "pageSize=ten", "page=0", "page=", "page=1&pageNumber=2", "page=1&page=2"],
)
def test_a_bad_page_is_400(start, query):
    _, client = start()
    assert_error(client.get(f"{MEMBERS}?{query}"), 400, "bad.request")


def test_a_member_is_patched(start):
    _, client = start()
    before = client.get(MEMBERS).json()["entities"]
    answer = client.set_score("agent-002", 0.4, routing_type="Manual")
    assert answer.status_code == 200
    after = client.get(MEMBERS).json()["entities"]
    assert after[1] == answer.json() == before[1] | {"score": 0.4, "routingType": "Manual"}
    assert [*after[:1], *after[2:]] == [*before[:1], *before[2:]]


@pytest.mark.parametrize(
    "body",
    [
        {"user_id": "agent-001", "score": 0.1},
        {"user_id": "agent-001", "routing_type": "Automatic"},
        {"routing_type": "Automatic", "score": 0.1},
        {"user_id": "agent-002", "routing_type": "Automatic", "score": 0.1},
        {"user_id": "agent-001", "routing_type": "automatic", "score": 0.1},
        {"user_id": "agent-001", "routing_type": ["Manual"], "score": 0.1},
        {"user_id": "agent-001", "routing_type": "Automatic", "score": True},
        {"user_id": "agent-001", "routing_type": "Automatic", "score": -0.1},
        {"user_id": "agent-001", "routing_type": "Automatic", "score": 0.1, "joined": True},
    ],
)
def test_a_bad_member_patch_is_400_and_changes_nothing(start, body):
    simulator, client = start()
    assert_error(client.patch(f"{MEMBERS}/agent-001", json=body), 400, "bad.request")
    assert scores(simulator)["agent-001"] == 0


def test_only_members_can_be_patched(start):
    _, client = start()
    assert_error(client.set_score("stranger", 0.1), 404, "not.found")


def test_the_sum_of_all_scores_is_bounded(start):
    simulator, client = start()
    for user_id in ("agent-001", "agent-002", "agent-003"):
        assert client.set_score(user_id, 1 / 3).status_code == 200
    assert client.set_score("agent-004", 5e-10).status_code == 200  # within the tolerance
    assert_error(client.set_score("agent-005", 2e-9), 400, "weight.sum.exceeded")
    assert scores(simulator)["agent-005"] == 0
    simulator.change_settings(sum_rule=False)
    assert client.set_score("agent-005", 0.9).status_code == 200


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.floats(0, 1)), max_size=8))
def test_no_order_of_writes_lifts_the_sum_above_1(writes):
    with GenesysSimulator(contract="score", agents=4) as simulator, Client(simulator.url) as client:
        client.login()
        for number, score in writes:
            held = scores(simulator)
            wanted = held | {f"agent-{number:03}": score}
            allowed = math.fsum(wanted.values()) <= 1 + 1e-9
            answer = client.set_score(f"agent-{number:03}", score)
            assert answer.status_code == (200 if allowed else 400)
            assert scores(simulator) == (wanted if allowed else held)


# Idempotency keys


def test_a_repeated_key_replays_and_applies_nothing(start):
    simulator, client = start()
    first = client.set_score("agent-001", 0.4, key="static")
    again = client.set_score("agent-001", 0.9, key="static")
    assert (again.status_code, again.json()) == (200, first.json())
    assert scores(simulator)["agent-001"] == 0.4
    assert simulator.state()["replays"] == 1
    assert client.set_score("agent-002", 0.1, key="static").json()["score"] == 0.1  # another path
    assert client.set_score("agent-001", 0.5, key="fresh").json()["score"] == 0.5
    assert simulator.state()["replays"] == 1


def test_a_key_remembers_only_success(start):
    simulator, client = start()
    assert client.set_score("agent-001", 7, key="k").status_code == 400
    assert client.set_score("agent-001", 0.7, key="k").status_code == 200
    assert scores(simulator)["agent-001"] == 0.7
    assert simulator.state()["replays"] == 0


# Rate limit


def test_the_rate_limit_slides_and_retry_after_is_rounded_up(start, fake_time):
    simulator, client = start(rate_limit=2, rate_window_s=10)
    client.get(QUEUE)
    fake_time.now += 3.5
    client.get(QUEUE)
    limited = client.get(QUEUE)
    assert_error(limited, 429, "too.many.requests.retry.after")
    assert limited.headers["Retry-After"] == "7"  # 6.5 s are left
    assert simulator.requests()[-1]["retry_after_until"] == fake_time.now + 7
    fake_time.now += 6.4
    assert client.get(QUEUE).status_code == 429
    fake_time.now += 0.1
    assert client.get(QUEUE).status_code == 200  # the refused ones did not count
    assert client.get(QUEUE).status_code == 429
    client.login()
    assert client.get(QUEUE).status_code == 200  # each token has its own window


def test_retry_after_can_be_an_http_date(start, fake_time):
    simulator, client = start(rate_limit=1, rate_window_s=60, retry_after="date")
    client.get(QUEUE)
    limited = client.get(QUEUE)
    entry = simulator.requests()[-1]
    wait = parsedate_to_datetime(limited.headers["Retry-After"]).timestamp() - entry["wall"]
    assert 60 <= wait < 61
    assert entry["retry_after_until"] == pytest.approx(fake_time.now + wait, abs=1e-5)


# Delayed application, latency


def test_with_an_apply_delay_a_write_is_readable_later(start, fake_time):
    simulator, client = start(apply_delay_s=5)
    accepted = client.set_score("agent-001", 0.6, key="k")
    assert (accepted.status_code, accepted.content) == (202, b"")
    assert client.patch(QUEUE, json={"wrapUpTimeout": 60}).status_code == 202
    assert_error(client.set_score("agent-002", 0.6), 400, "weight.sum.exceeded")  # accepted writes count
    fake_time.now += 4.9
    assert scores(simulator)["agent-001"] == 0
    assert client.set_score("agent-001", 0.1, key="k").status_code == 202  # a replay
    fake_time.now += 0.1
    assert client.get(MEMBERS).json()["entities"][0]["score"] == 0.6
    assert client.get(QUEUE).json()["wrapUpTimeout"] == 60
    fake_time.now += 10
    assert scores(simulator)["agent-001"] == 0.6


def test_every_request_except_control_has_latency(start, fake_time):
    simulator, client = start()
    simulator.change_settings(latency_ms=40)
    client.get(QUEUE)
    client.get("/_sim/state")
    assert fake_time.slept == [0.04]


def test_waiting_holds_no_lock():
    slow, release = threading.Event(), threading.Event()

    def sleep(_):
        slow.set()
        assert release.wait(DEADLINE_S)

    with (
        GenesysSimulator(contract="score", sleep=sleep) as simulator,
        Client(simulator.url) as one,
        Client(simulator.url) as two,
    ):
        one.login()
        two.headers.update(one.headers)
        simulator.add_faults({"action": "delay", "delay_s": 30})
        waiting = threading.Thread(target=one.get, args=(QUEUE,))
        waiting.start()
        assert slow.wait(DEADLINE_S)
        assert two.get(QUEUE).status_code == 200
        assert [entry["status"] for entry in simulator.requests()[1:]] == [None, 200]
        release.set()
        waiting.join()


# Faults


def test_a_status_fault_skips_fires_and_is_spent(start):
    simulator, client = start()
    rule = {
        "method": "PATCH|PUT",
        "path": "/members",
        "skip": 1,
        "times": 2,
        "action": "status",
        "status": 503,
    }
    simulator.add_faults(rule | {"headers": {"retry-after": 3}, "body": "<html>"})
    assert client.get(MEMBERS).status_code == 200  # its method does not match
    assert client.patch(QUEUE, json={}).status_code == 200  # its path does not match
    outcomes = [client.set_score("agent-001", number / 10) for number in range(1, 5)]
    assert [outcome.status_code for outcome in outcomes] == [200, 503, 503, 200]
    assert (outcomes[1].text, outcomes[1].headers["Retry-After"]) == ("<html>", "3")
    log = simulator.requests()[2:]
    assert [entry["fault"] for entry in log] == [None, "status", "status", None]
    assert log[1]["retry_after_until"] == log[1]["answered"] + 3


def test_the_first_rule_that_fires_wins_and_null_times_lasts(start):
    simulator, client = start()
    simulator.add_faults({"action": "status", "status": 500}, {"action": "status", "status": 502, "times": None})
    answers = [client.get(QUEUE) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [500, 502, 502, 502]
    assert_error(answers[0], 500, "simulated.fault")
    simulator.clear_faults()
    assert client.get(QUEUE).status_code == 200


def test_a_reset_before_applies_nothing_and_a_reset_after_applies(start):
    simulator, client = start()
    simulator.add_faults({"action": "reset_before"}, {"action": "reset_after"})
    with pytest.raises(requests.ConnectionError):
        client.set_score("agent-001", 0.3, key="k")
    assert scores(simulator)["agent-001"] == 0
    with pytest.raises(requests.ConnectionError):
        client.set_score("agent-001", 0.3, key="k")
    assert scores(simulator)["agent-001"] == 0.3
    assert client.set_score("agent-001", 0.3, key="k").status_code == 200
    assert simulator.state()["replays"] == 1
    assert [entry["status"] for entry in simulator.requests()] == [None, None, 200]


@pytest.mark.parametrize(("apply_delay_s", "status"), [(0, 200), (1, 202)])
def test_a_dropped_write_is_answered_and_never_applied(start, fake_time, apply_delay_s, status):
    simulator, client = start(apply_delay_s=apply_delay_s)
    simulator.add_faults({"action": "drop"})
    assert client.set_score("agent-001", 0.3).status_code == status
    fake_time.now += 60
    assert scores(simulator)["agent-001"] == 0


def test_a_write_with_a_malformed_answer_is_applied(start):
    simulator, client = start()
    simulator.add_faults({"action": "malformed"})
    answer = client.set_score("agent-001", 0.3)
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert scores(simulator)["agent-001"] == 0.3


def test_a_repeated_page_is_page_one(start):
    simulator, client = start(agents=30)
    simulator.add_faults({"action": "repeat_page", "path": "/members$"})
    repeated = client.get(f"{MEMBERS}?pageSize=10&page=3&pageNumber=3").json()
    assert repeated == client.get(f"{MEMBERS}?pageSize=10").json()


def test_tokens_can_be_revoked_by_a_fault(start):
    simulator, client = start()
    simulator.add_faults({"action": "revoke_tokens", "skip": 1})
    assert [client.get(QUEUE).status_code for _ in range(2)] == [200, 401]
    client.login()
    assert client.get(QUEUE).status_code == 200


def test_any_fault_can_be_delayed(start, fake_time):
    simulator, client = start()
    simulator.add_faults({"action": "delay", "delay_s": 2.5}, {"action": "status", "status": 504, "delay_s": 9})
    assert [client.get(QUEUE).status_code for _ in range(2)] == [200, 504]
    assert fake_time.slept == [2.5, 9]


def test_a_delay_ends_when_its_rule_is_lifted():
    with GenesysSimulator(contract="score") as simulator, Client(simulator.url) as client:
        client.login()
        faults = simulator.add_faults({"action": "delay", "delay_s": 600, "times": None})
        with ThreadPoolExecutor() as callers:
            answer = callers.submit(client.get, QUEUE)
            until(lambda: len(simulator.requests()) == 2)
            assert not answer.done()
            simulator.lift_faults(faults)
            assert answer.result(DEADLINE_S).status_code == 200
        assert client.get(QUEUE).status_code == 200


def test_the_date_of_an_answer_is_that_of_the_clock(start, fake_time):
    _, client = start()
    first = client.get(QUEUE).headers["Date"]
    fake_time.advance(3600)
    second = client.get(QUEUE).headers["Date"]
    assert parsedate_to_datetime(second) - parsedate_to_datetime(first) == timedelta(hours=1)


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "status", "status": 500, "pth": "/"},
        {"action": "explode"},
        {"path": "/"},
        {"action": "drop", "path": "("},
        {"action": "drop", "method": 7},
        {"action": "drop", "times": -1},
        {"action": "drop", "skip": 0.5},
        {"action": "drop", "status": 500},
        {"action": "delay"},
        {"action": "status"},
        {"action": "status", "status": 99},
        {"action": "status", "status": 500, "headers": {"X": "a\r\nY: b"}},
        "drop",
    ],
)
def test_a_bad_fault_is_400_and_none_of_the_batch_is_added(start, rule):
    _, client = start()
    good = {"action": "status", "status": 500}
    assert_error(client.post("/_sim/faults", json=[good, rule]), 400, "bad.request")
    assert client.get(QUEUE).status_code == 200


def test_a_member_may_be_listed_without_a_routing_status_and_its_user_has_a_state(start):
    simulator, client = start()
    statuses = [{"status": "EMPTY"}, {}, None, "absent"]
    members = [{"user": {"id": f"m-{n}", "state": "inactive"}, "routingStatus": s} for n, s in enumerate(statuses)]
    client.put("/_sim/queues/queue-001", json={"members": members})
    listed = client.get(MEMBERS).json()["entities"]
    assert [member.get("routingStatus", "nothing") for member in listed] == [*statuses[:3], "nothing"]
    assert {member["user"]["state"] for member in listed} == {"inactive"}
    simulator.edit_member("queue-001", "m-0", routingStatus="absent")
    assert "routingStatus" not in client.get(MEMBERS).json()["entities"][0]


def test_ids_compare_without_regard_to_case(start):
    simulator, client = start(agents=0)
    simulator.put_queue("QUEUE-001", members=[{"user": {"id": "agent-00A"}}])
    assert client.get("/api/v2/routing/queues/Queue-001").json()["id"] == "queue-001"
    answer = client.patch(f"{MEMBERS}/AGENT-00a", json={"user_id": "agent-00a", "routing_type": "Manual", "score": 0.2})
    assert answer.json()["user"]["id"] == "agent-00A"
    assert scores(simulator) == {"agent-00A": 0.2}


def test_members_slide_and_answers_are_cut_off(start):
    simulator, client = start(agents=4)
    simulator.add_faults(
        {"action": "remove_member", "path": "/members$", "skip": 1, "body": {"id": "agent-001"}},
        {"action": "cut", "path": "/members$", "skip": 1},
    )
    pages = [client.get(MEMBERS, params={"pageSize": 2, "page": page}).json() for page in (1, 2)]
    assert [[member["user"]["id"] for member in page["entities"]] for page in pages] == [
        ["agent-001", "agent-002"],
        ["agent-004"],
    ]
    assert client.get(QUEUE).json()["memberCount"] == 3
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.get(MEMBERS)
    simulator.add_faults({"action": "add_member", "path": "/members$", "body": {"user": {"id": "ann"}, "score": 0.1}})
    assert client.get(MEMBERS).json()["total"] == 4
    assert scores(simulator)["ann"] == 0.1
    with pytest.raises(ValueError, match="contract platform"):
        simulator.edit_user("ann", state="deleted")
    with pytest.raises(ValueError, match="contract platform"):
        simulator.edit_organisation_skill("skill-support", state="deleted")


# Control routes


def test_control_over_http_is_free_of_auth_limits_and_log(start):
    simulator, client = start(rate_limit=1)
    client.get(QUEUE)
    client.headers.pop("Authorization")
    created = client.put("/_sim/queues/second", json={"agents": 3, "queue": {"name": "Second", "wrapUpTimeout": 9}})
    assert (created.json()["queue"]["name"], len(created.json()["members"])) == ("Second", 3)
    listed = {"members": [{"user": {"id": "ann"}, "score": 0.2}, {"user": {"id": "bo"}, "joined": False}]}
    client.put("/_sim/queues/second", json=listed)
    edit = {"score": 0.9, "routingStatus": {"status": "OFF_QUEUE"}}
    assert client.patch("/_sim/queues/second/members/bo", json=edit).status_code == 200
    assert client.patch("/_sim/queues/second", json={"utilizationThreshold": 0.5}).status_code == 200
    second = client.get("/_sim/state").json()["queues"]["second"]
    assert second["queue"]["utilizationThreshold"] == 0.5
    assert second["queue"]["memberCount"] == 2
    ann, bo = second["members"]
    assert (ann["user"], ann["score"], ann["joined"]) == ({"id": "ann", "name": "ann"}, 0.2, True)
    assert (bo["score"], bo["joined"], bo["routingStatus"]) == (0.9, False, {"status": "OFF_QUEUE"})
    assert len(client.get("/_sim/requests").json()) == 1
    assert client.delete("/_sim/requests").json() == {}
    assert simulator.requests() == []


def test_settings_tokens_and_faults_over_http(start):
    simulator, client = start()
    changed = client.patch("/_sim/settings", json={"expires_in": 60, "rate_limit": 5})
    assert (changed.json()["expires_in"], "client_secret" in changed.json()) == (60, False)
    assert client.login()["expires_in"] == 60
    client.post("/_sim/tokens/revoke")
    assert_error(client.get(QUEUE), 401, "bad.credentials")
    client.login()
    client.post("/_sim/faults", json={"action": "status", "status": 500, "times": None})
    assert client.get(QUEUE).status_code == 500
    client.delete("/_sim/faults")
    assert client.get(QUEUE).status_code == 200
    assert simulator.state()["tokens_issued"] == 3


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", "settings", {"port": 80}, 400),
        ("PATCH", "settings", {"latency_ms": -1}, 400),
        ("PATCH", "settings", {"sum_rule": 1}, 400),
        ("PATCH", "settings", {"expires_in": True}, 400),
        ("PATCH", "settings", {"rate_limit": 0}, 400),
        ("PUT", "queues/q", {"agents": 2, "off_queue": 3}, 400),
        ("PUT", "queues/q", {"agents": 2, "members": []}, 400),
        ("PUT", "queues/q", {"members": [{"id": "ann"}]}, 400),
        ("PUT", "queues/q", {"members": [{"user": {"id": "ann"}}] * 2}, 400),
        ("PUT", "queues/q", {"agent": 2}, 400),
        ("PUT", "queues/q", {"queue_id": "r"}, 400),
        ("PATCH", "queues/other", {}, 404),
        ("PATCH", "queues/queue-001/members/agent-001", {"score": 2}, 400),
        ("PATCH", "queues/queue-001/members/agent-001", {"weight": 1}, 400),
        ("PATCH", "queues/queue-001/members/stranger", {"score": 0}, 404),
        ("GET", "nothing", None, 404),
    ],
)
def test_bad_control_requests_are_refused(start, method, path, body, status):
    simulator, client = start()
    before = simulator.state()
    assert client.request(method, f"/_sim/{path}", json=body).status_code == status
    assert simulator.state() == before


def test_the_log_has_everything_except_secrets(start, fake_time):
    simulator, client = start()
    token = client.login()["access_token"]
    client.post("/oauth/token", data=CREDENTIALS)
    client.get(f"{MEMBERS}?page=1")
    client.set_score("agent-001", 0.2, key="k-1")
    client.delete("/api/v2/tokens/me")
    log = simulator.requests()
    assert [entry["index"] for entry in log] == [0, 1, 2, 3, 4]
    assert [entry["status"] for entry in log] == [200, 400, 200, 200, 200]
    assert (log[2]["method"], log[2]["path"], log[2]["query"], log[2]["body"]) == (
        "GET",
        MEMBERS,
        "page=1",
        None,
    )
    assert log[3]["body"] == {"user_id": "agent-001", "routing_type": "Automatic", "score": 0.2}
    assert (log[3]["idempotency_key"], log[3]["monotonic"], log[3]["token"]) == ("k-1", fake_time.now, 2)
    assert abs(log[3]["wall"] - time.time()) < 60
    assert token not in json.dumps(log)
    assert "demo-client-secret" not in json.dumps(log)


# Robustness


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"BREW /pot HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /x HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /oauth/token HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /oauth/token HTTP/1.1\r\nContent-Length: 50\r\n\r\nshort",
        b"GET /%ff%00//[::1]?=&&page=%zz HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET http://[/ HTTP/1.1\r\nConnection: close\r\n\r\n",
    ],
)
def test_malformed_http_breaks_nothing(start, capfd, raw):
    simulator, client = start()
    with socket.create_connection(simulator._server.server_address[:2], timeout=5) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert not answer or b" 4" in answer[:13] or b" 50" in answer[:13]
    assert client.get(QUEUE).status_code == 200
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"score": NaN}', b"9" * 5000, b"null"])
def test_a_body_that_is_not_a_json_object_is_400(start, body):
    _, client = start()
    assert client.patch(QUEUE, data=body).status_code == 400
    assert client.post("/oauth/token", data=body).status_code == 400
    assert client.patch("/_sim/settings", data=body).status_code == 400


def test_a_huge_body_is_413(start):
    _, client = start()
    assert_error(client.patch(QUEUE, data=b" " * 3_000_000), 413, "request.too.large")
    assert client.get(QUEUE).status_code == 200


def test_a_path_with_double_slashes_is_unknown(start):
    _, client = start()
    assert_error(client.get(QUEUE.replace("/routing", "//routing")), 404, "not.found")
    assert_error(client.get(f"{QUEUE}/"), 404, "not.found")


def test_closing_ends_waits_and_open_connections():
    before = threading.active_count()
    simulator = GenesysSimulator(contract="score").start()
    with Client(simulator.url) as client:
        client.login()
        simulator.add_faults({"action": "reset_before", "delay_s": 600})

        def wait():
            with pytest.raises(requests.ConnectionError):
                client.get(QUEUE)

        waiting = threading.Thread(target=wait)
        waiting.start()
        until(lambda: len(simulator.requests()) == 2)
        simulator.close()
        waiting.join(DEADLINE_S)
    assert threading.active_count() == before


def test_the_most_requests_and_connections_at_once_are_known():
    """Two requests are under way until the other one is, too."""
    both = threading.Barrier(2, timeout=30)
    simulator = GenesysSimulator(contract="score", latency_ms=1, sleep=lambda _: both.wait())
    with simulator, Client(simulator.url) as one, Client(simulator.url) as other:
        waiting = threading.Thread(target=lambda: one.get(QUEUE))
        waiting.start()
        other.get(QUEUE)
        waiting.join()
        assert other.get("/_sim/peaks").json() == {"in_flight": 2, "connections": 2}
        other.delete("/_sim/requests")
        assert simulator.peaks() == {"in_flight": 0, "connections": 0}


# The command line


def command(*options):
    root = Path(__file__).parents[2]
    arguments = [sys.executable, "-m", "local.genesys", *options]
    return subprocess.Popen(arguments, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_is_ready_serves_and_stops(stop):
    with command(
        "--contract", "score", "--agents", "4", "--queue-id", "q-7", "--die-with-parent", "--no-sum-rule"
    ) as process:
        word, _, ready = process.stdout.readline().partition(" ")
        ready = json.loads(ready)
        assert (word, ready["contract"], ready["queue_ids"]) == ("ready", "score", ["q-7"])
        with Client(ready["url"]) as client:
            state = client.get("/_sim/state").json()
            assert len(state["queues"]["q-7"]["members"]) == 4
            process.send_signal(stop)
            assert process.wait(5) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("", "")


def test_a_busy_port_is_one_line_and_exit_1(start):
    simulator, _ = start()
    port = simulator.url.rpartition(":")[2]
    with command("--port", port) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err == f"genesys simulator: cannot listen on 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize("options", [["--agents", "many"], ["--rate-limit", "0"], ["--off-queue", "99"], ["--nope"]])
def test_wrong_usage_is_exit_2(options):
    with command(*options) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux only")
def test_the_command_ends_with_its_parent():
    script = (
        "import subprocess, sys\n"
        "command = [sys.executable, '-m', 'local.genesys', '--die-with-parent']\n"
        "child = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    arguments = [sys.executable, "-c", script]
    root = Path(__file__).parents[2]
    with subprocess.Popen(arguments, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        url = json.loads(parent.stdout.readline().removeprefix("ready "))["url"]
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"HEAD /_sim/state HTTP/1.1\r\n\r\n")
            assert connection.recv(65_536)  # the connection was accepted: a waiting one would be reset
            parent.kill()
            assert connection.recv(1) == b""  # the child closed it at its end
