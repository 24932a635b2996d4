"""Many threads of one process call Genesys at the same time."""

import email
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import urllib3
from requests.adapters import BaseAdapter

from routing_weights.adapters.aws.budget_table import RequestBudget, TokenBudget
from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.tokens import StoredTokens
from routing_weights.adapters.genesys.transport import MAX_THREADS, Deadline, Transport, new_session
from routing_weights.domain.pace import Slot
from routing_weights.errors import RateLimited
from tests.support.fakes import FakeSecret, FakeSession, answer
from tests.unit.test_budget import Store

THREADS, REQUESTS = 32, 640


class Genesys(BaseAdapter):
    """Accepts `fresh`, refuses any other token, and sets a new cookie with every answer."""

    def __init__(self):
        super().__init__()
        self.together = threading.Barrier(THREADS)
        self.accepted, self.refused, self.cookies = [], [], []

    def send(self, request, **_):
        self.cookies += [request.headers["Cookie"]] if "Cookie" in request.headers else []
        is_accepted = request.headers["Authorization"] == "Bearer fresh"
        (self.accepted if is_accepted else self.refused).append(request.path_url)
        if not is_accepted:
            self.together.wait(30)  # every thread is refused before the first one can get a new token
        response = answer(200 if is_accepted else 401, {})
        cookie = email.message_from_string(f"Set-Cookie: c{len(self.accepted)}=1\n\n")
        response.raw = urllib3.HTTPResponse(original_response=SimpleNamespace(msg=cookie, isclosed=lambda: True))
        return response

    def close(self):
        pass


class TokenFunction:
    """The secret with a revoked token, and the function that stores `fresh`."""

    def __init__(self):
        self.secret = FakeSecret({"access_token": "revoked", "refresh_at": time.time() + 1000})
        self.asked = []

    def refresh(self, refused, _number):
        """Another thread that asked at the same time would be counted before this one has stored the token."""
        self.asked.append(refused)
        for _ in range(10_000):
            if len(self.asked) > 1:
                break
        self.secret.value = {"access_token": "fresh", "refresh_at": time.time() + 1000}
        return True


@pytest.fixture
def impatient():
    """Threads interrupt each other everywhere."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("impatient")
def test_threads_lose_no_request_no_slot_and_refresh_once():
    genesys, tokens, store, slots = Genesys(), TokenFunction(), Store(), []
    token = TokenBudget("budget", "token-secret", 6e4, 1.0, lambda: 1_800_000_000.0, dynamodb=lambda: store)
    budget = RequestBudget([token])
    for age_s in (0.0, -2.0):
        budget.limited(0, {}, None, age_s)
    reserve = budget.reserve
    budget.reserve = lambda *asked: slots.extend(given := reserve(*asked)) or given
    session = new_session()
    session.mount("https://", genesys)
    transport = Transport(session, Deadline(at=1e9), 1e6, clock=lambda: 0.0, sleep=lambda _: None, budget=budget)
    stored = StoredTokens(tokens.secret, tokens.refresh, until=1e9)
    client = GenesysClient("https://genesys.example.com", stored, transport, lambda *_: "")
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda number: client.get(f"/{number}"), range(REQUESTS)))
    assert sorted(genesys.accepted) == sorted(f"/{number}" for number in range(REQUESTS))
    assert (len(genesys.refused), len(tokens.asked)) == (THREADS, 1)
    assert genesys.cookies == []
    times = sorted(slot.wait_s for slot in slots)
    assert times == pytest.approx([n * 1.02e-3 for n in range(REQUESTS + THREADS)], abs=2e-4), "each slot once"


@pytest.mark.parametrize("url", ["https://genesys.example.com", "http://127.0.0.1"])
def test_every_thread_keeps_its_connection(url):
    assert new_session().get_adapter(url).poolmanager.connection_from_url(url).pool.maxsize == MAX_THREADS


class SlotsApart:
    """A budget whose slots are 3 s apart. Like the real one, it reserves none that is too far away."""

    def __init__(self, time):
        self.time, self.next_at = time, time.now

    def reserve(self, longest_wait_s, slots=1):
        wait = max(0.0, self.next_at - self.time.now)
        if wait > longest_wait_s:
            raise RateLimited("No room.", retry_after_s=wait)
        self.next_at = self.time.now + wait + 3.0 * slots
        return [Slot(wait + 3.0 * n, 0) for n in range(slots)]

    def seen(self, _token, _headers):
        pass


def test_many_threads_wait_no_longer_for_a_slot_than_one(fake_time):
    """Sixteen slots in advance would be 48 s, more than a function sleeps."""
    transport = threaded(fake_time, *[answer(200)] * 40, budget=SlotsApart(fake_time))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: transport.send("GET /x", "GET", "https://genesys.example.com"), range(40)))
    assert [response.status_code for response in answers] == [200] * 40
    assert fake_time.slept == [3.0] * 39


def test_a_pause_that_genesys_asks_one_thread_for_holds_the_others(fake_time):
    transport = threaded(fake_time, answer(429, **{"Retry-After": "2"}), answer(200), answer(200))
    sent_at, slept = [], []

    def sleep(seconds):
        """While the first thread sleeps, another one sends."""
        slept.append(seconds)
        if len(slept) == 1:
            other = threading.Thread(target=lambda: sent_at.append(send_at(transport)))
            other.start()
            other.join(30)
        else:
            fake_time.sleep(seconds)

    transport.sleep = sleep
    sent_at.append(send_at(transport))
    assert slept == pytest.approx([2.05, 2.05])
    assert sent_at == pytest.approx([1002.05] * 2)


def test_a_pause_that_is_too_long_to_sleep_lets_no_thread_send(fake_time):
    transport = threaded(fake_time, answer(429, **{"Retry-After": "30"}))
    for seconds in (30, 31):  # the second one is not earlier than the first one would be
        with pytest.raises(RateLimited) as caught:
            send_at(transport)
        assert caught.value.details["retry_after_s"] == seconds
    assert len(transport.session.sent) == 1
    fake_time.advance(31)
    transport.session.answers = [answer(200)]
    assert send_at(transport) == 1031


def send_at(transport):
    """Send a request, and return the time."""
    transport.send("GET /x", "GET", "https://genesys.example.com")
    return transport.clock()


def threaded(time, *answers, budget=None):
    return Transport(
        FakeSession(*answers),
        Deadline(at=time.now + 1000),
        5.0,
        clock=time.clock,
        sleep=time.sleep,
        jitter=lambda: 0.5,
        budget=budget,
    )
