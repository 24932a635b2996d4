"""`make demo`: the same plans under both contracts, from HTTP to Genesys and into the audit table, on this machine.

Two embedded stacks run side by side: one speaks the public Genesys Cloud API, the other the dialect `score`. The demo
exits with 0 only if every plan ends as expected on both, and each Genesys holds what the audit trail records.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import requests

from local.text import NO_BREAK, wrapped

ROOT = Path(__file__).resolve().parents[1]
QUEUE, AGENTS, TIMEOUT_S = "support", 60, 120.0
RINGS = [{"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": 10.0}]}] * 6
CONTRACTS = {
    "platform": "the public Genesys Cloud API; rings carry the weights",
    "score": "the API of a gateway of your own; scores carry the weights",
}
PEOPLE = "people"
TOPIC = f"arn:aws:sns:us-east-1:123456789012:{PEOPLE}"
ROW = " {:<24} {:<18} {:>6} {:>8}   {:>6} {:>8}"


INTRODUCTION = (
    "Routing Weights for Genesys Cloud: the deployed system on this machine, with a simulated Genesys. It runs twice, "
    "once for each contract: the two HTTP APIs through which it can change queues."
)


class DemoError(Exception):
    """The demo cannot continue. The message is for its user."""


@dataclass(frozen=True)
class Scene:
    """One plan of the demo, and the status that it must end with."""

    title: str
    explanation: str
    expected: str
    plan: dict[str, Any]
    """Empty where nobody submits a plan: the temporary plan before it expires."""
    is_approved: bool = False
    """The distribution waits, and somebody else approves it."""


@dataclass
class Side:
    """One contract: its own stack, the Genesys behind the stack, and the result of each plan."""

    contract: str
    process: subprocess.Popen[str]
    clock: Path
    """A file with the time at which the stack's schedules run."""
    results: list[tuple[dict[str, Any], int]] = field(default_factory=list)
    """The record of each plan, and how many writes it took."""
    http: requests.Session = field(default_factory=requests.Session)
    ready: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def start(cls, contract: str, folder: str) -> Self:
        clock = Path(folder) / contract
        clock.write_text(datetime.now(UTC).isoformat())
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environment |= {"GENESYS_CONTRACT": contract, "SCHEDULE_CLOCK": str(clock), "API_PORT": "0", "AWS_PORT": "0"}
        environment |= {"NOTIFY_TOPIC_ARN": TOPIC}
        command = [sys.executable, "-m", "local.stack", "--die-with-parent"]
        process = subprocess.Popen(  # noqa: S603  ours
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return cls(contract, process, clock)

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None  # noqa: S101  it is a pipe
        word, _, rest = self.process.stdout.readline().partition(" ")
        if word != "ready":
            messages = self.process.stderr.read() if self.process.stderr else ""
            raise DemoError(f"the stack of contract {self.contract} did not start: {messages}")
        self.ready = json.loads(rest)
        spec: dict[str, Any] = {"agents": AGENTS}
        if self.contract == "platform":
            spec["queue"] = {"bullseye": {"rings": RINGS}}
        self.genesys("PUT", f"queues/{QUEUE}", json=spec)
        self._client("sns").create_topic(Name=PEOPLE)
        self._client("sqs").create_queue(QueueName=PEOPLE)
        inbox = TOPIC.replace(":sns:", ":sqs:")
        self._client("sns").subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=inbox)

    def stop(self) -> None:
        self.http.close()
        self.process.terminate()
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def play(self, plan: dict[str, Any], *, show: bool, is_approved: bool = False) -> dict[str, Any]:
        """Submit a plan, wait until its distribution ends, keep the result, and return the record."""
        before = self._writes()
        record = self.submit(plan, show=show, is_approved=is_approved)
        self.results.append((record, self._writes() - before))
        return record

    def submit(self, plan: dict[str, Any], *, show: bool, is_approved: bool = False) -> dict[str, Any]:
        """Submit a plan, wait until its distribution ends, and return the record."""
        response = self.http.post(f"{self.ready['api_url']}/plans", json=plan, timeout=TIMEOUT_S)
        body: dict[str, Any] = response.json()
        if show:
            print(f"   {response.status_code} {HTTPStatus(response.status_code).phrase}", flush=True)
        if is_approved:
            self.approve(body["distribution_id"], show=show)
        if "execution_arn" in body:
            states, seconds = self._run(body["execution_arn"])
            if show:
                names = " > ".join(state.replace(" ", NO_BREAK) for state in states)
                print(wrapped(f"{names} ({seconds:.1f}{NO_BREAK}s)", indent="   "), flush=True)
        record: dict[str, Any] = self.api(f"distributions/{body['distribution_id']}")
        return record

    def approve(self, distribution_id: str, *, show: bool) -> None:
        """Wait until a distribution asks for approval, and approve it as another user."""
        start, path = time.monotonic(), f"distributions/{distribution_id}"
        while (asked := self.api(path)["approval"] or {}).get("state") != "waiting":
            if time.monotonic() > start + TIMEOUT_S:
                raise DemoError(f"the distribution did not ask for approval within {TIMEOUT_S:g} s")
            time.sleep(0.05)
        response = self.http.post(
            f"{self.ready['api_url']}/{path}/approve",
            json={"reason": "That is how long they wait.", "hash": asked["hash"]},
            headers={"Authorization": "AWS4-HMAC-SHA256 Credential=shift-leader/"},
            timeout=TIMEOUT_S,
        )
        response.raise_for_status()
        if show:
            print(wrapped(" ".join(asked["reasons"]), indent="   "))
            print(f"   POST /distributions/.../approve  by {response.json()['answered_by'].rpartition('/')[2]}")

    def draw(self, queue_id: str, conversation_id: str, media: str) -> dict[str, Any]:
        """Ask for the preferred agents of a contact, as a flow does."""
        body = {"conversation_id": conversation_id, "media": media}
        url = f"{self.ready['api_url']}/queues/{queue_id}/draws"
        answer: dict[str, Any] = self.http.post(url, json=body, timeout=TIMEOUT_S).json()
        return answer

    def expire(self) -> dict[str, Any]:
        """Move the clock to the end of the last plan, a temporary one, and return the record of its revert."""
        (last, _), before = self.results[-1], self._writes()
        end = datetime.fromisoformat(last["until"]) + timedelta(seconds=1)
        new = self.clock.with_suffix(".new")
        new.write_text(end.isoformat())
        new.replace(self.clock)  # atomic: a reader never sees half of it
        start = time.monotonic()
        while time.monotonic() < start + TIMEOUT_S:
            newest = self.api(f"queues/{QUEUE}/distributions")["items"][0]
            if newest["distribution_id"] != last["distribution_id"] and newest["terminal"]:
                record: dict[str, Any] = self.api(f"distributions/{newest['distribution_id']}")
                self.results.append((record, self._writes() - before))
                return record
            time.sleep(0.05)
        raise DemoError(f"the temporary plan was not reverted within {TIMEOUT_S:g} s")

    def api(self, path: str) -> Any:
        return self.http.get(f"{self.ready['api_url']}/{path}", timeout=TIMEOUT_S).json()

    def genesys(self, method: str, path: str, **parts: Any) -> Any:
        response = self.http.request(method, f"{self.ready['genesys_url']}/_sim/{path}", timeout=TIMEOUT_S, **parts)
        response.raise_for_status()
        return response.json()

    def members(self) -> dict[str, Any]:
        """The members by user id, as Genesys holds them."""
        return {m["user"]["id"]: m for m in self.genesys("GET", "state")["queues"][QUEUE]["members"]}

    def holds(self, record: dict[str, Any]) -> bool:
        """Compare every member's value in Genesys, and every weight that was read back, with the record."""
        name = "ringNumber" if self.contract == "platform" else "score"
        members = self.members()
        return all(
            members[member][name] == line["value"]
            and math.isclose(record["applied_weights"][member], line["represented"], abs_tol=1e-9)
            for member, line in record["actuation"]["members"].items()
        )

    def _writes(self) -> int:
        entries = self.genesys("GET", "requests")
        harmless = ("/oauth/token", "/api/v2/analytics/")  # a POST that changes nothing
        return sum(e["method"] != "GET" and not e["path"].startswith(harmless) for e in entries)

    def _run(self, arn: str) -> tuple[list[str], float]:
        """Wait until the execution ends. Returns its states, in the order in which it entered them, and the seconds."""
        steps = self._client("stepfunctions")
        start = time.monotonic()
        while time.monotonic() < start + TIMEOUT_S:
            if steps.describe_execution(executionArn=arn)["status"] != "RUNNING":
                seconds = time.monotonic() - start
                events = steps.get_execution_history(executionArn=arn)["events"]
                names = [e["stateEnteredEventDetails"]["name"] for e in events if e["type"].endswith("StateEntered")]
                return names, seconds
            time.sleep(0.05)
        raise DemoError(f"the distribution did not end within {TIMEOUT_S:g} s")

    def mails(self, most: int) -> list[dict[str, str]]:
        """The notifications so far, in their order, once there are as many as `most`."""
        sqs, found = self._client("sqs"), list[dict[str, str]]()
        inbox = sqs.get_queue_url(QueueName=PEOPLE)["QueueUrl"]
        start = time.monotonic()
        while len(found) < most and time.monotonic() < start + TIMEOUT_S:
            for message in sqs.receive_message(QueueUrl=inbox, MaxNumberOfMessages=10).get("Messages", []):
                sqs.delete_message(QueueUrl=inbox, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
            time.sleep(0.05)
        return sorted(found, key=lambda mail: mail["Timestamp"])

    def _client(self, service: str) -> Any:
        import boto3  # noqa: PLC0415  takes half a second, while the stacks start

        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.ready["aws_endpoint_url"],
            region_name=self.ready["region"],
            aws_access_key_id="demo",
            aws_secret_access_key="demo",  # noqa: S106  the embedded stack accepts any
        )


def main() -> int:
    print(wrapped(INTRODUCTION, indent="") + "\n")
    try:
        with ExitStack() as running:
            sides, folder = [], running.enter_context(tempfile.TemporaryDirectory())
            for contract, meaning in CONTRACTS.items():
                print(f"  starting {contract:<9} {meaning}", flush=True)
                sides.append(Side.start(contract, folder))
                running.callback(sides[-1].stop)
            for side in sides:
                side.wait_until_ready()
                print(f"  ready    {side.contract:<9} {side.ready['api_url']}", flush=True)
            return demonstrate(*sides)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def demonstrate(platform: Side, score: Side) -> int:
    listed = scenes(sorted(platform.members()))
    introduction = (
        f"Queue {QUEUE} has {AGENTS} agents. Each plan goes to both contracts. The states below a request are those of "
        "contract platform."
    )
    print("\n" + wrapped(introduction, indent=""))
    sides = (platform, score)
    for number, scene in enumerate(listed, 1):
        print(f"\n{number}. {scene.title}\n{wrapped(scene.explanation, indent='   ')}")
        if scene.plan:
            print(f"   POST /plans  {summary(scene.plan)}")
            records = [side.play(scene.plan, show=side is platform, is_approved=scene.is_approved) for side in sides]
        else:
            records = [side.expire() for side in sides]
        print(f"   -> {records[0]['status']} (platform), {records[1]['status']} (score)")
        for error in records[0]["errors"]:
            print(wrapped(f"{error['path']}: {error['message']}" if error.get("path") else error["message"]))
    applied = platform.results[1][0], score.results[1][0]
    show_members(*applied)
    show_trail(platform)
    told = show_mails(platform, listed)
    from local import demo_shares  # noqa: PLC0415  takes half a second, while the stacks start

    demo_shares.show_simulated_days()
    drawn = demo_shares.show_real_draws(platform)
    truthful = all(side.holds(record) for side, record in zip(sides, applied, strict=True))
    code = show_results(listed, platform, score, truthful=truthful)
    if not drawn:
        print("demo: the draws, or what the agents received, are not as expected", file=sys.stderr)
    if not told:
        print("demo: people did not read of every plan", file=sys.stderr)
    return code if drawn and told else 1


def show_members(platform: dict[str, Any], score: dict[str, Any]) -> None:
    """Print what every tenth member holds under each contract."""
    rings, scores = platform["actuation"]["members"], score["actuation"]["members"]
    print("\nPlan 2 side by side: what each Genesys holds, read back after the writes\n")
    print(f"  {'':<12}{'':>11} | {'platform, actuator ring':^28} | {'score':^9}")
    print(f"  {'member':<12}{'requested':>11} | {'ring':>6}{'stands for':>12}{'error':>10} | {'score':>9}")
    for member in list(rings)[::10]:
        line, applied = rings[member], platform["applied_weights"][member]
        print(
            f"  {member:<12}{line['requested']:>11.6f} | {line['value']:>6}{applied:>12.6f}"
            f"{abs(line['requested'] - applied):>10.6f} | {scores[member]['value']:>9.6f}"
        )
    print()
    for note in platform["actuation"]["notes"]:
        print(wrapped(note))


def show_trail(side: Side) -> None:
    print(f"\nThe audit trail of contract platform: GET /queues/{QUEUE}/distributions\n")
    for item in side.api(f"queues/{QUEUE}/distributions")["items"]:
        print(f"  {item['timestamp']}  {item['status']:<19} {item['reason'] or '(the plan was refused)'}")


def show_mails(side: Side, listed: list[Scene]) -> bool:
    """Print the notifications of contract platform. True if there is one for each plan but the dry run."""
    ended = [record for record, _ in side.results if record["status"] != "dry_run"]
    waits = 2 * sum(scene.is_approved for scene in listed)  # the question and its answer
    mails = side.mails(len(ended) + waits)
    print(f"\nWhat people read of queue {QUEUE} by e-mail, on contract platform\n")
    for mail in mails:
        print(f"  {mail['Subject']}")
    print("\nThe e-mail about plan 2\n")
    about = next((mail for mail in mails if side.results[1][0]["distribution_id"] in mail["Message"]), None)
    for line in about["Message"].splitlines() if about else []:
        print(wrapped(line, indent="  "))
    return all(any(record["distribution_id"] in mail["Message"] for mail in mails) for record in ended)


def show_results(listed: list[Scene], platform: Side, score: Side, *, truthful: bool) -> int:
    ok = truthful
    print("\nResults\n")
    print(ROW.format("", "", "platform", "", "score", "").rstrip())
    print(ROW.format("plan", "status", "writes", "accuracy", "writes", "accuracy"))
    for scene, (left, writes), (right, score_writes) in zip(listed, platform.results, score.results, strict=True):
        as_expected = left["status"] == right["status"] == scene.expected
        ok = ok and as_expected
        status = left["status"] if as_expected else f"{left['status']}/{right['status']} (!)"
        print(ROW.format(scene.title, status, writes, accuracy(left), score_writes, accuracy(right)))
    if not truthful:
        print("demo: Genesys holds other values than the audit trail records", file=sys.stderr)
    return 0 if ok else 1


def accuracy(record: dict[str, Any]) -> str:
    return "-" if record["balance_accuracy"] is None else f"{record['balance_accuracy']:.2f} %"


def scenes(members: list[str]) -> list[Scene]:
    """A dry run, the plan itself, the same plan again, a temporary plan, and plans that are not applied."""
    ranks = range(len(members), 0, -1)
    weights = {member: round(rank / sum(ranks), 6) for member, rank in zip(members, ranks, strict=True)}
    # The last member gets what rounding leaves, so that the sum is 1 and not 1.000001.
    weights[members[-1]] = round(1 - sum(list(weights.values())[:-1]), 6)
    plan = {
        "queue_id": QUEUE,
        "member_weights": weights,
        "overflow_threshold": 0.85,
        "utilization_target": 0.8,
        "strategy_reference": "by-weight",
        "projected_load": 30.0,
        "requested_by": "demo",
        "reason": "seniority first",
    }
    until = f"{datetime.now(UTC) + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}"
    reverse = dict(zip(members, reversed(weights.values()), strict=True))
    wrong = plan | {"member_weights": {members[0]: 0.7, members[1]: 0.7}, "overflow_threshold": 1.2, "colour": "red"}
    guess = {name: value for name, value in plan.items() if name != "projected_load"}
    guess |= {"forecast": {"offered": 60, "aht_s": 180}, "reason": "60 contacts per half hour"}
    temporary = plan | {"member_weights": reverse, "until": until, "reason": "a campaign"}
    return [
        Scene(
            "Dry run",
            "The system projects what the plan would do to the queue. It writes nothing.",
            "dry_run",
            plan | {"dry_run": True, "reason": "look first"},
        ),
        Scene(
            "60 agents, by seniority",
            "The system projects the plan, writes the changes, and reads them back.",
            "completed",
            plan,
        ),
        Scene(
            "The same plan again",
            "Genesys already holds these values, so nothing is written.",
            "completed",
            plan | {"reason": "again: nothing to write"},
        ),
        Scene("A temporary plan", "For two hours, the order of the agents is reversed.", "completed", temporary),
        Scene(
            "The temporary plan ends",
            "The demo moves the clock on by two hours. A schedule reverts the plan.",
            "completed",
            {},
        ),
        Scene(
            "A plan with mistakes",
            "The API refuses the plan and names every mistake.",
            "validation_failed",
            wrong,
        ),
        Scene(
            "More load than capacity",
            "The queue cannot carry the load, so the plan is blocked. Nothing is written.",
            "saturation_blocked",
            plan | {"projected_load": 45.0, "reason": "peak hour"},
        ),
        Scene(
            "An assumed patience",
            "The plan does not say how long callers wait. Its distribution waits until somebody else has approved it.",
            "completed",
            guess,
            is_approved=True,
        ),
    ]


def summary(plan: dict[str, Any]) -> str:
    threshold, target = plan["overflow_threshold"], plan["utilization_target"]
    load = f"load {plan['projected_load']:g}" if "projected_load" in plan else f"{plan['forecast']['offered']} contacts"
    end = f", until {plan['until'][11:16]}Z" if "until" in plan else ""
    return f"{len(plan['member_weights'])} weights, {load}, overflow at {threshold:g}, target {target:g}{end}"


if __name__ == "__main__":
    sys.exit(main())
