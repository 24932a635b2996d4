"""docs/operate/stop.md: without PatchFunction nothing new is applied, and every plan says so."""

import pytest

from local.genesys import GenesysSimulator
from tests.support.world import CLIENT_ID, CLIENT_SECRET, ROOT, World, a_plan, served_stack


@pytest.fixture
def stopped(tmp_path):
    """A stack of which PatchFunction has a reserved concurrency of 0, as the page's command sets it."""
    for name in ("functions", "layers", "statemachine"):
        (tmp_path / name).symlink_to(ROOT / name)
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    code = "      CodeUri: functions/patch/\n"
    assert text.count(code) == 1
    template = tmp_path / "template.yaml"
    template.write_text(text.replace(code, f"{code}      ReservedConcurrentExecutions: 0\n"), encoding="utf-8")
    with (
        GenesysSimulator(contract="platform", client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as sim,
        served_stack(tmp_path, sim.url, "platform", template) as ready,
    ):
        world = World(ready, sim)
        yield world
        world.close()


def test_without_the_patch_function_nothing_is_written(stopped):
    queue = stopped.queue()
    plan = a_plan(queue, strategy_reference="ring-by-weight")
    dry, real = stopped.run({**plan, "dry_run": True}), stopped.run({**plan, "wait_for_lock_s": 60})
    dry.ends("dry_run")
    real.wait().reaches("Patch queue", "Restore", "Audit", "Unlock", "Failed")
    assert real.record["status"] == "queue_update_failed"
    assert real.writes == []
    assert real.record["restore"]["outcome"] == "not_needed"
    assert real.record["errors"][0]["type"] == "Lambda.TooManyRequestsException"
