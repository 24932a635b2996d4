"""Ten distributions at once share one budget: no request over the limit."""

import pytest

from local.genesys import GenesysSimulator
from tests.asl.carriers import CARRIERS, Carrier
from tests.asl.runner import CLIENT_ID, CLIENT_SECRET, World, served_stack

LIMIT, WINDOW_S, RESERVED = 50, 10.0, 0.05
"""The limit of 300 requests a minute, in a window that a test can see the end of.

What delays a request after its slot does not shrink with the window: by itself, this one would leave 0.2 s for it
where a minute leaves 1.2 s; with the reserve it is 0.75 s. An `allowed` of 50 is not taken for a rate per minute.
"""
DISTRIBUTIONS, MEMBERS = 10, 8


@pytest.fixture(scope="module")
def limited_world(tmp_path_factory):
    limit = {"rate_limit": LIMIT, "rate_window_s": WINDOW_S}
    deployed = {"REQUESTS_PER_MINUTE": "300", "RESERVED_FOR_OTHERS": str(RESERVED), "MAX_RETRY_AFTER_S": "5"}
    with (
        GenesysSimulator(contract="platform", client_id=CLIENT_ID, client_secret=CLIENT_SECRET, **limit) as sim,
        served_stack(tmp_path_factory.mktemp("budget"), sim.url, "platform", **deployed) as ready,
    ):
        world = World(ready, sim)
        world.warm()
        # All can begin at once then, before anybody has seen a limit: nobody waits for the first token.
        world.client("lambda").invoke(FunctionName="TokenFunction", Payload=b'{"refused": ""}')
        yield world
        world.close()


def test_ten_distributions_at_once_stay_within_the_limit(limited_world):
    ring = Carrier("ring", limited_world, **CARRIERS["ring"])
    weights = ring.weights(MEMBERS)
    runs = [limited_world.run(ring.plan(ring.queue(MEMBERS), weights)) for _ in range(DISTRIBUTIONS)]
    for run in runs:
        run.start()
    for run in runs:
        run.ends("completed")
        assert ring.held(run.queue_id) == ring.expected(weights)

    counted = [entry for entry in limited_world.sim.requests() if entry["path"].startswith("/api/")]
    began = counted[0]["monotonic"]
    refused = [entry["monotonic"] - began for entry in counted if entry["status"] == 429]
    assert [at for at in refused if at > 1.0] == []
