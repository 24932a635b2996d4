"""200 plans over HTTP, several at a time, with DynamoDB's rule on transactions.

DynamoDB refuses a write to an item of a transaction that is under way. So does the embedded stack, whose transactions
take DYNAMODB_TRANSACTION_S. Several plans want each queue at the same moment, so their locks conflict.
"""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from local.genesys import GenesysSimulator
from local.stack import Stack

QUEUES, PLANS_OF_EACH, AT_ONCE = 50, 4, 12
WEIGHTS = (0.5, 0.3, 0.1, 0.0)
"""The weights of three members. Each plan rotates them by one, so that there is always something to write."""
ACTUATORS = ("ring", "joined")
TIMEOUT_S = 300.0


def measure() -> dict[str, Any]:
    plans = [(queue, number) for queue in range(QUEUES) for number in range(PLANS_OF_EACH)]
    with (
        GenesysSimulator(contract="platform") as genesys,
        Stack(environment=_environment(genesys)) as stack,
        ThreadPoolExecutor(AT_ONCE) as callers,
    ):
        for queue in range(QUEUES):
            genesys.put_queue(f"bench-{queue}", agents=3, off_queue=0, unjoined=0)
        start = time.monotonic()
        records = list(callers.map(lambda plan: _distribute(stack, *plan), plans))
        seconds = time.monotonic() - start
        transactions = stack.transactions
    return {
        "plans": len(plans),
        "queues": QUEUES,
        "at_once": AT_ONCE,
        "seconds": seconds,
        "statuses": dict(Counter(record["status"] for record in records)),
        "transactions": transactions.begun,
        "refused": transactions.refused,
    }


def _distribute(stack: Stack, queue: int, number: int) -> dict[str, Any]:
    weights = WEIGHTS[number:] + WEIGHTS[:number]
    plan = {
        "queue_id": f"bench-{queue}",
        "member_weights": {f"agent-{member:03}": weights[member] for member in range(1, 4)},
        "overflow_threshold": 0.85,
        "utilization_target": 0.8,
        "strategy_reference": "by-weight",
        "actuator": ACTUATORS[queue % len(ACTUATORS)],
        "projected_load": 0.5,
        "wait_for_lock_s": 240,
    }
    answer = requests.post(f"{stack.api_url}/plans", json=plan, timeout=TIMEOUT_S)
    record: dict[str, Any] = answer.json()
    if not answer.ok:
        return {
            "distribution_id": f"plan {number} of queue {queue}",
            "status": f"refused with {answer.status_code}",
            "errors": record,
        }
    path, until = answer.headers["Location"], time.monotonic() + TIMEOUT_S
    while not record.get("terminal"):
        if time.monotonic() > until:
            raise TimeoutError(f"{path} has not ended after {TIMEOUT_S:g} s")
        time.sleep(0.2)
        record = requests.get(f"{stack.api_url}{path}", timeout=TIMEOUT_S).json()
    return record


def _environment(genesys: GenesysSimulator) -> dict[str, str]:
    return {
        "GENESYS_CONTRACT": "platform",
        "GENESYS_BASE_URL": genesys.url,
        "GENESYS_CLIENT_ID": genesys.settings.client_id,
        "GENESYS_CLIENT_SECRET": genesys.settings.client_secret,
        "REQUESTS_PER_MINUTE": "0",
        "DYNAMODB_TRANSACTION_S": os.environ.get("DYNAMODB_TRANSACTION_S", ""),
    }
