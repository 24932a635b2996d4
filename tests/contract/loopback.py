"""What the tests of both contracts share: a client, and the shape of an error."""

from contextlib import contextmanager

import requests

from local.genesys import GenesysSimulator
from tests.support.waiting import DEADLINE_S

ERROR_KEYS = {"message", "code", "status", "contextId", "details", "errors"}


class LoopbackClient(requests.Session):
    """A session with a base URL and, after the login, a token."""

    def __init__(self, url):
        super().__init__()
        self.url = url
        self.trust_env = False

    def request(self, method, path, **options):
        return super().request(method, self.url + path, timeout=DEADLINE_S, **options)

    def keep_token(self, answer):
        self.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer.json()


@contextmanager
def starting(client_of, fake_time, **usual):
    """Yield a function that starts a simulator and a client with a token. Both end with the `with`."""
    running = []

    def start(**options):
        simulator = GenesysSimulator(clock=fake_time.clock, sleep=fake_time.sleep, **usual | options).start()
        client = client_of(simulator.url)
        running.extend((client, simulator))
        client.login()
        simulator.clear_requests()
        return simulator, client

    try:
        yield start
    finally:
        for item in running:
            item.close()


def assert_error(answer, status, code, said=""):
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (status, code, status), answer.text
    assert answer.json().keys() >= ERROR_KEYS
    assert answer.headers["ININ-Correlation-Id"] == answer.json()["contextId"]
    assert said in answer.json()["message"]
