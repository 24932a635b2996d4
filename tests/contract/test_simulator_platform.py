"""The simulator's contract `platform`, over real loopback HTTP: the oracle must itself be right."""

import json
import re
import subprocess
import sys
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from local.genesys import GenesysSimulator, publicapi
from local.genesys.platform import OPERATIONS
from local.genesys.settings import DEFAULT_PERMISSIONS
from local.genesys.wire import ApiError
from tests.contract.loopback import LoopbackClient, assert_error, starting

QUEUES = "/api/v2/routing/queues"
QUEUE = f"{QUEUES}/queue-001"
MEMBERS = f"{QUEUE}/members"
SKILLS = "/api/v2/routing/skills"
TOKEN = "/api/v2/tokens/me"
OBSERVATIONS = "/api/v2/analytics/queues/observations/query"
GRANT = {"grant_type": "client_credentials"}
CLIENT = ("demo-client", "demo-client-secret")
FACTS = ("id", "dateCreated", "createdBy", "memberCount", "userMemberCount", "joinedMemberCount", "selfUri")
WRITTEN = ("dateModified", "modifiedBy")


class Client(LoopbackClient):
    def login(self, **options):
        return self.keep_token(self.post("/oauth/token", **{"data": GRANT, "auth": CLIENT, **options}))

    def ring(self, user_id, number):
        return self.patch(f"{MEMBERS}/{user_id}", json={"id": user_id, "ringNumber": number})

    def rate(self, user_id, skill_id, proficiency):
        return self.put(f"{user_skills(user_id)}/{skill_id}", json={"id": skill_id, "proficiency": proficiency})


@pytest.fixture
def start(fake_time):
    with starting(Client, fake_time, contract="platform") as start:
        yield start


def user_skills(user_id):
    return f"/api/v2/users/{user_id}/routingskills"


def queue_of(simulator, queue_id="queue-001"):
    return simulator.state()["queues"][queue_id]["queue"]


def members_of(simulator, queue_id="queue-001"):
    return {member["id"]: member for member in simulator.state()["queues"][queue_id]["members"]}


def ring(threshold=5, *groups):
    timeout = {"type": "TIMEOUT_SECONDS", "threshold": threshold}
    return {"expansionCriteria": [timeout]} | ({"memberGroups": list(groups)} if groups else {})


def with_rings(simulator, number=6):
    simulator.edit_queue("queue-001", bullseye={"rings": [ring()] * number})


def rings(simulator):
    return {user_id: member["ringNumber"] for user_id, member in members_of(simulator).items()}


def joined(simulator):
    return [user_id for user_id, member in members_of(simulator).items() if member["joined"]]


def proficiencies(simulator, user_id):
    return {skill["id"]: skill["proficiency"] for skill in simulator.state()["users"][user_id]["skills"]}


def ids(answer):
    return [entity["id"] for entity in answer.json()["entities"]]


def named(*names):
    return [{"user": {"id": name.lower(), "name": name}} for name in names]


# Tokens


def test_a_token_has_the_real_shape_without_scopes(start):
    _, client = start(expires_in=120)
    answer = client.login()
    assert answer.keys() == {"access_token", "token_type", "expires_in"}
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 120)


@pytest.mark.parametrize(
    ("options", "status", "error"),
    [
        ({"data": None, "json": {**GRANT, "client_secret": CLIENT[1]}, "auth": None}, 401, "invalid_client"),
        ({"data": None, "json": GRANT}, 400, "invalid_request"),
        ({"auth": None}, 401, "invalid_client"),
        ({"auth": (CLIENT[0], "wrong")}, 401, "invalid_client"),
        ({"auth": ("wrong", CLIENT[1])}, 401, "invalid_client"),
        ({"auth": None, "headers": {"Authorization": "Basic !!"}}, 401, "invalid_client"),
        ({"auth": None, "headers": {"Authorization": "Basic /w=="}}, 401, "invalid_client"),
        ({"auth": None, "headers": {"Authorization": "Basic ZGVtbw=="}}, 401, "invalid_client"),
        ({"auth": None, "headers": {"Authorization": "Basic"}}, 401, "invalid_client"),
        ({"data": {}}, 400, "invalid_request"),
        ({"data": b"", "headers": {"Content-Type": publicapi.FORM}}, 400, "unsupported_grant_type"),
        ({"data": {"grant_type": "password"}}, 400, "unsupported_grant_type"),
        ({"data": {"grant_type": ["client_credentials"] * 2}}, 400, "unsupported_grant_type"),
        ({"data": {**GRANT, "scope": "routing"}}, 400, "invalid_scope"),
        ({"data": {**GRANT, "client_id": CLIENT[0]}}, 400, "invalid_request"),
    ],
)
def test_a_token_is_refused(start, options, status, error):
    simulator, client = start()
    del client.headers["Authorization"]
    answer = client.post("/oauth/token", **{"data": GRANT, "auth": CLIENT, **options})
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json().keys() == {"error", "description", "error_description"}
    assert answer.headers["ININ-Correlation-Id"]
    assert simulator.state()["tokens_issued"] == 1


def test_an_empty_scope_counts_as_no_scope(start):
    _, client = start()
    assert client.login(data={**GRANT, "scope": ""})
    assert_error(client.get("/oauth/token"), 405, "method.not.allowed")


def test_a_token_shows_its_client_and_can_be_deleted(start):
    _, client = start()
    info = client.get(TOKEN).json()
    assert info["OAuthClient"]["id"] == "demo-client"
    assert info["organization"] == info["homeOrganization"]
    assert info["organization"].keys() == {"id", "name"}
    assert (client.head(TOKEN).status_code, client.head(TOKEN).content) == (200, b"")
    assert (client.delete(TOKEN).status_code, client.head(TOKEN).status_code) == (200, 401)
    for method in ("GET", "DELETE"):
        assert_error(client.request(method, TOKEN), 401, "bad.credentials")


def test_a_token_expires_in_the_servers_clock(start, fake_time):
    _, client = start(expires_in=100)
    fake_time.now += 99.9
    assert client.get(QUEUE).status_code == 200
    fake_time.now += 0.1
    assert_error(client.get(QUEUE), 401, "bad.credentials")


def test_a_missing_or_unknown_token_is_401_before_anything_else(start):
    _, client = start()
    for authorization in (None, "Basic ZGVtbzp4", "demo"):
        answer = client.get("/api/v2/no/such", headers={"Authorization": authorization})
        assert_error(answer, 401, "authentication.required")
    assert_error(client.put(QUEUE, headers={"Authorization": "Bearer made-up"}), 401, "bad.credentials")


# Paths and methods


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2/platform/webhooks",
        "/api/v2/routing/queue/queue-001",
        "/api/v2/routing//queues/queue-001",
        f"{QUEUE}/",
        f"{QUEUES}//members",
        f"{QUEUE}/users",
        "/api/v1/routing/queues",
        "/x",
        "/",
    ],
)
def test_an_unknown_path_is_404(start, path):
    _, client = start()
    for method in ("GET", "POST"):
        assert_error(client.request(method, path, json={}), 404, "not.found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", QUEUE, "GET, PUT, DELETE"),
        ("POST", QUEUE, "GET, PUT, DELETE"),
        ("PUT", MEMBERS, "GET, POST, PATCH"),
        ("GET", f"{MEMBERS}/agent-001", "PATCH, DELETE"),
        ("PUT", f"{MEMBERS}/agent-001", "PATCH, DELETE"),
        ("PATCH", f"{user_skills('agent-001')}/skill-support", "PUT, DELETE"),
        ("OPTIONS", TOKEN, "GET, HEAD, DELETE"),
    ],
)
def test_a_method_that_the_path_does_not_have_is_405(start, method, path, allow):
    _, client = start()
    answer = client.request(method, path, json={})
    assert_error(answer, 405, "method.not.allowed")
    assert answer.headers["Allow"] == allow
    assert client.head(QUEUE).status_code == 405
    assert client.get(QUEUE).status_code == 200  # the connection is still usable


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", QUEUES),
        ("DELETE", QUEUE),
        ("POST", f"{MEMBERS}?delete=true"),
        ("DELETE", f"{MEMBERS}/agent-001"),
        ("POST", SKILLS),
        ("DELETE", f"{SKILLS}/skill-support"),
        ("GET", f"{MEMBERS}?presence=Available"),
        ("GET", f"{QUEUES}?hasPeer=true"),
    ],
)
def test_a_real_path_that_is_not_simulated_is_501(start, method, path):
    _, client = start()
    assert_error(client.request(method, path, json={} if method == "POST" else None), 501, "not.simulated")


# Permissions


def test_the_default_permissions_allow_what_is_simulated():
    needed = {name for key in OPERATIONS for name in publicapi.operation(*key).permissions}
    assert needed - set(DEFAULT_PERMISSIONS.split()) == {"oauth:client:edit"}  # of a client of its own


@pytest.mark.parametrize(
    ("method", "path", "code", "missing"),
    [
        ("GET", QUEUE, "missing.permissions", "routing:queue:view"),
        ("GET", QUEUES, "missing.any.permissions", "routing:queue:view"),
        ("PUT", QUEUE, "missing.any.permissions", "routing:queue:edit"),
        ("GET", MEMBERS, "missing.any.permissions", "routing:queueMember:manage"),
        ("PATCH", MEMBERS, "missing.any.permissions", "routing:queueMember:manage"),
        ("PATCH", f"{MEMBERS}/agent-001", "missing.any.permissions", "routing:queue:edit"),
        ("GET", SKILLS, "missing.any.permissions", "routing:skill:view"),
        ("POST", user_skills("agent-001"), "missing.permissions", "routing:skill:assign"),
        ("PUT", f"{user_skills('agent-001')}/skill-support", "missing.permissions", "routing:skill:assign"),
        ("PATCH", f"{user_skills('agent-001')}/bulk", "missing.any.permissions", "routing:skill:assign"),
    ],
)
def test_a_missing_permission_is_403_and_is_named(start, method, path, code, missing):
    simulator, client = start(permissions="wfm:made:up")
    for place in (path, re.sub("queue-001|agent-001", "made-up", path)):
        assert_error(client.request(method, place, json={}), 403, code, missing)
    assert client.get(TOKEN).status_code == 200
    simulator.change_settings(permissions=DEFAULT_PERMISSIONS)
    assert client.request(method, path.replace("001", "made-up"), json={}).status_code in {200, 400, 404}


def test_one_of_several_permissions_is_enough(start):
    simulator, client = start(permissions="routing:queueMember:manage")
    with_rings(simulator)
    assert client.get(MEMBERS).status_code == 200
    assert client.ring("agent-001", 2).status_code == 202
    assert client.get(f"{QUEUES}/made-up/members").status_code == 404
    assert client.get(user_skills("agent-001")).status_code == 200  # needs none
    assert_error(client.get(QUEUE), 403, "missing.permissions", "routing:queue:view")


# Queues


def test_a_new_queue_has_the_fields_of_a_real_queue(start):
    _, client = start(agents=5, unjoined=2)
    queue = client.get(QUEUE).json()
    assert not publicapi.validate(queue, "Queue")
    assert not publicapi.validate(queue, "QueueRequest")
    assert {"utilizationThreshold", "wrapUpTimeout", "version", "bullseye"}.isdisjoint(queue)
    assert queue["mediaSettings"]["call"]["serviceLevel"] == {"percentage": 0.8, "durationMs": 20_000}
    assert queue["acwSettings"].keys() == {"wrapupPrompt", "timeoutMs"}
    assert (queue["skillEvaluationMethod"], queue["routingRules"], queue["memberGroups"]) == ("ALL", [], [])
    assert (queue["memberCount"], queue["userMemberCount"], queue["joinedMemberCount"]) == (5, 5, 3)


def test_the_counts_follow_the_members(start):
    simulator, client = start(agents=3)
    client.patch(f"{MEMBERS}/agent-001", json={"joined": False})
    simulator.edit_member("queue-001", "agent-002", memberBy="group")
    queue = client.get(QUEUE).json()
    assert (queue["memberCount"], queue["userMemberCount"], queue["joinedMemberCount"]) == (3, 2, 2)


def test_a_queue_can_be_read_changed_and_put(start):
    simulator, client = start()
    before = client.get(QUEUE).json()
    rings = [ring(20), ring()]
    answer = client.put(QUEUE, json=before | {"skillEvaluationMethod": "BEST", "bullseye": {"rings": rings}})
    assert answer.status_code == 200
    after = client.get(QUEUE).json()
    assert after == answer.json() == queue_of(simulator)
    assert after["modifiedBy"] == "demo-client"
    assert after["dateModified"] > before["dateModified"]
    written = {name: after[name] for name in WRITTEN}
    assert after == before | written | {"skillEvaluationMethod": "BEST", "bullseye": {"rings": rings}}


def test_a_put_replaces_the_whole_queue(start):
    _, client = start()
    before = client.get(QUEUE).json()
    assert client.put(QUEUE, json={"name": "Only a name"}).status_code == 200
    after = client.get(QUEUE).json()
    assert after.keys() == {"name", *FACTS, *WRITTEN}
    assert {name: after[name] for name in FACTS} == {name: before[name] for name in FACTS}


def test_read_only_fields_in_a_put_are_ignored(start):
    _, client = start()
    before = client.get(QUEUE).json()
    claims = {"dateCreated": "2020-01-01T00:00:00Z", "createdBy": "me", "memberCount": 99, "selfUri": "/x"}
    claims |= {"dateModified": "2020-01-01T00:00:00Z", "modifiedBy": "me"}
    assert client.put(QUEUE, json=before | claims).status_code == 200
    after = client.get(QUEUE).json()
    assert {name: after[name] for name in FACTS} == {name: before[name] for name in FACTS}
    assert (after["modifiedBy"], after["dateModified"] > before["dateModified"]) == ("demo-client", True)


def test_unknown_fields_survive_only_if_the_put_repeats_them(start):
    simulator, client = start()
    newer = {"futureRouting": {"deep": [{"er": 1}]}, "mediaSettings": {"call": {"futureTone": "x"}}}
    simulator.put_queue("queue-001", queue=newer)
    queue = client.get(QUEUE).json()
    assert queue["futureRouting"] == newer["futureRouting"]
    assert client.put(QUEUE, json=queue | {"futureRouting": {"deep": [], "added": 1}}).status_code == 200
    assert client.get(QUEUE).json()["futureRouting"] == {"deep": [], "added": 1}
    assert client.get(QUEUE).json()["mediaSettings"] == newer["mediaSettings"]
    refused = client.put(QUEUE, json=queue | {"otherRouting": 1})
    assert_error(refused, 400, "invalid.property", "[otherRouting] is not a valid property for object [QueueRequest]")
    misplaced = queue | {"mediaSettings": {"chat": {"futureTone": "x"}}}
    assert_error(client.put(QUEUE, json=misplaced), 400, "invalid.property", "mediaSettings.chat.futureTone")
    del queue["futureRouting"]
    assert client.put(QUEUE, json=queue).status_code == 200
    assert "futureRouting" not in client.get(QUEUE).json()
    again = client.put(QUEUE, json=queue | {"futureRouting": {}})
    assert_error(again, 400, "invalid.property")  # the queue no longer has it


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"utilizationThreshold": 0.8}, "invalid.property", "utilizationThreshold"),
        ({"wrapUpTimeout": 30}, "invalid.property", "wrapUpTimeout"),
        ({"mediaSettings": {"call": {"serviceLevl": {}}}}, "invalid.property", "mediaSettings.call.serviceLevl"),
        ({"name": None}, "bad.request", "name must be a string"),
        ({"name": " "}, "bad.request", "name"),
        ({"id": "queue-002"}, "bad.request", "id must be"),
        ({"description": None}, "bad.request", "description must be a string"),
        ({"enableTranscription": "true"}, "bad.request", "true or false"),
        ({"skillEvaluationMethod": "Best"}, "bad.request", "NONE, BEST, ALL"),
        ({"dateCreated": "yesterday"}, "bad.request", "ISO 8601"),
        ({"dateCreated": "2026-01-01"}, "bad.request", "ISO 8601"),
        ({"memberCount": True}, "bad.request", "memberCount must be an integer"),
        ({"memberCount": 1.5}, "bad.request", "memberCount must be an integer"),
        ({"routingRules": {}}, "bad.request", "an array"),
        ({"routingRules": [{"operator": "ANY", "waitSeconds": 1}]}, "bad.request", "at least 2"),
        ({"routingRules": [{"operator": "ANY", "waitSeconds": 259201}]}, "bad.request", "at most 259200"),
        ({"routingRules": [{"operator": "ANY"}] * 7}, "bad.request", "at most 6 items"),
        ({"routingRules": [{"operator": "ALL", "waitSeconds": 2}]}, "bad.request", "MEETS_THRESHOLD, ANY"),
        ({"routingRules": [{"threshold": 100, "waitSeconds": 2}]}, "bad.request", "Rule 1 of routingRules needs an op"),
        ({"routingRules": [{"operator": "MEETS_THRESHOLD"}]}, "bad.request", "needs a threshold"),
        ({"routingRules": [{"operator": "MEETS_THRESHOLD", "threshold": 101}]}, "bad.request", "0 to 100"),
        ({"routingRules": [{"operator": "MEETS_THRESHOLD", "threshold": -1}]}, "bad.request", "0 to 100"),
        ({"routingRules": [{"operator": "MEETS_THRESHOLD", "threshold": 9.5}]}, "bad.request", "an integer"),
        ({"conditionalGroupRouting": {"rules": [{}] * 6}}, "bad.request", "at most 5 items"),
        ({"conditionalGroupRouting": {"rules": [{"metric": "Wait"}]}}, "bad.request", "EstimatedWaitTime"),
        ({"conditionalGroupActivation": {"rules": []}}, "bad.request", "at least 1 items"),
        ({"conditionalGroupRouting": {}, "conditionalGroupActivation": {}}, "bad.request", "exclude each other"),
        ({"bullseye": {"rings": [{}]}}, "bad.request", "at least 2 items"),
        ({"bullseye": {"rings": [{}] * 7}}, "bad.request", "at most 6 items"),
        ({"acwSettings": {"wrapupPrompt": "MANDATORY_TIMEOUT", "timeoutMs": 999}}, "bad.request", "at least 1000"),
        ({"acwSettings": {"wrapupPrompt": "MANDATORY_TIMEOUT", "timeoutMs": 3_600_001}}, "bad.request", "at most"),
        ({"acwSettings": {"wrapupPrompt": "OPTIONAL", "timeoutMs": 9_000}}, "bad.request", "can only be used"),
        ({"acwSettings": {"timeoutMs": 9_000}}, "bad.request", "can only be used"),
        ({"mediaSettings": {"call": {"serviceLevel": {"percentage": 1.1}}}}, "bad.request", "at most 1"),
        ({"mediaSettings": {"message": {"subTypeSettings": {"sms": {"x": 1}}}}}, "invalid.property", "subTypeSettings"),
    ],
)
def test_a_bad_put_is_400_and_changes_nothing(start, change, code, said):
    _, client = start()
    before = client.get(QUEUE).json()
    assert_error(client.put(QUEUE, json=before | change), 400, code, said)
    assert client.get(QUEUE).json() == before


def test_the_rules_of_preferred_agents_are_kept_as_they_were_put(start):
    _, client = start()
    rules = [
        {"operator": "MEETS_THRESHOLD", "threshold": 100, "waitSeconds": 10.0},
        *({"operator": "MEETS_THRESHOLD", "threshold": score, "waitSeconds": 2.0} for score in (80, 60, 40, 0)),
        {"operator": "ANY", "waitSeconds": 259200.0},
    ]
    assert client.put(QUEUE, json=client.get(QUEUE).json() | {"routingRules": rules}).status_code == 200
    assert client.get(QUEUE).json()["routingRules"] == rules


def test_a_put_needs_a_name_a_json_type_and_a_queue(start):
    _, client = start()
    assert_error(client.put(QUEUE, json={"description": "x"}), 400, "bad.request", "name is required")
    assert_error(client.put(QUEUE, json=[]), 400, "bad.request", "an object")
    assert_error(client.put(QUEUE, data=b'{"name": "x"}'), 415, "unsupported.media.type")
    assert_error(client.put(f"{QUEUES}/other", json={"name": "x"}), 404, "not.found")
    typed = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.put(QUEUE, data=b'{"name": "x"}', headers=typed).status_code == 200


def put_rings(client, *rings):
    queue = client.get(QUEUE).json()
    kept = {name: value for name, value in queue.items() if name != "bullseye"}
    return client.put(QUEUE, json=kept | ({"bullseye": {"rings": list(rings)}} if rings else {}))


@pytest.mark.parametrize("last", [{}, {"expansionCriteria": []}, {"expansionCriteria": [{"type": "TIMEOUT_SECONDS"}]}])
def test_every_ring_needs_a_timeout_the_last_one_too(start, last):
    _, client = start()
    assert_error(put_rings(client, ring(), ring(), last), 400, "bad.request", "Ring 3 needs")
    assert "bullseye" not in client.get(QUEUE).json()
    assert put_rings(client, ring(), ring(), ring(0)).status_code == 200


def test_a_ring_that_the_queue_does_not_have_is_refused(start):
    simulator, client = start(agents=1)
    assert client.ring("agent-001", 1).status_code == 202
    assert_error(client.ring("agent-001", 2), 400, "bad.request", "Ring 2 does not exist")
    assert put_rings(client, ring(), ring(), ring()).status_code == 200
    assert client.ring("agent-001", 3).status_code == 202
    assert_error(client.ring("agent-001", 4), 400, "bad.request", "the queue has 3")
    assert rings(simulator) == {"agent-001": 3}


def test_a_ring_with_members_cannot_be_removed(start):
    simulator, client = start(agents=2)
    group = {"id": "night-shift", "type": "GROUP"}
    assert put_rings(client, ring(), ring(), ring(), ring(5, group)).status_code == 200
    client.ring("agent-002", 3)
    assert_error(put_rings(client, ring(), ring(), ring()), 400, "bad.request", "member groups")
    assert put_rings(client, ring(), ring(), ring(), ring()).status_code == 200
    assert put_rings(client, ring(), ring(), ring()).status_code == 200
    assert_error(put_rings(client, ring(), ring()), 400, "bad.request", "Ring 3 has members")
    assert_error(put_rings(client), 400, "bad.request", "Ring 3 has members")
    client.ring("agent-002", 2)
    assert put_rings(client, ring(), ring()).status_code == 200
    client.ring("agent-002", 1)
    assert put_rings(client).status_code == 200
    simulator.edit_member("queue-001", "agent-001", ringNumber=6)
    assert put_rings(client).status_code == 200  # this PUT removes no ring, although a member is in a missing one


def test_every_rule_except_the_last_has_a_wait(start):
    _, client = start()
    rule = {"metric": "ServiceLevel", "operator": "LessThan", "conditionValue": 0.8, "groups": [{"id": "g"}]}
    for rules, status in (([rule], 200), ([rule | {"waitSeconds": 2}, rule], 200), ([rule, rule], 400)):
        queue = client.get(QUEUE).json()
        put = client.put(QUEUE, json=queue | {"conditionalGroupRouting": {"rules": rules}})
        assert put.status_code == status
    assert_error(put, 400, "bad.request", "waitSeconds")


def test_a_member_write_may_change_the_queues_date(start):
    simulator, client = start(agents=2)
    before = queue_of(simulator)
    client.ring("agent-001", 1)
    assert queue_of(simulator) == before
    simulator.change_settings(members_date_queue=True)
    client.ring("agent-001", 1)
    once = queue_of(simulator)
    assert (once["modifiedBy"], once["dateModified"] > before["dateModified"]) == ("demo-client", True)
    client.patch(MEMBERS, json=[{"id": "agent-001", "joined": True}])
    twice = queue_of(simulator)
    assert twice["dateModified"] > once["dateModified"]
    client.rate("agent-001", "skill-support", 1)  # belongs to the user, not to a queue
    assert queue_of(simulator) == twice


def test_queues_are_listed_by_name(start):
    simulator, client = start()
    for queue_id, name in (("q-3", "Sales East"), ("q-2", "Support"), ("q-1", "Sales West")):
        simulator.put_queue(queue_id, agents=1, queue={"name": name})
    listing = client.get(QUEUES, params={"pageSize": 2}).json()
    assert not publicapi.validate(listing, "QueueEntityListing")
    assert [queue["id"] for queue in listing["entities"]] == ["queue-001", "q-3"]
    assert (listing["total"], listing["pageCount"], listing["nextUri"]) == (
        4,
        2,
        f"{QUEUES}?pageSize=2&pageNumber=2",
    )
    assert ids(client.get(listing["nextUri"])) == ["q-1", "q-2"]
    for query, found in (
        ("name=support", ["q-2"]),
        ("name=sales*", ["q-3", "q-1"]),
        ("name=*WEST", ["q-1"]),
        ("name=*s*t*", []),
        ("name=*st*", ["q-3", "q-1"]),
        ("name=sales", []),
        ("id=q-1&id=q-2", ["q-1", "q-2"]),
        ("id=q-1,q-2&sortOrder=desc", ["q-2", "q-1"]),
    ):
        assert ids(client.get(f"{QUEUES}?{query}")) == found, query
    assert_error(client.get(f"{QUEUES}?sortOrder=down"), 400, "bad.request")


# Members


def test_members_are_paged_by_name_without_a_total(start):
    _, client = start(agents=105)
    pages = [client.get(MEMBERS, params={"pageSize": 50, "pageNumber": page}).json() for page in (1, 2, 3, 4)]
    assert [len(page["entities"]) for page in pages] == [50, 50, 5, 0]
    listed = [member["name"] for page in pages for member in page["entities"]]
    assert len(set(listed)) == 105
    assert listed == sorted(listed)
    links = [page.keys() - {"entities", "pageSize", "pageNumber", "selfUri", "firstUri"} for page in pages]
    assert links == [{"nextUri"}, {"nextUri", "previousUri"}, {"previousUri"}, {"previousUri"}]
    assert client.get(pages[0]["nextUri"]).json() == pages[1]
    assert client.get(pages[1]["previousUri"]).json() == client.get(pages[1]["firstUri"]).json() == pages[0]
    assert [len(client.get(f"{MEMBERS}{query}").json()["entities"]) for query in ("", "?pageSize=100")] == [25, 100]


def test_the_page_parameter_of_the_other_contract_is_ignored(start):
    _, client = start(agents=30)
    assert ids(client.get(f"{MEMBERS}?page=2&pageSize=10")) == ids(client.get(f"{MEMBERS}?pageSize=10"))


def test_members_are_sorted_by_name(start):
    simulator, client = start()
    simulator.put_queue(
        "queue-001", members=[{"user": {"id": "a", "name": "Zoe"}}, {"user": {"id": "z"}}, *named("Bo")]
    )
    assert ids(client.get(MEMBERS)) == ["bo", "a", "z"]
    assert ids(client.get(f"{MEMBERS}?sortOrder=desc")) == ["z", "a", "bo"]


@pytest.mark.parametrize(
    "query",
    [
        "pageSize=101",
        "pageSize=0",
        "pageSize=ten",
        "pageSize=%D9%A1",
        "pageNumber=0",
        "pageNumber=-1",
        "pageNumber=",
        "pageNumber=1&pageNumber=2",
        "joined=yes",
        "memberBy=team",
        "expand=skill",
        "sortOrder=up",
    ],
)
def test_a_bad_members_query_is_400(start, query):
    _, client = start()
    assert_error(client.get(f"{MEMBERS}?{query}"), 400, "bad.request")


def test_expand_adds_fields_to_a_member(start):
    _, client = start(agents=2)
    plain = client.get(MEMBERS).json()["entities"][0]
    assert plain == {
        "id": "agent-001",
        "name": "Ada Abel",
        "user": {
            "id": "agent-001",
            "name": "Ada Abel",
            "email": "ada.abel@example.com",
            "state": "active",
            "version": 1,
            "selfUri": "/api/v2/users/agent-001",
        },
        "ringNumber": 1,
        "joined": True,
        "memberBy": "user",
        "selfUri": f"{MEMBERS}/agent-001",
    }
    skilled = client.get(f"{MEMBERS}?expand=skills").json()["entities"][0]
    assert "routingStatus" not in skilled | skilled["user"]
    assert [(skill["id"], skill["proficiency"]) for skill in skilled["user"]["skills"]] == [("skill-support", 4.0)]
    joined = client.get(f"{MEMBERS}?expand=skills,routingStatus,presence")
    repeated = client.get(f"{MEMBERS}?expand=routingStatus&expand=skills")
    assert joined.json()["entities"] == repeated.json()["entities"]
    member = joined.json()["entities"][0]
    assert member["routingStatus"] == member["user"]["routingStatus"]
    assert (member["routingStatus"]["status"], member["routingStatus"]["userId"]) == ("IDLE", "agent-001")
    assert not publicapi.validate(member, "QueueMember")


def test_members_are_filtered(start):
    simulator, client = start()
    members = named("Ann", "Bo", "Cy")
    members[0] |= {"joined": False}
    members[2] |= {"memberBy": "group", "ringNumber": 3, "routingStatus": {"status": "OFF_QUEUE"}}
    simulator.put_queue("queue-001", members=members)
    for query, found in (
        ("joined=true", ["bo", "cy"]),
        ("joined=False", ["ann"]),
        ("memberBy=group", ["cy"]),
        ("memberBy=user&joined=True", ["bo"]),
        ("name=N", ["ann"]),
        ("name=", ["ann", "bo", "cy"]),
    ):
        assert ids(client.get(f"{MEMBERS}?{query}")) == found, query
    paged = client.get(f"{MEMBERS}?joined=true&pageSize=1").json()
    assert ids(client.get(paged["nextUri"])) == ["cy"]


def test_a_ring_or_joining_is_accepted_with_an_empty_answer(start):
    simulator, client = start(agents=3)
    with_rings(simulator)
    answer = client.ring("agent-002", 6)
    assert (answer.status_code, answer.content) == (202, b"")
    assert client.patch(f"{MEMBERS}/agent-003", json={"joined": False}).status_code == 202
    assert rings(simulator) == {"agent-001": 1, "agent-002": 6, "agent-003": 1}
    assert joined(simulator) == ["agent-001", "agent-002"]
    assert queue_of(simulator)["modifiedBy"] == "user-in-the-console"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"ringNumber": 0}, "bad.request"),
        ({"ringNumber": 7}, "bad.request"),
        ({"ringNumber": 2.0}, "bad.request"),
        ({"ringNumber": "2"}, "bad.request"),
        ({"ringNumber": True}, "bad.request"),
        ({"ringNumber": None}, "bad.request"),
        ({"joined": 1}, "bad.request"),
        ({"ringNumber": 2, "joined": True}, "bad.request"),
        ({}, "bad.request"),
        ({"id": "agent-001"}, "bad.request"),
        ({"id": "agent-002", "ringNumber": 2}, "bad.request"),
        ({"name": "Ann", "ringNumber": 2}, "bad.request"),
        ({"memberBy": "group"}, "bad.request"),
        ({"routingStatus": {"status": "IDLE"}, "joined": True}, "bad.request"),
        ({"user_id": "agent-001", "routing_type": "Automatic", "score": 0.4}, "invalid.property"),
        ({"score": 0.4}, "invalid.property"),
        ({"ringNumber": 2, "weight": 1}, "invalid.property"),
        ([{"id": "agent-001", "ringNumber": 2}], "bad.request"),
        ("ringNumber", "bad.request"),
    ],
)
def test_a_bad_member_patch_is_400_and_changes_nothing(start, body, code):
    simulator, client = start()
    before = simulator.state()
    assert_error(client.patch(f"{MEMBERS}/agent-001", json=body), 400, code)
    assert simulator.state() == before


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        ({"status": "NOT_RESPONDING"}, {"status": "NOT_RESPONDING"}),
        ({"status": "EMPTY"}, {"status": "EMPTY"}),
        ({"status": "ON_THE_MOON"}, {"status": "ON_THE_MOON"}),
        ({"status": None}, {"status": None}),
        ({}, {}),
        (None, None),
        ("absent", "nothing"),
    ],
)
def test_every_routing_status_is_listed(start, given, listed):
    simulator, client = start()
    client.put("/_sim/queues/queue-001", json={"members": [{"user": {"id": "ann"}, "routingStatus": given}]})
    simulator.put_queue("other", members=[{"user": {"id": "bo"}}])
    assert client.patch("/_sim/queues/other/members/bo", json={"routingStatus": given}).status_code == 200
    for queue_id in ("queue-001", "other"):
        (member,) = client.get(f"{QUEUES}/{queue_id}/members?expand=routingStatus").json()["entities"]
        for entity in (member, member["user"]):
            shown = entity.get("routingStatus", "nothing")
            assert (shown | listed if isinstance(shown, dict) else shown) == (
                shown if isinstance(listed, dict) else listed
            )
    query = {"filter": {"type": "or", "predicates": [{"dimension": "queueId", "value": "other"}]}}
    observed = client.post(f"{OBSERVATIONS}", json=query | {"metrics": ["oOnQueueUsers"]})
    assert observed.status_code == 200


def test_a_deleted_user_cannot_be_written(start):
    simulator, client = start(agents=0)
    simulator.put_queue("queue-001", members=[{"user": {"id": "ann", "state": "inactive"}}, *named("Bo", "Cy")])
    assert client.patch("/_sim/users/bo", json={"state": "deleted"}).status_code == 200
    listed = {member["id"]: member["user"]["state"] for member in client.get(MEMBERS).json()["entities"]}
    assert listed == {"ann": "inactive", "bo": "deleted", "cy": "active"}
    assert client.get(QUEUE).json()["memberCount"] == 3
    before = simulator.state()
    assert before["users"]["bo"]["state"] == "deleted"
    assert_error(client.patch(f"{MEMBERS}/bo", json={"joined": False}), 404, "not.found", "deleted")
    for method, path in (("POST", ""), ("PATCH", "/bulk"), ("PUT", "/bulk"), ("PUT", "/skill-support")):
        assert_error(client.request(method, f"{user_skills('bo')}{path}", json=[]), 404, "not.found", "deleted")
    bulk = client.patch(MEMBERS, json=[{"id": "bo", "joined": False}])
    assert (bulk.status_code, bulk.json()["entities"]) == (200, [])
    assert simulator.state() == before
    assert client.patch(f"{MEMBERS}/ann", json={"joined": False}).status_code == 202
    simulator.put_queue("other", members=named("Bo"))
    assert simulator.state()["users"]["bo"]["state"] == "deleted"  # the user belongs to the organisation
    for wrong in ({"state": "gone"}, {"name": 7}, {"id": "x"}):
        assert_error(client.patch("/_sim/users/bo", json=wrong), 400, "bad.request")


def test_ids_compare_without_regard_to_case(start):
    simulator, client = start(agents=0)
    queue_id, user_id, skill_id = (f"{letter}a0f5-11e1-4b6e" for letter in "abc")
    simulator.put_queue(queue_id.upper(), members=[{"user": {"id": user_id}}], skills=[{"id": skill_id}])
    queue = f"{QUEUES}/{queue_id}"
    document = client.get(queue).json()
    assert (document["id"], document["selfUri"]) == (queue_id.upper(), f"{QUEUES}/{queue_id.upper()}")
    assert client.put(queue, json=document | {"id": queue_id, "description": "new"}).json()["id"] == queue_id.upper()
    assert client.patch(f"{queue}/members/{user_id.upper()}", json={"id": user_id, "ringNumber": 1}).status_code == 202
    bulk = client.patch(f"{queue}/members", json=[{"id": user_id.upper(), "joined": False}])
    assert [(member["id"], member["joined"]) for member in bulk.json()["entities"]] == [(user_id, False)]
    twice = [{"id": one, "joined": False} for one in (user_id.upper(), user_id)]
    assert_error(client.patch(f"{queue}/members", json=twice), 400, "bad.request", "twice")
    skills = user_skills(user_id.upper())
    assigned = client.patch(f"{skills}/bulk", json=[{"id": skill_id.upper(), "proficiency": 2}])
    assert ids(assigned) == [skill_id]
    assert client.put(f"{skills}/{skill_id.upper()}", json={"proficiency": 3}).json()["id"] == skill_id
    assert ids(client.get(f"{SKILLS}?id={skill_id.upper()}")) == [skill_id]
    assert ids(client.get(f"{QUEUES}?id={queue_id}")) == [queue_id.upper()]
    state = simulator.state()
    assert state["queues"].keys() == {"queue-001", queue_id.upper()}
    assert proficiencies(simulator, user_id) == {skill_id: 3.0}
    simulator.put_queue(queue_id, agents=1)
    assert simulator.state()["queues"].keys() == state["queues"].keys()
    with pytest.raises(ValueError, match="same user id"):
        simulator.put_queue("other", members=[{"user": {"id": one}} for one in (user_id, user_id.upper())])


def test_a_short_page_in_the_middle_is_not_the_last(start):
    simulator, client = start(agents=9, second_page=1)
    for size, second, lengths in (
        (4, 1, [4, 1, 4]),
        (4, 0, [4, 0, 4, 1]),
        (3, 2, [3, 2, 3, 1]),
        (9, 0, [9]),
        (4, 9, [4, 4, 1]),
    ):
        simulator.change_settings(second_page=second)
        pages = [client.get(f"{MEMBERS}?pageSize={size}").json()]
        while "nextUri" in pages[-1]:
            pages.append(client.get(pages[-1]["nextUri"]).json())
        assert [len(page["entities"]) for page in pages] == lengths
        listed = [member["id"] for page in pages for member in page["entities"]]
        assert listed == [f"agent-{number:03}" for number in range(1, 10)]


def test_members_slide_while_pages_are_read(start):
    simulator, client = start(agents=6)
    leave = {"action": "remove_member", "path": "/members$", "skip": 1, "body": {"id": "agent-001"}}
    simulator.add_faults(leave)
    first, second = (ids(client.get(f"{MEMBERS}?pageSize=3&pageNumber={number}")) for number in (1, 2))
    assert (first, second) == (["agent-001", "agent-002", "agent-003"], ["agent-005", "agent-006"])
    assert client.get(QUEUE).json()["memberCount"] == 5
    joins = {"user": {"id": "newcomer", "name": "Aaron"}, "joined": False}
    simulator.add_faults({"action": "add_member", "path": "/members$", "skip": 1, "body": joins})
    first, second = (ids(client.get(f"{MEMBERS}?pageSize=3&pageNumber={number}")) for number in (1, 2))
    assert (first, second) == (["agent-002", "agent-003", "agent-004"], ["agent-004", "agent-005", "agent-006"])
    queue = client.get(QUEUE).json()
    assert (queue["memberCount"], queue["joinedMemberCount"]) == (6, 5)
    assert client.delete("/_sim/queues/queue-001/members/newcomer").status_code == 200
    assert client.delete("/_sim/queues/queue-001/members/newcomer").status_code == 404
    assert client.post("/_sim/queues/queue-001/members", json={"user": {"id": "Dee"}}).status_code == 200
    assert client.get(QUEUE).json()["memberCount"] == 6


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "remove_member"},
        {"action": "remove_member", "body": {"id": 7}},
        {"action": "add_member", "body": {"id": "ann"}},
        {"action": "add_member", "body": {"user": {"id": "ann", "state": "gone"}}},
        {"action": "add_member", "body": {"user": {"id": "ann"}}, "status": 200},
    ],
)
def test_a_bad_slide_is_400(start, rule):
    _, client = start()
    assert_error(client.post("/_sim/faults", json=rule), 400, "bad.request")


def test_only_members_can_be_patched_and_not_the_ring_of_a_group(start):
    simulator, client = start(agents=2)
    with_rings(simulator)
    simulator.edit_member("queue-001", "agent-002", memberBy="group")
    assert_error(client.ring("stranger", 2), 404, "not.found")
    assert_error(client.patch(f"{QUEUES}/other/members/agent-001", json={"ringNumber": 2}), 404, "not.found")
    assert_error(client.ring("agent-002", 2), 400, "bad.request", "group")
    assert client.patch(f"{MEMBERS}/agent-002", json={"joined": False}).status_code == 202


def test_many_members_join_in_one_request(start):
    simulator, client = start(agents=100, unjoined=0)
    body = [{"id": f"agent-{number:03}", "joined": number > 98} for number in range(1, 100)]
    answer = client.patch(MEMBERS, json=[*body, {"id": "stranger", "joined": True}])
    assert answer.status_code == 200
    assert not publicapi.validate(answer.json(), "QueueMemberEntityListing")
    assert len(answer.json()["entities"]) == 99
    assert not answer.json()["entities"][0]["joined"]
    assert joined(simulator) == ["agent-099", "agent-100"]
    assert rings(simulator).keys() == {f"agent-{number:03}" for number in range(1, 101)}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([{"id": "agent-001", "joined": False}] * 101, "bad.request"),
        ([], "bad.request"),
        ([{"id": "agent-001", "ringNumber": 2}], "bad.request"),
        ([{"id": "agent-001", "joined": False, "ringNumber": 2}], "bad.request"),
        ([{"id": "agent-001"}], "bad.request"),
        ([{"joined": False}], "bad.request"),
        ([{"id": "agent-001", "joined": "false"}], "bad.request"),
        ([{"id": "agent-001", "joined": False, "score": 1}], "invalid.property"),
        ([{"id": "agent-001", "joined": False}, {"id": "agent-001", "joined": True}], "bad.request"),
        ({"id": "agent-001", "joined": False}, "bad.request"),
        (["agent-001"], "bad.request"),
    ],
)
def test_a_bad_bulk_is_400_and_changes_nothing(start, body, code):
    simulator, client = start()
    before = simulator.state()
    assert_error(client.patch(MEMBERS, json=body), 400, code)
    assert simulator.state() == before


# Skills


def test_skills_belong_to_the_user_in_every_queue(start):
    simulator, client = start(agents=2)
    simulator.put_queue("other", members=named("Ann"), skills=[{"id": "dedicated", "name": "Dedicated"}])
    simulator.put_queue(
        "third", members=[{"user": {"id": "agent-001"}}], skills=[{"id": "dedicated", "proficiency": 2}]
    )
    assert proficiencies(simulator, "agent-001") == {"skill-support": 4.0, "dedicated": 2.0}
    assert proficiencies(simulator, "ann") == {}
    assert client.rate("agent-001", "dedicated", 3.5).status_code == 200
    for queue_id in ("queue-001", "third"):
        skills = members_of(simulator, queue_id)["agent-001"]["skills"]
        assert {skill["id"]: skill["proficiency"] for skill in skills} == {"skill-support": 4.0, "dedicated": 3.5}
    simulator.put_queue("third", agents=2)
    assert proficiencies(simulator, "agent-001") == {"skill-support": 4.0, "dedicated": 3.5}


def test_a_users_skills_are_paged_with_a_total(start):
    simulator, client = start(agents=1)
    many = [{"id": f"s-{number:02}", "proficiency": 1} for number in range(30)]
    simulator.put_queue("queue-001", members=[{"user": {"id": "ann"}, "skills": many}])
    listing = client.get(user_skills("ann")).json()
    assert not publicapi.validate(listing, "UserSkillEntityListing")
    assert (listing["total"], listing["pageCount"], len(listing["entities"])) == (30, 2, 25)
    assert len(client.get(listing["lastUri"]).json()["entities"]) == 5
    assert ids(client.get(f"{user_skills('ann')}?pageSize=1&sortOrder=descending")) == ["s-29"]
    assert_error(client.get(user_skills("nobody")), 404, "not.found")


def test_an_assigned_proficiency_is_put(start):
    simulator, client = start(agents=2)
    answer = client.rate("agent-001", "skill-support", 0)
    assert answer.status_code == 200
    assert not publicapi.validate(answer.json(), "UserRoutingSkill")
    assert (answer.json()["name"], answer.json()["proficiency"]) == ("Support", 0.0)
    whole = client.get(user_skills("agent-001")).json()["entities"][0]
    assert whole == answer.json()
    assert client.put(whole["selfUri"], json=whole | {"proficiency": 2.5}).json()["proficiency"] == 2.5
    assert proficiencies(simulator, "agent-002") == {"skill-billing": 3.0}


@pytest.mark.parametrize(
    ("decimals", "kept"),
    [
        (15, [2.75, 0.123456, 4.96, 0.05]),
        (1, [2.8, 0.1, 5.0, 0.1]),
        (0, [3.0, 0.0, 5.0, 0.0]),
        (2, [2.75, 0.12, 4.96, 0.05]),
    ],
)
def test_a_proficiency_is_rounded_to_the_set_decimals(start, decimals, kept):
    simulator, client = start(agents=1, proficiency_decimals=decimals)
    read = []
    for wanted in (2.75, 0.123456, 4.96, 0.05):
        put = client.rate("agent-001", "skill-support", wanted)
        read.append(client.get(user_skills("agent-001")).json()["entities"][0]["proficiency"])
        assert put.json()["proficiency"] == read[-1]
    assert read == kept
    simulator.edit_skill("agent-001", "skill-support", 2.75)
    assert proficiencies(simulator, "agent-001") == {"skill-support": kept[0]}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"proficiency": 5.01}, 400, "bad.request"),
        ({"proficiency": -0.1}, 400, "bad.request"),
        ({"proficiency": "4"}, 400, "bad.request"),
        ({"proficiency": True}, 400, "bad.request"),
        ({"proficiency": None}, 400, "bad.request"),
        ({}, 400, "bad.request"),
        ({"id": "skill-billing", "proficiency": 4}, 400, "bad.request"),
        ({"proficiency": 4, "weight": 1}, 400, "invalid.property"),
        ({"proficiency": 4, "state": "gone"}, 400, "bad.request"),
        ([{"proficiency": 4}], 400, "bad.request"),
    ],
)
def test_a_bad_proficiency_is_refused(start, body, status, code):
    simulator, client = start()
    before = simulator.state()
    assert_error(client.put(f"{user_skills('agent-001')}/skill-support", json=body), status, code)
    assert simulator.state() == before


def test_only_an_assigned_skill_can_be_put_or_deleted(start):
    simulator, client = start(agents=1)
    assert_error(client.rate("agent-001", "skill-unknown", 1), 404, "not.found")
    simulator.put_queue("other", agents=1, skills=[{"id": "dedicated"}])
    assert_error(client.rate("agent-001", "dedicated", 1), 404, "not.found")
    assert_error(client.rate("nobody", "dedicated", 1), 404, "not.found")
    assert_error(client.delete(f"{user_skills('agent-001')}/dedicated"), 404, "not.found")
    assigned = client.post(user_skills("agent-001"), json={"id": "dedicated", "proficiency": 1})
    assert (assigned.status_code, assigned.json()["proficiency"]) == (200, 1.0)
    assert client.rate("agent-001", "dedicated", 2).status_code == 200
    answer = client.delete(f"{user_skills('agent-001')}/dedicated")
    assert (answer.status_code, answer.content) == (204, b"")
    assert proficiencies(simulator, "agent-001") == {"skill-support": 4.0}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"id": "skill-billing"}, 400, "bad.request"),
        ({"proficiency": 1}, 400, "bad.request"),
        ({"id": "skill-billing", "proficiency": 6}, 400, "bad.request"),
        ({"id": "skill-billing", "proficiency": 1, "name": "Billing"}, 400, "invalid.property"),
        ({"id": "skill-unknown", "proficiency": 1}, 404, "not.found"),
    ],
)
def test_a_bad_assignment_is_refused_alone_and_in_bulk(start, body, status, code):
    simulator, client = start(agents=2)
    before = simulator.state()
    assert_error(client.post(user_skills("agent-001"), json=body), status, code)
    bulk = [{"id": "skill-support", "proficiency": 1}, body]
    assert_error(client.patch(f"{user_skills('agent-001')}/bulk", json=bulk), status, code)
    assert simulator.state() == before


def test_skills_are_assigned_in_bulk_up_to_fifty(start):
    simulator, client = start(agents=1)
    new = [{"id": f"s-{number:02}"} for number in range(51)]
    simulator.put_queue("other", agents=1, skills=new)
    bulk = f"{user_skills('agent-001')}/bulk"
    body = [skill | {"proficiency": 1.5} for skill in new]
    assert_error(client.patch(bulk, json=body), 400, "bad.request", "at most 50 items")
    assert_error(client.patch(bulk, json=[body[0], body[0]]), 400, "bad.request", "twice")
    assert_error(client.patch(bulk, json=[]), 400, "bad.request")
    assert_error(client.patch(bulk, json=body[0]), 400, "bad.request")
    answer = client.patch(bulk, json=body[:50])
    assert (answer.status_code, answer.json()["total"]) == (200, 51)
    assert not publicapi.validate(answer.json(), "UserSkillEntityListing")
    assert proficiencies(simulator, "agent-001") == {"skill-support": 4.0} | dict.fromkeys(
        [skill["id"] for skill in new[:50]], 1.5
    )


def test_all_skills_of_a_user_are_replaced(start):
    simulator, client = start(agents=2)
    simulator.put_queue("other", agents=1, skills=[{"id": "dedicated", "proficiency": 1}])
    bulk = f"{user_skills('agent-001')}/bulk"
    assert_error(client.put(bulk, json=[{"id": "made-up", "proficiency": 1}]), 404, "not.found")
    answer = client.put(bulk, json=[{"id": "skill-billing", "proficiency": 2}, {"id": "dedicated", "proficiency": 3}])
    assert answer.status_code == 200
    assert not publicapi.validate(answer.json(), "UserSkillEntityListing")
    assert proficiencies(simulator, "agent-001") == {"skill-billing": 2.0, "dedicated": 3.0}
    assert ids(answer) == ["skill-billing", "dedicated"]
    assert client.put(bulk, json=[]).json()["total"] == 0
    assert proficiencies(simulator, "agent-001") == {}
    assert proficiencies(simulator, "agent-002") == {"skill-billing": 3.0}


def test_skills_and_assignments_have_states(start):
    simulator, client = start(agents=1)
    skills = [
        {"id": "d-1", "name": "Desk", "state": "deleted"},
        {"id": "d-2", "name": "Desk", "proficiency": 2, "assignment": "inactive"},
    ]
    simulator.put_queue("other", members=[{"user": {"id": "ann"}, "skills": skills}])
    assert {skill["id"]: skill["state"] for skill in client.get(f"{SKILLS}?name=desk").json()["entities"]} == {
        "d-1": "deleted",
        "d-2": "active",
    }
    (assigned,) = client.get(user_skills("ann")).json()["entities"]
    assert (assigned["id"], assigned["state"]) == ("d-2", "inactive")
    for write in (
        client.patch(f"{user_skills('ann')}/bulk", json=[{"id": "d-1", "proficiency": 1}]),
        client.post(user_skills("ann"), json={"id": "d-1", "proficiency": 1}),
    ):
        assert_error(write, 400, "bad.request", "deleted")
    upserted = client.patch(f"{user_skills('ann')}/bulk", json=[{"id": "d-2", "proficiency": 4}]).json()["entities"]
    assert [(skill["proficiency"], skill["state"]) for skill in upserted] == [(4.0, "inactive")]  # as it was
    put = client.put(f"{user_skills('ann')}/d-2", json={"proficiency": 4, "state": "active"})
    assert (put.json()["state"], client.get(user_skills("ann")).json()["entities"]) == ("active", [put.json()])
    assert client.patch("/_sim/skills/d-2", json={"state": "inactive"}).status_code == 200
    assert client.get(f"{SKILLS}/d-2").json()["state"] == "inactive"
    assert client.get(f"{SKILLS}/d-2").json()["version"] == "2"
    client.patch("/_sim/users/ann/skills/d-2", json={"proficiency": 3, "state": "inactive"})
    assert client.get(user_skills("ann")).json()["entities"][0]["state"] == "inactive"
    for wrong in ({"state": "gone"}, {"proficiency": 1}, {"name": ""}, {"division": "home"}):
        assert_error(client.patch("/_sim/skills/d-2", json=wrong), 400, "bad.request")


def test_a_skill_is_visible_to_roles_of_its_division(start):
    simulator, client = start(agents=1)
    elsewhere = {"division": {"id": "division-west", "name": "West"}}
    simulator.put_queue(
        "other", agents=1, skills=[{"id": "d-1", "name": "Desk"}, {"id": "d-2", "name": "Desk", **elsewhere}]
    )
    assert ids(client.get(f"{SKILLS}?name=Desk")) == ["d-1"]
    assert_error(client.get(f"{SKILLS}/d-2"), 404, "not.found")
    write = {"id": "d-2", "proficiency": 1}
    assert_error(client.post(user_skills("agent-001"), json=write), 404, "not.found")
    simulator.change_settings(divisions="division-home division-west")
    assert ids(client.get(f"{SKILLS}?name=Desk")) == ["d-1", "d-2"]
    assert not publicapi.validate(client.get(f"{SKILLS}/d-2").json(), "RoutingSkill")
    assert client.post(user_skills("agent-001"), json=write).status_code == 200


def test_names_of_skills_ignore_case_and_unicode_form(start):
    simulator, client = start(agents=1)
    simulator.put_queue("q", agents=1, skills=[{"id": "d-1", "name": "Caf\u00e9 STRASSE"}])
    for asked in ("cafe\u0301", "CAF\u00c9 stra\u00dfe", "*stra*"):
        assert ids(client.get(SKILLS, params={"name": asked})) == ["d-1"], asked


def test_the_organisations_skills_are_listed(start):
    simulator, client = start()
    simulator.put_queue("q", agents=1, skills=[{"id": "d-1", "name": "Supervision"}, {"id": "d-2", "name": "Desk"}])
    listing = client.get(SKILLS).json()
    assert not publicapi.validate(listing, "SkillEntityListing")
    assert [skill["name"] for skill in listing["entities"]] == ["Billing", "Desk", "Supervision", "Support"]
    for query, found in (
        ("name=su", ["d-1", "skill-support"]),
        ("name=pport", []),
        ("id=d-1&id=d-2", ["d-2", "d-1"]),
        ("id=d-1,d-2&pageSize=1&pageNumber=2", ["d-1"]),
    ):
        assert ids(client.get(f"{SKILLS}?{query}")) == found, query
    assert client.get(f"{SKILLS}/d-2").json()["name"] == "Desk"
    assert_error(client.get(f"{SKILLS}/none"), 404, "not.found")


# Rate limit


def test_beyond_the_limit_the_answer_is_the_real_429(start, fake_time):
    simulator, client = start(rate_limit=2, rate_window_s=60)
    seen = [client.get(QUEUE), client.get(f"{QUEUES}/none")]
    fake_time.now += 17.5
    limited = client.get(QUEUE)
    assert limited.status_code == 429
    assert limited.json() == {
        "message": "Rate limit exceeded the maximum. Retry the request in [43] seconds",
        "code": "too.many.requests.retry.after",
        "status": 429,
        "contextId": limited.headers["ININ-Correlation-Id"],
        "details": [],
        "errors": [],
    }
    assert limited.headers["Retry-After"] == "43"
    usage = [
        [int(answer.headers[f"inin-ratelimit-{name}"]) for name in ("count", "allowed", "reset")]
        for answer in [*seen, limited]
    ]
    assert usage == [[1, 2, 60], [2, 2, 60], [2, 2, 43]]
    assert simulator.requests()[-1]["retry_after_until"] == fake_time.now + 43
    fake_time.now += 42.4
    assert client.get(QUEUE).status_code == 429
    fake_time.now += 0.1
    assert client.get(QUEUE).status_code == 200  # the refused ones did not count


def test_without_a_limit_there_are_no_rate_limit_headers(start):
    _, client = start()
    assert not [name for name in client.get(QUEUE).headers if "ratelimit" in name.lower()]
    assert client.get(QUEUE).headers["ININ-Correlation-Id"]


def test_a_429_without_retry_after_has_the_seconds_in_its_body(start):
    simulator, client = start(rate_limit=1, rate_window_s=30, retry_after="absent")
    client.get(QUEUE)
    limited = client.get(QUEUE)
    assert (limited.status_code, "Retry-After" in limited.headers) == (429, False)
    assert "in [30] seconds" in limited.json()["message"]
    assert [limited.headers[f"inin-ratelimit-{name}"] for name in ("count", "allowed", "reset")] == ["1", "1", "30"]
    entry = simulator.requests()[-1]
    assert entry["retry_after_until"] == entry["answered"] + 30


def test_the_login_host_throttles_with_400(start, fake_time):
    simulator, client = start(login_limit=2, rate_window_s=60)
    fake_time.now += 10
    client.login()
    answer = client.post("/oauth/token", data=GRANT, auth=CLIENT)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert answer.json()["description"].startswith("rate limit exceeded;")
    assert simulator.state()["tokens_issued"] == 2
    fake_time.now += 50
    assert client.login()


def test_each_token_has_its_own_limit(start):
    simulator, client = start(rate_limit=1, retry_after="date")
    assert [client.get(TOKEN).status_code for _ in range(2)] == [200, 429]
    limited = client.get(TOKEN)
    wait = parsedate_to_datetime(limited.headers["Retry-After"]).timestamp() - simulator.requests()[-1]["wall"]
    assert 60 <= wait < 61
    client.login()
    assert client.get(TOKEN).status_code == 200


# Delayed application


def test_every_write_is_readable_only_after_the_delay(start, fake_time):
    simulator, client = start(agents=3, apply_delay_s=5)
    with_rings(simulator)
    before, state = client.get(QUEUE).json(), simulator.state()
    put = client.put(QUEUE, json=before | {"description": "new"})
    assert (put.status_code, put.json()["description"]) == (200, "new")
    assert client.ring("agent-001", 2).status_code == 202
    bulk = client.patch(MEMBERS, json=[{"id": f"agent-00{number}", "joined": False} for number in (1, 2)])
    assert [member["joined"] for member in bulk.json()["entities"]] == [True, True]  # the state before
    assert client.rate("agent-001", "skill-support", 1).json()["proficiency"] == 1
    client.delete(f"{user_skills('agent-003')}/skill-support")
    fake_time.now += 4.9
    assert simulator.state() == state
    assert client.get(QUEUE).json() == before
    fake_time.now += 0.1
    assert client.get(QUEUE).json()["description"] == "new"
    assert (rings(simulator)["agent-001"], joined(simulator)) == (2, ["agent-003"])
    assert proficiencies(simulator, "agent-001") == {"skill-support": 1.0}
    assert proficiencies(simulator, "agent-003") == {}


def test_a_delayed_put_overwrites_edits_by_people(start, fake_time):
    simulator, client = start(apply_delay_s=5)
    client.put(QUEUE, json=client.get(QUEUE).json())
    simulator.edit_queue("queue-001", description="by hand")
    edited = queue_of(simulator)
    fake_time.now += 5
    after = queue_of(simulator)
    assert (after["description"], after["modifiedBy"]) == ("Kept by people in the admin console", "demo-client")
    assert after["dateModified"] > edited["dateModified"]


def test_replacing_a_queue_drops_its_delayed_writes(start, fake_time):
    simulator, client = start(apply_delay_s=5)
    client.ring("agent-001", 2)
    client.rate("agent-001", "skill-support", 1)
    simulator.put_queue("queue-001", agents=1)
    fake_time.now += 5
    assert (rings(simulator), proficiencies(simulator, "agent-001")) == ({"agent-001": 1}, {"skill-support": 1.0})


# Faults


def write_each(client):
    yield lambda: client.put(QUEUE, json=client.get(QUEUE).json() | {"description": "new"})
    yield lambda: client.ring("agent-001", 3)
    yield lambda: client.patch(MEMBERS, json=[{"id": f"agent-00{number}", "joined": False} for number in (1, 2)])
    yield lambda: client.rate("agent-001", "skill-support", 1)
    yield lambda: client.post(user_skills("agent-001"), json={"id": "skill-billing", "proficiency": 1})
    yield lambda: client.patch(f"{user_skills('agent-001')}/bulk", json=[{"id": "skill-support", "proficiency": 2}])
    yield lambda: client.delete(f"{user_skills('agent-001')}/skill-support")


def test_a_dropped_write_is_answered_as_if_applied(start, fake_time):
    for delay in (0, 5):
        simulator, client = start(agents=2, apply_delay_s=delay)
        with_rings(simulator)
        before = simulator.state()
        simulator.add_faults({"action": "drop", "method": "PUT|PATCH|POST|DELETE", "path": "^/api", "times": None})
        assert [write().status_code for write in write_each(client)] == [200, 202, 200, 200, 200, 200, 204]
        fake_time.now += 60
        assert simulator.state() == before


def test_a_reset_before_applies_nothing_and_a_reset_after_all(start):
    simulator, client = start(agents=2)
    with_rings(simulator)
    for write in write_each(client):
        for action, applied in (("reset_before", False), ("reset_after", True)):
            before = simulator.state()
            simulator.add_faults({"action": action, "method": "PUT|PATCH|POST|DELETE"})
            with pytest.raises(requests.ConnectionError):
                write()
            assert (simulator.state() != before) == applied


def test_a_malformed_or_canned_answer_is_no_listing(start):
    simulator, client = start(agents=2)
    simulator.add_faults({"action": "malformed"}, {"action": "status", "status": 503, "headers": {"Retry-After": 3}})
    malformed = client.patch(MEMBERS, json=[{"id": "agent-001", "joined": False}])
    with pytest.raises(requests.JSONDecodeError):
        malformed.json()
    assert joined(simulator) == ["agent-002"]
    assert_error(client.get(MEMBERS), 503, "simulated.fault")


@pytest.mark.parametrize(
    ("action", "status", "said", "applied"),
    [
        ("timeout", 408, "server timeout limit", True),
        ("conflict", 409, "conflicts with the current state", False),
        ("outdated", 400, "does not match the current version", False),
    ],
)
def test_a_temporary_fault_is_over_when_the_request_is_repeated(start, action, status, said, applied):
    simulator, client = start(agents=1)
    simulator.add_faults({"action": action, "method": "PATCH"})
    answer = client.patch(f"{MEMBERS}/agent-001", json={"joined": False})
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert said in answer.json()["message"]
    assert (joined(simulator) == []) == applied
    assert client.patch(f"{MEMBERS}/agent-001", json={"joined": False}).status_code == 202
    assert joined(simulator) == []


def test_a_seed_decides_which_requests_meet_a_temporary_fault(start):
    def statuses(seed):
        simulator, client = start(agents=1, flaky=0.4, seed=seed)
        return [
            (client.get(QUEUE).status_code, client.patch(f"{MEMBERS}/agent-001", json={"joined": True}).status_code)
            for _ in range(40)
        ], [entry["fault"] for entry in simulator.requests()]

    (once, faults), (again, _), (other, _) = statuses(1), statuses(1), statuses(2)
    assert once == again != other
    assert {status for status, _ in once} == {200, 408}
    assert {status for _, status in once} == {202, 400, 408, 409}
    assert set(faults) == {None, "timeout", "conflict", "outdated"}
    _, client = start(flaky=1)
    assert client.get(TOKEN).status_code == 200  # only routing and users
    assert client.get("/api/v2").status_code == 404
    for wrong in ({"flaky": 1.5}, {"retry_after": "never"}, {"login_limit": "2"}, {"proficiency_decimals": 16}):
        assert_error(client.patch("/_sim/settings", json=wrong), 400, "bad.request")


def test_an_answer_can_be_cut_off(start):
    simulator, client = start(agents=2)
    simulator.add_faults({"action": "cut", "path": "/queue-001$", "times": 2})
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.get(QUEUE)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.put(QUEUE, json={"name": "applied"})
    assert client.get(QUEUE).json()["name"] == "applied"


def test_a_page_can_repeat_and_tokens_can_be_revoked(start):
    simulator, client = start(agents=30)
    simulator.add_faults({"action": "repeat_page", "path": "/members$"}, {"action": "revoke_tokens", "skip": 1})
    repeated = client.get(f"{MEMBERS}?pageSize=10&pageNumber=3").json()
    assert repeated == client.get(f"{MEMBERS}?pageSize=10").json()
    assert client.get(QUEUE).status_code == 401


def test_people_can_edit_between_a_read_and_a_write(start):
    simulator, client = start()
    edit = {"action": "edit", "body": {"description": "by hand", "futureField": 1}}
    simulator.add_faults(edit | {"method": "PUT", "path": "/queues/queue-001$"})
    read = client.get(QUEUE).json()
    put = client.put(QUEUE, json=read | {"enableTranscription": True})
    assert put.status_code == 200
    assert client.get(QUEUE).json()["description"] == read["description"]  # the edit is lost, as on the real platform
    assert "futureField" not in client.get(QUEUE).json()
    assert [entry["fault"] for entry in simulator.requests()] == [None, "edit", None, None]


def test_people_can_edit_between_two_reads(start):
    simulator, client = start()
    simulator.add_faults({"action": "edit", "method": "GET", "path": "/queues/queue-001$", "skip": 1, "body": {"x": 1}})
    first, second, third = (client.get(QUEUE).json() for _ in range(3))
    assert "x" not in first
    assert second == third == first | {name: second[name] for name in ("x", *WRITTEN)}
    assert (second["modifiedBy"], second["dateModified"] > first["dateModified"]) == ("user-in-the-console", True)


def test_an_edit_of_an_unknown_queue_changes_nothing(start):
    simulator, client = start()
    before = simulator.state()
    simulator.add_faults({"action": "edit", "body": {"x": 1}, "times": None})
    assert client.get(SKILLS).status_code == 200
    assert client.get(f"{QUEUES}/other").status_code == 404
    assert simulator.state() == before
    assert client.get(f"{MEMBERS}?pageSize=1").status_code == 200
    assert queue_of(simulator)["x"] == 1


def test_an_edit_works_under_the_other_contract_too():
    with GenesysSimulator(contract="score") as simulator, Client(simulator.url) as client:
        simulator.add_faults({"action": "edit", "method": "GET", "body": {"wrapUpTimeout": 7}})
        answer = client.post("/oauth/token", json={**GRANT, "client_id": CLIENT[0], "client_secret": CLIENT[1]})
        queue = client.get(QUEUE, headers={"Authorization": f"Bearer {answer.json()['access_token']}"}).json()
        assert (queue["wrapUpTimeout"], queue["version"]) == (7, 2)
        with pytest.raises(ValueError, match="version"):
            simulator.add_faults({"action": "edit", "body": {"version": 7}})
        with pytest.raises(ValueError, match="platform"):
            simulator.edit_skill("agent-001", "skill-support", 1)


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "edit"},
        {"action": "edit", "body": {}},
        {"action": "edit", "body": []},
        {"action": "edit", "body": {"id": "x"}},
        {"action": "edit", "body": {"memberCount": 1}},
        {"action": "edit", "body": {"x": 1}, "status": 200},
        {"action": "edit", "body": {"x": 1}, "headers": {"A": "b"}},
    ],
)
def test_a_bad_edit_is_400(start, rule):
    simulator, client = start()
    with_rings(simulator)
    assert_error(client.post("/_sim/faults", json=[{"action": "drop"}, rule]), 400, "bad.request")
    assert client.ring("agent-001", 2).status_code == 202
    assert rings(simulator)["agent-001"] == 2


# Edits by people, and the control routes


def test_every_edit_has_its_own_date(start):
    simulator, client = start()
    dates = [queue_of(simulator)["dateModified"]]
    for description in ("a", "b", "b"):
        simulator.edit_queue("queue-001", description=description)
        dates.append(queue_of(simulator)["dateModified"])
        dates.append(client.put(QUEUE, json=queue_of(simulator)).json()["dateModified"])
    assert dates == sorted(set(dates))
    assert len(dates) == 7


def test_people_are_on_record_unless_the_edit_says_otherwise(start):
    simulator, _ = start(editor="nadia")
    assert queue_of(simulator)["createdBy"] == "nadia"
    simulator.edit_queue("queue-001", name="By the editor")
    assert queue_of(simulator)["modifiedBy"] == "nadia"
    simulator.edit_queue("queue-001", modifiedBy="another", description=None)
    assert (queue_of(simulator)["modifiedBy"], "description" in queue_of(simulator)) == ("another", False)
    held = queue_of(simulator)["dateModified"]
    simulator.edit_queue("queue-001", name="Silent", dateModified=held)
    assert (queue_of(simulator)["name"], queue_of(simulator)["dateModified"]) == ("Silent", held)


def test_members_and_skills_are_edited_by_people(start):
    simulator, client = start(agents=2)
    fields = {"ringNumber": 4, "joined": False, "memberBy": "group", "routingStatus": {"status": "OFF_QUEUE"}}
    assert client.patch("/_sim/queues/queue-001/members/agent-002", json=fields).status_code == 200
    member = members_of(simulator)["agent-002"]
    assert member | fields | {"routingStatus": member["routingStatus"]} == member
    assert member["routingStatus"]["status"] == "OFF_QUEUE"
    route = "/_sim/users/agent-002/skills"
    assert client.patch(f"{route}/skill-support", json={"proficiency": 1}).status_code == 200
    assert proficiencies(simulator, "agent-002") == {"skill-billing": 3.0, "skill-support": 1.0}
    assert client.patch(f"{route}/skill-billing", json={"proficiency": None}).status_code == 200
    simulator.edit_skill("agent-002", "skill-support", 2.5)
    assert proficiencies(simulator, "agent-002") == {"skill-support": 2.5}


def test_a_state_has_queues_users_and_skills(start):
    simulator, client = start(agents=1)
    state = client.get("/_sim/state").json()
    assert state == simulator.state()
    assert state.keys() == {"queues", "users", "skills", "tokens_issued", "replays"}
    member = state["queues"]["queue-001"]["members"][0]
    assert member == {
        "id": "agent-001",
        "name": "Ada Abel",
        "user": {
            "id": "agent-001",
            "name": "Ada Abel",
            "email": "ada.abel@example.com",
            "state": "active",
            "version": 1,
        },
        "ringNumber": 1,
        "joined": True,
        "memberBy": "user",
        "routingStatus": member["routingStatus"],
        "skills": state["users"]["agent-001"]["skills"],
    }
    assert state["skills"]["skill-support"]["name"] == "Support"
    assert (state["tokens_issued"], state["replays"]) == (1, 0)


def test_a_queue_is_put_over_http_with_members_and_skills(start):
    simulator, client = start()
    spec = {
        "members": [
            {"user": {"id": "ann", "name": "Ann"}, "ringNumber": 2, "skills": [{"id": "s-2", "proficiency": 5}]},
            {"user": {"id": "bo"}, "memberBy": "group", "joined": False, "routingStatus": {"status": "OFF_QUEUE"}},
        ],
        "skills": [{"id": "s-1", "name": "One", "proficiency": 1}, {"id": "s-3", "name": "Only created"}],
        "queue": {"name": "Second", "description": None, "planted": [1]},
    }
    created = client.put("/_sim/queues/second", json=spec).json()
    assert (created["queue"]["name"], created["queue"]["planted"]) == ("Second", [1])
    assert "description" not in created["queue"]
    assert [member["name"] for member in created["members"]] == ["Ann", "bo"]
    assert proficiencies(simulator, "ann") == {"s-1": 1.0, "s-2": 5.0}
    assert proficiencies(simulator, "bo") == {"s-1": 1.0}
    assert simulator.state()["skills"]["s-3"]["name"] == "Only created"
    client.put("/_sim/queues/second", json={"agents": 20, "off_queue": 2, "unjoined": 3})
    members = members_of(simulator, "second").values()
    assert [member["routingStatus"]["status"] == "OFF_QUEUE" for member in members][15:17] == [True, True]
    assert sum(member["joined"] for member in members) == 17


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "queues/q", {"agents": 2, "off_queue": 3}, 400),
        ("PUT", "queues/q", {"agents": 2, "members": []}, 400),
        ("PUT", "queues/q", {"agents": "2"}, 400),
        ("PUT", "queues/q", {"initial_score": 0.5}, 400),
        ("PUT", "queues/q", {"members": [{"id": "ann"}]}, 400),
        ("PUT", "queues/q", {"members": [{"user": {"id": "ann"}}] * 2}, 400),
        ("PUT", "queues/q", {"members": [{"user": {"id": "ann", "name": 7}}]}, 400),
        ("PUT", "queues/q", {"members": [{"user": {"id": "ann"}, "score": 0.5}]}, 400),
        ("PUT", "queues/q", {"members": [{"user": {"id": "ann"}, "ringNumber": 7}]}, 400),
        ("PUT", "queues/q", {"members": [{"user": {"id": "ann"}, "memberBy": "team"}]}, 400),
        ("PUT", "queues/q", {"members": [{"user": {"id": "ann"}, "skills": [{"id": "s", "proficiency": 6}]}]}, 400),
        ("PUT", "queues/q", {"members": [{"user": {"id": "ann"}, "skills": {}}]}, 400),
        ("PUT", "queues/q", {"skills": [{"name": "One"}]}, 400),
        ("PUT", "queues/q", {"skills": [{"id": "s", "level": 1}]}, 400),
        ("PUT", "queues/q", {"skills": [{"id": "s", "name": 7}]}, 400),
        ("PUT", "queues/q", {"skills": "s"}, 400),
        ("PUT", "queues/q", {"queue": {"memberCount": 7}}, 400),
        ("PUT", "queues/q", {"queue": []}, 400),
        ("PUT", "queues/q", {"queue_id": "r"}, 400),
        ("PATCH", "queues/other", {"name": "x"}, 404),
        ("PATCH", "queues/queue-001", {"selfUri": "x"}, 400),
        ("PATCH", "queues/queue-001/members/agent-001", {"ringNumber": 0}, 400),
        ("PATCH", "queues/queue-001/members/agent-001", {"score": 1}, 400),
        ("PATCH", "queues/queue-001/members/stranger", {"ringNumber": 2}, 404),
        ("PATCH", "users/agent-001/skills/skill-support", {"proficiency": 5.5}, 400),
        ("PATCH", "users/agent-001/skills/skill-support", {"proficiency": True}, 400),
        ("PATCH", "users/agent-001/skills/skill-support", {}, 400),
        ("PATCH", "users/agent-001/skills/skill-unknown", {"proficiency": 1}, 404),
        ("PATCH", "users/nobody/skills/skill-support", {"proficiency": 1}, 404),
        ("PATCH", "settings", {"contract": "score"}, 400),
        ("PATCH", "settings", {"permissions": 7}, 400),
    ],
)
def test_bad_control_requests_are_refused_and_change_nothing(start, method, path, body, status):
    simulator, client = start()
    before = simulator.state()
    assert client.request(method, f"/_sim/{path}", json=body).status_code == status
    assert simulator.state() == before


def test_the_python_methods_raise_the_errors_of_the_routes(start):
    simulator, _ = start()
    with pytest.raises(ApiError, match="no queue"):
        simulator.edit_queue("other", name="x")
    with pytest.raises(ApiError, match="no user"):
        simulator.edit_skill("nobody", "skill-support", 1)
    with pytest.raises(ValueError, match="contract"):
        GenesysSimulator(contract="swagger")


# Events


def told(simulator):
    """Return the published events. Members: action and joined. Audits: action, user and changes."""
    found = []
    for event in simulator.events():
        body, metadata = event["detail"]["eventBody"], event["detail"]["metadata"]
        if event["detail-type"].startswith("v2.audits"):
            found.append(
                (body["action"], body.get("userId"), [change["property"] for change in body["propertyChanges"]])
            )
        else:
            found.append((metadata["action"], body["user"]["id"], body.get("joined", "nothing")))
    return found


def test_joining_and_leaving_publish_two_events(start):
    simulator, _ = start(agents=2)
    simulator.add_member("QUEUE-001", user={"id": "ann"})
    simulator.remove_member("queue-001", "agent-002")
    member = "QueueMember/queue-001"
    assert told(simulator) == [
        ("add", "ann", "nothing"),
        ("update", "ann", True),
        ("MemberAdd", "user-in-the-console", [f"{member}:ann"]),
        ("delete", "agent-002", "nothing"),
        ("update", "agent-002", False),
        ("MemberRemove", "user-in-the-console", [f"{member}:agent-002"]),
    ]
    add, update, audit, *_ = simulator.events()
    assert add["detail"]["topicName"] == "v2.routing.queues.queue-001.users"
    assert (add["detail-type"], update["detail-type"]) == ("v2.routing.queues.{id}.users",) * 2
    assert add["detail"]["metadata"] == {
        "CorrelationId": update["detail"]["metadata"]["CorrelationId"],
        "action": "add",
        "activeMemberCount": 3,
        "memberCount": 3,
    }
    assert update["detail"]["metadata"]["memberCount"] == "3"
    assert update["detail"]["eventBody"] == {"id": "ann", "queueId": "queue-001", "user": {"id": "ann"}, "joined": True}
    sample = json.loads((Path(__file__).parents[2] / "events" / "partner-audit.json").read_text())
    assert audit.keys() == sample.keys()
    assert audit["detail"].keys() == sample["detail"].keys()
    assert audit["detail"]["eventBody"].keys() >= sample["detail"]["eventBody"].keys()
    assert audit["detail"]["eventBody"]["client"] == {}


def test_our_own_writes_are_published_without_a_user(start, fake_time):
    simulator, client = start(agents=2)
    client.patch(f"{MEMBERS}/agent-001", json={"joined": False})
    client.patch(MEMBERS, json=[{"id": "agent-002", "joined": True}])
    client.put(QUEUE, json=client.get(QUEUE).json() | {"description": "new"})
    assert told(simulator) == [
        ("update", "agent-001", False),
        ("MemberUpdate", None, ["QueueMember/queue-001:agent-001:joined"]),
        ("update", "agent-002", True),
        ("MemberUpdate", None, ["QueueMember/queue-001:agent-002:joined"]),
        ("Update", None, ["description", "dateModified", "modifiedBy"]),
    ]
    assert client.delete("/_sim/events").status_code == 200
    assert client.get("/_sim/events").json() == []
    simulator.change_settings(apply_delay_s=5)
    client.patch(f"{MEMBERS}/agent-001", json={"joined": True})
    assert told(simulator) == []
    fake_time.now += 5
    assert told(simulator)[0] == ("update", "agent-001", True)
    assert client.get("/_sim/events").json() == simulator.events()


def test_changes_of_rings_and_proficiencies_are_not_published(start):
    simulator, client = start(agents=1)
    client.ring("agent-001", 1)
    client.rate("agent-001", "skill-support", 1)
    simulator.edit_member("queue-001", "agent-001", ringNumber=3)
    simulator.edit_skill("agent-001", "skill-support", 2)
    assert simulator.events() == []
    simulator.edit_member("queue-001", "agent-001", joined=False)
    simulator.edit_queue("queue-001", description="by hand")
    assert told(simulator) == [
        ("update", "agent-001", False),
        ("MemberUpdate", "user-in-the-console", ["QueueMember/queue-001:agent-001:joined"]),
        ("Update", "user-in-the-console", ["description"]),
    ]


# The log, and the judge of requests


def test_the_log_has_everything_except_secrets(start):
    simulator, client = start()
    token = client.login()["access_token"]
    client.post("/oauth/token", json={"client_secret": CLIENT[1]}, headers={"Authorization": "demo-client-secret"})
    client.post("/oauth/token", data={**GRANT, "client_secret": CLIENT[1]}, auth=CLIENT)
    client.patch(MEMBERS, json=[{"id": "agent-001", "joined": False}])
    log = simulator.requests()
    assert [entry["status"] for entry in log] == [200, 401, 400, 200]
    assert [entry["authorization"] for entry in log] == ["basic", None, "basic", "bearer"]
    assert [entry["content_type"] for entry in log] == [
        publicapi.FORM,
        "application/json",
        publicapi.FORM,
        "application/json",
    ]
    assert log[0]["body"] == GRANT
    assert log[3]["body"] == [{"id": "agent-001", "joined": False}]
    assert log[3]["token"] == 2
    for secret in (token, CLIENT[1], "ZGVtby1jbGllbnQ6"):
        assert secret not in json.dumps(log)


def test_valid_requests_are_no_breach(start):
    simulator, client = start()
    with_rings(simulator)
    unreal = []

    def judge(answer, **_):
        path = answer.request.path_url.partition("?")[0]
        if answer.content and path != "/oauth/token":
            schema = publicapi.operation(answer.request.method, publicapi.find(path).template).answer
            unreal.extend(publicapi.validate(answer.json(), schema))

    client.hooks["response"].append(judge)
    client.login()
    client.get(TOKEN, params={"preserveIdleTTL": "true"})
    client.get(QUEUES, params={"name": "Q*", "id": "queue-001,x", "sortOrder": "asc"})
    for query in ("expand=skills,routingStatus&joined=True", "expand=skills&expand=presence&pageNumber=2&pageSize=100"):
        client.get(f"{MEMBERS}?{query}")
    client.get(SKILLS, params={"id": ["a", "b"]})
    for write in write_each(client):
        write()
    assert [publicapi.breaches(entry) for entry in simulator.requests()] == [[]] * 14
    assert {entry["status"] for entry in simulator.requests()} == {200, 202, 204}
    assert unreal == []


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("PATCH", QUEUE, {}, "no PATCH"),
        ("POST", "/api/v2/platform/webhooks", {}, "no path"),
        ("GET", f"{MEMBERS}?page=2", None, "page is not a query parameter"),
        ("GET", f"{MEMBERS}?pageSize=101", None, "pageSize must be at most 100"),
        ("GET", f"{MEMBERS}?pageSize=ten", None, "pageSize must be an integer"),
        ("GET", f"{MEMBERS}?pageSize=1&pageSize=2", None, "pageSize is given 2 times"),
        ("GET", f"{MEMBERS}?joined=1", None, "joined must be true or false"),
        ("GET", f"{MEMBERS}?expand=skills,score", None, "expand must be one of"),
        ("GET", QUEUE, {}, "takes no body"),
        ("PUT", QUEUE, {"name": "x", "wrapUpTimeout": 1}, "[wrapUpTimeout] is not a valid property"),
        ("PUT", QUEUE, None, "must be an object"),
        ("PATCH", f"{MEMBERS}/ann", {"score": 0.5}, "[score]"),
        ("PATCH", MEMBERS, [{"id": "a", "joined": True}] * 101, "at most 100 items"),
        ("POST", "/oauth/token", {**GRANT, "scope": "routing"}, "scope does not belong"),
        ("POST", "/oauth/token", None, "grant_type"),
        ("GET", "/oauth/token?x=1", GRANT, "asked for with POST"),
    ],
)
def test_a_breach_is_reported_in_a_sentence(method, path, body, said):
    path, _, query = path.partition("?")
    (first, *_) = publicapi.breaches({"method": method, "path": path, "query": query, "body": body})
    assert said in first


def test_the_headers_of_a_token_request_are_checked_too(start):
    simulator, client = start()
    del client.headers["Authorization"]
    client.post("/oauth/token", json=GRANT)
    said = " ".join(publicapi.breaches(simulator.requests()[-1]))
    assert "HTTP Basic" in said
    assert publicapi.FORM in said


def test_the_state_of_a_queue_is_no_breach():
    entry = {"method": "PUT", "path": QUEUE, "query": "", "body": {"name": "x", "planted": {"y": 1}}}
    assert len(publicapi.breaches(entry)) == 1
    assert publicapi.breaches(entry, frozenset({"planted"})) == []
    assert publicapi.held(entry["body"]) == {"name", "planted", "planted.y"}


# Robustness


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
        b'{"name": NaN}',
        b'{"name": 1e999}',
        b"9" * 5000,
        b"null",
        b'"\\ud800"',
    ],
)
def test_a_hostile_body_is_400_everywhere_and_the_log_survives(start, body):
    simulator, client = start()
    typed = {"Content-Type": "application/json"}
    bulk = f"{user_skills('agent-001')}/bulk"
    for method, path in (("PUT", QUEUE), ("PATCH", MEMBERS), ("PATCH", f"{MEMBERS}/agent-001"), ("PATCH", bulk)):
        assert client.request(method, path, data=body, headers=typed).status_code == 400
    assert client.post("/oauth/token", data=body, auth=CLIENT).status_code == 400
    assert (
        client.post("/oauth/token", data=body, auth=CLIENT, headers={"Content-Type": publicapi.FORM}).status_code == 400
    )
    assert all(isinstance(publicapi.breaches(entry), list) for entry in simulator.requests())
    assert client.get("/_sim/requests").status_code == 200


def test_odd_names_of_queues_and_users_are_harmless(start):
    simulator, client = start()
    odd = {"id": "ö /?#%2F", "name": "\ud800\n<b>"}
    ringed = {"bullseye": {"rings": [ring(), ring()]}}
    simulator.put_queue("a/b c", members=[{"user": odd}], skills=[{"id": "s/1", "proficiency": 1}], queue=ringed)
    listing = client.get(f"{QUEUES}/a%2Fb%20c/members?expand=skills").json()
    member = listing["entities"][0]
    assert (member["id"], member["name"]) == (odd["id"], odd["name"])
    assert client.patch(member["selfUri"], json={"ringNumber": 2}).status_code == 202
    assert client.get(member["user"]["skills"][0]["skillUri"]).json()["id"] == "s/1"
    assert members_of(simulator, "a/b c")[odd["id"]]["ringNumber"] == 2


KEYS = st.text(max_size=3) | st.sampled_from(
    ["id", "name", "joined", "ringNumber", "proficiency", "bullseye", "rings", "mediaSettings", "acwSettings", "user"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
TARGETS = (
    ("PUT", QUEUE),
    ("PATCH", MEMBERS),
    ("PATCH", f"{MEMBERS}/agent-001"),
    ("POST", user_skills("agent-001")),
    ("PUT", f"{user_skills('agent-001')}/skill-support"),
    ("PATCH", f"{user_skills('agent-001')}/bulk"),
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TARGETS), JSON, st.text(max_size=8))
def test_no_body_and_no_query_causes_a_500(target, body, query):
    with GenesysSimulator(agents=2) as simulator, Client(simulator.url) as client:
        client.login()
        answer = client.request(*target, json=body, params={"expand": query, "pageSize": query})
        assert answer.status_code in {200, 202, 400, 404}
        listing = client.get(MEMBERS, params={"name": query, "pageNumber": query or 1})
        assert listing.status_code in {200, 400}
        if answer.ok:
            assert publicapi.breaches({**simulator.requests()[1], "query": ""}) == []
        assert not publicapi.validate(client.get(QUEUE).json(), "Queue")


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(0, 50).map(lambda tenths: tenths / 10)), max_size=6
    )
)
def test_a_reading_returns_the_last_write(writes):
    with GenesysSimulator(agents=3, off_queue=0, unjoined=0) as simulator, Client(simulator.url) as client:
        client.login()
        simulator.put_queue("queue-001", agents=3, skills=[{"id": "d", "proficiency": 0}])
        with_rings(simulator)
        wanted = {f"agent-{number:03}": (1, 0.0) for number in (1, 2, 3)}
        for number, ring, proficiency in writes:
            user_id = f"agent-{number:03}"
            client.ring(user_id, ring)
            client.rate(user_id, "d", proficiency)
            wanted[user_id] = (ring, proficiency)
        members = client.get(f"{MEMBERS}?expand=skills").json()["entities"]
        read = {
            member["id"]: (
                member["ringNumber"],
                next(skill["proficiency"] for skill in member["user"]["skills"] if skill["id"] == "d"),
            )
            for member in members
        }
        assert read == wanted


# The command line


def test_the_command_says_which_contract_it_serves():
    root = Path(__file__).parents[2]
    for options, contract in (((), "platform"), (("--contract", "score"), "score")):
        arguments = [sys.executable, "-m", "local.genesys", "--agents", "1", *options]
        with subprocess.Popen(arguments, cwd=root, stdout=subprocess.PIPE, text=True) as process:
            ready = json.loads(process.stdout.readline().removeprefix("ready "))
            process.terminate()
            assert process.wait(5) == 0
        assert (ready["contract"], ready["queue_ids"]) == (contract, ["queue-001"])
    arguments = [sys.executable, "-m", "local.genesys", "--contract", "swagger"]
    refused = subprocess.run(arguments, cwd=root, capture_output=True, text=True, check=False)
    assert (refused.returncode, "contract must be" in refused.stderr) == (2, True)
