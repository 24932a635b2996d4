"""A secret that the system writes somewhere is found, and fails the run."""

import base64

from local.genesys import GenesysSimulator
from local.planted import planted
from local.stack.stack import PERMISSIONS_FOLDER
from tests.support.leaks import complaints
from tests.support.world import CLIENT_ID, CLIENT_SECRET, World, a_plan, served_stack

EVERYWHERE = {
    "answer of PlansFunction",
    "dynamodb:PutItem arn:aws:dynamodb:us-east-1:123456789012:table/AuditTable",
    "event of ValidateFunction",
    "events:PutEvents arn:aws:events:us-east-1:123456789012:event-bus/OutgoingBus",
    "history of DistributeStateMachine",
    "log of the functions",
    "s3:PutObject arn:aws:s3:::documentsbucket/distributions/",
    "states:StartExecution arn:aws:states:us-east-1:123456789012:stateMachine:DistributeStateMachine",
}


def test_a_secret_in_a_plan_is_found_in_every_place_that_the_plan_reaches(tmp_path):
    written = tmp_path / "written"
    written.mkdir()
    with (
        GenesysSimulator(contract="platform", client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as sim,
        served_stack(tmp_path, sim.url, "platform", **{PERMISSIONS_FOLDER: str(written)}) as ready,
    ):
        world = World(ready, sim)
        secret = planted("slip", "1")
        encoded = base64.b64encode(planted("slip", "2").encode()).decode()
        run = world.run(a_plan(world.queue(), reason=secret, requested_by=encoded)).ends("completed")
        world.distribution(run.distribution_id)
        world.close()
    lines = list(complaints(written, whole=False))
    for kind in ("slip", "encoded"):
        found = {place for place in EVERYWHERE for line in lines if f"leaks: {place}" in line and f": {kind}: " in line}
        assert EVERYWHERE - found == set()
    assert all("slip" in line or "encoded" in line for line in lines), "nothing else leaks"
