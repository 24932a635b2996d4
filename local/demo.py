"""`make demo`: the same plans under both contracts, from HTTP to Genesys and into the audit table, on this machine.

Two embedded stacks run side by side: one speaks the public Genesys Cloud API, the other the dialect `score`. Exits 0
only when every plan ended as it should on both, and each Genesys holds what the audit trail says.
"""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import requests

ROOT = Path(__file__).resolve().parents[1]
QUEUE, AGENTS, TIMEOUT_S, START_S = "support", 60, 30.0, 60.0
RINGS = [{"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": 10.0}]}] * 6
CONTRACTS = {
    "platform": "the public Genesys Cloud API; actuator ring",
    "score": "the dialect of a gateway; a member's score is the weight",
}
ROW = " {:<24} {:<18} {:>6} {:>8}   {:>6} {:>8}"


class DemoError(Exception):
    """What its user has to know."""


@dataclass(frozen=True)
class Scene:
    """One plan of the demonstration, and how it has to end."""

    title: str
    expected: str
    plan: dict[str, Any]
    """Empty: the plan before is over, and what was there before it comes back."""


@dataclass
class Side:
    """One contract: a stack of its own, the Genesys behind it, and what happened to each plan."""

    contract: str
    process: subprocess.Popen[str]
    clock: Path
    """A file with the time by which schedules fall due."""
    results: list[tuple[dict[str, Any], int]] = field(default_factory=list)
    http: requests.Session = field(default_factory=requests.Session)
    ready: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def start(cls, contract: str, folder: str) -> Self:
        clock = Path(folder) / contract
        clock.write_text(datetime.now(UTC).isoformat())
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environment |= {"GENESYS_CONTRACT": contract, "SCHEDULE_CLOCK": str(clock), "API_PORT": "0", "AWS_PORT": "0"}
        command = [sys.executable, "-m", "local.stack", "--die-with-parent"]
        process = subprocess.Popen(  # noqa: S603  ours
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return cls(contract, process, clock)

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None  # noqa: S101  it is a pipe
        word, _, rest = self.process.stdout.readline().partition(" ")
        if word != "ready":
            said = self.process.stderr.read() if self.process.stderr else ""
            raise DemoError(f"the stack of contract {self.contract} did not start: {said}")
        self.ready = json.loads(rest)
        spec: dict[str, Any] = {"agents": AGENTS}
        if self.contract == "platform":
            spec["queue"] = {"bullseye": {"rings": RINGS}}
        self.genesys("PUT", f"queues/{QUEUE}", json=spec)

    def stop(self) -> None:
        self.http.close()
        self.process.terminate()
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def play(self, plan: dict[str, Any], *, show: bool) -> dict[str, Any]:
        """Submit a plan, wait for its end, and return its record."""
        before = self._writes()
        answer = self.http.post(f"{self.ready['api_url']}/plans", json=plan, timeout=TIMEOUT_S)
        body: dict[str, Any] = answer.json()
        if show:
            print(f"   {answer.status_code} {answer.reason}", flush=True)
        if "execution_arn" in body:
            for state in self._states(body["execution_arn"]):
                if show:
                    print(f"     {state}", flush=True)
        record: dict[str, Any] = self.api(f"distributions/{body['distribution_id']}")
        self.results.append((record, self._writes() - before))
        return record

    def returned(self) -> dict[str, Any]:
        """Turn the clock on to when the last plan, one for a while, is over, and give the record of its return."""
        (last, _), before = self.results[-1], self._writes()
        over = datetime.fromisoformat(last["until"]) + timedelta(seconds=1)
        new = self.clock.with_suffix(".new")
        new.write_text(over.isoformat())
        new.replace(self.clock)  # at once: a reader never sees half of it
        start = time.monotonic()
        while time.monotonic() < start + TIMEOUT_S:
            newest = self.api(f"queues/{QUEUE}/distributions")["items"][0]
            if newest["distribution_id"] != last["distribution_id"] and newest["terminal"]:
                record: dict[str, Any] = self.api(f"distributions/{newest['distribution_id']}")
                self.results.append((record, self._writes() - before))
                return record
            time.sleep(0.05)
        raise DemoError(f"nothing was put back within {TIMEOUT_S:g} s")

    def api(self, path: str) -> Any:
        return self.http.get(f"{self.ready['api_url']}/{path}", timeout=TIMEOUT_S).json()

    def genesys(self, method: str, path: str, **parts: Any) -> Any:
        answer = self.http.request(method, f"{self.ready['genesys_url']}/_sim/{path}", timeout=TIMEOUT_S, **parts)
        answer.raise_for_status()
        return answer.json()

    def members(self) -> dict[str, Any]:
        """The members by user id, as Genesys holds them."""
        return {m["user"]["id"]: m for m in self.genesys("GET", "state")["queues"][QUEUE]["members"]}

    def truthful(self, applied: dict[str, Any]) -> bool:
        """Whether Genesys holds, value by value, what the record says was planned and read back."""
        name = "ringNumber" if self.contract == "platform" else "score"
        stated = applied["actuation"]["members"]
        held = self.members()
        return all(
            held[member][name] == line["value"] and abs(applied["applied_weights"][member] - line["represented"]) < 1e-9  # noqa: PLR2004
            for member, line in stated.items()
        )

    def _writes(self) -> int:
        entries = self.genesys("GET", "requests")
        asked = ("/oauth/token", "/api/v2/analytics/")  # POST, and change nothing
        return sum(e["method"] != "GET" and not e["path"].startswith(asked) for e in entries)

    def _states(self, arn: str) -> Iterator[str]:
        """The states as the execution enters them, until it ends."""
        steps = self._steps()
        seen, start = 0, time.monotonic()
        while time.monotonic() < start + TIMEOUT_S:
            running = steps.describe_execution(executionArn=arn)["status"] == "RUNNING"
            events = steps.get_execution_history(executionArn=arn)["events"]
            names = [e["stateEnteredEventDetails"]["name"] for e in events if e["type"].endswith("StateEntered")]
            for name in names[seen:]:
                yield f"{time.monotonic() - start:5.2f} s  {name}"
            seen = len(names)
            if not running:
                return
            time.sleep(0.05)
        raise DemoError(f"the distribution did not end within {TIMEOUT_S:g} s")

    def _steps(self) -> Any:
        import boto3  # noqa: PLC0415  half a second that the start of the stacks hides

        return boto3.client(
            "stepfunctions",
            endpoint_url=self.ready["aws_endpoint_url"],
            region_name=self.ready["region"],
            aws_access_key_id="demo",
            aws_secret_access_key="demo",  # noqa: S106  the embedded stack asks for any
        )


def main() -> int:
    print("Routing Weights for Genesys Cloud: the deployed system, on this machine,\nonce for each contract.\n")
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
    print(f"\nQueue {QUEUE}, {AGENTS} agents. Each plan goes to both; states: platform's.")
    sides = (platform, score)
    for number, scene in enumerate(listed, 1):
        if scene.plan:
            print(f"\n{number}. {scene.title}\n   POST /plans  {summary(scene.plan)}")
            records = [side.play(scene.plan, show=side is platform) for side in sides]
        else:
            print(f"\n{number}. {scene.title}\n   the clock is turned on to then, and a schedule starts the return")
            records = [side.returned() for side in sides]
        print(f"   -> {records[0]['status']} (platform), {records[1]['status']} (score)")
        for error in records[0]["errors"]:
            print(wrapped(f"{error['path']}: {error['message']}" if error.get("path") else error["message"]))
    applied = platform.results[1][0], score.results[1][0]
    show_members(*applied)
    show_trail(platform)
    truthful = [side for side, record in zip(sides, applied, strict=True) if side.truthful(record)]
    return show_results(listed, platform, score, truthful=len(truthful) == len(CONTRACTS))


def show_members(platform: dict[str, Any], score: dict[str, Any]) -> None:
    """The same plan on both, member by member: every tenth of them."""
    rings, scores = platform["actuation"]["members"], score["actuation"]["members"]
    print("\nThe same plan, side by side: what each Genesys holds, read back\n")
    print(f"  {'':<12}{'':>11} | {'platform, actuator ring':^28} | {'score':^9}")
    print(f"  {'member':<12}{'requested':>11} | {'ring':>6}{'stands for':>12}{'error':>10} | {'score':>9}")
    for member in list(rings)[::10]:
        line, applied = rings[member], platform["applied_weights"][member]
        print(
            f"  {member:<12}{line['requested']:>11.6f} | {line['value']:>6}{applied:>12.6f}"
            f"{abs(line['requested'] - applied):>10.6f} | {scores[member]['value']:>9.6f}"
        )
    print()
    print(wrapped("A ring ranks: a call is offered to ring 1 first. No mechanism of Genesys Cloud gives shares.", 76))
    for note in platform["actuation"]["notes"]:
        print(wrapped(note, 76))


def show_trail(side: Side) -> None:
    print(f"\nThe audit trail of platform: GET /queues/{QUEUE}/distributions\n")
    for item in side.api(f"queues/{QUEUE}/distributions")["items"]:
        print(f"  {item['timestamp']}  {item['status']:<19} {item['reason'] or '(refused)'}")


def show_results(listed: list[Scene], platform: Side, score: Side, *, truthful: bool) -> int:
    ok = truthful
    print("\nResults\n")
    print(ROW.format("", "", "platform", "", "score", "").rstrip())
    print(ROW.format("plan", "status", "writes", "accuracy", "writes", "accuracy"))
    for scene, (one, writes), (other, other_writes) in zip(listed, platform.results, score.results, strict=True):
        as_expected = one["status"] == other["status"] == scene.expected
        ok = ok and as_expected
        status = one["status"] if as_expected else f"{one['status']}/{other['status']} (!)"
        print(ROW.format(scene.title[:24], status, writes, accuracy(one), other_writes, accuracy(other)))
    if not truthful:
        print("demo: a Genesys holds something else than the audit trail says", file=sys.stderr)
    return 0 if ok else 1


def accuracy(record: dict[str, Any]) -> str:
    return "-" if record["balance_accuracy"] is None else f"{record['balance_accuracy']:.2f} %"


def scenes(members: list[str]) -> list[Scene]:
    """A dry run, the plan itself, its repetition, one for a while, and plans that may not be applied."""
    ranks = range(len(members), 0, -1)
    weights = {member: round(rank / sum(ranks), 6) for member, rank in zip(members, ranks, strict=True)}
    # The last one takes what rounding left, so that the sum is 1 and not 1.000001.
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
    turned = dict(zip(members, reversed(weights.values()), strict=True))
    wrong = plan | {"member_weights": {members[0]: 0.7, members[1]: 0.7}, "overflow_threshold": 1.2, "colour": "red"}
    guess = {name: value for name, value in plan.items() if name != "projected_load"}
    guess |= {"forecast": {"offered": 60, "aht_s": 180}, "reason": "how patient callers are, nobody has said"}
    return [
        Scene("Dry run", "dry_run", plan | {"dry_run": True, "reason": "look first"}),
        Scene("60 agents, by seniority", "completed", plan),
        Scene("The same plan again", "completed", plan | {"reason": "again: nothing to write"}),
        Scene("For two hours", "completed", plan | {"member_weights": turned, "until": until, "reason": "a campaign"}),
        Scene("and back by itself", "completed", {}),
        Scene("A plan that breaks rules", "validation_failed", wrong),
        Scene("More load than capacity", "saturation_blocked", plan | {"projected_load": 45.0, "reason": "peak hour"}),
        Scene("A forecast with a guess", "approval_required", guess),
    ]


def summary(plan: dict[str, Any]) -> str:
    threshold, target = plan["overflow_threshold"], plan["utilization_target"]
    load = f"load {plan['projected_load']:g}" if "projected_load" in plan else f"{plan['forecast']['offered']} contacts"
    end = f", until {plan['until'][11:16]}Z" if "until" in plan else ""
    return f"{len(plan['member_weights'])} weights, {load}, overflow at {threshold:g}, target {target:g}{end}"


def wrapped(text: str, width: int = 74) -> str:
    """The text with an indent, broken at spaces."""
    return textwrap.fill(text, width, initial_indent="      ", subsequent_indent="      ")


if __name__ == "__main__":
    sys.exit(main())
