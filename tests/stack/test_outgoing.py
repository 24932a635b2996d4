"""Other ways out and in: outcomes as webhooks, notifications for people, and events of Genesys on its partner bus."""

import json
import re
import time
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.genesys import GenesysSimulator
from local.planted import planted
from tests.stack.test_standings import in_force, item_of, standings
from tests.support.carriers import Carrier
from tests.support.chat import SlackSystem, TeamsSystem, lines_of, served
from tests.support.receiver import WfmSystem
from tests.support.waiting import until
from tests.support.world import CLIENT_ID, CLIENT_SECRET, ROOT, WEBHOOK_SECRET, World, served_stack

TOPIC = "arn:aws:sns:us-east-1:123456789012:people"
SECRET, BEARER = planted("outgoing-secret", "ours"), planted("webhook-bearer", "somebody's")
SAMPLE = json.loads((ROOT / "events" / "partner-audit.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wired(tmp_path_factory):
    """A stack with a receiver of webhooks, a Slack, a Teams, a topic, and a partner bus."""
    slack, teams = SlackSystem(), TeamsSystem()
    with (
        closing(WfmSystem(SECRET, time.time)) as system,
        served(slack) as slack_url,
        served(teams) as teams_url,
        GenesysSimulator(contract="platform", client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as sim,
        served_stack(
            tmp_path_factory.mktemp("wired"),
            sim.url,
            "platform",
            OUTGOING_WEBHOOK_URL=f"{system.url}/outcomes",
            OUTGOING_SECRET=SECRET,
            PARTNER_EVENT_BUS=SAMPLE["source"],
            WEBHOOK_BEARER="on",
            NOTIFY_SLACK="bot",
            NOTIFY_TEAMS="on",
            NOTIFY_TOPIC_ARN=TOPIC,
            LINK_BASE_URL="https://desk.example",
        ) as ready,
        closing(World(ready, sim)) as world,
    ):
        world.system, world.carrier = system, Carrier("ring", world)
        world.slack, world.teams = slack, teams
        world.client("secretsmanager").put_secret_value(
            SecretId=ready["notify_secret"],
            SecretString=json.dumps(slack.secret(slack_url) | teams.secret(teams_url)),
        )
        world.client("sns").create_topic(Name="people")
        world.inbox = world.client("sqs").create_queue(QueueName="inbox")["QueueUrl"]
        world.client("sns").subscribe(
            TopicArn=TOPIC, Protocol="sqs", Endpoint=TOPIC.replace("sns", "sqs").replace("people", "inbox")
        )
        world.client("secretsmanager").put_secret_value(
            SecretId=ready["webhook_secret"],
            SecretString=json.dumps({"current": WEBHOOK_SECRET, "bearer_current": BEARER}),
        )
        world.warm()
        yield world


@contextmanager
def patience(world, queue, receipts):
    """Make a queue give up a message after this many receipts."""
    sqs, url = world.client("sqs"), world.ready[queue]
    declared = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    changed = json.loads(declared["RedrivePolicy"]) | {"maxReceiveCount": receipts}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(changed)})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=declared)


@pytest.fixture
def completed(wired):
    """Apply a new distribution, script the receiver's `answers`, and return the distribution's id."""

    def apply(*answers):
        wired.system.script[:] = answers
        queue = wired.carrier.queue()
        plan = wired.carrier.plan(queue, wired.carrier.weights(3))
        return wired.run(plan).start("api").ends("completed").distribution_id

    return apply


def dead_letters(world, queue="outgoing_dead_letters"):
    """Return each message with its attributes."""
    sqs, url = world.client("sqs"), world.ready[queue]
    messages = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [(json.loads(message["Body"])["detail"], message.get("MessageAttributes", {})) for message in messages]


def statuses(world, distribution_id):
    return [status for status, *_ in world.system.of(distribution_id)]


def test_an_applied_plan_sends_one_signed_webhook(wired, completed):
    first, second = completed(), completed()
    until(lambda: wired.system.of(first) and wired.system.of(second))
    ((status, delivery, outcome),) = wired.system.of(first)
    assert (status, delivery) == (204, f"{first}:completed")
    assert (outcome["type"], outcome["version"], outcome["id"]) == ("distribution_outcome", "1", delivery)
    assert (outcome["status"], outcome["changes"]) == ("completed", {"settings": 1, "members": 2})
    assert dead_letters(wired) == []


def test_a_receiver_that_fails_twice_gets_the_outcome_at_the_third_attempt(wired, completed):
    told = completed(503, 503)
    until(lambda: len(wired.system.of(told)) == 3)
    assert statuses(wired, told) == [503, 503, 204]
    assert len({json.dumps(outcome) for _, _, outcome in wired.system.of(told)}) == 1
    assert {delivery for _, delivery, _ in wired.system.of(told)} == {f"{told}:completed"}
    assert dead_letters(wired) == []


def test_a_refused_outcome_is_a_dead_letter_at_once(wired, completed):
    told = completed(422)
    ((dead, why),) = until(lambda: dead_letters(wired))
    assert (dead["distribution_id"], why["reason"]["StringValue"]) == (told, "status 422")
    assert statuses(wired, told) == [422]


def test_a_receiver_that_never_answers_leaves_a_dead_letter(wired, completed):
    with patience(wired, "outgoing_queue", 2):
        told = completed(None, None, None)
        ((dead, _),) = until(lambda: dead_letters(wired))
    assert dead["distribution_id"] == told
    assert statuses(wired, told) == [None, None]


# ---- notifications ---------------------------------------------------------------------------------------------------


def read_in_slack(world, distribution_id):
    return [message["text"] for message in world.slack.channel.values() if distribution_id in str(message)]


def cards_about(world, distribution_id):
    return [lines for card in world.teams.cards if distribution_id in str(lines := lines_of(card))]


def mails_about(world, distribution_id):
    """Read the inbox until it has mails about the distribution."""
    sqs, found = world.client("sqs"), []
    for message in sqs.receive_message(QueueUrl=world.inbox, MaxNumberOfMessages=10).get("Messages", []):
        mail = json.loads(message["Body"])
        if distribution_id in mail["Message"]:
            sqs.delete_message(QueueUrl=world.inbox, ReceiptHandle=message["ReceiptHandle"])
            found.append(mail)
    return found


def test_people_read_once_in_every_channel_what_happened_to_the_queue_by_its_name(wired, completed):
    wired.teams.script[:] = [(429, {"Retry-After": "1"}, "")]
    told = completed()
    (mail,) = until(lambda: mails_about(wired, told))
    ((heading, *facts),) = until(lambda: cards_about(wired, told))
    (text,) = until(lambda: read_in_slack(wired, told))
    queue_id = wired.records(told)["9-closed"]["queue_id"]
    assert {heading, text, mail["Subject"]} == {f"Applied: Queue {queue_id}"}
    assert f"Queue: Queue {queue_id} ({queue_id})" in facts
    assert f"https://desk.example/distributions/{told}\n" in mail["Message"]

    refused = wired.post({"queue_id": queue_id, "member_weights": {"agent-001": 2}}).json()["distribution_id"]
    ((heading, *_),) = until(lambda: cards_about(wired, refused))
    assert heading == f"Not applied: Queue {queue_id}", "the name is remembered: Genesys was not asked"
    plan = wired.carrier.plan(queue_id, wired.carrier.weights(3)) | {"dry_run": True}
    again = wired.run(plan).ends("dry_run").distribution_id
    until(lambda: wired.system.of(again))  # its outcome is on the bus, too
    token, wired.slack.token = wired.slack.token, "xoxb-another"
    try:
        last = completed()
        ((dead, why),) = until(lambda: dead_letters(wired, "notify_dead_letters"))
    finally:
        wired.slack.token = token
    assert (dead["distribution_id"], why["reason"]["StringValue"]) == (last, "chat.postMessage: invalid_auth")
    assert cards_about(wired, again) == read_in_slack(wired, again) == mails_about(wired, again) == []
    text = Path(wired.ready["logs"]).read_text(errors="replace")
    assert "A notification was sent" in text
    assert not [secret for secret in (token, wired.slack.path, wired.teams.query) if secret in text]


# ---- the partner bus -------------------------------------------------------------------------------------------------


def publish(world, topic, kind, body, **changes):
    """Put an event on the partner bus as Genesys does. On AWS nobody else can."""
    event = {
        "EventBusName": SAMPLE["source"],
        "Source": SAMPLE["source"],
        "DetailType": kind,
        "Detail": json.dumps(SAMPLE["detail"] | {"topicName": topic, "eventBody": body}),
        **changes,
    }
    assert world.client("events").put_events(Entries=[event])["FailedEntryCount"] == 0


def applied(world):
    """A queue with a completed distribution, which has set its wrap-up time-out too."""
    queue = world.carrier.queue()
    world.run(world.carrier.plan(queue, world.carrier.weights(3))).ends("completed")
    return queue


def changed(world):
    """Such a queue, in which somebody has changed a member since."""
    queue = applied(world)
    world.sim.edit_member(queue, "agent-002", ringNumber=6)
    return queue


def drift_of(world, queue):
    return world.get(f"/queues/{queue}/drift").json()["items"]


def test_a_change_from_the_partner_bus_is_recorded(wired):
    queue = changed(wired)
    topic = f"v2.audits.entitytype.Queue.entityid.{queue}"
    publish(wired, topic, SAMPLE["detail-type"], SAMPLE["detail"]["eventBody"])
    (item,) = until(lambda: drift_of(wired, queue))
    assert [one["member"] for one in item["differences"]] == ["agent-002"]
    assert item["changed_by"] is None, "an audit of a membership does not say who changed a ring"

    other = changed(wired)
    publish(wired, f"v2.routing.queues.{other}.users", "v2.routing.queues.{id}.users", {"id": "agent-002"})
    (item,) = until(lambda: drift_of(wired, other))
    assert item["changed_by"] is None, "the member of such an event is who was changed"


def test_an_audit_event_names_who_changed_a_setting(wired):
    queue = applied(wired)
    wired.sim.edit_queue(queue, acwSettings={"wrapupPrompt": "MANDATORY_TIMEOUT", "timeoutMs": 77_000})
    body = SAMPLE["detail"]["eventBody"] | {"action": "Update"}
    publish(wired, f"v2.audits.entitytype.Queue.entityid.{queue}", SAMPLE["detail-type"], body)
    (item,) = until(lambda: drift_of(wired, queue))
    assert [one["setting"] for one in item["differences"]] == ["wrap_up_timeout_s"]
    assert (item["changed_by"], item["changed_at"]) == ("supervisor-7", "2026-07-11T20:03:27.000Z")


def test_the_status_of_an_agent_counts_in_the_queues_where_the_agent_has_a_share(wired):
    first, second = in_force(wired, "queue-001"), in_force(wired, "queue-of-others", {"agent-002": 1.0})
    event = json.loads((ROOT / "events" / "partner-routing-status.json").read_text(encoding="utf-8"))
    publish(wired, event["detail"]["topicName"], event["detail-type"], event["detail"]["eventBody"])
    known = until(lambda: (found := standings(wired, first.queue_id)).statuses and found)
    assert known.statuses["agent-001"].status == "INTERACTING"
    assert item_of(wired, second.queue_id, "standings") is None
    publish(
        wired, "v2.routing.queues.queue-001.users", "v2.routing.queues.{id}.users", {"id": "agent-001", "joined": False}
    )
    until(lambda: "agent-001" in standings(wired, first.queue_id).memberships)


def test_other_events_never_reach_the_queue(wired):
    kind = SAMPLE["detail-type"]
    publish(wired, "v2.audits.entitytype.User.entityid.agent-001", kind, {})
    publish(wired, "v2.routing.queues.q.conversations", "v2.routing.queues.{id}.conversations", {})
    publish(wired, "v2.audits.entitytype.Queue.entityid.q", kind, {}, Source="somebody.else")
    queue = changed(wired)
    publish(wired, f"v2.audits.entitytype.Queue.entityid.{queue}", kind, {})
    until(lambda: drift_of(wired, queue))
    text = Path(wired.ready["logs"]).read_text(errors="replace")
    assert "A message is no change event" not in text


def test_an_invalid_partner_event_ends_as_a_dead_letter(wired):
    with patience(wired, "webhook_queue", 1):
        publish(wired, "v2.routing.queues.not/an/id.users", "v2.routing.queues.{id}.users", {})
        ((detail, _),) = until(lambda: dead_letters(wired, "webhook_dead_letters"))
    assert detail["topicName"] == "v2.routing.queues.not/an/id.users"


def test_an_undeliverable_event_is_a_dead_letter_of_its_rule(wired):
    """As if the queue were deleted, or its policy did not name the rule."""
    events, rule = wired.client("events"), {"Rule": "PartnerRule", "EventBusName": SAMPLE["source"]}
    (target,) = events.list_targets_by_rule(**rule)["Targets"]
    events.put_targets(**rule, Targets=[target | {"Arn": target["Arn"].replace("WebhookQueue", "OutcomeDeadLetters")}])
    try:
        publish(wired, "v2.routing.queues.q-7.users", "v2.routing.queues.{id}.users", {})
        ((detail, _),) = until(lambda: dead_letters(wired, "webhook_dead_letters"))
    finally:
        events.put_targets(**rule, Targets=[target])
    assert detail["topicName"] == "v2.routing.queues.q-7.users"
    assert dead_letters(wired, "outcome_dead_letters") == []


# ---- a bearer secret -------------------------------------------------------------------------------------------------


def from_architect(world, queue, bearer):
    """Return the request of the page's data action, with its template filled in."""
    page = (ROOT / "docs/administer/genesys-events.md").read_text(encoding="utf-8")
    (request,) = map(json.loads, re.findall(r"^```json\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))
    inputs = {"queueId": queue, "changedBy": "flow-7"}
    body = re.sub(
        r"\$esc\.jsonString\(\$\{input\.(\w+)\}\)", lambda found: inputs[found[1]], request["requestTemplate"]
    )
    headers = {name: value.replace("${credentials.bearer}", bearer) for name, value in request["headers"].items()}
    url = world.api_url + urlsplit(request["requestUrlTemplate"]).path
    return world.http.request(request["requestType"], url, data=body, headers=headers, timeout=30)


def test_a_flow_that_cannot_sign_uses_a_bearer_secret(wired):
    queue = applied(wired)
    wired.sim.edit_queue(queue, acwSettings={"wrapupPrompt": "MANDATORY_TIMEOUT", "timeoutMs": 77_000})
    for wrong in ("", WEBHOOK_SECRET, SECRET):
        assert from_architect(wired, queue, wrong).status_code == 401
    answer = from_architect(wired, queue, BEARER)
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    (item,) = until(lambda: drift_of(wired, queue))
    assert (item["changed_by"], item["deliveries"]) == ("flow-7", [answer.json()["delivery_id"]])


def test_the_log_has_no_secret(wired, completed):
    told = completed()
    until(lambda: wired.system.of(told))
    assert from_architect(wired, "queue-of-nobody", BEARER).status_code == 202
    text = Path(wired.ready["logs"]).read_text(errors="replace")
    assert "The event was sent" in text
    assert SECRET not in text
    assert BEARER not in text
