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
from tests.support.fakes import FakeSecret, answer
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
    token = TokenBudget("budget", "token-secret", 6e4, 1.0, lambda: 1_800_000_000.0, lambda: store)
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
