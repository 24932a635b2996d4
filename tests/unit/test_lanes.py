"""Lanes: several requests at once, in an order that stays known."""

import logging
import threading

import pytest
from aws_lambda_powertools import Logger

from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.transport import Deadline, Transport
from routing_weights.errors import Forbidden, GenesysRefused, RateLimited
from tests.support.fakes import FakeSession


def in_lanes(lanes, do, items, **ends):
    transport = Transport(FakeSession(), Deadline(at=0.0), 0.0)
    return GenesysClient("", None, transport, None, lanes).in_lanes(do, items, **ends)


class Requests:
    """The first `together` requests are under way until all of them are, or until the lane of `ends` has ended."""

    def __init__(self, together, fails=None, ends=None):
        self.together, self.fails, self.ends = together, fails or {}, ends
        self.barrier = threading.Barrier(together, timeout=30)
        self.lock, self.under_way, self.most, self.begun = threading.Lock(), 0, 0, []

    def send(self, item):
        with self.lock:
            self.begun.append(item)
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        if item < self.together:
            if item == self.ends:
                self.ending = threading.current_thread()
            self.barrier.wait()
            if self.ends not in {None, item}:
                self.ending.join(30)
        with self.lock:
            self.under_way -= 1
        if item in self.fails:
            raise self.fails[item]
        return 10 * item


@pytest.mark.parametrize(("lanes", "items"), [(1, 4), (4, 4), (4, 12), (16, 5), (3, 1)])
def test_at_most_so_many_are_under_way_and_no_fewer(lanes, items):
    together = min(lanes, items)
    requests = Requests(together)
    results = in_lanes(lanes, requests.send, range(items))
    assert results == {n: 10 * n for n in range(items)}
    assert requests.most == together


def test_nothing_is_begun_after_an_error_and_what_is_under_way_is_finished():
    refusal = GenesysRefused("No.", http_status=403)
    requests = Requests(4, {1: refusal}, ends=1)
    results = in_lanes(4, requests.send, range(100))
    assert results == {0: 0, 1: refusal, 2: 20, 3: 30}


def test_an_error_that_does_not_matter_to_others_stops_nothing():
    refusal = Forbidden("No.")
    requests = Requests(2, {0: refusal})
    results = in_lanes(2, requests.send, range(6), stops_at=(RateLimited,))
    assert results == {0: refusal, **{n: 10 * n for n in range(1, 6)}}


def test_nothing_is_begun_once_the_time_is_up():
    requests = Requests(1)
    results = in_lanes(1, requests.send, range(6), go_on=lambda: len(requests.begun) < 2)
    assert results == {0: 0, 1: 10}


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_defect_is_raised_when_all_lanes_have_ended(lanes):
    before = threading.active_count()
    requests = Requests(lanes, {0: ZeroDivisionError("a defect")}, ends=0)
    with pytest.raises(ZeroDivisionError):
        in_lanes(lanes, requests.send, range(50))
    assert len(requests.begun) == lanes
    assert threading.active_count() == before


def test_no_lane_is_left_behind_if_another_one_cannot_begin(monkeypatch):
    """The handler would fail, and the queue would be restored while that lane still writes."""
    before, start, started = threading.active_count(), threading.Thread.start, []

    def start_one(thread):
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_one)
    release = threading.Event()
    with pytest.raises(RuntimeError, match="new thread"):
        in_lanes(2, lambda _: release.wait(0.2), range(2))
    assert threading.active_count() == before


def test_a_lane_opens_no_further_lanes():
    """A write whose answer is lost reads pages of the listing: the bound holds for both."""
    inner = Requests(1)

    def send(item):
        return in_lanes(8, inner.send, [item, item]) and threading.active_count()

    before = threading.active_count()
    results = in_lanes(2, send, range(4))
    assert max(results.values()) <= before + 2


def test_a_line_that_a_lane_logs_names_the_distribution():
    logger = Logger(service="lanes")
    logger.append_keys(distribution_id="d-1")
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(logger.registered_formatter.format(record))
    logger.addHandler(handler)
    barrier = threading.Barrier(2, timeout=30)
    in_lanes(2, lambda n: (barrier.wait(), logger.warning("refused", number=n)), range(2))
    assert len(lines) == 2
    assert all('"distribution_id":"d-1"' in line for line in lines)
