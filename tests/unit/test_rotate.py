"""The four steps of a rotation: each may run again, and readers have the value before until the last one."""

import itertools
import json

import pytest

from routing_weights.adapters.aws.secret_versions import SecretVersions
from routing_weights.adapters.genesys.renewals import CredentialsRenewal, Logins, TokensRenewal
from routing_weights.adapters.genesys.tokens import platform_request
from routing_weights.adapters.genesys.transport import Deadline, Transport
from routing_weights.application.rotate import Rotate
from routing_weights.domain.credentials import credentials_of
from routing_weights.errors import (
    ConfigurationInvalid,
    Forbidden,
    GenesysAnswerInvalid,
    GenesysRefused,
    GenesysUnavailable,
    StoreUnavailable,
    Unauthorized,
)
from tests.support.fakes import FakeSession, answer

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
OLD, NEW = "0" * 32, "1" * 32
PAIR = {"client_id": "first", "client_secret": "s-first"}
STANDBY = {"client_id": "second", "client_secret": "s-second"}
KEEPER = {"client_id": "keeper", "client_secret": "s-keeper"}
STORED = PAIR | {"standby": STANDBY}
TOKEN = answer(200, {"access_token": "new-token", "expires_in": 3600})
DONE = answer(200, {})
QUEUES = answer(200, {"entities": []})


@pytest.fixture
def versions(aws):
    """A secret with the value `{"n": 0}`, and a rotation to NEW that has begun, as Secrets Manager begins it."""
    secrets = aws("secretsmanager")
    secrets.create_secret(Name="secret", ClientRequestToken=OLD, SecretString='{"n": 0}')
    secrets.rotate_secret(SecretId="secret", ClientRequestToken=NEW)  # without a function, moto promotes it at once
    for label, to, of in (("AWSCURRENT", OLD, NEW), ("AWSPENDING", NEW, None)):
        removed = {"RemoveFromVersionId": of} if of else {}
        secrets.update_secret_version_stage(SecretId="secret", VersionStage=label, MoveToVersionId=to, **removed)
    return SecretVersions("secret")


def current(aws):
    answer = aws("secretsmanager").get_secret_value(SecretId="secret", VersionStage="AWSCURRENT")
    return json.loads(answer["SecretString"])


class Counter:
    """A renewal that counts up, and fails as it is told."""

    def __init__(self, **failures):
        self.failures, self.calls, self.numbers = failures, [], itertools.count(1)

    def _called(self, name, value):
        self.calls.append((name, value))
        if failure := self.failures.pop(name, None):
            raise failure

    def renewed(self, current):
        self._called("renewed", current)
        return {"n": next(self.numbers)}

    def check(self, pending, _current):
        self._called("check", pending)

    def retire(self, replaced):
        self._called("retire", replaced)


def test_a_rotation_tests_the_new_value_and_then_makes_it_current(aws, versions):
    rotation = Rotate(versions, renewal := Counter())
    for step in STEPS[:-1]:
        rotation.rotate(step, NEW)
        assert current(aws) == {"n": 0}
    rotation.rotate("finishSecret", NEW)
    assert current(aws) == {"n": 1}
    assert renewal.calls == [("renewed", {"n": 0}), ("check", {"n": 1}), ("retire", {"n": 0})]
    assert "AWSPREVIOUS" in versions.labels(OLD)


def test_each_step_may_run_again(aws, versions):
    rotation = Rotate(versions, renewal := Counter())
    for step in STEPS:
        rotation.rotate(step, NEW)
        rotation.rotate(step, NEW)
    assert current(aws) == {"n": 1}
    assert renewal.calls[-2:] == [("retire", {"n": 0}), ("retire", {"n": 0})]
    assert [name for name, _ in renewal.calls[:-2]] == ["renewed", "check", "check"]


def test_a_last_step_that_fails_after_the_value_is_current_ends_the_value_before_when_it_runs_again(aws, versions):
    rotation = Rotate(versions, renewal := Counter(retire=GenesysUnavailable("no")))
    for step in STEPS[:-1]:
        rotation.rotate(step, NEW)
    with pytest.raises(GenesysUnavailable):
        rotation.rotate("finishSecret", NEW)
    assert current(aws) == {"n": 1}
    for step in STEPS:  # Secrets Manager begins again, with the same version
        rotation.rotate(step, NEW)
    assert [call for call in renewal.calls if call[0] == "retire"] == [("retire", {"n": 0})] * 2


def test_a_value_that_fails_its_test_is_not_made_current(aws, versions):
    rotation = Rotate(versions, Counter(check=Unauthorized("no")))
    rotation.rotate("createSecret", NEW)
    with pytest.raises(Unauthorized):
        rotation.rotate("testSecret", NEW)
    assert current(aws) == {"n": 0}
    for step in STEPS:  # Secrets Manager begins again, with the same version
        rotation.rotate(step, NEW)
    assert current(aws) == {"n": 1}


@pytest.mark.parametrize("step", ["testSecret", "finishSecret"])
def test_a_version_without_a_value_is_never_made_current(aws, versions, step):
    with pytest.raises(ConfigurationInvalid, match="createSecret has failed"):
        Rotate(versions, Counter()).rotate(step, NEW)
    assert current(aws) == {"n": 0}


def test_a_version_that_nobody_rotates_to_is_refused(aws, versions):
    with pytest.raises(ConfigurationInvalid, match="not pending"):
        Rotate(versions, Counter()).rotate("createSecret", "2" * 32)
    assert current(aws) == {"n": 0}


def test_a_current_value_that_changes_again_and_again_ends_a_step(versions, aws_answers):
    versions.store(NEW, {"n": 1})
    aws_answers("secretsmanager", "UpdateSecretVersionStage", "InvalidParameterException")
    with pytest.raises(StoreUnavailable, match="again and again"):
        versions.promote(NEW)


# ---- what the secrets hold -------------------------------------------------------------------------------------------


def test_a_secret_of_three_clients_comes_back_as_it_was():
    secret = PAIR | {"standby": STANDBY, "keeper": KEEPER}
    assert credentials_of(secret).as_json() == secret
    assert credentials_of(PAIR | {"note": "x"}).as_json() == PAIR


@pytest.mark.parametrize(
    "secret",
    [
        {},
        {"client_id": "id-1"},
        {"client_secret": "s3cret"},
        {"client_id": "", "client_secret": "s3cret"},
        {"client_id": "id-1", "client_secret": ""},
        {"client_id": 7, "client_secret": "s3cret"},
        {"client_id": "id-1", "client_secret": ["s3cret"]},
    ],
)
def test_a_secret_without_credentials_says_what_to_put_into_it(secret):
    with pytest.raises(ConfigurationInvalid, match=r"CredentialsSecret holds no client credentials\. Put ") as caught:
        credentials_of(secret)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", ["standby", "keeper"])
@pytest.mark.parametrize("value", [None, "s3cret", {}, {"client_id": "id", "client_secret": None}])
def test_another_client_without_credentials_is_named(name, value):
    with pytest.raises(ConfigurationInvalid, match="in CredentialsSecret needs") as caught:
        credentials_of(PAIR | {name: value})
    assert caught.value.message.startswith(f'"{name}"')
    assert "s3cret" not in str(caught.value)


# ---- what Genesys does -----------------------------------------------------------------------------------------------


@pytest.fixture
def logins(fake_time):
    def make(*answers, lists_queues=True):
        session = FakeSession(*answers)
        transport = Transport(
            session,
            Deadline(at=fake_time.now + 100),
            5.0,
            clock=fake_time.clock,
            wall_clock=fake_time.wall_clock,
            sleep=fake_time.sleep,
            jitter=lambda: 0.5,
        )
        return Logins(
            transport,
            lambda client: platform_request("https://login", client.client_id, client.client_secret),
            "https://api",
            lists_queues=lists_queues,
        )

    return make


def sent(logins):
    return [(request["method"], request["url"]) for request in logins.transport.session.sent]


def test_the_keeper_makes_a_new_secret_for_the_standby_client_which_takes_over(logins):
    renewal = CredentialsRenewal(logins(TOKEN, answer(200, {"id": "second", "secret": "fresh"}), DONE))
    renewed = renewal.renewed(PAIR | {"standby": STANDBY, "keeper": KEEPER})
    assert renewed == {"client_id": "second", "client_secret": "fresh", "standby": PAIR, "keeper": KEEPER}
    assert sent(renewal.logins) == [
        ("POST", "https://login/oauth/token"),
        ("POST", "https://api/api/v2/oauth/clients/second/secret"),
        ("DELETE", "https://api/api/v2/tokens/me"),
    ]


def test_without_a_keeper_the_stored_standby_takes_over_once(logins):
    renewal = CredentialsRenewal(logins(TOKEN))
    renewed = renewal.renewed(PAIR | {"standby": STANDBY})
    assert (renewed, sent(renewal.logins)) == (STANDBY, [])
    with pytest.raises(ConfigurationInvalid, match="CredentialsSecret has no"):
        renewal.renewed(renewed)


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (answer(403, {"code": "missing.any.permissions", "message": "no"}), Forbidden),
        (answer(404, {"code": "not.found", "message": "no"}), GenesysRefused),
        (answer(200, {"id": "second"}), GenesysAnswerInvalid),
        (answer(200, b"<html>"), GenesysAnswerInvalid),
    ],
)
def test_a_secret_that_genesys_does_not_make_is_an_error_and_the_keeper_is_logged_out(logins, refusal, error):
    renewal = CredentialsRenewal(logins(TOKEN, refusal, DONE))
    with pytest.raises(error) as caught:
        renewal.renewed(PAIR | {"standby": STANDBY, "keeper": KEEPER})
    assert sent(renewal.logins)[-1] == ("DELETE", "https://api/api/v2/tokens/me")
    assert "s-" not in str(caught.value)


@pytest.mark.parametrize(
    ("refusals", "error"),
    [
        ([answer(401, {"error": "invalid_client"})], Unauthorized),
        ([TOKEN, answer(403, {"code": "missing.any.permissions"}), DONE], Forbidden),
        ([TOKEN, answer(302, {}), DONE], GenesysRefused),
    ],
)
def test_a_client_that_cannot_log_in_or_read_queues_fails_the_test(logins, refusals, error):
    with pytest.raises(error):
        CredentialsRenewal(logins(*refusals)).check(STANDBY, STORED)


def test_a_client_that_passes_the_test_leaves_no_token(logins):
    renewal = CredentialsRenewal(logins(TOKEN, QUEUES, DONE))
    renewal.check(STANDBY, STORED)
    assert [method for method, _ in sent(renewal.logins)] == ["POST", "GET", "DELETE"]
    assert renewal.logins.transport.session.sent[1]["headers"] == {"Authorization": "Bearer new-token"}


def test_under_contract_score_a_login_is_the_test(logins):
    renewal = CredentialsRenewal(logins(TOKEN, DONE, lists_queues=False))
    renewal.check(STANDBY, STORED)
    assert [method for method, _ in sent(renewal.logins)] == ["POST", "DELETE"]


def test_every_stored_token_is_replaced_and_those_before_are_revoked(logins, fake_time):
    held = {"access_token": "a", "refresh_at": 1, "others": [{}, {"access_token": "c", "refresh_at": 1}]}
    renewal = TokensRenewal(logins(TOKEN), lambda: PAIR, fake_time.wall_clock)
    renewed = renewal.renewed(held)
    now = fake_time.wall_clock()
    new = {"access_token": "new-token", "expires_at": now + 3600, "refresh_at": now + 3540}
    assert renewed == new | {"others": [{}, new]}
    renewal.check(renewed, held)
    renewal.retire(held)
    used = [request["headers"]["Authorization"] for request in renewal.logins.transport.session.sent[2:]]
    assert used == ["Bearer new-token", "Bearer new-token", "Bearer a", "Bearer c"]


def test_a_deployment_without_a_token_rotates_to_nothing(logins, fake_time):
    renewal = TokensRenewal(logins(TOKEN), lambda: PAIR, fake_time.wall_clock)
    assert renewal.renewed({}) == {}
    renewal.check({}, {})
    renewal.retire({})
    assert sent(renewal.logins) == []


def test_tokens_that_are_due_before_they_become_current_do_not_fail_the_test_for_ever(logins, fake_time):
    renewal = TokensRenewal(logins(TOKEN, answer(401, {})), lambda: PAIR, fake_time.wall_clock)
    renewed = renewal.renewed({"access_token": "a", "refresh_at": 1})
    fake_time.now += 3540  # Secrets Manager tries a rotation again for hours, and a version keeps its value
    renewal.check(renewed, {})
    assert len(sent(renewal.logins)) == 1


def test_a_token_that_genesys_does_not_revoke_fails_the_step_and_the_others_are_revoked(logins, fake_time):
    held = {"access_token": "a", "others": [{"access_token": "b"}, {"access_token": "c"}]}
    renewal = TokensRenewal(logins(*[answer(503)] * 6, answer(401, {}), DONE), lambda: PAIR, fake_time.wall_clock)
    with pytest.raises(GenesysUnavailable, match="the revocation of a token"):
        renewal.retire(held)
    used = [request["headers"]["Authorization"] for request in renewal.logins.transport.session.sent]
    assert used == ["Bearer a"] * 6 + ["Bearer b", "Bearer c"]


@pytest.mark.parametrize(
    "stored",
    [
        PAIR | {"standby": STANDBY | {"client_secret": "s-newer"}},
        PAIR,
        STORED | {"keeper": KEEPER},
    ],
)
def test_a_rotation_does_not_undo_what_somebody_stored_after_it_began(logins, stored):
    renewal = CredentialsRenewal(logins(TOKEN, QUEUES, DONE))
    pending = renewal.renewed(STORED)
    with pytest.raises(ConfigurationInvalid, match="after this rotation began") as caught:
        renewal.check(pending, stored)
    assert "s-" not in str(caught.value)
    assert sent(renewal.logins) == []
    renewal.check(pending, STORED)


@pytest.mark.parametrize(
    ("stored", "is_undone"),
    [
        ({}, False),
        (PAIR | {"client_secret": "s-newer"}, True),
        ({"keeper": KEEPER | {"client_secret": "s-newer"}}, True),
        ({"standby": {"client_id": "third", "client_secret": "s-third"}}, True),
    ],
)
def test_with_a_keeper_it_does_not_undo_it_either(logins, stored, is_undone):
    before = STORED | {"keeper": KEEPER}
    made = answer(200, {"id": "second", "secret": "fresh"})
    renewal = CredentialsRenewal(logins(TOKEN, made, DONE, TOKEN, QUEUES, DONE))
    pending = renewal.renewed(before)
    if is_undone:
        with pytest.raises(ConfigurationInvalid, match="after this rotation began"):
            renewal.check(pending, before | stored)
    else:
        renewal.check(pending, before | stored)
