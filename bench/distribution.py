"""One distribution through the embedded stack, measured from its request to the end of its execution."""

import json
import math
import time
from collections import Counter
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from bench import outside
from bench.outside import Genesys, Stack

DONE = {"SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"}
RINGS = 6


@dataclass(frozen=True)
class Measured:
    """Of one distribution. `paced_s` is the time from its first request to Genesys to its last answer."""

    members: int
    seconds: float
    paced_s: float
    writes: int
    reads: int
    refused: int
    states: int
    in_flight: int
    connections: int
    seconds_by_state: dict[str, float]
    execution_arn: str

    @property
    def requests(self) -> int:
        return self.writes + self.reads

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"requests": self.requests}


def weights_of(members: int, team: str = "agent") -> dict[str, float]:
    """Return different weights whose sum is below 1, by member. Queues of one team have the same members."""
    total = members * (members + 1) / 2
    return {f"{team}-{n:03}": 0.9 * n / total for n in range(1, members + 1)}


def rings_of(members: int, team: str = "agent") -> dict[str, int]:
    """Return the ring of each weight of `weights_of`, as docs/use/weights.md has it."""
    weights = {user: Fraction(repr(weight)) for user, weight in weights_of(members, team).items()}
    largest = max(weights.values())
    return {user: 1 + min(RINGS - 1, math.floor(RINGS * (1 - weight / largest))) for user, weight in weights.items()}


def values_of(contract: str, members: int) -> dict[str, float]:
    """Return what each member shall hold: the naive client's input, and the end state of both."""
    if contract == "score":
        return weights_of(members)
    return dict(rings_of(members))


def put_queue(genesys: Genesys, queue_id: str, members: int, team: str = "agent") -> None:
    """Make a queue in which every member's value differs from the plan's."""
    spec: dict[str, Any] = {"agents": members, "off_queue": 0, "unjoined": 0}
    if genesys.contract == "platform":
        timeout = {"type": "TIMEOUT_SECONDS", "threshold": 10}
        del spec["agents"], spec["off_queue"], spec["unjoined"]
        spec["members"] = [
            {
                "user": {"id": user},
                "ringNumber": RINGS if ring == 1 else 1,
                "joined": True,
                "routingStatus": {"status": "IDLE"},
            }
            for user, ring in rings_of(members, team).items()
        ]
        spec["queue"] = {"bullseye": {"rings": [{"expansionCriteria": [timeout]}] * RINGS}}
    genesys.control("PUT", f"queues/{queue_id}", spec)


def held(genesys: Genesys, queue_id: str) -> dict[str, float]:
    field = "score" if genesys.contract == "score" else "ringNumber"
    members = genesys.control("GET", "state")["queues"][queue_id]["members"]
    return {member["user"]["id"]: member[field] for member in members}


def plan(contract: str, queue_id: str, members: int, team: str = "agent") -> dict[str, Any]:
    return {
        "queue_id": queue_id,
        "member_weights": weights_of(members, team),
        "overflow_threshold": 0.85,
        "utilization_target": 0.8,
        "strategy_reference": "by-weight",
        "projected_load": 1.0,
        "actuator": "score" if contract == "score" else "ring",
    }


def distribute(stack: Stack, document: dict[str, Any], status: str = "completed") -> Measured:
    """Send a plan, wait for its end, and return what was measured. Raises AssertionError for another end."""
    genesys, started = stack.genesys, time.time()
    genesys.forgets_requests()
    answer = stack.http.post(f"{stack.api_url}/plans", json=document, timeout=outside.TIMEOUT_S)
    assert answer.ok, answer.text
    arn, steps = answer.json()["execution_arn"], stack.client("stepfunctions")

    def ended() -> Any:
        execution = steps.describe_execution(executionArn=arn)
        return execution if execution["status"] in DONE else None

    execution = outside.until(f"{arn} does not end", ended)
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    assert json.loads(execution["output"])["status"] == status, execution["output"]
    log, peaks = genesys.requests(), genesys.control("GET", "peaks")
    events = history(stack, arn)
    methods = Counter(entry["method"] for entry in log)
    answered = [entry["answered"] for entry in log if entry["answered"] is not None]
    return Measured(
        members=len(document["member_weights"]),
        seconds=events[-1]["timestamp"].timestamp() - started,
        paced_s=max(answered) - log[0]["monotonic"],
        writes=methods.total() - methods["GET"],
        reads=methods["GET"],
        refused=sum(entry["status"] == 429 for entry in log),
        states=sum(event["type"].endswith("StateEntered") for event in events),
        in_flight=peaks["in_flight"],
        connections=peaks["connections"],
        seconds_by_state=_by_state(events),
        execution_arn=arn,
    )


def history(stack: Stack, arn: str) -> list[dict[str, Any]]:
    pages = stack.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
    return [event for page in pages for event in page["events"]]


def _by_state(events: list[dict[str, Any]]) -> dict[str, float]:
    """Return the seconds that an execution spent in each of its states."""
    spent: dict[str, float] = {}
    name, since = "", 0.0
    for event in events:
        at = event["timestamp"].timestamp()
        if event["type"].endswith("StateEntered"):
            name, since = event["stateEnteredEventDetails"]["name"], at
        elif event["type"].endswith("StateExited"):
            spent[name] = spent.get(name, 0.0) + at - since
    return spent
