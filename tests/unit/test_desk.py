"""The desk's server: who is let in, what a forged request does, and that hostile text stays text."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from aws_lambda_powertools import Logger

from desk import static_files
from desk.pages import ROUTES
from desk.server import CSP, serve
from desk.web import Routes, return_path
from routing_weights.domain.session import LONGEST_S, Session, csrf_of, key_of
from routing_weights.errors import ApiRefused, ApiUnavailable, GenesysUnavailable, SignInRefused

HOST = "desk.example.com"
VALUE, OTHER = "v" * 43, "w" * 43
NOW = 1_800_000_000
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
OWN = {"origin": f"https://{HOST}", "sec-fetch-site": "same-origin"}


OURS = {
    *("html", "head", "meta", "title", "link", "script", "body", "a", "header", "nav", "ul", "li", "form", "input"),
    *("span", "button", "main", "h1", "label", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "small"),
    *("time", "p", "strong", "select", "option", "fieldset", "legend"),
}


class Elements(HTMLParser):
    """The elements of a page as a browser sees them, with their attributes."""

    @classmethod
    def of(cls, text):
        parser = cls()
        parser.found = []
        parser.feed(text)
        return parser.found

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def queue(name="Support", **fields):
    line = {
        "queue_id": "queue-001",
        "name": name,
        "division": "Home",
        "members": 12,
        "last": None,
        "running": None,
        "drift": 0,
        "returns_at": None,
        "waiting": False,
    }
    return line | fields


class FakeSessions(dict):
    def put(self, key, session):
        self[key] = session

    def find(self, key, now):
        session = self.get(key)
        return session if session and now < session.expires_at else None

    def delete(self, key):
        self.pop(key, None)


class FakeDesk:
    """The desk, with Genesys and the API as dictionaries."""

    def __init__(self):
        self.sessions = FakeSessions()
        self.codes = {}
        self.asked, self.sent, self.revoked = [], [], []
        self.answers = {"queues": {"items": [queue()], "next": None}}
        self.login = self

    # Genesys
    def address(self, redirect_uri, state, challenge):
        return "https://login.example.com/oauth/authorize?" + urlencode(
            {"redirect_uri": redirect_uri, "state": state, "code_challenge": challenge}
        )

    def exchange(self, code, verifier, redirect_uri):
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if self.codes.pop(code, None) != (challenge, redirect_uri):
            raise SignInRefused("used, or wrong")
        return SimpleNamespace(token="the-token", expires_in=86_400.0)

    def owner_of(self, token):
        return SimpleNamespace(
            user=lambda: SimpleNamespace(name=HOSTILE, user_id="user-1"), revoke=lambda: self._revoke(token)
        )

    def _revoke(self, token):
        self.revoked.append(token)

    # the API
    def api(self, origin, token):
        def get(*path, query=None):
            self.asked.append((origin, token, path, query))
            answer = self.answers["/".join(path)]
            if isinstance(answer, Exception):
                raise answer
            return answer

        def ask(method, *path, query=None, body=None):
            if method == "GET":
                return SimpleNamespace(status=303, headers={"Location": get(*path, query=query)})
            self.sent.append((method, path, body))
            return SimpleNamespace(status=202, headers={}, body=self.answers.get("/".join(path)))

        return SimpleNamespace(get=get, ask=ask)


class Browser:
    """Keeps cookies, and follows nothing."""

    def __init__(self, host=HOST):
        self.desk, self.host, self.cookies, self.now = FakeDesk(), host, {}, NOW

    def ask(self, method, address, form=None, **headers):
        path, _, query = address.partition("?")
        event = {
            "rawPath": path,
            "rawQueryString": query,
            "headers": {"Content-Type": "application/x-www-form-urlencoded", **headers},
            "cookies": [f"{name}={value}" for name, value in self.cookies.items()],
            "requestContext": {"http": {"method": method}, "domainName": self.host},
            "body": urlencode(form) if form else "",
        }
        answer = serve(event, self.desk, Logger(service="test"), lambda: self.now)
        json.dumps(answer)
        for cookie in answer["cookies"]:
            name, value = cookie.split(";")[0].split("=", 1)
            self.cookies[name] = value
            if "Max-Age=0" in cookie:
                del self.cookies[name]
        return answer

    def get(self, address, **headers):
        return self.ask("GET", address, **headers)

    def post(self, address, form=None, **headers):
        return self.ask("POST", address, form, **(headers or OWN))

    def signed_in(self, value=VALUE, name="Pia Planner"):
        self.desk.sessions.put(key_of(value), Session("the-token", name, NOW + 3600))
        self.cookies["__Host-desk"] = value
        return self

    def begin(self, wanted="/desk"):
        """Begin a sign-in, and let Genesys issue a code. Returns the query of Genesys's redirect."""
        location = self.get(f"/desk/sign-in?return={wanted}")["headers"]["Location"]
        asked = {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}
        self.desk.codes["a-code"] = (asked["code_challenge"], asked["redirect_uri"])
        return {"code": "a-code", "state": asked["state"]}


@pytest.fixture
def browser():
    return Browser()


# ---- the sign-in -----------------------------------------------------------------------------------------------------


def test_a_page_asks_whoever_has_no_session_to_sign_in_and_comes_back(browser):
    asked = browser.get("/desk?name=sup%20port")
    assert (asked["statusCode"], asked["headers"]["Location"]) == (
        303,
        "/desk/sign-in?return=%2Fdesk%3Fname%3Dsup%2520port",
    )
    assert browser.desk.asked == []
    query = browser.begin("%2Fdesk%3Fname%3Dsup%2520port")
    finished = browser.get(f"/desk/callback?{urlencode(query)}")
    assert (finished["statusCode"], finished["headers"]["Location"]) == (303, "/desk?name=sup%20port")
    shown = browser.get("/desk?name=sup%20port")
    assert shown["statusCode"] == 200
    assert browser.desk.asked == [(f"https://{HOST}", "the-token", ("queues",), {"limit": "50", "name": "sup port"})]


def test_the_cookies_are_for_this_host_over_tls_and_no_script_reads_them(browser):
    query = browser.begin()
    (session, attempt) = browser.get(f"/desk/callback?{urlencode(query)}")["cookies"]
    for cookie, name in ((session, "__Host-desk"), (attempt, "__Host-desk-sign-in")):
        assert cookie.startswith(f"{name}=")
        assert set(cookie.split("; ")[1:]) >= {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"}
        assert "Domain" not in cookie
    assert f"Max-Age={LONGEST_S}" in session


def test_without_tls_the_cookies_work_on_this_machine_only():
    near = Browser("127.0.0.1:3002")
    (cookie,) = near.get("/desk/sign-in")["cookies"]
    assert cookie.startswith("desk-sign-in=")
    assert "Secure" not in cookie
    (cookie,) = Browser("127.0.0.1.evil.example").get("/desk/sign-in")["cookies"]
    assert cookie.startswith("__Host-")


def test_the_table_has_neither_the_cookie_nor_the_csrf_token(browser):
    browser.get(f"/desk/callback?{urlencode(browser.begin())}")
    value = browser.cookies["__Host-desk"]
    assert list(browser.desk.sessions) == [hashlib.sha256(value.encode()).hexdigest()]
    assert value not in str(browser.desk.sessions)
    assert csrf_of(value) not in str(browser.desk.sessions)
    assert "the-token" not in repr(browser.desk.sessions)


def test_a_session_that_somebody_planted_is_not_used_after_the_sign_in(browser):
    browser.cookies["__Host-desk"] = OTHER
    browser.get(f"/desk/callback?{urlencode(browser.begin())}")
    assert browser.cookies["__Host-desk"] != OTHER
    assert key_of(OTHER) not in browser.desk.sessions


def test_a_new_sign_in_ends_the_session_before(browser):
    browser.signed_in()
    browser.get(f"/desk/callback?{urlencode(browser.begin())}")
    assert list(browser.desk.sessions) == [key_of(browser.cookies["__Host-desk"])]
    assert browser.cookies["__Host-desk"] != VALUE


@pytest.mark.parametrize("changes", [{"state": "wrong"}, {"state": ""}, {"code": "another"}, {"state": "ß"}])
def test_a_sign_in_with_a_wrong_state_or_code_begins_no_session(browser, changes):
    query = browser.begin() | changes
    refused = browser.get(f"/desk/callback?{urlencode(query)}")
    assert refused["statusCode"] == 403
    assert browser.desk.sessions == {}
    assert browser.cookies == {}


def test_a_sign_in_that_another_browser_began_begins_no_session_here(browser):
    query, other = browser.begin(), Browser()
    other.desk = browser.desk
    assert other.get(f"/desk/callback?{urlencode(query)}")["statusCode"] == 403
    assert browser.desk.codes, "the code was not even used"


def test_a_replayed_redirect_begins_no_second_session(browser):
    query = urlencode(browser.begin())
    attempt = dict(browser.cookies)
    assert browser.get(f"/desk/callback?{query}")["statusCode"] == 303
    assert browser.get(f"/desk/callback?{query}")["statusCode"] == 403
    browser.cookies |= attempt
    assert browser.get(f"/desk/callback?{query}")["statusCode"] == 403
    assert len(browser.desk.sessions) == 1


@pytest.mark.parametrize("attempt", ["", "a", "a.b", "a.b.c.d", "..", "s.v.!!!", "s.v.ÿ", "." * 4000])
def test_a_broken_cookie_is_a_page_that_says_so(browser, attempt):
    browser.cookies["__Host-desk-sign-in"] = attempt
    assert browser.get("/desk/callback?state=s&code=c")["statusCode"] == 403


def test_what_genesys_refuses_is_shown_as_text(browser):
    shown = browser.get(f"/desk/callback?{urlencode({'error': HOSTILE})}")
    assert shown["statusCode"] == 403
    assert "<script>alert" not in shown["body"]


@pytest.mark.parametrize(
    "wanted",
    [
        *("https://evil.example", "//evil.example", "/\\evil.example", "/desk/../../x", "/desk//evil", "/deskevil"),
        *("/desk\n", "javascript:alert(1)", "/desk@evil.example", "/", "", "/desk?a=\r\nX: y", "/desk/" + "a" * 3000),
        *("/desk/\\evil", "/desk?<script>", " /desk", "/desk#@evil"),
    ],
)
def test_a_sign_in_leads_to_no_page_but_the_desks(browser, wanted):
    query = browser.begin(urlencode({"": wanted})[1:])
    location = browser.get(f"/desk/callback?{urlencode(query)}")["headers"]["Location"]
    assert location == "/desk" or not location.startswith(("//", "/\\"))
    assert urlsplit(location)[:2] == ("", "")
    assert re.fullmatch(r"/desk([/?].*)?", location)


def test_a_return_path_keeps_the_page():
    assert return_path("/desk/queues/queue-1/plans?name=a%20b&x=1") == "/desk/queues/queue-1/plans?name=a%20b&x=1"


# ---- a session -------------------------------------------------------------------------------------------------------


def test_an_expired_session_is_no_session(browser):
    browser.signed_in()
    assert browser.get("/desk")["statusCode"] == 200
    browser.now = NOW + 3600
    assert browser.get("/desk")["headers"]["Location"].startswith("/desk/sign-in")


@pytest.mark.parametrize("value", ["", "x", "../../x", "v" * 44, "v" * 42 + "=", "é" * 43])
def test_a_cookie_that_is_no_value_of_ours_is_not_looked_up(browser, value):
    browser.signed_in()
    browser.cookies["__Host-desk"] = value
    browser.desk.sessions.find = None
    assert browser.get("/desk")["statusCode"] == 303


def test_a_token_that_the_api_refuses_ends_the_session_and_does_not_go_in_a_circle(browser):
    browser.signed_in().desk.answers["queues"] = ApiRefused("not any more", status=401, title="Sign in again")
    shown = browser.get("/desk")
    assert shown["statusCode"] == 401
    assert 'href="/desk/sign-in"' in shown["body"]
    assert browser.desk.sessions == {}
    assert browser.cookies == {}


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (ApiRefused("There is no queue x.", status=404, title="No such queue"), 404, "There is no queue x."),
        (ApiRefused("You have viewer.", status=403, title="Your roles do not allow this"), 403, "You have viewer."),
        (ApiUnavailable("The API did not answer GET /queues: ReadTimeout."), 503, "ReadTimeout"),
        (ZeroDivisionError("secret"), 500, "It is in the log"),
    ],
)
def test_an_error_is_a_page_for_people_and_a_part_of_one_for_htmx(browser, error, status, text):
    browser.signed_in().desk.answers["queues"] = error
    whole, part = browser.get("/desk"), browser.get("/desk", **{"HX-Request": "true"})
    assert (whole["statusCode"], part["statusCode"]) == (status, status)
    assert text in whole["body"]
    assert text in part["body"]
    assert "<html" in whole["body"]
    assert "<html" not in part["body"]
    assert "secret" not in whole["body"]


def test_a_part_of_a_page_leads_nobody_away_and_offers_the_sign_in(browser):
    asked = browser.get("/desk?name=x", **{"HX-Request": "true", "HX-Current-URL": f"https://{HOST}/desk/queues/q"})
    assert asked["statusCode"] == 401
    assert "HX-Redirect" not in asked["headers"]
    assert 'href="/desk/sign-in?return=/desk/queues/q"' in asked["body"]
    elsewhere = browser.get("/desk", **{"HX-Request": "true", "HX-Current-URL": "https://evil.example/desk/x"})
    assert 'href="/desk/sign-in?return=/desk"' in elsewhere["body"]


# ---- a forged request ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"x": "neither says where it comes from"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": f"http://{HOST}"},
        {"origin": f"https://{HOST}.evil.example"},
        {"origin": f"https://{HOST}", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": f"https://{HOST}:444"},
    ],
)
def test_a_post_of_another_site_does_nothing_even_with_the_token(browser, headers):
    browser.signed_in()
    assert browser.post("/desk/sign-out", {"csrf": csrf_of(VALUE)}, **headers)["statusCode"] == 403
    assert key_of(VALUE) in browser.desk.sessions


@pytest.mark.parametrize("form", [None, {"csrf": ""}, {"csrf": "x"}, {"csrf": csrf_of(OTHER)}, {"csrf": "é"}])
def test_a_post_without_the_token_of_the_session_does_nothing(browser, form):
    browser.signed_in()
    assert browser.post("/desk/sign-out", form)["statusCode"] == 403
    assert key_of(VALUE) in browser.desk.sessions


def test_a_post_without_a_session_does_nothing_and_says_so(browser):
    shown = browser.post("/desk/sign-out", {"csrf": csrf_of(VALUE)})
    assert shown["statusCode"] == 401
    assert "nothing was done" in shown["body"]


def test_signing_out_ends_the_session_and_revokes_the_token(browser):
    browser.signed_in()
    out = browser.post("/desk/sign-out", {"csrf": csrf_of(VALUE)})
    assert (out["statusCode"], out["headers"]["Location"]) == (303, "/desk/signed-out")
    assert browser.desk.sessions == {}
    assert browser.cookies == {}
    assert browser.desk.revoked == ["the-token"]
    assert "You are signed out" in browser.get("/desk/signed-out")["body"]


def test_signing_out_ends_the_session_even_if_genesys_does_not_answer(browser):
    def fail(_token):
        raise GenesysUnavailable("no answer")

    browser.signed_in().desk._revoke = fail
    out = browser.post("/desk/sign-out", {"csrf": csrf_of(VALUE)})
    assert browser.desk.sessions == {}
    assert "stays valid until it expires" in browser.get(out["headers"]["Location"])["body"]


def test_the_token_of_htmx_is_in_a_header(browser):
    browser.signed_in()
    body = browser.get("/desk")["body"]
    assert f"""hx-headers='{{"X-CSRF-Token": "{csrf_of(VALUE)}"}}'""" in body
    out = browser.post("/desk/sign-out", None, **OWN, **{"X-CSRF-Token": csrf_of(VALUE)})
    assert out["statusCode"] == 303


def test_every_route_that_changes_something_is_a_post():
    assert {method for method, _, _ in ROUTES._handlers} <= {"GET", "POST"}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"])
def test_another_method_is_refused(browser, method):
    assert browser.signed_in().ask(method, "/desk", **OWN)["statusCode"] == 405


@pytest.mark.parametrize(
    "query", ["&" * 10_200, "a=1&" * 2_500 + "&" * 200, "%", "%zz=%ff", "=", "a" * 10_000, "a=\x00"]
)
def test_a_hostile_query_or_form_is_a_page_and_no_crash(browser, query):
    assert browser.signed_in().get(f"/desk?{query}")["statusCode"] == 200
    assert browser.post("/desk/sign-out", {"x": query})["statusCode"] == 403


def test_a_problem_without_a_path_or_a_message_is_shown(browser):
    refused = ApiRefused(
        "No.", status=422, title="Wrong", problem={"errors": [{}, {"message": HOSTILE}, {"path": "a"}]}
    )
    browser.signed_in().desk.answers["queues"] = refused
    shown = browser.get("/desk")
    assert shown["statusCode"] == 422
    assert "<script>alert" not in shown["body"]


# ---- hostile text ----------------------------------------------------------------------------------------------------


def test_hostile_names_are_text(browser):
    last = {
        "distribution_id": "d",
        "status": HOSTILE,
        "timestamp": HOSTILE,
        "requested_by": HOSTILE,
        "reason": HOSTILE,
    }
    line = queue(HOSTILE, queue_id=HOSTILE, division=HOSTILE, last=last, returns_at=HOSTILE)
    browser.signed_in(name=HOSTILE).desk.answers["queues"] = {"items": [line], "next": HOSTILE}
    body = browser.get(f"/desk?{urlencode({'name': HOSTILE})}")["body"]
    assert "&lt;script&gt;alert(1)" in body
    elements = Elements.of(body)
    assert {name for name, _ in elements} <= OURS
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on")]
    assert all(attributes["src"].startswith("/desk/static/") for name, attributes in elements if name == "script")
    assert "{{7*7}}" in body


def test_no_page_has_inline_script_or_style(browser):
    browser.signed_in()
    for path in ("/desk", "/desk/signed-out", "/desk/nothing"):
        body = browser.get(path)["body"]
        assert not re.search(r"<style|\sstyle=|<script(?! src=\"/desk/static/)|javascript:", body)
        assert not re.search(r"(src|href|action)=\"(?!/desk)(?!#)", body), "no address of another host"


# ---- every answer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/desk", "/desk/sign-in", "/desk/callback", "/desk/nothing", "/desk/static/desk.css"])
def test_every_answer_has_the_protecting_headers(browser, path):
    headers = browser.signed_in().get(path)["headers"]
    assert headers["Content-Security-Policy"] == CSP
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Strict-Transport-Security"]
    assert headers["Referrer-Policy"] == "same-origin"
    assert (headers["Cache-Control"] == "no-store") == (not path.startswith(static_files.PREFIX))


def test_the_policy_lets_nothing_in_but_our_own_files():
    rules = dict(rule.split(" ", 1) for rule in CSP.split("; "))
    assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("frame-ancestors") == "'none'"
    assert set(rules.values()) == {"'self'"}


def test_a_file_is_kept_for_a_year_under_the_address_of_its_contents(browser):
    address = static_files.address("desk.css")
    kept = browser.get(address)
    assert kept["headers"]["Cache-Control"] == "public, max-age=31536000, immutable"
    assert browser.get("/desk/static/desk.css?v=old")["headers"]["Cache-Control"] == "no-cache"
    assert browser.desk.asked == []


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "/etc/passwd", "", ".", "nothing.js", "desk.css/"])
def test_no_other_file_can_be_asked_for(browser, name):
    assert browser.get(f"/desk/static/{name}")["statusCode"] == 404


def test_htmx_is_the_published_one_with_its_licence():
    file = static_files.FOLDER / "htmx.min.js"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == (
        "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
    ), "dist/htmx.min.js of htmx.org 2.0.11 in the npm registry"
    assert "Zero-Clause BSD" in (static_files.FOLDER / "htmx.LICENSE.txt").read_text(encoding="utf-8")
    assert 'version:"2.0.11"' in file.read_text(encoding="utf-8")


# ---- the queues ------------------------------------------------------------------------------------------------------


def test_a_queue_is_shown_with_its_state(browser):
    last = {"distribution_id": "d-1", "status": "completed", "timestamp": "2026-12-01T08:30:00Z"}
    last |= {"requested_by": "ops", "reason": "storm"}
    lines = [
        queue("Support", last=last, drift=2, returns_at="2026-12-01T18:00:00Z"),
        queue("Billing", running="d-2"),
        queue("Claims", waiting=True),
    ]
    browser.signed_in().desk.answers["queues"] = {"items": lines, "next": "more"}
    body = browser.get("/desk?name=i")["body"]
    for text in ("Support", "completed", "2026-12-01 08:30 UTC", "storm", "2 open", "18:00", "running"):
        assert text in body
    assert "waits for approval" in body
    assert 'href="/desk?name=i&amp;next=more"' in body


def test_the_search_replaces_the_rows_alone(browser):
    part = browser.signed_in().get("/desk?name=sup", **{"HX-Request": "true"})["body"]
    assert part.lstrip().startswith('<div id="queues"')
    back = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "<html" in browser.get("/desk?name=sup", **back)["body"], "a person went back"


def test_an_empty_list_has_a_sentence(browser):
    browser.signed_in().desk.answers["queues"] = {"items": [], "next": None}
    assert "There are no queues in your divisions." in browser.get("/desk")["body"]
    assert "has “zz” in its name" in browser.get("/desk?name=zz")["body"]


# ---- the audit export ------------------------------------------------------------------------------------------------


def test_the_records_of_a_queue_are_exported_for_whole_days(browser):
    browser.signed_in().desk.answers |= {"audit/export": "https://bucket.example/x?a=1&b=2"}
    body = browser.get("/desk/audit?queue_id=queue-001&from=2026-11-01&to=2026-11-30&format=csv")["body"]
    assert 'href="https://bucket.example/x?a=1&amp;b=2"' in body
    assert "The records of <strong>Support</strong>" in body
    (_, _, path, query) = browser.desk.asked[-1]
    assert (path, query) == (
        ("audit", "export"),
        {"queue_id": "queue-001", "format": "csv", "from": "2026-11-01", "to": "2026-11-30T23:59:59.999999Z"},
    )


def test_without_a_queue_nothing_is_exported(browser):
    body = browser.signed_in().get("/desk/audit?queue_id=&format=<b>")["body"]
    assert {path for _, _, path, _ in browser.desk.asked} == {("queues",)}
    assert '<option value="queue-001">Support (Home)</option>' in body
    assert "Download" not in body


def test_an_export_that_the_api_refuses_is_a_page_that_says_why(browser):
    refused = ApiRefused("There is no queue x.", status=404, title="No such queue")
    browser.signed_in().desk.answers |= {"audit/export": refused}
    shown = browser.get("/desk/audit?queue_id=x")
    assert shown["statusCode"] == 404
    assert "There is no queue x." in shown["body"]


def test_hostile_text_in_the_export_is_text(browser):
    line = queue(HOSTILE, queue_id=HOSTILE, division=HOSTILE)
    browser.signed_in().desk.answers |= {"queues": {"items": [line], "next": None}, "audit/export": HOSTILE}
    body = browser.get(f"/desk/audit?{urlencode(dict.fromkeys(('queue_id', 'from', 'to', 'format'), HOSTILE))}")["body"]
    assert {name for name, _ in Elements.of(body)} <= OURS
    assert not [name for _, attributes in Elements.of(body) for name in attributes if name.startswith("on")]


# ---- routes ----------------------------------------------------------------------------------------------------------


def test_a_route_has_its_arguments_and_matches_the_whole_path():
    routes = Routes()
    routes.get("/desk/queues/{queue_id}/plans/{name}")(lambda **found: found)
    handler, arguments, _ = routes.find("GET", "/desk/queues/q-1/plans/Night shift")
    assert handler(**arguments) == {"queue_id": "q-1", "name": "Night shift"}
    for path in (
        "/desk/queues/q-1/plans/",
        "/desk/queues/a/b/plans/x",
        "/desk/queues/q/plans/x\n",
        "/deskXqueues/q/plans/x",
    ):
        assert routes.find("GET", path)[0] is None
    assert routes.find("POST", "/desk/queues/q-1/plans/x")[2] == {"GET"}
