"""Fakes: a clock that only sleeping moves, a session that answers from a list, and builders for domain objects."""

import json

import requests

from routing_weights.distribution import Member, Queue
from routing_weights.plan import Plan, parse_plan

SMALLEST_PLAN = {
    "queue_id": "queue-001",
    "member_weights": {"agent-1": 0.4, "agent-2": 0.35, "agent-3": 0.25},
    "overflow_threshold": 0.85,
    "utilization_target": 0.8,
    "strategy_reference": "balanced-v1",
}


def plan(**changes) -> Plan:
    return parse_plan(json.dumps(SMALLEST_PLAN | changes))


def member(user_id, weight=0.0, *, active=True, skills=(), **native):
    return Member(user_id, weight, active, tuple(skills), native)


def queue(*members, queue_id="queue-001", overflow_threshold=0.85, wrap_up_timeout_s=30.0):
    return Queue(queue_id, overflow_threshold, wrap_up_timeout_s, tuple(members))


class FakeTime:
    """A monotonic and a wall clock that move together, and only while somebody sleeps."""

    def __init__(self, now=1000.0, wall=1_800_000_000.0):
        self.now, self.offset, self.slept = now, wall - now, []

    def clock(self):
        return self.now

    def wall_clock(self):
        return self.now + self.offset

    def sleep(self, seconds):
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds


def answer(status=200, body=None, **headers):
    """A response as `requests` would give it; bytes are sent as they are, anything else as JSON."""
    response = requests.Response()
    response.status_code = status
    response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


class FakeSession:
    """Gives the answers in turn, the last one for ever, and keeps what was asked. An exception is raised instead."""

    def __init__(self, *answers):
        self.answers, self.sent = list(answers), []

    def request(self, method, url, **options):
        self.sent.append({"method": method, "url": url, **options})
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(given):
            given = given(method, url, **options)
        if isinstance(given, Exception):
            raise given
        return given

    def delete(self, url, **options):
        return self.request("DELETE", url, **options)


class FakeSecret:
    """A secret in memory that counts its readers."""

    def __init__(self, value=None):
        self.value, self.reads, self.writes = value or {}, 0, 0

    def read(self):
        self.reads += 1
        return dict(self.value)

    def write(self, value):
        self.writes += 1
        self.value = value
