"""What goes wrong in a soak beside the faults of single requests: slow answers, revoked tokens, kills, DynamoDB."""

import random
import threading

import requests

from bench.soak import processes
from bench.soak.actors import TIMEOUT_S, Place
from local.stack.faults import PATH as FAULTS

KILL_S, DYNAMODB_S, LATENCY_S, TOKENS_S = 25.0, 20.0, 40.0, 240.0
"""The mean pauses between two of a kind, in seconds."""
OPERATIONS = ("GetItem", "PutItem", "UpdateItem", "Query", "TransactWriteItems", "DeleteItem")
LATENCIES_MS = (0.0, 0.0, 20.0, 100.0, 300.0)
FLAKY = 0.01
"""The share of requests to Genesys that get a temporary refusal."""


class Chaos(threading.Thread):
    def __init__(self, place: Place, seed: int) -> None:
        super().__init__(name="chaos", daemon=True)
        self._place, self._rng = place, random.Random(f"{seed} chaos")

    def run(self) -> None:
        place, rng = self._place, self._rng
        kinds = {self._kill: KILL_S, self._dynamodb: DYNAMODB_S, self._latency: LATENCY_S, self._tokens: TOKENS_S}
        due = {kind: rng.expovariate(1 / mean) for kind, mean in kinds.items()}
        place.genesys.change_settings(flaky=FLAKY)
        while not place.stopping.wait(0.5):
            for kind, at in list(due.items()):
                if place.ledger.now() >= at:
                    kind()
                    due[kind] = place.ledger.now() + rng.expovariate(1 / kinds[kind])

    def calm(self) -> None:
        """Take every fault away."""
        self._place.genesys.clear_faults()
        self._place.genesys.change_settings(flaky=0.0, latency_ms=0.0)
        self._put([])

    def _kill(self) -> None:
        running = sorted(processes.runtimes(self._place.stack.pid).items())
        for pid, name in self._rng.sample(running, min(len(running), self._rng.randint(1, 2))):
            processes.kill(pid)
            self._place.ledger.note(f"runtimes killed: {name}")

    def _dynamodb(self) -> None:
        met = requests.get(f"{self._place.stack.ready['aws_endpoint_url']}{FAULTS}", timeout=TIMEOUT_S).json()
        self._place.ledger.note("faults of DynamoDB met", sum(met))
        operation = self._rng.choice(OPERATIONS)
        action = self._rng.choice(["throttle", "fail", "lose the answer"])
        rule = {"operation": operation, "mentions": [], "action": action}
        self._put([rule | {"skip": self._rng.randrange(6), "times": self._rng.randint(1, 4)}])
        self._place.ledger.note(f"faults of DynamoDB prepared: {action}")

    def _put(self, rules: list[dict[str, object]]) -> None:
        url = f"{self._place.stack.ready['aws_endpoint_url']}{FAULTS}"
        requests.put(url, json=rules, timeout=TIMEOUT_S).raise_for_status()

    def _latency(self) -> None:
        self._place.genesys.change_settings(latency_ms=self._rng.choice(LATENCIES_MS))
        self._place.ledger.note("latency of Genesys changed")

    def _tokens(self) -> None:
        self._place.genesys.revoke_tokens()
        self._place.genesys.clear_faults()  # those that no request has met
        self._place.ledger.note("all tokens revoked")
