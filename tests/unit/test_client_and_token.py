"""One refresh for everybody after a 401; refusals explained; tokens issued, kept and revoked; errors on the wire."""

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from routing_weights import errors
from routing_weights.api import problem_of
from routing_weights.errors import (
    Forbidden,
    GenesysAnswerInvalid,
    GenesysRefused,
    GenesysUnavailable,
    PlanInvalid,
    RoutingWeightsError,
    StoreUnavailable,
    Unauthorized,
    from_wire,
)
from routing_weights.genesys.client import GenesysClient
from routing_weights.genesys.contracts import score
from routing_weights.genesys.token import StoredTokens, TokenIssuer, fingerprint, refresh_after_s
from routing_weights.genesys.transport import Deadline, Transport
from tests.unit.fakes import FakeSecret, FakeSession, answer

SCOPES = {"GET": "routing:queue:read", "PATCH": "routing:queue:write"}


class FakeTokens:
    stored_before = 0  # how many of the replacements others had stored

    def __init__(self):
        self.refused = []

    def current(self):
        return f"token-{len(self.refused)}"

    def replace(self, refused):
        self.refused.append(refused)
        return self.current(), len(self.refused) > self.stored_before


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
    return lambda *answers: GenesysClient("https://genesys.example.com", FakeTokens(), send_over(*answers), SCOPES)


def bearers(client):
    return [sent["headers"]["Authorization"] for sent in client.transport.session.sent]


# ---- client ----------------------------------------------------------------------------------------------------------


def test_get_returns_the_document(client):
    genesys = client(answer(200, {"id": "q"}))
    assert genesys.get("/api/v2/x", page=2) == {"id": "q"}
    (sent,) = genesys.transport.session.sent
    assert (sent["method"], sent["url"], sent["params"]) == ("GET", "https://genesys.example.com/api/v2/x", {"page": 2})
    assert sent["headers"] == {"Authorization": "Bearer token-0", "Accept": "application/json"}


@pytest.mark.parametrize("status", [200, 202, 204])
def test_patch_sends_body_and_idempotency_key_and_takes_every_kind_of_yes(client, status):
    genesys = client(answer(status, b""))
    genesys.patch("/x", {"score": 0.5}, idempotency_key="d-1:member:a")
    (sent,) = genesys.transport.session.sent
    assert (sent["method"], sent["json"]) == ("PATCH", {"score": 0.5})
    assert sent["headers"]["X-Genesys-Idempotency-Key"] == "d-1:member:a"


def test_a_401_refreshes_once_and_repeats_the_original_request(client):
    genesys = client(answer(401), answer(202))
    genesys.patch("/x", {"score": 0.5}, idempotency_key="k")
    first, second = genesys.transport.session.sent
    assert genesys.tokens.refused == ["token-0"]
    assert bearers(genesys) == ["Bearer token-0", "Bearer token-1"]
    assert (second["method"], second["url"], second["json"]) == (first["method"], first["url"], first["json"])
    assert second["headers"]["X-Genesys-Idempotency-Key"] == "k"


def test_a_second_401_is_unauthorized_and_ends_it(client):
    genesys = client(answer(401, {"message": "Expired."}))
    with pytest.raises(Unauthorized) as caught:
        genesys.get("/x")
    assert (len(bearers(genesys)), genesys.tokens.refused) == (2, ["token-0"])
    assert caught.value.message == (
        'Genesys refuses GET /x even with a new token. Genesys says: "Expired.". '
        "Check that the OAuth client in CredentialsSecret is active and belongs to this organisation."
    )


def test_a_token_that_others_stored_and_genesys_refuses_too_is_followed_by_a_new_one(client):
    genesys = client(answer(401), answer(401), answer(200, {}))
    genesys.tokens.stored_before = 1
    assert genesys.get("/x") == {}
    assert genesys.tokens.refused == ["token-0", "token-1"]


@pytest.mark.parametrize(
    ("act", "scope"),
    [
        (lambda genesys: genesys.get("/x"), "routing:queue:read"),
        (lambda genesys: genesys.patch("/x", {}, idempotency_key="k"), "routing:queue:write"),
    ],
    ids=["GET", "PATCH"],
)
def test_a_403_names_the_scope_and_what_to_do(client, act, scope):
    genesys = client(answer(403, {"code": "missing.scope"}))
    with pytest.raises(Forbidden) as caught:
        act(genesys)
    assert f"it needs the scope {scope}. Add the scope to the client" in caught.value.message
    assert caught.value.details == {"http_status": 403, "genesys_code": "missing.scope"}
    assert genesys.tokens.refused == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (201, GenesysAnswerInvalid),
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


def test_an_answer_that_is_no_json_is_invalid(client):
    with pytest.raises(GenesysAnswerInvalid, match="something that is not JSON"):
        client(answer(200, b'{"entities": [')).get("/x")


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_that_repeats_the_token_does_not_pass_it_on(client, status):
    with pytest.raises(RoutingWeightsError) as caught:
        client(answer(status, {"message": "Bearer token-1 and token-0 are bad"})).get("/x")
    assert ("token-1" if status == 401 else "token-0") not in str(caught.value)


# ---- when a token is due ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires_in", "due"), [(86_400, 86_340), (300, 240), (120, 60), (119, 107.1), (60, 54), (1, 0.9)]
)
def test_a_token_is_due_a_minute_before_it_expires_or_after_nine_tenths_of_a_short_life(expires_in, due):
    assert refresh_after_s(expires_in) == pytest.approx(due)


@given(st.floats(1e-3, 1e7))
def test_a_token_is_due_within_its_life_and_never_at_once(expires_in):
    assert expires_in / 2 <= refresh_after_s(expires_in) < expires_in


def test_a_fingerprint_names_a_token_without_showing_it():
    assert fingerprint("token") != fingerprint("token2")
    assert (len(fingerprint("token")), "token" in fingerprint("token")) == (16, False)


# ---- StoredTokens ----------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(fake_time):
    """A secret with a good token, and a token function that stores `fresh` when it is asked."""

    class Stored:
        def __init__(self):
            self.asked = []
            self.secret = FakeSecret({"access_token": "first", "refresh_at": fake_time.wall_clock() + 100})
            self.fresh = {"access_token": "fresh", "refresh_at": fake_time.wall_clock() + 1000}
            self.tokens = StoredTokens(self.secret, self.refresh, fake_time.wall_clock)

        def refresh(self, refused):
            self.asked.append(refused)
            self.secret.value = self.fresh

    return Stored()


def test_the_secret_is_read_once_while_its_token_is_good(stored, fake_time):
    assert [stored.tokens.current() for _ in range(3)] == ["first"] * 3
    fake_time.now += 99.9
    assert stored.tokens.current() == "first"
    assert (stored.secret.reads, stored.asked) == (1, [])


def test_a_token_that_is_due_is_refreshed_and_not_named_as_refused(stored, fake_time):
    stored.tokens.current()
    fake_time.now += 100
    assert (stored.tokens.current(), stored.asked) == ("fresh", [""])


def test_a_token_that_somebody_else_refreshed_is_read_and_not_asked_for(stored, fake_time):
    stored.tokens.current()
    fake_time.now += 100
    stored.secret.value = stored.fresh
    assert (stored.tokens.current(), stored.asked) == ("fresh", [])


@pytest.mark.parametrize("empty", [{}, {"access_token": None}, {"access_token": ""}])
def test_without_a_token_one_is_asked_for(stored, empty):
    stored.secret.value = empty
    assert (stored.tokens.current(), stored.asked) == ("fresh", [""])


def test_a_refused_token_is_refreshed_and_named_only_by_its_fingerprint(stored):
    assert stored.tokens.replace(stored.tokens.current()) == ("fresh", True)
    assert stored.asked == [fingerprint("first")]


def test_a_refused_token_is_not_refreshed_where_somebody_elses_newer_one_is_stored(stored):
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


def test_the_representation_of_stored_tokens_shows_no_token(stored):
    stored.tokens.current()
    assert "first" not in repr(stored.tokens)


# ---- TokenIssuer -----------------------------------------------------------------------------------------------------


@pytest.fixture
def issuer(send_over, fake_time):
    def make(*answers, held=None):
        return TokenIssuer(
            secret=FakeSecret(held),
            transport=send_over(*answers),
            token_request=lambda: score.token_request("https://login.example.com", "client-id", "client-secret"),
            revoke_url="https://genesys.example.com/api/v2/tokens/me",
            wall_clock=fake_time.wall_clock,
        )

    return make


def methods(issuer):
    return [sent["method"] for sent in issuer.transport.session.sent]


GRANTED = answer(200, {"access_token": "new", "expires_in": 3600})


def test_the_first_token_is_issued_and_stored_with_its_times(issuer, fake_time):
    tokens = issuer(GRANTED)
    assert tokens.refresh("") is True
    now = fake_time.wall_clock()
    assert tokens.secret.value == {"access_token": "new", "expires_at": now + 3600, "refresh_at": now + 3540}


def test_the_request_for_a_token_speaks_the_contracts_dialect(issuer):
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


def test_two_callers_with_the_same_refused_token_refresh_once(issuer, fake_time):
    held = {"access_token": "old", "refresh_at": fake_time.wall_clock() + 100}
    tokens = issuer(answer(200), GRANTED, held=held)
    assert [tokens.refresh(fingerprint("old")), tokens.refresh(fingerprint("old"))] == [True, False]
    assert methods(tokens) == ["DELETE", "POST"]


def test_a_good_token_that_nobody_refused_is_kept(issuer, fake_time):
    tokens = issuer(GRANTED, held={"access_token": "old", "refresh_at": fake_time.wall_clock() + 1})
    assert (tokens.refresh(""), methods(tokens), tokens.secret.writes) == (False, [], 0)


def test_a_token_that_is_due_is_replaced_and_not_revoked(issuer, fake_time):
    tokens = issuer(GRANTED, held={"access_token": "old", "refresh_at": fake_time.wall_clock()})
    assert (tokens.refresh(""), methods(tokens)) == (True, ["POST"])


def test_the_refused_token_is_revoked_with_itself_and_a_timeout(issuer):
    tokens = issuer(answer(200), GRANTED, held={"access_token": "old", "refresh_at": 9e9})
    tokens.refresh(fingerprint("old"))
    revoked = tokens.transport.session.sent[0]
    assert (revoked["method"], revoked["url"]) == ("DELETE", "https://genesys.example.com/api/v2/tokens/me")
    assert revoked["headers"] == {"Authorization": "Bearer old"}
    assert (revoked["timeout"], revoked["allow_redirects"]) == (3.05, False)


@pytest.mark.parametrize("outcome", [answer(401), answer(500), requests.ConnectionError("gone"), requests.Timeout()])
def test_a_revocation_that_fails_does_not_matter(issuer, outcome):
    tokens = issuer(outcome, GRANTED, held={"access_token": "old", "refresh_at": 9e9})
    assert tokens.refresh(fingerprint("old")) is True
    assert tokens.secret.value["access_token"] == "new"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302])
def test_refused_credentials_are_unauthorized_and_leave_the_secret_alone(issuer, status):
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
def test_a_malformed_answer_to_the_request_for_a_token_is_invalid_and_stores_nothing(issuer, body):
    tokens = issuer(answer(200, body))
    with pytest.raises(GenesysAnswerInvalid):
        tokens.refresh("")
    assert tokens.secret.writes == 0


def test_the_request_for_a_token_is_retried_like_any_other(issuer):
    tokens = issuer(answer(503), answer(429, Retry_After="1"), GRANTED)
    assert tokens.refresh("") is True


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
def test_neither_messages_nor_logs_of_the_issuer_hold_a_secret(issuer, outcomes, logs):
    tokens = issuer(*outcomes, held={"access_token": "held-token", "refresh_at": 0})
    said = ""
    try:
        tokens.refresh(fingerprint("held-token"))
    except (Unauthorized, GenesysUnavailable) as error:
        said = str(error) + repr(error)
    said += repr(logs())
    for secret in ("client-secret", "held-token", "'new'", '"new"'):
        assert secret not in said


# ---- errors on the wire ----------------------------------------------------------------------------------------------

CLASSES = RoutingWeightsError.__subclasses__()
details = st.dictionaries(
    st.from_regex(r"[a-z_]{2,12}", fullmatch=True).filter(lambda name: name not in {"message", "self"}),
    st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=5), max_size=3) | st.none(),
    max_size=4,
)


@given(st.sampled_from(CLASSES), st.text(), details)
def test_an_error_comes_back_from_the_wire_as_it_went(cls, message, more):
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
def test_an_error_that_is_not_ours_stays_what_it_says(kind, wire, message):
    back = from_wire(kind, wire)
    assert type(back) is RoutingWeightsError
    assert back.message == (message or f"{kind}: {wire}")


def test_our_class_with_a_plain_text_keeps_both():
    back = from_wire("RateLimited", "not JSON")
    assert (type(back), back.message, back.details) == (errors.RateLimited, "not JSON", {})


def test_text_on_the_wire_is_readable():
    assert str(PlanInvalid("für")) == '{"message": "für"}'


@pytest.mark.parametrize("cls", [RoutingWeightsError, *CLASSES])
def test_every_error_is_a_problem(cls):
    found = problem_of(cls("A sentence."))
    assert found.type == "/problems/" + "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__)[1:]
    assert (found.status, found.title, found.detail, found.errors) == (cls.http_status, cls.title, "A sentence.", [])


def test_a_refused_plans_problem_lists_its_errors_and_its_record():
    listed = [{"path": "queue_id", "message": "bad", "type": "missing"}]
    found = problem_of(PlanInvalid("Bad.", errors=listed, error_count=1, distribution_id="d-1"))
    assert found.model_dump() == {
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
def test_what_the_api_answers_has_its_status(name, status):
    assert getattr(errors, name).http_status == status


def test_only_what_may_pass_by_itself_is_retryable():
    assert {cls.__name__ for cls in CLASSES if cls.retryable} == {
        "RateLimited",
        "GenesysUnavailable",
        "StoreUnavailable",
    }
