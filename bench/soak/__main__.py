"""`python -m bench.soak` (`make soak`): uses the embedded stack for half an hour under faults, and judges it all along.

It writes docs/reference/soak.md, its pictures and bench/soak.json. Ctrl-C ends it early, with the report so far.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import BotoCoreError, ClientError

from bench.outside import CLIENT, ROOT, Genesys, stack
from bench.soak import page, processes
from bench.soak.actors import Actor, Approver, Drawer, Fleets, Outsider, Place, Planner, Scheduler, Temporary
from bench.soak.chaos import Chaos
from bench.soak.ledger import Ledger
from bench.soak.oracle import broken_chains, miscounted, misheld
from bench.soak.page import RESULTS
from local.genesys import GenesysSimulator

SAMPLE_S, PROGRESS_S, DRAIN_S = 20.0, 1.0, 240.0
PER_MINUTE = 300
PARAMETERS: dict[str, Any] = {
    "MAX_RETRY_AFTER_S": 2,
    "VERIFY_TIMEOUT_S": 10,
    "REPAIR_AFTER_S": 20,
    "MAX_REPAIRS_PER_HOUR": 60,
    "REQUESTS_PER_MINUTE": PER_MINUTE,
    "FORECAST_SOURCES": "plan,default",
    "DRAW_PATIENCE_S": 5,
    "CONSOLE_MAY_APPROVE": "true",
    "APPROVAL_TIMEOUT_S": 90,
}
"""Of the deployment. They make the soak's waits short; a draw may wait, because this machine is shared."""
QUEUES = ("webhook_queue", "webhook_dead_letters")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (%(default)g)")
    parser.add_argument("--planners", type=int, default=4, help="queues with one plan after another (%(default)s)")
    parser.add_argument("--draws", type=float, default=2.0, help="draws per second, of two queues (%(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="of the actors' choices (%(default)s)")
    parser.add_argument("--page", action="store_true", help="run nothing: draw the report from bench/soak.json")
    parser.add_argument("--dry", action="store_true", help="print the report, and write nothing")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if options.page else soak(options)
    if options.dry:
        print(page.files(results)[page.PAGE])
    else:
        if not options.page:
            RESULTS.write_text(_text(results), encoding="utf-8")
        for path, text in page.files(results).items():
            path.write_text(text, encoding="utf-8")
        print(f"soak: wrote {page.PAGE.relative_to(ROOT)}", file=sys.stderr)
    return 1 if results["broken"] else 0


def soak(options: argparse.Namespace) -> dict[str, Any]:
    began = datetime.now(UTC)
    client_id, secret = CLIENT
    with ExitStack() as running:
        simulator = running.enter_context(
            GenesysSimulator(client_id=client_id, client_secret=secret, rate_limit=PER_MINUTE, off_queue=0, unjoined=0)
        )
        served = running.enter_context(stack(Genesys(simulator.url, "platform"), **PARAMETERS))
        place = Place(simulator, served, Ledger())
        actors = _actors(place, options)
        chaos = Chaos(place, options.seed)
        samples: list[dict[str, Any]] = []
        interrupted = False
        for thread in (*actors, chaos):
            thread.start()
        try:
            _watch(place, options.minutes * 60, samples)
        except KeyboardInterrupt:
            interrupted = True
            print("\nsoak: stopping; the report follows. Ctrl-C again gives up.", file=sys.stderr)
        lasted_s = place.ledger.now()
        place.stopping.set()
        _settle(place, actors, chaos)
        return _results(place, samples, actors) | {
            "at": began.isoformat(timespec="seconds"),
            "minutes": lasted_s / 60,
            "interrupted": interrupted,
            "cores": os.cpu_count(),
            "options": {"planners": options.planners, "draws": options.draws, "seed": options.seed},
        }


def _actors(place: Place, options: argparse.Namespace) -> list[Actor]:
    seed = options.seed
    return [
        *(Planner(place, f"soak-plan-{number}", seed) for number in range(options.planners)),
        Outsider(place, "soak-drift-0", seed),
        Outsider(place, "soak-drift-1", seed),
        Temporary(place, "soak-until-0", seed),
        Scheduler(place, "soak-schedule-0", seed),
        Fleets(place, "soak-fleet", seed),
        *([Approver(place, "soak-approval-0", seed)] if _has_approvals() else []),
        *(Drawer(place, f"soak-draw-{number}", seed, options.draws / 2) for number in range(2)),
    ]


def _has_approvals() -> bool:
    return "/approvals" in json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))["paths"]


def _watch(place: Place, seconds: float, samples: list[dict[str, Any]]) -> None:
    """Sample the processes and the requests to Genesys until the time is over, and show how far it is."""
    sampled, printed, asked = -SAMPLE_S, -1, time.monotonic()
    while (now := place.ledger.now()) < seconds:
        if now - sampled >= SAMPLE_S:
            sampled = now
            samples.append({"at": now, "load": os.getloadavg()[0], "processes": _sampled(place)})
            asked = _pace(place, asked)
        if sys.stderr.isatty() or int(now // 60) > printed:
            printed = int(now // 60)
            _progress(place, now, seconds, samples)
        time.sleep(PROGRESS_S)


def _sampled(place: Place) -> list[dict[str, Any]]:
    return [vars(sample) | {"mb": round(sample.mb, 2)} for sample in processes.samples(place.stack.pid)]


def _pace(place: Place, since: float) -> float:
    """Check that no request was over the rate limit of Genesys. Returns the time up to which they are checked."""
    now = time.monotonic()
    entries = place.genesys.requests(since)
    place.ledger.note("requests to Genesys", sum(entry["monotonic"] < now for entry in entries))
    over = [
        f"{entry['method']} {entry['path']} was one too many"
        for entry in entries
        if entry["monotonic"] < now and entry["status"] == 429 and not entry["fault"]
    ]
    place.ledger.check("budget", *over)
    return now


def _progress(place: Place, now: float, seconds: float, samples: list[dict[str, Any]]) -> None:
    statuses = Counter(run["status"] for run in place.ledger.runs)
    mb = next((each["mb"] for each in samples[-1]["processes"] if each["name"] == "stack"), 0.0) if samples else 0.0
    line = (
        f"soak {now / 60:5.1f} of {seconds / 60:g} min: {statuses.total()} distributions, {statuses['completed']} "
        f"completed; {len(place.ledger.draws)} draws; stack {mb:.0f} MB; {len(place.ledger.broken)} rules broken"
    )
    print(*([f"\r{line:<110}"] if sys.stderr.isatty() else [f"{line}\n"]), end="", file=sys.stderr, flush=True)


def _settle(place: Place, actors: list[Actor], chaos: Chaos) -> None:
    """Let everything under way end without faults, and look at everything once more."""
    plain = TypeDeserializer()
    chaos.join()
    chaos.calm()
    print("\nsoak: waiting for what is under way", file=sys.stderr, flush=True)
    end = time.monotonic() + DRAIN_S
    for actor in actors:
        actor.join(max(1.0, end - time.monotonic()))
        place.ledger.check("ends", f"{actor.name} is still waiting" if actor.is_alive() else None)
    for actor in actors:
        if isinstance(actor, Scheduler):
            actor.finish()
    place.client("lambda").invoke(FunctionName="SweepFunction", Payload=b"{}")["Payload"].read()
    left = _left(place)
    while left and time.monotonic() < end:
        time.sleep(2)
        left = _left(place)
    place.ledger.check("rest", *left)
    pages = place.client("dynamodb").get_paginator("scan").paginate(TableName=place.stack.ready["audit_table"])
    items = [
        {name: plain.deserialize(value) for name, value in item.items()} for page in pages for item in page["Items"]
    ]
    place.ledger.note("audit records with a link", sum("chain_hash" in item for item in items))
    place.ledger.check("chain", *broken_chains(items))
    for actor in actors:
        if isinstance(actor, Drawer):
            wrong = miscounted(actor.reasons, actor.unsure, actor.counted())
            place.ledger.check("draws", f"{actor.queue_id}: {wrong}" if wrong else None)
            for reason, count in actor.reasons.items():
                place.ledger.note(f"draws answered {reason}", count)
        for queue in actor.rest():
            for item in queue.newer():  # a revert or a repair that began at the very end
                queue.judge(item["distribution_id"], {}, item["door"] or "late", time.monotonic())
            differing = sorted(misheld(queue.model, queue.held()))
            wrong = f"{queue.queue_id} differs at the end in {differing}" if differing else None
            place.ledger.check("truth", wrong)


def _text(results: dict[str, Any]) -> str:
    """One line for each field: a sample has the figures of thirty processes."""
    lines = (f"{json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}" for name, value in results.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _left(place: Place) -> list[str]:
    """Return what is not at rest: executions, locks and messages."""
    ready, found = place.stack.ready, []
    with suppress(ClientError, BotoCoreError):
        for name in ("state_machine_arn", "recover_state_machine", "fleet_state_machine"):
            query = {"stateMachineArn": ready[name], "statusFilter": "RUNNING"}
            count = len(place.client("stepfunctions").list_executions(**query)["executions"])
            found += [f"{count} executions of {name} are running"] if count else []
        locks = place.client("dynamodb").scan(TableName=ready["locks_table"], ConsistentRead=True)["Items"]
        found += [f"{item['queue_id']['S']} is locked by {item['holder']['S']}" for item in locks if "holder" in item]
        # A message in flight is that of a killed function: it comes back after the queue's VisibilityTimeout.
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
        for queue in QUEUES:
            query = {"QueueUrl": ready[queue], "AttributeNames": names}
            count = sum(map(int, place.client("sqs").get_queue_attributes(**query)["Attributes"].values()))
            found += [f"{count} messages are in {queue}"] if count else []
        return found
    return ["the stack does not answer"]


def _results(place: Place, samples: list[dict[str, Any]], actors: list[Actor]) -> dict[str, Any]:
    ledger = place.ledger
    return {
        "samples": samples,
        "runs": [{**run, "at": round(run["at"], 1), "seconds": round(run["seconds"], 2)} for run in ledger.runs],
        "draws": [[round(at, 1), round(ms, 1)] for at, ms in ledger.draws],
        "done": dict(sorted(ledger.done.items())),
        "checked": dict(ledger.checked),
        "broken": ledger.broken,
        "answers": dict(sorted(ledger.answers.items())),
        "queues": sum(len(list(actor.rest())) for actor in actors),
    }


if __name__ == "__main__":
    sys.exit(main())
