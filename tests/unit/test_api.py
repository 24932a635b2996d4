"""What the API makes of records, and what it reads of a query."""

from datetime import UTC, datetime, timedelta

import pytest

from routing_weights.api.distributions import distribution
from routing_weights.api.request import moment, span_of
from routing_weights.domain.actuation import resolve, statement
from routing_weights.domain.record import Records, closed, opened, timestamp
from routing_weights.domain.run import Outcome
from routing_weights.domain.status import Status
from routing_weights.errors import RequestInvalid
from tests.support.fakes import member, plan, queue, run_of

START = datetime(2026, 1, 31, 8, 0, 0, 123_456, tzinfo=UTC)
END = START + timedelta(seconds=4)
RUN = run_of(START)


def closing(status, **known):
    before = queue(member("agent-1", 0.1), member("agent-2", 0.35))
    known = {"plan": plan(), "before": before, "projection": None, "actuation": None, "after": None} | known
    return closed(RUN, Outcome(status=status), at=END, restore=None, **known)


def test_a_distribution_is_made_of_both_records():
    records = Records(opening=opened(RUN, plan(), START), closing=closing("dry_run"))
    found = distribution(records)
    assert (found.status, found.terminal) == (Status.DRY_RUN, True)
    assert (found.opened_at, found.closed_at) == (timestamp(START), timestamp(END))


@pytest.mark.parametrize(
    ("records", "terminal"),
    [
        (Records(opening=opened(RUN, plan(), START)), False),
        (Records(closing=closing("completed")), True),
    ],
)
def test_a_distribution_with_one_record_can_be_answered(records, terminal):
    found = distribution(records)
    assert (found.terminal, found.closed_at is not None) == (terminal, terminal)


@pytest.mark.parametrize("actuator", ["score", "ring", "proficiency", "joined"])
def test_a_distribution_says_how_its_weights_are_carried(actuator):
    wanted = plan(actuator=actuator, skill="Queue 1")
    how = resolve(wanted, deployed="ring")
    stated = statement(wanted, how.target(wanted, {}), how, overflow="gate", notes=["A note."])
    records = Records(closing=closing("dry_run", plan=wanted, actuation=stated))
    found = distribution(records).model_dump()["actuation"]
    assert found == stated
    joined = {isinstance(entry["value"], bool) for entry in found["members"].values()}
    assert joined == {actuator == "joined"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "default"),
        ("2026-01-31", "2026-01-31T00:00:00.000Z"),
        ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00.000Z"),
        ("2026-01-31T08:00:00+02:00", "2026-01-31T06:00:00.000Z"),
        ("2026-01-31T08:00:00 02:00", "2026-01-31T06:00:00.000Z"),
        ("2026-01-31T08:00:00", "2026-01-31T08:00:00.000Z"),
    ],
)
def test_a_moment_in_a_query_is_a_records_timestamp(text, found):
    assert moment("from", text, "default") == found


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "1767225600", "0001-01-01T00:00:00+10:00", "2026"])
def test_what_is_no_moment_is_refused_at_its_parameter(text):
    with pytest.raises(RequestInvalid) as caught:
        moment("from", text, "")
    assert caught.value.details["errors"][0]["path"] == "from"


def test_a_listing_that_ends_before_it_begins_is_refused():
    assert span_of("", "") == ("0000", "9999")
    with pytest.raises(RequestInvalid, match="swap the two"):
        span_of("2026-02-01", "2026-01-31")
