"""PeopleApi, against a Genesys over HTTP: a supervisor reaches the queues of their divisions, through any route."""

import json
from http import HTTPStatus

import pytest

from routing_weights.api import access
from tests.support.waiting import until
from tests.support.world import DEADLINE_S, ROOT, a_plan

OPENAPI = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
SEE, EDIT = "routing:queue:view", "routing:queue:edit"


class Person:
    """Somebody with a Genesys token of their own."""

    def __init__(self, world, user_id, *grants):
        self.world, self.user_id = world, user_id
        world.sim.put_person(user_id, name=f"Name of {user_id}", grants=list(grants))
        self.token = world.sim.user_token(user_id)

    def ask(self, method, path, body=None, *, allow_redirects=True, **headers):
        headers = {"Authorization": f"Bearer {self.token}"} | headers
        return self.world.http.request(
            method,
            f"{self.world.ready['people_api_url']}{path}",
            json=body,
            headers=headers,
            timeout=DEADLINE_S,
            allow_redirects=allow_redirects,
        )


def by_iam(world, method, path, body=None):
    return world.http.request(method, f"{world.api_url}{path}", json=body, timeout=DEADLINE_S)


def supervisor(world, division, *permissions):
    name = f"{division}-{'-'.join(permission.rpartition(':')[2] for permission in permissions)}"
    return Person(world, name, {"role": "Supervisor", "division": division, "permissions": list(permissions)})


@pytest.fixture(scope="module")
def people(platform_world):
    """A queue of division A with a distribution, a baseline, a schedule, a fleet: all of A's supervisor."""
    world = platform_world
    queue, other = (world.queue(queue={"division": {"id": d, "name": d}}) for d in ("division-a", "division-b"))
    ada, bob = (supervisor(world, division, SEE, EDIT) for division in ("division-a", "division-b"))
    plan = a_plan(queue, strategy_reference="by-weight")
    started = ada.ask("POST", "/plans", plan, **{"X-Caller": "arn:somebody/else"})
    assert started.status_code == HTTPStatus.ACCEPTED, started.text
    world.ends.wait(started.json()["execution_arn"])
    distribution = started.json()["distribution_id"]
    assert ada.ask("PUT", f"/queues/{queue}/baselines/of-a", {}).status_code == HTTPStatus.OK
    schedule = {"expression": "cron(0 6 ? * MON *)", "time_zone": "UTC", "plan": plan}
    assert ada.ask("PUT", "/schedules/of-a", schedule).status_code == HTTPStatus.OK
    fleet = ada.ask("POST", "/fleets", {"plans": [plan | {"dry_run": True}]})
    assert fleet.status_code == HTTPStatus.ACCEPTED, fleet.text
    ids = {"queue_id": queue, "distribution_id": distribution, "fleet_id": fleet.json()["fleet_id"], "name": "of-a"}
    yield type("People", (), {"ada": ada, "bob": bob, "ids": ids, "other": other, "plan": plan, "schedule": schedule})
    ada.ask("DELETE", "/schedules/of-a")


def body_of(people, method, path):
    """A good body of a route, about the queue of division A."""
    content = OPENAPI["paths"][path][method].get("requestBody", {}).get("content", {})
    if not content:
        return None
    match path.rpartition("/")[2]:
        case "fleets":
            return {"plans": [people.plan]}
        case "{name}" if "schedules" in path:
            return people.schedule
        case "plans" | "suggest":
            return people.plan
    return content["application/json"].get("example", {})


def test_a_supervisor_of_another_division_gets_nothing_through_any_route(people, platform_world):
    queue = people.ids["queue_id"]
    held, records = platform_world.held(queue), platform_world.records(people.ids["distribution_id"])
    reached = set()
    until(lambda: people.bob.ask("GET", "/queues").json()["items"])  # a listing holds for some seconds
    for path, methods in OPENAPI["paths"].items():
        for method in methods:
            route = f"{method.upper()} {path}"
            rule = access.ROUTES[route]
            address = path.format_map(people.ids) + (f"?queue_id={queue}" if rule.names == "asked" else "")
            answer = people.bob.ask(method.upper(), address, body_of(people, method, path))
            reached.add(answer.status_code)
            if route == "GET /queues":
                assert [queue["queue_id"] for queue in answer.json()["items"]] == [people.other], route
            elif rule.names == "listed" and method == "get":
                assert answer.json()["items"] == [], route
            elif route == "POST /fleets":
                assert "queue_unknown" in answer.text, route
            elif route == "POST /fleets/uploads":
                assert answer.status_code == HTTPStatus.CREATED, route
            else:
                assert answer.status_code in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}, f"{route}: {answer.text}"
            assert "Name of division-a" not in answer.text, route
    assert {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN} <= reached
    assert platform_world.held(queue) == held
    assert platform_world.records(people.ids["distribution_id"]) == records
    trail = people.ada.ask("GET", f"/queues/{queue}/distributions").json()["items"]
    assert {run["distribution_id"] for run in trail} >= {people.ids["distribution_id"]}
    assert {run["door"] for run in trail} <= {"api", "fleet"}


def test_the_supervisor_of_the_division_sees_all_of_it_and_is_on_record(people, platform_world):
    ids = people.ids
    shown = people.ada.ask("GET", f"/distributions/{ids['distribution_id']}").json()
    assert (shown["caller"], shown["caller_name"]) == (f"genesys:{people.ada.user_id}", f"Name of {people.ada.user_id}")
    for path in ("/fleets", f"/fleets/{ids['fleet_id']}", "/schedules", "/schedules/of-a", "/approvals"):
        assert people.ada.ask("GET", path).status_code == HTTPStatus.OK, path
    assert ids["fleet_id"] in people.ada.ask("GET", "/fleets").text
    assert "of-a" in people.ada.ask("GET", "/schedules").text
    assert people.ada.ask("POST", "/plans/suggest", people.plan).status_code == HTTPStatus.OK
    shares = people.ada.ask("GET", f"/queues/{ids['queue_id']}/shares")
    assert shares.status_code in {HTTPStatus.OK, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}, shares.text
    by_iam = platform_world.post(people.plan | {"dry_run": True}).json()["distribution_id"]
    assert platform_world.distribution(by_iam)["caller"] == "arn:aws:iam::123456789012:user/embedded"


def test_no_route_shows_anything_of_a_queue_of_another_division(people, platform_world):
    """The queue shares all of its agents with a foreign one, in one fleet of somebody who may see both."""
    world, foreign, queue = platform_world, people.other, people.ids["queue_id"]
    plans = [people.plan, a_plan(foreign, strategy_reference="by-weight", projected_load=1.5)]
    plans = [plan | {"dry_run": True, "wait_for_lock_s": 60} for plan in plans]  # another test may be at the queue
    fleet = by_iam(world, "POST", "/fleets", {"plans": plans}).json()["fleet_id"]
    until(lambda: world.get(f"/fleets/{fleet}").json()["terminal"])
    lines = {line["queue_id"]: line for line in world.get(f"/fleets/{fleet}/queues").json()["items"]}
    ids = people.ids | {"distribution_id": lines[queue]["distribution_id"]}
    assert foreign in world.get(f"/distributions/{ids['distribution_id']}").text
    schedule = people.schedule | {"plan": plans[1]}
    assert by_iam(world, "PUT", "/schedules/of-b", schedule).status_code == HTTPStatus.OK
    reached = set()
    for path in (path for path, methods in OPENAPI["paths"].items() if "get" in methods):
        answer = people.ada.ask("GET", path.format_map(ids))
        reached.add(answer.status_code)
        assert foreign not in answer.text, path
        assert "of-b" not in answer.text, path
    by_iam(world, "DELETE", "/schedules/of-b")
    assert HTTPStatus.OK in reached
    hidden = people.ada.ask("GET", f"/distributions/{ids['distribution_id']}").json()["projection"]["neighbours"]
    assert (hidden["queues"], hidden["not_shown"]) == ([], {"queues": 1, "load": 1.5})


def test_the_directory_names_queues_and_members_and_says_what_is_in_force(people, platform_world):
    queue, ids = people.ids["queue_id"], people.ids
    (line,) = until(lambda: people.ada.ask("GET", "/queues?name=QUEUE").json()["items"])
    assert (line["queue_id"], line["name"], line["division"]) == (queue, f"Queue {queue}", "division-a")
    assert (line["members"], line["drift"], line["returns_at"], line["waiting"]) == (3, 0, None, False)
    assert (line["last"]["distribution_id"], line["last"]["status"]) == (ids["distribution_id"], "completed")
    shown = people.ada.ask("GET", f"/queues/{queue}").json()
    assert shown["in_force"]["distribution_id"] == ids["distribution_id"]
    assert (shown["in_force"]["by"], shown["in_force"]["actuator"]) == (f"Name of {people.ada.user_id}", "ring")
    assert (shown["in_force"]["member_weights"], shown["evaluation"]) == (
        people.plan["member_weights"],
        "6 bullseye rings, skills by BEST",
    )
    members = people.ada.ask("GET", f"/queues/{queue}/members").json()["items"]
    assert [(each["name"], each["email"]) for each in members] == [
        ("Ada Abel", "ada.abel@example.com"),
        ("Ben Brandt", "ben.brandt@example.com"),
        ("Carla Castro", "carla.castro@example.com"),
    ]
    assert {each["user_id"]: each["weight"] for each in members} == people.plan["member_weights"]
    held = {member["id"]: member["ringNumber"] for member in platform_world.sim.state_of(queue)["members"]}
    assert {each["user_id"]: each["ring"] for each in members} == held
    assert {each["holds"] for each in members} == {f"ring {number}" for number in held.values()}


def test_a_foreign_queue_is_word_for_word_an_unknown_one(people):
    foreign, unknown = people.ids["queue_id"], "queue-of-nobody"
    for path in ("/queues/{}", "/queues/{}/members"):
        answers = [people.bob.ask("GET", path.format(queue)) for queue in (foreign, unknown)]
        assert [answer.status_code for answer in answers] == [HTTPStatus.NOT_FOUND] * 2
        assert answers[0].text.replace(foreign, unknown) == answers[1].text


def test_an_operator_exports_the_records_of_the_queues_of_the_division(people, platform_world):
    grants = [{"role": "Routing Weights Operator", "division": "division-a", "permissions": [SEE]}]
    operator, queue = Person(platform_world, "operator-of-a", *grants), people.ids["queue_id"]
    exported = operator.ask("GET", f"/audit/export?queue_id={queue}", allow_redirects=False)
    assert exported.status_code == HTTPStatus.SEE_OTHER, exported.text
    file = platform_world.http.get(exported.headers["Location"], timeout=DEADLINE_S)
    assert {json.loads(line)["distribution_id"] for line in file.text.splitlines()} >= {people.ids["distribution_id"]}
    foreign = operator.ask("GET", f"/audit/export?queue_id={people.other}", allow_redirects=False)
    unknown = operator.ask("GET", "/audit/export?queue_id=queue-of-nobody", allow_redirects=False)
    assert foreign.status_code == unknown.status_code == HTTPStatus.NOT_FOUND
    assert foreign.text.replace(people.other, "queue-of-nobody") == unknown.text
    assert people.ada.ask("GET", f"/audit/export?queue_id={queue}").status_code == HTTPStatus.FORBIDDEN


def test_a_viewer_changes_nothing_and_a_foreign_queue_spoils_a_fleet(people, platform_world):
    viewer, queue = supervisor(platform_world, "division-a", SEE), people.ids["queue_id"]
    assert viewer.ask("GET", f"/queues/{queue}/distributions").status_code == HTTPStatus.OK
    for method, path in (("POST", "/plans"), ("DELETE", "/schedules/of-a"), ("PUT", f"/queues/{queue}/forecast")):
        assert viewer.ask(method, path, people.plan).json()["type"] == "/problems/role-missing"
    mixed = {"plans": [a_plan(people.other, strategy_reference="by-weight"), people.plan]}
    refused = people.bob.ask("POST", "/fleets", mixed)
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "plans.1.queue_id")


def test_a_hostile_or_revoked_token_is_refused(people, platform_world):
    refused = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    url = f"{platform_world.ready['people_api_url']}/fleets"
    for header in (
        "",
        "Bearer",
        f"Bearer {people.ada.token} x",
        "Bearer " + "a" * 8000,
        "Basic YTpi",
        "Bearer ../../x",
    ):
        answer = platform_world.http.get(url, headers={"Authorization": header} if header else {}, timeout=DEADLINE_S)
        assert answer.status_code in refused, header
    eve = supervisor(platform_world, "division-e", SEE)
    assert eve.ask("GET", "/fleets").status_code == HTTPStatus.OK
    deleted = platform_world.http.delete(
        f"{platform_world.sim.url}/api/v2/tokens/me",
        headers={"Authorization": f"Bearer {eve.token}"},
        timeout=DEADLINE_S,
    )
    assert deleted.status_code == HTTPStatus.OK
    until(lambda: eve.ask("GET", "/fleets").status_code == HTTPStatus.FORBIDDEN)
