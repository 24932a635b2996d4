"""The drift entries: a state is stored once, its answer is noted beside it, and a queue has so many repairs an hour.

Every case that needs nothing of AWS runs with the fake of the use cases' tests as well: it does what the table does.
"""

from dataclasses import replace

import pytest

from routing_weights.adapters.aws.drift_table import DriftEntries
from routing_weights.domain.drift import Answer, Difference, DriftEntry
from routing_weights.errors import RequestInvalid, StoreUnavailable
from tests.support.fakes import FakeEntries


@pytest.fixture(params=["table", "fake"])
def entries(request):
    return request.getfixturevalue("drift_table") if request.param == "table" else FakeEntries()


def entry_of(number, queue_id="q-1"):
    at = f"2026-07-11T20:00:0{number}.000Z"
    return DriftEntry(queue_id, f"{at}-d", at, "d-1", ())


def append(entries, number, state, seen=None):
    return entries.append(entry_of(number), state, number if seen is None else seen)


def listed(entries, queue_id="q-1", **query):
    query = {"since": "0000", "until": "9999", "limit": 20, "after": None} | query
    found, token = entries.of_queue(queue_id, **query)
    return [entry.entry_id for entry in found], token


def test_a_state_is_stored_once_until_another_one_or_none_was_seen(entries):
    assert append(entries, 1, "x")
    assert not append(entries, 2, "x")
    assert append(entries, 3, "y")
    assert append(entries, 4, "x")
    entries.settled("q-1", 5)
    entries.settled("q-1", 6)
    assert append(entries, 7, "x")
    assert [entry_id[18] for entry_id in listed(entries)[0]] == ["7", "4", "3", "1"]


def test_a_reading_that_is_older_than_what_is_known_changes_nothing(entries):
    assert append(entries, 2, "x")
    assert not append(entries, 3, "y", seen=1)
    entries.settled("q-1", 1)
    assert not append(entries, 4, "x")


def test_a_queue_that_never_had_drift_gets_no_item(drift_table, aws):
    drift_table.settled("q-1", 1)
    assert aws("dynamodb").scan(TableName="drift")["Items"] == []


def test_the_entry_of_a_state_is_found_while_the_queue_is_in_it(entries):
    append(entries, 1, "x")
    assert entries.of_state("q-1", "x") == entry_of(1)
    assert entries.of_state("q-1", "y") is None
    assert entries.of_state("q-2", "x") is None
    append(entries, 2, "y")
    assert entries.of_state("q-1", "x") is None


def test_the_queues_with_drift_are_found_together_while_they_have_it(entries):
    append(entries, 1, "x")
    append(entries, 2, "y")
    entries.append(entry_of(3, "q-2"), "x", 3)
    entries.settled("q-2", 4)
    assert entries.open([]) == {}
    assert entries.open(["q-1", "q-2", "q-3"]) == {"q-1": entry_of(2)}


def test_an_entry_comes_back_as_it_went(drift_table):
    entry = DriftEntry(
        queue_id="q-1",
        entry_id="2026-07-11T20:00:00.000Z-d-2",
        at="2026-07-11T20:00:00.000Z",
        distribution_id="d-1",
        differences=(
            Difference("setting", "overflow_threshold", 0.8, None),
            Difference("member", "a", True, False),
            Difference("member", "b", 3, None, missing=True),
        ),
        changed_by="someone",
        changed_at="then",
        edited_at="2026-07-11T19:00:00.000Z",
        on_drift="repair",
        deliveries=("d-1", "d-2"),
    )
    drift_table.append(entry, "x", 1)
    assert drift_table.of_state("q-1", "x") == entry
    drift_table.note("q-1", entry.entry_id, Answer("repair_started", "why", "r-1"), final=True)
    drift_table.note_begun("q-1", entry.entry_id)
    noted = replace(entry, answer=Answer("repair_started", "why", "r-1"), repair_begun=True)
    assert drift_table.of_queue("q-1", since="0000", until="9999", limit=9, after=None) == ([noted], None)


def test_an_entry_of_the_first_release_is_read():
    stored = {
        "queue_id": "q-1",
        "record": "2025-07-11T20:00:00.000Z-d",
        "at": "2025-07-11T20:00:00.000Z",
        "distribution_id": "d-1",
        "differences": [{"member": "a", "expected": 0.5, "held": None, "missing": True}],
    }
    entry = DriftEntry.parse(stored | {"mood": "of a later release"})
    assert (entry.on_drift, entry.edited_at, entry.deliveries, entry.answer) == ("record", entry.at, (), None)
    assert entry.differences == (Difference("member", "a", 0.5, None, missing=True),)
    assert stored.items() <= entry.to_json().items()


def test_an_answer_takes_the_place_of_an_earlier_one_until_one_is_final(entries):
    append(entries, 1, "x")
    name = entry_of(1).entry_id
    for answer, final, is_noted in (
        (Answer("repair_deferred", "first"), False, True),
        (Answer("repair_started", "second", "r-1"), True, True),
        (Answer("repair_deferred", "late"), False, False),
        (Answer("repair_dropped", "late"), True, False),
    ):
        assert entries.note("q-1", name, answer, final=final) is is_noted
    assert entries.of_state("q-1", "x").answer == Answer("repair_started", "second", "r-1")
    assert not entries.note("q-1", "another", Answer("notified", "why"), final=True)


def test_a_listing_ends_and_a_token_opens_no_other_queue(entries):
    for number in range(5):
        append(entries, number, str(number))
    first, token = listed(entries, limit=3)
    rest, end = listed(entries, limit=3, after=token)
    assert (len(first), len(rest), end) == (3, 2, None)
    assert listed(entries, "q-2", after=token) == ([], None)
    moment = "2026-07-11T20:00:02.000Z"
    assert listed(entries, since=moment, until=moment)[0] == [f"{moment}-d"]


@pytest.mark.parametrize("token", ["garbage", "é", "c3RhdGU=", "IA==", "MQA="])
def test_a_token_that_is_none_is_refused(drift_table, token):
    with pytest.raises(RequestInvalid):
        listed(drift_table, after=token)


def test_an_empty_token_begins_at_the_first_page(drift_table):
    assert listed(drift_table, after="") == ([], None)


# ---- repairs per hour ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("earlier", "rivals", "granted"), [(0, 1, True), (0, 2, False), (1, 0, True), (1, 1, False)])
def test_claims_at_the_same_moment_are_never_more_than_the_limit(drift_table, aws, earlier, rivals, granted):
    """Between the reading of the claims and the writing of one, others' come in."""

    def claim(name, queue_id="q-1"):
        return drift_table.claim_repair(queue_id, name, 2, 1_000)

    coming = [f"rival-{number}" for number in range(rivals)]
    assert all(claim(f"earlier-{number}") for number in range(earlier))

    def intrude(**_):
        while coming:
            assert claim(coming.pop())

    aws("dynamodb").meta.events.register("before-call.dynamodb.PutItem", intrude)
    assert claim("r-1") is granted
    aws("dynamodb").meta.events.unregister("before-call.dynamodb.PutItem", intrude)
    assert coming == []
    assert not claim("r-2")
    assert claim("r-2", "q-2"), "each queue has its own"


def test_the_same_entry_claims_the_same_repair_again(entries):
    assert all(entries.claim_repair("q-1", "r-1", 1, now_ms) for now_ms in (1_000, 2_000))
    assert not entries.claim_repair("q-1", "r-2", 1, 3_000)
    assert listed(entries) == ([], None)


def test_a_claim_is_forgotten_after_an_hour(entries):
    assert entries.claim_repair("q-1", "r-1", 1, 0)
    assert not entries.claim_repair("q-1", "r-2", 1, 3_599_999)
    assert entries.claim_repair("q-1", "r-2", 1, 3_600_000)


def test_a_claim_that_never_gets_through_fails_and_is_tried_again_later(drift_table, aws_answers):
    aws_answers("dynamodb", "PutItem", "ConditionalCheckFailedException")
    with pytest.raises(StoreUnavailable):
        drift_table.claim_repair("q-1", "r-1", 1, 1_000)


def test_the_table_is_the_port_of_the_use_cases(drift_table):
    assert isinstance(drift_table, DriftEntries)
    methods = {name for name in vars(FakeEntries) if not name.startswith("_")}
    assert methods == {name for name in vars(DriftEntries) if not name.startswith("_")} - {"table", "sleep"}
