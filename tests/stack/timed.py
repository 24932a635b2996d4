"""A stack whose schedules run by a clock that the test controls."""

import json
from contextlib import contextmanager

from local.genesys import GenesysSimulator
from tests.support.waiting import until
from tests.support.world import CLIENT_ID, CLIENT_SECRET, World, served_stack


class Timed(World):
    """A world whose schedules run by the time in a file."""

    def turn(self, moment):
        """Set the clock. A reader never sees half of the file."""
        new = self.clock.with_suffix(".new")
        new.write_text(moment.isoformat())
        new.replace(self.clock)

    def call(self, method, path, body=None, **query):
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        return self.http.request(method, f"{self.api_url}/schedules{path}", data=data, params=query, timeout=60)

    def distributions(self, queue):
        return self.get(f"/queues/{queue}/distributions").json()["items"]

    def ended(self, queue, count):
        """Wait until the queue has this many ended distributions, and return them, the newest first."""

        def over():
            found = self.distributions(queue)
            return found if len(found) >= count and all(item["terminal"] for item in found) else None

        found = until(over)
        assert len(found) == count
        return found


@contextmanager
def timed_world(folder, moment, **settings):
    """A `Timed` world that begins at `moment`."""
    clock = folder / "clock"
    clock.write_text(moment.isoformat())
    with (
        GenesysSimulator(contract="score", client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as sim,
        served_stack(folder, sim.url, "score", SCHEDULE_CLOCK=str(clock), **settings) as ready,
    ):
        world = Timed(ready, sim)
        world.clock = clock
        yield world
        world.close()
