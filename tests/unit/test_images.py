"""Images as targets: what a repair may overwrite, and what an earlier state asks for."""

import pytest

from routing_weights.domain.decision import Image
from routing_weights.domain.drift import differences, fingerprint
from routing_weights.domain.images import images_of, require_known_drift, require_unedited, target_of
from routing_weights.errors import PlanNotApplicable, QueueChanged
from tests.support.fakes import PlainContract, member, plan, queue, target, work

APPLIED = target({"agent-1": 0.4, "agent-2": 0.35}, overflow_threshold=0.85)


def held(settings=None, **values):
    members = [member(f"agent-{number[1:]}", value) for number, value in values.items()]
    return queue(*members, **(settings or {}))


FOREIGN = held(a1=0.9, a2=0.35)


def back(drift=None, **found):
    """A repair that was decided on when the queue held `found`."""
    state = fingerprint("last", differences(APPLIED, held(**found))) if found else drift
    return plan(restores={"distribution_id": "last", "image": "after", "drift": state})


@pytest.mark.parametrize("holding", [{"a1": 0.9, "a2": 0.35}, {"a1": 0.4, "a2": 0.35}])
def test_a_repair_continues_if_the_queue_is_as_found_or_as_wanted(holding):
    require_known_drift(back(a1=0.9, a2=0.35).restores, APPLIED, held(**holding), "last")


@pytest.mark.parametrize("holding", [{"a1": 0.8, "a2": 0.35}, {"a1": 0.9, "a2": 0.1}, {"a1": 0.4, "a2": 0.1}])
def test_a_repair_stops_where_somebody_has_changed_more_since(holding):
    with pytest.raises(PlanNotApplicable) as refused:
        require_known_drift(back(a1=0.9, a2=0.35).restores, APPLIED, held(**holding), "last")
    assert [problem["path"] for problem in refused.value.details["errors"]] == ["restores.drift"]


@pytest.mark.parametrize("last", [None, "a newer one"])
def test_a_repair_stops_where_a_plan_has_been_completed_since(last):
    with pytest.raises(PlanNotApplicable, match="another distribution"):
        require_known_drift(back(a1=0.9, a2=0.35).restores, APPLIED, FOREIGN, last)


UNEDITED = [{"a1": 0.9, "a2": 0.1}, {"a1": 0.4, "a2": 0.1}, {"a1": 0.4, "a2": 0.35}, {"a1": 0.9}]


@pytest.mark.parametrize("now", UNEDITED)
def test_a_repair_overwrites_what_it_has_read_and_its_own(now):
    require_unedited(APPLIED, held(a1=0.9, a2=0.1), held(**now))


@pytest.mark.parametrize(
    ("now", "fields"),
    [
        (held(a1=0.8, a2=0.35), ["agent-1"]),
        (held({"overflow_threshold": 0.5}, a1=0.9, a2=0.2), ["agent-2", "overflow_threshold"]),
    ],
)
def test_a_repair_overwrites_no_edit_that_is_younger_than_its_reading(now, fields):
    with pytest.raises(QueueChanged) as changed:
        require_unedited(APPLIED, held(a1=0.9, a2=0.1), now)
    assert changed.value.details["fields"] == fields


def test_the_target_of_a_repair_has_the_fingerprint_of_the_drift():
    """A member who is gone and a setting that cannot be unset are in neither."""
    then = held({"wrap_up_timeout_s": None}, a1=0.4, a2=0.35)
    decided = target({"agent-1": 0.4, "agent-2": 0.35}, wrap_up_timeout_s=None)
    holding = held({"wrap_up_timeout_s": 9.0}, a1=0.9)
    again = back(a1=0.9, a2=0.35)
    wanted = target_of(PlainContract(), [Image(work(plan(), decided, then).decision, then)], holding)
    assert (dict(wanted.values), dict(wanted.settings)) == ({"agent-1": 0.4}, {})
    require_known_drift(again.restores, wanted, holding, "last")


def test_the_image_of_a_revert_is_found_in_one_step():
    then, asked = held(a1=0.4, a2=0.35), []

    def find(run, which):
        asked.append((run, which))
        return Image(work(plan(), APPLIED, then).decision, then)

    images = images_of(back(a1=0.9, a2=0.35), find)
    assert target_of(PlainContract(), images, FOREIGN).values == APPLIED.values
    assert asked == [("last", "after")]
