"""The desk as it is deployed: sign-in at a Genesys over HTTP, sessions in their table, pages by PeopleApi."""

import hashlib
import re
from html import unescape
from http import HTTPStatus

import pytest

from tests.support.desk import Visitor
from tests.support.waiting import until

SEE, EDIT = "routing:queue:view", "routing:queue:edit"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def desk_url(platform_world):
    """The desk, a queue in each of two divisions, and a supervisor of each."""
    world = platform_world
    url = world.ready["desk_url"]
    world.sim.change_settings(desk_client_id="desk", redirect_uris=f"{url}/callback")
    for division, name in (("east", f"Claims {HOSTILE}"), ("west", "Sales of the west")):
        fields = {"name": name, "division": {"id": f"desk-{division}", "name": division.title()}}
        world.queue(queue=fields)
        grant = {"role": "Supervisor", "division": f"desk-{division}", "permissions": [SEE, EDIT]}
        world.sim.put_person(f"of-{division}", name=f"Somebody of the {division} {HOSTILE}", grants=[grant])
        exports = {"role": "Routing Weights Operator", "division": f"desk-{division}", "permissions": [SEE]}
        world.sim.put_person(f"operator-{division}", name=f"Operator of the {division}", grants=[exports])
    world.sim.put_person("of-nothing", name="No Body", grants=[])
    return url


@pytest.fixture
def visitor(desk_url):
    return Visitor(desk_url)


def sessions(world):
    return world.client("dynamodb").scan(TableName=world.ready["sessions_table"])["Items"]


def test_a_person_signs_in_and_sees_the_queues_of_their_divisions_alone(visitor, desk_url):
    shown = visitor.sign_in("of-east")
    assert (shown.status_code, shown.url) == (HTTPStatus.OK, desk_url)
    shown = until(lambda: (page := visitor.get()).ok and "Claims &lt;script&gt;" in page.text and page)  # as in the API
    assert "Somebody of the east &lt;script&gt;" in shown.text
    assert HOSTILE not in shown.text
    assert "Sales of the west" not in shown.text
    other = Visitor(desk_url).sign_in("of-west", "?name=sales")
    assert other.url == f"{desk_url}?name=sales"
    assert "Sales of the west" in other.text
    assert "Claims" not in other.text


def test_the_table_has_the_token_under_the_hash_of_the_cookie_until_the_sign_out(visitor, platform_world):
    visitor.sign_in("of-east")
    value = visitor.http.cookies["desk"]
    key = hashlib.sha256(value.encode()).hexdigest()
    (item,) = (item for item in sessions(platform_world) if item["session"]["S"] == key)
    assert value not in str(item)
    token = item["token"]["S"]
    me = f"{platform_world.sim.url}/api/v2/users/me"
    bearer = {"Authorization": f"Bearer {token}"}
    assert platform_world.http.get(me, headers=bearer).status_code == HTTPStatus.OK
    stolen = Visitor(visitor.desk_url)
    stolen.http.cookies.set("desk", value)
    out = visitor.post("/sign-out")
    assert out.url == f"{visitor.desk_url}/signed-out"
    assert not visitor.http.cookies
    assert platform_world.http.get(me, headers=bearer).status_code == HTTPStatus.UNAUTHORIZED
    assert key not in str(sessions(platform_world))
    assert "Simulated Genesys" in stolen.get().text, "the cookie is worth nothing any more"


def test_a_replayed_code_signs_nobody_in(visitor):
    asked = visitor.get()
    attempt = visitor.http.cookies["desk-sign-in"]
    finished = visitor.answer(asked, "of-east")
    callback = finished.history[0].headers["Location"]
    assert "/desk/callback?code=" in callback
    again = Visitor(visitor.desk_url)
    again.http.cookies.set("desk-sign-in", attempt)
    refused = again.http.get(callback)
    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert "used before" in refused.text
    assert "desk" not in again.http.cookies
    assert visitor.get().status_code == HTTPStatus.OK


def test_whoever_refuses_or_has_no_role_sees_no_queue(visitor):
    refused = visitor.sign_in("")
    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert "access_denied" in refused.text
    without = visitor.sign_in("of-nothing")
    assert without.status_code == HTTPStatus.UNAUTHORIZED
    assert "you have no role here" in without.text
    assert not visitor.http.cookies


def test_a_token_that_genesys_revoked_ends_the_session(visitor, platform_world):
    visitor.sign_in("of-west")
    key = hashlib.sha256(visitor.http.cookies["desk"].encode()).hexdigest()
    (token,) = (item["token"]["S"] for item in sessions(platform_world) if item["session"]["S"] == key)
    me = f"{platform_world.sim.url}/api/v2/tokens/me"
    platform_world.http.delete(me, headers={"Authorization": f"Bearer {token}"}).raise_for_status()
    until(lambda: visitor.get().status_code == HTTPStatus.UNAUTHORIZED)  # the gateway keeps its answer for some seconds
    assert key not in str(sessions(platform_world))
    assert "Simulated Genesys" in visitor.get().text


def test_the_desks_address_is_the_gateways_and_no_header_changes_it(visitor):
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    asked = visitor.get("/sign-in", headers=forged, allow_redirects=False)
    assert asked.status_code == HTTPStatus.SEE_OTHER
    assert "evil" not in asked.headers["Location"]
    assert re.search(r"redirect_uri=http%3A%2F%2F127\.0\.0\.1%3A\d+%2Fdesk%2Fcallback&", asked.headers["Location"])


def test_the_api_itself_still_needs_a_token(visitor, platform_world):
    visitor.sign_in("of-east")
    api = platform_world.ready["people_api_url"]
    assert visitor.http.get(f"{api}/fleets").status_code == HTTPStatus.UNAUTHORIZED, (
        "a cookie is no credential of the API"
    )


def test_an_operator_exports_the_records_of_the_divisions_queues_alone(visitor, desk_url, platform_world):
    def listed(person):
        page = until(lambda: (page := person.get("/audit")).ok and '<option value="queue' in page.text and page)
        return dict(re.findall(r'<option value="([^"]+)">([^<]+)', page.text))

    visitor.sign_in("operator-east")
    queues = listed(visitor)
    (queue_id,) = (queue_id for queue_id, name in queues.items() if name.startswith("Claims"))
    assert not [name for name in queues.values() if "Sales" in name]
    shown = visitor.get(f"/audit?queue_id={queue_id}&format=csv&from=2026-01-01&to=2099-01-01")
    (address,) = re.findall(r'class="button" href="([^"]+)"', shown.text)
    exported = platform_world.http.get(unescape(address))
    assert exported.text.startswith("Date,Service,Entity,Action,")
    other = Visitor(desk_url)
    other.sign_in("operator-west")
    refused = other.get(f"/audit?queue_id={queue_id}")
    assert refused.status_code == HTTPStatus.NOT_FOUND
    assert "Claims" not in refused.text
    planner = Visitor(desk_url)
    planner.sign_in("of-east")
    assert "role operator" in planner.get(f"/audit?queue_id={queue_id}").text
