"""kill -9 of a working function: the queue is old or new, and the record is true."""

from contextlib import contextmanager

import pytest

from tests.faults import processes
from tests.faults.cases import failing, first_back, status
from tests.faults.oracle import judge
from tests.faults.scenes import Scene, matches
from tests.faults.waves import recoveries_are_over
from tests.support.waiting import until

FUNCTIONS = ("validate", "project", "patch", "verify", "restore", "recover", "audit", "token")

RECOVERY = (*("Begin", "Anything left?", "Wait for the last write", "Restore", "Restored?", "Audit", "Unlock", "Done"),)


def nth(rule, skip=0):
    """The rule of one request, after as many others as it skips."""
    return rule | {"times": 1, "skip": rule.get("skip", 0) + skip}


@contextmanager
def under_way(scene, rule, *others):
    """A run at the request of a rule. The block kills its function: Genesys answers when nobody listens any more."""
    with scene.world.holding(**rule):
        scene.world.sim.add_faults(*others)
        run = scene.run().start()
        until(lambda: any(e["fault"] == "delay" and matches(rule, e) for e in scene.world.sim.requests()))
        yield run


KILLED = {
    "project": (lambda s: [nth(s.listing)], "projection_failed", None),
    "patch, the queue's setting": (lambda s: [nth(s.settings_write)], "queue_update_failed", "restored"),
    "patch, a member": (lambda s: [nth(s.writes_of(s.order[1]))], "member_update_failed", "restored"),
    "verify": (lambda s: [nth(s.listing, 1)], "verification_failed", "restored"),
    "restore, which reads": (lambda s: [nth(s.listing, 1), *failing(s)], "member_update_failed", "restored"),
    "restore, which writes": (lambda s: [nth(first_back(s), 1), *failing(s)], "member_update_failed", "restored"),
    "everything": (lambda s: [nth(s.writes_of(s.order[-1]))], "member_update_failed", "restored"),
}


@pytest.mark.parametrize("what", KILLED)
def test_a_killed_function_leaves_the_queue_as_it_was(scene, what):
    rules, outcome, restoration = KILLED[what]
    functions = FUNCTIONS if what == "everything" else [what.partition(",")[0]]
    with under_way(scene, *rules(scene)) as run:
        processes.kill(processes.runtimes(scene.world, *functions))
    closed(scene, run, (outcome,), (restoration,))


@pytest.mark.parametrize("what", ["the last member", "the last part"])
def test_a_function_killed_between_two_settings_writes_leaves_no_rings(platform_world, what):
    """The killed function's request is answered later, and its PUT then contains the rings again."""
    platform_world.sim.clear_faults()
    scene = Scene(platform_world, "ring", narrows=True, makes_rings=True)
    rule = nth(scene.writes_of(scene.order[-1])) if "member" in what else nth(scene.settings_write, 1)
    with under_way(scene, rule) as run:
        processes.kill(processes.runtimes(platform_world, "patch"))
    failed = "member_update_failed" if "member" in what else "queue_update_failed"
    closed(scene, run, (failed,), ("restored",))


def test_a_run_whose_audit_is_killed_has_completed(scene):
    run = scene.run()
    with processes.held([scene.world], "audit") as hold:
        run.start()

        def audits():
            hold()
            return "Audit" in run.entered

        until(audits, pause_s=0.05, longest_pause_s=0.05)  # a new runtime is held before it has worked
        processes.kill(processes.runtimes(scene.world, "audit"))
    closed(scene, run, ("completed",), (None,))
    ended = scene.world.client("stepfunctions").describe_execution(executionArn=run.arn)["status"]
    assert ended == "SUCCEEDED", "Audit was invoked again: nobody had to recover the run"


def test_a_run_that_is_stopped_while_its_function_is_killed_is_restored(scene):
    with under_way(scene, nth(scene.writes_of(scene.order[1]))) as run:
        run.abort()
        processes.kill(processes.runtimes(scene.world, "patch"))
    closed(scene, run, ("interrupted",), ("restored",))
    effort = scene.world.records(run.distribution_id)["9-closed"]["effort"]
    assert effort["unreported"] == 1, "nobody knows what the killed function sent"
    assert effort["functions"].keys() == {"validate", "project", "patch", "recover", "restore", "audit"}
    assert effort["transitions"] == len(run.entered) + len(RECOVERY), "of the recovery, too"


@pytest.mark.parametrize("scene", ["score"], indirect=True)
@pytest.mark.parametrize("where", ["before the restoration", "after it"])
def test_the_sweep_finds_an_ended_execution_without_an_event(scene, where):
    """A lock of an ended run whose record is still open: its event was lost, or its recovery died."""
    scene.world.sim.add_faults(*([status(403, None) | scene.writes_of(scene.order[1])] if "after" in where else []))
    over = scene.run(dry_run="before" in where).ends("dry_run" if "before" in where else "member_update_failed")
    world, db = scene.world, scene.world.client("dynamodb")
    db.delete_item(
        TableName=world.ready["audit_table"],
        Key={"distribution_id": {"S": over.distribution_id}, "record": {"S": "9-closed"}},
    )
    item = {"queue_id": {"S": scene.queue_id}, "holder": {"S": over.arn}, "taken_at": {"N": "1"}}
    db.put_item(TableName=world.ready["locks_table"], Item=item)
    world.client("lambda").invoke(FunctionName="SweepFunction", Payload=b"{}")
    until(lambda: "9-closed" in world.records(over.distribution_id) and scene.queue_id not in world.locks())
    assert scene.values(scene.snapshot()) == scene.old


def closed(scene, run, statuses, outcomes):
    world = scene.world
    until(lambda: "9-closed" in world.records(run.distribution_id) and scene.queue_id not in world.locks())
    until(lambda: recoveries_are_over(world))
    judge(scene, world.records(run.distribution_id), scene.snapshot(), statuses=statuses, outcomes=outcomes)
