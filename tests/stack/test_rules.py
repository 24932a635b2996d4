"""Where AWS refuses, the stack refuses (local/stack/rules.py), and the product is built for it."""

from tests.asl.runner import a_plan

PLANS = 8


def test_a_record_that_the_door_and_the_run_write_at_once_fails_neither(world):
    """Both open the record, moments apart. DynamoDB refuses transactions that overlap."""
    for _ in range(PLANS):
        run = world.run(a_plan(world.queue(), dry_run=True)).start("api").ends("dry_run")
        assert run.opened["door"] == "api"
