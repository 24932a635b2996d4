"""The layer reads a queue's load from the simulated public API over loopback HTTP."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import requests

from local.genesys import GenesysSimulator, publicapi
from local.genesys.platform_analytics import AGGREGATES, INTERVALS_OF_A_WEEK, OBSERVATIONS
from local.genesys.settings import DEFAULT_PERMISSIONS
from routing_weights.adapters.genesys.analytics import Analytics
from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts import platform
from routing_weights.adapters.genesys.transport import Deadline, Transport
from routing_weights.application.forecast import Forecasting
from routing_weights.domain.neighbours import Neighbour, Neighbours
from routing_weights.domain.record import Handled
from routing_weights.errors import Forbidden, GenesysRefused
from routing_weights.projection.accuracy import Realised
from routing_weights.projection.inputs import History, Volume
from tests.support.fakes import FakeTime, plan

QUEUE, OTHER, UNIT = "queue-001", "queue-002", "unit-1"
NOW = datetime(2026, 11, 25, 10, 20, tzinfo=UTC)  # a Wednesday
MONDAY = "2026-11-23"
HALF_HOUR = NOW.replace(minute=0)
QUARTER = 2 * 96 + 10 * 4 + 1
"""The interval of NOW in a week that begins on Monday, UTC."""


class Token:
    def __init__(self, url):
        form = {"grant_type": "client_credentials"}
        answer = requests.post(f"{url}/oauth/token", data=form, auth=("demo-client", "demo-client-secret"), timeout=5)
        self.bearer = answer.json()["access_token"]

    def current(self, _number=0):
        return self.bearer

    def replace(self, _refused, _number):
        return self.bearer, True


class World:
    """A simulator, and the layer that reads it like the deployed function, at a fixed time."""

    def __init__(self, simulator, session):
        self.simulator, self.session = simulator, session
        self.now = NOW
        time = FakeTime(1000.25)
        transport = Transport(session, Deadline(time.now + 30), 5.0, clock=time.clock, sleep=time.sleep)
        self.client = GenesysClient(simulator.url, Token(simulator.url), transport, platform.needs)
        self.source = Analytics(self.client, self.clock)
        simulator.clear_requests()

    def clock(self):
        return self.now.timestamp()

    def sent(self):
        """The requests, after a check that each of them matches the public API."""
        log = [entry for entry in self.simulator.requests() if not entry["path"].startswith("/downloads/")]
        assert [sentence for entry in log for sentence in publicapi.breaches(entry)] == []
        return log

    def forecasting(self, sources):
        nothing = SimpleNamespace(find=lambda _queue_id: None)
        return Forecasting(sources, nothing, self.source, UNIT, 604_800, 1.0, self.clock)


@pytest.fixture
def world():
    with (
        GenesysSimulator(contract="platform", agents=6, off_queue=1, unjoined=1) as simulator,
        requests.Session() as session,
    ):
        session.trust_env = False
        yield World(simulator, session)


def week(weeks_ago, queue=QUEUE, medium="voice", *, start=HALF_HOUR, **figures):
    usual = {"offered": 60, "handled": 50, "handle_s": 12_000, "waited": 60, "wait_s": 1_000, "abandoned": 10}
    at = start - timedelta(weeks=weeks_ago)
    return {"queueId": queue, "mediaType": medium, "start": at.isoformat()} | usual | figures


def flat(value, weeks=1):
    return [value] * INTERVALS_OF_A_WEEK * weeks


def group(name="group-1", queues=(QUEUE,), offered=50.0, aht=180.0, weeks=1, **fields):
    return {
        "id": name,
        "queues": list(queues),
        "offered": flat(offered, weeks),
        "aht": flat(aht, weeks),
    } | fields


def forecast(*groups, name="forecast-1", **fields):
    return {"id": name, "businessUnitId": UNIT, "weekDate": MONDAY, "groups": list(groups) or [group()]} | fields


# ---- now -------------------------------------------------------------------------------------------------------------


def test_a_queue_is_observed_with_its_agents_by_routing_status(world):
    world.simulator.put_analytics(load={QUEUE: {"waiting": 3, "interacting": 2}, OTHER: {"waiting": 99}})
    observed = world.source.observe(QUEUE)
    assert observed.on_queue == {"IDLE": 2, "INTERACTING": 1, "COMMUNICATING": 1}
    assert (observed.agents, observed.waiting, observed.interacting) == (4, 3, 2)
    assert (observed.at, observed.source) == (NOW.timestamp(), "observations")
    assert [entry["path"] for entry in world.sent()] == [OBSERVATIONS]


def test_an_agent_who_left_the_queue_is_not_observed(world):
    world.simulator.edit_member(QUEUE, "agent-001", routingStatus={"status": "OFF_QUEUE"})
    world.simulator.edit_member(QUEUE, "agent-002", joined=False)
    assert world.source.observe(QUEUE).on_queue == {"IDLE": 1, "COMMUNICATING": 1}


def test_a_queue_that_is_not_there_has_nobody(world):
    assert world.source.observe("made-up").agents == 0


@pytest.mark.parametrize(
    ("act", "lost"),
    [
        (lambda source: source.observe(QUEUE), "analytics:queueObservation:view"),
        (lambda source: source.history([QUEUE]), "analytics:conversationAggregate:view"),
        (
            lambda source: source.realised([QUEUE], NOW, NOW + timedelta(hours=1)),
            "analytics:conversationAggregate:view",
        ),
        (
            lambda source: source.realised_by_member([QUEUE], NOW, NOW + timedelta(hours=1)),
            "analytics:conversationAggregate:view",
        ),
        (lambda source: source.predicted(UNIT, QUEUE), "wfm:shortTermForecast:view"),
    ],
)
def test_a_missing_permission_is_named(world, act, lost):
    held = set(DEFAULT_PERMISSIONS.split()) - {lost, "wfm:schedule:generate"}
    world.simulator.change_settings(permissions=" ".join(held))
    with pytest.raises(Forbidden, match=lost):
        act(world.source)


# ---- what it was -----------------------------------------------------------------------------------------------------


def test_history_is_the_medians_of_the_same_half_hour_of_four_weeks(world):
    offered, handled = (40, 60, 80, 1000), (9_000, 10_000, 11_000, 99_000)
    world.simulator.put_analytics(
        contacts=[
            week(ago, offered=offered[ago - 1], handled=50, handle_s=handled[ago - 1], wait_s=500 * ago, abandoned=ago)
            for ago in (1, 2, 3, 4)
        ]
    )
    assert world.source.history([QUEUE]) == {QUEUE: History(70.0, 210.0, 500.0, 4, {"voice": 70.0})}
    intervals = [entry["body"]["interval"] for entry in world.sent()]
    assert intervals == [
        f"2026-{day}T10:00:00.000Z/2026-{day}T10:30:00.000Z" for day in ("11-18", "11-11", "11-04", "10-28")
    ]


def test_other_times_and_other_queues_are_not_counted(world):
    near = [
        week(1, start=HALF_HOUR + timedelta(minutes=30), offered=7),
        week(1, start=HALF_HOUR - timedelta(seconds=1), offered=7),
        week(1, start=HALF_HOUR + timedelta(days=1), offered=7),
        week(1, OTHER, offered=7),
    ]
    world.simulator.put_analytics(contacts=[week(ago) for ago in (1, 2, 3, 4)] + near)
    assert world.source.history([QUEUE])[QUEUE].offered == 60.0


def test_older_weeks_replace_weeks_without_contacts(world):
    world.simulator.put_analytics(contacts=[week(ago) for ago in (2, 5, 6)])
    assert world.source.history([QUEUE])[QUEUE].weeks == 3
    assert len(world.sent()) == 6


def test_an_interval_that_had_contacts_in_two_weeks_of_eight_has_no_history(world):
    world.simulator.put_analytics(contacts=[week(1), week(8)])
    assert world.source.history([QUEUE]) == {QUEUE: None}
    assert len(world.sent()) == 8


def test_history_takes_one_request(world):
    world.simulator.put_analytics(contacts=[week(ago) for ago in (1, 2, 3, 4)])
    assert world.source.history([QUEUE]) == world.source.history([QUEUE, QUEUE])
    assert len(world.sent()) == 4


def test_patience_counts_only_media_with_abandons(world):
    """E-mails wait for days and are never abandoned. They say nothing about the patience of callers."""
    mails = [week(ago, medium="email", offered=5, handled=5, wait_s=1e9, abandoned=0) for ago in (1, 2, 3, 4)]
    world.simulator.put_analytics(contacts=[week(ago) for ago in (1, 2, 3, 4)] + mails)
    found = world.source.history([QUEUE])[QUEUE]
    assert (found.offered, found.aht_s, found.patience_s) == (60.0, 240.0, 100.0)
    assert (found.media, found.by_medium) == (("voice",), {"email": 5.0, "voice": 60.0})


def test_callbacks_count_as_calls(world):
    back = [week(ago, medium="callback", offered=5, handled=5, handle_s=4_500, abandoned=0) for ago in (1, 2, 3, 4)]
    world.simulator.put_analytics(contacts=[week(ago) for ago in (1, 2, 3, 4)] + back)
    found = world.source.history([QUEUE])[QUEUE]
    assert (found.offered, found.aht_s, found.media) == (65.0, 300.0, ("callback", "voice"))


@pytest.mark.parametrize("medium", ["email", "chat", "message", "workitem"])
def test_other_media_do_not_count_as_calls(world, medium):
    others = [week(ago, medium=medium, offered=500) for ago in (1, 2, 3, 4)]
    world.simulator.put_analytics(contacts=[week(ago, offered=0, handled=0) for ago in (1, 2, 3, 4)] + others)
    assert world.source.history([QUEUE])[QUEUE].offered == 0.0


def test_without_contacts_there_is_no_patience_and_no_handle_time(world):
    world.simulator.put_analytics(contacts=[week(ago, handled=0, handle_s=0, abandoned=0) for ago in (1, 2, 3, 4)])
    assert world.source.history([QUEUE])[QUEUE] == History(60.0, None, None, 4, {"voice": 60.0})


# ---- what happened ---------------------------------------------------------------------------------------------------


def test_one_request_reads_several_queues(world):
    start, end = HALF_HOUR - timedelta(hours=2), HALF_HOUR - timedelta(hours=1)
    hour = {"start": start, "answered": 48, "answer_s": 480, "counted": 58, "in_time": 40}
    later = hour | {"start": start + timedelta(minutes=30)}
    mail = {"offered": 2, "handled": 1, "handle_s": 600, "waited": 1, "wait_s": 9_000, "abandoned": 0}
    world.simulator.put_analytics(
        contacts=[
            week(0, **hour),
            week(0, **later),
            week(0, medium="callback", start=start, **mail),
            week(0, medium="email", start=start, offered=999),
            week(0, "mails", medium="email", start=start, **mail),
            week(0, OTHER, **hour),
            week(0, start=end, offered=999),
            week(0, "queue-003", start=start, offered=999),
        ]
    )
    found = world.source.realised([QUEUE, OTHER, "mails", "silent"], start, end)
    assert found.keys() == {QUEUE, OTHER, "mails"}
    assert (found["mails"].offered, found["mails"].media) == (2, ("email",)), "it has no calls"
    wanted = pytest.approx(0.8 * 116)
    assert found[QUEUE] == Realised(122, 96, 20, 101, 24_600, 121, 11_000, 80, 116, wanted, ("callback", "voice"))
    assert (found[OTHER].offered, found[OTHER].in_time, found[OTHER].media) == (60, 40, ("voice",))
    (asked,) = world.sent()
    assert (asked["path"], asked["body"]["interval"]) == (
        AGGREGATES,
        "2026-11-25T08:00:00.000Z/2026-11-25T09:00:00.000Z",
    )


def test_a_service_level_has_the_shape_of_the_public_api(world):
    world.simulator.put_analytics(contacts=[week(0, counted=8, in_time=6)])
    world.source.realised([QUEUE], HALF_HOUR, HALF_HOUR + timedelta(hours=1))
    body = {
        "interval": "2026-11-25T10:00:00.000Z/2026-11-25T11:00:00.000Z",
        "groupBy": ["queueId", "mediaType"],
        "filter": {"type": "or", "predicates": [{"dimension": "queueId", "value": QUEUE}]},
        "metrics": ["oServiceLevel"],
    }
    answer = world.client.query(AGGREGATES, body)
    assert publicapi.validate(answer, "ConversationAggregateQueryResponse") == []
    (metric,) = answer["results"][0]["data"][0]["metrics"]
    assert metric["stats"] == {"ratio": 0.75, "numerator": 6, "denominator": 8, "target": 0.8}


def test_contacts_and_handle_time_are_read_by_member(world):
    start, end = HALF_HOUR - timedelta(hours=1), HALF_HOUR

    def of_user(user, answered, handle_s, **changes):
        figures = {"userId": user, "answered": answered, "handled": answered, "handle_s": handle_s, "start": start}
        return week(0, **(figures | changes))

    world.simulator.put_analytics(
        contacts=[
            of_user("Agent-001", 3, 600),
            of_user("Agent-001", 1, 90, medium="email", start=start + timedelta(minutes=30)),
            of_user("agent-002", 2, 500),
            of_user("agent-002", 9, 900, start=end),
            of_user("agent-003", 0, 240, handled=1),  # it took over from a colleague
            of_user("agent-001", 5, 700, queue=OTHER),
            of_user("agent-001", 5, 700, queue="queue-003"),
            week(0, start=start),
        ]
    )
    found = world.source.realised_by_member([QUEUE, OTHER, "silent"], start, end)
    assert found == {
        QUEUE: {"agent-001": Handled(4, 690.0), "agent-002": Handled(2, 500.0), "agent-003": Handled(0, 240.0)},
        OTHER: {"agent-001": Handled(5, 700.0)},
    }
    (asked,) = world.sent()
    assert (asked["body"]["groupBy"], asked["body"]["metrics"]) == (["queueId", "userId"], ["tAnswered", "tHandle"])
    answer = world.client.query(AGGREGATES, asked["body"])
    assert publicapi.validate(answer, "ConversationAggregateQueryResponse") == []


# ---- what it will be -------------------------------------------------------------------------------------------------


def test_a_planning_group_of_one_queue_is_that_queues_forecast(world):
    world.simulator.put_analytics(
        forecasts=[forecast(group(goal={"percent": 80, "seconds": 20}), modified="2026-11-25T09:20:00Z")]
    )
    found = world.source.predicted(UNIT, QUEUE)
    assert found.volume == Volume(50.0, 900.0, 180.0, None, 0.8, 20.0)
    assert (found.volume.load, found.age_s, found.assumed) == (10.0, 3600.0, ())
    assert (
        found.detail
        == f"WFM short-term forecast forecast-1, week of {MONDAY}: 100.0% of planning group group-1; counted: voice"
    )
    unit = f"/api/v2/workforcemanagement/businessunits/{UNIT}/weeks"
    assert [(entry["path"].removeprefix(unit), entry["query"]) for entry in world.sent()] == [
        ("/recent/shorttermforecasts", ""),
        (f"/{MONDAY}/shorttermforecasts/forecast-1/data", "weekNumber=1"),
        (f"/{MONDAY}/shorttermforecasts/forecast-1/planninggroups", ""),
    ]


def test_the_forecast_is_that_of_the_current_quarter_hour(world):
    offered = [float(index) for index in range(INTERVALS_OF_A_WEEK)]
    world.simulator.put_analytics(forecasts=[forecast(group() | {"offered": offered})])
    assert world.source.predicted(UNIT, QUEUE).volume.offered == QUARTER
    for minute, interval in ((14, QUARTER - 1), (15, QUARTER), (29, QUARTER), (30, QUARTER + 1)):
        world.now = NOW.replace(minute=minute)
        assert world.source.predicted(UNIT, QUEUE).volume.offered == interval


def test_a_group_of_several_queues_is_split_by_their_offered_contacts(world):
    contacts = [week(ago, OTHER, offered=20) for ago in (1, 2, 3, 4)] + [week(ago) for ago in (1, 2, 3, 4)]
    world.simulator.put_analytics(contacts=contacts, forecasts=[forecast(group(queues=[OTHER, QUEUE]))])
    found = world.source.predicted(UNIT, QUEUE)
    assert (found.volume.offered, found.assumed) == (37.5, ())
    assert "75.0% of planning group group-1; a group is split by the contacts that" in found.detail
    queried = [entry["body"]["filter"] for entry in world.sent() if entry["path"] == AGGREGATES]
    assert [predicate["value"] for predicate in queried[0]["predicates"]] == [QUEUE, OTHER]
    assert len(queried) == 4


@pytest.mark.parametrize("contacts", [[], [week(ago, OTHER) for ago in (1, 2, 3, 4)]])
def test_without_a_history_equal_shares_are_assumed(world, contacts):
    world.simulator.put_analytics(contacts=contacts, forecasts=[forecast(group(queues=[OTHER, QUEUE]))])
    found = world.source.predicted(UNIT, QUEUE)
    assert (found.volume.offered, found.assumed) == (25.0, ("equal shares of the planning group's route paths",))
    assert "split equally among its route paths, which is an assumption" in found.detail


def test_without_the_permission_for_a_history_equal_shares_are_assumed(world):
    held = set(DEFAULT_PERMISSIONS.split()) - {"analytics:conversationAggregate:view"}
    world.simulator.change_settings(permissions=" ".join(held))
    world.simulator.put_analytics(forecasts=[forecast(group(queues=[OTHER, QUEUE]))])
    assert world.source.predicted(UNIT, QUEUE).volume.offered == 25.0


def test_the_groups_of_a_queue_are_added(world):
    groups = [group("a", offered=30, aht=100), group("b", offered=10, aht=300), group("c", queues=[OTHER], offered=999)]
    world.simulator.put_analytics(forecasts=[forecast(*groups)])
    found = world.source.predicted(UNIT, QUEUE)
    assert (found.volume.offered, found.volume.aht_s) == (40.0, 150.0)
    assert "planning group a" in found.detail
    assert "planning group c" not in found.detail


def test_an_interval_without_contacts_has_a_load_of_none(world):
    world.simulator.put_analytics(forecasts=[forecast(group(offered=0.0, aht=200.0))])
    assert world.source.predicted(UNIT, QUEUE).volume == Volume(0.0, 900.0, 200.0)


def test_a_closed_interval_without_a_handle_time_is_a_load_of_none(world):
    world.simulator.put_analytics(forecasts=[forecast(group(offered=0.0, aht=0.0))])
    assert world.source.predicted(UNIT, QUEUE).volume == Volume(0.0, 900.0, 0.0)


def test_ids_of_planning_groups_ignore_case(world):
    paths = {"routePaths": [{"queue": {"id": QUEUE}, "mediaType": "Voice"}]}
    weeks = [{"id": "f", "weekDate": str(MONDAY), "weekCount": 1}]
    figures = {"offeredPerInterval": [9.0] * 672, "averageHandleTimeSecondsPerInterval": [100.0] * 672}
    reference = {"referenceStartDate": f"{MONDAY}T00:00:00Z", "planningGroups": [{"planningGroupId": "G-1"} | figures]}

    def get(path, **_):
        match path.rsplit("/", 1)[-1]:
            case "data":
                return {"result": reference}
            case "planninggroups":
                return {"entities": [paths, paths | {"id": "g-1"}]}
        return {"entities": weeks}

    source = replace(world.source, client=SimpleNamespace(get=get))
    assert source.predicted(UNIT, QUEUE).volume == Volume(9.0, 900.0, 100.0)


def test_groups_of_other_media_are_not_counted(world):
    """10 erlangs of calls, 4 of callbacks; 40 of e-mail, which nobody answers one at a time."""
    groups = [
        group("calls", media=["Voice"], offered=50.0, aht=180.0),
        group("backs", media=["Callback"], offered=20.0, aht=180.0),
        group("mails", media=["Email"], offered=60.0, aht=600.0),
        group("chats", media=["Chat", "Message", "Workitem"], offered=60.0, aht=600.0),
    ]
    world.simulator.put_analytics(forecasts=[forecast(*groups)])
    found = world.source.predicted(UNIT, QUEUE)
    assert (found.volume.load, found.media) == (pytest.approx(14.0), ("callback", "voice"))
    assert found.detail.endswith("; counted: callback, voice; not counted: chat, email, message, workitem")


def test_a_group_of_several_media_is_split_by_offered_contacts(world):
    contacts = [fact for ago in (1, 2, 3, 4) for fact in (week(ago), week(ago, medium="email", offered=20))]
    world.simulator.put_analytics(contacts=contacts, forecasts=[forecast(group(media=["Voice", "Email"]))])
    found = world.source.predicted(UNIT, QUEUE)
    assert (found.volume.offered, found.media, found.assumed) == (37.5, ("voice",), ())


def test_without_a_history_a_group_of_several_media_is_split_equally(world):
    world.simulator.put_analytics(forecasts=[forecast(group(media=["Voice", "Email"]))])
    found = world.source.predicted(UNIT, QUEUE)
    assert (found.volume.offered, found.assumed) == (25.0, ("equal shares of the planning group's route paths",))


@pytest.mark.parametrize(
    ("forecasts", "why"),
    [
        ([forecast(weekDate="2026-11-02")], "none of the 0 short-term forecasts"),
        ([forecast(weekDate="2026-11-30")], "none of the 0 short-term forecasts"),
        ([forecast(group(queues=[OTHER]))], "no planning group of forecast forecast-1 has this queue"),
        ([forecast(group(aht=0.0))], "no handle time"),
        ([forecast(group(media=["Email", "Chat"]))], "has no calls of this queue: its media are chat, email"),
        ([forecast(group() | {"offered": [1.0] * QUARTER})], "none of the 1 short-term forecasts"),
        ([forecast(start="2026-11-25T12:00:00Z")], "none of the 1 short-term forecasts"),
    ],
)
def test_an_unusable_forecast_says_why(world, forecasts, why):
    world.simulator.put_analytics(forecasts=forecasts)
    found = world.source.predicted(UNIT, QUEUE)
    assert why in found
    world.sent()


def test_the_newest_forecast_that_planners_can_use_is_taken(world):
    def named(name, offered, **fields):
        return forecast(group(offered=offered), name=name, **fields)

    draft = named("draft", 1, modified="2026-11-25T10:00:00Z", usable=False)
    old = named("old", 2, modified="2026-11-20T10:00:00Z")
    new = named("new", 3, modified="2026-11-24T10:00:00Z")
    world.simulator.put_analytics(forecasts=[draft, old, new])
    assert world.source.predicted(UNIT, QUEUE).volume.offered == 3
    world.simulator.put_analytics(forecasts=[draft])
    assert Analytics(world.client, world.clock).predicted(UNIT, QUEUE).volume.offered == 1


def test_a_forecast_that_does_not_cover_the_moment_is_skipped(world):
    next_week = forecast(name="next", weekDate="2026-11-26", modified="2026-11-25T10:00:00Z")
    world.simulator.put_analytics(forecasts=[next_week, forecast(modified="2026-11-01T10:00:00Z")])
    assert "forecast-1" in world.source.predicted(UNIT, QUEUE).detail


@pytest.mark.parametrize("ago", [1, 3])
def test_a_later_week_of_a_forecast_is_requested_by_number(world, ago):
    monday = datetime.fromisoformat(f"{MONDAY}T00:00:00Z") - timedelta(weeks=ago)
    offered = [float(index) for index in range(4 * INTERVALS_OF_A_WEEK)]
    longer = group(weeks=4) | {"offered": offered}
    world.simulator.put_analytics(forecasts=[forecast(longer, weekDate=f"{monday:%Y-%m-%d}", weekCount=4)])
    assert world.source.predicted(UNIT, QUEUE).volume.offered == ago * INTERVALS_OF_A_WEEK + QUARTER
    assert [entry["query"] for entry in world.sent()][1] == f"weekNumber={ago + 1}"


@pytest.mark.parametrize(("hours", "moment"), [(-11, "2026-11-29T13:00:00Z"), (8, "2026-11-30T04:00:00Z")])
def test_the_current_week_is_found_in_any_time_zone(world, hours, moment):
    """Around the end of the week, a business unit and UTC are in different weeks."""
    start = datetime.fromisoformat(f"{MONDAY}T00:00:00Z") + timedelta(hours=hours)
    offered = flat(1.0) + flat(2.0)
    longer = group(weeks=2) | {"offered": offered}
    world.simulator.put_analytics(forecasts=[forecast(longer, weekCount=2, start=start.isoformat())])
    world.now = datetime.fromisoformat(moment)
    assert world.source.predicted(UNIT, QUEUE).volume.offered == (2.0 if hours < 0 else 1.0)
    assert len([entry for entry in world.sent() if entry["path"].endswith("/data")]) == 2


def test_an_unknown_business_unit_is_refused(world):
    with pytest.raises(GenesysRefused, match="404"):
        world.source.predicted(UNIT, QUEUE)


# ---- downloads -------------------------------------------------------------------------------------------------------


def test_a_big_result_is_downloaded_without_the_token(world):
    world.simulator.put_analytics(forecasts=[forecast(download=True)])
    assert world.source.predicted(UNIT, QUEUE).volume == Volume(50.0, 900.0, 180.0)
    (download,) = [entry for entry in world.simulator.requests() if entry["path"].startswith("/downloads/")]
    assert (download["status"], download["authorization"], download["token"]) == (200, None, None)
    assert all(entry["token"] is not None for entry in world.sent())


def test_the_simulator_refuses_a_download_with_a_token_or_without_a_signature(world):
    world.simulator.put_analytics(forecasts=[forecast(download=True)])
    unit = f"{world.simulator.url}/api/v2/workforcemanagement/businessunits/{UNIT}/weeks/{MONDAY}/shorttermforecasts"
    bearer = {"Authorization": f"Bearer {world.client.tokens.current()}"}
    url = world.session.get(f"{unit}/forecast-1/data", headers=bearer, timeout=5).json()["downloadUrl"]
    statuses = [
        world.session.get(address, headers=headers, timeout=5).status_code
        for address, headers in ((url, bearer), (url.partition("?")[0], {}), (url, {}))
    ]
    assert statuses == [400, 403, 200]


def test_a_failed_download_fails_the_source_only(world):
    world.simulator.put_analytics(forecasts=[forecast(download=True)])
    world.simulator.add_faults({"action": "status", "status": 403, "method": "GET", "path": "/downloads/", "times": 99})
    found = world.forecasting(("plan", "genesys_wfm", "default")).forecast_for(plan(queue_id=QUEUE))
    assert (found.source, found.assumed) == ("default_parameter", ("load 1 erlangs",))
    assert "status 403" in found.notes[1]
    assert "signature" not in str(found)


# ---- the sources together --------------------------------------------------------------------------------------------

SOURCES = ("plan", "pushed", "genesys_wfm", "history", "default")


def test_a_wfm_forecast_takes_patience_from_the_history(world):
    world.simulator.put_analytics(
        contacts=[week(ago) for ago in (1, 2, 3, 4)],
        forecasts=[forecast(modified="2026-11-20T10:20:00Z")],
    )
    found = world.forecasting(SOURCES).forecast_for(plan(queue_id=QUEUE))
    assert (found.source, found.load, found.age_s, found.stale) == ("genesys_wfm", 10.0, 5 * 86_400.0, False)
    assert (found.volume.patience_s, found.assumed) == (100.0, ())
    assert len(world.sent()) == 3 + 4


def neighbours(*queues):
    return Neighbours(counted=tuple(Neighbour(queue_id=queue, shared=1, agents=2) for queue in queues))


def test_neighbours_cost_no_further_requests_for_a_wfm_forecast(world):
    queues = (OTHER, "queue-003", "queue-004")
    groups = [group(f"group-{queue}", (queue,), offered) for offered, queue in enumerate((QUEUE, *queues), 40)]
    world.simulator.put_analytics(forecasts=[forecast(*groups, download=True)])
    asked = plan(queue_id=QUEUE)
    found = world.forecasting(("plan", "genesys_wfm")).forecast_for(asked, neighbours(*queues))
    assert found.load == pytest.approx(40 * 180 / 900)
    parts = {each.queue_id: each.load for each in found.carried}
    assert parts == pytest.approx({queue: offered * 0.5 * 180 / 900 for offered, queue in enumerate(queues, 41)})
    assert len(world.sent()) == 3


def test_the_histories_of_all_neighbours_are_read_together(world):
    queues = (OTHER, "queue-003", "queue-004")
    contacts = [week(ago, queue) for ago in (1, 2, 3, 4) for queue in (QUEUE, *queues)]
    world.simulator.put_analytics(contacts=contacts)
    found = world.forecasting(("plan", "history")).forecast_for(plan(queue_id=QUEUE), neighbours(*queues))
    assert (found.load, found.total, [each.forecast.source for each in found.carried]) == (8.0, 20.0, ["history"] * 3)
    assert len(world.sent()) == 4


def test_without_a_wfm_forecast_the_history_is_used(world):
    world.simulator.put_analytics(contacts=[week(ago) for ago in (1, 2, 3, 4)])
    found = world.forecasting(SOURCES).forecast_for(plan(queue_id=QUEUE))
    assert (found.source, found.load, found.volume) == ("history", 8.0, Volume(60.0, 1800.0, 240.0, 100.0))
    assert "404" in found.notes[2]


def test_a_wfm_forecast_of_last_month_is_stale(world):
    world.simulator.put_analytics(forecasts=[forecast(modified="2026-10-25T10:20:00Z")])
    assert world.forecasting(SOURCES).forecast_for(plan(queue_id=QUEUE)).stale is True


def test_when_genesys_does_not_answer_the_default_is_assumed(world):
    world.simulator.add_faults({"action": "status", "status": 503, "method": ".*", "path": "/", "times": 999})
    found = world.forecasting(SOURCES).forecast_for(plan(queue_id=QUEUE))
    assert found.source == "default_parameter"
    assert [note for note in found.notes if "Genesys" in note]


# ---- the simulator must itself be right ------------------------------------------------------------------------------


@pytest.fixture
def ask(world):
    """Send a request with the token. Returns status, code or None, and the document."""
    bearer = {"Authorization": f"Bearer {world.client.tokens.current()}"}

    def send(method, path, body=None):
        answer = world.session.request(method, f"{world.simulator.url}{path}", json=body, headers=bearer, timeout=5)
        return answer.status_code, answer.json().get("code"), answer.json()

    return send


def test_every_answer_has_the_shape_of_the_public_api(world, ask):
    groups = [group(queues=[QUEUE, OTHER], goal={"percent": 80, "seconds": 20})]
    world.simulator.put_analytics(
        load={QUEUE: {"waiting": 3}},
        contacts=[week(ago) for ago in (1, 2, 3, 4)],
        forecasts=[forecast(*groups), forecast(*groups, name="big", download=True)],
    )
    world.source.observe(QUEUE)
    world.source.predicted(UNIT, QUEUE)
    unit = f"/api/v2/workforcemanagement/businessunits/{UNIT}/weeks"
    sent = [(entry["method"], entry["path"], entry["body"]) for entry in world.sent()]
    sent += [("GET", f"{unit}/{MONDAY}/shorttermforecasts", None)]
    sent += [("GET", f"{unit}/{MONDAY}/shorttermforecasts/big/data", None)]
    templates = set()
    for method, path, body in sent:
        status, _, document = ask(method, path, body)
        template = publicapi.find(path).template
        assert (status, publicapi.validate(document, publicapi.operation(method, template).answer)) == (200, [])
        templates.add(template)
    assert len(templates) == 5


FILTER = {"type": "or", "predicates": [{"dimension": "queueId", "value": QUEUE}]}
OBSERVED = {"filter": FILTER, "metrics": ["oWaiting"]}
INTERVAL = "2026-11-18T10:00:00Z/2026-11-18T10:30:00Z"
SUMMED = {"interval": INTERVAL, "groupBy": ["queueId", "mediaType"], "filter": FILTER, "metrics": ["nOffered"]}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (OBSERVATIONS, OBSERVED, 200),
        (OBSERVATIONS, OBSERVED | {"groupBy": ["queueId"]}, 400),
        (OBSERVATIONS, {"filter": FILTER}, 400),
        (OBSERVATIONS, OBSERVED | {"metrics": ["oLongestWaiting"]}, 400),
        (OBSERVATIONS, OBSERVED | {"metrics": ["oMemberUsers"]}, 501),
        (OBSERVATIONS, OBSERVED | {"detailMetrics": ["oWaiting"]}, 501),
        (OBSERVATIONS, OBSERVED | {"filter": {"type": "or"}}, 501),
        (
            OBSERVATIONS,
            OBSERVED | {"filter": FILTER | {"predicates": [{"dimension": "mediaType", "value": "voice"}]}},
            501,
        ),
        (AGGREGATES, SUMMED, 200),
        (AGGREGATES, {name: value for name, value in SUMMED.items() if name != "interval"}, 400),
        (AGGREGATES, SUMMED | {"interval": INTERVAL.partition("/")[0]}, 400),
        (AGGREGATES, SUMMED | {"interval": "/".join(reversed(INTERVAL.split("/")))}, 400),
        (AGGREGATES, SUMMED | {"metrics": ["nWanted"]}, 400),
        (AGGREGATES, SUMMED | {"metrics": ["tAcd"]}, 501),
        (AGGREGATES, SUMMED | {"granularity": "PT15M"}, 501),
        (AGGREGATES, SUMMED | {"groupBy": ["queueId"]}, 501),
        (AGGREGATES, SUMMED | {"colour": "red"}, 400),
    ],
)
def test_a_query_must_match_the_public_api(ask, path, body, status):
    assert ask("POST", path, body)[0] == status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("recent/shorttermforecasts", 200),
        (f"{MONDAY}/shorttermforecasts", 200),
        ("monday/shorttermforecasts", 400),
        (f"{MONDAY}/shorttermforecasts/forecast-1/data?weekNumber=1", 200),
        (f"{MONDAY}/shorttermforecasts/forecast-1/data?weekNumber=2", 400),
        (f"{MONDAY}/shorttermforecasts/forecast-1/data?forceDownloadService=true", 501),
        (f"{MONDAY}/shorttermforecasts/other/data", 404),
        ("2026-11-16/shorttermforecasts/forecast-1/planninggroups", 404),
    ],
)
def test_a_forecast_is_where_it_was_put(world, ask, path, status):
    world.simulator.put_analytics(forecasts=[forecast()])
    assert ask("GET", f"/api/v2/workforcemanagement/businessunits/{UNIT}/weeks/{path}")[0] == status


def test_a_planning_group_has_a_path_for_each_queue_and_medium(world, ask):
    mixed = group("mixed", queues=[QUEUE, OTHER], media=["Voice", "Email"])
    world.simulator.put_analytics(forecasts=[forecast(group("calls"), mixed)])
    path = f"/api/v2/workforcemanagement/businessunits/{UNIT}/weeks/{MONDAY}/shorttermforecasts/forecast-1"
    _, _, listed = ask("GET", f"{path}/planninggroups")
    assert not publicapi.validate(listed, "ForecastPlanningGroupsResponse")
    calls, mixed = [[(p["queue"]["id"], p["mediaType"]) for p in g["routePaths"]] for g in listed["entities"]]
    assert calls == [(QUEUE, "Voice")]
    assert mixed == [(QUEUE, "Voice"), (QUEUE, "Email"), (OTHER, "Voice"), (OTHER, "Email")]


def test_a_week_lists_the_forecasts_that_span_it(world, ask):
    longer = forecast(name="long", weekDate="2026-11-16", weekCount=2)
    world.simulator.put_analytics(forecasts=[forecast(), longer])
    unit = f"/api/v2/workforcemanagement/businessunits/{UNIT}/weeks"
    for day, names in (("2026-11-16", ["long"]), (MONDAY, ["forecast-1", "long"]), ("2026-11-30", [])):
        _, _, listed = ask("GET", f"{unit}/{day}/shorttermforecasts")
        assert [entity["id"] for entity in listed["entities"]] == names


@pytest.mark.parametrize(
    "spec",
    [
        {"colour": "red"},
        {"contacts": [{"queueId": QUEUE}]},
        {"contacts": [week(1) | {"offered": "many"}]},
        {"contacts": [week(1) | {"start": "soon"}]},
        {"forecasts": [{"id": "x"}]},
        {"forecasts": [forecast(group(media=["Fax"]))]},
        {"forecasts": [forecast({"id": "group-1", "queues": [QUEUE]})]},
    ],
)
def test_nonsense_in_a_test_is_refused(world, spec):
    with pytest.raises(ValueError, match=r"\w"):
        world.simulator.put_analytics(**spec)
    control = f"{world.simulator.url}/_sim/analytics"
    assert world.session.put(control, json=spec, timeout=5).status_code == 400


def test_analytics_can_be_set_over_http(world):
    spec = {"load": {QUEUE: {"waiting": 7}}}
    assert world.session.put(f"{world.simulator.url}/_sim/analytics", json=spec, timeout=5).status_code == 200
    assert world.source.observe(QUEUE).waiting == 7


def test_contract_score_has_no_analytics():
    with GenesysSimulator(contract="score") as simulator, requests.Session() as session:
        with pytest.raises(ValueError, match="no analytics"):
            simulator.put_analytics(load={})
        session.trust_env = False
        assert session.post(f"{simulator.url}{OBSERVATIONS}", json=OBSERVED, timeout=5).status_code in {401, 404}
