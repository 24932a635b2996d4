"""Each alarm of the template fires by the failure that it is for, and then the commands of its runbook run.

A scene provokes the real failure once. An alarm that wants it in several periods is judged as if it went on: the
scene's values are read in each of the periods.
"""

import json
import os
import re
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from local.genesys import GenesysSimulator
from local.planted import planted
from local.stack import moto_seam
from local.stack.alarms import Alarm, Query
from local.stack.live import PATH
from local.stack.metrics import Metrics, Series, Values
from local.stack.polling import StreamPoller
from local.stack.runtime import Outcome
from local.stack.template import StreamSource
from tests.stack.test_documents import blocks
from tests.stack.test_fleets import post
from tests.stack.test_outgoing import SAMPLE, patience, publish
from tests.stack.test_standings import counted, in_force, item_of, last_ended
from tests.support import aws_cli
from tests.support.receiver import WfmSystem
from tests.support.waiting import until
from tests.support.world import CLIENT_ID, CLIENT_SECRET, ROOT, STACKS, World, a_plan, served_stack

TEMPLATE = (ROOT / "template.yaml").read_text(encoding="utf-8")
ALARMS = re.findall(r"^  (\w+)Alarm:\n    Type: AWS::CloudWatch::Alarm$", TEMPLATE, re.MULTILINE)
PAGE = ROOT / "docs/operate/alarms.md"
HOUR_S = 3600


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    """A stack with everything that has an alarm, and with the command line `aws` for it."""
    folder = tmp_path_factory.mktemp("observed")
    with (
        closing(WfmSystem(planted("outgoing-secret", "ours"), time.time)) as system,
        GenesysSimulator(contract="platform", client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as sim,
        served_stack(
            folder,
            sim.url,
            "platform",
            OUTGOING_WEBHOOK_URL=f"{system.url}/outcomes",
            OUTGOING_SECRET=planted("outgoing-secret", "ours"),
            PARTNER_EVENT_BUS=SAMPLE["source"],
            ROTATE_CREDENTIALS_DAYS="30",
            NOTIFY_TEAMS="on",
            DRAW_PATIENCE_S="1",
        ) as ready,
        closing(World(ready, sim)) as world,
    ):
        aws_cli.install(folder, os.environ[STACKS])
        world.folder, world.system, world.played = folder, system, {}
        world.warm()
        yield world


# ---- the scenes ------------------------------------------------------------------------------------------------------
# Each returns what the `{...}` of its section stand for.


def run_of(world, **changes):
    return world.run(a_plan(world.queue(), strategy_reference="ring-by-weight", **changes))


def failed_restore(world):
    """The second member is refused, and from then on everything else, too."""
    run = run_of(world).with_fault("status", "PATCH", "/members", status=403, skip=1, times=None)
    run.ends("member_update_failed")
    assert run.record["restore"]["outcome"] in {"partial", "failed"}
    world.sim.clear_faults()
    return {"id": run.distribution_id, "queue_id": run.queue_id}


def aborted_recovery(world):
    """A run is stopped while it writes, and its recovery, too."""
    machine, states = world.ready["recover_state_machine"], world.client("stepfunctions")
    run = run_of(world)
    with world.holding(f"/{run.queue_id}", method="PATCH"):
        run.start()
        until(world.locks)
        run.abort()
    arn = until(
        lambda: [
            each["executionArn"]
            for each in states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
        ]
    )[0]
    states.stop_execution(executionArn=arn)
    world.sim.clear_faults()
    return {"recovery": arn, "execution": run.arn}


def held_fleet(world):
    plans = [a_plan(queue, strategy_reference="ring-by-weight") for queue in ("no-such-queue", world.queue())]
    options = {"waves": [{"count": 1, "max_failed": 0}], "on_failure": "hold"}
    location = post(world, "/fleets", {"plans": plans, "options": options}).headers["Location"]
    until(lambda: world.get(location).json()["status"] == "held")
    return {"id": location.rpartition("/")[2]}


def stopped_fleet(world):
    fleet = held_fleet(world)
    arn = world.ready["fleet_state_machine"].replace(":stateMachine:", ":execution:") + f":{fleet['id']}"
    world.client("stepfunctions").stop_execution(executionArn=arn)
    until(lambda: world.get(f"/fleets/{fleet['id']}").json()["status"] == "interrupted")
    return fleet


@contextmanager
def spoilt(world, action, *operations):
    rule = {"mentions": [], "action": action, "skip": 0, "times": 10_000}
    world.spoil_dynamodb([rule | {"operation": operation} for operation in operations])
    try:
        yield
    finally:
        world.spoil_dynamodb([])


def no_dynamodb(world):
    """DynamoDB fails whenever the functions with a schedule run. Each tries for seconds, so they run side by side."""
    run_of(world).ends("completed")  # of no distribution, there is nothing that calibration reads
    often = {"SweepFunction": 2, "PatrolFunction": 2, "CalibrateFunction": 2, "CorrectFunction": 3}
    with spoilt(world, "fail", "Query", "Scan"), ThreadPoolExecutor(9) as callers:
        list(callers.map(lambda function: fails(world, function), Counter(often).elements()))
    return {}


def fails(world, function, event=None):
    answer = world.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event or {}).encode())
    assert answer.get("FunctionError"), answer["Payload"].read()


NIGHTLY = {"source": "aws.events"}


def altered_record(world):
    """Somebody edits a record by hand."""
    run = run_of(world).ends("completed")
    world.client("dynamodb").update_item(
        TableName=world.ready["audit_table"],
        Key={"distribution_id": {"S": run.distribution_id}, "record": {"S": "0-opened"}},
        UpdateExpression="SET caller = :caller",
        ExpressionAttributeValues={":caller": {"S": "nobody"}},
    )
    world.client("lambda").invoke(FunctionName="EvidenceFunction", Payload=json.dumps(NIGHTLY).encode())
    return {}


def no_evidence(world):
    with spoilt(world, "fail", "Query", "Scan", "GetItem", "BatchGetItem"):
        fails(world, "EvidenceFunction", NIGHTLY)
    return {}


def refused_reading(world):
    """The role may not read queues. A queue is read once in some seconds, so there are three."""
    world.sim.add_faults({"action": "status", "status": 403, "path": "/members", "times": None})
    for queue in (world.queue(), world.queue(), world.queue()):
        in_force(world, queue)
        fails(world, "StandingsFunction", {"queue_id": queue})
    world.sim.clear_faults()
    return {}


def failed_draws(world):
    """SharesTable fails for as long as a draw may take."""
    with spoilt(world, "fail", "Query"):
        assert drawn(world, world.queue())["reason"] == "failed"
    return {}


def slow_draw(world):
    """SharesTable answers late."""
    queue = world.queue()
    drawn(world, queue)  # so that the function is warm
    with spoilt(world, "answer late", "Query"):
        drawn(world, queue)
    return {"queue_id": queue, "body": {"conversation_id": "c-2", "dry_run": True}}


def drawn(world, queue):
    body = {"conversation_id": "c-1"}
    return world.http.post(f"{world.api_url}/queues/{queue}/draws", json=body, timeout=60).json()


def skipped_correction(world):
    """For more than an hour, Genesys has shown no contact of a quarter of an hour with draws."""
    queue, bucket = world.queue(4), last_ended() - 6 * 900
    in_force(world, queue)
    counted(world, queue, {"agent-001": 4}, bucket)
    answer = world.client("lambda").invoke(FunctionName="CorrectFunction", Payload=b"{}")
    assert json.loads(answer["Payload"].read())["skipped"] >= 1
    return {}


def refused_schedule(world):
    """A schedule starts a state machine that its role may not start."""
    scheduler, queue = world.client("scheduler"), world.queue()
    body = {
        "expression": "cron(30 2 * * ? *)",
        "time_zone": "UTC",
        "plan": a_plan(queue, strategy_reference="ring-by-weight"),
    }
    assert world.http.put(f"{world.api_url}/schedules/refused", json=body, timeout=60).ok
    kept = scheduler.get_schedule(GroupName="ScheduleGroup", Name="refused")
    scheduler.update_schedule(
        GroupName="ScheduleGroup",
        Name="refused",
        ScheduleExpression=f"at({datetime.now(UTC) + timedelta(seconds=3):%Y-%m-%dT%H:%M:%S})",
        ScheduleExpressionTimezone="UTC",
        FlexibleTimeWindow=kept["FlexibleTimeWindow"],
        Target=kept["Target"] | {"Arn": world.ready["recover_state_machine"]},
    )
    return {"id": run_of(world).ends("completed").distribution_id}


def invalid_event(world):
    """An event of Genesys that nobody can read, which comes again until it is given up."""
    with patience(world, "webhook_queue", 1):
        publish(world, "v2.routing.queues.not/an/id.users", "v2.routing.queues.{id}.users", {})
        until(lambda: depth(world, "webhook_dead_letters"))
    return {}


def depth(world, queue):
    names = ["ApproximateNumberOfMessages"]
    answer = world.client("sqs").get_queue_attributes(QueueUrl=world.ready[queue], AttributeNames=names)
    return int(answer["Attributes"][names[0]])


@contextmanager
def without_bus(world):
    events, name = world.client("events"), world.ready["outgoing_bus"]
    rules = events.list_rules(EventBusName=name)["Rules"]
    targets = {rule["Name"]: events.list_targets_by_rule(Rule=rule["Name"], EventBusName=name) for rule in rules}
    events.delete_event_bus(Name=name)
    try:
        yield
    finally:
        events.create_event_bus(Name=name)
        for rule in rules:
            events.put_rule(Name=rule["Name"], EventPattern=rule["EventPattern"], EventBusName=name)
            events.put_targets(Rule=rule["Name"], EventBusName=name, Targets=targets[rule["Name"]]["Targets"])


def late_outcome(world):
    """The bus is gone. That it is gone for 20 minutes is the clock of the same poller, in this process."""
    with without_bus(world):
        run_of(world, dry_run=True).ends("dry_run")
        until(lambda: "The outcome is published later" in logged(world))
    record = {"dynamodb": {"SequenceNumber": "1", "ApproximateCreationDateTime": time.time()}}
    later = Metrics(world.folder / "functions.log")
    poller = StreamPoller(
        StreamSource("arn:aws:dynamodb:eu-central-1:1:table/AuditTable/stream/1", "OutcomesFunction", 1, (), None),
        lambda *_: Outcome(b"", failed=True),
        "eu-central-1",
        later,
        clock=lambda: time.time() + 1_200,
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(moto_seam, "stream_of", lambda *_: [record])
        poller._turn()
    world.elsewhere = {series: sum(minutes.values(), Values()) for series, minutes in later.minutes().items()}
    return {}


def logged(world):
    with open(world.ready["logs"], encoding="utf-8", errors="replace") as log:  # noqa: PTH123
        return log.read()


def broken_record(world):
    """A closing record that nobody can read, as an edit by hand leaves it."""
    run = run_of(world).ends("completed")
    key = {"distribution_id": {"S": run.distribution_id}, "record": {"S": "9-closed"}}
    table = world.ready["audit_table"]
    item = world.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    broken = {"distribution_id": {"S": f"{run.distribution_id}-broken"}, "status": {"S": "nothing"}}
    world.client("dynamodb").put_item(TableName=table, Item=item | broken)
    until(lambda: depth(world, "outcome_dead_letters"))
    return {"id": run.distribution_id}


def refused_outcome(world):
    world.system.script[:] = [422]
    run_of(world).ends("completed")
    until(lambda: depth(world, "outgoing_dead_letters"))
    return {}


def refused_notification(world):
    """NotifySecret has no address for Teams."""
    with patience(world, "notify_queue", 1):
        run = run_of(world).ends("completed")
        until(lambda: depth(world, "notify_dead_letters"))
    return {"id": run.distribution_id}


def refused_rotation(world):
    """CredentialsSecret has neither a standby nor a keeper."""
    version = world.client("secretsmanager").rotate_secret(SecretId=world.ready["credentials_secret"])["VersionId"]
    return {"version": version}


SCENES = {
    "DistributionsFail": failed_restore,
    "RestoreFailed": failed_restore,
    "RecoveriesFail": aborted_recovery,
    "FleetsFail": stopped_fleet,
    "FleetHeld": held_fleet,
    "AuditBroken": altered_record,
    "EvidenceFails": no_evidence,
    "SweepFails": no_dynamodb,
    "RotationFails": refused_rotation,
    "PatrolFails": no_dynamodb,
    "DrawsFail": failed_draws,
    "DrawsAreSlow": slow_draw,
    "CalibrationFails": no_dynamodb,
    "StandingsFail": refused_reading,
    "CorrectionsFail": no_dynamodb,
    "CorrectionsSkipped": skipped_correction,
    "ScheduleDeadLetters": refused_schedule,
    "WebhookDeadLetters": invalid_event,
    "OutcomesLate": late_outcome,
    "OutcomeDeadLetters": broken_record,
    "OutgoingDeadLetters": refused_outcome,
    "NotifyDeadLetters": refused_notification,
}


# ---- the test --------------------------------------------------------------------------------------------------------


def seen(world):
    """The alarms of the stack by their names, and all values of each series so far."""
    answer = world.http.get(f"{world.api_url}{PATH}", headers={"Accept": "application/json"}, timeout=60).json()
    alarms = {}
    for document in answer["alarms"]:
        queries = {
            name: Query(Series.of(namespace, metric, dict(dimensions)), query["stat"], query["minutes"])
            for name, query in document["queries"].items()
            for namespace, metric, dimensions in [query["series"]]
        }
        fields = {name: value for name, value in document.items() if name not in {"state", "values"}}
        alarms[document["name"].removesuffix("Alarm")] = Alarm(**fields | {"queries": queries})
    values = {
        Series.of(each["namespace"], each["name"], each["dimensions"]): sum(
            (Counter(dict(minute)) for minute in each["minutes"].values()), Values()
        )
        for each in answer["metrics"]
    }
    return alarms, values


def state_since(world, name, before, elsewhere=None):
    """The state of an alarm by what has happened since `before`, which are the values that `seen` returned."""
    alarms, values = seen(world)
    fresh = {series: each - before.get(series, Values()) for series, each in values.items()} | (elsewhere or {})
    return alarms[name].evaluate(lambda series, *_: fresh.get(series, Values()), time.time()).state


def play(world, scene):
    """Play a scene once. Returns the values before it, and what the placeholders of its section stand for."""
    if scene not in world.played:
        world.elsewhere = {}
        before = seen(world)[1]
        world.played[scene] = before, scene(world), world.elsewhere
    return world.played[scene]


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_fires_by_its_failure_and_the_commands_of_its_runbook_run(observed, name):
    assert name in SCENES, f"{name}Alarm has no scene: write one that provokes its failure"
    alarm = seen(observed)[0][name]
    assert alarm.evaluate(lambda *_: Values(), time.time()).state == "OK", "without any data"
    before, placeholders, elsewhere = play(observed, SCENES[name])

    until(lambda: state_since(observed, name, before, elsewhere) == "ALARM")
    for command in commands_of(PAGE, name):
        printed = run(observed, command, placeholders)
        assert printed or "filter-log-events" not in command, f"{command} shows nothing"
    for method, path in requests_of(name):
        answer = observed.http.request(
            method, f"{observed.api_url}{filled(path, placeholders)}", json=placeholders.get("body"), timeout=60
        )
        assert answer.ok, (path, answer.text)
    if name.endswith("DeadLetters"):
        queue = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        assert depth(observed, queue) == 0, "the commands have emptied the queue"


def section_of(page, name):
    """`SweepFails` is explained under `## Sweep fails`."""
    heading = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()
    return page.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]


def commands_of(page, name):
    section = section_of(page, name)
    return [block for block in blocks(page, "sh") if block in section]


def requests_of(name):
    """The requests that a section names."""
    return re.findall(r"`(GET|POST|PUT|DELETE) (/[^`?\s]+)`", section_of(PAGE, name))


def filled(text, placeholders):
    return re.sub(r"\{(\w+)\}", lambda match: placeholders[match[1]], text)


def run(world, script, placeholders):
    """Run a block of a page in a shell, as somebody pastes it. Returns what it prints."""
    script = re.sub(r"(--[a-z-]+ )?<(\w+)>", lambda match: (match[1] or "") + named(world, match), script)
    environment = {
        "PATH": f"{world.folder}:{os.environ['PATH']}",
        "HOME": str(world.folder),
        "AWS_ENDPOINT_URL": world.ready["aws_endpoint_url"],
        "AWS_DEFAULT_REGION": world.ready["region"],
    }
    command = ["sh", "-e", "-c", filled(script, placeholders)]
    done = subprocess.run(command, cwd=world.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (script, done.stderr)
    return done.stdout


def named(world, match):
    """The name of a resource as its option wants it: of a queue, an option has the ARN or the URL."""
    option, resource = match[1] or "", match[2]
    if resource.endswith("Arn") and resource != "StateMachineArn":  # an output
        resource = resource.removesuffix("Arn")
    name = world.ready.get(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", resource).lower(), resource)
    is_url = name.startswith("https://sqs.")
    return f"arn:aws:sqs:{world.ready['region']}:123456789012:{resource}" if is_url and "-arn" in option else name


def commands_on(page):
    """All commands of a page in their order: blocks, and those within a sentence."""
    text = (ROOT / "docs/operate" / page).read_text(encoding="utf-8")
    found = re.findall(r"^ *```sh\n(.*?)^ *```$|`(aws [^`]+)`", text, re.DOTALL | re.MULTILINE)
    return [block or sentence for block, sentence in found]


def test_the_commands_of_the_runbook_run(observed):
    counters, skill = commands_on("runbook.md")
    queue = observed.queue()
    counted(observed, queue, {"agent-001": 4}, last_ended())
    run(observed, counters, {"queue_id": queue})
    assert item_of(observed, queue, "tally") is None
    assert run(observed, skill, {"skill_id": "a-skill"}) == ""


def test_the_commands_that_follow_a_distribution_show_it(observed):
    live, lines = commands_on("observability.md")
    ended = run_of(observed).ends("completed")
    assert ended.distribution_id in run(observed, lines, {"id": ended.distribution_id})
    assert "DistributionCompleted" in run(observed, live.replace("http://127.0.0.1:3000", observed.api_url), {})


def test_the_commands_of_the_page_on_stopping_stop_every_change_and_resume(observed):
    stop, end, look, locks, resume = commands_on("stop.md")
    slow = run_of(observed)
    with observed.holding(f"/{slow.queue_id}", method="PATCH"):
        slow.start()
        until(observed.locks)
        assert run(observed, stop, {})
        run(observed, end, {})
        observed.ends.wait(slow.arn)
    real = run_of(observed, wait_for_lock_s=60)
    real.wait().reaches("Patch queue", "Restore", "Audit", "Unlock", "Failed")
    assert (real.record["status"], real.writes) == ("queue_update_failed", [])
    assert real.record["restore"]["outcome"] == "not_needed"
    assert real.record["errors"][0]["type"] == "Lambda.TooManyRequestsException"
    run_of(observed, dry_run=True).ends("dry_run")
    until(lambda: not observed.locks())
    assert run(observed, look, {}).count('"executions": []') == 3
    assert json.loads(run(observed, locks, {}))["Count"] == 0
    run(observed, resume, {})
    run_of(observed).ends("completed")
