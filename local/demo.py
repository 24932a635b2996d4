"""`make demo`: plans from HTTP to Genesys and into the audit table, through the deployed template on this machine.

Exits 0 only when every plan ended as it should and Genesys holds what the audit trail says.
"""

import json
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from local.stack import Stack, StackError

QUEUE, AGENTS, TIMEOUT_S = "support", 60, 30.0
ROW = " {:<24} {:<18} {:>6} {:>9} {:>8} {:>8}"


@dataclass(frozen=True)
class Scene:
    """One plan of the demonstration, and how it has to end."""

    title: str
    expected: str
    plan: dict[str, Any]


def main() -> int:
    print("Routing Weights for Genesys Cloud: the deployed system, on this machine.\n")
    try:
        with Stack(environment={}, progress=lambda line: print(f"  {line}", flush=True)) as stack:
            return Demo(stack).play()
    except StackError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


class Demo:
    """Plays the scenes against a stack whose Genesys is the simulator."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._http = requests.Session()
        self._steps = stack.client("stepfunctions")
        self._results: list[tuple[Scene, dict[str, Any], int]] = []

    def play(self) -> int:
        self._http.put(f"{self._stack.genesys_url}/_sim/queues/{QUEUE}", json={"agents": AGENTS}).raise_for_status()
        members = sorted(self._scores())
        print(f"\nAPI: {self._stack.api_url}")
        print(f"Genesys, simulated, contract {self._stack.contract}: queue {QUEUE} with {AGENTS} agents")
        for number, scene in enumerate(scenes(members), 1):
            print(f"\n{number}. {scene.title}\n   POST /plans  {summary(scene.plan)}")
            before = self._writes()
            record = self._submit(scene.plan)
            self._results.append((scene, record, self._writes() - before))
        applied = self._results[1][1]
        self._show_members(applied)
        self._show_trail()
        return self._show_results(truthful=self._scores() == applied.get("applied_weights"))

    def _submit(self, plan: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.post(f"{self._stack.api_url}/plans", json=plan, timeout=TIMEOUT_S)
        body: dict[str, Any] = answer.json()
        print(f"   {answer.status_code} {answer.reason}", flush=True)
        if "execution_arn" in body:
            for state in self._states(body["execution_arn"]):
                print(f"     {state}", flush=True)
        record: dict[str, Any] = self._http.get(
            f"{self._stack.api_url}/distributions/{body['distribution_id']}", timeout=TIMEOUT_S
        ).json()
        print(f"   -> {record['status']}")
        for error in record["errors"]:
            print(wrapped(f"{error['path']}: {error['message']}" if error.get("path") else error["message"]))
        return record

    def _states(self, arn: str) -> Iterator[str]:
        """The states as the execution enters them, until it ends."""
        seen, start, until = 0, time.monotonic(), time.monotonic() + TIMEOUT_S
        while time.monotonic() < until:
            running = self._steps.describe_execution(executionArn=arn)["status"] == "RUNNING"
            events = self._steps.get_execution_history(executionArn=arn)["events"]
            names = [e["stateEnteredEventDetails"]["name"] for e in events if e["type"].endswith("StateEntered")]
            for name in names[seen:]:
                yield f"{time.monotonic() - start:5.2f} s  {name}"
            seen = len(names)
            if not running:
                return
            time.sleep(0.05)
        raise StackError(f"the distribution did not end within {TIMEOUT_S:g} s")

    def _scores(self) -> dict[str, float]:
        state = self._http.get(f"{self._stack.genesys_url}/_sim/state", timeout=TIMEOUT_S).json()
        return {m["user"]["id"]: m["score"] for m in state["queues"][QUEUE]["members"]}

    def _writes(self) -> int:
        requests_seen = self._http.get(f"{self._stack.genesys_url}/_sim/requests", timeout=TIMEOUT_S).json()
        return sum(entry["method"] == "PATCH" for entry in requests_seen)

    def _show_members(self, record: dict[str, Any], rows: int = 6) -> None:
        requested, applied = record["requested_weights"], record["applied_weights"]
        print(f"\nWhat Genesys holds now, read back ({rows} of {len(requested)} members)\n")
        print(f"  {'member':<14}{'requested':>12}{'applied':>12}{'accuracy':>11}")
        for member in list(requested)[:rows]:
            accuracy = 100 * (1 - abs(requested[member] - applied[member]))
            print(f"  {member:<14}{requested[member]:>12.6f}{applied[member]:>12.6f}{accuracy:>9.2f} %")

    def _show_trail(self) -> None:
        print(f"\nThe audit trail: GET /queues/{QUEUE}/distributions\n")
        page = self._http.get(f"{self._stack.api_url}/queues/{QUEUE}/distributions", timeout=TIMEOUT_S).json()
        for item in page["items"]:
            print(f"  {item['timestamp']}  {item['status']:<19} {item['reason'] or '(refused)'}")

    def _show_results(self, *, truthful: bool) -> int:
        ok = truthful
        print("\nResults\n")
        print(ROW.format("plan", "status", "writes", "requested", "applied", "accuracy"))
        for scene, record, written in self._results:
            as_expected = record["status"] == scene.expected
            ok = ok and as_expected
            accuracy = record["balance_accuracy"]
            print(
                ROW.format(
                    scene.title[:24],
                    record["status"] if as_expected else f"{record['status']} (!)",
                    written,
                    f"{sum(record['requested_weights'].values()):.3f}" if record["requested_weights"] else "-",
                    f"{sum(record['applied_weights'].values()):.3f}" if record["applied_weights"] else "-",
                    f"{accuracy:.2f} %" if accuracy is not None else "-",
                )
            )
        if not truthful:
            print("demo: Genesys holds something else than the audit trail says", file=sys.stderr)
        return 0 if ok else 1


def scenes(members: list[str]) -> list[Scene]:
    """A dry run, the plan itself, its repetition, a plan that breaks rules, one that the queue cannot carry."""
    ranks = range(len(members), 0, -1)
    weights = {member: round(rank / sum(ranks), 6) for member, rank in zip(members, ranks, strict=True)}
    # The last one takes what rounding left, so that the sum is 1 and not 1.000001.
    weights[members[-1]] = round(1 - sum(list(weights.values())[:-1]), 6)
    plan = {
        "queue_id": QUEUE,
        "member_weights": weights,
        "overflow_threshold": 0.85,
        "utilization_target": 0.8,
        "strategy_reference": "longest-available-agent",
        "projected_load": 30.0,
        "requested_by": "demo",
        "reason": "seniority first",
    }
    wrong = plan | {"member_weights": {members[0]: 0.7, members[1]: 0.7}, "overflow_threshold": 1.2, "colour": "red"}
    return [
        Scene("Dry run", "dry_run", plan | {"dry_run": True, "reason": "look first"}),
        Scene("60 agents, by seniority", "completed", plan),
        Scene("The same plan again", "completed", plan | {"reason": "again: nothing to write"}),
        Scene("A plan that breaks rules", "validation_failed", wrong),
        Scene("More load than capacity", "saturation_blocked", plan | {"projected_load": 45.0, "reason": "peak hour"}),
    ]


def summary(plan: dict[str, Any]) -> str:
    keys = ("overflow_threshold", "utilization_target", "projected_load")
    return f"{len(plan['member_weights'])} weights, " + ", ".join(json.dumps(plan[key]) + f" {key}" for key in keys)


def wrapped(text: str, width: int = 74) -> str:
    """The text with an indent, broken at spaces."""
    return textwrap.fill(text, width, initial_indent="      ", subsequent_indent="      ")


if __name__ == "__main__":
    sys.exit(main())
