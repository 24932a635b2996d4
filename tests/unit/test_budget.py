"""The request budget: no slot twice, no slot too early, and no pacing before Genesys shows a limit."""

import heapq
import itertools
import json
import random

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st

from routing_weights.adapters.aws.budget_table import LARGEST_BLOCK, RequestBudget, TokenBudget
from routing_weights.adapters.genesys.transport import Deadline, Transport
from routing_weights.bootstrap import genesys as bootstrap
from routing_weights.errors import RateLimited
from routing_weights.settings import GenesysCaller
from tests.support.fakes import FakeSession, FakeTime, answer

INTERVAL_S = 0.204
FAR_S = 1e6
NAMES = ("token-secret", "token-secret#1", "token-secret#2", "token-secret#3")


def headers(allowed=300, count=1, reset=60):
    return {
        "inin-ratelimit-allowed": str(allowed),
        "inin-ratelimit-count": str(count),
        "inin-ratelimit-reset": str(reset),
    }


class Store:
    """BudgetTable in memory, for the expressions that the budget uses, with a log of its requests."""

    def __init__(self):
        self.items, self.asked = {}, []
        self.before = None
        """Called before the next update, once."""
        self.fails = None
        """Raised instead of an answer."""

    def get_item(self, **request):
        self.note("GetItem")
        client = request["Key"]["client"]["S"]
        return {"Item": self.items[client]} if client in self.items else {}

    def update_item(self, **request):
        self.note("UpdateItem")
        before, self.before = self.before, None
        if before:
            self.before = before()
        client, values = request["Key"]["client"]["S"], request["ExpressionAttributeValues"]
        stored = self.items.get(client)
        expected = {
            "version = :read": stored and stored["version"] == values.get(":read"),
            "attribute_not_exists(version)": stored is None,
        }
        if not expected[request["ConditionExpression"]]:
            refused = {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": stored}
            raise ClientError(refused, "UpdateItem")
        assert request["UpdateExpression"] == "SET version = :next, pace = :pace"
        self.items[client] = {"client": {"S": client}, "version": values[":next"], "pace": values[":pace"]}
        return {}

    def note(self, operation):
        self.asked.append(operation)
        if self.fails:
            raise self.fails

    def budget(self, time, per_minute=300.0, share=1.0, tokens=1):
        """The budget of a new process."""
        wall_clock = time.wall_clock
        return RequestBudget(
            [
                TokenBudget("budget", name, per_minute, share, wall_clock, time.sleep, lambda: self)
                for name in NAMES[:tokens]
            ]
        )

    def limited(self, time, *args, **fields):
        """The budget of a process that knows of a limit, whose window only 429s have shown."""
        one = self.budget(time, *args, **fields)
        for token in range(len(one.tokens)):
            one.limited(token, {}, None, 0.0)
            one.limited(token, {}, None, -2.0)
        return one


@pytest.fixture
def store():
    return Store()


def waits(one, longest_s=FAR_S, slots=1):
    return [slot.wait_s for slot in one.reserve(longest_s, slots)]


def most_in_a_window(times, window_s):
    times = sorted(times)
    return max((sum(start <= at < start + window_s for at in times) for start in times), default=0)


# ---- slots -----------------------------------------------------------------------------------------------------------

calls = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from([0, 0, 1, 50, 204, 205, 1000, 7000]), st.booleans(), st.integers(1, 2)
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=100)
@given(calls, st.sampled_from([(30, 6), (300, 60)]), st.sampled_from([1.0, 0.7]))
def test_no_window_has_too_many_slots(calls, announced, share):
    """A caller may also come between another caller's reading of the item and its update."""
    allowed, window_s = announced
    store, time, taken = Store(), FakeTime(), []
    callers = [store.budget(time, share=share) for _ in range(4)]
    callers[0].seen(0, headers(allowed, 0, window_s))

    def take(caller, slots):
        taken.extend(time.wall_clock() + slot.wait_s for slot in callers[caller].reserve(FAR_S, slots))

    for caller, later_ms, meddled, slots in calls:
        time.now += later_ms / 1000
        store.before = (lambda caller=caller: take((caller + 1) % 4, 1)) if meddled else None
        take(caller, slots)
    assert most_in_a_window(taken, window_s - 0.01) <= allowed * share


def test_under_an_unknown_window_a_slot_follows_another_at_an_interval(store, fake_time):
    first, second = store.limited(fake_time), store.limited(fake_time)
    fake_time.now += 1
    assert waits(first) == [0.0]
    assert waits(second) == pytest.approx([INTERVAL_S], abs=1e-3)
    assert waits(first, slots=2) == pytest.approx([2 * INTERVAL_S, 3 * INTERVAL_S], abs=2e-3)
    fake_time.now += 60
    assert waits(second) == [0.0]
    assert waits(second) == pytest.approx([INTERVAL_S], abs=1e-3), "what was not used is not saved up"


def test_a_slot_too_far_away_is_not_reserved(store, fake_time):
    one, other = store.limited(fake_time), store.limited(fake_time)
    fake_time.now += 1
    for _ in range(30):
        other.reserve(FAR_S)
    before = dict(store.items)
    with pytest.raises(RateLimited) as caught:
        one.reserve(5)
    assert caught.value.details == {"retry_after_s": 7}
    assert store.items == before, "nothing was taken"
    assert waits(one, 6.2) == pytest.approx([30 * INTERVAL_S], abs=0.05)


def test_a_deleted_item_starts_anew(store, fake_time):
    one = store.limited(fake_time)
    one.limited(0, {}, 290.0, 0.0)
    with pytest.raises(RateLimited):
        one.reserve(5)
    store.items.clear()
    assert waits(one, 5) == [0.0]


def test_an_item_of_an_earlier_version_is_replaced(store, fake_time):
    store.items["token-secret"] = {"client": {"S": "token-secret"}, "next_at": {"N": "9e15"}}
    one = store.budget(fake_time)
    store.items["token-secret"].pop("version", None)
    assert waits(one, 0) == [0.0]


def test_an_item_of_a_version_that_knows_more_or_less_is_read(store, fake_time):
    one = store.limited(fake_time)
    one.reserve(FAR_S)
    item = store.items["token-secret"]
    pace = json.loads(item["pace"]["S"]) | {"mood": "good"}
    del pace["allowed_until"]
    item["pace"] = {"S": json.dumps(pace)}
    assert waits(store.budget(fake_time))[0] == pytest.approx(waits(one)[0] - INTERVAL_S, abs=2e-3)


def test_processes_that_collide_again_and_again_wait_a_random_time(store, fake_time):
    one, other = store.limited(fake_time), store.limited(fake_time)
    fake_time.slept.clear()
    for collisions in (1, 2, 5):
        left = iter(range(collisions))

        def collide(left=left):
            if next(left, None) is None:
                return None
            store.before = None
            other.reserve(FAR_S)
            return collide

        store.before = collide
        one.reserve(FAR_S)
        assert len(fake_time.slept) == collisions - 1
        assert all(0 <= pause <= 0.02 for pause in fake_time.slept)
        fake_time.slept.clear()


@pytest.mark.parametrize("seed", range(3))
def test_the_store_of_these_tests_behaves_like_dynamodb(aws, store, fake_time, seed):
    aws("dynamodb").create_table(
        TableName="budget",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "client", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "client", "KeyType": "HASH"}],
    )
    chance = random.Random(seed)
    real = [RequestBudget([TokenBudget("budget", NAMES[0], 300.0, 1.0, fake_time.wall_clock)]) for _ in range(3)]
    pairs = [(store.budget(fake_time), one) for one in real]
    steps = [
        lambda one: one.reserve(1.0),
        lambda one: one.reserve(FAR_S, 2),
        lambda one: one.limited(0, {}, chance.uniform(0, 3), 0.0),
        lambda one: one.seen(0, headers(chance.choice([120, 300]), chance.choice([1, 100]), reset=20)),
    ]
    for _ in range(60):
        pair, step, state = chance.choice(pairs), chance.choice(steps), chance.getstate()
        outcomes = []
        for one in pair:
            chance.setstate(state)
            try:
                outcomes.append(step(one))
            except RateLimited as limited:
                outcomes.append(limited.details)
        assert outcomes[0] == outcomes[1]
        assert pair[0].tokens[0]._pace == pair[1].tokens[0]._pace
        fake_time.now += chance.choice([0, 0.001, 0.3, 2, 40, 700])


def test_an_item_costs_one_write_unit(store, fake_time):
    one = store.budget(fake_time)
    one.seen(0, headers(count=0))
    for _ in range(600):
        fake_time.now += waits(one)[0] + 0.15
    (item,) = store.items.values()
    assert len(item["pace"]["S"]) < 1024 - len("clientversionpace") - 100


# ---- blocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("per_minute", "allowed", "most"), [(3000, 3000, 110), (300, 300, 350)])
def test_requests_that_are_foreseen_share_a_write(store, fake_time, per_minute, allowed, most):
    one = store.budget(fake_time, per_minute)
    one.seen(0, headers(allowed, 0, 60))
    store.asked.clear()
    with one.foreseeing(1000):
        for _ in range(1000):
            fake_time.now += waits(one)[0]
    assert len(store.asked) <= most


def test_no_slot_is_taken_beyond_the_foreseen_requests(store, fake_time):
    one = store.budget(fake_time, 3000)
    one.seen(0, headers(3000, 0, 60))
    with one.foreseeing(25):
        for _ in range(25):
            one.reserve(FAR_S)
    assert one.tokens[0]._pace.taken(fake_time.wall_clock() * 1000, one.tokens[0]._limit(0)) == 25


def test_the_rest_of_a_block_is_lost_after_a_second_and_is_no_more_than_a_block(store, fake_time):
    one = store.budget(fake_time)
    one.seen(0, headers(count=0))
    with one.foreseeing(1000):
        one.reserve(FAR_S)
    assert one._spare
    assert len(one._spare) < LARGEST_BLOCK
    fake_time.now += 1.1
    one.reserve(FAR_S)
    assert one._spare == []


@pytest.mark.parametrize(("late_s", "are_lost"), [(0.19, False), (0.21, True)])
def test_in_a_window_of_a_few_seconds_a_slot_is_lost_sooner(store, fake_time, late_s, are_lost):
    one = store.budget(fake_time)
    one.seen(0, headers(allowed=30, count=0, reset=6))
    with one.foreseeing(20):
        (slot,) = one.reserve(FAR_S)
        left = len(one._spare)
        fake_time.now += late_s
        (late,) = one.reserve(FAR_S)
    assert (slot.late_s, left) == (pytest.approx(0.2), LARGEST_BLOCK - 1)
    assert (late.wait_s == 0) is are_lost


def test_a_429_drops_the_slots_that_were_taken_before(store, fake_time):
    one = store.budget(fake_time)
    one.seen(0, headers(count=0))
    with one.foreseeing(20):
        one.reserve(FAR_S)
        one.limited(0, {}, 3.0, 0.1)
        assert waits(one)[0] >= 2.999


# ---- engagement ------------------------------------------------------------------------------------------------------


def test_without_a_limit_nothing_is_paced(store, fake_time):
    one = store.budget(fake_time)
    for _ in range(100):
        assert waits(one, 0) == [0.0]
        one.seen(0, {"Content-Type": "application/json"})
        fake_time.now += 0.05
    assert store.asked == ["GetItem"] * 5
    assert store.items == {}


EVIDENCE = {
    "all headers": headers(count=300),
    "one header": {"inin-ratelimit-count": "1"},
    "a header that nobody can read": {"inin-ratelimit-allowed": "many"},
}


@pytest.mark.parametrize("said", EVIDENCE.values(), ids=EVIDENCE)
def test_a_header_of_a_limit_paces_everybody_within_a_second(store, fake_time, said):
    one, other = store.budget(fake_time), store.budget(fake_time)
    for each in (one, other):
        each.reserve(0)
    one.seen(0, said)
    fake_time.now += 1.0
    for each in (one, other, one, other):
        each.reserve(FAR_S)
    assert waits(one)[0] >= 4 * INTERVAL_S - 1e-2


def test_pacing_ends_ten_minutes_after_the_last_sign_of_a_limit(store, fake_time):
    one = store.budget(fake_time)
    one.seen(0, {"inin-ratelimit-count": "1"})
    fake_time.now += 599
    one.reserve(FAR_S)
    assert waits(one) == pytest.approx([INTERVAL_S], abs=1e-3)
    fake_time.now += 2
    assert [waits(one, 0) for _ in range(3)] == [[0.0]] * 3


def test_a_known_limit_costs_a_write_every_half_minute(store, fake_time):
    one = store.budget(fake_time)
    one.seen(0, headers())
    store.asked.clear()
    for _ in range(120):
        fake_time.now += 1
        one.reserve(FAR_S)
        one.seen(0, headers(count=1))
    assert store.asked.count("UpdateItem") <= 120 + 4
    assert store.asked.count("GetItem") == 0


def test_requests_sent_before_the_first_answer_take_slots(store, fake_time):
    """Sixteen threads send before anybody knows of the limit."""
    one = store.budget(fake_time)
    for _ in range(16):
        one.reserve(0)
    one.seen(0, headers(30, 1, 6))
    limit = one.tokens[0]._limit(fake_time.wall_clock() * 1000)
    assert one.tokens[0]._pace.taken(fake_time.wall_clock() * 1000, limit) == 16


# ---- a simulation of several processes, several threads each, and Genesys --------------------------------------------


class Genesys:
    """A sliding window per token, in the time of the test. Announces the limit, or not."""

    def __init__(self, time, limit=None, window_s=60.0, *, announces=True, refuses=()):
        self.time, self.limit, self.window_s, self.announces = time, limit, window_s, announces
        self.refuses = set(refuses)
        self.admitted, self.refusals, self.count = {}, [], 0

    def answer(self, token):
        """Return the seconds to wait (None: admitted), and the headers."""
        now, self.count = self.time.now, self.count + 1
        admitted = [at for at in self.admitted.get(token, []) if at > now - self.window_s]
        wait = 1.0 if self.count in self.refuses else None
        if self.limit is not None and len(admitted) >= self.limit:
            wait = max(1.0, admitted[-self.limit] + self.window_s - now)
        if wait is None:
            admitted.append(now)
        else:
            self.refusals.append(now)
        self.admitted[token] = admitted
        if self.limit is None or not self.announces:
            return wait, {}
        return wait, headers(self.limit, len(admitted), int(self.window_s))


def simulated(store, time, genesys, requests, *, processes=1, threads=16, latency_s=0.02, tokens=1, **budget):
    """Each process sends its share of the requests, as Transport does: one thread at a time waits for its slot.

    Returns the seconds until the last answer.
    """
    began, chance, order = time.now, random.Random(1), itertools.count()
    budgets = [store.budget(time, tokens=tokens, **budget) for _ in range(processes)]
    todo = [requests // processes] * processes
    events = [(time.now, next(order), "turn", n, None) for n in range(processes)]
    idle, waiting = [threads] * processes, [False] * processes
    while events:
        at, _, kind, n, about = heapq.heappop(events)
        time.now = max(time.now, at)
        if kind == "turn":
            waiting[n] = False
            if not (todo[n] and idle[n]):
                continue
            with budgets[n].foreseeing(todo[n]):
                (slot,) = budgets[n].reserve(FAR_S)
            todo[n], idle[n], waiting[n] = todo[n] - 1, idle[n] - 1, True
            heapq.heappush(events, (time.now + slot.wait_s, next(order), "send", n, slot.token))
        elif kind == "send":
            arrives = time.now + latency_s * (0.5 + chance.random()) / 2
            heapq.heappush(events, (arrives, next(order), "arrive", n, (about, time.now)))
            heapq.heappush(events, (time.now, next(order), "turn", n, None))
        elif kind == "arrive":
            token, sent_at = about
            outcome = (token, sent_at, *genesys.answer(token))
            heapq.heappush(events, (time.now + latency_s / 2, next(order), "answer", n, outcome))
        else:
            token, sent_at, wait_s, said = about
            idle[n] += 1
            if wait_s is None:
                budgets[n].seen(token, said)
            else:
                todo[n] += 1
                budgets[n].limited(token, said, wait_s, time.now - sent_at)
            if not waiting[n]:
                heapq.heappush(events, (time.now, next(order), "turn", n, None))
                waiting[n] = True
    return time.now - began


def test_a_hundred_members_at_thirty_requests_in_six_seconds(store, fake_time):
    genesys = Genesys(fake_time, 30, 6.0)
    took = simulated(store, fake_time, genesys, 106)
    assert took <= 1.0 * 106 / 30 * 6
    assert genesys.refusals == []


@pytest.mark.parametrize("at", [1, 50, 240])
def test_after_a_single_429_two_hundred_and_fifty_members_take_no_more_than_its_pause(fake_time, at):
    free = simulated(Store(), fake_time, Genesys(fake_time), 250)
    fake_time.now += 1000
    took = simulated(Store(), fake_time, Genesys(fake_time, refuses=[at]), 250)
    assert took <= 3 * free + 1.0
    assert took <= free + 1.1


@pytest.mark.parametrize("processes", [1, 10])
def test_a_fleet_takes_the_time_of_the_granted_rate(store, fake_time, processes):
    genesys = Genesys(fake_time, 600, 12.0)
    took = simulated(store, fake_time, genesys, 4000, processes=processes, threads=4, per_minute=3000)
    assert took <= 1.05 * 4000 / 50
    assert [at for at in genesys.refusals if at > fake_time.now - took + 1] == []
    assert len(store.asked) <= 0.5 * 4000


def test_four_tokens_take_a_quarter_of_the_time(store, fake_time):
    genesys = Genesys(fake_time, 30, 6.0)
    took = simulated(store, fake_time, genesys, 1000, tokens=4)
    assert took <= 1.1 * 1000 / 4 / 30 * 6
    assert genesys.refusals == []
    assert len(genesys.admitted) == 4


def test_a_limit_without_headers_is_found_and_kept(store, fake_time):
    """Until the second 429 nothing is paced; afterwards nothing is refused, until pacing ends."""
    genesys = Genesys(fake_time, 30, 6.0, announces=False)
    took = simulated(store, fake_time, genesys, 200)
    paced_since = max(genesys.refusals)
    assert paced_since < fake_time.now - took + 9
    assert len(genesys.refusals) <= 2 * 16
    assert took <= 1.05 * 200 / 5


def test_a_limit_below_what_the_operator_says_is_obeyed_too(store, fake_time):
    """Retry-After alone keeps the pace; every refusal is followed by the pause that it asks for."""
    genesys = Genesys(fake_time, 100, 60.0, announces=False)
    took = simulated(store, fake_time, genesys, 500, threads=4)
    assert took <= 1.1 * 500 / 100 * 60
    assert len(genesys.refusals) <= 4 * 6


# ---- several tokens --------------------------------------------------------------------------------------------------


def test_a_request_goes_where_a_slot_is_free_first(store, fake_time):
    one = store.budget(fake_time, tokens=3)
    for token, count in enumerate((300, 0, 300)):
        one.seen(token, headers(count=count))
    assert [slot.token for _ in range(5) for slot in one.reserve(FAR_S)] == [1] * 5


def test_tokens_that_are_free_take_turns(store, fake_time):
    one = store.budget(fake_time, tokens=3)
    for token in range(3):
        one.seen(token, headers(count=0))
    assert sorted(slot.token for _ in range(6) for slot in one.reserve(FAR_S)) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("announced", [True, False])
def test_a_token_that_is_throttled_alone_does_not_stop_the_others(store, fake_time, announced):
    one = store.budget(fake_time, tokens=2)
    for token in range(2):
        one.seen(token, headers(count=0) if announced else {})
    one.limited(0, {}, 30.0, 0.1)
    slots = [slot for _ in range(5) for slot in one.reserve(5)]
    assert [slot[:2] for slot in slots] == [(0.0, 1)] * 5
    assert one.has_others()


def test_a_token_that_others_have_filled_is_left_for_one_that_is_free(store, fake_time):
    one, other = store.budget(fake_time, tokens=2), store.budget(fake_time, tokens=2)
    for token in range(2):
        one.seen(token, headers(count=0))
    other.reserve(FAR_S)
    one.seen(0, headers(count=0))
    fake_time.now += 2
    one.seen(0, headers(count=300))
    one.seen(1, headers(count=100))
    assert {slot[:2] for _ in range(5) for slot in other.reserve(FAR_S)} == {(0.0, 1)}


def test_the_store_is_asked_what_another_process_knows_of_a_token(store, fake_time):
    one, other = store.budget(fake_time, tokens=2), store.budget(fake_time, tokens=2)
    for token in range(2):
        one.seen(token, headers(count=0))
    other.reserve(5)
    one.limited(0, headers(count=300), 30.0, 0.1)
    assert [slot.token for _ in range(5) for slot in other.reserve(5)].count(1) >= 4
    one.limited(1, headers(count=300), 30.0, 0.1)
    with pytest.raises(RateLimited) as caught:
        other.reserve(5)
    assert 29 <= caught.value.details["retry_after_s"] <= 31


# ---- Retry-After -----------------------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 100), st.sampled_from([0, 0.5, 20])), min_size=1, max_size=8))
def test_retry_after_holds_back_everybody_who_knows_of_a_limit(pauses):
    store, time = Store(), FakeTime()
    callers, until = [store.limited(time), store.limited(time)], 0.0
    for caller, asked, later in pauses:
        callers[caller].limited(0, {}, asked, 0.0)
        until = max(until, time.wall_clock() + asked)
        assert all(time.wall_clock() + waits(one)[0] >= until - 2e-3 for one in callers)
        time.now += later


def test_a_very_long_retry_after_does_not_hold_everybody_back(store, fake_time):
    one = store.budget(fake_time)
    one.limited(0, {}, 86_400.0, 0.0)
    assert waits(one)[0] == pytest.approx(300)


# ---- what the headers say --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        headers(300, 301, 40),
        headers(300, 999_999, 40),
        headers("nan", "nan", "nan"),
        headers("inf", "inf", "inf"),
        headers(-300, -300, -40),
        headers("many", 300, 40),
    ],
)
def test_headers_that_make_no_sense_hold_nobody_back(store, fake_time, said):
    one = store.budget(fake_time)
    one.seen(0, headers(count=0))
    one.seen(0, said)
    assert waits(one) == [0.0]


def test_a_token_that_others_use_too_is_shared(store, fake_time):
    one = store.budget(fake_time)
    one.seen(0, headers(count=0))
    fake_time.now += 2
    one.seen(0, headers(count=300))
    assert waits(one)[0] == pytest.approx(61.2, abs=0.01)


# ---- without the store -----------------------------------------------------------------------------------------------

FAILURES = [
    ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "UpdateItem"),
    ClientError({"Error": {"Code": "AccessDeniedException"}}, "UpdateItem"),
    EndpointConnectionError(endpoint_url="https://dynamodb.example.com"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("begun", [False, True], ids=["unpaced", "paced"])
def test_a_failing_store_is_left_alone_for_half_a_minute(store, fake_time, logs, failure, begun):
    one = store.limited(fake_time) if begun else store.budget(fake_time)
    logs()
    store.fails = failure
    store.asked.clear()
    for _ in range(59):
        assert waits(one, 5) == [0.0]
        one.seen(0, headers())
        one.limited(0, {}, 3.0, 0.0)
        fake_time.now += 1
    assert len(store.asked) == 2
    (line,) = [line for line in logs() if line["levelname"] == "WARNING"]
    assert (line["paced"], line["msg"]) == (False, "The request budget cannot be used, so requests are sent unpaced")
    store.fails = None
    fake_time.now += 30
    one.limited(0, {}, 3.0, 0.0)
    assert waits(one, 5) == pytest.approx([3.0], abs=0.3)


def test_a_429_is_obeyed_with_several_tokens_and_a_failing_store(store, fake_time):
    """Nobody knows then which token is free, and what a 429 says cannot be noted."""
    store.fails, sent = FAILURES[0], []
    session = FakeSession(answer(429, Retry_After="2"), answer(429, Retry_After="2"), answer())
    request = session.request
    session.request = lambda *args, **parts: sent.append(fake_time.now) or request(*args, **parts)
    transport = Transport(
        session,
        Deadline(fake_time.now + 60),
        5.0,
        clock=fake_time.clock,
        wall_clock=fake_time.wall_clock,
        sleep=fake_time.sleep,
        budget=store.budget(fake_time, tokens=4),
    )
    transport.send("GET /x", "GET", "https://genesys.example.com/x")
    first, second, third = sent
    assert second >= first + 2
    assert third >= second + 2


# ---- the deployment's ------------------------------------------------------------------------------------------------


def caller(**fields):
    known = {"genesys_contract": "platform", "genesys_region": "eu-central-1", "max_retry_after_s": 5}
    known |= {"token_secret": "token", "token_function": "function", "documents_bucket": "documents"}
    known |= {"budget_table": "budget", "requests_per_minute": 300, "token_pool": 1, "reserved_for_others": 0.25}
    return GenesysCaller(**known | fields)


def test_a_process_has_one_budget_which_is_the_deployments():
    one = bootstrap.budget(caller())
    assert one is bootstrap.budget(caller())
    (token,) = one.tokens
    assert (token.table, token.name, token.per_minute, token.share) == ("budget", "token", 300, 0.75)


def test_every_token_has_a_budget_of_its_own():
    assert [token.name for token in bootstrap.budget(caller(token_pool=3)).tokens] == ["token", "token#1", "token#2"]


def test_zero_requests_a_minute_is_no_budget():
    assert bootstrap.budget(caller(requests_per_minute=0)) is None


def test_all_tokens_together_are_granted_a_multiple():
    assert caller(token_pool=4).our_requests_per_minute == 900
