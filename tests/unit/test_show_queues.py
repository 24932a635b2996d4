"""The directory: which queues a person sees, how each is doing, and what is held for its members."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from routing_weights.application.show_queues import (
    AGAIN_AFTER_S,
    MOST_RUNS,
    NAMES_HOLD_S,
    KnownQueues,
    ListKnownQueues,
    ShowMembers,
    ShowQueue,
    StatesOfQueues,
)
from routing_weights.domain.actuation import Actuation
from routing_weights.domain.actuators.joined import Joined
from routing_weights.domain.actuators.proficiency import Proficiency
from routing_weights.domain.actuators.score import Score
from routing_weights.domain.actuators.share import Share
from routing_weights.domain.approval import Approval
from routing_weights.domain.directory import ListedQueue, MemberInForce, evaluation
from routing_weights.domain.drift import DriftEntry
from routing_weights.domain.queue import Member, QueueSettings
from routing_weights.domain.record import Closing, ExpiryCancelled, Opening, timestamp
from routing_weights.domain.strategies import Strategy
from tests.support.fakes import (
    RING,
    FakeApprovals,
    FakeDocuments,
    FakeEntries,
    FakeTime,
    FakeTrail,
    member,
    plan,
    queue,
    target,
    work,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = timestamp(NOW + timedelta(hours=3))
DEPLOYED = Actuation(Joined(1.0), Strategy(description="of a test"), None, ())


class Scene:
    """Three queues in two divisions, and what this system has stored about them."""

    def __init__(self):
        self.trail, self.entries, self.approvals, self.time = FakeTrail(), FakeEntries(), FakeApprovals(), FakeTime()
        self.listed = [
            ListedQueue("queue-2", "sales", "South", 4),
            ListedQueue("queue-1", "Billing", "North", 3),
            ListedQueue("queue-3", "Billing", "South", None),
        ]
        self.settings, self.readings = QueueSettings(bullseye_rings=6, skill_evaluation_method="BEST"), 0
        self.known = KnownQueues(self.time.clock)

    # the ports

    def queues(self):
        self.readings += 1
        return list(self.listed)

    def queue(self, queue_id):
        return next(each for each in self.listed if each.queue_id == queue_id), self.settings

    def of(self, queue_ids, most):
        return {queue_id: self.trail.newest(queue_id)[:most] for queue_id in queue_ids}

    # what has happened

    def ran(self, name, status="completed", *, minutes, queue_id="queue-1", **fields):
        """A distribution that was opened some minutes before NOW, and ended a minute later, unless it runs."""
        opened = NOW - timedelta(minutes=minutes)
        common = {"distribution_id": name, "queue_id": queue_id, "started_at": timestamp(opened)}
        self.trail.append(
            Opening(**common, opened_queue_id=queue_id, status="initiated", timestamp=timestamp(opened), **fields)
        )
        if status != "initiated":
            ended = timestamp(opened + timedelta(minutes=1))
            self.trail.append(Closing(**common, status=status, timestamp=ended, **fields))

    def waits(self, name, queue_id="queue-1"):
        asked = {"asked_at": timestamp(NOW), "expires_at": LATER, "reasons": (), "hash": "0" * 64, "token": "t"}
        self.approvals.ask(
            Approval(distribution_id=name, number=1, queue_id=queue_id, fleet_id="", door="api", **asked)
        )

    # what is shown

    def list(self, seen=None, name="", limit=50, after=None):
        states = StatesOfQueues(self.trail, self, self.entries, self.approvals)
        return ListKnownQueues(self, self.known, states).list(seen, name, limit, after, NOW)

    def state(self, queue_id="queue-1"):
        (state,) = self.list(seen={queue_id})[0]
        return state

    def show(self, queue_id="queue-1"):
        states = StatesOfQueues(self.trail, self, self.entries, self.approvals)
        return ShowQueue(self, states, self.trail).show(queue_id, NOW)


@pytest.fixture
def scene():
    return Scene()


def ids(page):
    return [state.queue.queue_id for state in page[0]]


def test_queues_are_in_the_order_of_their_names_whatever_the_case(scene):
    assert ids(scene.list()) == ["queue-1", "queue-3", "queue-2"]


def test_a_person_sees_the_queues_of_their_divisions_and_no_other(scene):
    assert ids(scene.list(seen=frozenset({"queue-2", "queue-of-nobody"}))) == ["queue-2"]
    assert ids(scene.list(seen=frozenset())) == []


def test_a_part_of_the_name_in_any_case_finds_a_queue(scene):
    assert ids(scene.list(name="ILL")) == ["queue-1", "queue-3"]
    assert ids(scene.list(name="nothing")) == []


def test_pages_have_every_queue_once_also_if_the_last_one_was_deleted_meanwhile(scene):
    first = scene.list(limit=1)
    assert (ids(first), first[1]) == (["queue-1"], ("billing", "queue-1"))
    scene.listed.pop(1)
    second = scene.list(limit=1, after=first[1])
    last = scene.list(limit=1, after=second[1])
    assert (ids(second), ids(last), last[1]) == (["queue-3"], ["queue-2"], None)


def test_names_are_read_once_in_some_seconds(scene):
    scene.list()
    scene.listed.append(ListedQueue("queue-4", "New"))
    scene.time.advance(NAMES_HOLD_S)
    assert (ids(scene.list(name="new")), scene.readings) == ([], 1)
    scene.time.advance(1)
    assert (ids(scene.list(name="new")), scene.readings) == (["queue-4"], 2)


def test_a_listing_that_lacks_a_queue_of_the_person_is_read_again_soon(scene):
    assert ids(scene.list(seen={"queue-4"})) == []
    scene.listed.append(ListedQueue("queue-4", "New"))
    assert (ids(scene.list(seen={"queue-4"})), scene.readings) == ([], 1)
    scene.time.advance(AGAIN_AFTER_S + 0.1)
    assert (ids(scene.list(seen={"queue-1"})), scene.readings) == (["queue-1"], 1)
    assert (ids(scene.list(seen={"queue-4"})), scene.readings) == (["queue-4"], 2)


def test_a_queue_without_distributions_has_nothing_but_its_name(scene):
    state = scene.state()
    assert (state.last, state.running, state.drift, state.returns_at, state.waiting) == (None, None, 0, None, False)


def test_dry_runs_are_neither_the_last_distribution_nor_under_way(scene):
    scene.ran("d-1", minutes=50)
    scene.ran("d-2", "saturation_blocked", minutes=40, dry_run=True)
    scene.ran("d-3", "dry_run", minutes=30)
    scene.ran("d-4", "initiated", minutes=20, dry_run=True)
    state = scene.state()
    assert (state.last.distribution_id, state.running) == ("d-1", None)


def test_what_is_in_force_is_found_behind_any_number_of_dry_runs(scene):
    scene.ran("d-1", minutes=500, until=LATER)
    for number in range(MOST_RUNS):
        scene.ran(f"dry-{number}", "dry_run", minutes=100 - number)
    state = scene.state()
    assert (state.last.distribution_id, state.returns_at) == ("d-1", LATER)


def test_the_last_distribution_has_ended_and_the_one_under_way_has_not(scene):
    scene.ran("d-1", minutes=50, reason="Monday")
    scene.ran("d-2", "saturation_blocked", minutes=40, reason="too much")
    scene.ran("d-3", "dry_run", minutes=30)
    scene.ran("d-4", "initiated", minutes=20)
    state = scene.state()
    assert (state.last.distribution_id, state.last.reason, state.running) == ("d-2", "too much", "d-4")


def test_drift_counts_only_against_what_is_in_force(scene):
    scene.ran("d-1", minutes=50)
    scene.entries.append(DriftEntry("queue-1", "1", timestamp(NOW), "d-1", ()), "a state", 1)
    assert scene.state().drift == 1
    scene.ran("d-2", minutes=40)
    assert scene.state().drift == 0


def test_a_temporary_plan_shows_when_it_expires_unless_that_was_cancelled_or_is_over(scene):
    scene.ran("d-1", minutes=90, until=timestamp(NOW - timedelta(minutes=1)))
    assert scene.state().returns_at is None
    scene.ran("d-2", minutes=50, until=LATER)
    assert scene.state().returns_at == LATER
    scene.trail.append(ExpiryCancelled(distribution_id="d-2", timestamp=timestamp(NOW)))
    assert scene.state().returns_at is None


def test_a_distribution_that_waits_for_approval_runs_although_it_is_not_among_the_newest(scene):
    scene.waits("d-old")
    scene.waits("d-foreign", "queue-of-nobody")
    state = scene.state()
    assert (state.waiting, state.running) == (True, "d-old")
    assert scene.state("queue-2").waiting is False


def test_what_is_in_force_is_of_the_distribution_that_completed_last(scene):
    details = {"strategy_reference": "by-weight", "overflow_threshold": 0.85, "utilization_target": 0.8}
    carried = {"actuator": "proficiency", "skill": "Billing"}
    scene.ran("d-1", minutes=50, caller_name="Pia", requested_by="wfm", requested_weights={"a": 0.6}, **details)
    scene.trail.records["d-1"]["9-closed"]["actuation"] = carried
    scene.ran("d-2", "member_update_failed", minutes=40)
    scene.ran("d-3", "dry_run", minutes=30)
    shown = scene.show()
    assert shown.evaluation == "6 bullseye rings, skills by BEST"
    applied = shown.in_force
    assert (applied.distribution_id, applied.actuator, applied.skill) == ("d-1", "proficiency", "Billing")
    assert (applied.requested_weights, applied.strategy_reference) == ({"a": 0.6}, "by-weight")
    assert scene.show("queue-2").in_force is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (None, "scores, as the gateway evaluates them"),
        (QueueSettings(bullseye_rings=1), "the agent who is idle longest"),
        (QueueSettings(skill_evaluation_method="ALL", routing_rules="1"), "skills by ALL, preferred agents first"),
    ],
)
def test_a_sentence_says_how_a_queue_chooses(settings, sentence):
    assert evaluation(settings) == sentence


# ---- members ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actuator", "value", "sentence"),
    [
        (RING, 3, "ring 3"),
        (Proficiency(0.5), 4.5, "proficiency 4.5"),
        (Proficiency(0.5), None, "no proficiency"),
        (Share(5, 0), 0.4, "share 0.4"),
        (Share(5, 0), 0.0, "no share"),
        (Joined(1.0), True, "joined"),
        (Score(), 0.25, "score 0.25"),
    ],
)
def test_a_sentence_says_what_is_held_for_a_member(actuator, value, sentence):
    held = MemberInForce(Member("a", None, carried=value), actuator.name, None)
    assert held.holds == sentence
    assert [held.value_if(name) for name in ("ring", "proficiency", "share")] == [
        value if name == actuator.name else None for name in ("ring", "proficiency", "share")
    ]


@pytest.mark.parametrize(
    ("away", "actuator", "on_queue", "active"),
    [
        (None, "ring", True, True),
        (None, "score", None, True),
        ("OFF_QUEUE", "ring", False, True),
        ("no routing status", "ring", None, True),
        ("unknown routing status", "ring", None, True),
        ("user deleted", "ring", False, False),
        ("routing type of no agent", "score", False, True),
    ],
)
def test_a_member_is_on_queue_or_not_or_nobody_knows(away, actuator, on_queue, active):
    held = MemberInForce(Member("a", 0.1, away=away), actuator, None)
    assert (held.on_queue, held.is_active) == (on_queue, active)


def members(scene, documents, *held):
    asked = []

    def connect(actuation):
        asked.append(actuation.actuator)
        return SimpleNamespace(read_queue=lambda queue_id: queue(*held, queue_id=queue_id))

    return ShowMembers(scene.trail, documents, connect, DEPLOYED).show("queue-1"), asked[0]


def named(user_id, name, **fields):
    return Member(user_id, None, name=name, **fields)


def test_members_are_read_as_what_is_in_force_was_decided_and_stand_in_the_order_of_their_names(scene):
    scene.ran("d-1", minutes=50, requested_weights={"a": 0.4, "b": 0.6})
    documents, before = FakeDocuments(), queue(member("a"))
    documents.keep_work("d-1", work(plan(), target({"a": 0.4}), before))
    shown, asked = members(scene, documents, named("b", "bo"), named("x", None), named("a", "Ana", carried=1))
    assert asked == RING
    assert [(each.member.user_id, each.weight) for each in shown] == [("x", None), ("a", 0.4), ("b", 0.6)]
    assert shown[1].holds == "ring 1"


def test_members_are_read_for_the_deployments_actuator_where_nothing_is_in_force_or_the_contract_is_another(scene):
    documents, before = FakeDocuments(), queue(member("a"))
    shown, asked = members(scene, documents, named("a", "Ana", joined=False))
    assert (asked, shown[0].holds, shown[0].weight) == (DEPLOYED.actuator, "not joined", None)
    scene.ran("d-1", minutes=50)
    documents.keep_work("d-1", work(plan(), target({"a": 0.4}), before, Score()))
    assert members(scene, documents, named("a", "Ana"))[1] == DEPLOYED.actuator
