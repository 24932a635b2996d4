"""Client and tokens: one refresh for all callers after a 401, refusals, issue and revocation, errors on the wire."""

import base64
import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from routing_weights import errors
from routing_weights.adapters.aws.login_lock import LoginLock
from routing_weights.adapters.genesys import teardown
from routing_weights.adapters.genesys.client import CONFLICT_TRIES, GenesysClient
from routing_weights.adapters.genesys.contracts import platform, score
from routing_weights.adapters.genesys.tokens import (
    StoredTokens,
    TokenIssuer,
    fingerprint,
    platform_request,
    refresh_after_s,
    score_request,
)
from routing_weights.adapters.genesys.transport import Deadline, Transport
from routing_weights.api.problem import problem_of
from routing_weights.bootstrap import deadlines, token
from routing_weights.bootstrap import genesys as wiring
from routing_weights.domain.actuators.joined import Joined
from routing_weights.domain.actuators.score import Score
from routing_weights.domain.run import Run
from routing_weights.errors import (
    ConfigurationInvalid,
    Forbidden,
    GenesysAnswerInvalid,
    GenesysRefused,
    GenesysUnavailable,
    PlanInvalid,
    PlanNotApplicable,
    QueueChanged,
    RateLimited,
    RoutingWeightsError,
    StoreUnavailable,
    Unauthorized,
    WaitTooLong,
    from_wire,
)
from routing_weights.settings import QueueCaller, TokenSettings
from tests.support.fakes import FakeSecret, FakeSession, answer, member, plan, queue, target, work
from tests.unit.test_transport import FakeBudget

BASE = "https://genesys.example.com"


def needs(method, path):
    return f"the right to {method} {path}"


class FakeTokens:
    stored_before = 0  # how many replacements other callers had stored

    def __init__(self):
        self.refused = []

    def current(self, _number):
        return f"token-{len(self.refused)}"

    def replace(self, refused, number):
        self.refused.append(refused)
        return self.current(number), len(self.refused) > self.stored_before


@pytest.fixture
def send_over(fake_time):
    def make(*answers):
        return Transport(
            FakeSession(*answers),
            Deadline(at=fake_time.now + 100),
            5.0,
            clock=fake_time.clock,
            wall_clock=fake_time.wall_clock,
            sleep=fake_time.sleep,
            jitter=lambda: 0.5,
        )

    return make


@pytest.fixture
def client(send_over):
    return lambda *answers: GenesysClient(BASE, FakeTokens(), send_over(*answers), needs)


def bearers(client):
    return [sent["headers"]["Authorization"] for sent in client.transport.session.sent]


# ---- client ----------------------------------------------------------------------------------------------------------


def test_get_returns_the_document(client):
    genesys = client(answer(200, {"id": "q"}))
    assert genesys.get("/api/v2/x", page=2) == {"id": "q"}
    (sent,) = genesys.transport.session.sent
    assert (sent["method"], sent["url"], sent["params"]) == ("GET", "https://genesys.example.com/api/v2/x", {"page": 2})
    assert sent["headers"] == {"Authorization": "Bearer token-0", "Accept": "application/json"}


@pytest.mark.parametrize(("name", "sent"), [("key-0a:1.b_c", "key-0a:1.b_c"), ("früh", "fr%C3%BCh")])
def test_every_attempt_of_a_distribution_has_its_id(client, name, sent):
    genesys = replace(client(answer(503), answer(200, {}), answer(200)), correlation_id=name)
    genesys.get("/x")
    genesys.write("PUT", "/x", {})
    assert [each["headers"]["X-Correlation-Id"] for each in genesys.transport.session.sent] == [sent] * 3


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("method", ["PATCH", "PUT", "POST"])
def test_a_write_accepts_every_kind_of_success(client, method, status):
    genesys = client(answer(status, b""))
    genesys.write(method, "/x", {"score": 0.5}, idempotency_key="d-1:member:a")
    (sent,) = genesys.transport.session.sent
    assert (sent["method"], sent["url"], sent["json"]) == (method, f"{BASE}/x", {"score": 0.5})
    assert sent["headers"]["X-Genesys-Idempotency-Key"] == "d-1:member:a"


def test_a_write_without_an_idempotency_key_sends_none(client):
    genesys = client(answer(200))
    genesys.write("PUT", "/x", {})
    assert genesys.transport.session.sent[0]["headers"] == {
        "Authorization": "Bearer token-0",
        "Accept": "application/json",
    }


def test_a_callable_body_is_called_before_each_attempt(client):
    genesys = client(answer(503), answer(429, Retry_After="1"), answer(401), answer(200))
    made = []

    def body():
        made.append(len(genesys.transport.session.sent))
        return {"attempt": len(made)}

    genesys.write("PUT", "/x", body)
    assert [sent["json"] for sent in genesys.transport.session.sent] == [{"attempt": n} for n in (1, 2, 3, 4)]
    assert made == [0, 1, 2, 3]


def test_an_error_of_a_callable_body_is_raised_and_nothing_is_sent(client):
    genesys = client(answer(200))

    def body():
        raise QueueChanged("Somebody was faster.")

    with pytest.raises(QueueChanged):
        genesys.write("PUT", "/x", body)
    assert genesys.transport.session.sent == []


def test_a_401_refreshes_once_and_repeats_the_original_request(client):
    genesys = client(answer(401), answer(202))
    genesys.write("PATCH", "/x", {"score": 0.5}, idempotency_key="k")
    first, second = genesys.transport.session.sent
    assert genesys.tokens.refused == ["token-0"]
    assert bearers(genesys) == ["Bearer token-0", "Bearer token-1"]
    assert (second["method"], second["url"], second["json"]) == (first["method"], first["url"], first["json"])
    assert second["headers"]["X-Genesys-Idempotency-Key"] == "k"


def test_a_second_401_ends_the_request(client):
    genesys = client(answer(401, {"message": "Expired."}))
    with pytest.raises(Unauthorized) as caught:
        genesys.get("/x")
    assert (len(bearers(genesys)), genesys.tokens.refused) == (2, ["token-0"])
    assert caught.value.message == (
        'Genesys refuses GET /x even with a new token. Genesys says: "Expired.". '
        "Check that the OAuth client in CredentialsSecret is active and belongs to this organisation."
    )


def test_a_stored_token_that_genesys_refuses_too_is_replaced(client):
    genesys = client(answer(401), answer(401), answer(200, {}))
    genesys.tokens.stored_before = 1
    assert genesys.get("/x") == {}
    assert genesys.tokens.refused == ["token-0", "token-1"]


class TokensByNumber(FakeTokens):
    """Tokens that are all revoked, until they are replaced."""

    def __init__(self):
        super().__init__()
        self.tokens = ["old-0", "old-1"]

    def current(self, number):
        return self.tokens[number]

    def replace(self, refused, number):
        self.refused.append(refused)
        self.tokens[number] = f"new-{number}"
        return self.tokens[number], True


def test_when_all_tokens_are_revoked_each_is_replaced_alone(client):
    genesys = client(answer(401), answer(401), answer(200, {}))
    genesys.tokens = TokensByNumber()
    genesys.transport.budget = FakeBudget(0.0, tokens=2)
    assert genesys.get("/x") == {}
    assert bearers(genesys) == ["Bearer old-1", "Bearer old-0", "Bearer new-1"]
    assert genesys.tokens.refused == ["old-1", "old-0"]


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda genesys: genesys.get("/x"), "GET /x"),
        (lambda genesys: genesys.write("PATCH", "/x", {}), "PATCH /x"),
    ],
    ids=["GET", "PATCH"],
)
def test_a_403_names_what_the_request_needs_and_what_to_do(client, act, what):
    genesys = client(answer(403, {"code": "missing.scope"}))
    with pytest.raises(Forbidden) as caught:
        act(genesys)
    assert caught.value.message == (
        f"The OAuth client may not do {what}: it needs the right to {what}. "
        "Grant it in the Genesys admin console, then send the plan again."
    )
    assert caught.value.details == {"http_status": 403, "genesys_code": "missing.scope"}
    assert genesys.tokens.refused == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (203, GenesysAnswerInvalid),
        (302, GenesysAnswerInvalid),
        (399, GenesysAnswerInvalid),
        (400, GenesysRefused),
        (404, GenesysRefused),
        (409, GenesysRefused),
        (499, GenesysRefused),
    ],
)
def test_any_other_status_is_an_error_of_its_kind(client, status, error):
    with pytest.raises(error) as caught:
        client(answer(status)).get("/x")
    assert caught.value.details == {"http_status": status}
    assert str(status) in caught.value.message


def test_a_refusal_quotes_genesys(client):
    with pytest.raises(GenesysRefused) as caught:
        client(answer(400, {"message": "Too much."})).get("/x")
    assert caught.value.message == 'Genesys refuses GET /x with status 400. Genesys says: "Too much.".'


def test_an_answer_that_is_not_json_is_invalid(client):
    with pytest.raises(GenesysAnswerInvalid, match="something that is not JSON"):
        client(answer(200, b'{"entities": [')).get("/x")


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_token_in_a_refusal_is_not_passed_on(client, status):
    with pytest.raises(RoutingWeightsError) as caught:
        client(answer(status, {"message": "Bearer token-1 and token-0 are bad"})).get("/x")
    assert ("token-1" if status == 401 else "token-0") not in str(caught.value)


CONFLICTS = [
    answer(409, {"message": "Conflict."}),
    answer(400, {"message": "The version 3 does not match the current version 4."}),
    answer(400, {"message": "DOES NOT MATCH THE CURRENT VERSION"}),
]


@pytest.mark.parametrize("conflict", CONFLICTS, ids=["409", "400", "capitals"])
@pytest.mark.parametrize(
    "act",
    [lambda genesys: genesys.write("PUT", "/x", {}, idempotency_key="k"), lambda genesys: genesys.delete("/x")],
    ids=["PUT", "DELETE"],
)
def test_after_a_version_conflict_the_same_request_is_sent_again(client, conflict, act):
    genesys = client(conflict, conflict, answer(204, b""))
    act(genesys)
    assert (
        len(
            {
                (sent["method"], sent["headers"].get("X-Genesys-Idempotency-Key"))
                for sent in genesys.transport.session.sent
            }
        )
        == 1
    )
    assert len(bearers(genesys)) == 3


@pytest.mark.parametrize("conflict", CONFLICTS, ids=["409", "400", "capitals"])
def test_a_version_conflict_is_not_retried_for_ever(client, conflict):
    genesys = client(conflict)
    with pytest.raises(GenesysRefused):
        genesys.write("PUT", "/x", {})
    assert len(bearers(genesys)) == CONFLICT_TRIES


def test_after_a_conflict_an_applied_write_is_not_sent_again(client):
    genesys = client(answer(409))
    genesys.write("PUT", "/x", {}, applied=lambda: True)
    assert len(bearers(genesys)) == 1


@pytest.mark.parametrize("refusal", [answer(400, {"message": "No."}), answer(404), answer(405)], ids=repr)
def test_any_other_refusal_of_a_write_is_not_repeated(client, refusal):
    genesys = client(refusal)
    with pytest.raises(GenesysRefused):
        genesys.write("PUT", "/x", {})
    assert len(bearers(genesys)) == 1


# ---- when a token is due ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires_in", "due"), [(86_400, 86_340), (300, 240), (120, 60), (119, 107.1), (60, 54), (1, 0.9)]
)
def test_a_token_is_replaced_a_minute_before_it_expires(expires_in, due):
    assert refresh_after_s(expires_in) == pytest.approx(due)


@given(st.floats(1e-3, 1e7))
def test_a_token_is_replaced_within_its_life_and_never_at_once(expires_in):
    assert expires_in / 2 <= refresh_after_s(expires_in) < expires_in


def test_a_fingerprint_identifies_a_token_without_showing_it():
    assert fingerprint("token") != fingerprint("token2")
    assert (len(fingerprint("token")), "token" in fingerprint("token")) == (16, False)


# ---- StoredTokens ----------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(fake_time):
    """A secret with a valid token, and a token function that stores `fresh` on request."""

    class Stored:
        def __init__(self):
            self.asked = []
            self.secret = FakeSecret({"access_token": "first", "refresh_at": fake_time.wall_clock() + 100})
            self.fresh = {"access_token": "fresh", "refresh_at": fake_time.wall_clock() + 1000}
            self.busy = 0  # how often another invocation is getting a token
            self.tokens = StoredTokens(
                self.secret,
                self.refresh,
                fake_time.wall_clock,
                fake_time.clock,
                fake_time.sleep,
                jitter=lambda: 1.0,
                until=fake_time.now + 200,
            )

        def refresh(self, refused, number):
            assert number == 0
            self.asked.append(refused)
            if self.busy:
                self.busy -= 1
                return False
            self.secret.value = self.fresh
            return True

    return Stored()


def test_the_secret_is_read_once_while_its_token_is_good(stored, fake_time):
    assert [stored.tokens.current() for _ in range(3)] == ["first"] * 3
    fake_time.now += 99.9
    assert stored.tokens.current() == "first"
    assert (stored.secret.reads, stored.asked) == (1, [])


def test_a_token_that_is_due_is_refreshed_but_not_reported_as_refused(stored, fake_time):
    stored.tokens.current()
    fake_time.now += 100
    assert (stored.tokens.current(), stored.asked) == ("fresh", [""])


def test_a_token_that_another_caller_refreshed_is_read(stored, fake_time):
    stored.tokens.current()
    fake_time.now += 100
    stored.secret.value = stored.fresh
    assert (stored.tokens.current(), stored.asked) == ("fresh", [])


@pytest.mark.parametrize("empty", [{}, {"access_token": None}, {"access_token": ""}])
def test_without_a_token_one_is_asked_for(stored, empty):
    stored.secret.value = empty
    assert (stored.tokens.current(), stored.asked) == ("fresh", [""])


def test_a_refused_token_is_reported_by_its_fingerprint(stored):
    assert stored.tokens.replace(stored.tokens.current()) == ("fresh", True)
    assert stored.asked == [fingerprint("first")]


def test_a_refused_token_is_not_refreshed_if_a_newer_one_is_stored(stored):
    stored.tokens.current()
    stored.secret.value = stored.fresh
    assert (stored.tokens.replace("first"), stored.asked) == (("fresh", False), [])


def test_a_replacement_is_kept(stored):
    stored.tokens.replace(stored.tokens.current())
    reads = stored.secret.reads
    assert (stored.tokens.current(), stored.secret.reads) == ("fresh", reads)


@pytest.mark.parametrize("left", [{}, {"access_token": "first", "refresh_at": 9e9}])
def test_a_token_function_that_stores_no_other_token_is_an_error(stored, left):
    stored.fresh = left
    with pytest.raises(StoreUnavailable, match="stored no new token"):
        stored.tokens.replace("first")


def test_callers_who_waited_for_a_login_that_failed_do_not_log_in_too(stored, fake_time):
    """16 lanes are refused at once. A login host that limits its rate must not get 16 logins for that."""
    refresh, limited = stored.tokens.ask_for_refresh, RateLimited("Wait.", retry_after_s=9)

    def fails(*asked):
        refresh(*asked)
        raise limited

    stored.fresh, stored.tokens.ask_for_refresh = stored.secret.value, fails
    for _ in range(16):
        with pytest.raises(RateLimited):
            stored.tokens.replace("first")
    assert len(stored.asked) == 1
    fake_time.now += 1
    with pytest.raises(RateLimited):
        stored.tokens.replace("first")
    assert len(stored.asked) == 2
    stored.tokens.begin(fake_time.now + 100)
    with pytest.raises(RateLimited):
        stored.tokens.replace("first")
    assert len(stored.asked) == 3


def test_a_caller_asks_again_while_another_one_gets_a_token(stored, fake_time):
    stored.busy = 5
    assert stored.tokens.replace("first") == ("fresh", True)
    assert stored.asked == [fingerprint("first")] * 6
    assert fake_time.slept == [0.25, 0.5, 1.0, 2.0, 2.0]


def test_a_token_that_another_caller_stored_is_used_at_once(stored, fake_time):
    stored.secret.value = {}

    def stored_by_another(_refused, _number):
        stored.secret.value = stored.fresh
        return False

    stored.tokens.ask_for_refresh = stored_by_another
    assert (stored.tokens.current(), fake_time.slept) == ("fresh", [])


def test_a_refused_token_is_not_used_while_another_caller_replaces_it(stored):
    """The token is still in the secret, and not due. Only the refused caller knows that it is refused."""
    stored.busy = 2
    assert stored.tokens.replace(stored.tokens.current()) == ("fresh", True)


def test_a_caller_waits_no_longer_than_its_invocation_lasts(stored, fake_time):
    stored.busy, stored.tokens.until = 10_000, fake_time.now + 30
    with pytest.raises(StoreUnavailable, match="no time left to wait for a token"):
        stored.tokens.replace("first")
    assert 28 <= sum(fake_time.slept) < 30


def test_an_outdated_reading_of_the_secret_is_repeated(stored, fake_time):
    stale, stored.secret.value = stored.secret.value, {}
    readings = iter([stale, stale, stored.fresh])
    stored.secret.read = lambda: next(readings)
    assert stored.tokens.replace("first") == ("fresh", True)
    assert fake_time.slept == [0.25]


def test_a_token_of_several_is_replaced_alone(stored, fake_time):
    later = fake_time.wall_clock() + 1000
    second = {"access_token": "second", "refresh_at": later}
    stored.secret.value["others"] = [second]

    def refresh(refused, number):
        stored.asked.append((refused, number))
        stored.secret.value = {**stored.secret.value, "others": [{"access_token": "third", "refresh_at": later}]}
        return True

    stored.tokens.ask_for_refresh = refresh
    assert [stored.tokens.current(number) for number in (0, 1, 0)] == ["first", "second", "first"]
    assert stored.tokens.replace("second", 1) == ("third", True)
    assert stored.tokens.replace("second", 1) == ("third", False)
    assert [stored.tokens.current(number) for number in (0, 1)] == ["first", "third"]
    assert stored.asked == [(fingerprint("second"), 1)]


def test_the_representation_of_stored_tokens_shows_no_token(stored):
    stored.tokens.current()
    assert "first" not in repr(stored.tokens)


REQUESTS = {platform: platform_request, score: score_request}


# ---- TokenIssuer -----------------------------------------------------------------------------------------------------


@pytest.fixture
def issuer(send_over, fake_time):
    def make(*answers, held=None, contract=score):
        return TokenIssuer(
            secret=FakeSecret(held),
            transport=send_over(*answers),
            token_request=lambda: REQUESTS[contract]("https://login.example.com", "client-id", "client-secret"),
            revoke_url="https://genesys.example.com/api/v2/tokens/me",
            revoke_refused=contract is score,
            wall_clock=fake_time.wall_clock,
        )

    return make


def methods(issuer):
    return [sent["method"] for sent in issuer.transport.session.sent]


GRANTED = answer(200, {"access_token": "new", "expires_in": 3600})
PAIR = base64.b64encode(b"client-id:client-secret").decode()


def test_the_first_token_is_issued_and_stored_with_its_times(issuer, fake_time):
    tokens = issuer(GRANTED)
    assert tokens.refresh("") is True
    now = fake_time.wall_clock()
    assert tokens.secret.value == {"access_token": "new", "expires_at": now + 3600, "refresh_at": now + 3540}


def test_a_further_token_is_stored_beside_the_first_one(issuer, fake_time):
    """A secret of a deployment with one token is read as before, and stays readable for it."""
    first = {"access_token": "old", "expires_at": 9e9, "refresh_at": 9e9}
    tokens, now = issuer(GRANTED, held=first), fake_time.wall_clock()
    assert tokens.refresh("", 2) is True
    third = {"access_token": "new", "expires_at": now + 3600, "refresh_at": now + 3540}
    assert tokens.secret.value == first | {"others": [{}, third]}
    assert tokens.refresh("", 0) is True
    assert methods(tokens) == ["POST"]


def test_a_refused_token_of_several_is_revoked_and_replaced_alone(issuer):
    good = {"access_token": "good", "refresh_at": 9e9}
    tokens = issuer(answer(200), GRANTED, held=good | {"others": [{"access_token": "bad", "refresh_at": 9e9}]})
    tokens.refresh(fingerprint("bad"), 1)
    assert tokens.transport.session.sent[0]["headers"] == {"Authorization": "Bearer bad"}
    assert (tokens.secret.value["access_token"], tokens.secret.value["others"][0]["access_token"]) == ("good", "new")


def test_all_tokens_of_a_deleted_deployment_are_revoked(issuer):
    tokens = issuer(answer(200), held={"access_token": "a", "others": [{}, {"access_token": "c"}]})
    tokens.tear_down()
    assert [sent["headers"]["Authorization"] for sent in tokens.transport.session.sent] == ["Bearer a", "Bearer c"]
    assert tokens.secret.value == {}


def test_the_request_for_a_token_is_the_contracts(issuer):
    tokens = issuer(GRANTED)
    tokens.refresh("")
    (sent,) = tokens.transport.session.sent
    assert (sent["method"], sent["url"]) == ("POST", "https://login.example.com/oauth/token")
    assert sent["json"] == {
        "grant_type": "client_credentials",
        "client_id": "client-id",
        "client_secret": "client-secret",
        "scope": "routing:queue:read routing:queue:write webhooks:write analytics:queue:read",
    }


def test_the_platforms_request_for_a_token_is_a_form_with_basic_credentials(issuer):
    tokens = issuer(GRANTED, contract=platform)
    tokens.refresh("")
    (sent,) = tokens.transport.session.sent
    assert (sent["method"], sent["url"]) == ("POST", "https://login.example.com/oauth/token")
    assert sent["data"] == {"grant_type": "client_credentials"}
    assert sent["headers"] == {"Authorization": f"Basic {PAIR}"}
    assert "json" not in sent


@given(st.text(min_size=1), st.text(min_size=1))
def test_basic_credentials_are_the_pair_in_utf_8(client_id, client_secret):
    request = platform_request("https://login.example.com", client_id, client_secret)
    scheme, encoded = request.arguments["headers"]["Authorization"].split()
    assert (scheme, base64.b64decode(encoded).decode()) == ("Basic", f"{client_id}:{client_secret}")


@pytest.mark.parametrize("contract", [score, platform])
def test_the_representation_of_a_request_for_a_token_shows_no_secret(contract):
    shown = repr(REQUESTS[contract]("https://login.example.com", "client-id", "client-secret"))
    assert "https://login.example.com/oauth/token" in shown
    assert "client-secret" not in shown
    assert PAIR not in shown


def test_two_callers_with_the_same_refused_token_refresh_once(issuer, fake_time):
    held = {"access_token": "old", "refresh_at": fake_time.wall_clock() + 100}
    tokens = issuer(answer(200), GRANTED, held=held)
    assert [tokens.refresh(fingerprint("old")), tokens.refresh(fingerprint("old"))] == [True, True]
    assert methods(tokens) == ["DELETE", "POST"]


def test_a_valid_token_is_kept(issuer, fake_time):
    tokens = issuer(GRANTED, held={"access_token": "old", "refresh_at": fake_time.wall_clock() + 1})
    assert (tokens.refresh(""), methods(tokens), tokens.secret.writes) == (True, [], 0)


class HeldLock:
    """A lock that can be taken or not, and that records its calls."""

    def __init__(self, *, free=True):
        self.free, self.done = free, []

    def take(self):
        self.done.append("take")
        return self.free

    def release(self):
        self.done.append("release")


def test_while_another_invocation_gets_a_token_nobody_logs_in(issuer):
    tokens = replace(issuer(GRANTED), lock=HeldLock(free=False))
    assert (tokens.refresh(""), methods(tokens), tokens.secret.writes) == (False, [], 0)
    assert tokens.lock.done == ["take"]


@pytest.mark.parametrize("status", [200, 401])
def test_the_lock_is_released_whether_or_not_the_login_succeeds(issuer, status):
    tokens = replace(issuer(answer(status, {"access_token": "new", "expires_in": 3600})), lock=HeldLock())
    with nullcontext() if status == 200 else pytest.raises(Unauthorized):
        assert tokens.refresh("")
    assert tokens.lock.done == ["take", "release"]


def test_the_stored_token_is_read_under_the_lock(issuer, fake_time):
    """The holder before has just stored a token."""
    tokens = replace(issuer(GRANTED), lock=HeldLock())
    good = {"access_token": "theirs", "refresh_at": fake_time.wall_clock() + 100}
    tokens.lock.take = lambda: tokens.secret.write(good) is None
    assert (tokens.refresh(""), methods(tokens)) == (True, [])


# ---- the lock of the login -------------------------------------------------------------------------------------------


@pytest.fixture
def login_lock(aws, fake_time):
    aws("dynamodb").create_table(
        TableName="budget",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "client", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "client", "KeyType": "HASH"}],
    )
    return lambda lives_s=30.0: LoginLock("budget", "login:token", lives_s, fake_time.wall_clock)


def test_one_invocation_has_the_lock_until_it_releases_it(login_lock):
    mine, other = login_lock(), login_lock()
    assert [mine.take(), other.take(), mine.take()] == [True, False, True]
    other.release()
    assert not other.take()
    mine.release()
    assert other.take()


def test_a_lock_whose_holder_died_expires(login_lock, fake_time):
    dead, other = login_lock(), login_lock()
    assert dead.take()
    fake_time.advance(30)
    assert not other.take()
    fake_time.advance(3)
    assert other.take()
    dead.release()  # too late: the lock belongs to another holder
    assert not login_lock().take()


def test_a_lock_that_cannot_be_released_does_not_undo_the_login(login_lock, aws_answers):
    mine = login_lock()
    assert mine.take()
    asked = aws_answers("dynamodb", "DeleteItem", "InternalServerError")
    mine.release()
    assert len(asked) == 1


def test_a_token_that_is_due_is_replaced_and_not_revoked(issuer, fake_time):
    tokens = issuer(GRANTED, held={"access_token": "old", "refresh_at": fake_time.wall_clock()})
    assert (tokens.refresh(""), methods(tokens)) == (True, ["POST"])


def test_a_refused_token_is_revoked_with_a_timeout(issuer):
    tokens = issuer(answer(200), GRANTED, held={"access_token": "old", "refresh_at": 9e9})
    tokens.refresh(fingerprint("old"))
    revoked = tokens.transport.session.sent[0]
    assert (revoked["method"], revoked["url"]) == ("DELETE", "https://genesys.example.com/api/v2/tokens/me")
    assert revoked["headers"] == {"Authorization": "Bearer old"}
    assert (revoked["timeout"], revoked["allow_redirects"]) == (3.05, False)


@pytest.mark.parametrize("outcome", [answer(401), answer(500), requests.ConnectionError("gone"), requests.Timeout()])
def test_a_failed_revocation_does_not_matter(issuer, outcome):
    tokens = issuer(outcome, GRANTED, held={"access_token": "old", "refresh_at": 9e9})
    assert tokens.refresh(fingerprint("old")) is True
    assert tokens.secret.value["access_token"] == "new"


def test_on_the_platform_a_refused_token_is_replaced_and_not_revoked(issuer):
    held = {"access_token": "old", "refresh_at": 9e9}
    tokens = issuer(GRANTED, held=held, contract=platform)
    assert (tokens.refresh(fingerprint("old")), methods(tokens)) == (True, ["POST"])
    assert tokens.secret.value["access_token"] == "new"


@pytest.mark.parametrize("contract", [score, platform])
def test_the_token_of_a_deleted_deployment_is_revoked_and_deleted(issuer, contract):
    tokens = issuer(answer(200), held={"access_token": "old", "refresh_at": 9e9}, contract=contract)
    tokens.tear_down()
    (sent,) = tokens.transport.session.sent
    assert (sent["method"], sent["url"]) == ("DELETE", "https://genesys.example.com/api/v2/tokens/me")
    assert sent["headers"] == {"Authorization": "Bearer old"}
    assert tokens.secret.value == {}


@pytest.mark.parametrize("outcome", [answer(401), answer(500), requests.ConnectionError("gone")])
def test_a_token_that_cannot_be_revoked_is_deleted_all_the_same(issuer, outcome):
    tokens = issuer(outcome, held={"access_token": "old"})
    tokens.tear_down()
    assert tokens.secret.value == {}


@pytest.mark.parametrize("held", [{}, {"access_token": ""}])
def test_a_deployment_that_never_had_a_token_has_nothing_to_revoke(issuer, held):
    tokens = issuer(answer(200), held=held)
    tokens.tear_down()
    assert (methods(tokens), tokens.secret.writes) == ([], 0)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302])
def test_refused_credentials_leave_the_secret_alone(issuer, status):
    tokens = issuer(answer(status, {"error": "invalid_client", "error_description": "No such client."}))
    with pytest.raises(Unauthorized) as caught:
        tokens.refresh("")
    assert f"status {status}, No such client.. Check client_id and client_secret" in caught.value.message
    assert caught.value.details["genesys_code"] == "invalid_client"
    assert tokens.secret.writes == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        None,
        [],
        "token",
        {},
        {"access_token": "new"},
        {"expires_in": 3600},
        {"access_token": "new", "expires_in": None},
        {"access_token": "new", "expires_in": "soon"},
        {"access_token": "new", "expires_in": 0},
        {"access_token": "new", "expires_in": 10**400},
        b'{"access_token": "new", "expires_in": 1e999}',
        {"access_token": "new", "expires_in": -1},
        {"access_token": "new", "expires_in": "NaN"},
        {"access_token": "", "expires_in": 3600},
        {"access_token": None, "expires_in": 3600},
        {"access_token": 7, "expires_in": 3600},
        {"access_token": "new\r\nX-Injected: 1", "expires_in": 3600},
        {"access_token": "néw", "expires_in": 3600},
    ],
    ids=repr,
)
def test_a_malformed_token_answer_stores_nothing(issuer, body):
    tokens = issuer(answer(200, body))
    with pytest.raises(GenesysAnswerInvalid):
        tokens.refresh("")
    assert tokens.secret.writes == 0


def test_the_request_for_a_token_is_retried_like_any_other(issuer):
    tokens = issuer(answer(503), answer(429, Retry_After="1"), GRANTED)
    assert tokens.refresh("") is True


LIMITED = [
    answer(400, {"error": "invalid_request", "error_description": "rate limit exceeded; see the documentation"}),
    answer(400, {"error": "invalid_request", "description": "Rate Limit Exceeded"}),
    answer(400, {"error": "invalid_request", "error_description": "RATE_LIMIT: too fast"}),
    answer(400, {"error": "invalid_request", "error_description": "Too many requests."}),
    answer(400, {"error": "invalid_request (rate limit exceeded; see the documentation)"}),
    answer(400, {"code": "invalid_request", "message": "rate limit exceeded"}),
    answer(429, {"error": "rate_limited"}),
    answer(429, b"<html>"),
]


@pytest.mark.parametrize("contract", [score, platform])
@pytest.mark.parametrize("limit", LIMITED, ids=repr)
def test_a_limit_of_the_login_host_blames_no_credentials(issuer, limit, contract, fake_time):
    tokens = issuer(limit, limit, GRANTED, contract=contract)
    assert tokens.refresh("") is True
    assert fake_time.slept == [0.25, 0.5]


@pytest.mark.parametrize("limit", LIMITED, ids=repr)
def test_a_repeated_limit_of_the_login_host_is_left_to_the_state_machine(issuer, limit):
    tokens = issuer(limit)
    with pytest.raises(RateLimited) as caught:
        tokens.refresh("")
    assert caught.value.details["guessed"] is True
    assert tokens.secret.writes == 0


@pytest.mark.parametrize(
    "body",
    [
        {"error": "invalid_request", "error_description": "grant_type is missing"},
        {"error": "invalid_client", "description": "client not found"},
        {"error": "invalid_request", "error_description": ["rate limit exceeded"]},
        {"error": "invalid_request"},
    ],
)
def test_any_other_400_of_the_login_host_blames_the_credentials(issuer, body):
    with pytest.raises(Unauthorized, match="Check client_id and client_secret"):
        issuer(answer(400, body)).refresh("")


class LimitedTokens:
    """Tokens from a token function that the login host limits."""

    def __init__(self, **details):
        self.details = details

    def current(self, _number):
        raise RateLimited("The login host asks to wait.", **self.details)


@pytest.mark.parametrize("asked", [301, 7200, 200_000_000])
def test_a_login_host_that_asks_for_too_long_a_wait_ends_the_run(send_over, fake_time, asked):
    sender = send_over(answer())
    sender.deadline = Deadline(fake_time.now + 100, give_up_at=fake_time.wall_clock() + 300)
    with pytest.raises(WaitTooLong, match=r"The login host asks to wait \d+ s before GET /x, and the run would"):
        GenesysClient(BASE, LimitedTokens(retry_after_s=asked), sender, needs).get("/x")
    assert sender.session.sent == []


def test_a_wait_for_the_login_host_within_the_runs_time_is_waited(send_over, fake_time):
    sender = send_over(answer())
    sender.deadline = Deadline(fake_time.now + 100, give_up_at=fake_time.wall_clock() + 300)
    with pytest.raises(RateLimited) as caught:
        GenesysClient(BASE, LimitedTokens(retry_after_s=300), sender, needs).get("/x")
    assert caught.value.details == {"retry_after_s": 300}


def test_without_a_time_the_wait_for_the_login_host_grows_with_the_run(send_over, fake_time):
    sender, now = send_over(answer()), fake_time.wall_clock()
    sender.deadline = Deadline(fake_time.now + 100, give_up_at=now + 5000, since=now - 200)
    with pytest.raises(RateLimited) as caught:
        GenesysClient(BASE, LimitedTokens(retry_after_s=15, guessed=True), sender, needs).get("/x")
    assert caught.value.details == {"retry_after_s": 150, "guessed": True}


@pytest.mark.parametrize("contract", [score, platform])
@pytest.mark.parametrize(
    "outcomes",
    [
        [answer(400, {"error_description": "client-secret is not the secret of client-id"})],
        [requests.ConnectionError("POST body client-secret")],
        [answer(200), GRANTED],
        [requests.ConnectionError("Bearer old"), GRANTED],
    ],
    ids=["refused", "unreachable", "granted", "revocation failed"],
)
def test_messages_and_logs_of_the_issuer_contain_no_secret(issuer, outcomes, contract, logs):
    tokens = issuer(*outcomes, held={"access_token": "held-token", "refresh_at": 0}, contract=contract)
    said = ""
    try:
        tokens.refresh(fingerprint("held-token"))
    except (Unauthorized, GenesysUnavailable, GenesysAnswerInvalid) as error:
        said = str(error) + repr(error)
    said += repr(logs())
    for secret in ("client-secret", PAIR, "held-token", "'new'", '"new"'):
        assert secret not in said


def test_basic_credentials_in_an_answer_are_not_passed_on(issuer):
    tokens = issuer(answer(401, {"error_description": f"Basic {PAIR} is wrong", "error": PAIR}), contract=platform)
    with pytest.raises(Unauthorized) as caught:
        tokens.refresh("")
    assert PAIR not in str(caught.value)
    assert caught.value.details["genesys_message"] == "Basic [hidden] is wrong"


# ---- the end of a deployment -----------------------------------------------------------------------------------------

SIGNED_URL = "https://bucket.s3.example.com/answer?X-Amz-Signature=abc"
EVENT = {
    "RequestType": "Delete",
    "ResponseURL": SIGNED_URL,
    "StackId": "arn:stack",
    "RequestId": "request-1",
    "LogicalResourceId": "TokenRevocation",
    "PhysicalResourceId": "physical-1",
}


@pytest.fixture
def cloudformation(monkeypatch):
    """Receives the requests to CloudFormation instead of a connection, and answers with `status`."""

    class CloudFormation:
        status = 200

        def __init__(self):
            self.told = []

        def send(self, request, **options):
            self.told.append((request, options))
            return answer(self.status)

    taker = CloudFormation()
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", taker.send)
    return taker


def told(cloudformation):
    ((request, _),) = cloudformation.told
    return json.loads(request.body)


def refusing(error):
    def revoke():
        raise error

    return revoke


def test_on_deletion_the_token_is_revoked_and_cloudformation_gets_an_answer(cloudformation):
    revoked = []
    assert teardown.answer(EVENT, lambda: revoked.append("token")) is True
    ((request, options),) = cloudformation.told
    assert revoked == ["token"]
    assert (request.method, request.url) == ("PUT", SIGNED_URL)
    assert request.headers["Content-Type"] == ""  # the URL is signed for a body without a Content-Type
    assert options["timeout"] == (3.05, 10.0)
    assert told(cloudformation) == {
        "Status": "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": "physical-1",
        "StackId": "arn:stack",
        "RequestId": "request-1",
        "LogicalResourceId": "TokenRevocation",
    }


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_on_creation_and_update_nothing_is_revoked(cloudformation, kind):
    event = {name: value for name, value in EVENT.items() if name != "PhysicalResourceId"} | {"RequestType": kind}
    assert teardown.answer(event, refusing(AssertionError("revoked"))) is True
    assert (told(cloudformation)["Status"], told(cloudformation)["PhysicalResourceId"]) == ("SUCCESS", "token")


@pytest.mark.parametrize("error", [StoreUnavailable("No secret."), ConfigurationInvalid("Wrong."), KeyError("bug")])
def test_a_failed_revocation_does_not_keep_the_stack(cloudformation, error, logs):
    assert teardown.answer(EVENT, refusing(error)) is True
    assert told(cloudformation)["Status"] == "SUCCESS"
    assert told(cloudformation)["Reason"] == f"The token was not revoked. It expires by itself: {type(error).__name__}"
    assert [line["exc_info"][1] for line in logs()] == [error]


def test_an_answer_that_cloudformation_refuses_is_reported(cloudformation):
    cloudformation.status = 403
    assert teardown.answer(EVENT, lambda: None) is False


# ---- errors on the wire ----------------------------------------------------------------------------------------------

CLASSES = RoutingWeightsError.__subclasses__()
details = st.dictionaries(
    st.from_regex(r"[a-z_]{2,12}", fullmatch=True).filter(lambda name: name not in {"message", "self"}),
    st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=5), max_size=3) | st.none(),
    max_size=4,
)


@given(st.sampled_from(CLASSES), st.text(), details)
def test_an_error_survives_the_wire(cls, message, more):
    error = cls(message, **more)
    back = from_wire(cls.__name__, str(error))
    assert (type(back), back.message, back.details) == (cls, message, more)


@pytest.mark.parametrize(
    ("kind", "wire", "message"),
    [
        ("KeyError", "'plan'", "KeyError: 'plan'"),
        ("Lambda.Unknown", "", "Lambda.Unknown"),
        ("Sandbox.Timedout", "RequestId: 1 Error: Task timed out after 20.00 seconds", None),
        ("ValueError", "[1, 2]", "ValueError: [1, 2]"),
        ("ValueError", '{"no": "message"}', 'ValueError: {"no": "message"}'),
    ],
)
def test_an_unknown_error_keeps_its_name(kind, wire, message):
    back = from_wire(kind, wire)
    assert type(back) is RoutingWeightsError
    assert back.message == (message or f"{kind}: {wire}")


def test_a_known_error_with_a_plain_text_keeps_both():
    back = from_wire("RateLimited", "not JSON")
    assert (type(back), back.message, back.details) == (errors.RateLimited, "not JSON", {})


def test_text_on_the_wire_is_readable():
    assert str(PlanInvalid("für")) == '{"message": "für"}'


@pytest.mark.parametrize("cls", [RoutingWeightsError, *CLASSES])
def test_every_error_is_a_problem(cls):
    found = problem_of(cls("A sentence."))
    assert found.type == "/problems/" + "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__)[1:]
    assert (found.status, found.title, found.detail, found.errors) == (cls.http_status, cls.title, "A sentence.", [])


def test_the_problem_of_a_refused_plan_lists_errors_and_record():
    listed = [{"path": "queue_id", "message": "bad", "type": "missing"}]
    found = problem_of(PlanInvalid("Bad.", errors=listed, error_count=1, distribution_id="d-1"))
    assert found.model_dump(exclude_none=True) == {
        "type": "/problems/plan-invalid",
        "title": "The plan is not valid",
        "status": 422,
        "detail": "Bad.",
        "distribution_id": "d-1",
        "errors": listed,
        "error_count": 1,
    }


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("PlanInvalid", 422),
        ("RequestInvalid", 422),
        ("IdempotencyConflict", 409),
        ("DistributionNotFound", 404),
        ("RouteNotFound", 404),
        ("StoreUnavailable", 503),
    ],
)
def test_an_error_has_its_http_status(name, status):
    assert getattr(errors, name).http_status == status


def test_only_temporary_errors_are_retryable():
    assert {cls.__name__ for cls in CLASSES if cls.retryable} == {
        "RateLimited",
        "WaitTooLong",
        "GenesysUnavailable",
        "StoreUnavailable",
    }


# ---- what a function speaks ------------------------------------------------------------------------------------------


class Context:
    @staticmethod
    def get_remaining_time_in_millis():
        return 60_000


COMMON = {
    "max_retry_after_s": 5,
    "token_secret": "token",
    "documents_bucket": "documents",
    "token_function": "function",
    "budget_table": "budget",
    "requests_per_minute": 300,
    "token_pool": 1,
    "max_concurrent_writes": 4,
    "shares_table": "shares",
    "reserved_for_others": 0,
}
SCORE = COMMON | {"genesys_contract": "score", "genesys_base_url": "https://genesys.example.com"}
PLATFORM = COMMON | {"genesys_contract": "platform", "genesys_region": "eu-central-1"}
RUN = Run(distribution_id="d-1", execution_arn="arn", started_at=datetime(2026, 1, 31, 8, tzinfo=UTC))


@pytest.mark.parametrize(
    ("fields", "kind", "url", "per_write"),
    [
        (SCORE, score.ScoreContract, "https://genesys.example.com", 1),
        (PLATFORM, platform.PlatformContract, "https://api.mypurecloud.de", 100),
    ],
)
def test_a_function_uses_the_actuator_of_the_decision(fields, kind, url, per_write):
    actuator = Score() if kind is score.ScoreContract else Joined(0.4)
    decision = work(plan(), target({"agent-1": 0.4}), queue(member("agent-1")), actuator).decision
    genesys = wiring.decided(QueueCaller(**fields), Context(), RUN, decision)
    assert type(genesys) is kind
    assert (genesys.client.base_url, genesys.actuation.actuator, genesys.per_write) == (url, actuator, per_write)
    assert genesys.client.lanes == 4
    assert genesys.client.needs is (score.needs if kind is score.ScoreContract else platform.needs)


@pytest.mark.parametrize(("fields", "actuator"), [(SCORE, Joined(0.4)), (PLATFORM, Score())])
def test_a_decision_of_another_contract_is_refused(fields, actuator):
    decision = work(plan(), target({"agent-1": 0.4}), queue(member("agent-1")), actuator).decision
    with pytest.raises(PlanNotApplicable, match="was decided under contract"):
        wiring.decided(QueueCaller(**fields), Context(), RUN, decision)


def test_a_restore_may_wait_longer_than_a_run():
    began = RUN.started_at.timestamp()
    patient, insisting = (deadlines.deadline(Context(), RUN, restoring=restoring) for restoring in (False, True))
    assert (patient.give_up_at, patient.since, patient.insists) == (began + deadlines.MAX_RUN_S, began, False)
    assert (insisting.give_up_at, insisting.since, insisting.insists) == (began + deadlines.MAX_RESTORE_S, began, True)


@pytest.mark.parametrize(
    ("fields", "revokes", "url"),
    [
        (SCORE, True, "https://genesys.example.com/api/v2/tokens/me"),
        (PLATFORM, False, "https://api.mypurecloud.de/api/v2/tokens/me"),
    ],
    ids=["score", "platform"],
)
def test_only_contract_score_revokes_a_refused_token(fields, revokes, url):
    found = token.issuer(TokenSettings(credentials_secret="credentials", **fields), Context())
    assert (found.revoke_refused, found.revoke_url) == (revokes, url)


@pytest.mark.parametrize(("fields", "part"), [(SCORE, "json"), (PLATFORM, "data")], ids=["score", "platform"])
def test_credentials_are_read_for_each_token_request(aws, fields, part):
    found = token.issuer(TokenSettings(credentials_secret="credentials", **fields), Context())
    pair = json.dumps({"client_id": "id", "client_secret": "s"})
    aws("secretsmanager").create_secret(Name="credentials", SecretString=pair)
    request = found.token_request()
    assert part in request.arguments
    assert request.url == f"{TokenSettings(credentials_secret='credentials', **fields).login_url}/oauth/token"


@pytest.mark.parametrize(
    ("method", "scope"), [("GET", "the scope routing:queue:read"), ("PATCH", "the scope routing:queue:write")]
)
def test_under_score_a_request_needs_a_scope(method, scope):
    assert score.needs(method, "/api/v2/routing/queues/queue-001") == scope
