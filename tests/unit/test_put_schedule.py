"""A schedule is stored only if each of its runs can be submitted."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from routing_weights.application.schedule import PutSchedule, SchedulePlan
from routing_weights.domain.revert import Baseline, BaselineName
from routing_weights.domain.schedule.schedule import StoredSchedule, parse_schedule
from routing_weights.errors import BaselineNotFound, ScheduleInvalid
from tests.support.fakes import SMALLEST_PLAN, FakeBaselines, FakeDocuments, member, plan, queue, target, work

NOW = datetime(2030, 5, 1, 8, 10, tzinfo=UTC)
BASELINE = {"queue_id": "queue-001", "name": "normal"}


@pytest.fixture
def stored():
    """The schedules that were stored, each with its plan's reference."""
    return []


@pytest.fixture
def use_case(stored):
    def put(schedule, plan_ref, set_by, _now):
        stored.append((schedule.name, plan_ref, set_by))

    return PutSchedule(SimpleNamespace(put=put), FakeDocuments(), FakeBaselines())


def schedule(**changes):
    body = {"expression": "cron(0 8 * * ? *)", "plan": SMALLEST_PLAN, **changes}
    return parse_schedule("early", json.dumps(body))


def shown(**fields):
    return StoredSchedule(
        "early", schedule(), **{"plan_ref": None, "baseline": None, "set_at": "", "set_by": None} | fields
    )


def test_the_plan_of_a_schedule_is_kept_and_shown_again(use_case, stored):
    use_case.put(schedule(), "arn:me", NOW)
    ((name, reference, set_by),) = stored
    assert (name, set_by) == ("early", "arn:me")
    shows = SchedulePlan(use_case.documents, use_case.baselines)
    assert shows.text_of(shown(plan_ref=reference)) == plan().canonical()


def test_a_schedule_without_any_run_to_come_is_not_stored(use_case, stored):
    with pytest.raises(ScheduleInvalid):
        use_case.put(schedule(expression="at(2029-01-01T00:00:00)"), "", NOW)
    assert stored == []


def test_a_schedule_of_a_baseline_that_does_not_exist_is_not_stored(use_case, stored):
    with pytest.raises(BaselineNotFound):
        use_case.put(schedule(plan=None, baseline=BASELINE), "", NOW)
    assert stored == []


def test_a_schedule_of_a_baseline_keeps_no_plan_and_shows_the_revert_of_today(use_case, stored):
    before = queue(member("agent-1", 0.1))
    use_case.documents.keep_work("d-9", work(plan(), target({"agent-1": 0.4}), before))
    use_case.documents.save_after("d-9", before)
    use_case.baselines.put(Baseline("queue-001", "normal", "d-9", "2030-04-01T08:00:00.000Z"))
    use_case.put(schedule(plan=None, baseline=BASELINE), "", NOW)
    assert stored == [("early", None, "")]
    text = SchedulePlan(use_case.documents, use_case.baselines).text_of(shown(baseline=BaselineName(**BASELINE)))
    assert json.loads(text)["restores"] == {"distribution_id": "d-9", "image": "after"}
