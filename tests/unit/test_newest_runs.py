"""The newest distributions of many queues, in few requests."""

from datetime import UTC, datetime, timedelta

import pytest

from routing_weights.adapters.aws.newest_runs import NewestRuns
from routing_weights.domain.record import Closing, opened, timestamp
from tests.support.fakes import plan, run_of

START = datetime(2026, 1, 31, 8, tzinfo=UTC)


@pytest.fixture
def ran(trail):
    def add(queue_id, *statuses):
        """Distributions of a queue, the oldest first: `{queue}-0` and so on."""
        for number, status in enumerate(statuses):
            at = START + timedelta(minutes=number)
            run = run_of(at).model_copy(update={"distribution_id": f"{queue_id}-{number}", "queue_id": queue_id})
            trail.append(opened(run, plan(queue_id=queue_id), at))
            if status != "initiated":
                common = {"distribution_id": run.distribution_id, "queue_id": queue_id, "started_at": timestamp(at)}
                trail.append(Closing(**common, status=status, timestamp=timestamp(at)))

    return add


@pytest.fixture
def asked(aws):
    """The operations of DynamoDB, in their order."""
    operations = []
    aws("dynamodb").meta.events.register(
        "before-call.dynamodb", lambda model, **_: operations.append(model.name), unique_id="asked"
    )
    yield operations
    aws("dynamodb").meta.events.unregister("before-call.dynamodb", unique_id="asked")


def test_a_queue_is_followed_until_a_distribution_that_completed(trail, ran):
    ran("queue-a", "completed", "completed", "dry_run", "initiated")
    ran("queue-b", "rejected")
    runs = NewestRuns(trail).of(["queue-a", "queue-b", "queue-c"], 10)
    assert {queue_id: [run.distribution_id for run in found] for queue_id, found in runs.items()} == {
        "queue-a": ["queue-a-3", "queue-a-2", "queue-a-1"],
        "queue-b": ["queue-b-0"],
        "queue-c": [],
    }


def test_no_more_distributions_are_looked_at_than_asked_for(trail, ran):
    ran("queue-a", "completed", "dry_run", "dry_run")
    assert [run.status for run in NewestRuns(trail).of(["queue-a"], 2)["queue-a"]] == ["dry_run", "dry_run"]


def test_dry_runs_are_passed_over_in_few_requests(trail, ran, asked):
    ran("queue-a", "completed", *["dry_run"] * 30)
    ran("queue-b", *["dry_run"] * 12)
    asked.clear()
    runs = NewestRuns(trail).of(["queue-a", "queue-b"], 50)
    assert [len(found) for found in runs.values()] == [31, 12]
    assert runs["queue-a"][-1].status == "completed"
    assert (asked.count("Query"), asked.count("BatchGetItem")) == (2, 4)


def test_fifty_queues_cost_a_query_each_and_one_request_for_all_records(trail, ran, asked):
    names = [f"queue-{number}" for number in range(50)]
    for name in names:
        ran(name, "completed")
    asked.clear()
    NewestRuns(trail).of(names, 10)
    assert (asked.count("Query"), asked.count("BatchGetItem"), len(asked)) == (50, 1, 51)
