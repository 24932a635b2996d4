"""An update, its rollback, and an update that fails, each while a distribution runs: docs/administer/upgrade.md."""

import itertools
import os
import re
import signal

import pytest

from local.genesys import GenesysSimulator
from tests.support.waiting import until
from tests.support.world import CLIENT_ID, CLIENT_SECRET, ROOT, World, a_plan, served_stack

MARK = "another release of Audit"
LIMITED = {"status": 429, "headers": {"Retry-After": "1"}, "times": None}


class Deployment:
    """A stack whose template is another one from time to time."""

    def __init__(self, folder, sim):
        self.folder, self.sim, self.updates = folder, sim, itertools.count(1)
        self.template, self.log, self.said = folder / "template.yaml", folder / "functions.log", folder / "stack.err"
        for name in ("functions", "layers"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "statemachine").mkdir()
        self.text = (ROOT / "template.yaml").read_text(encoding="utf-8")
        self.write(self.text, "Unlock")

    def write(self, template, last_state):
        """Write a release: its template, and the name of the state that unlocks the queue."""
        for path in (ROOT / "statemachine").iterdir():
            text = re.sub(r"\bUnlock\b", last_state, path.read_text(encoding="utf-8"))
            (self.folder / "statemachine" / path.name).write_text(text, encoding="utf-8")
        self.template.write_text(template, encoding="utf-8")

    def write_next(self):
        """Write the next release: another default actuator, another Audit, another state machine."""
        (self.folder / "next" / "audit").mkdir(parents=True, exist_ok=True)
        code = (ROOT / "functions/audit/app.py").read_text(encoding="utf-8")
        (self.folder / "next/audit/app.py").write_text(f"{code}\n\nprint({MARK!r})\n", encoding="utf-8")
        text = self.text
        for old, new in (
            ("CodeUri: functions/audit/", "CodeUri: next/audit/"),
            ("    Default: ring\n", "    Default: joined\n"),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        self.write(text, "Release")

    def update(self, world):
        """Deploy what is written, as `sam deploy` does."""
        line = f"updated {next(self.updates)}"
        os.kill(world.ready["pid"], signal.SIGUSR1)
        until(lambda: line in world.ends)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    with GenesysSimulator(contract="platform", client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as sim:
        yield Deployment(tmp_path_factory.mktemp("deployment"), sim)


@pytest.fixture(scope="module")
def world(deployment):
    sim = deployment.sim
    with served_stack(deployment.folder, sim.url, "platform", deployment.template) as ready:
        world = World(ready, sim)
        yield world
        world.close()


def held_up(world, run):
    """Start a run whose writes of members Genesys limits, until `sim.clear_faults`. Returns once it is at one."""
    run.with_fault("status", method="PATCH", path="/members", **LIMITED).start()
    until(lambda: any(entry["status"] == LIMITED["status"] for entry in world.requests_about(run.queue_id)))
    return run


def test_a_run_ends_as_it_was_decided_though_the_stack_is_updated_and_rolled_back(deployment, world):
    before = held_up(world, world.run(a_plan(world.queue(unjoined=0, off_queue=0))))
    deployment.write_next()
    deployment.update(world)
    world.sim.clear_faults()
    before.ends("completed").reaches("Verify", "Audit", "Unlock")  # the definition that it began with
    assert MARK in deployment.log.read_text(), "the Audit of the next release has not closed it"
    rings = {member["ringNumber"] for member in before.held["members"].values()}
    assert before.record["actuation"]["actuator"] == "ring"
    assert len(rings) == 3

    after = held_up(world, world.run(a_plan(world.queue(unjoined=3, off_queue=0))))
    deployment.write(deployment.text, "Unlock")
    deployment.update(world)
    world.sim.clear_faults()
    after.ends("completed").reaches("Verify", "Audit", "Release")
    assert after.record["actuation"]["actuator"] == "joined"
    assert all(member["joined"] for member in after.held["members"].values())

    for run in (before, after):  # each release reads the documents of the other one
        assert world.distribution(run.distribution_id)["status"] == "completed"
        world.run({"restore": run.distribution_id, "requested_by": "t"}).ends("completed").reaches("Unlock")
    world.run(a_plan(world.queue())).ends("completed").reaches("Unlock")


def test_an_update_that_fails_leaves_the_stack_as_it_was(deployment, world):
    run = held_up(world, world.run(a_plan(world.queue(unjoined=0, off_queue=0))))
    deployment.template.write_text(deployment.text.replace("        AuditFunction: !GetAtt AuditFunction.Arn\n", ""))
    os.kill(world.ready["pid"], signal.SIGUSR1)
    until(lambda: "not updated: " in deployment.said.read_text())
    world.sim.clear_faults()
    run.ends("completed").reaches("Audit", "Unlock")
    world.run(a_plan(world.queue())).ends("completed")
