"""Contract `platform`: what it reads, what it refuses before the first write, and what it writes, once and no more."""

import copy
import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.adapters.genesys.client import CONFLICT_TRIES, GenesysClient
from routing_weights.adapters.genesys.contracts import platform
from routing_weights.adapters.genesys.contracts.platform import PlatformContract
from routing_weights.adapters.genesys.contracts.queue_document import FIELDS, QueueDocument
from routing_weights.adapters.genesys.contracts.shares import QueueShares
from routing_weights.adapters.genesys.transport import Deadline, Transport
from routing_weights.domain.actuation import resolve
from routing_weights.domain.actuators import names_for
from routing_weights.domain.queue import Member, Queue
from routing_weights.domain.target import (
    Target,
    image,
    in_groups,
    members_to_write,
    settings_by_part,
    settings_to_write,
    unsettled,
)
from routing_weights.errors import (
    Forbidden,
    GenesysAnswerInvalid,
    GenesysRefused,
    GenesysUnavailable,
    PlanNotApplicable,
    QueueChanged,
    QueueNotFound,
)
from tests.support.fakes import FakePlatform, FakeShares, FakeTime, answer, plan, written

QUEUE = "/routing/queues/queue-001"
SKILL = {"id": "skill-1", "name": "Queue 1"}
GROUPS = [{"id": "g-1", "type": "GROUP"}]
VERSION = {"message": "The version 3 does not match the current version 4."}
RING = {"strategy_reference": "ring-by-weight"}
PROFICIENCY = {"strategy_reference": "proficiency-by-weight", "skill": "Queue 1"}
JOINED = {"actuator": "joined"}
SIX = {"bullseye_rings": 6}
TIMEOUT = {"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": 10}]}


def raw_queue(**fields):
    return {
        "id": "queue-001",
        "name": "Support",
        "dateModified": "2026-01-31T08:00:00Z",
        "modifiedBy": "ada",
        "acwSettings": {"wrapupPrompt": "OPTIONAL", "timeoutMs": 30_000},
        "skillEvaluationMethod": "ALL",
        "somethingNew": {"deep": [1, None]},
    } | fields


def rings(count, **fields):
    """A queue with so many bullseye rings."""
    return raw_queue(bullseye={"rings": [TIMEOUT] * count}, **fields)


def shown(count):
    """A number of rings as people are told it."""
    return f"{count} (the admin console shows {max(0, count - 1)})"


def entity(user_id, *, skills=(), status="IDLE", **fields):
    told = {"id": user_id, "user": {"id": user_id, "skills": list(skills)}, "routingStatus": {"status": status}}
    return told | {"joined": True, "memberBy": "user"} | fields


def agents(*users, **fields):
    return [entity(user, **copy.deepcopy(fields)) for user in users or ("agent-1", "agent-2", "agent-3")]


class FakeTokens:
    def current(self, _number):
        return "token"

    def replace(self, refused):
        raise AssertionError(f"{refused} was refused")


class Genesys:
    """A platform in memory, and the contract that speaks to it for one plan."""

    def __init__(self, members=None, raw=None, skills=(), *, granted=100, **changes):
        members = agents() if members is None else members
        self.session = FakePlatform(raw or raw_queue(), members, skills, granted=granted)
        self.time = FakeTime()
        self.plan = plan(**changes)
        transport = Transport(
            self.session,
            Deadline(at=self.time.now + 100),
            5.0,
            clock=self.time.clock,
            wall_clock=self.time.wall_clock,
            sleep=self.time.sleep,
            jitter=lambda: 0.5,
        )
        client = GenesysClient("https://genesys.example.com", FakeTokens(), transport, platform.needs)
        self.contract = PlatformContract(client, resolve(self.plan, deployed="ring"), QueueShares(FakeShares(), "d-1"))

    def read(self):
        """As the before-image keeps it."""
        return Queue.from_json(json.loads(json.dumps(self.contract.read_queue("queue-001").to_json())))

    def prepare(self):
        """(before, target), with nothing sent so far."""
        before = self.read()
        target = self.contract.target(self.plan, before)
        self.session.sent.clear()
        return before, target

    def refuse(self):
        """The problems for which the plan is refused."""
        with pytest.raises(PlanNotApplicable) as caught:
            self.contract.target(self.plan, self.read())
        assert self.session.written() == []
        return caught.value.details["errors"]

    def write_queue(self, before, target, own=None):
        self.contract.write_queue(before, target, settings_to_write(target, before), key="d-1:queue", own=own)

    def write_members(self, before, target):
        """As the function does it."""
        changes = members_to_write(target, before, raise_first=self.contract.raise_first)
        written(self.contract, before, changes, target)

    def held(self, key):
        return {member["id"]: member.get(key) for member in self.session.members}

    def proficiencies(self):
        held = {member["id"]: member["user"]["skills"] for member in self.session.members}
        return {user: [s["proficiency"] for s in skills if s["id"] == "skill-1"] for user, skills in held.items()}


def weights(count):
    return {f"agent-{i}": 0.0001 * (i % 7) for i in range(count)}


# ---- reading ---------------------------------------------------------------------------------------------------------


@given(st.integers(0, 12), st.integers(1, 5))
def test_pages_are_read_until_one_is_short_or_empty(count, granted):
    genesys = Genesys(agents(*(f"m{i}" for i in range(count))) if count else [], granted=granted)
    queue = genesys.contract.read_queue("queue-001")
    assert [member.user_id for member in queue.members] == [f"m{i}" for i in range(count)]
    assert genesys.session.count("GET", "/members") == count // granted + 1
    assert [member.native["page"] for member in queue.members] == [1 + i // granted for i in range(count)]


def test_a_queue_of_250_members_is_read_with_four_requests():
    genesys = Genesys(agents(*(f"m{i}" for i in range(250))))
    assert len(genesys.contract.read_queue("queue-001").members) == 250
    assert genesys.session.sent == [
        ("GET", QUEUE, {}),
        *(
            ("GET", f"{QUEUE}/members", {"pageSize": 100, "pageNumber": page, "expand": "skills,routingStatus"})
            for page in (1, 2, 3)
        ),
    ]


@pytest.mark.parametrize("size", [None, "25", 0, 1000])
def test_a_page_size_that_says_nothing_is_taken_as_the_one_that_was_asked_for(size):
    genesys = Genesys()
    listing = {"entities": agents("a", "b")} | ({} if size is None else {"pageSize": size})
    genesys.session.scripted["GET"] = [None, answer(200, listing), answer(200, {"entities": []})]
    assert len(genesys.contract.read_queue("queue-001").members) == 2


def test_a_member_that_is_repeated_to_the_end_is_not_counted_twice():
    genesys = Genesys(agents("a", "b", "a"), granted=2)
    with pytest.raises(GenesysAnswerInvalid) as caught:
        genesys.contract.read_queue("queue-001")
    assert caught.value.message.startswith(
        "None of 5 readings of the members of queue queue-001 can be relied on: at the last one member a is "
        "listed twice, and the queue shows a count of 3. Send the plan again"
    )
    assert genesys.time.slept == [0.25, 0.5, 1.0, 2.0]


def reading(*pages, count=None):
    """What one reading of a queue and its members is answered with."""
    shown = raw_queue() | ({} if count is None else {"memberCount": count})
    listings = [{"entities": agents(*page) if page else [], "pageSize": 2} for page in pages]
    return [answer(200, shown), *(answer(200, listing) for listing in listings)]


def users(genesys):
    return [member.user_id for member in genesys.contract.read_queue("queue-001").members]


AFTER = reading("bc", "d", count=3)


@pytest.mark.parametrize(
    "first",
    [
        reading("ab", "bc", "d", count=4),  # somebody joined: b slid to the second page
        reading("ab", "d", "", count=4),  # somebody left: c slid to the first page
        reading("ab", "d"),  # the same, where the queue shows no count
        reading("bc", "", count=3),
    ],
)
def test_a_listing_that_moves_while_it_is_read_is_read_again(first):
    genesys = Genesys()
    genesys.session.scripted["GET"] = [*first, *AFTER]
    assert users(genesys) == ["b", "c", "d"]
    assert (genesys.session.scripted["GET"], genesys.time.slept) == ([], [0.25])


@pytest.mark.parametrize("count", [None, 9])
def test_without_a_count_that_agrees_a_second_reading_has_to(count):
    genesys = Genesys()
    genesys.session.scripted["GET"] = [
        part for pages in ("ab", "bc", "bc") for part in reading(pages, "d", *[""] * bool(count), count=count)
    ]
    assert users(genesys) == ["b", "c", "d"]
    assert genesys.session.scripted["GET"] == []


def test_a_short_page_is_not_the_end_if_members_or_a_page_are_missing():
    genesys = Genesys()
    for following in (
        "https://elsewhere.example.com/x?pageNumber=2",
        "/nowhere?pageNumber=1",
        "//[",
        "?pageNumber=\u0662",
    ):
        pages = [{"entities": agents("a"), "nextUri": following}, {"entities": agents("b")}]
        genesys.session.scripted["GET"] = [
            answer(200, raw_queue(memberCount=2)),
            *(answer(200, page) for page in pages),
        ]
        genesys.session.sent.clear()
        assert users(genesys) == ["a", "b"]
        paths = [(path, params.get("pageNumber")) for _, path, params in genesys.session.sent]
        assert paths == [(QUEUE, None), (f"{QUEUE}/members", 1), (f"{QUEUE}/members", 2)], following
    genesys.session.scripted["GET"] = reading("a", "b", count=2)
    assert users(genesys) == ["a", "b"]


@pytest.mark.parametrize(("empty", "found"), [(1, ["a", "b"]), (3, ["a", "b"]), (4, ["a"])])
def test_an_empty_page_that_names_another_is_not_the_end(empty, found):
    genesys = Genesys()
    pages = [agents("a"), *[[]] * empty]
    listings = [{"entities": page, "nextUri": "/next"} for page in pages]
    read = [answer(200, raw_queue(memberCount=2)), *(answer(200, listing) for listing in listings)]
    last = [answer(200, {"entities": agents("b")})] if len(found) == 2 else []
    genesys.session.scripted["GET"] = [*read, *last] if last else read * 2
    assert users(genesys) == found
    assert genesys.session.scripted["GET"] == []


def test_an_absurd_count_costs_a_few_pages_and_no_memory():
    genesys = Genesys()
    full = {"entities": agents(*(f"agent-{n}" for n in range(100)))}
    shown = answer(200, raw_queue(memberCount=10**17))
    genesys.session.request = lambda _method, url, **_: shown if url.endswith("queue-001") else answer(200, full)
    with pytest.raises(GenesysAnswerInvalid):
        genesys.contract.read_queue("queue-001")


def test_a_page_that_comes_again_although_nobody_is_missing_is_left_out():
    genesys = Genesys()
    listing = {"entities": agents("a", "b"), "nextUri": "/the-same?pageNumber=1"}
    genesys.session.scripted["GET"] = [answer(200, raw_queue(memberCount=2)), *[answer(200, listing)] * 2]
    assert users(genesys) == ["a", "b"]


def test_a_member_through_two_groups_is_one_member():
    listed = [entity("a"), *[entity("b", memberBy="group", ringNumber=2)] * 2]
    assert users(Genesys(listed)) == ["a", "b"]
    genesys = Genesys(listed, raw_queue(memberCount=2), granted=2)
    assert users(genesys) == ["a", "b"]


def test_a_member_both_directly_and_through_a_group_is_one_member():
    both = [entity("b", memberBy="group", ringNumber=5), entity("b", ringNumber=2)]
    for listed in (both, both[::-1]):
        genesys = Genesys([entity("a"), *listed], actuator="ring")
        held = genesys.read()
        assert [(member.user_id, member.value, member.by_group) for member in held.members] == [
            ("a", 1, False),
            ("b", 2, False),
        ]
        assert genesys.contract.read_again(held, ["b"]) == held


def test_a_listing_is_not_read_again_when_no_time_is_left():
    genesys = Genesys(agents("a", "b", "a"), granted=2)
    genesys.time.advance(99.5)
    with pytest.raises(GenesysAnswerInvalid, match="None of 2 readings "):
        genesys.contract.read_queue("queue-001")


def test_a_body_that_is_not_json_is_read_again():
    genesys = Genesys()
    genesys.session.scripted["GET"] = [None, answer(200, b'{"entities": [{"id"'), answer(200, b"[" * 100_000)]
    assert len(genesys.contract.read_queue("queue-001").members) == 3
    assert genesys.time.slept == [0.5, 1.0]


def test_a_reading_that_meets_a_conflict_is_repeated_and_not_for_ever():
    genesys = Genesys()
    genesys.session.scripted["GET"] = [answer(409), None, answer(409), answer(409)]
    assert len(genesys.contract.read_queue("queue-001").members) == 3
    assert genesys.time.slept == [0.5, 0.5, 1.0]
    genesys.session.scripted["GET"] = [answer(409)] * 3
    with pytest.raises(GenesysRefused, match="status 409"):
        genesys.contract.read_queue("queue-001")


def test_an_unknown_queue_is_named():
    genesys = Genesys()
    genesys.session.scripted["GET"] = [answer(404, {"code": "not.found"})]
    with pytest.raises(QueueNotFound, match="Genesys knows no queue queue-001"):
        genesys.contract.read_queue("queue-001")


BEST = raw_queue(skillEvaluationMethod="BEST")


@pytest.mark.parametrize(
    ("members", "raw", "changes"),
    [
        (agents("a", ringNumber=1), rings(0), {"actuator": "ring"}),
        (agents("a", ringNumber=1), rings(1), {"actuator": "ring"}),
        (agents("a", skills=[SKILL | {"proficiency": 2.5}]), raw_queue(), PROFICIENCY),
    ],
    ids=["no rings", "one ring", "ALL"],
)
def test_a_value_that_the_queue_does_not_look_at_is_no_weight(members, raw, changes):
    genesys = Genesys(members, raw, member_weights={"a": 0.4}, **changes)
    held = genesys.contract.read_queue("queue-001")
    assert (held.ranks, held.weights()) == (False, {"a": None})
    assert held.members[0].value is not None
    assert genesys.contract.read_again(held, {"a"}).weights() == {"a": None}


@pytest.mark.parametrize(
    ("raw", "changes", "advised"),
    [
        (rings(0), {"actuator": "ring"}, "ring-by-weight"),
        (rings(1), {"actuator": "ring"}, "ring-by-weight"),
        (raw_queue(), {"actuator": "proficiency", "skill": "Queue 1"}, "proficiency-by-weight"),
        (rings(2), {"actuator": "ring"}, None),
        (BEST, {"actuator": "proficiency", "skill": "Queue 1"}, None),
        (raw_queue(), RING, None),
        (raw_queue(), PROFICIENCY, None),
        (raw_queue(), {"strategy_reference": "by-weight"}, None),
        (raw_queue(), {"strategy_reference": "by-weight", "actuator": "proficiency", "skill": "Queue 1"}, None),
        (raw_queue(), JOINED, None),
    ],
)
def test_a_plan_without_effect_names_a_strategy_that_would_have_one(raw, changes, advised):
    weights = {"agent-1": 0.4, "agent-2": 0.4}
    genesys = Genesys(raw=raw, skills=[SKILL], member_weights=weights, **changes)
    before, target = genesys.prepare()
    found = genesys.contract.statement(genesys.plan, target, before)
    lines = found["members"].values()
    if advised is None:
        assert found["without_effect"] is None
        assert None not in {line["represented"] for line in lines}
        return
    assert found["without_effect"].startswith("The weights have no effect: ")
    assert f"Take strategy {advised}" in found["without_effect"]
    assert found["notes"][0] == f"{found['without_effect']}."
    assert {(line["requested"], line["represented"], line["error"]) for line in lines} == {(0.4, None, None)}
    assert (found["largest_error"], found["mean_error"]) == (None, None)


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({"actuator": "ring"}, SIX),
        ({"actuator": "proficiency", "skill": "Queue 1"}, {"skill_evaluation_method": "BEST"}),
        (JOINED, {}),
    ],
)
def test_a_strategy_for_any_actuator_sets_what_the_one_at_hand_needs(changes, settings):
    assert Genesys(skills=[SKILL], strategy_reference="by-weight", **changes).prepare()[1].settings == settings


def member_of(genesys):
    return genesys.contract.read_queue("queue-001").members[0]


@pytest.mark.parametrize(
    ("fields", "value", "weight"),
    [({}, 1, 0.4), ({"ringNumber": 1}, 1, 0.4), ({"ringNumber": 4}, 4, 0.2), ({"ringNumber": None}, 1, 0.4)],
)
def test_a_member_holds_its_ring_and_the_first_where_none_is_told(fields, value, weight):
    member = member_of(Genesys([entity("a", **fields)], rings(6), actuator="ring"))
    assert (member.value, member.weight) == (value, pytest.approx(weight))
    assert type(member.value) is int, "it goes over the wire as it was read"


@pytest.mark.parametrize(("fields", "value"), [({}, True), ({"joined": False}, False), ({"joined": None}, True)])
def test_a_member_holds_whether_it_is_joined(fields, value):
    member = member_of(Genesys([entity("a", **fields)], actuator="joined"))
    assert member.value is value
    assert member.weight == (pytest.approx(1 / 3) if value else 0.0)


@pytest.mark.parametrize(
    ("skills", "value"),
    [
        ([SKILL | {"proficiency": 2.5}, {"id": "x", "name": "y"}], 2.5),
        ([{"id": "x", "proficiency": 1}], None),
        ([], None),
    ],
)
def test_a_member_holds_its_proficiency_and_none_where_the_skill_is_not_assigned(skills, value):
    other = entity("b", skills=[SKILL | {"proficiency": 0}])
    member = member_of(Genesys([entity("a", skills=skills), other], BEST, **PROFICIENCY))
    assert (member.value, member.weight) == (value, None if value is None else pytest.approx(0.2))


@pytest.mark.parametrize(
    ("fields", "absent"),
    [
        ({}, None),
        ({"status": "INTERACTING"}, None),
        ({"status": "COMMUNICATING"}, None),
        ({"routingStatus": None, "user": {"id": "a", "routingStatus": {"status": "IDLE"}}}, None),
        ({"routingStatus": {}, "user": {"id": "a", "routingStatus": {"status": "OFF_QUEUE"}}}, "OFF_QUEUE"),
        ({"user": {"id": "a", "state": "active"}}, None),
        ({"status": "OFF_QUEUE"}, "OFF_QUEUE"),
        ({"status": "NOT_RESPONDING"}, "NOT_RESPONDING"),
        ({"status": "EMPTY"}, "EMPTY"),
        ({"status": "Interacting"}, None),
        ({"status": "not_responding"}, "NOT_RESPONDING"),
        ({"routingStatus": {"userId": "a"}, "user": {"id": "a", "routingStatus": {"status": "IDLE"}}}, None),
        ({"status": "<b>"}, "unknown routing status"),
        ({"status": ["IDLE"]}, "unknown routing status"),
        ({"status": None}, "no routing status"),
        ({"routingStatus": None}, "no routing status"),
        ({"routingStatus": {"userId": "a"}}, "no routing status"),
        ({"joined": False}, "not joined"),
        ({"joined": False, "status": "OFF_QUEUE"}, "not joined"),
        ({"user": {"id": "a", "state": "inactive"}}, "user inactive"),
        ({"user": {"id": "a", "state": "deleted"}}, "user deleted"),
        ({"user": {"id": "a", "state": "ACTIVE"}}, None),
        ({"user": {"id": "a", "state": "Deleted"}}, "user deleted"),
        ({"user": {"id": "a", "state": "<b>"}}, "user of an unknown state"),
        ({"user": {"id": "a", "state": 1}}, "user of an unknown state"),
    ],
)
def test_a_member_is_active_where_it_is_joined_and_its_user_active_and_on_queue(fields, absent):
    member = member_of(Genesys([entity("a", **fields)]))
    assert (member.absent, member.active) == (absent, absent is None)


@pytest.mark.parametrize(
    ("active", "on_queue", "joined", "away"),
    [(True, True, True, None), (False, True, False, None), (False, False, True, "OFF_QUEUE")],
)
def test_the_image_of_an_earlier_release_stays_readable(active, on_queue, joined, away):
    native = {"page": 1, "value": 2, "on_queue": on_queue, "by_group": False}
    old = {"user_id": "a", "weight": 0.5, "active": active, "skills": {}, "native": native}
    kept = {"page": 1, "on_queue": on_queue}
    assert Member.from_json(old) == Member("a", 0.5, joined, away, {}, kept, carried=2)
    assert Member.from_json(old | {"user_id": "A"}).user_id == "a"
    assert Target.from_json({"weights": {"A": 0.5}, "values": {"A": 1}}) == Target({"a": 0.5}, {"a": 1})


def test_a_member_has_its_skills_by_id_and_by_name():
    held = [SKILL | {"proficiency": 2}, {"id": "skill-2", "name": "Support"}]
    told = member_of(Genesys([entity("a", skills=held)])).skills
    assert told == {"skill-1": 2.0, "queue 1": 2.0, "skill-2": None, "support": None}


@pytest.mark.parametrize(
    "fields",
    [{"ringNumber": "1"}, {"ringNumber": True}, {"user": "a"}, {"user": {}, "id": ""}, {"user": {}, "id": 7}],
    ids=repr,
)
def test_a_member_of_another_shape_is_an_invalid_answer(fields):
    with pytest.raises(GenesysAnswerInvalid):
        member_of(Genesys([entity("a") | fields]))


def test_the_before_image_comes_back_from_json_as_it_went():
    genesys = Genesys(agents(skills=[SKILL | {"proficiency": 1}]), **PROFICIENCY)
    assert genesys.read() == genesys.contract.read_queue("queue-001")
    assert genesys.read().skill_id == "skill-1"


@pytest.mark.parametrize(
    ("raw", "stamp"),
    [
        ({"modifiedBy": "someone", "dateModified": "2026-01-31T08:00:00Z"}, ("someone", "2026-01-31T08:00:00Z")),
        ({"modifiedBy": {"id": "someone"}, "dateModified": 7}, (None, None)),
        ({"modifiedBy": None, "dateModified": None}, (None, None)),
    ],
)
def test_the_stamp_of_a_queue_is_what_genesys_wrote_as_text(raw, stamp):
    queue = Genesys(agents(), raw=raw_queue() | raw).contract.read_queue("queue-001")
    assert (queue.modified_by, queue.modified_at) == stamp
    assert not {"modified_by", "modified_at"} & queue.to_json().keys()


def test_only_the_pages_that_hold_the_members_are_read_again():
    genesys = Genesys(agents(*(f"m{i}" for i in range(6))), granted=2, actuator="ring")
    before = genesys.read()
    genesys.session.sent.clear()
    for member in genesys.session.members:
        member["ringNumber"] = 6
    again = genesys.contract.read_again(before, ["m3", "m2", "m5"])
    assert [params["pageNumber"] for _, _, params in genesys.session.sent] == [2, 3]
    assert [member.value for member in again.members] == [1, 1, 6, 6, 6, 6]
    assert (again.settings, again.native) == (before.settings, before.native)


@pytest.mark.parametrize("asked", [["m4"], ["stranger"]])
def test_where_the_pages_have_shifted_everything_is_read_again(asked):
    genesys = Genesys(agents(*(f"m{i}" for i in range(6))), granted=2)
    before = genesys.read()
    del genesys.session.members[0]
    again = genesys.contract.read_again(before, asked)
    assert [member.user_id for member in again.members] == ["m1", "m2", "m3", "m4", "m5"]


def test_ids_compare_without_regard_to_case_and_are_written_as_genesys_shows_them():
    shown = agents("AGENT-1", "Agent-2", "agent-3", memberBy=None)
    for changes, path in ((RING, "members"), (PROFICIENCY, "routingskills")):
        held = copy.deepcopy(shown)
        genesys = Genesys(held, skills=[SKILL], member_weights={"Agent-1": 0.4, "AGENT-3": 0.1}, **changes)
        before, target = genesys.prepare()
        assert [member.user_id for member in before.members] == ["agent-1", "agent-2", "agent-3"]
        assert target.values.keys() == {"agent-1", "agent-3"}
        genesys.write_members(before, target)
        assert unsettled(target, genesys.read()) == []
        sent = [sent for _, sent, _ in genesys.session.written() if path in sent]
        assert all("/agent-1" not in one and "/AGENT-3" not in one for one in sent)
        assert sent
    genesys = Genesys(shown, member_weights={"agent-1": 0.0, "agent-2": 0.1}, **JOINED)
    genesys.write_members(*genesys.prepare())
    ((_, _, body),) = genesys.session.written()
    assert body == [{"id": "AGENT-1", "joined": False}]


def test_a_member_that_is_listed_in_two_cases_is_repeated():
    with pytest.raises(GenesysAnswerInvalid, match="member a is listed twice"):
        Genesys(agents("a", "A")).read()


# ---- the skill -------------------------------------------------------------------------------------------------------


def skill_id(genesys):
    return genesys.read().skill_id


def asked_for_skills(genesys):
    return [(path, params) for method, path, params in genesys.session.sent if "/skills" in path]


@pytest.mark.parametrize("wanted", ["skill-1", "Queue 1", "queue 1", "SKILL-1"])
def test_a_skill_that_members_hold_and_genesys_does_not_show_is_the_members(wanted):
    members = [entity("a"), entity("b", skills=[SKILL | {"proficiency": 1}])]
    assert skill_id(Genesys(members, **PROFICIENCY | {"skill": wanted})) == "skill-1"
    inactive = [entity("b", skills=[SKILL | {"proficiency": 1, "state": "inactive"}])]
    with pytest.raises(PlanNotApplicable, match="Genesys knows no skill"):
        skill_id(Genesys(inactive, **PROFICIENCY | {"skill": wanted}))


def test_the_skill_in_use_goes_before_one_of_its_name_that_is_not():
    old, new = ({"id": f"s-{state}", "name": "Queue 1", "state": state} for state in ("inactive", "active"))
    genesys = Genesys([entity("a", skills=[old | {"proficiency": 2}]), entity("b")], skills=[old, new], **PROFICIENCY)
    assert genesys.read().skill_id == "s-active"
    assert [member.value for member in genesys.read().members] == [None, None]


@pytest.mark.parametrize("wanted", ["Espa\u00f1ol", "Espan\u0303ol", "ESPAN\u0303OL"])
def test_names_compare_in_nfc_and_without_regard_to_case(wanted):
    assert skill_id(Genesys(skills=[{"id": "s-1", "name": "Espa\u00f1ol"}], **PROFICIENCY | {"skill": wanted})) == "s-1"


def test_two_skills_of_one_name_are_refused_with_both_ids():
    twice = [{"id": "s-2", "name": "Queue 1"}, {"id": "s-1", "name": "QUEUE 1", "state": "active"}]
    held = [entity("a", skills=[skill | {"proficiency": 1} for skill in twice])]
    for genesys in (Genesys(skills=twice, **PROFICIENCY), Genesys(held, **PROFICIENCY)):
        with pytest.raises(
            PlanNotApplicable, match="several skills are named Queue 1, with the ids s-1, s-2"
        ) as caught:
            genesys.read()
        assert [(found["path"], found["type"]) for found in caught.value.details["errors"]] == [
            ("skill", "skill_ambiguous")
        ]


def test_a_guid_is_asked_for_in_lower_case_and_first():
    guid = "9c2e6f0a-5f1e-4b6e-9d53-000000000001"
    genesys = Genesys(skills=[{"id": guid, "name": "Queue 1"}], **PROFICIENCY | {"skill": guid.upper()})
    assert (skill_id(genesys), asked_for_skills(genesys)) == (guid, [(f"/routing/skills/{guid}", {})])


def test_a_short_page_of_skills_is_not_the_end_where_another_one_is_named():
    pages = [
        {"entities": [{"id": "s-1", "name": "Queue 10"}], "nextUri": f"/api/v2/routing/skills?pageNumber={page + 1}"}
        for page in (1, 2)
    ]
    genesys = Genesys(**PROFICIENCY)
    listing = [answer(200, page) for page in [*pages, {"entities": [{"id": "s-2", "name": "Queue 1"}]}]]
    genesys.session.scripted["GET"] = [None, None, *listing]
    assert skill_id(genesys) == "s-2"
    assert [params["pageNumber"] for _, params in asked_for_skills(genesys)] == [1, 2, 3]


def test_a_guid_that_genesys_shows_in_upper_case_is_found_however_it_looks_it_up():
    guid = "9C2E6F0A-5F1E-4B6E-9D53-000000000001"
    assert skill_id(Genesys(skills=[{"id": guid, "name": "Queue 1"}], **PROFICIENCY | {"skill": guid})) == guid


@pytest.mark.parametrize("state", ["Active", "ACTIVE"])
def test_a_skills_state_compares_without_regard_to_case(state):
    skills = [{"id": "s-1", "name": "Queue 1", "state": "Deleted"}, {"id": "s-2", "name": "Queue 1", "state": state}]
    assert skill_id(Genesys(skills=skills, **PROFICIENCY)) == "s-2"
    with pytest.raises(PlanNotApplicable, match="is deleted in Genesys"):
        Genesys(skills=skills[:1], **PROFICIENCY).read()


def test_the_skill_is_looked_up_once_in_a_run():
    genesys = Genesys(skills=[SKILL], **PROFICIENCY)
    before = genesys.read()
    genesys.session.skills.clear()
    found = dataclasses.replace(genesys.contract.actuation, found=(before.skill_id, before.skill_name))
    genesys.contract = PlatformContract(genesys.contract.client, found)
    assert genesys.read() == before
    assert len(asked_for_skills(genesys)) == 1


def test_an_inactive_assignment_carries_nothing_and_is_refused_where_it_is_named():
    idle = entity("agent-1", skills=[SKILL | {"proficiency": 2.0, "state": "inactive"}])
    genesys = Genesys([idle, *agents("agent-2", "agent-3")], skills=[SKILL], **PROFICIENCY)
    assert genesys.read().members[0].value is None
    (found,) = genesys.refuse()
    assert (found["path"], found["type"]) == ("member_weights.agent-1", "skill_assignment_inactive")
    others = Genesys([idle, *agents("agent-2")], skills=[SKILL], member_weights={"agent-2": 0.5}, **PROFICIENCY)
    assert others.prepare()


def covered(genesys, *required):
    wanted = plan(required_skills=list(required)).requirements
    queue = genesys.contract.with_skills_in_use(genesys.read(), wanted)
    return [[one.met_by(member.skills) for one in wanted] for member in queue.members]


def test_a_required_skill_that_is_not_in_use_is_covered_by_nobody():
    skill = {"id": "s-1", "name": "Espa\u00f1ol"}
    members = [entity("a", skills=[skill | {"proficiency": 3, "state": "active"}]), entity("b")]
    for state, expected in (("active", True), ("inactive", False), ("deleted", False)):
        genesys = Genesys(members, skills=[skill | {"state": state}])
        for name in ("ESPAN\u0303OL", "s-1", {"skill": "espa\u00f1ol", "min_proficiency": 3}):
            assert covered(genesys, name) == [[expected], [False]], (state, name)
    assert covered(Genesys(members), "espa\u00f1ol") == [[True], [False]], "of a division that the client does not see"
    other = {"id": "s-2", "name": "Espa\u00f1ol", "state": "active"}
    old = Genesys(members, skills=[skill | {"state": "inactive"}, other])
    assert covered(old, "espa\u00f1ol") == [[False], [False]], "the one in use is another one"


def test_required_skills_of_one_name_are_refused_with_both_ids():
    genesys = Genesys(skills=[{"id": "s-1", "name": "B"}, {"id": "s-2", "name": "b"}])
    with pytest.raises(PlanNotApplicable, match="with the ids s-1, s-2") as caught:
        covered(genesys, "A", "B")
    assert [(p["path"], p["type"]) for p in caught.value.details["errors"]] == [
        ("required_skills.1", "skill_ambiguous")
    ]


def test_an_id_goes_before_another_skill_of_that_name():
    held = [{"id": "other", "name": "skill-1", "proficiency": 1}, SKILL | {"proficiency": 1}]
    assert skill_id(Genesys([entity("a", skills=held)], **PROFICIENCY | {"skill": "skill-1"})) == "skill-1"


def test_a_skill_that_nobody_holds_is_found_by_its_id():
    genesys = Genesys(skills=[SKILL], **PROFICIENCY | {"skill": "skill-1"})
    assert skill_id(genesys) == "skill-1"
    assert asked_for_skills(genesys)[-1] == ("/routing/skills/skill-1", {})


@pytest.mark.parametrize("name", ["Billing", "Queue 1", "Año/ñ?&"])
def test_a_skill_that_nobody_holds_is_found_by_its_whole_name(name):
    skills = [{"id": "s-0", "name": f"{name} and more"}, {"id": "s-1", "name": name}]
    genesys = Genesys(skills=skills, **PROFICIENCY | {"skill": name})
    assert skill_id(genesys) == "s-1"
    assert asked_for_skills(genesys)[-1] == ("/routing/skills", {"pageSize": 100, "pageNumber": 1, "name": name})


def test_a_name_that_is_not_safe_in_a_path_is_never_put_into_one():
    genesys = Genesys(skills=[{"id": "s-1", "name": "a/../b"}], **PROFICIENCY | {"skill": "a/../b"})
    assert skill_id(genesys) == "s-1"
    assert [path for path, _ in asked_for_skills(genesys)] == ["/routing/skills"]


@pytest.mark.parametrize(
    ("wanted", "skills", "kind"),
    [
        ("nothing", [], "skill_not_found"),
        ("Queue 1", [{"id": "s-1", "name": "Queue 10"}], "skill_not_found"),
        ("skill-1", [SKILL | {"state": "deleted"}], "skill_inactive"),
        ("Queue 1", [SKILL | {"state": "inactive"}], "skill_inactive"),
        ("Queue 1", [{"id": "a/b", "name": "Queue 1"}], "skill_not_found"),
    ],
)
def test_a_skill_that_genesys_does_not_have_in_use_is_refused(wanted, skills, kind):
    genesys = Genesys(skills=skills, **PROFICIENCY | {"skill": wanted})
    with pytest.raises(PlanNotApplicable) as caught:
        genesys.read()
    (found,) = caught.value.details["errors"]
    assert (found["path"], found["type"]) == ("skill", kind)
    assert wanted in found["message"]


def test_a_refusal_to_show_skills_is_not_taken_for_an_unknown_skill():
    genesys = Genesys([], **PROFICIENCY | {"skill": "skill-1"})
    genesys.session.scripted["GET"] = [None, None, answer(403, {"code": "missing.permissions"})]
    with pytest.raises(Forbidden, match="routing:skill:view"):
        genesys.read()


@pytest.mark.parametrize("changes", [{}, RING, JOINED, {"skill": "Queue 1"}])
def test_without_proficiencies_there_is_no_skill(changes):
    genesys = Genesys(**changes)
    assert (skill_id(genesys), asked_for_skills(genesys)) == (None, [])


# ---- what a plan comes to --------------------------------------------------------------------------------------------


def test_a_plan_that_requires_nothing_changes_nothing_of_the_queue():
    _, target = Genesys(raw=rings(6)).prepare()
    assert target.settings == {}
    assert target.values == {"agent-1": 1, "agent-2": 1, "agent-3": 3}


def test_the_settings_of_a_plan_are_what_it_and_its_strategy_name():
    genesys = Genesys(wrap_up_timeout_s=20, overflow_groups=GROUPS, **RING)
    _, target = genesys.prepare()
    assert target.settings == {"bullseye_rings": 6, "wrap_up_timeout_s": 20, "overflow_threshold": 0.85}


@pytest.mark.parametrize("changes", [{"actuator": "score"}, {"strategy_reference": "score-by-weight"}])
def test_a_score_is_refused(changes):
    (found,) = Genesys(**changes).refuse()
    assert (found["path"], found["type"]) == ("actuator", "actuator_unavailable")


@pytest.mark.parametrize("ring", [None, 2])
def test_a_member_through_a_group_is_refused_only_where_its_ring_would_change(ring):
    given = {} if ring is None else {"ringNumber": ring}
    members = [entity("agent-1", memberBy="group"), entity("agent-2", memberBy="group", **given), entity("agent-3")]
    weights = {"agent-1": 0.4, "agent-2": 0.4, "agent-3": 0.1}
    genesys = Genesys(members, rings(6), member_weights=weights, actuator="ring")
    if ring is None:
        assert genesys.prepare()[1].values == {"agent-1": 1, "agent-2": 1, "agent-3": 5}
    else:
        assert [found["path"] for found in genesys.refuse()] == ["member_weights.agent-2"]


def test_each_member_through_a_group_is_a_problem_and_at_most_a_hundred_are_listed():
    names = [f"m{i:03}" for i in range(150)]
    genesys = Genesys(agents(*names, memberBy="group"), member_weights=dict.fromkeys(names, 0.0), actuator="ring")
    with pytest.raises(PlanNotApplicable) as caught:
        genesys.contract.target(genesys.plan, genesys.read())
    assert caught.value.details["error_count"] == 150
    assert [(p["path"], p["type"]) for p in caught.value.details["errors"]] == [
        (f"member_weights.{name}", "member_by_group") for name in names[:100]
    ]
    assert caught.value.message.startswith("In queue queue-001 through a group, whose ring they have: m000, m001, ")


@pytest.mark.parametrize("changes", [JOINED, PROFICIENCY])
def test_a_member_through_a_group_may_be_joined_and_have_a_proficiency(changes):
    genesys = Genesys(agents(memberBy="group", ringNumber=3), skills=[SKILL], **changes)
    assert genesys.prepare()


def test_a_member_through_a_group_whom_the_plan_does_not_name_does_not_matter():
    genesys = Genesys([*agents(), entity("other", memberBy="group", ringNumber=5)], rings(6), actuator="ring")
    assert genesys.prepare()


# ---- what a strategy requires ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", [None, "ALL", "NONE"])
def test_a_strategy_that_sets_has_what_the_queue_lacks_written(held):
    genesys = Genesys(raw=raw_queue(skillEvaluationMethod=held), skills=[SKILL], **PROFICIENCY)
    assert genesys.prepare()[1].settings == {"skill_evaluation_method": "BEST"}


def test_what_the_queue_has_already_is_not_written():
    genesys = Genesys(raw=raw_queue(skillEvaluationMethod="BEST"), skills=[SKILL], **PROFICIENCY)
    assert genesys.prepare()[1].settings == {}


@pytest.mark.parametrize(("held", "settings"), [(0, SIX), (1, SIX), (6, {}), (7, {})])
def test_rings_are_written_if_there_are_none_and_kept_if_there_are_enough(held, settings):
    genesys = Genesys(raw=rings(held), **RING)
    assert genesys.prepare()[1].settings == settings


@pytest.mark.parametrize("held", [2, 5])
def test_existing_rings_are_not_replaced(held):
    (found,) = Genesys(raw=rings(held), **RING).refuse()
    assert (found["path"], found["type"]) == ("strategy_reference", "queue_not_ready")
    assert found["message"] == (
        f"the strategy requires 6 bullseye rings (the admin console shows 5), and the queue has {shown(held)}: "
        "somebody has configured its rings, which are not replaced. Add the missing ones in the admin console"
    )


def test_a_strategy_that_verifies_names_each_missing_setting(own_strategy):
    own = own_strategy(
        actuator="ring", skill_evaluation_method="BEST", bullseye_timeouts_s=(10, 10), if_different="verify"
    )
    problems = Genesys(**own).refuse()
    assert {found["type"] for found in problems} == {"queue_not_ready"}
    assert [found["message"].split(": ")[0] for found in problems] == [
        "the strategy requires that the queue evaluates skills by BEST, and it evaluates by ALL",
        "the strategy requires 3 bullseye rings (the admin console shows 2), and the queue has none",
    ]


def test_a_strategy_that_verifies_accepts_a_queue_that_is_ready(own_strategy):
    own = own_strategy(skill_evaluation_method="BEST", bullseye_timeouts_s=(10, 10), if_different="verify")
    ready = raw_queue(skillEvaluationMethod="BEST", bullseye={"rings": [{}] * 3})
    assert Genesys(raw=ready, **own).prepare()[1].settings == {}


def test_a_queue_without_skill_evaluation_is_refused_in_plain_words(own_strategy):
    own = own_strategy(skill_evaluation_method="NONE", if_different="verify")
    (found,) = Genesys(raw=raw_queue(skillEvaluationMethod=None), **own).refuse()
    assert found["message"].startswith("the strategy requires that the queue evaluates skills by NONE, and it has no ")


def noted(raw, **changes):
    genesys = Genesys(raw=raw, **changes)
    before, target = genesys.prepare()
    return " ".join(genesys.contract.statement(genesys.plan, target, before)["notes"])


def timed(*thresholds):
    rings_ = [{"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": s}]} for s in thresholds]
    return raw_queue(bullseye={"rings": rings_})


def test_rings_with_other_time_outs_than_the_strategys_stay_and_are_noted():
    note = (
        "The rings of the queue open after 20, 10, 10, 10 and 2.5 s, and those of the strategy after 10, 10, 10, 10 "
        "and 10 s: a queue keeps its own."
    )
    assert note in noted(timed(20, 10, 10, 10, 2.5, 5), **RING)


@pytest.mark.parametrize(
    ("raw", "changes"),
    [
        (timed(10, 10, 10, 10, 10, 5), RING),
        (timed(10, 10, 10, 10, 10, 7, 5), RING),
        (raw_queue(), RING),
        (timed(20, 10, 10, 10, 10, 5), {"actuator": "ring"}),
        (timed(20, 10, 10, 10, 10, 5), {"strategy_reference": "by-weight", "actuator": "joined"}),
    ],
    ids=["the same", "one ring more", "no rings yet", "no time-outs required", "no rings used"],
)
def test_only_differing_time_outs_are_noted(raw, changes):
    assert "open after" not in noted(raw, **changes)


# ---- overflow --------------------------------------------------------------------------------------------------------


def test_with_groups_the_threshold_is_the_queues_and_without_a_gate():
    with_groups, without = Genesys(overflow_groups=GROUPS, **JOINED), Genesys(**JOINED)
    for genesys, overflow in ((with_groups, "conditional_group_routing"), (without, "gate")):
        before, target = genesys.prepare()
        assert genesys.contract.statement(genesys.plan, target, before)["overflow"] == overflow
        assert ("overflow_threshold" in target.settings) is (overflow != "gate")


@pytest.mark.parametrize(
    "fields",
    [{"conditionalGroupActivation": {"rules": [{}]}}, {"conditionalGroupRouting": {"rules": [{"metric": "x"}] * 5}}],
    ids=["activation", "five rules"],
)
def test_a_queue_without_room_for_the_rule_refuses_groups_and_nothing_else(fields):
    (found,) = Genesys(raw=raw_queue(**fields), overflow_groups=GROUPS, **JOINED).refuse()
    assert (found["path"], found["type"]) == ("overflow_groups", "overflow_unavailable")
    assert Genesys(raw=raw_queue(**fields), **JOINED).prepare()


# ---- notes -----------------------------------------------------------------------------------------------------------


def test_an_inactive_user_who_is_named_is_a_note():
    idle = entity("agent-2", user={"id": "agent-2", "state": "inactive"})
    told = notes(Genesys([*agents("agent-1", "agent-3"), idle], **JOINED))
    assert any(note.startswith("Inactive in Genesys: agent-2. ") for note in told)
    assert not any(note.startswith("Inactive") for note in notes(Genesys(**JOINED)))


def notes(genesys):
    before, target = genesys.prepare()
    notes = genesys.contract.statement(genesys.plan, target, before)["notes"]
    does_not = genesys.contract.actuation.actuator.does_not
    assert notes.count(does_not) == 1
    return [note for note in notes if note != does_not]


GATE = "The plan names no overflow groups: overflow_threshold is only a gate of this system."


@pytest.mark.parametrize(("held", "least", "ring"), [(0, 0.3, 2), (0, 0.0, 6), (1, 0.3, 2), (2, 0.2, 4), (5, 0.0, 6)])
def test_a_ring_that_the_queue_does_not_have_is_refused_for_each_member(held, least, ring):
    weights = {"agent-1": 0.4, "agent-2": least, "agent-3": least}
    problems = Genesys(raw=rings(held), member_weights=weights, actuator="ring").refuse()
    assert [(p["path"], p["type"]) for p in problems] == [(f"member_weights.agent-{n}", "ring_unknown") for n in (2, 3)]
    advice = (
        "take strategy ring-by-weight, which makes six, or configure rings in the admin console"
        if held <= 1
        else "add the missing rings in the admin console, or send weights that are closer together"
    )
    assert (
        problems[0]["message"]
        == f"this weight is ring {ring}, and the bullseye rings of the queue are {shown(held)}: {advice}"
    )


@pytest.mark.parametrize(("held", "least"), [(0, 0.4), (1, 0.4), (2, 0.3), (6, 0.0)])
def test_rings_that_the_queue_has_are_not_refused(held, least):
    assert Genesys(raw=rings(held), member_weights={"agent-1": 0.4, "agent-2": least}, actuator="ring").prepare()


def test_rings_that_will_be_written_are_not_missed():
    assert notes(Genesys(member_weights={"agent-1": 0.4, "agent-2": 0.0}, **RING)) == [GATE]


def test_what_the_queue_itself_has_to_say_of_the_settings_follows():
    genesys = Genesys(overflow_groups=GROUPS, wrap_up_timeout_s=20, **RING)
    assert notes(genesys) == QueueDocument(genesys.session.raw, genesys.contract.actuation).notes(
        {"bullseye_rings": 6, "wrap_up_timeout_s": 20}
    )
    assert len(notes(genesys)) == 3


def test_an_evaluation_that_will_be_written_is_not_missed():
    assert notes(Genesys(skills=[SKILL], **PROFICIENCY)) == [GATE]


# ---- writing the queue -----------------------------------------------------------------------------------------------


def test_the_queue_is_put_as_it_is_with_only_the_settings_changed():
    genesys = Genesys(wrap_up_timeout_s=20, **JOINED)
    before, target = genesys.prepare()
    genesys.session.raw = raw_queue(memberCount=8, somethingNew={"deep": [2]})
    genesys.write_queue(before, target)
    expected = raw_queue(
        memberCount=8, somethingNew={"deep": [2]}, acwSettings={"wrapupPrompt": "OPTIONAL", "timeoutMs": 20_000}
    )
    assert genesys.session.sent == [("GET", QUEUE, {}), ("PUT", QUEUE, expected)]
    assert genesys.read().settings.wrap_up_timeout_s == 20


KNOWN = {"id", *FIELDS.values(), "conditionalGroupActivation"}
unknown_fields = st.dictionaries(
    st.text(max_size=10).filter(lambda name: name not in KNOWN),
    st.none() | st.integers() | st.lists(st.text(max_size=3), max_size=2) | st.just({"a": {"b": [None]}}),
)


@given(unknown_fields)
def test_fields_that_nobody_here_knows_go_back_as_they_came(unknown):
    genesys = Genesys(raw=raw_queue(**unknown), wrap_up_timeout_s=20, **RING)
    genesys.write_queue(*genesys.prepare())
    (_, _, body) = genesys.session.written()[0]
    assert {name: body[name] for name in unknown} == unknown
    assert body.keys() == {*raw_queue(**unknown), "bullseye"}


def test_nothing_is_sent_where_the_queue_holds_it_by_now():
    genesys = Genesys(wrap_up_timeout_s=20, **JOINED)
    before, target = genesys.prepare()
    genesys.session.raw = raw_queue(acwSettings={"timeoutMs": 20_000}, dateModified="2026-01-31T09:00:00Z")
    genesys.write_queue(before, target)
    assert genesys.session.written() == []


@pytest.mark.parametrize(
    "edit",
    [
        {"dateModified": "2026-01-31T09:00:00Z", "modifiedBy": "bob"},
        {"dateModified": "2026-01-31T09:00:00Z", "modifiedBy": "bob", "name": "Sales"},
        {"acwSettings": {"timeoutMs": 60_000}, "modifiedBy": "bob"},
    ],
    ids=["date", "date and name", "touched field"],
)
def test_a_queue_that_somebody_else_changed_is_not_overwritten(edit):
    genesys = Genesys(wrap_up_timeout_s=20, **JOINED)
    before, target = genesys.prepare()
    genesys.session.raw = raw_queue(**edit)
    with pytest.raises(QueueChanged, match="changed by bob"):
        genesys.write_queue(before, target)
    assert genesys.session.written() == []
    assert genesys.session.raw == raw_queue(**edit)


@pytest.mark.parametrize(
    "failure", [answer(503), answer(500), answer(429, Retry_After="1"), answer(408), answer(409)], ids=repr
)
def test_a_change_between_two_attempts_of_the_same_put_is_not_overwritten(failure):
    genesys = Genesys(wrap_up_timeout_s=20, **JOINED)
    before, target = genesys.prepare()
    edited = raw_queue(dateModified="2026-01-31T09:00:00Z", modifiedBy="bob", name="Sales")

    def fail():
        genesys.session.raw = edited
        return failure

    genesys.session.scripted["PUT"] = [fail]
    with pytest.raises(QueueChanged, match="changed by bob"):
        genesys.write_queue(before, target)
    assert genesys.session.count("PUT") == 1
    assert genesys.session.raw == edited


def test_a_put_whose_answer_was_lost_is_not_sent_again():
    genesys = Genesys(wrap_up_timeout_s=20, **JOINED)
    before, target = genesys.prepare()

    def apply_and_lose():
        _, _, body = genesys.session.sent[-1]
        genesys.session.raw = body | {"dateModified": "2026-01-31T08:30:00Z"}
        return answer(503)

    genesys.session.scripted["PUT"] = [apply_and_lose]
    genesys.write_queue(before, target)
    assert genesys.session.count("PUT") == 1


@pytest.mark.parametrize("conflict", [answer(409), answer(400, VERSION)], ids=["409", "400"])
def test_a_conflict_of_versions_is_tried_again_with_a_fresh_reading(conflict):
    genesys = Genesys(wrap_up_timeout_s=20, **JOINED)
    before, target = genesys.prepare()
    genesys.session.scripted["PUT"] = [conflict, conflict]
    genesys.write_queue(before, target)
    assert [method for method, _, _ in genesys.session.sent] == ["GET", "PUT"] * 3
    assert genesys.session.raw["acwSettings"]["timeoutMs"] == 20_000
    assert genesys.time.slept == [0.375, 0.75]


@pytest.mark.parametrize("conflict", [answer(409), answer(400, VERSION)], ids=["409", "400"])
def test_a_version_conflict_is_not_retried_for_ever(conflict):
    genesys = Genesys(wrap_up_timeout_s=20, **JOINED)
    before, target = genesys.prepare()
    genesys.session.scripted["PUT"] = [conflict] * 50
    with pytest.raises(GenesysRefused):
        genesys.write_queue(before, target)
    assert genesys.session.count("PUT") == CONFLICT_TRIES
    assert sum(genesys.time.slept) < 10


@pytest.mark.parametrize("refusal", [answer(400), answer(400, {"message": "No."}), answer(404), answer(422)], ids=repr)
def test_any_other_refusal_of_the_queue_is_not_repeated(refusal):
    genesys = Genesys(wrap_up_timeout_s=20, **JOINED)
    before, target = genesys.prepare()
    genesys.session.scripted["PUT"] = [refusal]
    with pytest.raises(GenesysRefused):
        genesys.write_queue(before, target)
    assert (genesys.session.count("PUT"), genesys.time.slept) == (1, [])


def test_a_queue_that_vanished_before_the_write_is_named():
    genesys = Genesys(wrap_up_timeout_s=20, **JOINED)
    before, target = genesys.prepare()
    genesys.session.scripted["GET"] = [answer(404)]
    with pytest.raises(QueueNotFound):
        genesys.write_queue(before, target)


LATER = {"dateModified": "2026-01-31T08:05:00Z", "modifiedBy": "client"}


def test_a_date_that_the_runs_own_writes_may_have_moved_is_nobodys_edit():
    genesys = Genesys(wrap_up_timeout_s=20, **JOINED)
    before, target = genesys.prepare()
    genesys.session.raw = raw_queue(joinedMemberCount=2, **LATER)
    genesys.write_queue(before, target, own={})
    assert genesys.session.raw["acwSettings"]["timeoutMs"] == 20_000


@pytest.mark.parametrize("edit", [{"name": "Sales"}, {"acwSettings": {"timeoutMs": 60_000}}], ids=["other", "touched"])
def test_a_field_that_differs_is_somebodys_edit_even_after_writes_of_our_own(edit):
    genesys = Genesys(wrap_up_timeout_s=20, **JOINED)
    before, target = genesys.prepare()
    genesys.session.raw = raw_queue(**edit, **LATER)
    with pytest.raises(QueueChanged, match="may be this run's own") as raised:
        genesys.write_queue(before, target, own={})
    assert raised.value.details == {"fields": list(edit)}, "whoever wrote last may not be who changed that"
    assert genesys.session.written() == []


def test_what_the_first_part_has_written_is_nobodys_edit_while_the_queue_holds_it():
    genesys = Genesys(wrap_up_timeout_s=20, **RING)
    before, target = genesys.prepare()
    made = {"bullseye_rings": 6}
    genesys.contract.write_queue(before, target, made, key="d-1:queue")
    genesys.session.raw |= LATER
    genesys.session.raw["bullseye"]["rings"][0]["actions"] = {"skillsToRemove": []}  # as Genesys may fill it in
    genesys.contract.write_queue(before, target, ["wrap_up_timeout_s"], key="d-1:queue", own=made)
    assert genesys.session.raw["acwSettings"]["timeoutMs"] == 20_000
    genesys.session.raw = raw_queue(bullseye={"rings": [TIMEOUT] * 2}, **LATER)
    with pytest.raises(QueueChanged, match="bullseye"):
        genesys.contract.write_queue(before, target, ["wrap_up_timeout_s"], key="d-1:queue", own=made)


def test_an_unreadable_first_write_of_settings_is_written_again():
    genesys = Genesys(raw=raw_queue(), overflow_groups=GROUPS, **RING)
    before, target = genesys.prepare()
    own = {"bullseye_rings": 6}
    genesys.contract.write_queue(before, target, ["bullseye_rings"], "d-1:queue:first")
    made, old = genesys.session.raw, raw_queue(memberCount=3)
    genesys.session.scripted["GET"] = [answer(200, old)]
    genesys.contract.write_queue(before, target, ["overflow_threshold"], "d-1:queue:last", own)
    assert genesys.session.raw["bullseye"] == made["bullseye"]
    assert settings_to_write(target, genesys.read()) == {}


def test_every_kind_of_setting_is_held_after_the_write():
    genesys = Genesys(wrap_up_timeout_s=20, overflow_groups=GROUPS, **RING)
    before, target = genesys.prepare()
    genesys.write_queue(before, target)
    assert settings_to_write(target, genesys.read()) == {}
    assert genesys.session.count("PUT") == 1


# ---- writing members -------------------------------------------------------------------------------------------------


def test_a_ring_is_one_request_for_each_member_that_differs():
    genesys = Genesys([entity("agent-1"), entity("agent-2", ringNumber=3), entity("agent-3", ringNumber=3)], **RING)
    before, target = genesys.prepare()
    genesys.write_members(before, target)
    assert genesys.session.sent == [("PATCH", f"{QUEUE}/members/agent-2", {"id": "agent-2", "ringNumber": 1})]
    assert genesys.held("ringNumber") == {"agent-1": None, "agent-2": 1, "agent-3": 3}
    assert unsettled(target, genesys.read()) == []


def test_raising_goes_first():
    genesys = Genesys(
        [entity("low"), entity("high", ringNumber=6)],
        rings(6),
        member_weights={"low": 0.0, "high": 0.5},
        actuator="ring",
    )
    genesys.write_members(*genesys.prepare())
    assert [path.rpartition("/")[2] for _, path, _ in genesys.session.sent] == ["high", "low"]


@pytest.mark.parametrize(("count", "requests"), [(1, 1), (100, 1), (101, 2), (250, 3)])
def test_a_hundred_members_are_joined_with_one_request(count, requests):
    wanted = {name: weight + 0.0001 for name, weight in weights(count).items()}
    genesys = Genesys(agents(*wanted, joined=False), member_weights=wanted, **JOINED)
    before, target = genesys.prepare()
    genesys.write_members(before, target)
    assert genesys.contract.per_write == 100
    assert [path for _, path, _ in genesys.session.sent] == [f"{QUEUE}/members"] * requests
    assert set(genesys.held("joined").values()) == {True}
    assert unsettled(target, genesys.read()) == []


def test_the_body_of_a_bulk_request_says_of_each_whether_it_is_joined():
    genesys = Genesys(
        [entity("out"), entity("in", joined=False), entity("stays")],
        member_weights={"out": 0.0, "in": 0.4, "stays": 0.2},
        **JOINED,
    )
    genesys.write_members(*genesys.prepare())
    bodies = [{"id": "in", "joined": True}], [{"id": "out", "joined": False}]
    assert genesys.session.sent == [("PATCH", f"{QUEUE}/members", body) for body in bodies]


def test_a_proficiency_is_one_patch_and_leaves_other_skills():
    other = {"id": "x", "name": "y", "proficiency": 3}
    assigned = agents("agent-2", skills=[SKILL | {"proficiency": 1}])
    genesys = Genesys([entity("agent-1", skills=[other]), *assigned, entity("agent-3")], skills=[SKILL], **PROFICIENCY)
    before, target = genesys.prepare()
    genesys.write_members(before, target)
    assert genesys.session.sent == [
        ("PATCH", f"/users/{user}/routingskills/bulk", [{"id": "skill-1", "proficiency": value}])
        for user, value in (("agent-1", 5.0), ("agent-2", 4.4), ("agent-3", 3.1))
    ]
    assert genesys.session.members[0]["user"]["skills"][0] == other
    assert unsettled(target, genesys.read()) == []


CONFLICTING = [
    ("PATCH", RING | {"member_weights": {"agent-1": 0.0, "agent-2": 0.5}}, {}),
    ("PATCH", JOINED | {"member_weights": {"agent-1": 0.0, "agent-2": 0.5}}, {}),
    ("PATCH", PROFICIENCY | {"member_weights": {"agent-1": 0.4}}, {"skills": [SKILL | {"proficiency": 1}]}),
    ("PATCH", PROFICIENCY | {"member_weights": {"agent-1": 0.4}}, {}),
]


@pytest.fixture(params=CONFLICTING, ids=["ring", "joined", "proficiency", "unassigned proficiency"])
def conflicting(request):
    """A method, and a platform where a plan needs just one write of it."""
    method, changes, fields = request.param
    return method, Genesys(agents("agent-1", "agent-2", **fields), skills=[SKILL], **changes)


@pytest.mark.parametrize("conflict", [answer(409), answer(400, VERSION)], ids=["409", "400"])
def test_a_members_conflict_of_versions_is_tried_again_after_a_fresh_reading(conflicting, conflict):
    method, genesys = conflicting
    before, target = genesys.prepare()
    genesys.session.scripted[method] = [conflict]
    genesys.write_members(before, target)
    methods = [sent for sent, _, _ in genesys.session.sent if sent in {method, "GET"}]
    assert methods == [method, "GET", method]
    assert unsettled(target, genesys.read()) == []


def test_a_member_that_holds_its_value_after_a_conflict_is_not_written_again(conflicting):
    method, genesys = conflicting
    before, target = genesys.prepare()

    def apply_and_refuse():
        sent, path, body = genesys.session.sent[-1]
        genesys.session.answer(sent, path, {}, copy.deepcopy(body))
        return answer(409)

    genesys.session.scripted[method] = [apply_and_refuse]
    genesys.write_members(before, target)
    assert genesys.session.count(method) == 1
    assert unsettled(target, genesys.read()) == []


def test_a_members_conflict_is_not_tried_for_ever(conflicting):
    method, genesys = conflicting
    before, target = genesys.prepare()
    genesys.session.scripted[method] = [answer(409)] * 50
    with pytest.raises(GenesysRefused):
        genesys.write_members(before, target)
    assert genesys.session.count(method) == CONFLICT_TRIES


@pytest.mark.parametrize("refusal", [answer(400), answer(422)], ids=repr)
def test_any_other_refusal_of_a_member_is_not_repeated(conflicting, refusal):
    method, genesys = conflicting
    before, target = genesys.prepare()
    genesys.session.scripted[method] = [refusal] * 5
    with pytest.raises(GenesysRefused):
        genesys.write_members(before, target)
    assert genesys.session.count(method) == 1


def test_pauses_between_conflicts_end_with_the_deadline(conflicting):
    method, genesys = conflicting
    before, target = genesys.prepare()
    genesys.session.scripted[method] = [answer(409)] * 5
    genesys.contract.client.transport.deadline = Deadline(at=genesys.time.now + 0.4)
    with pytest.raises(GenesysUnavailable, match="no time left"):
        genesys.write_members(before, target)


@given(st.data(), st.sampled_from(names_for("platform")), st.integers(1, 12))
def test_a_distribution_writes_each_member_once_and_the_next_one_nothing(data, actuator, count):
    names = [f"m{i}" for i in range(count)]
    wanted = {name: data.draw(st.integers(0, 20)) / 240 for name in names}
    members = [
        entity(
            name,
            ringNumber=data.draw(st.integers(1, 6)),
            joined=data.draw(st.booleans()),
            skills=data.draw(st.sampled_from([[], [SKILL | {"proficiency": 2.5}]])),
        )
        for name in names
    ]
    fields = {"actuator": actuator, "skill": "Queue 1"}
    if actuator == "share":
        fields["strategy_reference"] = "share-by-weight"
    genesys = Genesys(members, rings(6), [SKILL], member_weights=wanted, **fields)
    before, target = genesys.prepare()
    groups = in_groups(target, members_to_write(target, before, raise_first=True))
    genesys.write_members(before, target)
    assert len(genesys.session.written()) == sum(math.ceil(len(group) / genesys.contract.per_write) for group in groups)
    assert unsettled(target, genesys.read()) == []
    genesys.session.sent.clear()
    genesys.write_members(genesys.read(), target)
    assert genesys.session.written() == []


# ---- restore ---------------------------------------------------------------------------------------------------------


def values(held):
    return {member.user_id: member.value for member in held.members}


class Applied:
    """A plan as it was applied, and what the queue held before."""

    def __init__(self, *arguments, **changes):
        self.genesys = Genesys(*arguments, **changes)
        self.session, self.contract = self.genesys.session, self.genesys.contract
        self.raw = copy.deepcopy(self.session.raw)
        self.entities = copy.deepcopy(self.session.members)
        self.before, self.target = self.genesys.prepare()
        self.genesys.write_queue(self.before, self.target)
        self.genesys.write_members(self.before, self.target)
        self.session.sent.clear()

    def restore_settings(self, *names):
        self.contract.restore_settings(self.before, self.target, names or list(self.target.settings), key="d-1:queue")

    def restore_members(self):
        now, then = self.genesys.read(), image(self.before, self.target)
        self.session.sent.clear()
        changed = members_to_write(then, now, raise_first=self.contract.raise_first)
        written(self.contract, dataclasses.replace(self.before, members=now.members), changed, then)


def test_a_queue_is_restored_with_one_put():
    applied = Applied(overflow_groups=GROUPS, wrap_up_timeout_s=20, **RING)
    assert applied.session.raw != applied.raw
    applied.restore_settings()
    assert applied.session.raw == applied.raw
    assert [method for method, _, _ in applied.session.sent] == ["GET", "PUT"]
    assert applied.genesys.read().settings == applied.before.settings


WITH_GROUP = {**TIMEOUT, "memberGroups": [{"id": "g-2", "type": "GROUP"}]}


def test_rings_that_have_got_groups_are_emptied_before_they_are_removed():
    applied = Applied(**RING)
    applied.session.raw["bullseye"]["rings"][2] = WITH_GROUP
    applied.restore_settings()
    first, last = (body for _, _, body in applied.session.written())
    assert len(first["bullseye"]["rings"]) == 6
    assert not any(ring.get("memberGroups") for ring in first["bullseye"]["rings"])
    assert last == applied.raw


def test_removed_rings_are_emptied_first_and_restored_with_their_groups():
    held = raw_queue(bullseye={"rings": [TIMEOUT, WITH_GROUP, TIMEOUT]})
    genesys = Genesys(raw=held, member_weights=dict.fromkeys(("agent-1", "agent-2"), 0.4), actuator="ring")
    before, wanted = genesys.prepare()
    fields = {"bullseye_rings": None}
    target = dataclasses.replace(wanted, settings={"bullseye_rings": 0}, fields=fields)
    target = genesys.contract.completed(target, before)
    parts = settings_by_part(target, before)
    assert parts == {"first": {}, "last": {"bullseye_rings": 0, "ring_groups": None}}
    genesys.contract.write_queue(before, target, parts["last"], key="d-1:queue", own={})
    assert [len((body.get("bullseye") or {"rings": []})["rings"]) for _, _, body in genesys.session.written()] == [3, 0]
    assert "bullseye" not in genesys.session.raw
    genesys.contract.restore_settings(before, target, parts["last"], key="d-1:queue")
    assert genesys.session.raw == held


@pytest.mark.parametrize(
    ("outsider", "removed"),
    [({"ringNumber": 3}, False), ({"ringNumber": 1}, True), ({"ringNumber": 3, "memberBy": "group"}, True)],
    ids=["in a ring that goes", "in a ring that stays", "through a group"],
)
def test_rings_go_only_when_no_member_whom_the_target_does_not_name_is_in_them(outsider, removed):
    named = dict.fromkeys(("agent-1", "agent-2"), 0.4)
    genesys = Genesys([*agents("agent-1", "agent-2"), entity("x", **outsider)], rings(6), member_weights=named, **RING)
    before, wanted = genesys.prepare()
    target = dataclasses.replace(wanted, settings={"bullseye_rings": 0}, fields={"bullseye_rings": None})
    if removed:
        assert genesys.contract.completed(target, before).settings["bullseye_rings"] == 0
        return
    with pytest.raises(PlanNotApplicable, match=r"rings that it removes: x\. Give them ring 1") as caught:
        genesys.contract.completed(target, before)
    assert [(p["path"], p["type"]) for p in caught.value.details["errors"]] == [("restores", "ring_in_use")]
    assert genesys.session.written() == []


def test_a_deleted_user_in_a_ring_that_goes_does_not_keep_the_ring():
    gone = entity("x", ringNumber=3)
    gone["user"] |= {"state": "deleted"}
    genesys = Genesys([*agents("agent-1"), gone], rings(6), member_weights={"agent-1": 0.4}, **RING)
    before, wanted = genesys.prepare()
    target = dataclasses.replace(wanted, settings={"bullseye_rings": 0}, fields={"bullseye_rings": None})
    assert genesys.contract.completed(target, before).settings["bullseye_rings"] == 0


def test_groups_of_a_remaining_ring_are_restored_with_the_others():
    stays = WITH_GROUP | {"memberGroups": [{"id": "g-1", "type": "GROUP"}]}
    held = raw_queue(bullseye={"rings": [stays, WITH_GROUP, TIMEOUT]})
    genesys = Genesys(raw=held, member_weights=dict.fromkeys(("agent-1", "agent-2"), 0.4), actuator="ring")
    before, wanted = genesys.prepare()
    target = dataclasses.replace(wanted, settings={"bullseye_rings": 1}, fields={"bullseye_rings": {"rings": [stays]}})
    target = genesys.contract.completed(target, before)
    parts = settings_by_part(target, before)
    assert parts == {"first": {}, "last": {"bullseye_rings": 1, "ring_groups": "1: g-1"}}
    genesys.session.scripted["PUT"] = [None, answer(400)]  # the rings are emptied, and the invocation breaks off
    with pytest.raises(GenesysRefused):
        genesys.contract.write_queue(before, target, parts["last"], key="d-1:queue", own={})
    assert [ring.get("memberGroups") for ring in genesys.session.raw["bullseye"]["rings"]] == [
        stays["memberGroups"],
        [],
        None,
    ]
    genesys.contract.write_queue(before, target, parts["last"], key="d-1:queue", own={})
    assert genesys.session.raw == held | {"bullseye": {"rings": [stays]}}
    assert settings_to_write(target, genesys.read()) == {}
    genesys.contract.restore_settings(before, target, parts["last"], key="d-1:queue")
    assert genesys.session.raw == held


def test_only_the_named_settings_are_restored():
    applied = Applied(wrap_up_timeout_s=20, **RING)
    written = copy.deepcopy(applied.session.raw)
    applied.restore_settings("wrap_up_timeout_s")
    assert applied.session.raw == written | {"acwSettings": applied.raw["acwSettings"]}


@pytest.mark.parametrize("edit", [{"name": "Sales"}, {"acwSettings": {"timeoutMs": 60_000}}], ids=["other", "touched"])
def test_a_change_by_somebody_else_before_the_restore_stays(edit):
    applied = Applied(wrap_up_timeout_s=20, **RING)
    theirs = edit | {"dateModified": "2026-01-31T09:00:00Z", "modifiedBy": "bob"}
    applied.session.raw = applied.session.raw | theirs
    applied.restore_settings()
    assert applied.session.raw == applied.raw | theirs


def test_nothing_is_put_where_nothing_of_ours_is_left():
    applied = Applied(wrap_up_timeout_s=20, **JOINED)
    applied.session.raw = raw_queue(acwSettings={"timeoutMs": 60_000})
    applied.restore_settings()
    assert applied.session.written() == []


def test_a_restore_with_a_lost_answer_is_not_sent_again():
    applied = Applied(wrap_up_timeout_s=20, **JOINED)

    def apply_and_lose():
        applied.session.raw = applied.raw
        return answer(503)

    applied.session.scripted["PUT"] = [apply_and_lose]
    applied.restore_settings()
    assert applied.session.count("PUT") == 1


@pytest.mark.parametrize("conflict", [answer(409), answer(400, VERSION)], ids=["409", "400"])
def test_after_a_version_conflict_a_restore_reads_the_queue_again(conflict):
    applied = Applied(wrap_up_timeout_s=20, **JOINED)
    applied.session.scripted["PUT"] = [conflict]
    applied.restore_settings()
    assert [method for method, _, _ in applied.session.sent] == ["GET", "PUT", "GET", "PUT"]
    assert applied.session.raw == applied.raw


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        (RING, {"ringNumber": 3}),
        (RING, {}),
        (JOINED | {"member_weights": {"agent-1": 0.0, "agent-2": 0.5}}, {}),
        (PROFICIENCY, {"skills": [SKILL | {"proficiency": 1.0}, {"id": "skill-2", "proficiency": 2.0}]}),
    ],
    ids=["ring", "no ring", "joined", "proficiency"],
)
def test_members_are_restored_as_they_were(changes, fields):
    applied = Applied(agents(**fields), skills=[SKILL], **changes)
    assert values(applied.genesys.read()) != values(applied.before)
    applied.restore_members()
    assert values(applied.genesys.read()) == values(applied.before)
    if fields:
        assert applied.session.members == applied.entities


def test_a_ring_is_restored_as_an_integer():
    applied = Applied(agents(ringNumber=4), **RING)
    applied.restore_members()
    sent = [body["ringNumber"] for _, _, body in applied.session.written()]
    assert sent
    assert all(type(ring) is int for ring in sent)


def test_a_restore_removes_only_the_assigned_skill():
    others = [{"id": "skill-2", "name": "Other", "proficiency": 2.0}]
    applied = Applied(agents(skills=others), skills=[SKILL], **PROFICIENCY)
    assert applied.genesys.proficiencies() == {"agent-1": [5.0], "agent-2": [4.4], "agent-3": [3.1]}
    applied.restore_members()
    assert applied.session.members == applied.entities
    deleted = [(method, path) for method, path, _ in applied.session.written()]
    assert sorted(deleted) == [("DELETE", f"/users/agent-{n}/routingskills/skill-1") for n in (1, 2, 3)]


def test_a_skill_that_is_gone_already_is_no_failure():
    applied = Applied(skills=[SKILL], **PROFICIENCY)
    applied.session.scripted["DELETE"] = [answer(404, {"code": "not.found"})]
    applied.restore_members()
    assert applied.session.count("DELETE") == 3


def test_a_refusal_to_remove_a_skill_is_an_error():
    applied = Applied(skills=[SKILL], **PROFICIENCY)
    applied.session.scripted["DELETE"] = [answer(403)]
    with pytest.raises(Forbidden):
        applied.restore_members()


# ---- permissions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("GET", QUEUE, "routing:queue:view"),
        ("GET", f"{QUEUE}/members", "routing:queue:view"),
        ("PUT", QUEUE, "routing:queue:edit"),
        ("PATCH", f"{QUEUE}/members", "routing:queueMember:manage"),
        ("PATCH", f"{QUEUE}/members/agent-1", "routing:queueMember:manage"),
        ("GET", "/routing/skills", "routing:skill:view"),
        ("GET", "/routing/skills/skill-1", "routing:skill:view"),
        ("PATCH", "/users/agent-1/routingskills/bulk", "routing:skill:assign"),
    ],
)
def test_a_request_needs_a_permission_and_a_division(method, path, permission):
    needed = platform.needs(method, f"/api/v2{path}")
    assert needed == f"the permission {permission}, in a role of the client and in the division of what it is about"


def test_the_documented_role_has_the_permission_for_every_request():
    genesys = Genesys(skills=[SKILL], wrap_up_timeout_s=20, **PROFICIENCY)
    before = genesys.read()
    target = genesys.contract.target(genesys.plan, before)
    genesys.write_queue(before, target)
    genesys.write_members(before, target)
    needed = {platform.needs(method, f"/api/v2{path}") for method, path, _ in genesys.session.sent}
    assert {sentence.split()[2].strip(",") for sentence in needed} == {
        "routing:queue:view",
        "routing:queue:edit",
        "routing:skill:view",
        "routing:skill:assign",
    }


def test_a_403_names_the_permission():
    genesys = Genesys(wrap_up_timeout_s=20, **JOINED)
    before, target = genesys.prepare()
    genesys.session.scripted["PUT"] = [answer(403, {"code": "missing.permissions"})]
    with pytest.raises(Forbidden, match="it needs the permission routing:queue:edit, in a role of the client"):
        genesys.write_queue(before, target)
