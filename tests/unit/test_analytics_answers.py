"""What Genesys answers about loads: the time that a question may take, and answers that nobody can trust."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from routing_weights.adapters.genesys.analytics import Analytics
from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.transport import Deadline, Transport
from routing_weights.bootstrap import analytics as wiring
from routing_weights.bootstrap import deadlines
from routing_weights.domain.record import Handled
from routing_weights.domain.run import Origin, Run
from routing_weights.errors import (
    GenesysAnswerInvalid,
)
from routing_weights.projection.inputs import History, Predicted, Volume
from routing_weights.settings import GenesysCaller
from tests.support.fakes import FakeSession, FakeTime, answer

NOW = 1_800_000_000.0


# ---- the time that it may take ---------------------------------------------------------------------------------------


def caller(**changes):
    usual = {
        "genesys_contract": "platform",
        "genesys_region": "eu-central-1",
        "token_secret": "token",
        "token_function": "token-function",
        "documents_bucket": "documents",
        "budget_table": "budget",
        "max_retry_after_s": 5,
        "requests_per_minute": 0,
        "token_pool": 1,
        "reserved_for_others": 0,
    }
    return GenesysCaller.model_validate(usual | changes)


def run_of():
    origin = Origin(door="api", caller="")
    return Run(distribution_id="d-1", execution_arn="", started_at=datetime.fromtimestamp(NOW, UTC), origin=origin)


@pytest.mark.parametrize(("left_ms", "seconds"), [(120_000, 30), (32_000, 20)])
def test_questions_about_a_load_have_seconds_and_never_more_than_the_function(left_ms, seconds, monkeypatch):
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: left_ms)
    monkeypatch.setattr(deadlines.time, "monotonic", lambda: 1000.0)
    source = wiring.analytics(caller(), context, run_of())
    assert source.client.transport.deadline.at == 1000.0 + seconds
    assert source.client.base_url == "https://api.mypurecloud.de"


def test_contract_score_has_no_analytics():
    settings = caller(genesys_contract="score", genesys_base_url="https://genesys.example.com")
    assert wiring.analytics(settings, SimpleNamespace(), run_of()) is None


# ---- answers of Genesys that nobody can trust ------------------------------------------------------------------------


def analytics(*bodies):
    time = FakeTime()
    session = FakeSession(*(answer(200, body) for body in bodies))
    transport = Transport(session, Deadline(time.now + 20), 5.0, clock=time.clock, sleep=time.sleep)

    class Tokens:
        def current(self, _number):
            return "token"

    return Analytics(GenesysClient("https://api.mypurecloud.de", Tokens(), transport, lambda *_: ""), lambda: NOW)


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        {"results": {}},
        {"results": [{"data": [{"metric": "oWaiting", "stats": {"count": "3"}}]}]},
        {"results": [{"data": [{"metric": "oWaiting", "stats": {"count": -1}}]}]},
        {"results": [{"data": [{"metric": "oOnQueueUsers", "stats": []}]}]},
        {"results": [{"data": "nothing"}]},
    ],
)
def test_an_observation_of_another_shape_is_refused(body):
    with pytest.raises(GenesysAnswerInvalid):
        analytics(body).observe("queue-001")


@pytest.mark.parametrize("body", [{}, {"results": []}, {"results": [{}]}, {"results": [{"group": {}, "data": []}]}])
def test_a_queue_without_an_observation_has_no_agents(body):
    observed = analytics(body).observe("queue-001")
    assert (observed.agents, observed.waiting, observed.interacting, observed.at) == (0, 0, 0, NOW)


DAY = "2027-01-11"  # a Monday, four days before NOW
TRUE = {
    "observations/query": {
        "results": [
            {
                "group": {"queueId": "queue-001"},
                "data": [{"metric": "oOnQueueUsers", "qualifier": "IDLE", "stats": {"count": 3}}],
            },
            {"group": {"queueId": "queue-001"}, "data": [{"metric": "oWaiting", "stats": {"count": 2}}]},
        ]
    },
    "aggregates/query": {
        "results": [
            {
                "group": {"queueId": "queue-001", "mediaType": "voice", "userId": "agent-001"},
                "data": [
                    {
                        "metrics": [
                            {"metric": "tAnswered", "stats": {"count": 48, "sum": 480_000}},
                            {"metric": "nOffered", "stats": {"count": 60}},
                            {"metric": "tHandle", "stats": {"count": 50, "sum": 12_000_000}},
                            {"metric": "tWait", "stats": {"count": 60, "sum": 1_000_000}},
                            {"metric": "tAbandon", "stats": {"count": 10, "sum": 300_000}},
                        ]
                    }
                ],
            }
        ]
    },
    "recent/shorttermforecasts": {
        "entities": [
            {
                "id": "f-1",
                "weekDate": DAY,
                "weekCount": 1,
                "canUseForScheduling": True,
                "metadata": {"dateModified": f"{DAY}T00:00:00Z"},
            }
        ]
    },
    "/data": {
        "result": {
            "referenceStartDate": f"{DAY}T00:00:00Z",
            "planningGroups": [
                {
                    "planningGroupId": "g-1",
                    "offeredPerInterval": [50] * 672,
                    "averageHandleTimeSecondsPerInterval": [180] * 672,
                }
            ],
        }
    },
    "/planninggroups": {
        "entities": [
            {
                "id": "g-1",
                "name": "Support",
                "routePaths": [{"queue": {"id": "queue-001"}}, {"queue": {"id": "queue-002"}}],
                "serviceGoalTemplate": {"serviceLevel": {"percent": 80, "seconds": 20}},
            }
        ]
    },
}
"""What Genesys answers at the path that ends so."""
HOUR = (datetime.fromtimestamp(NOW - 3600, UTC), datetime.fromtimestamp(NOW, UTC))
ACTS = {
    "observe": lambda source: source.observe("queue-001"),
    "history": lambda source: source.history(["queue-001"]),
    "predicted": lambda source: source.predicted("unit-1", "queue-001"),
    "realised by member": lambda source: source.realised_by_member(["queue-001"], *HOUR),
}


def answering(bodies):
    source = analytics({})

    def reply(_method, url, **_):
        return answer(200, next(body for end, body in bodies.items() if url.endswith(end)))

    source.client.transport.session.answers = [reply]
    return source


def places(node, path=()):
    """Yield every place in a document. One interval of each forecast is enough."""
    yield path
    if isinstance(node, dict):
        for key, value in node.items():
            yield from places(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node[:1] if len(node) > 99 else node):
            yield from places(value, (*path, index))


def with_place(node, path, value):
    if not path:
        return value
    changed = dict(node) if isinstance(node, dict) else list(node)
    changed[path[0]] = with_place(node[path[0]], path[1:], value)
    return changed


def test_the_answers_that_are_damaged_below_are_valid():
    source = answering(TRUE)
    assert source.observe("queue-001").on_queue == {"IDLE": 3}
    assert source.history(["queue-001"]) == {"queue-001": History(60.0, 240.0, 100.0, 4, {"voice": 60.0})}
    handled = source.realised_by_member(["queue-001"], *HOUR)
    assert handled == {"queue-001": {"agent-001": Handled(48, 12_000.0)}}
    found = source.predicted("unit-1", "queue-001")
    # The other queue has no history, so no contacts.
    assert (found.volume, found.assumed) == (
        Volume(50.0, 900.0, 180.0, service_level_target=0.8, answer_within_s=20.0),
        (),
    )


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -1,
        0,
        1e30,
        10**400,
        float("nan"),
        "",
        "x",
        "2027-01-11",
        "9999-12-31T23:59:59Z",
        "9999-12-31",
        "0001-01-01",
        [],
        [[]],
        {},
        {"a": 1},
    ],
    ids=repr,
)
def test_an_answer_with_one_damaged_value_is_read_or_refused_with_an_error_of_ours(value):
    refused, understood = 0, 0
    for end, path in ((end, path) for end, body in TRUE.items() for path in places(body)):
        for act in ACTS.values():
            try:
                found = act(answering(TRUE | {end: with_place(TRUE[end], path, value)}))
            except GenesysAnswerInvalid:
                refused += 1
                continue
            understood += 1
            if isinstance(found, Predicted):
                assert found.volume.load >= 0, (end, path)
                assert found.volume.aht_s > 0, (end, path)
    assert understood > 0
    assert refused > 0 or value in (None, "", "2027-01-11", {}, [], "9999-12-31", "0001-01-01")


def test_shares_of_many_queues_take_a_request_for_each_100():
    def of_queue(name):
        metrics = [{"metric": "tAnswered", "stats": {"count": 1}}]
        return {"results": [{"group": {"queueId": name, "userId": "Agent-1"}, "data": [{"metrics": metrics}]}]}

    source = analytics(of_queue("Queue-0"), of_queue("queue-100"))
    handled = source.realised_by_member([f"queue-{number}" for number in range(101)], *HOUR)
    assert handled == {"queue-0": {"agent-1": Handled(1)}, "queue-100": {"agent-1": Handled(1)}}
    session = source.client.transport.session
    assert [len(sent["json"]["filter"]["predicates"]) for sent in session.sent] == [100, 1]


def test_a_contact_that_nobody_answered_is_no_members():
    metrics = [{"metric": "tAnswered", "stats": {"count": 7}}]
    results = [{"group": {"queueId": "queue-001"}, "data": [{"metrics": metrics}]}]
    assert analytics({"results": results}).realised_by_member(["queue-001"], *HOUR) == {}
