"""Readings and events of agents: who reads, who gives way, and in which queues an event counts."""

import json

import pytest

from routing_weights.adapters.genesys.agent_statuses import AgentStatuses
from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts import platform
from routing_weights.adapters.genesys.transport import Deadline, Transport
from routing_weights.application.note_standings import INDEX_S, NoteStandings, SharedUsers
from routing_weights.application.read_standings import PATIENCE_S, STORE_TRIES, ReadStandings
from routing_weights.domain.shares import ShareOptions, SharesInForce
from routing_weights.domain.standings import CLAIM_S, Membership, Standings, Status
from routing_weights.errors import Forbidden, RateLimited, StoreUnavailable
from tests.support.fakes import FakeAgentStandings, FakePlatform, FakeShares

NOW = 1_800_000_000.0


def shares(queue_id="q-1", users="ab", version=1):
    return SharesInForce(queue_id, "d-1", dict.fromkeys(users, 0.25), ShareOptions(), version)


class Agents:
    """Genesys, which lists `statuses`. An error in their place is raised."""

    def __init__(self, statuses=None, meanwhile=lambda: None):
        self.statuses = {"a": Status("IDLE", NOW - 60)} if statuses is None else statuses
        self.meanwhile, self.readings = meanwhile, 0

    def of_queue(self, _queue_id, _now):
        self.readings += 1
        self.meanwhile()
        if isinstance(self.statuses, Exception):
            raise self.statuses
        return self.statuses


def reading(agents, standings=None, in_force=None, every_s=5.0):
    standings = FakeAgentStandings() if standings is None else standings
    return ReadStandings(FakeShares(*(in_force or [shares()])), standings, lambda: agents, every_s)


def test_a_reading_says_who_is_free_and_who_has_left():
    use_case = reading(Agents())
    assert use_case.read("q-1", NOW) == "read"
    known = use_case.standings.find("q-1")
    assert [known.of(user, "voice", NOW) for user in "ab"] == ["free", "away"]


def test_a_queue_that_was_just_read_is_not_read_again():
    agents = Agents()
    use_case = reading(agents)
    assert [use_case.read("q-1", NOW + after) for after in (0, 4.9, 5)] == ["read", "not_due", "read"]
    assert agents.readings == 2


def test_two_invocations_at_once_read_once():
    outcomes = []
    agents = Agents(meanwhile=lambda: outcomes.append(use_case.read("q-1", NOW)))
    use_case = reading(agents)
    assert use_case.read("q-1", NOW) == "read"
    assert (outcomes, agents.readings) == (["not_due"], 1)


def test_nobody_reads_where_no_shares_are_in_force_or_readings_are_turned_off():
    agents = Agents()
    assert reading(agents, every_s=0).read("q-1", NOW) == "not_due"
    assert reading(agents, in_force=[shares("q-2")]).read("q-1", NOW) == "not_due"
    assert agents.readings == 0


def test_a_reading_without_a_slot_is_dropped_and_leaves_the_budget_alone_for_a_time():
    agents = Agents(RateLimited("no slot", retry_after_s=9))
    use_case = reading(agents)
    assert [use_case.read("q-1", NOW + after) for after in (0, CLAIM_S - 1)] == ["dropped", "not_due"]
    agents.statuses = {}
    assert use_case.read("q-1", NOW + CLAIM_S) == "read"


def test_a_reading_that_genesys_refuses_fails():
    with pytest.raises(Forbidden):
        reading(Agents(Forbidden("a permission is missing"))).read("q-1", NOW)


def test_an_event_during_the_reading_stays():
    standings = FakeAgentStandings()
    event = Status("INTERACTING", NOW + 0.2)
    agents = Agents(meanwhile=lambda: standings.note("q-1", "a", event, NOW + 0.3))
    assert reading(agents, standings).read("q-1", NOW) == "read"
    assert standings.find("q-1").statuses["a"] == event


def test_a_reading_that_events_overtake_again_and_again_fails():
    class Busy(FakeAgentStandings):
        def replace(self, queue_id, standings):
            self.note(queue_id, "a", Status("IDLE", NOW + self.find(queue_id).version), NOW)
            return super().replace(queue_id, standings)

    with pytest.raises(StoreUnavailable, match=str(STORE_TRIES)):
        reading(Agents(), Busy()).read("q-1", NOW)


# ---- the listing of Genesys ------------------------------------------------------------------------------------------


class Tokens:
    def current(self, _number):
        return "token"


def listed(members, granted=100, **settings):
    session = FakePlatform({"id": "q-1"}, members, granted=granted)
    transport = Transport(session, Deadline(1e12), PATIENCE_S, **settings)
    client = GenesysClient("https://genesys.example.com", Tokens(), transport, platform.needs)
    return AgentStatuses(client).of_queue("q-1", NOW), session


def entity(name, status="IDLE", start="2027-01-15T07:59:00Z", state="active", **fields):
    shown = {"status": status, "startTime": start} if status else None
    return {"id": name, "user": {"id": name, "state": state}, "joined": True, "routingStatus": shown, **fields}


def test_a_listing_has_whoever_can_take_work_with_the_time_of_the_status():
    members = [
        entity("A"),
        entity("b", "communicating", None),
        entity("unjoined", joined=False),
        entity("gone", state="deleted"),
        entity("off", "EMPTY"),
        entity("new", "A_STATUS_OF_TOMORROW"),
        entity("none", None),
        entity("inside", None, user={"id": "inside", "routingStatus": {"status": "IDLE"}}),
    ]
    statuses, session = listed(members)
    assert statuses == {
        "a": Status("IDLE", NOW - 60),
        "b": Status("COMMUNICATING", NOW),
        "off": Status("OFF_QUEUE", NOW - 60),
        "new": None,
        "none": None,
        "inside": Status("IDLE", NOW),
    }
    assert [params["expand"] for _, _, params in session.sent] == ["routingStatus"]


def test_a_listing_takes_a_request_for_each_page():
    statuses, session = listed([entity(f"u-{number}") for number in range(5)], granted=2)
    assert (len(statuses), len(session.sent)) == (5, 3)


def test_a_reading_waits_for_no_slot_that_is_further_than_the_next():
    class Budget:
        def reserve(self, longest_wait_s, _slots):
            self.waited = longest_wait_s
            raise RateLimited("The request budget has no room for 9 s.", retry_after_s=9)

    budget = Budget()
    with pytest.raises(RateLimited):
        listed([entity("a")], budget=budget)
    assert budget.waited == PATIENCE_S


# ---- events ----------------------------------------------------------------------------------------------------------


def status_event(user="a", status="INTERACTING"):
    body = {"id": user, "routingStatus": {"status": status, "startTime": "2027-01-15T07:59:50Z"}}
    detail = {"topicName": f"v2.users.{user}.routingStatus", "eventBody": body}
    return json.dumps({"detail-type": "v2.users.{id}.routingStatus", "detail": detail})


def left_event(queue, user="a"):
    detail = {"topicName": f"v2.routing.queues.{queue}.users", "eventBody": {"id": user, "joined": False}}
    return json.dumps({"detail-type": "v2.routing.queues.{id}.users", "detail": detail})


def noting(*in_force):
    return NoteStandings(SharedUsers(FakeShares(*in_force)), FakeAgentStandings())


def test_a_status_counts_in_every_queue_where_the_user_has_a_share():
    use_case = noting(shares("q-1", "ab"), shares("q-2", "a"), shares("q-3", "b"))
    assert use_case.note([status_event()], NOW) == 2
    assert use_case.standings.queues.keys() == {"q-1", "q-2"}
    assert use_case.standings.find("q-2").of("a", "voice", NOW) == "busy"


def test_a_membership_counts_in_its_queue_only():
    use_case = noting(shares("q-1"), shares("q-2"))
    assert use_case.note([left_event("Q-2"), left_event("q-9"), left_event("q-1", "stranger")], NOW) == 1
    assert use_case.standings.find("q-2").memberships == {"a": Membership(joined=False, since=NOW)}
    assert use_case.standings.find("q-1") == Standings()


def test_an_event_that_comes_twice_or_cannot_be_read_changes_nothing(logs):
    use_case = noting(shares())
    assert use_case.note([status_event(), status_event(), "{}", status_event(status="NEW")], NOW) == 1
    assert sum(record["levelname"] == "WARNING" for record in logs()) == 1


def test_the_index_of_users_is_read_once_a_minute():
    in_force = FakeShares(shares(users="a"))
    use_case = NoteStandings(SharedUsers(in_force), FakeAgentStandings())
    assert use_case.note([status_event("b")], NOW) == 0
    in_force.queues["q-1"] = shares(users="b")
    assert use_case.note([status_event("b")], NOW + INDEX_S - 1) == 0
    assert use_case.note([status_event("b")], NOW + INDEX_S) == 1
