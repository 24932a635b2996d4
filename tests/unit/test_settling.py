"""A queue is read back until it settles: only what differs is read again, with longer pauses, and in time."""

from types import SimpleNamespace

import pytest

from routing_weights.domain.target import Target
from routing_weights.domain.verify import Settling, unverified
from tests.support.fakes import SMALLEST_PLAN, FakeTime, member, queue, target
from tests.unit.test_record import BEFORE

WANTED = target(SMALLEST_PLAN["member_weights"], overflow_threshold=0.85)


class SlowQueue:
    """Genesys with writes that become readable one after the other, at set times."""

    def __init__(self, time, readable_at, *, threshold_at=0.0):
        self.time, self.readable_at, self.threshold_at = time, readable_at, threshold_at
        self.read_whole, self.reread = 0, []

    def _now(self):
        wanted = SMALLEST_PLAN["member_weights"]
        elapsed = self.time.now - 1000.0
        return queue(
            *(member(name, weight if elapsed >= self.readable_at[name] else 0.0) for name, weight in wanted.items()),
            overflow_threshold=0.85 if elapsed >= self.threshold_at else 0.5,
        )

    def read_queue(self, _queue_id):
        self.read_whole += 1
        return self._now()

    def read_again(self, _queue, user_ids):
        self.reread.append(sorted(user_ids))
        return self._now()


def settled(time, timeout_s, readable_at=(0, 0, 0), **genesys):
    slow = SlowQueue(time, dict(zip(SMALLEST_PLAN["member_weights"], readable_at, strict=True)), **genesys)
    return slow, Settling(timeout_s, time.clock, time.sleep).settle(slow, BEFORE, WANTED)


def test_a_queue_that_holds_the_plan_is_read_once(fake_time):
    slow, found = settled(fake_time, 15)
    assert (slow.read_whole, slow.reread, fake_time.slept) == (1, [], [])
    assert unverified(WANTED, found) == []


def test_only_what_differs_is_read_again_with_longer_and_longer_pauses(fake_time):
    slow, found = settled(fake_time, 15, (0, 0.5, 3))
    assert slow.read_whole == 1
    assert slow.reread == [["agent-2", "agent-3"], ["agent-2", "agent-3"], ["agent-3"], ["agent-3"]]
    assert fake_time.slept == [0.25, 0.5, 1.0, 2.0]
    assert unverified(WANTED, found) == []


def test_a_queues_own_setting_that_lags_is_read_again_too(fake_time):
    slow, found = settled(fake_time, 15, threshold_at=0.5)
    assert (slow.read_whole, slow.reread) == (3, [])
    assert unverified(WANTED, found) == []


def rounded(time, was):
    """A reading back where Genesys keeps whole numbers only, and `was` is what agent-2 held before."""
    before = queue(member("agent-1", 2.0), member("agent-2", was))
    wanted = Target({}, {"agent-1": 5.0, "agent-2": 1.4}, actuator="proficiency")
    held = queue(member("agent-1", 5.0), member("agent-2", 1.0))
    genesys = SimpleNamespace(read_queue=lambda _: held, read_again=lambda *_: held)
    found = Settling(15, time.clock, time.sleep).settle(genesys, before, wanted)
    return unverified(wanted, found)


def test_a_value_that_genesys_has_rounded_is_read_once(fake_time):
    assert rounded(fake_time, 3.0) == []
    assert fake_time.slept == []


def test_a_rounded_value_that_the_member_held_before_may_only_not_be_readable_yet(fake_time):
    assert rounded(fake_time, 1.0) == []
    assert sum(fake_time.slept) > 10


@pytest.mark.parametrize("timeout_s", [0, 0.2, 1, 15, 60])
def test_reading_again_ends_in_time_with_the_last_reading(timeout_s):
    time = FakeTime()
    _, found = settled(time, timeout_s, (0, 0, 1e9), threshold_at=1e9)
    assert sum(time.slept) <= timeout_s
    assert max(time.slept, default=0) <= 4
    assert unverified(WANTED, found) == ["the queue's own overflow_threshold", "agent-3"]


@pytest.mark.parametrize(("wanted", "held", "differs"), [(None, 30, False), (20, 30, True), (30, 30, False)])
def test_a_setting_is_verified_only_where_the_target_names_it(wanted, held, differs):
    whole = queue(*(member(n, w) for n, w in SMALLEST_PLAN["member_weights"].items()), wrap_up_timeout_s=held)
    named = {} if wanted is None else {"wrap_up_timeout_s": wanted}
    assert bool(unverified(target(SMALLEST_PLAN["member_weights"], **named), whole)) is differs
