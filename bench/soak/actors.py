"""Those who use the system in a soak, one thread each: they act, wait for the end, and let the oracle judge."""

import json
import random
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import requests
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from bench.outside import WEBHOOK_SECRET, Stack
from bench.soak.ledger import Ledger
from bench.soak.oracle import WRAP_UP, Model, misheld, rings
from local.genesys import GenesysSimulator
from routing_weights.domain.signing import DELIVERY, SIGNATURE, TIMESTAMP, signature

MEMBERS = 4
TIMEOUT_S = 60.0
PATIENCE_S = 420.0
"""How long a distribution may take under faults before its missing end is a finding."""
DRIFT_PATIENCE_S = 800.0
"""The messages of a killed function come back after the VisibilityTimeout of WebhookQueue, 720 s."""
_RETRIED = {429, 500, 502, 503, 504}
_BULLSEYE = {"rings": [{"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": 2}]}] * 6}
_LINE = "a person's own text"

RULES = {
    "ends": "Every distribution ends in a closed record.",
    "truth": "Genesys holds what the record says: the plan, or the state before, or the named leftovers.",
    "lock": "The lock of a queue is free after its distribution.",
    "others": "What a person changed meanwhile stays.",
    "door": "The API answers only with documented statuses, and a repeated Idempotency-Key starts nothing new.",
    "drift": "An outsider's change is on record, and is repaired if the plan says so.",
    "expiry": "A temporary plan is reverted after its end.",
    "schedule": "A schedule misses no run.",
    "fleet": "A fleet ends, and each of its queues holds what its records say.",
    "draws": "No draw is lost or counted twice, and a repeated question has the same answer.",
    "budget": "Genesys refuses no request because of its rate limit.",
    "chain": "The chain of each queue's audit records has no gap, and each record has its hash.",
    "approval": "A plan that needs approval writes nothing before it, and ends as it was answered.",
    "rest": "At the end no execution, lock or message is left, and no dead letter.",
}
"""The rules of the oracle."""


@dataclass
class Place:
    """The system, the Genesys behind it, and the ledger."""

    genesys: GenesysSimulator
    stack: Stack
    ledger: Ledger
    stopping: threading.Event = field(default_factory=threading.Event)
    _local: threading.local = field(default_factory=threading.local)

    def client(self, service: str) -> Any:
        """Return this thread's client of a service."""
        name = f"client_{service}"
        if not hasattr(self._local, name):
            setattr(self._local, name, self.stack.client(service, Config(retries={"total_max_attempts": 4})))
        return getattr(self._local, name)

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Send a request until its answer is not that a service is down, as docs/openapi.json tells callers to."""
        if not hasattr(self._local, "http"):
            self._local.http = requests.Session()
            self._local.http.trust_env = False
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        for attempt in range(12):
            with suppress(requests.RequestException):
                url = f"{self.stack.api_url}{path}"
                answer: requests.Response = self._local.http.request(
                    method, url, data=data, headers=headers, timeout=TIMEOUT_S
                )
                self.ledger.answered(answer.status_code)
                if answer.status_code not in _RETRIED:
                    return answer
            time.sleep(min(5.0, 0.5 * 2**attempt))
        raise TimeoutError(f"{method} {path} has no answer after 12 attempts")

    def items(self, table: str, key: str, value: str) -> list[dict[str, Any]]:
        """Return the items of a partition."""
        pages = (
            self.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=self.stack.ready[table],
                KeyConditionExpression=f"{key} = :key",
                ExpressionAttributeValues={":key": {"S": value}},
                ConsistentRead=True,
            )
        )
        plain = TypeDeserializer()
        return [{name: plain.deserialize(v) for name, v in item.items()} for page in pages for item in page["Items"]]

    def closed(self, distribution_id: str, patience_s: float = PATIENCE_S) -> dict[str, Any] | None:
        """Wait for the end of a distribution, and return its record as the API shows it. None: it did not end."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            with suppress(ClientError, BotoCoreError):  # a fault of DynamoDB hits this reader, too
                records = self.items("audit_table", "distribution_id", distribution_id)
                if any(item["record"] == "9-closed" for item in records):
                    answer = self.ask("GET", f"/distributions/{distribution_id}")
                    if answer.status_code == 200:
                        document: dict[str, Any] = answer.json()
                        return document
            time.sleep(0.5)
        return None

    def unlocked(self, queue_id: str, patience_s: float = 120.0) -> bool:
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            with suppress(ClientError, BotoCoreError):
                if not self.items("locks_table", "queue_id", queue_id):
                    return True
            time.sleep(0.3)
        return False


@dataclass
class SoakQueue:
    """A queue of its own members, and what it should hold."""

    place: Place
    queue_id: str
    model: Model = field(init=False)
    known: set[str] = field(default_factory=set)
    """The distributions that are judged."""

    def __post_init__(self) -> None:
        self.users = [f"{self.queue_id}-agent-{number}" for number in range(1, MEMBERS + 1)]
        members = [
            {"user": {"id": user}, "ringNumber": 1, "joined": True, "routingStatus": {"status": "IDLE"}}
            for user in self.users
        ]
        self.place.genesys.put_queue(self.queue_id, members=members, queue={"bullseye": _BULLSEYE})
        self.model = Model(self.held())

    def held(self) -> dict[str, float]:
        state = self.place.genesys.state_of(self.queue_id)
        held = {member["user"]["id"]: float(member["ringNumber"]) for member in state["members"]}
        return held | {WRAP_UP: state["queue"]["acwSettings"]["timeoutMs"] / 1000}

    def weights(self, rng: random.Random) -> dict[str, float]:
        steps = rng.sample((1.0, 0.9, 0.7, 0.5, 0.3, 0.1), MEMBERS)
        return {user: round(step / sum(steps) * 0.99, 6) for user, step in zip(self.users, steps, strict=True)}

    def plan(self, rng: random.Random, **changes: Any) -> dict[str, Any]:
        return {
            "queue_id": self.queue_id,
            "member_weights": self.weights(rng),
            "overflow_threshold": 0.85,
            "utilization_target": 0.8,
            "strategy_reference": "by-weight",
            "actuator": "ring",
            "projected_load": 0.5,
            "wrap_up_timeout_s": rng.randint(20, 90),
            "wait_for_lock_s": 120,
            "requested_by": "soak",
            **changes,
        }

    def expected(self, plan: Mapping[str, Any]) -> dict[str, float]:
        return rings(plan["member_weights"]) | {WRAP_UP: float(plan["wrap_up_timeout_s"])}

    def judge(self, distribution_id: str, plan: Mapping[str, Any], door: str, began: float) -> dict[str, Any] | None:
        """Wait for the end of a distribution, and judge it. `plan` is empty for one that sets nothing."""
        ledger = self.place.ledger
        record = self.place.closed(distribution_id)
        self.known.add(distribution_id)
        if record is None:
            ledger.check("ends", f"{distribution_id} ({door}) has no closed record after {PATIENCE_S:g} s")
            return None
        ledger.check("ends")
        free = self.place.unlocked(self.queue_id)
        ledger.check("lock", None if free else f"{self.queue_id} is still locked after {distribution_id}")
        ledger.ran(door, record, time.monotonic() - began)
        sets = self.expected(plan) if plan else {}
        ledger.check("truth", *(f"{distribution_id}: {wrong}" for wrong in self.model.judge(record, sets, self.held())))
        return record

    def newer(self) -> list[dict[str, Any]]:
        """Return the distributions that are not judged yet, oldest first."""
        answer = self.place.ask("GET", f"/queues/{self.queue_id}/distributions?limit=20")
        answer.raise_for_status()
        items = [item for item in answer.json()["items"] if item["distribution_id"] not in self.known]
        return sorted(items, key=lambda item: item["started_at"])


class Actor(threading.Thread, ABC):
    """A thread that takes one turn after another until the soak ends. What a turn raises is a finding."""

    pause_s: ClassVar[float] = 1.0

    def __init__(self, place: Place, name: str, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.place, self.rng, self.ledger = place, random.Random(f"{seed} {name}"), place.ledger

    def run(self) -> None:
        while not self.place.stopping.is_set():
            try:
                self.turn()
            except Exception as error:  # noqa: BLE001 - an actor must not end before the soak
                self.ledger.check("door", f"{self.name}: {type(error).__name__}: {str(error)[:300]}")
            self.place.stopping.wait(self.pause_s * self.rng.uniform(0.5, 1.5))

    @abstractmethod
    def turn(self) -> None: ...

    def rest(self) -> Iterable[SoakQueue]:
        """Return the queues that the oracle looks at once more at the end."""
        return ()

    def submit(self, plan: Mapping[str, Any], key: str = "") -> requests.Response:
        return self.place.ask("POST", "/plans", plan, {"Idempotency-Key": key or str(uuid.uuid4())})


STATUS = [
    {"action": "status", "status": 429, "headers": {"Retry-After": "1"}, "times": 2},
    {"action": "status", "status": 500, "times": 3},
    {"action": "status", "status": 500, "times": 40},
    {"action": "status", "status": 503, "times": 2},
    {"action": "status", "status": 403, "times": 1},
    {"action": "reset_before", "times": 2},
    {"action": "reset_after", "times": 1},
    {"action": "drop", "times": 1},
    {"action": "malformed", "times": 1},
    {"action": "cut", "times": 1},
    {"action": "delay", "delay_s": 3.0, "times": 2},
    {"action": "timeout", "times": 2},
    {"action": "conflict", "times": 1},
]
"""Faults of Genesys at the requests about one queue."""


class Planner(Actor):
    """Sends plans for one queue, one after another: good and bad ones, with faults, aborts and repeated keys."""

    def __init__(self, place: Place, name: str, seed: int) -> None:
        super().__init__(place, name, seed)
        self.queue = SoakQueue(place, name)

    def rest(self) -> Iterable[SoakQueue]:
        return [self.queue]

    def turn(self) -> None:
        rng, queue = self.rng, self.queue
        kind = rng.choices(("plan", "dry run", "overload", "approval", "invalid", "revert"), (70, 6, 6, 6, 6, 6))[0]
        if kind == "invalid":
            return self._refused()
        of_kinds: dict[str, dict[str, Any]] = {
            "dry run": {"dry_run": True},
            "overload": {"projected_load": 45.0},
            "approval": {"forecast": {"offered": 4, "aht_s": 180}},
        }
        changes = of_kinds.get(kind, {})
        plan = queue.plan(rng, **changes)
        if kind == "approval":
            del plan["projected_load"]
        renamed = self._spoil() if rng.random() < 0.5 else ""
        began, key = time.monotonic(), str(uuid.uuid4())
        completed = list(queue.model.images)
        if kind == "revert" and completed:
            path = f"/distributions/{completed[-1]}/restore"
            answer = self.place.ask("POST", path, {}, {"Idempotency-Key": key})
        else:
            answer = self.submit(plan, key)
        if answer.status_code != 202:
            return self.ledger.check("door", f"a good plan got {answer.status_code}: {answer.text[:200]}")
        started = answer.json()
        if rng.random() < 0.1 and kind != "revert":
            again = self.submit(plan, key).json()
            same = again.get("distribution_id") == started["distribution_id"]
            self.ledger.check("door", None if same else f"a repeated key started {again}")
        if rng.random() < 0.06:
            time.sleep(rng.uniform(0.2, 2.0))
            with suppress(ClientError):  # it has ended
                self.place.client("stepfunctions").stop_execution(executionArn=started["execution_arn"])
                self.ledger.note("executions aborted by a person")
        writes = kind in {"plan", "revert"}
        queue.judge(started["distribution_id"], plan if writes else {}, "api" if kind != "revert" else "revert", began)
        if renamed and self._has_edited(began):
            name = self.place.genesys.state_of(queue.queue_id)["queue"]["name"]
            self.ledger.check("others", None if name == renamed else f"{queue.queue_id} was renamed, and is {name}")
        return None

    def _has_edited(self, since: float) -> bool:
        """Return True if the run came so far that the person's edit was made."""
        entries = self.place.genesys.requests(since)
        return any(entry["fault"] == "edit" and self.queue.queue_id in entry["path"] for entry in entries)

    def _spoil(self) -> str:
        """Spoil some of the requests about the queue. Returns its new name if a person renames it meanwhile."""
        rng, path = self.rng, f"{self.queue.queue_id}(-agent-\\d)?(/|$)"
        if rng.random() < 0.15:
            name = f"{_LINE} {rng.randrange(10**6)}"
            self.place.genesys.add_faults(
                {"action": "edit", "method": "GET", "path": path, "skip": rng.randrange(4), "body": {"name": name}}
            )
            self.ledger.note("faults of Genesys prepared: a person renames the queue")
            return name
        method = rng.choice(["GET", "PATCH", "PUT", "PATCH|PUT", ".*"])
        fault = rng.choice(STATUS) | {"method": method, "path": path, "skip": rng.randrange(6)}
        self.place.genesys.add_faults(fault)
        self.ledger.note(f"faults of Genesys prepared: {fault['action']} {fault.get('status', '')}".rstrip())
        return ""

    def _refused(self) -> None:
        plan = self.queue.plan(self.rng, overflow_threshold=1.2, colour="red")
        answer = self.submit(plan)
        paths = {problem["path"] for problem in answer.json().get("errors", [])}
        fine = answer.status_code == 422 and paths == {"overflow_threshold", "colour"}
        self.ledger.check("door", None if fine else f"a wrong plan got {answer.status_code}: {answer.text[:200]}")


class Outsider(Actor):
    """Edits a queue behind the system's back, tells it by a webhook, and expects drift on record, and a repair."""

    pause_s = 5.0

    def __init__(self, place: Place, name: str, seed: int) -> None:
        super().__init__(place, name, seed)
        self.queue = SoakQueue(place, name)

    def rest(self) -> Iterable[SoakQueue]:
        return [self.queue]

    def turn(self) -> None:
        queue, rng = self.queue, self.rng
        repairs = rng.random() < 0.6
        plan, began = queue.plan(rng, on_drift="repair" if repairs else "notify"), time.monotonic()
        record = queue.judge(self.submit(plan).json()["distribution_id"], plan, "api", began)
        if not record or record["status"] != "completed":
            return
        user = rng.choice(queue.users)
        ring = next(number for number in (6, 5, 4) if number != queue.model.held[user])
        self.place.genesys.edit_member(queue.queue_id, user, ringNumber=ring)
        queue.model.edit(user, float(ring))
        self.ledger.note("rings edited by an outsider")
        self._tell(queue.queue_id)
        entry = self._entry(queue.queue_id, record["distribution_id"], user)
        if not entry and self.place.stopping.is_set():
            return
        self.ledger.check("drift", None if entry else f"{queue.queue_id}: the edit of {user} is not on record")
        if entry and repairs:
            self._repaired(began)

    def _repaired(self, began: float) -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and not self.place.stopping.is_set():
            for item in self.queue.newer():
                repair = self.queue.judge(item["distribution_id"], {}, "repair", began)
                if repair and repair["status"] == "completed":
                    return self.ledger.check("drift")
            time.sleep(2)
        if not self.place.stopping.is_set():
            self.ledger.check("drift", f"{self.queue.queue_id} is not repaired after {PATIENCE_S:g} s")
        return None

    def _tell(self, queue_id: str) -> None:
        body = json.dumps({"topicName": f"v2.routing.queues.{queue_id}.users", "eventBody": {}}).encode()
        delivery = str(uuid.uuid4())
        for _ in range(self.rng.choice((1, 1, 2))):
            stamp = str(int(time.time()))
            headers = {TIMESTAMP: stamp, DELIVERY: delivery}
            headers[SIGNATURE] = signature(WEBHOOK_SECRET.encode(), stamp, body)
            answer = self.place.ask("POST", "/webhooks/genesys/callback", body, headers)
            fine = answer.status_code in {200, 202}
            self.ledger.check("door", None if fine else f"a webhook got {answer.status_code}: {answer.text[:200]}")

    def _entry(self, queue_id: str, distribution_id: str, user: str) -> bool:
        end = time.monotonic() + DRIFT_PATIENCE_S
        while time.monotonic() < end and not self.place.stopping.is_set():
            items = self.place.ask("GET", f"/queues/{queue_id}/drift").json().get("items", [])
            if any(
                item["distribution_id"] == distribution_id and user in {each["member"] for each in item["differences"]}
                for item in items
            ):
                return True
            time.sleep(1)
        return False


class Temporary(Actor):
    """Applies temporary plans, and expects each to be reverted."""

    def __init__(self, place: Place, name: str, seed: int) -> None:
        super().__init__(place, name, seed)
        self.queue = SoakQueue(place, name)

    def rest(self) -> Iterable[SoakQueue]:
        return [self.queue]

    def turn(self) -> None:
        queue = self.queue
        until, began = datetime.now(UTC) + timedelta(seconds=self.rng.randint(100, 150)), time.monotonic()
        plan = queue.plan(self.rng, until=until.isoformat())
        record = queue.judge(self.submit(plan).json()["distribution_id"], plan, "api", began)
        if not record or record["status"] != "completed":
            return None
        while datetime.now(UTC) < until + timedelta(minutes=6):
            for item in queue.newer():
                revert = queue.judge(item["distribution_id"], {}, "expiry", time.monotonic())
                if revert and revert["status"] == "completed":
                    return self.ledger.check("expiry")
            time.sleep(3)
        return self.ledger.check("expiry", f"{record['distribution_id']} is not reverted 6 min after its end")


class Scheduler(Actor):
    """Has a queue's plan applied each minute by a schedule."""

    pause_s = 10.0

    def __init__(self, place: Place, name: str, seed: int) -> None:
        super().__init__(place, name, seed)
        self.queue = SoakQueue(place, name)
        self.plan = self.queue.plan(self.rng)
        self.began: datetime | None = None
        self.count = 0

    def rest(self) -> Iterable[SoakQueue]:
        return [self.queue]

    def turn(self) -> None:
        if self.began is None:
            start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=30)
            body = {"expression": "rate(1 minute)", "start": start.isoformat(), "plan": self.plan}
            answer = self.place.ask("PUT", "/schedules/soak", body)
            assert answer.status_code in {200, 201}, answer.text
            self.began = start
        self._judge()

    def finish(self) -> None:
        """Delete the schedule, and count its runs."""
        self.place.ask("DELETE", "/schedules/soak")
        if self.began is None:
            return
        due = int((datetime.now(UTC) - self.began).total_seconds() // 60)
        time.sleep(20)
        self._judge()
        fine = due - 1 <= self.count <= due + 2
        self.ledger.check("schedule", None if fine else f"{due} runs were due, and there were {self.count}")

    def _judge(self) -> None:
        for item in self.queue.newer():
            self.queue.judge(item["distribution_id"], self.plan, "schedule", time.monotonic())
            self.count += 1


class Fleets(Actor):
    """Submits fleets of several queues, in waves."""

    pause_s = 8.0
    size: ClassVar[int] = 4

    def __init__(self, place: Place, name: str, seed: int) -> None:
        super().__init__(place, name, seed)
        self.queues = [SoakQueue(place, f"{name}-{number}") for number in range(self.size)]

    def rest(self) -> Iterable[SoakQueue]:
        return self.queues

    def turn(self) -> None:
        rng, began = self.rng, time.monotonic()
        plans = {queue.queue_id: queue.plan(rng) for queue in self.queues}
        spoilt = rng.choice(self.queues) if rng.random() < 0.4 else None
        if spoilt:
            fault = {"action": "status", "status": 403, "method": "PATCH", "path": f"{spoilt.queue_id}/", "times": 1}
            self.place.genesys.add_faults(fault)
            self.ledger.note("faults of Genesys prepared: status 403 in a fleet")
        waves = [{"count": 1}, {"count": 2, "max_failed": 0}]
        options = {"waves": waves, "on_failure": rng.choice(["stop", "revert"])}
        body, key = {"plans": list(plans.values()), "options": options}, {"Idempotency-Key": str(uuid.uuid4())}
        answer = self.place.ask("POST", "/fleets", body, key)
        if answer.status_code != 202:
            return self.ledger.check("fleet", f"a fleet got {answer.status_code}: {answer.text[:200]}")
        fleet = self._ended(answer.json()["fleet_id"])
        if fleet is None:
            return None
        self.ledger.note(f"fleets that ended {fleet['status']}")
        for queue in self.queues:
            for item in queue.newer():
                queue.judge(item["distribution_id"], plans[queue.queue_id], "fleet", began)
            if left := misheld(queue.model, queue.held()):
                self.ledger.check("fleet", f"{fleet['fleet_id']}: {queue.queue_id} differs in {sorted(left)}")
        return None

    def _ended(self, fleet_id: str) -> dict[str, Any] | None:
        end, fleet = time.monotonic() + 2 * PATIENCE_S, dict[str, Any]()
        while time.monotonic() < end:
            fleet = self.place.ask("GET", f"/fleets/{fleet_id}").json()
            if fleet.get("status") == "interrupted":  # its execution broke off: the page says what to do
                self.place.ask("POST", f"/fleets/{fleet_id}/continue")
                self.ledger.note("fleets continued after an interruption")
            elif fleet.get("terminal"):
                self.ledger.check("fleet")
                return fleet
            time.sleep(2)
        self.ledger.check("fleet", f"{fleet_id} is {fleet.get('status')} after {2 * PATIENCE_S:g} s")
        return None


class Approver(Actor):
    """Sends plans that need approval, and approves or rejects them; sometimes the queue changes meanwhile."""

    pause_s = 4.0

    def __init__(self, place: Place, name: str, seed: int) -> None:
        super().__init__(place, name, seed)
        self.queue = SoakQueue(place, name)

    def rest(self) -> Iterable[SoakQueue]:
        return [self.queue]

    def turn(self) -> None:
        queue, rng, began = self.queue, self.rng, time.monotonic()
        plan = queue.plan(rng, require_approval=True)
        started = self.place.client("stepfunctions").start_execution(  # by somebody else than who answers
            stateMachineArn=self.place.stack.ready["state_machine_arn"], input=json.dumps(plan)
        )
        distribution_id, answer = (
            started["executionArn"].rpartition(":")[2],
            rng.choice(["approve", "approve", "reject"]),
        )
        asked = self._asked(distribution_id)
        if asked and rng.random() < 0.3:
            user, ring = rng.choice(queue.users), float(rng.choice((2, 5)))
            self.place.genesys.edit_member(queue.queue_id, user, ringNumber=int(ring))
            queue.model.edit(user, ring)
            self.ledger.note("queues changed while a distribution waited for approval")
        while asked:
            left = misheld(queue.model, queue.held())
            self.ledger.check(
                "approval", f"{distribution_id} wrote before its approval: {sorted(left)}" if left else None
            )
            self._answer(distribution_id, answer, asked["hash"])
            asked = self._asked(distribution_id, other_than=asked["hash"])
        record = queue.judge(distribution_id, plan, "approval", began)
        if record and answer == "reject":
            fine = record["status"] != "completed"
            self.ledger.check(
                "approval", None if fine else f"{distribution_id} was rejected, and is {record['status']}"
            )

    def _answer(self, distribution_id: str, answer: str, seen: str) -> None:
        """Answer through the API, or in the console."""
        status = 0
        if self.rng.random() < 0.5:
            path = f"/distributions/{distribution_id}/{answer}"
            status = self.place.ask("POST", path, {"reason": "soak", "hash": seen}).status_code
            self.ledger.check("approval", None if status in {202, 403, 409} else f"{path} got {status}")
            self.ledger.note(f"approvals answered through the API: {answer} {status}")
        if not status or status == 403:  # the gateway of this stack does not say who calls
            self.place.client("stepfunctions").start_execution(
                stateMachineArn=self.place.stack.ready["state_machine_arn"],
                input=json.dumps({f"{answer}s": distribution_id, "reason": "soak"}),
            )
            self.ledger.note(f"approvals answered in the console: {answer}")

    def _asked(self, distribution_id: str, other_than: str = "") -> dict[str, Any] | None:
        """Wait until it asks for approval of something that was not answered, or for 45 s. None: it has ended."""
        end, again = time.monotonic() + PATIENCE_S, time.monotonic() + 45
        while time.monotonic() < end:
            answer = self.place.ask("GET", f"/distributions/{distribution_id}")
            shown = answer.json() if answer.status_code == 200 else {}
            asked: dict[str, Any] = shown.get("approval") or {}
            if asked.get("state") == "waiting" and (asked["hash"] != other_than or time.monotonic() > again):
                return asked
            if shown.get("terminal") or shown.get("status") not in {None, "initiated"}:
                return None
            time.sleep(0.5)
        return None


class Drawer(Actor):
    """Draws for the contacts of one queue, by both doors, and asks now and then for the same contact again."""

    pause_s = 0.0

    def __init__(self, place: Place, name: str, seed: int, per_second: float) -> None:
        super().__init__(place, name, seed)
        self.queue_id, self.per_second = name, per_second
        self.users = [f"{name}-agent-{number}" for number in range(1, 4)]
        members = [{"user": {"id": user}, "joined": True, "routingStatus": {"status": "IDLE"}} for user in self.users]
        place.genesys.put_queue(name, members=members)
        self.reasons: Counter[str] = Counter()
        """Of each conversation's first answer that is one."""
        self.unsure = 0
        self.number = 0
        self.planned_at = -1e9
        self.last: tuple[str, dict[str, Any]] | None = None

    def turn(self) -> None:
        if self.ledger.now() - self.planned_at > 240:
            self._plan()
        asked = time.monotonic()
        if self.last and self.rng.random() < 0.05:
            conversation, before = self.last
            again = self._draw(conversation)
            same = again is None or again["reason"] == "failed" or again == before
            self.ledger.check("draws", None if same else f"{conversation}: {before}, then {again}")
        else:
            self.number += 1
            conversation = f"{self.queue_id}-conversation-{self.number}"
            answer = self._draw(conversation)
            reason = answer["reason"] if answer else "failed"
            self.reasons[reason] += 1
            if reason in {"failed", "uncounted"}:
                self.unsure += 1
            if answer and reason in {"drawn", "nobody"}:
                self.last = conversation, answer
        self.place.stopping.wait(max(0.0, 1 / self.per_second - (time.monotonic() - asked)))

    def _plan(self) -> None:
        """Put other shares in force."""
        shares = self.rng.sample((0.5, 0.3, 0.15, 0.1), 3)
        plan = {
            "queue_id": self.queue_id,
            "member_weights": dict(zip(self.users, shares, strict=True)),
            "overflow_threshold": 0.85,
            "utilization_target": 0.8,
            "strategy_reference": "share-by-weight",
            "projected_load": 0.2,
            "wait_for_lock_s": 120,
        }
        self.planned_at, began = self.ledger.now(), time.monotonic()
        record = self.place.closed(self.submit(plan).json()["distribution_id"])
        if record is None:
            return self.ledger.check("ends", f"a plan of shares for {self.queue_id} has no closed record")
        self.ledger.check("ends")
        self.ledger.ran("share", record, time.monotonic() - began)
        if record["status"] == "completed":
            item = self._item("weights")
            held = json.loads(item["shares"])["weights"] if item else None
            fine = held == plan["member_weights"]
            self.ledger.check("truth", None if fine else f"{record['distribution_id']}: {held} are in force")
        return None

    def _draw(self, conversation: str) -> dict[str, Any] | None:
        at, began = self.ledger.now(), time.perf_counter()
        body = {"conversation_id": conversation, "media": "message"}
        answer: Any = None
        with suppress(requests.RequestException, ClientError, BotoCoreError, ValueError):
            if self.rng.random() < 0.5:
                url = f"{self.place.stack.api_url}/queues/{self.queue_id}/draws"
                response = requests.post(url, json=body, timeout=TIMEOUT_S)
                self.ledger.answered(response.status_code)
                answer = response.json() if response.status_code == 200 else None
            else:
                payload = json.dumps(body | {"queue_id": self.queue_id})
                given = self.place.client("lambda").invoke(FunctionName="DrawFunction", Payload=payload)
                answer = json.loads(given["Payload"].read())
        if answer is not None and "reason" not in answer:  # the runtime was killed
            answer = None
        self.ledger.drew(at, (time.perf_counter() - began) * 1000)
        return dict(answer) if answer else None

    def counted(self) -> int:
        """Return how many draws are stored: those of the history, and those not corrected yet."""
        tally = json.loads(self._item("tally")["tally"])
        count = sum(sum(bucket.values()) for bucket in tally["drawn"].values())
        for item in self.place.items("shares_table", "queue_id", self.queue_id):
            if item["kind"].startswith("drawn#"):
                start = datetime.fromisoformat(item["kind"].removeprefix("drawn#")).timestamp()
                bucket = json.loads(item["bucket"])
                if start < tally["corrected_until"]:
                    count += sum(bucket["drawn"].values()) + bucket["nobody"]
        return count

    def _item(self, kind: str) -> dict[str, Any]:
        items = self.place.items("shares_table", "queue_id", self.queue_id)
        return next((item for item in items if item["kind"] == kind), {})
