"""The request budget: no slot twice, no slot too early, and no pacing before Genesys shows a limit."""

import itertools
import math
import operator
import random

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st

from routing_weights.adapters.aws.budget_table import PACED_FOR_S, RequestBudget
from routing_weights.bootstrap import genesys
from routing_weights.errors import RateLimited
from routing_weights.settings import GenesysCaller
from tests.support.fakes import FakeTime

INTERVAL_S = 0.204
FAR_S = 1e6


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
            before()
        client = request["Key"]["client"]["S"]
        values = {name: float(value["N"]) for name, value in request["ExpressionAttributeValues"].items()}
        item = self.item(client)
        if not holds(request.get("ConditionExpression", ""), item, values):
            refused = {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": self.items.get(client)}
            raise ClientError(refused, "UpdateItem")
        for change in request["UpdateExpression"].removeprefix("SET ").split(", "):
            name, _, terms = change.partition(" = ")
            item[name] = sum(values[term] if term[0] == ":" else item[term] for term in terms.split(" + "))
        self.items[client] = {"client": {"S": client}, **{name: {"N": repr(value)} for name, value in item.items()}}
        return {"Attributes": self.items[client]}

    def note(self, operation):
        self.asked.append(operation)
        if self.fails:
            raise self.fails

    def item(self, client="token-secret"):
        return {name: float(value["N"]) for name, value in self.items.get(client, {}).items() if "N" in value}

    def budget(self, time, per_minute=300.0, reserved=0.0):
        wall_clock = time.wall_clock
        return RequestBudget("budget", "token-secret", per_minute, reserved, wall_clock, lambda: self)

    def paced(self, time, *args, **fields):
        """A budget that knows of a limit."""
        one = self.budget(time, *args, **fields)
        one.limited(None)
        return one


def holds(condition, item, values):
    """Evaluate a condition in the few forms that the budget uses."""
    compare = {"<": operator.lt, "<=": operator.le, ">=": operator.ge}

    def is_true(term):
        if term.startswith("attribute_not_exists("):
            return term[21:-1] not in item
        name, sign, value = term.split()
        return name in item and compare[sign](item[name], values[value])

    return not condition or any(all(map(is_true, group.split(" AND "))) for group in condition.split(" OR "))


@pytest.fixture
def store():
    return Store()


def slot(one, time, longest_s=FAR_S):
    """Return the time of the reserved slot, in seconds of the wall clock."""
    (wait,) = one.reserve(longest_s)
    return time.wall_clock() + wait


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


@settings(max_examples=200)
@given(calls, st.sampled_from([60.0, 300.0, 450.0]), st.sampled_from([0.0, 0.3]))
def test_no_minute_has_too_many_slots(calls, per_minute, reserved):
    """A caller may also come between another caller's reading of the item and its update."""
    store, time, taken = Store(), FakeTime(), []
    callers = [store.paced(time, per_minute=per_minute, reserved=reserved) for _ in range(4)]

    def take(caller, slots):
        now = time.wall_clock()
        taken.extend(now + wait for wait in callers[caller].reserve(FAR_S, slots))

    for caller, later_ms, meddled, slots in calls:
        time.now += later_ms / 1000
        store.before = (lambda caller=caller: take((caller + 1) % 4, 1)) if meddled else None
        take(caller, slots)
    rate = per_minute * (1 - reserved) / 60
    taken.sort()
    assert all(later - earlier > 1 / rate for earlier, later in itertools.pairwise(taken)), "two in one slot"
    for window_s in (1.0, 6.0, 60.0):
        assert most_in_a_window(taken, window_s) <= window_s * rate + 1


def test_a_free_budget_gives_a_slot_at_once(store, fake_time):
    first, second = store.paced(fake_time), store.paced(fake_time)
    fake_time.now += 1
    assert first.reserve(FAR_S) == [0.0]
    assert second.reserve(FAR_S) == pytest.approx([INTERVAL_S])
    assert first.reserve(FAR_S, 2) == pytest.approx([2 * INTERVAL_S, 3 * INTERVAL_S])
    fake_time.now += 60
    assert second.reserve(FAR_S) == [0.0], "what was not used is not saved up"


@pytest.mark.parametrize(
    ("per_minute", "reserved", "interval_ms"), [(300, 0, 204), (300, 0.3, 292), (60, 0.9, 10_200), (6000, 0, 11)]
)
def test_the_interval_is_two_percent_longer_than_the_rate_asks_for(store, fake_time, per_minute, reserved, interval_ms):
    one = store.paced(fake_time, per_minute=per_minute, reserved=reserved)
    fake_time.now += 1
    one.reserve(0)
    assert one.reserve(FAR_S) == pytest.approx([interval_ms / 1000], abs=1e-6)


@settings(max_examples=200)
@given(st.integers(1, 60), st.floats(0, 12))
def test_a_slot_too_far_away_is_not_reserved(ahead, patience_s):
    store, time = Store(), FakeTime()
    one, other = store.paced(time), store.paced(time)
    time.now += 1
    for _ in range(ahead):
        other.reserve(FAR_S)
    before, away_s = store.item(), ahead * INTERVAL_S
    if int(patience_s * 1000) >= round(away_s * 1000):
        assert one.reserve(patience_s) == pytest.approx([away_s])
        return
    with pytest.raises(RateLimited) as caught:
        one.reserve(patience_s)
    assert caught.value.details == {"retry_after_s": math.ceil(round(away_s, 3))}
    assert store.item() == before
    assert slot(other, time) == pytest.approx(time.wall_clock() + away_s), "nothing was lost"


def test_a_deleted_item_starts_anew(store, fake_time):
    one = store.paced(fake_time)
    one.limited(3000)
    with pytest.raises(RateLimited):
        one.reserve(5)
    store.items.clear()
    assert one.reserve(5) == [0.0]


@pytest.mark.parametrize("seed", range(5))
def test_the_store_of_these_tests_behaves_like_dynamodb(aws, store, fake_time, seed):
    aws("dynamodb").create_table(
        TableName="budget",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "client", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "client", "KeyType": "HASH"}],
    )
    chance = random.Random(seed)
    pairs = [
        (store.budget(fake_time), RequestBudget("budget", "token-secret", 300.0, 0.0, fake_time.wall_clock))
        for _ in range(3)
    ]
    steps = [
        lambda one: one.reserve(1.0),
        lambda one: one.reserve(FAR_S, 2),
        lambda one: one.limited(chance.uniform(0, 3)),
        lambda one: one.seen(headers(allowed=chance.choice([120, 180, 300]), count=chance.choice([1, 300]), reset=2)),
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
        assert pair[0]._item == pair[1]._item
        fake_time.now += chance.choice([0, 0.001, 0.3, 2, 40, 700])


def test_each_client_has_its_own_budget(store, fake_time):
    one = store.paced(fake_time)
    other = RequestBudget("budget", "another", 300, 0.0, fake_time.wall_clock, lambda: store)
    other.limited(None)
    fake_time.now += 1
    assert one.reserve(0) == other.reserve(0) == [0.0]


# ---- engagement ------------------------------------------------------------------------------------------------------


def test_without_a_limit_nothing_is_paced(store, fake_time):
    one = store.budget(fake_time)
    for _ in range(100):
        assert one.reserve(0) == [0.0]
        one.seen({"Content-Type": "application/json"})
        fake_time.now += 0.05
    assert store.asked == ["GetItem"] * 5
    assert store.item() == {}


EVIDENCE = {
    "429": lambda one: one.limited(1.0),
    "429 without Retry-After": lambda one: one.limited(None),
    "all headers": lambda one: one.seen(headers()),
    "one header": lambda one: one.seen({"inin-ratelimit-count": "1"}),
    "a header that nobody can read": lambda one: one.seen({"inin-ratelimit-allowed": "many"}),
}


@pytest.mark.parametrize("evidence", EVIDENCE.values(), ids=EVIDENCE)
def test_a_sign_of_a_limit_paces_everybody_within_a_second(store, fake_time, evidence):
    one, other = store.budget(fake_time), store.budget(fake_time)
    for each in (one, other):
        each.reserve(0)
    evidence(one)
    assert store.item()["paced_until"] == pytest.approx((fake_time.wall_clock() + PACED_FOR_S) * 1000, abs=1)
    fake_time.now += 1.0
    for each in (one, other, one, other):
        each.reserve(FAR_S)
    assert one.reserve(FAR_S)[0] >= 4 * INTERVAL_S


def test_pacing_ends_ten_minutes_after_the_last_sign_of_a_limit(store, fake_time):
    one, other = store.paced(fake_time), store.budget(fake_time)
    fake_time.now += PACED_FOR_S - 1
    other.seen(headers())
    fake_time.now += PACED_FOR_S - 1
    one.reserve(FAR_S)
    assert one.reserve(FAR_S) == pytest.approx([INTERVAL_S]), "the other one's evidence counts"
    fake_time.now += 1
    assert [one.reserve(0), one.reserve(0), one.reserve(0)] == [[0.0]] * 3


def test_a_known_limit_is_stored_again_every_half_minute(store, fake_time):
    one = store.paced(fake_time)
    store.asked.clear()
    for _ in range(120):
        fake_time.now += 1
        one.seen(headers())
    assert store.asked == ["UpdateItem"] * 4


def test_a_paced_request_costs_one_store_request(store, fake_time):
    one = store.paced(fake_time)
    one.reserve(FAR_S)
    store.asked.clear()
    for _ in range(20):
        one.reserve(FAR_S)
        one.seen(headers())
    assert store.asked == ["UpdateItem"] * 20


@settings(max_examples=200)
@given(
    st.permutations(range(10)), st.integers(1, 10), st.lists(st.sampled_from([0, 1, 40, 300]), min_size=40, max_size=40)
)
def test_the_burst_before_the_first_answer_takes_slots_afterwards(order, processes, pauses_ms):
    """Processes that start together each send once unpaced. Even with these, no window has too many requests."""
    store, time = Store(), FakeTime()
    all_of_them = [store.budget(time) for _ in range(processes)]
    sent = [slot(one, time, 0) for one in all_of_them]
    for n in order:
        if n < processes:
            time.now += pauses_ms[n] / 1000
            all_of_them[n].seen(headers())
    for n, pause_ms in enumerate(pauses_ms):
        time.now += pause_ms / 1000
        sent.append(slot(all_of_them[n % processes], time))
    assert most_in_a_window(sent, 6.0) <= 30
    assert most_in_a_window(sent, 3.0) <= max(processes, 15) + 1


def test_requests_sent_before_a_process_learns_of_pacing_take_slots(store, fake_time):
    one, other = store.budget(fake_time), store.budget(fake_time)
    other.reserve(0)
    one.reserve(0)
    one.seen(headers())
    fake_time.now += 0.5
    for _ in range(4):
        other.reserve(0)
    fake_time.now += 0.6
    assert other.reserve(FAR_S)[0] == pytest.approx(5 * INTERVAL_S, abs=0.002)


def test_requests_answered_before_the_limit_take_no_slots(store, fake_time):
    one = store.budget(fake_time)
    for _ in range(50):
        one.reserve(0)
        one.seen({})
        fake_time.now += 0.01
    one.limited(None)
    assert one.reserve(FAR_S)[0] <= INTERVAL_S


# ---- Retry-After -----------------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 100), st.sampled_from([0, 0.5, 20])), min_size=1, max_size=8))
def test_retry_after_holds_everybody_back_and_never_moves_backwards(pauses):
    store, time = Store(), FakeTime()
    callers = [store.paced(time), store.paced(time)]
    until = 0.0
    for caller, asked, later in pauses:
        before = store.item().get("next_at", 0)
        callers[caller].limited(asked)
        assert store.item().get("next_at", 0) >= before
        until = max(until, time.wall_clock() + asked)
        assert all(slot(one, time) >= until - 1e-3 for one in callers)
        time.now += later


def test_a_very_long_retry_after_does_not_hold_everybody_back(store, fake_time):
    store.paced(fake_time).limited(86_400)
    assert store.item()["next_at"] <= (fake_time.wall_clock() + 300) * 1000 + 1


# ---- what the headers say --------------------------------------------------------------------------------------------


def test_an_announced_lower_limit_lowers_the_rate(store, fake_time):
    one, other = store.paced(fake_time), store.paced(fake_time)
    one.seen(headers(allowed=180))
    one.seen(headers(allowed=300))
    one.seen(headers(allowed=240))
    fake_time.now += 5
    other.reserve(FAR_S)  # announces a limit that the budget did not know
    waits = [each.reserve(FAR_S)[0] for each in (other, one, other)]
    assert [later - earlier for earlier, later in itertools.pairwise(waits)] == pytest.approx([0.34, 0.34], abs=1e-6)
    fake_time.now += PACED_FOR_S - 2
    one.seen(headers())
    one.reserve(FAR_S)
    fake_time.now += 30
    one.reserve(FAR_S)
    assert one.reserve(FAR_S) == pytest.approx([INTERVAL_S])


def test_a_repeated_lower_limit_is_stored_every_half_minute(store, fake_time):
    one = store.paced(fake_time)
    store.asked.clear()
    for _ in range(700):
        fake_time.now += 1
        one.seen(headers(allowed=100))
    assert len(store.asked) <= 2 * 700 / 30 + 2
    one.reserve(FAR_S)
    assert one.reserve(FAR_S) == pytest.approx([0.612])


def test_an_announced_higher_limit_changes_nothing(store, fake_time):
    one = store.paced(fake_time)
    one.seen(headers(allowed=3000))
    fake_time.now += 1
    one.reserve(FAR_S)
    assert one.reserve(FAR_S) == pytest.approx([INTERVAL_S])


@pytest.mark.parametrize(
    ("said", "reserved", "held_s"),
    [
        (headers(300, 300, 40), 0.0, 40),
        (headers(300, 210, 40), 0.3, 40),
        (headers(300, 300, 4000), 0.0, 60),
        (headers(300, 299, 40), 0.0, 0),
        (headers(300, 209, 40), 0.3, 0),
        (headers(300, 301, 40), 0.0, 0),
        (headers(300, 999_999, 40), 0.0, 0),
        (headers(30, 30, 40), 0.0, 0),
        (headers(0, 0, 40), 0.0, 0),
        (headers(60, 30, 40), 0.5, 0),
        (headers("nan", "nan", "nan"), 0.0, 0),
        (headers("inf", "inf", "inf"), 0.0, 0),
        (headers(-300, -300, -40), 0.0, 0),
        (headers(300, 300, "soon"), 0.0, 0),
        (headers(300, 300, -1), 0.0, 0),
    ],
)
def test_a_count_that_has_reached_our_share_holds_everybody_back(store, fake_time, said, reserved, held_s):
    one, other = store.paced(fake_time, reserved=reserved), store.paced(fake_time, reserved=reserved)
    fake_time.now += 1
    one.seen(said)
    assert other.reserve(FAR_S) == pytest.approx([held_s], abs=0.002)


def test_our_own_pacing_never_reaches_the_count_that_holds_everybody_back(store, fake_time):
    for reserved in (0.0, 0.3, 0.9):
        store.items.clear()
        one = store.paced(fake_time, reserved=reserved)
        most = most_in_a_window([slot(one, fake_time) for _ in range(400)], 60.0)
        before = store.item()["next_at"]
        one.seen(headers(count=most))
        assert store.item()["next_at"] == before


# ---- without the store -----------------------------------------------------------------------------------------------

FAILURES = [
    ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "UpdateItem"),
    ClientError({"Error": {"Code": "AccessDeniedException"}}, "UpdateItem"),
    EndpointConnectionError(endpoint_url="https://dynamodb.example.com"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("begun", [False, True], ids=["unpaced", "paced"])
def test_a_failing_store_is_left_alone_for_half_a_minute(store, fake_time, logs, failure, begun):
    one = store.paced(fake_time) if begun else store.budget(fake_time)
    store.fails = failure
    store.asked.clear()
    for _ in range(59):
        assert one.reserve(5) == [0.0]
        one.seen(headers())
        one.limited(3)
        fake_time.now += 1
    assert len(store.asked) == 2
    (line,) = [line for line in logs() if line["levelname"] == "WARNING"]
    assert (line["paced"], line["msg"]) == (False, "The request budget cannot be used, so requests are sent unpaced")
    store.fails = None
    fake_time.now += 30
    one.limited(3)
    assert one.reserve(5) == pytest.approx([3.0], abs=0.3)


# ---- the deployment's ------------------------------------------------------------------------------------------------


def caller(**fields):
    known = {"genesys_contract": "platform", "genesys_region": "eu-central-1", "max_retry_after_s": 5}
    known |= {"token_secret": "token", "token_function": "function", "documents_bucket": "documents"}
    known |= {"budget_table": "budget", "requests_per_minute": 300, "reserved_for_others": 0.3}
    return GenesysCaller(**known | fields)


def test_a_process_has_one_budget_which_is_the_deployments():
    one = genesys.budget(caller())
    assert one is genesys.budget(caller())
    assert (one.table, one.oauth_client, one.per_minute, one.reserved_for_others) == ("budget", "token", 300, 0.3)


def test_zero_requests_a_minute_is_no_budget():
    assert genesys.budget(caller(requests_per_minute=0)) is None
