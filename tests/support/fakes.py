"""Fakes: a clock that only sleeping moves, a session that answers from a list, and builders for domain objects."""

import copy
import importlib.util
import json
import math
from dataclasses import astuple, replace
from datetime import UTC, datetime
from pathlib import Path

import requests

from routing_weights.application.account import Account
from routing_weights.domain.actuation import Actuation
from routing_weights.domain.actuators.ring import Ring
from routing_weights.domain.approval import Gate, Policy
from routing_weights.domain.decision import Decision, Image, Work
from routing_weights.domain.effort import Effort, Spent, prices
from routing_weights.domain.execution import Execution
from routing_weights.domain.fleet import execution_name
from routing_weights.domain.plan import Plan, parse_plan
from routing_weights.domain.queue import Member, Queue, QueueSettings
from routing_weights.domain.record import Records, RunSummary, last_completed, timestamp
from routing_weights.domain.run import Origin, Run, Started, distribution_of
from routing_weights.domain.standings import Standings, Status
from routing_weights.domain.strategies import Strategy
from routing_weights.domain.target import Target, in_groups
from routing_weights.domain.types import folded
from routing_weights.errors import (
    IdempotencyConflict,
    Interrupted,
    PlanNotApplicable,
    QueueChanged,
    RoutingWeightsError,
    StoreUnavailable,
    first_error,
)
from routing_weights.projection.checks import GATES, Limits
from routing_weights.projection.outlook import Draws

SMALLEST_PLAN = {
    "queue_id": "queue-001",
    "member_weights": {"agent-1": 0.4, "agent-2": 0.35, "agent-3": 0.25},
    "overflow_threshold": 0.85,
    "utilization_target": 0.8,
    "strategy_reference": "longest-available-agent",
}


RING = Ring(0.4)


def plan(**changes) -> Plan:
    return parse_plan(json.dumps(SMALLEST_PLAN | changes))


def member(user_id, weight=0.0, *, active=True, joined=True, skills=(), value=None, by_group=False, **native):
    """A member who is not active is off queue."""
    held = dict.fromkeys(map(folded, skills))
    away = None if active else "OFF_QUEUE"
    return Member(user_id, weight, joined, away, held, native, carried=value, by_group=by_group)


def queue(*members, queue_id="queue-001", native=None, skill=(None, None), **settings):
    """`settings` beside an overflow threshold of 0.85 and a wrap-up time-out of 30 s."""
    held = QueueSettings(**{"overflow_threshold": 0.85, "wrap_up_timeout_s": 30.0} | settings)
    return Queue(queue_id, held, tuple(members), native or {}, skill_id=skill[0], skill_name=skill[1])


def target(weights, *, values=None, joins=False, **settings):
    """What a queue will hold; the values are the weights themselves unless they are given."""
    return Target(weights, weights if values is None else values, settings, joins)


DRAWS = Draws(standings_s=0.0, limit=20)


def limits(**changes):
    """The limits of a deployment that requires every gate."""
    return Limits(**{"saturation": 0.95, "max_abandonment": 0.1, "required": frozenset(GATES)} | changes)


def work(wanted, target_, before, actuator=RING, *, skill=(None, None), groups=(), statement=None):
    """What was decided for `wanted`, for a queue that held `before`."""
    contract = "score" if actuator.name == "score" else "platform"
    actuation = Actuation(actuator, Strategy(description="of a test"), skill[1], groups)
    held = replace(before, skill_id=skill[0], skill_name=skill[1])
    decision = Decision.of(contract, actuation, target_, held, statement or {}, raise_first=contract == "platform")
    return Work(wanted, decision, before)


class PlainContract:
    """The part of a contract that a revert needs, if no setting depends on another."""

    def completed(self, target, _before):
        return target

    def fields_of(self, _queue, _names):
        return {}


def written(contract, before, members, target, key="d-1:member"):
    """Write members by a contract, as Patch does. Raises the first error."""
    for group in in_groups(target, members):
        stops = {"go_on": lambda: True, "stops_at": (RoutingWeightsError,)}
        error = first_error(contract.write_members(before, group, target, key, **stops).values())
        if error:
            raise error


def written_in_turn(members, per_write, write, *, go_on, stops_at):
    """Write members as a contract does, one request after another, and return the answers."""
    answers = {}
    for start in range(0, len(members), per_write):
        if not go_on() or first_error(answers.values(), stops_at):
            break
        chunk, error = members[start : start + per_write], None
        try:
            write(chunk)
        except RoutingWeightsError as refused:
            error = refused
        answers |= {m.user_id: error for m in chunk}
    return answers


def run_of(started_at):
    """A distribution of the API's."""
    return Run(
        distribution_id="d-1",
        execution_arn="arn:execution:d-1",
        started_at=started_at,
        queue_id="queue-001",
        origin=Origin(door="api", caller="arn:user/ops"),
    )


class FakeTime:
    """A monotonic and a wall clock that move together, and only while somebody sleeps."""

    def __init__(self, now=1000.0, wall=1_800_000_000.0):
        self.now, self.offset, self.slept = now, wall - now, []

    def clock(self):
        return self.now

    def wall_clock(self):
        return self.now + self.offset

    def sleep(self, seconds):
        """What the code under test is given instead of a sleep."""
        assert seconds >= 0
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds):
        """Let time pass without anybody waiting for it."""
        self.now += seconds


def answer(status=200, body=None, **headers):
    """A response as `requests` would give it; bytes are sent as they are, anything else as JSON."""
    response = requests.Response()
    response.status_code = status
    response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


class FakeSession:
    """Gives the answers in turn, the last one for ever, and keeps what was asked. An exception is raised instead."""

    def __init__(self, *answers):
        self.answers, self.sent = list(answers), []

    def request(self, method, url, **options):
        self.sent.append({"method": method, "url": url, **options})
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(given):
            given = given(method, url, **options)
        if isinstance(given, Exception):
            raise given
        return given

    def delete(self, url, **options):
        return self.request("DELETE", url, **options)


class FakePlatform:
    """A session that answers like contract `platform`'s API, from a queue, its members and skills held in memory.

    `scripted` has, by method, what the next requests get in place of the real answer: a response, or a function of no
    arguments that returns one, or None to go on as usual after whatever it did.
    """

    def __init__(self, raw, members=(), skills=(), *, granted=100):
        self.raw, self.members, self.skills, self.granted = raw, list(members), list(skills), granted
        self.sent, self.scripted = [], {}

    def request(self, method, url, *, params=None, json=None, **_):
        path = url.removeprefix("https://genesys.example.com/api/v2")
        self.sent.append((method, path, params if method == "GET" else json))
        script = self.scripted.get(method, [])
        given = script.pop(0) if script else None
        given = given() if callable(given) else given
        return self.answer(method, path, params or {}, copy.deepcopy(json)) if given is None else given

    def written(self):
        return [request for request in self.sent if request[0] != "GET"]

    def count(self, method, ending=""):
        return sum(sent == method and path.endswith(ending) for sent, path, _ in self.sent)

    def answer(self, method, path, params, body):
        """What the platform does and answers when nothing is scripted."""
        match method, path.strip("/").split("/"):
            case "GET", parts:
                return self._get(parts, params)
            case "PUT", ["routing", "queues", _]:
                self.raw = body
                return answer(200, body)
            case "PATCH", ["users", user, "routingskills", "bulk"]:
                return self._assign(self.member(user)["user"]["skills"], body)
            case "DELETE", ["users", user, "routingskills", skill]:
                held = self.member(user)["user"]["skills"]
                assigned = [entry for entry in held if entry["id"] == skill]
                held[:] = [entry for entry in held if entry["id"] != skill]
                return answer(204, b"") if assigned else answer(404, {"code": "not.found"})
            case "PATCH", ["routing", "queues", _, "members", *user]:
                for change in [body] if user else body:
                    self.member(change["id"]).update(change)
                return answer(202, b"")
        raise AssertionError(f"the platform has no {method} {path}")

    def _get(self, parts, params):
        match parts:
            case ["routing", "queues", _]:
                counted = {"memberCount": len(self.members)} if len(self.members) > self.granted else {}
                return answer(200, counted | self.raw)
            case ["routing", "queues", _, "members"]:
                first = (params["pageNumber"] - 1) * self.granted
                page = self.members[first : first + self.granted]
                return answer(200, {"entities": page, "pageSize": self.granted, "pageNumber": params["pageNumber"]})
            case ["routing", "skills"]:
                start = params["name"].casefold()
                return answer(200, {"entities": [s for s in self.skills if s["name"].casefold().startswith(start)]})
            case ["routing", "skills", skill]:
                found = [entry for entry in self.skills if entry["id"] == skill]
                return answer(200, found[0]) if found else answer(404, {"code": "not.found"})
        raise AssertionError(f"the platform has no GET {parts}")

    @staticmethod
    def _assign(held, body):
        """Change the proficiency of skills that are assigned, and assign the others."""
        for change in body:
            assigned = [entry for entry in held if entry["id"] == change["id"]]
            if not assigned:
                held.append({})
            (assigned or held)[-1].update(change)
        return answer(200, {"entities": held})

    def member(self, user_id):
        return next(entity for entity in self.members if entity["id"] == user_id)


class FakeSecret:
    """A secret in memory that counts its readers."""

    def __init__(self, value=None):
        self.value, self.reads, self.writes = value or {}, 0, 0

    def read(self):
        self.reads += 1
        return dict(self.value)

    def write(self, value):
        self.writes += 1
        self.value = value


def function_module(name):
    """A function's own code, imported anew."""
    path = Path(__file__).parents[2] / "functions" / name / "app.py"
    spec = importlib.util.spec_from_file_location(f"{name}_app", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class LambdaContext:
    """What Powertools' logger asks for, and the time that is left."""

    function_name, memory_limit_in_mb, aws_request_id = "function", 128, "1"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:1:function:function"

    @staticmethod
    def get_remaining_time_in_millis():
        return 29_000


# ---- fakes of the ports (application.ports) --------------------------------------------------------------------------


class FakeDocuments:
    """The documents of runs in memory, by distribution and name."""

    def __init__(self):
        self.held, self.plans, self.fleet_lines = {}, {}, {}

    def keep_plan(self, plan):
        reference = f"plans/{plan.fingerprint()}.json"
        self.plans[reference] = plan.canonical()
        return reference

    def kept_plan(self, reference):
        return self.plans.get(reference)

    def fleet_line(self, fleet_id, start, length):
        return self.fleet_lines.get((fleet_id, start, length))

    def reference(self, distribution_id, name):
        return f"distributions/{distribution_id}/{name}.json"

    def read(self, distribution_id, *names):
        return {self.reference(distribution_id, n): "sha-of-" + n for n in names if (distribution_id, n) in self.held}

    def work(self, distribution_id):
        return Work.from_json(json.loads(self.held[distribution_id, "work"]))

    def plan(self, distribution_id):
        return self.held[distribution_id, "plan"]

    def find_image(self, distribution_id, which):
        found = self.find_work(distribution_id)
        held = found and (found.before if which == "before" else self.find_after(distribution_id))
        return Image(found.decision, held) if held else None

    def mark_writing(self, distribution_id):
        self.held[distribution_id, "writing"] = True

    def may_have_written(self, distribution_id):
        return (distribution_id, "writing") in self.held

    def keep_work(self, distribution_id, work_):
        """As JSON: what is deployed now need not be what reads it."""
        self.held[distribution_id, "work"] = json.dumps(work_.to_json())

    def find_work(self, distribution_id):
        document = self.held.get((distribution_id, "work"))
        return document and Work.from_json(json.loads(document))

    def save_plan(self, distribution_id, plan_):
        self.held[distribution_id, "plan"] = plan_

    def find_plan(self, distribution_id):
        return self.held.get((distribution_id, "plan"))

    def save_before(self, distribution_id, queue_):
        self.held[distribution_id, "before"] = queue_

    def find_before(self, distribution_id):
        return self.held.get((distribution_id, "before"))

    def save_projection(self, distribution_id, projection):
        self.held[distribution_id, "projection"] = projection

    def find_projection(self, distribution_id):
        return self.held.get((distribution_id, "projection"))

    def save_after(self, distribution_id, queue_):
        self.held[distribution_id, "after"] = queue_

    def after(self, distribution_id):
        return self.held[distribution_id, "after"]

    def find_after(self, distribution_id):
        return self.held.get((distribution_id, "after"))

    def save_restoration(self, distribution_id, restoration):
        self.held[distribution_id, "restore"] = restoration

    def find_restoration(self, distribution_id):
        return self.held.get((distribution_id, "restore"))


class FakeHistories:
    """The efforts of executions by their ARN. Step Functions does not answer for an execution that is not there."""

    def __init__(self, **efforts):
        self.efforts, self.asked = efforts, []

    def effort(self, execution_arn, *, is_over):
        self.asked.append((execution_arn, is_over))
        if execution_arn not in self.efforts:
            raise StoreUnavailable("Could not read the history of the execution.")
        return self.efforts[execution_arn]


def account(own=None, **efforts):
    """The account of a deployment in Frankfurt."""
    return Account(FakeHistories(**efforts), lambda: own or Effort(), prices("eu-central-1"))


class FakeApprovals:
    """The questions of distributions in memory, by distribution."""

    def __init__(self):
        self.held = {}

    def find(self, distribution_id):
        return self.held.get(distribution_id)

    def ask(self, approval):
        held = self.held.get(approval.distribution_id)
        if held is None or held.number < approval.number:
            self.held[approval.distribution_id] = approval
        elif held.number == approval.number and held.state == "waiting":
            self.held[approval.distribution_id] = held.model_copy(update={"token": approval.token})
        return self.held[approval.distribution_id]

    def answer(self, asked, answer_, caller, reason, now):
        held = self.held[asked.distribution_id]
        if (held.number, held.hash) != (asked.number, asked.hash) or not held.is_open(now):
            return None
        changes = {"state": answer_, "answered_by": caller, "answered_at": timestamp(now), "reason": reason}
        self.held[asked.distribution_id] = held.model_copy(update=changes)
        return self.held[asked.distribution_id]

    def end(self, distribution_id):
        held = self.held.get(distribution_id)
        if held and held.state == "waiting":
            self.held[distribution_id] = held.model_copy(update={"state": "over"})

    def waiting(self, now):
        return [held for held in self.held.values() if held.is_open(now)]


class FakeRunAnswers:
    """Executions that wait, by their token. `sent` has what was delivered."""

    def __init__(self, *tokens):
        self.tokens, self.sent = set(tokens), []

    def deliver(self, answered):
        if answered.token not in self.tokens:
            return False
        self.tokens.discard(answered.token)
        self.sent.append((answered.token, answered.state))
        return True


def gate(approvals=None, policy='[{"verdicts": ["needs_approval", "inconclusive"]}]', timeout_s=3600, *, console=False):
    """The gate of a deployment with its default policy."""
    return Gate((approvals or FakeApprovals()).find, Policy.parse(policy), timeout_s, console)


class FakeTrail:
    """An audit trail in memory. `holders` has the holder of each queue's lock, for records that ask for one."""

    def __init__(self):
        self.records, self.holders = {}, {}

    def append(self, record, holder=""):
        records = self.records.setdefault(record.distribution_id, {})
        if record.key in records:
            return False
        if holder and self.holders.get(record.queue_id) != holder:
            raise Interrupted("The lock of the queue is somebody else's.")
        records[record.key] = record.to_json()
        return True

    def find(self, distribution_id):
        return Records.parse(self.records.get(distribution_id, {}).values())

    def of_queue(self, queue_id, *, since, until, limit, after):
        """Newest first by their opening, in pages, like the trail's."""
        openings = [
            records["0-opened"]
            for records in self.records.values()
            if "0-opened" in records
            and records["0-opened"]["opened_queue_id"] == queue_id
            and since <= records["0-opened"]["timestamp"] <= until
        ]
        openings.sort(key=lambda opening: opening["timestamp"], reverse=True)
        start = int(after or 0)
        page = openings[start : start + limit]
        summaries = self.summaries([opening["distribution_id"] for opening in page])
        return list(summaries.values()), str(start + limit) if start + limit < len(openings) else None

    def newest(self, queue_id):
        return self.of_queue(queue_id, since="0000", until="9999", limit=10_000, after=None)[0]

    def last_completed(self, queue_id):
        runs = {run.distribution_id: run for run in self.newest(queue_id)}
        return runs.get(last_completed(runs.values()))

    def summaries(self, ids):
        known = {i: self.records[i] for i in ids if self.records.get(i)}
        merged = {i: records.get("0-opened", {}) | records.get("9-closed", {}) for i, records in known.items()}
        return {i: RunSummary.model_validate(fields) for i, fields in merged.items() if fields}

    def of_kind(self, kind, ids):
        stored = {i: self.records.get(i, {}) for i in ids}
        return {i: kind.parse(records[kind.KEY]) for i, records in stored.items() if kind.KEY in records}


class FakeSkillOwners:
    """The queue of each skill."""

    def __init__(self):
        self.queues = {}

    def require(self, skill_id, queue_id):
        if self.queues.get(skill_id, queue_id) != queue_id:
            raise PlanNotApplicable(f"Skill {skill_id} is another queue's.")

    def claim(self, skill_id, queue_id):
        self.require(skill_id, queue_id)
        self.queues[skill_id] = queue_id


class FakePatrols:
    """The queues that are patrolled, each with the time of its last reading."""

    def __init__(self):
        self.queues = {}

    def watch(self, queue_id, looked_at_ms):
        self.queues[queue_id] = looked_at_ms

    def forget(self, queue_id):
        self.queues.pop(queue_id, None)

    def looked(self, queue_id, at_ms):
        if queue_id in self.queues:
            self.queues[queue_id] = max(at_ms, self.queues[queue_id])

    def due(self, before_ms):
        return sorted((name for name, at in self.queues.items() if at < before_ms), key=lambda name: self.queues[name])


class FakeEntries:
    """The drift entries in memory. The next calls of the methods in `failing` raise StoreUnavailable, once for each."""

    def __init__(self):
        self.entries, self.states, self.final, self.claims, self.failing = {}, {}, set(), {}, []

    def _meets(self, method):
        if method in self.failing:
            self.failing.remove(method)
            raise StoreUnavailable(f"Could not {method}: ThrottlingException.")

    def append(self, entry, state, seen_at_ms):
        seen, known, _ = self.states.get(entry.queue_id, (-1, "", ""))
        if seen > seen_at_ms or (seen >= 0 and known == state):
            return False
        self.states[entry.queue_id] = (seen_at_ms, state, entry.entry_id)
        self.entries[entry.queue_id, entry.entry_id] = entry
        return True

    def of_state(self, queue_id, state):
        _, known, entry_id = self.states.get(queue_id, (-1, "", ""))
        return self.entries[queue_id, entry_id] if known == state and entry_id else None

    def open(self, queue_ids):
        current = {queue_id: self.states.get(queue_id, (-1, "", ""))[2] for queue_id in queue_ids}
        return {queue_id: self.entries[queue_id, entry_id] for queue_id, entry_id in current.items() if entry_id}

    def note(self, queue_id, entry_id, answer, *, final):
        self._meets("note")
        if (queue_id, entry_id) not in self.entries or (queue_id, entry_id) in self.final:
            return False
        self.entries[queue_id, entry_id] = replace(self.entries[queue_id, entry_id], answer=answer)
        if final:
            self.final.add((queue_id, entry_id))
        return True

    def note_begun(self, queue_id, entry_id):
        self._meets("note_begun")
        self.entries[queue_id, entry_id] = replace(self.entries[queue_id, entry_id], repair_begun=True)

    def claim_repair(self, queue_id, entry_id, most, now_ms):
        claims = self.claims.setdefault(queue_id, {})
        if sum(at > now_ms - 3_600_000 for name, at in claims.items() if name != entry_id) >= most:
            return False
        claims[entry_id] = now_ms
        return True

    def settled(self, queue_id, seen_at_ms):
        if self.states.get(queue_id, (math.inf, "", ""))[0] <= seen_at_ms:
            self.states[queue_id] = (seen_at_ms, "", "")

    def of_queue(self, queue_id, *, since, until, limit, after):
        ids = sorted((i for q, i in self.entries if q == queue_id and since <= i <= f"{until}~"), reverse=True)
        start = int(after or 0)
        page = [self.entries[queue_id, entry_id] for entry_id in ids[start : start + limit]]
        return page, str(start + limit) if start + limit < len(ids) else None


class FakeQueue:
    """A queue of messages: what was sent with which delay, and what was postponed for how long."""

    def __init__(self):
        self.sent, self.postponed = [], {}

    def send(self, event, after_s=None):
        self.sent.append((event, after_s))

    def postpone(self, receipt, pause_s):
        self.postponed[receipt] = pause_s


class FakeDeadLetters:
    """Dead letters with their reasons. With `is_down`, SQS does not answer."""

    def __init__(self):
        self.letters, self.is_down = [], False

    def put(self, body, reason):
        if self.is_down:
            raise StoreUnavailable("Could not put a message into the dead letters: ServiceUnavailable.")
        self.letters.append((body, reason))


class FakeBus:
    """The events that were put. It refuses the ids in `refused`."""

    def __init__(self):
        self.events, self.refused, self.is_down = [], set(), False

    def put(self, detail_type, detail):
        if self.is_down or detail.id in self.refused:
            raise StoreUnavailable("Could not put an event on the bus: InternalFailure.")
        self.events.append((detail_type, detail))


class FakeSchedules:
    """One-time schedules by name. With `is_down`, AWS does not answer."""

    def __init__(self, *names):
        self.names, self.is_down = set(names), False

    def exists(self, name):
        return name in self.names

    def delete(self, name):
        if self.is_down:
            raise StoreUnavailable("Could not delete the schedule: ThrottlingException.")
        was_there = name in self.names
        self.names.discard(name)
        return was_there


class FakeBaselines:
    """Baselines in memory, by queue and name."""

    def __init__(self):
        self.held = {}

    def put(self, baseline):
        self.held[baseline.queue_id, baseline.name] = baseline

    def find(self, queue_id, name):
        return self.held.get((queue_id, name))


class FakeExecutions:
    """Starts executions in memory. The same key and plan lead to the same one. The next `failures` starts fail.

    `ended` has the names of the executions that succeeded and when each started, newest first.
    """

    def __init__(self, now=datetime(2026, 1, 31, 8, tzinfo=UTC)):
        self.now, self.started, self.failures, self.ended, self.states = now, {}, 0, [], {}

    def start(self, given, key):
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("Could not start the state machine: ThrottlingException.")
        name = distribution_of(key) if key else f"d-{len(self.started) + 1}"
        if self.started.setdefault(name, given).plan_ref != given.plan_ref:
            raise IdempotencyConflict("The key was used for another plan.", distribution_id=name)
        return Started(name, f"arn:execution:{name}", self.now)

    def entered(self, distribution_id):
        return self.states.get(distribution_id)

    def succeeded(self, since):
        return iter([name for name, started_at in self.ended if started_at >= since])


class FakeForecasts:
    """Pushed forecasts in memory, by queue."""

    def __init__(self):
        self.held = {}

    def put(self, queue_id, pushed):
        self.held[queue_id] = pushed

    def find(self, queue_id):
        return self.held.get(queue_id)

    def delete(self, queue_id):
        return self.held.pop(queue_id, None) is not None


class FakeFleets:
    """Fleets in memory, and the items that the state machine would write: `queues` and `of_waves` by fleet."""

    def __init__(self):
        self.held, self.queues, self.of_waves = {}, {}, {}

    def create(self, fleet):
        return self.held.setdefault(fleet.fleet_id, fleet) is fleet

    def find(self, fleet_id):
        return self.held.get(fleet_id)

    def newest(self, limit, after):
        newest = sorted(self.held.values(), key=lambda fleet: fleet.submitted_at, reverse=True)
        start = int(after or 0)
        return newest[start : start + limit], str(start + limit) if len(newest) > start + limit else None

    def token(self, fleet):
        newest = sorted(self.held.values(), key=lambda one: one.submitted_at, reverse=True)
        return str(newest.index(fleet) + 1)

    def stop(self, fleet_id, attempt, by):
        return self._change(fleet_id, attempt, by, stop="cancel")

    def begin_again(self, fleet_id, attempt, status, execution_arn, now, by):
        changes = {"status": status, "attempt": attempt + 1, "execution_arn": execution_arn, "ended_at": ""}
        gone = {"stop": None, "held": None, "reason": ""}
        return self._change(fleet_id, attempt, by, again=True, begun_at=timestamp(now), **changes, **gone)

    def end(self, fleet_id, attempt, status, reason, now, by=None):
        return self._change(fleet_id, attempt, by, status=status, reason=reason, held=None, ended_at=timestamp(now))

    def outcomes(self, fleet_id):
        return sorted(self.queues.get(fleet_id, []), key=lambda outcome: outcome.number)

    def waves(self, fleet_id):
        return self.of_waves.get(fleet_id, [])

    def _change(self, fleet_id, of_attempt, by, again=False, **changes):
        fleet = self.held.get(fleet_id)
        if fleet is None or fleet.attempt != of_attempt or (fleet.ended_at and not again):
            return False
        changes |= {"steered": (*fleet.steered, by)} if by else {}
        self.held[fleet_id] = fleet.model_copy(update=changes)
        return True


class FakeFleetSums:
    """Sums by fleet. With `is_down`, AWS does not answer."""

    def __init__(self):
        self.sums, self.is_down = {}, False

    def add(self, fleet_id, spent):
        if self.is_down:
            raise StoreUnavailable("Could not count the effort of the fleet: ThrottlingException.")
        both = zip(astuple(self.find(fleet_id)), astuple(spent), strict=True)
        self.sums[fleet_id] = Spent(*(known + more for known, more in both))

    def find(self, fleet_id):
        return self.sums.get(fleet_id, Spent())


class FakeFleetDocuments:
    """Uploads by id, and what is stored of fleets. `requests` counts what S3 would be asked."""

    def __init__(self):
        self.uploads, self.plans, self.lists, self.requests = {}, {}, {}, 0

    def upload_address(self, upload_id, expires_s, _space=""):
        return f"https://bucket/uploads/{upload_id}?expires={expires_s}"

    def upload(self, upload_id, _space=""):
        self.requests += 1
        content = self.uploads.get(upload_id)
        return None if content is None else (len(content), iter([content]))

    def put_plans(self, fleet_id, lines):
        self.requests += 1
        self.plans[fleet_id] = lines

    def put_queues(self, fleet_id, queues):
        self.put_items(fleet_id, "queues", queues)

    def are_stored(self, fleet_id):
        self.requests += 1
        return (fleet_id, "queues") in self.lists

    def queues(self, fleet_id):
        return self.lists[fleet_id, "queues"]

    def put_items(self, fleet_id, name, queues):
        self.requests += 1
        self.lists[fleet_id, name] = list(queues)
        return f"fleets/{fleet_id}/{name}.json"


class FakeFleetMachine:
    """Executions by ARN: `statuses` says how they are, `started` names those that were started."""

    def __init__(self):
        self.started, self.statuses, self.released, self.waits = [], {}, [], True

    def execution_arn(self, fleet_id, attempt):
        return f"arn:execution:{execution_name(fleet_id, attempt)}"

    def start(self, fleet_id, attempt):
        arn = self.execution_arn(fleet_id, attempt)
        self.started += [arn] if arn not in self.started else []
        self.statuses.setdefault(arn, "RUNNING")

    def describe(self, execution_arn):
        return Execution(execution_arn, self.statuses.get(execution_arn, "UNKNOWN"))

    def release(self, held, by):
        if self.waits:
            self.released.append((held.token, by.action))
        return self.waits


class FakeShares:
    """The shares in force, by queue. `lost`: how many answers are lost after a write."""

    def __init__(self, *shares):
        self.queues, self.lost, self.puts = {each.queue_id: each for each in shares}, 0, 0

    def find(self, queue_id):
        return self.queues.get(queue_id)

    def in_force(self):
        return iter([*self.queues.values()])

    def put(self, shares, expected):
        held = self.queues.get(shares.queue_id)
        if (held.version if held else 0) != expected:
            raise QueueChanged("The shares were changed at the same moment.", fields=[])
        self.queues[shares.queue_id] = shares
        self.puts += 1
        if self.lost:
            self.lost -= 1
            raise StoreUnavailable("Could not put the shares in force: ReadTimeoutError.")

    def edit(self, queue_id, **weights):
        """Give members other shares, as a person does in the console of DynamoDB."""
        held = self.queues[queue_id]
        self.queues[queue_id] = replace(held, weights={**held.weights, **weights}, version=held.version + 1)


class FakeTallies:
    """The tallies by queue. `before_put` is called before each write, and may write itself."""

    def __init__(self, **tallies):
        self.queues, self.before_put = dict(tallies), lambda: None

    def find(self, queue_id):
        return self.queues.get(queue_id)

    def put(self, queue_id, tally):
        self.before_put()
        stored = self.queues.get(queue_id)
        if tally.version != (stored.version if stored else 0) + 1:
            return False
        self.queues[queue_id] = tally
        return True


class FakeAgentStandings:
    """What is known of the agents of each queue, to the millisecond."""

    def __init__(self):
        self.queues = {}

    def find(self, queue_id):
        return self.queues.get(queue_id, Standings())

    def _put(self, queue_id, **changes):
        known = self.find(queue_id)
        self.queues[queue_id] = replace(known, version=known.version + 1, **changes)

    def claim(self, queue_id, known, until):
        if self.find(queue_id).claimed_until != known.claimed_until:
            return False
        self._put(queue_id, claimed_until=until)
        return True

    def replace(self, queue_id, standings):
        if self.find(queue_id).version != standings.version:
            return False
        self.queues[queue_id] = replace(standings, version=standings.version + 1, claimed_until=0.0)
        return True

    def note(self, queue_id, user_id, fact, now):
        kind = "statuses" if isinstance(fact, Status) else "memberships"
        facts = dict(getattr(self.find(queue_id), kind))
        fact = fact._replace(since=max(0.0, round(fact.since, 3)))
        if user_id in facts and facts[user_id].since >= fact.since:
            return False
        heard = {"heard_at": now} if kind == "statuses" else {}
        self._put(queue_id, **heard, **{kind: facts | {user_id: fact}})
        return True


class FakeDrawnHistory:
    def __init__(self):
        self.buckets = {}

    def put(self, queue_id, bucket):
        self.buckets[queue_id, bucket.start] = bucket

    def of_queue(self, queue_id, since, until):
        for (queue, start), bucket in sorted(self.buckets.items()):
            if queue == queue_id and since <= start < until:
                yield bucket
