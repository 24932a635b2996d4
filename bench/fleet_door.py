"""The door of fleets: how long 10,000 plans take to be validated and stored or refused, and in how much memory.

`python -m bench.fleet_door` prints a line for each case. Each case runs in a process of its own, with AWS in memory
(moto): its own time is in the figures, its network is not. `measure(...)` is for other benches.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETTINGS = {"overflow_threshold": 0.85, "utilization_target": 0.8, "strategy_reference": "by-weight"}
CASES = [
    *((form, 10_000, 5, wrong) for form in ("json", "csv", "body") for wrong in (False, True)),
    ("json", 10_000, 120, False),
    ("csv", 10_000, 50, False),
    ("shared", 10_000, 5, False),
]
"""Form, plans, members of each, and whether one of them is wrong."""


@dataclass(frozen=True)
class Measured:
    form: str
    plans: int
    members: int
    """Of each plan."""
    wrong: bool
    """One of the plans is."""
    megabytes: float
    """Of the upload, or of the body."""
    processor_s: float
    """Of this machine: one that gives a function a third of a processor takes three times as long."""
    peak_mb: int
    """The whole process, with moto and with the file that it holds."""
    answer: str


def measured() -> dict[str, list[dict[str, object]]]:
    """Run every case."""
    return {"rows": [asdict(measure(form, plans, members, wrong=wrong)) for form, plans, members, wrong in CASES]}


def measure(form: str, plans: int, members: int, *, wrong: bool) -> Measured:
    """Run one case in a fresh process."""
    command = [sys.executable, "-m", "bench.fleet_door", form, str(plans), str(members), "wrong" * wrong]
    layer = {"PYTHONPATH": str(ROOT / "layers" / "core"), "AWS_DEFAULT_REGION": "eu-central-1"}
    keys = {"AWS_ACCESS_KEY_ID": "unused", "AWS_SECRET_ACCESS_KEY": "unused"}
    environment = os.environ | layer | keys
    done = subprocess.run(  # noqa: S603 - our own module
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def weights(number: int, members: int, *, shared: bool) -> dict[str, float]:
    """The weights of a plan: of agents whom its neighbours in the list have too, or everybody has."""
    first = 0 if shared else number * members // 2
    return {f"{first + n:08d}-1111-4222-8333-444455556666": round(1 / members, 6) for n in range(members)}


def lines(form: str, plans: int, members: int, *, wrong: bool) -> Iterator[str]:
    """The file, line by line."""
    if form == "csv":
        yield "queue;member;weight;overflow_threshold;utilization_target;strategy"
    for number in range(plans):
        queue_id, held = f"queue-{number:05d}", weights(number, members, shared=form == "shared")
        is_wrong = wrong and number == plans // 2
        if form == "csv":
            for member, weight in held.items():
                cell = "x" if is_wrong else str(weight).replace(".", ",")
                yield f"{queue_id};{member};{cell};0,85;0,8;by-weight"
        else:
            more = {"overflow_threshold": 85} if is_wrong else {}
            yield json.dumps({"queue_id": queue_id, "member_weights": held} | SETTINGS | more)


def run(form: str, plans: int, members: int, *, wrong: bool) -> Measured:
    """Submit a fleet in this process, over the function's own code."""
    from moto import mock_aws  # noqa: PLC0415 - a case's process only

    with mock_aws():
        return _submit(form, plans, members, wrong=wrong)


def _submit(form: str, plans: int, members: int, *, wrong: bool) -> Measured:
    from routing_weights.adapters.aws.client import client  # noqa: PLC0415
    from routing_weights.bootstrap import fleets as bootstrap  # noqa: PLC0415
    from routing_weights.domain.run import Origin  # noqa: PLC0415
    from routing_weights.errors import FleetInvalid  # noqa: PLC0415
    from routing_weights.settings import FleetsSettings  # noqa: PLC0415

    settings = FleetsSettings(
        documents_bucket="documents",
        fleets_table="fleets",
        fleet_state_machine_arn=_machine(client("stepfunctions")),
        genesys_contract="platform",
        requests_per_minute=300,
        reserved_for_others=0,
        token_pool=1,
    )
    client("s3").create_bucket(Bucket="documents", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    keys = [("fleet_id", "HASH"), ("part", "RANGE")]
    client("dynamodb").create_table(
        TableName="fleets",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
    )
    separator, opening, closing = (",", '{"plans": [', "]}") if form == "body" else ("\n", "", "")
    content = f"{opening}{separator.join(lines(form, plans, members, wrong=wrong))}{closing}".encode()
    megabytes = round(len(content) / 1e6, 1)
    if form == "body":
        body: bytes | str = content
    else:
        upload = bootstrap.open_upload(settings).open(datetime.now(UTC))
        client("s3").put_object(Bucket="documents", Key=f"uploads/{upload.upload_id}", Body=content)
        body = json.dumps({"upload": upload.upload_id})
    del content
    begun = time.process_time()
    try:
        fleet = bootstrap.submit_fleet(settings).submit(body, Origin(door="api"), None, datetime.now(UTC)).fleet
        answer = f"{fleet.total} plans started"
    except FleetInvalid as refusal:
        stored = client("dynamodb").scan(TableName="fleets")["Count"]
        answer = f"refused, {stored} stored: {refusal.message}"
    processor_s = round(time.process_time() - begun, 2)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Measured(form, plans, members, wrong, megabytes, processor_s, peak_mb, answer)


def _machine(stepfunctions: object) -> str:
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    role = "arn:aws:iam::123456789012:role/machine"
    answer = stepfunctions.create_state_machine(name="fleet", definition=definition, roleArn=role)  # type: ignore[attr-defined]
    arn: str = answer["stateMachineArn"]
    return arn


if __name__ == "__main__":
    if len(sys.argv) > 1:
        case = run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), wrong=sys.argv[4] == "wrong")
        print(json.dumps(asdict(case)))
    else:
        for form, plans, members, wrong in CASES:
            print(measure(form, plans, members, wrong=wrong), flush=True)
