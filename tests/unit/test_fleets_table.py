"""FleetsTable: a fleet is stored once, ends once, and is resumed by one attempt at a time."""

from datetime import UTC, datetime

import pytest

from routing_weights.adapters.aws.efforts import FleetSums
from routing_weights.domain.effort import Spent
from routing_weights.domain.fleet import (
    Fleet,
    FleetOptions,
    FleetStatus,
    Held,
    QueueOutcome,
    Steered,
    Wave,
    WaveOutcome,
)
from routing_weights.domain.pages import token_of
from routing_weights.domain.record import timestamp
from routing_weights.domain.run import Origin
from routing_weights.domain.status import Status
from routing_weights.errors import RequestInvalid
from tests.support.fakes import FakeFleets, FakeFleetSums

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)


@pytest.fixture(params=["table", "fake"])
def stored(request):
    """The fake of the use cases' tests does what the table does."""
    return request.getfixturevalue("fleets") if request.param == "table" else FakeFleets()


def fleet(**changes):
    options = FleetOptions.model_validate({"waves": [{"share": 0.1, "bake_s": 60}], "on_failure": "revert"})
    fields = {
        "fleet_id": "f-1",
        "status": FleetStatus.RUNNING,
        "options": options,
        "total": 12,
        "waves": tuple(options.divided(12)),
        "submitted_at": "2026-01-31T08:00:00.000Z",
        "origin": Origin(door="api", caller="arn:user/ops"),
        "fingerprint": "ab" * 32,
        "execution_arn": "arn:f-1",
    }
    return Fleet.model_validate(fields | changes)


def put(aws, part, **attributes):
    """As the state machine writes its items."""
    aws("dynamodb").put_item(TableName="fleets", Item={"fleet_id": {"S": "f-1"}, "part": {"S": part}, **attributes})


def put_queue(aws, number, status="completed"):
    texts = {"queue_id": f"q-{number}", "distribution_id": f"f-1.{number}", "status": status}
    numbers = {"number": number, "wave": 0}
    typed = {name: {"S": value} for name, value in texts.items()} | {n: {"N": str(v)} for n, v in numbers.items()}
    put(aws, f"queue#{number:06d}", **typed)


def test_a_fleet_is_read_as_it_was_stored_and_stored_once(stored):
    held = Held(token="t", wave=0, reason="too few contacts")
    written = fleet(held=held, stop="failed", attempt=2, reason="because")
    assert stored.create(written)
    assert not stored.create(fleet(total=1))
    assert stored.find("f-1") == written
    assert stored.find("f-2") is None


def submitted(fleets):
    for number in (3, 1, 4, 2, 5):
        fleets.create(fleet(fleet_id=f"f-{number}", submitted_at=f"2026-01-31T08:00:00.00{number}Z"))


def test_fleets_are_listed_newest_first_in_pages(stored):
    submitted(stored)
    token, pages = None, []
    while True:
        page, token = stored.newest(2, token)
        pages.append([found.fleet_id for found in page])
        if token is None:
            break
    assert [name for page in pages for name in page] == ["f-5", "f-4", "f-3", "f-2", "f-1"]
    assert len(pages[0]) == 2


def test_a_listed_fleet_is_whole_and_listed_once_whatever_else_is_stored_of_it(fleets, aws):
    written = fleet()
    fleets.create(written)
    put_queue(aws, 0)
    fleets.judge("f-1", 0, "passed", [])
    FleetSums(fleets.table).add("f-1", Spent(1, 10, 14, 0.1))
    assert fleets.newest(50, None) == ([written], None)
    fleets.end("f-1", 1, FleetStatus.STOPPED, "", NOW)
    ((ended,), _) = fleets.newest(50, None)
    assert (ended.status, ended.ended_at) == ("stopped", timestamp(NOW))


def test_a_fleet_that_an_earlier_version_stored_is_found_by_its_id_and_not_listed(fleets, aws):
    fleets.create(fleet())
    key = {"fleet_id": {"S": "f-1"}, "part": {"S": "fleet"}}
    aws("dynamodb").update_item(TableName="fleets", Key=key, UpdateExpression="REMOVE kind")
    assert fleets.find("f-1") == fleet()
    assert fleets.newest(50, None) == ([], None)


@pytest.mark.parametrize(
    "key", [None, [], "f-1", ["2026", "f-1", "f-2"], ["2026", 7], ["", "f-1"], ["2026", "f/1"], {"fleet_id": "f-1"}]
)
def test_a_token_of_another_listing_is_refused(fleets, key):
    with pytest.raises(RequestInvalid, match="next"):
        fleets.newest(20, token_of(key))


def test_a_token_that_dynamodb_refuses_is_the_callers_mistake(fleets, aws_answers):
    aws_answers("dynamodb", "Query", "ValidationException")
    with pytest.raises(RequestInvalid, match="next"):
        fleets.newest(20, token_of(["9999", "f-1"]))


def by(action, caller):
    return Steered(action=action, at=timestamp(NOW), origin=Origin(door="api", caller=caller))


def test_a_fleet_ends_once_and_cannot_be_cancelled_then(stored):
    stored.create(fleet())
    assert stored.stop("f-1", 1, by("cancel", "arn:ada"))
    assert stored.end("f-1", 1, FleetStatus.CANCELLED, "as asked", NOW)
    assert not stored.end("f-1", 1, FleetStatus.COMPLETED, "", NOW)
    assert not stored.stop("f-1", 1, by("cancel", "arn:late"))
    ended = stored.find("f-1")
    assert ended.steered == (by("cancel", "arn:ada"),)
    assert ended.reverted_by == ended.origin
    assert (ended.status, ended.stop, ended.reason) == ("cancelled", "cancel", "as asked")
    assert ended.ended_at == "2026-01-31T08:00:00.000Z"


def test_one_of_two_callers_resumes_a_fleet_and_the_old_attempt_can_write_no_more(stored):
    stored.create(fleet(stop="cancel"))
    stored.end("f-1", 1, FleetStatus.CANCELLED, "", NOW)
    bob = by("revert", "arn:bob")
    begun = [stored.begin_again("f-1", 1, FleetStatus.RUNNING, "arn:f-1.2", NOW, bob) for _ in range(2)]
    assert begun == [True, False]
    again = stored.find("f-1")
    assert (again.status, again.attempt, again.execution_arn, again.begun_at) == (
        *("running", 2, "arn:f-1.2"),
        timestamp(NOW),
    )
    assert (again.stop, again.ended_at, again.held) == (None, "", None)
    assert again.steered == (by("revert", "arn:bob"),)
    assert again.reverted_by.caller == "arn:bob"
    assert not stored.end("f-1", 1, FleetStatus.COMPLETED, "", NOW)
    assert not stored.stop("f-1", 1, by("cancel", "arn:late"))


@pytest.mark.parametrize(
    ("change", "arguments"),
    [
        ("stop", (1, by("cancel", "arn:bob"))),
        ("begin_again", (1, FleetStatus.RUNNING, "arn", NOW, by("continue", "arn:bob"))),
        ("end", (1, FleetStatus.COMPLETED, "", NOW)),
    ],
)
def test_nothing_is_stored_of_a_fleet_that_nobody_submitted(stored, change, arguments):
    assert not getattr(stored, change)("f-9", *arguments)
    assert stored.find("f-9") is None


def test_queues_are_listed_by_number_however_many_there_are(fleets, aws):
    for number in (10, 2, 0):
        put_queue(aws, number)
    put_queue(aws, 7, status="member_update_failed")
    assert [outcome.number for outcome in fleets.outcomes("f-1")] == [0, 2, 7, 10]
    assert fleets.outcomes("f-1")[2] == QueueOutcome(
        number=7, queue_id="q-7", wave=0, distribution_id="f-1.7", status=Status.MEMBER_UPDATE_FAILED
    )
    assert fleets.outcomes("f-2") == []


def test_an_outcome_that_was_noted_is_read(fleets):
    noted = QueueOutcome(number=7, queue_id="q-7", wave=1, distribution_id="f-1.7", status=Status.COMPLETED)
    fleets.note("f-1", noted)
    assert fleets.outcomes("f-1") == [noted]


@pytest.mark.parametrize(("stop", "is_held"), [(None, True), ("failed", True), ("cancel", False)])
def test_a_fleet_that_somebody_cancels_is_not_held(fleets, stop, is_held):
    fleets.create(fleet(stop=stop))
    assert fleets.hold("f-1", 1, Held(token="t", wave=0, reason="too few contacts")) is is_held
    assert fleets.find("f-1").status == ("held" if is_held else "running")


@pytest.mark.parametrize("failed", [(), (3,)])
def test_a_wave_whose_queues_begin_again_is_not_watched_any_more(fleets, failed):
    fleets.bake("f-1", 0, NOW)
    fleets.begin_wave("f-1", 0, failed)
    assert fleets.waves("f-1") == [WaveOutcome(wave=0, failed=frozenset(failed))]


@pytest.mark.parametrize("kind", ["table", "fake"])
def test_the_effort_of_distributions_is_added_exactly(fleets, kind):
    sums = FleetSums(fleets.table) if kind == "table" else FakeFleetSums()
    assert sums.find("f-1") == Spent()
    for usd in (0.1, 0.2, 1.5e-9):
        sums.add("f-1", Spent(1, 10, 14, usd))
    total = sums.find("f-1")
    assert (total.distributions, total.requests, total.transitions) == (3, 30, 42)
    assert total.usd == pytest.approx(0.3000000015, abs=1e-12)


def test_waves_have_the_numbers_of_their_failed_queues(fleets, aws):
    put(aws, "wave#00", failed={"NS": ["3", "11"]}, verdict={"S": "failed"}, reasons={"S": '["2 queues failed"]'})
    put(aws, "wave#01")
    assert fleets.waves("f-1") == [
        WaveOutcome(wave=0, failed=frozenset({3, 11}), verdict="failed", reasons=("2 queues failed",)),
        WaveOutcome(wave=1),
    ]


def test_the_waves_of_a_stored_fleet_keep_their_sizes(fleets):
    fleets.create(fleet())
    assert fleets.find("f-1").waves == (Wave(count=2, bake_s=60), Wave(count=10))
