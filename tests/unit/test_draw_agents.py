"""The draw as a use case: counted once whatever fails, and over before anybody waits."""

import json
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest

from routing_weights.adapters.aws import standings_table
from routing_weights.adapters.aws.standings_function import StandingsFunction
from routing_weights.adapters.aws.tally_table import KEPT_S, TallyTable
from routing_weights.api.draws import METRICS, REFUSED, DrawAnswer, answer
from routing_weights.application.draw import DrawAgents
from routing_weights.bootstrap import draw as bootstrap
from routing_weights.domain.draw import BUCKET_S, Draw, Stored, Tally, _key
from routing_weights.domain.shares import ShareOptions, SharesInForce
from routing_weights.domain.standings import Standings, Status
from routing_weights.errors import StoreUnavailable
from routing_weights.settings import DrawSettings

QUEUE, NOW = "queue-001", 1_770_000_000.0
SHARES = SharesInForce(QUEUE, "d-1", {"ann": 0.4, "bob": 0.35, "cyd": 0.25}, ShareOptions(hold_s=2), 1)
SETTINGS = DrawSettings(
    shares_table="shares", standings_function="standings", standings_read_seconds=5, draw_limit=20, draw_patience_s=1
)


class Memory:
    """The store in memory. `before` is called with each request's number and kind; it may raise."""

    def __init__(self, shares=SHARES, standings=None):
        self.stored, self.requests = Stored(shares, Tally(), standings or Standings()), []
        self.before = self.after = lambda *_: None

    def read(self, _queue_id):
        self._meets("read")
        return self.stored

    def count(self, _queue_id, tally):
        self._meets("count")
        if tally.version != self.stored.tally.version + 1:
            return self.stored.tally
        self.stored = replace(self.stored, tally=tally)
        self.after(len(self.requests), "count")
        return None

    def _meets(self, kind):
        self.requests.append(kind)
        self.before(len(self.requests), kind)

    @property
    def counted(self):
        return sum((Counter(counts) for counts in self.stored.tally.drawn.values()), Counter())


class NoReadings:
    def __init__(self):
        self.asked = []

    def ask(self, queue_id):
        self.asked.append(queue_id)


def use_case(store, fake_time, readings=None, **options):
    known = {"limit": 20, "read_every_s": 0, "last_request_s": 0.35}
    return DrawAgents(store, readings or NoReadings(), **known | options, clock=fake_time.clock, sleep=fake_time.sleep)


def fail(*_):
    raise StoreUnavailable("Could not: ThrottlingException.")


# ---- counted once ----------------------------------------------------------------------------------------------------


def test_a_draw_is_one_read_and_one_write(fake_time):
    store = Memory()
    drawn = use_case(store, fake_time).draw(QUEUE, "c-1", "voice", NOW)
    assert (drawn.agents[0], store.requests, store.counted) == ("ann", ["read", "count"], {"ann": 1})


def test_the_same_draw_asked_twice_is_written_once(fake_time):
    store = Memory()
    draws = [use_case(store, fake_time).draw(QUEUE, "c-1", "voice", NOW + second) for second in (0, 5)]
    assert draws[0] == draws[1]
    assert (store.requests, store.counted) == (["read", "count", "read"], {"ann": 1})


def test_of_two_draws_at_once_each_is_counted_once(fake_time):
    store = Memory()
    second = []

    def come_between(number, kind):
        if (number, kind) == (2, "count"):
            second.append(use_case(store, fake_time).draw(QUEUE, "c-2", "voice", NOW))

    store.before = come_between
    first = use_case(store, fake_time).draw(QUEUE, "c-1", "voice", NOW)
    assert {first.agents[0], second[0].agents[0]} == {"ann", "bob"}
    assert store.counted == {"ann": 1, "bob": 1}


def test_two_draws_of_one_conversation_at_once_have_one_answer(fake_time):
    store = Memory()
    second = []

    def come_between(number, kind):
        if (number, kind) == (2, "count"):
            second.append(use_case(store, fake_time).draw(QUEUE, "c-1", "voice", NOW))

    store.before = come_between
    first = use_case(store, fake_time).draw(QUEUE, "c-1", "voice", NOW)
    assert (first, store.counted) == (second[0], {"ann": 1})


def test_a_lost_answer_of_the_store_does_not_count_twice(fake_time):
    store = Memory()
    store.after = lambda number, _kind: fail() if number == 2 else None
    drawn = use_case(store, fake_time).draw(QUEUE, "c-1", "voice", NOW)
    assert (drawn.agents[0], store.requests, store.counted) == ("ann", ["read", "count", "count"], {"ann": 1})


def test_with_one_answer_in_twenty_lost_the_counts_are_those_of_the_shares(fake_time):
    store = Memory(replace(SHARES, options=ShareOptions(hold_s=2)))
    store.after = lambda number, _kind: fail() if number % 20 == 0 else None
    for number in range(200):
        use_case(store, fake_time).draw(QUEUE, f"c-{number}", "voice", NOW + 3 * number)
    assert all(abs(store.counted[user] - 200 * weight) < 1 for user, weight in SHARES.weights.items())


def test_a_draw_that_finds_no_turn_is_answered_and_not_counted(fake_time):
    store, others = Memory(), []

    def always_later(_number, kind):
        if kind == "count" and not others:
            fake_time.advance(0.1)
            others.append(None)
            use_case(store, fake_time, last_request_s=9).draw(QUEUE, f"c-{len(store.requests)}", "message", NOW)
            others.clear()

    store.before = always_later
    drawn = use_case(store, fake_time).draw(QUEUE, "mine", "message", NOW)
    assert drawn.reason == "uncounted"
    assert drawn.agents
    assert store.stored.tally.answer_to("mine", NOW) is None
    assert sum(store.counted.values()) == store.requests.count("read") - 1


def test_a_dry_run_says_who_would_be_drawn_and_counts_nothing(fake_time):
    store, readings = Memory(), NoReadings()
    drawn = use_case(store, fake_time, readings, read_every_s=5).draw(QUEUE, "c-1", "voice", NOW, dry_run=True)
    assert (drawn.agents[0], store.requests, readings.asked, store.stored.tally) == ("ann", ["read"], [], Tally())


def test_a_queue_without_shares_gets_no_agents(fake_time):
    for shares in (None, replace(SHARES, weights={})):
        store = Memory(shares)
        assert use_case(store, fake_time).draw(QUEUE, "c-1", "voice", NOW) == Draw(reason="no_shares")
        assert store.requests == ["read"]


# ---- nobody waits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", ["read", "count"])
@pytest.mark.parametrize("request_s", [0.0, 0.02, 0.6])
def test_while_the_store_fails_a_draw_ends_within_a_second(fake_time, failing, request_s):
    """0.6 s: both time-outs of a request, to the connection and to the answer, one after the other."""
    assert sum(bootstrap.patience(SETTINGS)[:2]) == pytest.approx(0.6)
    store = Memory()

    def hang(_number, kind):
        if kind == failing:
            fake_time.advance(request_s)
            fail()

    store.before = hang
    draws = use_case(store, fake_time, last_request_s=bootstrap.draw(SETTINGS).last_request_s)
    began = fake_time.now
    response, metric = answer({"queue_id": QUEUE, "conversation_id": "c"}, lambda: draws, NOW)
    assert fake_time.now - began < 1
    assert (response["agents"], response["scores"], response["reason"], metric) == ([], [], "failed", "DrawFailed")
    assert len(store.requests) <= 4


def test_a_draw_whose_reading_came_too_late_is_not_counted(fake_time):
    store = Memory()
    store.before = lambda number, _kind: fake_time.advance(0.3) or (number == 1 and fail())
    began = fake_time.now
    with pytest.raises(StoreUnavailable, match="too late"):
        use_case(store, fake_time).draw(QUEUE, "c-1", "voice", NOW)
    assert (store.requests, fake_time.now - began < 1) == (["read", "read"], True)


def test_the_last_request_to_the_store_is_one_attempt_and_ends_in_time():
    """botocore would pause for up to a second before another attempt."""
    connect_s, read_s, attempts = bootstrap.patience(SETTINGS)
    assert attempts == 1
    assert bootstrap.draw(SETTINGS).last_request_s + connect_s + read_s < SETTINGS.draw_patience_s


def test_the_store_may_fail_once(fake_time):
    store = Memory()
    store.before = lambda number, _kind: fail() if number in {1, 3} else None
    assert use_case(store, fake_time).draw(QUEUE, "c-1", "voice", NOW).reason == "drawn"
    assert store.requests == ["read", "read", "count", "count"]


# ---- readings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("age_s", "every_s", "is_asked"), [(4, 5, False), (5, 5, True), (500, 0, False)])
def test_a_reading_is_asked_for_when_it_is_old(fake_time, age_s, every_s, is_asked):
    store, readings = Memory(standings=Standings(read_at=NOW - age_s)), NoReadings()
    use_case(store, fake_time, readings, read_every_s=every_s).draw(QUEUE, "c-1", "voice", NOW)
    assert readings.asked == ([QUEUE] if is_asked else [])


def test_a_question_is_sent_beside_the_draw_and_once_in_a_second(aws_answers, fake_time):
    invoked = aws_answers("lambda", "Invoke", {"StatusCode": 202})
    readings = StandingsFunction("standings", None, fake_time.clock)
    readings.ask(QUEUE)()
    assert readings.ask(QUEUE) is None
    fake_time.advance(1)
    readings.ask(QUEUE)()
    assert len(invoked) == 2
    assert invoked[0]["headers"]["X-Amz-Invocation-Type"] == "Event"
    assert json.loads(invoked[0]["body"]) == {"queue_id": QUEUE}


def test_a_question_that_fails_or_takes_long_does_not_hold_up_the_draw(aws_answers, logs):
    aws_answers("lambda", "Invoke", "TooManyRequestsException")
    StandingsFunction("standings", None).ask(QUEUE)()
    assert any(record["msg"] == "The agents are not read" for record in logs())
    readings, go_on = StandingsFunction("standings", None), threading.Event()
    readings._invoke = lambda _queue_id: go_on.wait(30)
    began = time.monotonic()
    readings.ask(QUEUE)()
    assert time.monotonic() - began < 20
    go_on.set()


# ---- the table -------------------------------------------------------------------------------------------------------


@pytest.fixture
def shares_table(aws):
    aws("dynamodb").create_table(
        TableName="shares",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("queue_id", "kind")],
        KeySchema=[
            {"AttributeName": "queue_id", "KeyType": "HASH"},
            {"AttributeName": "kind", "KeyType": "RANGE"},
        ],
    )
    item = {"queue_id": {"S": QUEUE}, "kind": {"S": "weights"}, "shares": {"S": SHARES.to_json()}}
    aws("dynamodb").put_item(TableName="shares", Item=item | {"version": {"N": "1"}})
    return TallyTable("shares")


def item_of(aws, kind):
    key = {"queue_id": {"S": QUEUE}, "kind": {"S": kind}}
    return aws("dynamodb").get_item(TableName="shares", Key=key)["Item"]


def test_a_draw_reads_shares_tally_and_standings_in_one_request(shares_table, aws, fake_time):
    standings_table.AgentStandings("shares").replace(QUEUE, Standings({"ann": Status("OFF_QUEUE", NOW)}, read_at=NOW))
    assert use_case(shares_table, fake_time).draw(QUEUE, "c-1", "voice", NOW).agents[0] == "bob"
    stored = shares_table.read(QUEUE)
    assert stored.shares == SHARES
    assert stored.standings.statuses.keys() == {"ann"}
    assert stored.tally == shares_table.find(QUEUE)
    assert stored.tally.version == 1
    assert int(item_of(aws, "tally")["expires_at"]["N"]) == NOW // BUCKET_S * BUCKET_S + KEPT_S


def test_a_draw_reads_what_the_draw_before_has_written(aws_answers):
    requests = aws_answers("dynamodb", "Query", {"Items": []})
    TallyTable("shares").read(QUEUE)
    assert json.loads(requests[0]["body"])["ConsistentRead"] is True


def test_a_queue_of_which_nothing_is_stored_can_be_read(shares_table):
    assert shares_table.read("queue-002") == Stored(None, Tally(), Standings())
    assert shares_table.find("queue-002") is None


def test_a_tally_is_stored_in_place_of_its_predecessor_only(shares_table):
    first = Tally(1, {"ann": 0.5}, -0.5, drawn={0: {"ann": 1}})
    assert shares_table.count(QUEUE, first) is None
    assert shares_table.count(QUEUE, replace(first, nobody=0.0)) == first
    assert shares_table.count(QUEUE, replace(first, version=3)) == first
    assert shares_table.put(QUEUE, replace(first, version=2))
    assert not shares_table.put(QUEUE, replace(first, version=2))


def test_a_tally_that_has_expired_is_counted_anew(shares_table, aws, fake_time):
    draws = use_case(shares_table, fake_time)
    draws.draw(QUEUE, "c-1", "voice", NOW)
    old = shares_table.find(QUEUE)
    aws("dynamodb").delete_item(TableName="shares", Key={"queue_id": {"S": QUEUE}, "kind": {"S": "tally"}})
    assert shares_table.count(QUEUE, replace(old, version=2)) == Tally()
    assert draws.draw(QUEUE, "c-1", "voice", NOW).reason == "drawn"


@pytest.mark.parametrize("kind", ["weights", "tally"])
def test_an_item_that_somebody_has_replaced_gives_an_empty_list(shares_table, aws, fake_time, kind):
    item = {"queue_id": {"S": QUEUE}, "kind": {"S": kind}, "shares": {"S": "[]"}, "tally": {"S": '{"users": []}'}}
    aws("dynamodb").put_item(TableName="shares", Item=item | {"version": {"N": "7"}})
    event = {"queue_id": QUEUE, "conversation_id": "c-1"}
    response, metric = answer(event, lambda: use_case(shares_table, fake_time), NOW)
    assert (response["agents"], response["reason"], metric) == ([], "failed", "DrawFailed")


OTHERS = [
    '{"users": [], "kinds": [], "deficits": [], "nobody": 0, "drawn_at": [], "drawn": {}, "recent": []}',
    json.dumps(json.loads(Tally(1, {"ann": 0.5}, -0.5).to_json()) | {"deficits": ["half"]}),
    json.dumps(json.loads(Tally(1, {"ann": 0.5}, -0.5).to_json()) | {"deficits": [float("nan")]}),
    json.dumps(json.loads(Tally(1, {"ann": 0.5}, -0.5).to_json()) | {"nobody": None}),
    json.dumps(json.loads(Tally(1, drawn={0: {"ann": 1}}).to_json()) | {"drawn": {"0": {"0": "one"}}}),
]


@pytest.mark.parametrize("text", OTHERS, ids=range(len(OTHERS)))
def test_counters_that_somebody_has_written_are_an_error_of_the_store(shares_table, aws, text):
    """A correction goes on with the other queues after such an error, and with no other one."""
    item = {"queue_id": {"S": QUEUE}, "kind": {"S": "tally"}, "tally": {"S": text}, "version": {"N": "7"}}
    aws("dynamodb").put_item(TableName="shares", Item=item)
    with pytest.raises(StoreUnavailable, match="Delete its item `tally`"):
        shares_table.find(QUEUE)


def test_standings_that_cannot_be_read_are_unknown(shares_table, aws, fake_time):
    item = {"queue_id": {"S": QUEUE}, "kind": {"S": "standings"}, "statuses": {"M": {"ann": {"S": "soon IDLE"}}}}
    aws("dynamodb").put_item(TableName="shares", Item=item | {"version": {"N": "7"}})
    readings = NoReadings()
    drawn = use_case(shares_table, fake_time, readings, read_every_s=5).draw(QUEUE, "c-1", "voice", NOW)
    assert (drawn.reason, readings.asked) == ("drawn", [QUEUE])


# ---- the doors -------------------------------------------------------------------------------------------------------


def test_the_data_action_gets_a_flat_answer(fake_time):
    event = {"queue_id": QUEUE.upper(), "conversation_id": "c-1", "media": None, "something": "else"}
    response, metric = answer(event, lambda: use_case(Memory(), fake_time), NOW)
    assert response == {
        "agents": ["ann", "bob", "cyd"],
        "scores": [100, 80, 60],
        "hold_s": 2,
        "distribution_id": "d-1",
        "reason": "drawn",
    }
    assert metric == "Drawn"
    assert DrawAnswer.model_validate(response)


HOSTILE = [
    None, [], {}, "text", 7, [[{}]], {"queue_id": QUEUE}, {"conversation_id": "c"},
    {"queue_id": None, "conversation_id": None}, {"queue_id": "../x", "conversation_id": "c"},
    {"queue_id": QUEUE, "conversation_id": ""}, {"queue_id": QUEUE, "conversation_id": "x" * 100_000},
    {"queue_id": QUEUE, "conversation_id": "\ud800"}, {"queue_id": QUEUE, "conversation_id": "a\nb"},
    {"queue_id": QUEUE, "conversation_id": "c", "media": "x" * 41}, {"queue_id": ["q"], "conversation_id": {}},
    {"queue_id": QUEUE, "conversation_id": "c", "dry_run": "maybe"},
]  # fmt: skip


@pytest.mark.parametrize("event", HOSTILE, ids=range(len(HOSTILE)))
def test_the_data_action_gets_an_empty_list_whatever_it_sends(event):
    def never():
        raise AssertionError("nothing of it may reach the use case")

    response, metric = answer(event, never, NOW)
    empty = {"agents": [], "scores": [], "hold_s": 0, "distribution_id": "", "reason": "failed"}
    assert (response, metric) == (empty, "DrawFailed")


def over_http(body, path=f"/queues/{QUEUE}/draws"):
    return {"requestContext": {}, "rawPath": path, "body": body}


@pytest.mark.parametrize(
    ("event", "status", "named"),
    [
        (over_http("{}"), 422, "conversation_id"),
        (over_http('{"conversation_id": "c", "queue_id": "q"}'), 422, "queue_id"),
        (over_http('{"conversation_id": "c"}', "/queues/a%2Fb/draws"), 422, "queue_id"),
        (over_http('{"conversation_id": "c"}', "/queues/a/b/draws"), 404, "/queues/a/b/draws"),
        (over_http("nonsense"), 422, "JSON"),
        (over_http('{"conversation_id": "c", "media": 1}'), 422, "media"),
        (over_http(5), 422, "no text"),
        (over_http("abc") | {"isBase64Encoded": True}, 422, "no text"),
        ({"requestContext": None}, 404, "no POST"),
    ],
)
def test_over_http_a_bad_request_is_a_problem(event, status, named):
    response, metric = answer(event, None, NOW)
    assert (response["statusCode"], metric) == (status, REFUSED)
    assert response["headers"] == {"Content-Type": "application/problem+json"}
    assert named in json.loads(response["body"])["detail"]


def test_over_http_the_answer_is_the_same_also_after_a_defect(fake_time, logs):
    event = over_http('{"conversation_id": "c-1"}')
    response, _ = answer(event, lambda: use_case(Memory(), fake_time), NOW)
    assert (response["statusCode"], json.loads(response["body"])["agents"]) == (200, ["ann", "bob", "cyd"])
    response, metric = answer(event, lambda: 1 / 0, NOW)
    assert (response["statusCode"], json.loads(response["body"])["reason"]) == (200, "failed")
    assert metric == "DrawFailed"
    assert any(record["exc_info"] for record in logs())


def test_an_answer_that_another_release_has_stored_is_a_failed_draw(fake_time):
    store = Memory()
    store.stored = replace(store.stored, tally=Tally(1, recent={_key("c-1"): (NOW, Draw(("ann",), 2, "d", "newer"))}))
    event = {"queue_id": QUEUE, "conversation_id": "c-1"}
    response, metric = answer(event, lambda: use_case(store, fake_time), NOW)
    assert (response["agents"], response["reason"], metric) == ([], "failed", "DrawFailed")


def test_every_reason_has_a_metric():
    assert METRICS.keys() == set(DrawAnswer.model_json_schema()["properties"]["reason"]["enum"])
