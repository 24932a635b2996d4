"""The desk's requests to Genesys and to the API, against servers over HTTP; and how the simulator signs people in."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from local.genesys import GenesysSimulator, publicapi
from routing_weights.adapters.genesys.code_grant import CodeGrant
from routing_weights.adapters.genesys.own_token import OwnToken
from routing_weights.adapters.genesys.transport import new_session
from routing_weights.adapters.http.people_api import PeopleApi
from routing_weights.errors import (
    ApiRefused,
    ApiUnavailable,
    GenesysAnswerInvalid,
    GenesysUnavailable,
    RouteNotFound,
    SignInRefused,
)

CALLBACK, OTHER = "https://desk.example.com/desk/callback", "https://evil.example/desk/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def genesys(time):
    with GenesysSimulator(desk_client_id="desk", redirect_uris=f"https://a.example/x {CALLBACK}", clock=time) as sim:
        sim.put_person("pia", name="Pia <b>", grants=[])
        yield sim


@pytest.fixture
def session():
    with new_session() as session:
        yield session


@pytest.fixture
def grant(genesys, session):
    return CodeGrant(genesys.url, "desk", session)


def asked(address, **changes):
    """The query of a sign-in, with changes; None removes a name."""
    query = {name: value for name, (value,) in parse_qs(urlsplit(address).query).items()} | changes
    return {name: value for name, value in query.items() if value is not None}


def choose(genesys, query, user="pia"):
    """Choose who signs in, as the page's form does. Returns the query of the redirect."""
    done = requests.post(
        f"{genesys.url}/oauth/authorize", data=query | {"user": user}, allow_redirects=False, timeout=9
    )
    assert done.status_code == 302
    address, _, answer = done.headers["Location"].partition("?")
    assert address == query["redirect_uri"]
    return {name: value for name, (value,) in parse_qs(answer).items()}


def test_a_code_becomes_the_token_of_whoever_signed_in(genesys, grant, session):
    query = asked(grant.address(CALLBACK, "a state", CHALLENGE))
    page = requests.get(f"{genesys.url}/oauth/authorize?{urlencode(query)}", timeout=9)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "Pia &lt;b&gt;" in page.text
    assert dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)) == query
    answer = choose(genesys, query)
    assert answer["state"] == "a state"
    granted = grant.exchange(answer["code"], VERIFIER, CALLBACK)
    assert granted.expires_in == genesys.settings.expires_in
    owner = OwnToken(genesys.url, session, granted.token)
    assert owner.user().name == "Pia <b>"
    exchange = genesys.requests()[-2]
    assert (exchange["path"], publicapi.breaches(exchange)) == ("/oauth/token", [])
    assert answer["code"] not in str(genesys.requests())
    owner.revoke()
    with pytest.raises(SignInRefused):
        owner.user()
    owner.revoke()


@pytest.mark.parametrize(
    ("verifier", "address", "client", "later_s"),
    [
        ("w" * 64, CALLBACK, "desk", 0),
        (VERIFIER, OTHER, "desk", 0),
        (VERIFIER, "https://a.example/x", "desk", 0),
        (VERIFIER, CALLBACK, "another", 0),
        (VERIFIER, CALLBACK, "desk", 300),
        ("v" * 42, CALLBACK, "desk", 0),
        ("", CALLBACK, "desk", 0),
    ],
)
def test_a_code_is_good_for_its_own_client_address_and_verifier_and_not_for_long(
    genesys, grant, session, time, verifier, address, client, later_s
):
    code = choose(genesys, asked(grant.address(CALLBACK, "s", CHALLENGE)))["code"]
    time.now += later_s
    with pytest.raises(SignInRefused) as refused:
        CodeGrant(genesys.url, client, session).exchange(code, verifier, address)
    assert code not in str(refused.value)
    with pytest.raises(SignInRefused):  # that try has used it up
        grant.exchange(code, VERIFIER, CALLBACK)


def test_a_code_is_good_once(genesys, grant):
    code = choose(genesys, asked(grant.address(CALLBACK, "s", CHALLENGE)))["code"]
    grant.exchange(code, VERIFIER, CALLBACK)
    with pytest.raises(SignInRefused):
        grant.exchange(code, VERIFIER, CALLBACK)


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": OTHER},
        {"redirect_uri": f"{CALLBACK}/"},
        {"redirect_uri": f"{CALLBACK}?x=1"},
        {"redirect_uri": None},
        {"client_id": "another"},
        {"client_id": None},
    ],
)
def test_an_unknown_address_or_client_is_never_redirected_to(genesys, grant, changes):
    query = asked(grant.address(CALLBACK, "s", CHALLENGE), **changes)
    for method, options in (("GET", {"params": query}), ("POST", {"data": query | {"user": "pia"}})):
        answer = requests.request(method, f"{genesys.url}/oauth/authorize", allow_redirects=False, timeout=9, **options)
        assert answer.status_code == 400
        assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "user", "error"),
    [
        ({"code_challenge": None}, "pia", "invalid_request"),
        ({"code_challenge": "short"}, "pia", "invalid_request"),
        ({"code_challenge_method": "plain"}, "pia", "invalid_request"),
        ({"response_type": "token"}, "pia", "invalid_request"),
        ({}, "", "access_denied"),
        ({}, "somebody", "access_denied"),
    ],
)
def test_a_sign_in_without_pkce_or_without_a_person_returns_with_an_error(genesys, grant, changes, user, error):
    query = asked(grant.address(CALLBACK, "s", CHALLENGE), **changes)
    answer = choose(genesys, query, user)
    assert (answer["error"], answer["state"]) == (error, "s")
    assert "code" not in answer


def test_without_a_desk_nobody_signs_in():
    with GenesysSimulator() as genesys, new_session() as session:
        address = CodeGrant(genesys.url, "", session).address("", "s", CHALLENGE)
        assert requests.get(address, timeout=9).status_code == 400
        with pytest.raises(SignInRefused):
            CodeGrant(genesys.url, "", session).exchange("", "", "")


# ---- servers that answer something else ------------------------------------------------------------------------------


@pytest.fixture
def server():
    """Answers each request with `server.answer`, and keeps it."""
    kept = SimpleNamespace(answer=(200, {}, b"{}"), requests=[])

    class Handler(BaseHTTPRequestHandler):
        def _serve(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept.requests.append((self.command, self.path, dict(self.headers), body))
            status, headers, content = kept.answer
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - http.server finds them by name

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
        thread.start()
        kept.url = f"http://127.0.0.1:{httpd.server_port}"
        yield kept
        httpd.shutdown()
        thread.join()


JSON, PROBLEM = {"Content-Type": "application/json"}, {"Content-Type": "application/problem+json"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((500, JSON, b"{}"), GenesysUnavailable),
        ((302, {"Location": "https://evil.example"}, b""), GenesysUnavailable),
        ((429, JSON, b"{}"), GenesysUnavailable),
        ((200, JSON, b"[]"), GenesysAnswerInvalid),
        ((200, JSON, b'{"access_token": "t"}'), GenesysAnswerInvalid),
        ((200, JSON, b'{"access_token": "t", "expires_in": "x"}'), GenesysAnswerInvalid),
        ((200, JSON, b"not json"), GenesysAnswerInvalid),
        ((400, JSON, b"{}"), SignInRefused),
    ],
)
def test_an_unexpected_answer_to_the_exchange_is_an_error_without_the_code(server, session, answer, error):
    server.answer = answer
    with pytest.raises(error) as raised:
        CodeGrant(server.url, "desk", session).exchange("the-code", VERIFIER, CALLBACK)
    assert "the-code" not in str(raised.value)
    assert len(server.requests) == 1, "no redirect is followed, and no code is sent twice"


def test_a_login_host_that_is_not_there_is_an_error(session):
    with pytest.raises(GenesysUnavailable):
        CodeGrant("http://127.0.0.1:1", "desk", session).exchange("c", VERIFIER, CALLBACK)
    with pytest.raises(GenesysUnavailable):
        OwnToken("http://127.0.0.1:1", session, "t").revoke()


def api(server, session, until=9.0, now=0.0):
    return PeopleApi(server.url, "the-token", session, until, lambda: now)


def test_a_request_to_the_api_has_the_persons_token_and_encoded_parts(server, session):
    server.answer = (200, JSON, b'{"items": []}')
    assert api(server, session).get("queues", "a/b?c#d %", query={"name": "ü&x"}) == {"items": []}
    ((method, path, headers, _),) = server.requests
    assert (method, path) == ("GET", "/queues/a%2Fb%3Fc%23d%20%25?name=%C3%BC%26x")
    assert headers["Authorization"] == "Bearer the-token"
    answer = api(server, session).ask("POST", "plans", body={"x": 1}, headers={"Idempotency-Key": "k"})
    _, _, headers, body = server.requests[-1]
    assert (answer.status, headers["Idempotency-Key"], json.loads(body)) == (200, "k", {"x": 1})


@pytest.mark.parametrize("part", ["", ".", ".."])
def test_no_part_of_a_path_leads_elsewhere(server, session, part):
    with pytest.raises(RouteNotFound):
        api(server, session).get("queues", part)
    assert server.requests == []


def test_text_stays_text(server, session):
    server.answer = (200, {"Content-Type": "text/csv"}, "queue,ä".encode())
    assert api(server, session).get("audit") == "queue,ä"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((404, PROBLEM, b'{"detail": "No such thing.", "title": "No such queue", "errors": [{"path": "a"}]}'), 404),
        ((403, PROBLEM, b'{"detail": "You have viewer."}'), 403),
        ((401, PROBLEM, b'{"detail": "Your sign-in is over."}'), 401),
        ((403, JSON, b'{"message":"Forbidden"}'), 401),
        ((401, JSON, b'{"message":"Unauthorized"}'), 401),
        ((429, JSON, b'{"message":"Too Many Requests"}'), 429),
    ],
)
def test_a_refusal_of_the_api_has_its_status(server, session, answer, status):
    server.answer = answer
    with pytest.raises(ApiRefused) as refused:
        api(server, session).get("queues")
    assert refused.value.details["status"] == status
    if "detail" in str(answer):
        assert refused.value.message == json.loads(answer[2])["detail"]


@pytest.mark.parametrize(
    "answer",
    [(500, JSON, b'{"message":"Internal Server Error"}'), (503, JSON, b"x"), (404, JSON, b"[]"), (200, JSON, b"{")],
)
def test_a_failure_of_the_gateway_is_no_answer(server, session, answer):
    server.answer = answer
    with pytest.raises(ApiUnavailable):
        api(server, session).get("queues")


def test_the_token_follows_no_redirect(server, session):
    server.answer = (302, {"Location": f"{server.url}/elsewhere"}, b"")
    assert api(server, session).ask("GET", "queues").status == 302
    assert len(server.requests) == 1


def test_no_request_begins_without_time_to_end(server, session):
    with pytest.raises(ApiUnavailable, match="no time left"):
        api(server, session, until=9.0, now=8.8).get("queues")
    assert server.requests == []
