"""Webhooks come in through the gateway, and changes by others are recorded as drift."""

import json
import random
import re
import shutil
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from local import register
from routing_weights.domain.signing import signature
from tests.support.carriers import Carrier
from tests.support.waiting import until
from tests.support.world import CLIENT_ID, CLIENT_SECRET, ROOT, WEBHOOK_SECRET, a_plan

PATH = "/webhooks/genesys/callback"


def member_event(queue, **more):
    return {"eventType": "routing.queueMember.updated", "queueId": queue, **more}


def signed(body, *, at=None, delivery=None, secret=WEBHOOK_SECRET):
    timestamp = str(int(time.time()) if at is None else at)
    return {
        "X-Webhook-Timestamp": timestamp,
        "X-Webhook-Id": delivery or str(uuid.uuid4()),
        "X-Webhook-Signature": signature(secret.encode(), timestamp, body),
        "Content-Type": "application/json",
    }


def call(world, event, headers=None, **how):
    """Send an event, signed unless `headers` are given."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return world.http.post(f"{world.api_url}{PATH}", data=body, headers=headers or signed(body, **how), timeout=30)


def messages(world, queue="webhook_queue"):
    """Return how many messages wait, are being processed, or are delayed."""
    names = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
    found = world.client("sqs").get_queue_attributes(QueueUrl=world.ready[queue], AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def all_processed(world):
    """Wait until nothing is left to do. Counts twice, because moto counts waiting, delayed and processed in turn."""
    until(lambda: not messages(world) and not messages(world))
    assert messages(world, "webhook_dead_letters") == 0


def drift(world, queue, **query):
    answer = world.get(f"/queues/{queue}/drift", **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def recorded(world, queue, count=1):
    return until(lambda: (items := drift(world, queue)["items"]) and len(items) >= count and items)


@pytest.fixture
def settled(world):
    """A queue with a completed distribution."""

    def make():
        queue = world.queue()
        return queue, world.run(a_plan(queue)).start("api").ends("completed").distribution_id

    return make


def test_a_change_by_somebody_else_is_recorded_once(world, settled):
    queue, distribution_id = settled()
    world.sim.edit_member(queue, "agent-002", score=0.9)
    answer = call(world, member_event(queue, userId="agent-002"), delivery=f"first-{queue}")
    assert (answer.status_code, answer.json()) == (202, {"delivery_id": f"first-{queue}", "status": "queued"})
    (item,) = recorded(world, queue)
    assert item["distribution_id"] == distribution_id
    assert item["differences"] == [
        {"member": "agent-002", "setting": None, "expected": 0.3, "held": 0.9, "missing": False}
    ]
    assert item["deliveries"] == [f"first-{queue}"]

    again = call(world, member_event(queue, userId="agent-002"), delivery=f"first-{queue}")
    assert (again.status_code, again.json()["status"]) == (200, "known")
    assert call(world, member_event(queue)).status_code == 202  # another delivery, of the same state
    all_processed(world)
    assert drift(world, queue)["items"] == [item]


def test_drift_that_was_undone_and_returns_is_a_new_entry(world, settled):
    queue, _ = settled()
    for number, score in enumerate((0.9, 0.3, 0.9, 0.4)):
        world.sim.edit_member(queue, "agent-002", score=score)
        assert call(world, member_event(queue, number=number)).status_code == 202
        all_processed(world)
    held = [item["differences"][0]["held"] for item in drift(world, queue)["items"]]
    assert held == [0.4, 0.9, 0.9]
    first = drift(world, queue, limit=2)
    rest = drift(world, queue, limit=2, next=first["next"])
    assert [item["differences"][0]["held"] for item in first["items"] + rest["items"]] == held
    assert drift(world, queue, to="2020-01-01") == {"items": [], "next": None}
    moment = rest["items"][0]["at"]
    assert drift(world, queue, since=moment, to=moment)["items"] == rest["items"]
    for token in ("garbage", "c3RhdGU=", "é"):
        assert world.get(f"/queues/{queue}/drift", next=token).status_code == 422


def test_a_changed_setting_and_a_missing_member_are_drift(platform_world):
    carrier = Carrier("ring", platform_world)
    queue = carrier.queue()
    platform_world.run(carrier.plan(queue, carrier.weights(3))).start("api").ends("completed")
    held = platform_world.held(queue)["members"]["agent-001"]["ringNumber"]
    platform_world.sim.edit_member(queue, "agent-001", ringNumber=6)
    body = {
        "topicName": f"v2.audits.entitytype.Queue.entityid.{queue}",
        "eventBody": {"userId": "supervisor-7", "eventTime": "2026-07-11T20:03:27.000Z"},
    }
    assert call(platform_world, body).status_code == 202
    (item,) = recorded(platform_world, queue)
    assert (item["changed_by"], item["changed_at"]) == (None, None), "an audit says nothing of rings"
    assert [(one["member"], one["expected"], one["held"]) for one in item["differences"]] == [("agent-001", held, 6)]

    media = platform_world.held(queue)["queue"]
    platform_world.sim.edit_queue(queue, acwSettings={**media["acwSettings"], "timeoutMs": 99_000})
    assert call(platform_world, {"topicName": f"v2.routing.queues.{queue}.users", "eventBody": {}}).status_code == 202
    newest, _ = recorded(platform_world, queue, 2)
    assert [one["setting"] for one in newest["differences"]] == ["wrap_up_timeout_s", None]
    assert newest["changed_by"] is None, "the queue's own stamp says nothing of the ring"


def garbage(kind):
    if kind == "a megabyte of garbage":
        return b"\xff\x00garbage" * 120_000
    return {
        "JSON without an end": b'{"a":' * 100_000,
        "deep JSON": b'{"a":' * 40 + b"1" + b"}" * 40,
        "bytes that are no UTF-8": b'{"eventType": "\xff\xfe"}',
        "the same key twice": b'{"eventType": "routing.queue.updated", "queueId": "a", "queueId": "b"}',
        "a queue that is a path": json.dumps(member_event("../users")).encode(),
        "an unknown event": b'{"eventType": "routing.user.updated", "queueId": "a"}',
        "an unknown topic": b'{"topicName": "v2.users.a.presence", "eventBody": {}}',
        "no object": b"[]",
        "nothing": b"",
    }[kind]


def refused(world, answer, status, kind):
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.text
    assert answer.json()["type"] == f"/problems/{kind}"
    assert not re.search(r"Traceback|File \"|Error:", answer.text)
    assert WEBHOOK_SECRET not in answer.text
    assert messages(world) == 0


def test_a_webhook_without_a_proof_of_its_sender_is_refused(world):
    all_processed(world)
    body = json.dumps(member_event("queue-of-nobody")).encode()
    good, now = signed(body), int(time.time())
    forged = [
        {},
        {"Authorization": f"Bearer {WEBHOOK_SECRET}"},
        signed(body, secret="another"),
        signed(body, at=now - 301),
        signed(body, at=now + 330),
        signed(body, at=-1),
        signed(b"another body"),
        good | {"X-Webhook-Timestamp": str(now + 1)},
        good | {"X-Webhook-Timestamp": "now"},
        good | {"X-Webhook-Signature": good["X-Webhook-Signature"].removeprefix("sha256=")},
        good | {"X-Webhook-Signature": good["X-Webhook-Signature"].upper()},
        good | {"X-Webhook-Signature": ""},
        {name: value for name, value in good.items() if name != "X-Webhook-Timestamp"},
    ]
    for headers in forged:
        refused(world, call(world, body, headers or {"Content-Type": "application/json"}), 401, "webhook-refused")
    nameless = good | {"X-Webhook-Id": "a b"}
    refused(world, call(world, body, nameless), 422, "webhook-invalid")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("a megabyte of garbage", 413),
        ("JSON without an end", 413),
        *((kind, 422) for kind in ("deep JSON", "bytes that are no UTF-8", "the same key twice", "no object")),
        *((kind, 422) for kind in ("a queue that is a path", "an unknown event", "an unknown topic", "nothing")),
    ],
)
def test_a_hostile_body_is_refused_although_it_is_signed(world, kind, status):
    all_processed(world)
    body = garbage(kind)
    refused(world, call(world, body), status, {413: "webhook-too-large", 422: "webhook-invalid"}[status])
    if status != 413:
        refused(world, call(world, body, {"X-Webhook-Signature": "sha256=0"}), 401, "webhook-refused")


def test_a_copy_with_another_id_is_a_replay(world):
    all_processed(world)
    body = json.dumps(member_event("queue-of-nobody", note=str(uuid.uuid4()))).encode()
    headers = signed(body)
    assert call(world, body, headers).status_code == 202
    all_processed(world)
    for copy in (
        headers,
        headers | {"X-Webhook-Id": str(uuid.uuid4())},
        signed(body, delivery=headers["X-Webhook-Id"]),
    ):
        answer = call(world, body, copy)
        assert (answer.status_code, answer.json()["status"]) == (200, "known")
        assert messages(world) == 0


def test_events_about_our_own_writes_cause_nothing(world):
    queue = world.queue(agents=50)
    run = world.run(a_plan(queue, {f"agent-{n:03}": 0.02 - n / 10_000 for n in range(1, 51)})).start("api")

    def echoed(sent):
        """Send an event for each write without one, also while the distribution is running."""
        writes = [one for one in world.requests_about(queue, run._began) if one["method"] != "GET"]
        for number in range(sent, len(writes)):
            assert call(world, member_event(queue, number=number)).status_code == 202
        return len(writes)

    sent = 0
    while not world.distribution(run.distribution_id)["terminal"]:
        sent = echoed(sent)
    run.ends("completed")
    assert echoed(sent) >= 50
    writes = len(run.writes)
    all_processed(world)
    assert drift(world, queue)["items"] == []
    assert [item["distribution_id"] for item in world.get(f"/queues/{queue}/distributions").json()["items"]] == [
        run.distribution_id
    ]
    since = [one for one in world.requests_about(queue, run._began) if one["method"] != "GET" and one["status"] != 401]
    assert len(since) == writes


def test_of_a_thousand_webhooks_none_is_lost_or_counted_twice(world, settled):
    queues = [settled()[0] for _ in range(8)]
    for queue in queues:
        world.sim.edit_member(queue, "agent-001", score=0.1)
    bodies = [member_event(queue, number=number) for number in range(125) for queue in queues]
    random.Random(7).shuffle(bodies)
    repeated = bodies[::10]
    with ThreadPoolExecutor(6) as senders:
        answers = list(senders.map(lambda body: call(world, body, delivery=delivery_of(body)), bodies))
        again = list(senders.map(lambda body: call(world, body, delivery=delivery_of(body)), repeated))
    assert [answer.status_code for answer in answers] == [202] * 1000
    assert [answer.status_code for answer in again] == [200] * 100
    assert len({answer.json()["delivery_id"] for answer in answers}) == 1000
    all_processed(world)
    for queue in queues:
        (item,) = drift(world, queue)["items"]
        assert [one["member"] for one in item["differences"]] == ["agent-001"]


def delivery_of(event):
    return f"burst-{event['queueId']}-{event['number']}"


@pytest.mark.parametrize("name", ["webhook-document.json", "webhook-audit.json"])
def test_a_sample_is_accepted(world, name):
    world.sim.put_queue("queue-001", agents=12)
    world.run(a_plan("queue-001")).ends("completed")
    world.sim.edit_member("queue-001", "agent-002", score=0.77)
    known = len(drift(world, "queue-001")["items"])
    assert call(world, (ROOT / "events" / name).read_bytes()).status_code == 202
    newest = recorded(world, "queue-001", known + 1)[0]
    # The audit is about a membership, and what differs is a score.
    assert (newest["changed_by"], newest["changed_at"]) == (
        None,
        None if "audit" in name else "2026-07-11T20:03:27.000Z",
    )


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="the page uses curl and openssl")
def test_the_commands_of_the_page_on_webhooks_do_what_it_says(world):
    page = (ROOT / "docs/administer/webhooks.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    script = script.replace("http://127.0.0.1:3000", world.api_url)
    done = subprocess.run(
        ["sh", "-e", "-c", f"WEBHOOK_SECRET={WEBHOOK_SECRET}\n{script}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["status"] == "queued"
    all_processed(world)


def test_a_gateway_with_a_registration_reports_a_change_itself(world, settled, capsys):
    """Under contract `score`, from the command of the set-up to the drift entry."""
    queue, distribution_id = settled()
    world.sim.change_settings(webhook_secret=WEBHOOK_SECRET)
    environment = {"GENESYS_BASE_URL": world.sim.url, "API_URL": world.api_url}
    environment |= {"GENESYS_CLIENT_ID": CLIENT_ID, "GENESYS_CLIENT_SECRET": CLIENT_SECRET}
    try:
        assert register.main([], environment) == 0
        assert capsys.readouterr().out.startswith("Registered ")
        world.sim.edit_member(queue, "agent-002", score=0.9)
        (item,) = recorded(world, queue)
    finally:
        world.sim._organisation.webhooks.clear()  # the other tests of this stack send what they send
    assert (item["distribution_id"], item["differences"][0]["held"]) == (distribution_id, 0.9)
    all_processed(world)
