"""Drift: what differs from what was applied, and since when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from routing_weights.domain.drift import differences, edited_at, fingerprint
from routing_weights.domain.queue import Member, Queue, QueueSettings
from routing_weights.domain.target import Target
from tests.support.fakes import member, queue, target

NOW = datetime(2026, 7, 11, 20, 0, tzinfo=UTC)


def a_queue(settings=None, **values):
    members = tuple(Member(user, weight=value) for user, value in values.items())
    return Queue("q-1", QueueSettings(**{"overflow_threshold": 0.8} | (settings or {})), members)


APPLIED = Target(weights={}, values={"a": 0.5, "b": 0.3, "c": None}, settings={"overflow_threshold": 0.8})


def test_a_queue_that_holds_what_was_applied_has_no_drift_whatever_else_changed():
    held = a_queue({"wrap_up_timeout_s": 99.0}, a=0.5, b=0.3 + 1e-12, c=None, stranger=1.0)
    assert differences(APPLIED, held) == ()


def test_differing_members_and_settings_are_named_and_so_is_a_member_who_left():
    found = differences(APPLIED, a_queue({"overflow_threshold": None}, b=0.9, c=0.1))
    assert [difference.to_json() for difference in found] == [
        {"setting": "overflow_threshold", "expected": 0.8, "held": None},
        {"member": "a", "expected": 0.5, "held": None, "missing": True},
        {"member": "b", "expected": 0.3, "held": 0.9},
        {"member": "c", "expected": None, "held": 0.1},
    ]


def test_a_deleted_user_is_gone_though_it_is_still_listed():
    held = a_queue(a=0.9, b=0.3, c=None)
    listed = [Member("a", 0.9, away="user deleted"), *held.members[1:]]
    (found,) = differences(APPLIED, Queue("q-1", held.settings, tuple(listed)))
    assert found.to_json() == {"member": "a", "expected": 0.5, "held": None, "missing": True}


def test_values_that_our_failed_run_left_behind_are_no_drift():
    ours = Target(weights={}, values={"a": 0.9}, settings={"overflow_threshold": 0.6})
    held = a_queue({"overflow_threshold": 0.6}, a=0.9, b=0.9, c=None)
    assert [difference.name for difference in differences(APPLIED, held, [ours])] == ["b"]
    gone = differences(APPLIED, a_queue(b=0.3, c=None), [ours])
    assert [(difference.name, difference.missing) for difference in gone] == [("a", True)]


def test_a_rounded_value_that_our_failed_run_left_behind_is_no_drift():
    ours = Target({}, {"a": 4.375, "b": 1.25}, actuator="proficiency")
    held = a_queue(a=4.4, b=3.0, c=None)
    assert [difference.name for difference in differences(APPLIED, held, [ours])] == ["b"]


def test_a_value_that_was_read_back_in_full_is_drift_when_somebody_rounds_it():
    applied = Target({}, {"a": 5.0, "b": 1.4}, actuator="proficiency")
    assert [difference.name for difference in differences(applied, a_queue(a=5.0, b=1.0))] == ["b"]


def test_a_fingerprint_is_of_the_state_and_of_the_distribution():
    one, two = (differences(APPLIED, a_queue(a=value, b=0.3, c=None)) for value in (0.6, 0.7))
    assert fingerprint("d", one) == fingerprint("d", one)
    assert len({fingerprint("d", one), fingerprint("d", two), fingerprint("e", one), fingerprint("d", ())}) == 4


MINUTE = timedelta(minutes=1)
STAMP = (NOW - 30 * MINUTE).isoformat()
SETTING = {"overflow_threshold": 0.1}


@pytest.mark.parametrize(
    ("members", "settings", "stamp", "minutes_ago"),
    [
        ({"agent-1": 0.1}, {}, None, 0),
        ({"agent-1": 0.1}, {}, STAMP, 0),
        ({}, SETTING, STAMP, 30),
        ({}, SETTING | {"wrap_up_timeout_s": 1.0}, STAMP, 30),
        ({}, SETTING, (NOW + MINUTE).isoformat(), 0),
        ({}, SETTING, None, 0),
        ({"agent-1": 0.1}, SETTING, STAMP, 0),
        *(
            ({}, SETTING, text, 0)
            for text in ("then", "2026-07-11", "2026-07-11T19:00:00", "", "0001-01-01T00:00:00+23:59")
        ),
    ],
)
def test_the_age_of_a_change_is_the_queues_date_or_zero(members, settings, stamp, minutes_ago):
    holding = replace(queue(*(member(user, value) for user, value in members.items()), **settings), modified_at=stamp)
    applied = target(dict.fromkeys(members, 0.4), **dict.fromkeys(settings, 0.85))
    assert edited_at(differences(applied, holding), holding, NOW) == NOW - minutes_ago * MINUTE
