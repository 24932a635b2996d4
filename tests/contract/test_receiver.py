"""The receiver of our webhooks, over HTTP: the requests that it gets, and the consequence of each of its answers."""

import socket
from contextlib import closing

import pytest
import requests

from routing_weights.adapters.http.webhook_sender import Receiver
from routing_weights.domain.signing import Reply
from tests.support.receiver import WfmSystem

NOW = 1_800_000_000
BODY = b'{"distribution_id": "d-1", "text": "\xe2\x82\xac"}'


@pytest.fixture
def system():
    with closing(WfmSystem("new", lambda: NOW)) as system:
        yield system


def receiver(url, now=NOW):
    session = requests.Session()
    session.trust_env = False
    return Receiver(url, session, (1.0, 0.3), wall_clock=lambda: now)


def post(system, *secrets, event_id="d-1:completed", path="/hook"):
    return receiver(system.url + path).post(event_id, BODY, secrets or ("new",))


def test_the_receiver_gets_the_signed_bytes(system):
    assert post(system) == Reply("taken", "status 204")
    ((status, headers, body, path),) = system.sent
    assert (status, body, path) == (204, BODY, "/hook")
    assert (headers["x-webhook-id"], headers["x-webhook-timestamp"]) == ("d-1:completed", str(NOW))
    assert headers["content-type"] == "application/json"
    assert "authorization" not in headers


def test_an_id_that_does_not_fit_into_a_header_is_hashed(system):
    for _ in range(2):
        post(system, event_id="Abendschicht für alle:completed")
    first, second = (headers["x-webhook-id"] for _, headers, _, _ in system.sent)
    assert first == second
    assert len(first) == 64


def test_during_a_rotation_both_secrets_are_accepted(system):
    assert post(system, "newer", "new").verdict == "taken"
    assert [status for status, *_ in system.sent] == [401, 204]
    assert post(system, "newer", "newest") == Reply("never", "status 401")
    assert post(system, "new", "old").verdict == "taken"
    assert len(system.sent) == 5


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((status, "taken") for status in (200, 202, 204)),
        *((status, "never") for status in (302, 304, 400, 404, 410, 422)),
        *((status, "later") for status in (408, 429, 500, 503)),
    ],
)
def test_each_answer_has_its_consequence(system, status, verdict):
    system.script = [status]
    assert post(system) == Reply(verdict, f"status {status}")


def test_a_redirect_is_not_followed(system):
    system.script = [(307, {"Location": "/elsewhere"})]
    assert post(system).verdict == "never"
    assert [path for *_, path in system.sent] == ["/hook"]


@pytest.mark.parametrize(("asked", "pause_s"), [("7", 7), ("100000", 900), ("soon", 0), ("-1", 0)])
def test_a_receivers_retry_after_is_obeyed_within_bounds(system, asked, pause_s):
    system.script = [(429, {"Retry-After": asked})]
    assert post(system) == Reply("later", "status 429", pause_s)


def test_a_receiver_that_does_not_answer_is_tried_later(system):
    system.script = [None]
    assert post(system) == Reply("later", "ConnectionError")
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/secret-path"
        answer = receiver(url).post("d-1", BODY, ["new"])
    assert answer == Reply("later", "ReadTimeout")
    assert receiver(url).post("d-1", BODY, ["new"]) == Reply("later", "ConnectionError")


def test_the_body_of_an_answer_is_not_read(system):
    system.script = [(200, {"Content-Length": "1000000000"})]
    assert post(system).verdict == "taken"


def test_without_a_secret_nothing_is_sent(system):
    assert receiver(system.url).post("d-1", BODY, []).verdict == "later"
    assert system.sent == []
