"""Sign in with a Genesys token or a JWT, against servers over HTTP: who gets in, with which queues, for how long."""

import json
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.exceptions import HTTPException

from local.genesys import GenesysSimulator, publicapi
from local.genesys.platform_organisation import ORGANISATION
from local.stack.authorizers import Function, Iam, Jwt
from local.stack.errors import StackError
from local.stack.gateway import of_definition
from routing_weights.adapters.genesys.own_token import OwnToken
from routing_weights.adapters.genesys.transport import new_session
from routing_weights.application.sign_in import SignIn
from routing_weights.domain.access import Role
from routing_weights.errors import GenesysAnswerInvalid, GenesysUnavailable, SignInRefused

SEE, EDIT = "routing:queue:view", "routing:queue:edit"
NAMES = {Role.APPROVER: "Routing Weights Approver", Role.OPERATOR: "Routing Weights Operator"}
ALL = "*"


def grant(division, *permissions, role="Supervisor"):
    return {"role": role, "division": division, "permissions": list(permissions)}


def named(role, division):
    return grant(division, role=NAMES[role])


@pytest.fixture(scope="module")
def genesys():
    """Three queues of each of the divisions A and B."""
    with GenesysSimulator(contract="platform") as simulator:
        for division in ("a", "b"):
            for number in range(3):
                fields = {"division": {"id": f"division-{division}", "name": division.upper()}}
                simulator.put_queue(f"queue-{division}{number}", agents=1, queue=fields)
        yield simulator


@pytest.fixture
def door(genesys):
    """Signs people in, and keeps what is stored."""
    stored = {}
    access = SimpleNamespace(put=lambda reference, person, expires_at: stored.update({reference: (person, expires_at)}))
    sign_in = SignIn(partial(OwnToken, genesys.url, new_session()), access, ORGANISATION["id"], NAMES, 300)

    def enter(*grants, user_id="user-1", **spec):
        genesys.put_person(user_id, grants=list(grants), **{"name": "Ada", **spec})
        return sign_in.sign_in(f"Bearer {genesys.user_token(user_id)}", 1000.0)

    return SimpleNamespace(sign_in=sign_in, enter=enter, stored=stored)


def of(*divisions):
    return frozenset(f"queue-{division}{number}" for division in divisions for number in range(3))


@pytest.mark.parametrize(
    ("grants", "reach"),
    [
        ([grant("division-a", SEE)], {Role.VIEWER: of("a")}),
        ([grant("division-a", SEE, EDIT)], {Role.VIEWER: of("a"), Role.PLANNER: of("a")}),
        (
            [grant("division-a", SEE, EDIT), grant("division-b", SEE)],
            {Role.VIEWER: of("a", "b"), Role.PLANNER: of("a")},
        ),
        ([grant(ALL, SEE), grant("division-b", EDIT)], {Role.VIEWER: None, Role.PLANNER: of("b")}),
        ([grant(ALL, SEE, EDIT)], {Role.VIEWER: None, Role.PLANNER: None}),
        (
            [grant("division-a", SEE), grant("division-b", SEE), named(Role.APPROVER, "division-b")],
            {Role.VIEWER: of("a", "b"), Role.APPROVER: of("b")},
        ),
        ([grant("division-a", SEE), named(Role.APPROVER, "division-b")], {Role.VIEWER: of("a"), Role.APPROVER: of()}),
        ([named(Role.OPERATOR, ALL)], {Role.VIEWER: None, Role.OPERATOR: None}),
        ([grant("division-none", SEE)], {Role.VIEWER: of()}),
    ],
)
def test_roles_reach_as_far_as_the_divisions_in_which_genesys_grants_them(door, grants, reach):
    person = door.enter(*grants).person
    assert person.reach == reach
    assert (person.id, person.name, person.kind) == ("genesys:user-1", "Ada", "genesys")


def test_what_is_stored_has_a_random_reference_and_outlives_the_gateways_cache_by_a_minute(door):
    first, again = (door.enter(grant("division-a", SEE)) for _ in range(2))
    assert first.reference != again.reference
    assert door.stored[first.reference] == (first.person, 1360)


def test_every_request_is_a_real_one_with_the_persons_token_and_the_log_has_no_token(door, genesys):
    genesys.clear_requests()
    door.enter(grant("division-a", SEE), named(Role.APPROVER, "division-a"))
    log = genesys.requests()
    assert [entry["path"].removeprefix("/api/v2/") for entry in log] == [
        "users/me",
        "authorization/subjects/me",
        "authorization/divisionspermitted/paged/me",
        "authorization/divisionspermitted/paged/me",
        "routing/queues",
    ]
    assert [publicapi.breaches(entry) for entry in log] == [[]] * 5
    assert len({entry["token"] for entry in log}) == 1


def test_many_queues_are_read_page_by_page(door, genesys):
    for number in range(230):
        genesys.put_queue(f"many-{number:03}", agents=0, queue={"division": {"id": "division-many", "name": "many"}})
    person = door.enter(grant("division-many", SEE)).person
    assert person.queues == {f"many-{number:03}" for number in range(230)}


@pytest.mark.parametrize(
    "header",
    [
        *("", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer short", "Token abcdefghijklmnopqrstuvwxyz"),
        "Bearer abcdefghijklmnopqrst\r\nX-Injected: yes",
        "Bearer abcdefghijklmnopqrst\nHost: evil.example",
        "Bearer abcdefghijklmnopqrst Bearer abcdefghijklmnopqrst",
        "Bearer abcdefghijklmnopqrst,Bearer other",
        "Bearer äöüäöüäöüäöüäöüäöüäöü",
        f"Bearer {'a' * 5000}",
        "Bearer " + "a" * 1_000_000,
    ],
)
def test_a_hostile_header_never_reaches_genesys(door, genesys, header):
    genesys.clear_requests()
    with pytest.raises(SignInRefused):
        door.sign_in.sign_in(header, 1000.0)
    assert genesys.requests() == []
    assert door.stored == {}


def test_a_token_that_is_not_a_persons_of_this_organisation_is_refused(door, genesys):
    with pytest.raises(SignInRefused, match="401"):
        door.sign_in.sign_in("Bearer an-unknown-token-of-some-length", 1000.0)
    pair = (genesys.settings.client_id, genesys.settings.client_secret)
    answer = new_session().post(f"{genesys.url}/oauth/token", data={"grant_type": "client_credentials"}, auth=pair)
    with pytest.raises(SignInRefused, match="400"):
        door.sign_in.sign_in(f"Bearer {answer.json()['access_token']}", 1000.0)
    other = {"id": "11111111-2222-3333-4444-555555555555", "name": "Another one"}
    for wrong, reason in (
        ({"organization": other}, "another organisation"),
        ({"state": "inactive"}, "inactive"),
        ({"state": "deleted"}, "deleted"),
    ):
        with pytest.raises(SignInRefused, match=reason):
            door.enter(grant(ALL, SEE, EDIT), **wrong)
    with pytest.raises(SignInRefused, match="neither"):
        door.enter(grant("division-a", "analytics:queueObservation:view"))
    assert door.stored == {}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 503}, GenesysUnavailable),
        ({"status": 429, "headers": {"Retry-After": "1"}}, GenesysUnavailable),
        ({"status": 200, "body": "<html>"}, GenesysAnswerInvalid),
        ({"status": 200, "body": []}, GenesysAnswerInvalid),
        ({"status": 200, "body": {"id": "user-1"}}, GenesysAnswerInvalid),
        ({"status": 302, "headers": {"Location": "https://evil.example"}}, GenesysUnavailable),
    ],
)
def test_nobody_gets_in_while_genesys_does_not_say_who_it_is(fault, error):
    answer = SimpleNamespace(status_code=fault["status"], json=lambda: answer.body, body=fault.get("body"))
    if isinstance(answer.body, str):
        answer.json = partial(json.loads, answer.body)
    session = SimpleNamespace(get=lambda *_, **__: answer)
    with pytest.raises(error):
        OwnToken("https://genesys.example", session, "token").user()


def test_a_hostile_name_is_plain_in_the_record(door):
    name = 'Eve\r\n{"caller": "root"}\x00' + "x" * 500
    person = door.enter(grant("division-a", SEE), name=name).person
    assert (person.id, len(person.name)) == ("genesys:user-1", 200)
    assert person.name.startswith('Eve{"caller": "root"}xxx')


# ---- the gateway -----------------------------------------------------------------------------------------------------


def asking(authorize, header=None):
    """The identity that an authorizer of the embedded gateway gives, or the status of its refusal."""
    request = SimpleNamespace(headers={} if header is None else {"Authorization": header})
    with Flask("gateway").test_request_context():
        try:
            return authorize(request, {"rawPath": "/fleets", "headers": {}, "body": "secret"})
        except HTTPException as refusal:
            return refusal.get_response().status_code


@pytest.fixture
def gateway(door):
    """A Lambda authorizer with a clock of its own, in front of the use case."""
    clock = SimpleNamespace(now=0.0, asked=0, fails=False)

    def invoke(name, payload):
        assert name == "AuthorizeFunction"
        event = json.loads(payload)
        assert "body" not in event
        clock.asked += 1
        if clock.fails:
            return SimpleNamespace(failed=True, payload=b"{}")
        try:
            context = {"person": door.sign_in.sign_in(event["identitySource"][0], 1000.0).reference}
            answer = {"isAuthorized": True, "context": context}
        except SignInRefused:
            answer = {"isAuthorized": False}
        return SimpleNamespace(failed=False, payload=json.dumps(answer).encode())

    clock.authorize = Function(invoke, "AuthorizeFunction", 300, lambda: clock.now)
    return clock


def test_a_revoked_token_stops_within_the_cache_time(gateway, door, genesys):
    genesys.put_person("user-9", grants=[grant("division-a", SEE)])
    token = genesys.user_token("user-9")
    header = f"Bearer {token}"
    accepted = asking(gateway.authorize, header)
    assert door.stored[accepted["lambda"]["person"]][0].queues == of("a")
    assert new_session().delete(f"{genesys.url}/api/v2/tokens/me", headers={"Authorization": header}).ok
    gateway.now = 299.0
    assert asking(gateway.authorize, header) == accepted
    gateway.now = 300.0
    assert asking(gateway.authorize, header) == 403
    assert gateway.asked == 2


def test_a_change_of_divisions_takes_effect_within_the_cache_time(gateway, door, genesys):
    genesys.put_person("user-8", grants=[grant("division-a", SEE, EDIT)])
    header = f"Bearer {genesys.user_token('user-8')}"
    asking(gateway.authorize, header)
    genesys.put_person("user-8", grants=[grant("division-b", SEE)])
    moved = {"id": "division-b", "name": "B"}
    genesys.put_queue("queue-moves", agents=0, queue={"division": moved})
    gateway.now = 300.0
    person, _ = door.stored[asking(gateway.authorize, header)["lambda"]["person"]]
    assert person.reach == {Role.VIEWER: of("b") | {"queue-moves"}}
    genesys.edit_queue("queue-moves", division={"id": "division-a", "name": "A"})
    gateway.now = 600.0
    person, _ = door.stored[asking(gateway.authorize, header)["lambda"]["person"]]
    assert person.queues == of("b")


def test_a_refusal_is_kept_too_and_a_failure_is_not(gateway):
    assert [asking(gateway.authorize, "Bearer an-unknown-token-of-some-length") for _ in range(2)] == [403, 403]
    assert gateway.asked == 1
    gateway.fails = True
    assert [asking(gateway.authorize, "Bearer another-token-of-some-length") for _ in range(2)] == [500, 500]
    assert gateway.asked == 3
    assert asking(gateway.authorize) == asking(gateway.authorize, "") == 401
    assert gateway.asked == 3


def test_the_caller_by_iam_is_the_owner_of_the_access_key():
    signed = "AWS4-HMAC-SHA256 Credential=alice/20260101/eu-central-1/execute-api/aws4_request, SignedHeaders=host"
    assert asking(Iam(), signed)["iam"]["userArn"] == "arn:aws:iam::123456789012:user/alice"
    assert asking(Iam())["iam"]["userArn"] == "arn:aws:iam::123456789012:user/embedded"


def test_a_route_without_a_requirement_has_no_authorizer_and_every_other_one_has_it():
    uri = {"Fn::Sub": "arn:…/functions/${DeskFunction.Arn}/invocations"}
    integration = {"x-amazon-apigateway-integration": {"$ref": "#/integrations/Desk"}}
    document = {
        "components": {
            "securitySchemes": {
                "people": {
                    "x-amazon-apigateway-authorizer": {
                        "type": "request",
                        "identitySource": "$request.header.Authorization",
                        "authorizerUri": uri,
                        "authorizerResultTtlInSeconds": "0",
                    }
                }
            },
            "x-amazon-apigateway-integrations": {"Desk": {"uri": uri}},
        },
        "paths": {
            path: {"x-amazon-apigateway-any-method": {"security": security, **integration}}
            for path, security in (("/desk", []), ("/fleets", [{"people": []}]))
        },
    }
    api, authorize = of_definition(document, lambda *_: SimpleNamespace(failed=True))
    assert [route.path for route in api.routes] == ["/desk", "/fleets"]
    asked = {}
    for path in ("/desk", "/fleets"):
        event = {"routeKey": f"GET {path}", "rawPath": "/desk"}
        asked[path] = asking(lambda request, _, event=event: authorize(request, event))
    assert asked == {"/desk": None, "/fleets": 401}
    del document["paths"]["/fleets"]["x-amazon-apigateway-any-method"]["security"]
    with pytest.raises(StackError, match="/fleets"):
        of_definition(document, None)


# ---- JWT -------------------------------------------------------------------------------------------------------------


class Issuer(ThreadingHTTPServer):
    """An identity provider: its configuration and its keys, over HTTP."""

    def __init__(self):
        self.key = RSAKey.generate_key(2048, {"kid": "k-1", "use": "sig", "alg": "RS256"})
        super().__init__(("127.0.0.1", 0), _OfIssuer)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def token(self, key=None, alg="RS256", **claims):
        now = int(time.time())
        usual = {"iss": self.url, "aud": "routing-weights", "sub": "42", "exp": now + 60, "roles": ["planner", "x"]}
        return jwt.encode({"alg": alg, "kid": "k-1"}, usual | claims, key or self.key)


class _OfIssuer(BaseHTTPRequestHandler):
    def do_GET(self):
        keys = {"keys": [self.server.key.as_dict(private=False)]}
        configuration = {"issuer": self.server.url, "jwks_uri": f"{self.server.url}/keys"}
        body = json.dumps(keys if self.path == "/keys" else configuration).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def issuer():
    with Issuer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_jwt_of_the_issuer_is_accepted_and_its_lists_become_texts(issuer):
    authorize = Jwt(issuer.url, "routing-weights")
    claims = asking(authorize, f"Bearer {issuer.token(aud=['other', 'routing-weights'])}")["jwt"]["claims"]
    assert (claims["sub"], claims["roles"], claims["iss"]) == ("42", "[planner x]", issuer.url)
    assert asking(authorize, f"Bearer {issuer.token(aud=None, client_id='x')}") == 401


def test_any_other_jwt_is_refused(issuer):
    authorize, now = Jwt(issuer.url, "routing-weights"), int(time.time())
    stranger = RSAKey.generate_key(2048, {"kid": "k-1"})
    tokens = [
        issuer.token(stranger),
        issuer.token(iss="https://evil.example"),
        issuer.token(aud="another"),
        issuer.token(exp=now - 1),
        issuer.token(exp=None),
        issuer.token(nbf=now + 60),
        issuer.token()[:-4] + "AAAA",
        "e30.e30.",
        "not-a-token",
        "",
    ]
    assert [asking(authorize, f"Bearer {token}") for token in tokens] == [401] * len(tokens)
    assert asking(authorize) == 401
