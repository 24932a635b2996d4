"""What people read of each event, in each channel. No name makes a channel mention somebody or link somewhere."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.checks.notifications import PAGE, page, samples, with_samples
from routing_weights.adapters.aws.notification_topic import Topic, body, subject
from routing_weights.adapters.http import slack, teams
from routing_weights.adapters.http.chat import Poster
from routing_weights.domain.fleet import FleetStatus
from routing_weights.domain.notifications import Earlier, Kind, event_of, kind_of, moment, notification_of, plain
from routing_weights.domain.signing import Reply
from routing_weights.domain.status import Status
from routing_weights.errors import ConfigurationInvalid
from tests.support.chat import SlackSystem, TeamsSystem, acted_on, lines_of, refusal, session
from tests.support.notices import ANSWERED, AWAITING, DRIFT, FLEET, MEASURED, OUTCOME, outcome

HOSTILE = [
    "<!channel> <!here> <@U0123456> @everyone @channel",
    "<https://evil.example|Open the record>",
    "https://evil.example/login www.evil.example evil.example",
    "[Open](https://evil.example) **bold** _it_ `code`",
    "<at>everyone</at> {{DATE(2026-01-01T00:00:00Z)}} @{triggerBody()} ${x}",
    "two\nlines\r\nSubject: other\tand\u2028more\x00\x1b[31m",
    "\u202egnirts desrever\u2066 \u200bzero\ufeff width",
    "&amp;&lt;!channel&gt;",
    "😀" * 400,
    "a" * 5000,
]


def said(notification):
    return [notification.heading, *(text for fact in notification.facts for text in fact), notification.text]


def test_an_applied_plan_says_who_what_and_until_when():
    notification = notification_of(OUTCOME, None)
    assert (notification.kind, notification.tone, notification.about) == (Kind.APPLIED, "good", "d-1")
    assert notification.heading == "Applied: Support"
    assert dict(notification.facts) == {
        "Queue": "Support (queue-001)",
        "Caller": "arn:user/ops (api)",
        "Requested by, as the plan says": "wfm",
        "Reason": "storm",
        "Changed": "2 of 12 members, 1 setting",
        "Before": "ring 1: 12",
        "After": "ring 1: 10, ring 3: 1, others: 1",
        "Verdict": "pass: within the limits",
        "Projected service level": "83%",
        "Expires": "2026-07-11 18:00 UTC",
        "Distribution": "d-1",
    }
    assert notification.path == "/distributions/d-1"


def test_a_caller_who_signed_in_is_called_by_name_beside_the_id():
    event = outcome(caller="genesys:0f3b", caller_name="A <!here> name")
    assert dict(notification_of(event, None).facts)["Caller"] == "A <!here> name, genesys:0f3b (api)"


RESTORE = {"unrestored": 0, "unconfirmed": 0, "edited": 0}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, Kind.APPLIED),
        ({"purpose": "revert", "reverts": "d-0"}, Kind.REVERTED),
        ({"purpose": "expiry", "reverts": "d-0"}, Kind.EXPIRED),
        ({"purpose": "repair", "reverts": "d-0"}, Kind.REPAIRED),
        *(({"status": status}, Kind.REFUSED) for status in Status if status.terminal and status.wrote == "no"),
        ({"status": "interrupted"}, Kind.REFUSED),
        ({"status": "interrupted", "restore": RESTORE | {"outcome": "not_needed"}}, Kind.REFUSED),
        ({"status": "member_update_failed", "restore": RESTORE | {"outcome": "restored"}}, Kind.RESTORED),
        ({"status": "member_update_failed", "restore": RESTORE | {"outcome": "partial"}}, Kind.NOT_RESTORABLE),
        ({"status": "interrupted", "restore": RESTORE | {"outcome": "failed"}}, Kind.NOT_RESTORABLE),
    ],
)
def test_every_outcome_has_its_kind(changes, kind):
    event = outcome(**changes)
    assert kind_of(event) is kind
    if event.status is not Status.DRY_RUN:
        assert notification_of(event, None).heading == f"{kind.heading}: Support"


def test_a_dry_run_is_nobodys_news():
    assert notification_of(outcome(status="dry_run"), None) is None
    assert notification_of(FLEET.model_copy(update={"queues": {"dry_run": 1000}}), None) is None
    assert notification_of(FLEET.model_copy(update={"queues": {"dry_run": 1, "completed": 1}}), None)
    assert notification_of(FLEET.model_copy(update={"queues": {}}), None)


def test_a_queue_that_was_not_restored_says_so_first_and_how_much():
    restore = {"outcome": "partial", "unrestored": 2, "unconfirmed": 0, "edited": 1}
    notification = notification_of(outcome(status="member_update_failed", restore=restore), None)
    assert notification.tone == "bad"
    assert notification.heading == "NOT RESTORED: Support"
    assert dict(notification.facts)["Not restored"] == "2 unrestored, 1 edited"
    assert notification.text.startswith("The queue holds a mixture of old and new values.")


def test_a_refused_plan_says_what_is_wrong_and_how_much_more():
    errors = [{"type": "PlanInvalid", "message": f"Problem {n}.", "path": None} for n in range(5)]
    event = outcome(status="validation_failed", queue_name=None, errors=errors, error_count=9, changes=None)
    notification = notification_of(event, "Support as it was called")
    assert notification.heading == "Not applied: Support as it was called"
    assert notification.text == "Problem 0. Problem 1. Problem 2. 6 more problems are in the record."
    assert dict(notification.facts)["Result"] == Status.VALIDATION_FAILED.sentence
    nameless = notification_of(outcome(status="validation_failed", queue_name=None, queue_id=None), None)
    assert dict(nameless.facts)["Queue"] == "the plan names none"
    assert nameless.heading == "Not applied"


@pytest.mark.parametrize(("purpose", "first"), [("expiry", "The plan has expired"), ("repair", "The drift is not")])
def test_the_text_begins_with_what_should_have_happened_by_itself(purpose, first):
    notification = notification_of(outcome(status="queue_busy", purpose=purpose, reverts="d-0"), None)
    assert notification.text.startswith(first)
    assert notification.about == "d-0", "it answers the message about what should have ended"


def test_a_measurement_says_what_was_projected_and_what_came():
    notification = notification_of(MEASURED, "Support")
    assert (notification.kind, notification.about) == (Kind.MEASURED, "d-1")
    facts = dict(notification.facts)
    assert facts["Service level"] == "83% projected, 79% realised"
    assert facts["Measured"] == "2026-07-11 08:30 UTC to 2026-07-11 09:30 UTC"
    assert notification.text == "Other distributions were at work on the queue in that time."
    unknown = MEASURED.model_copy(update={"realised": MEASURED.realised.model_copy(update={"service_level": None})})
    assert dict(notification_of(unknown, None).facts)["Service level"] == "83% projected"


def test_drift_says_who_changed_what_and_the_answer():
    notification = notification_of(DRIFT, "Support")
    assert (notification.kind, notification.about) == (Kind.DRIFT, "d-1")
    facts = dict(notification.facts)
    assert (
        facts["Differs"] == "agent-1: 1 → 6; agent-2: joined → no longer in the queue; overflow_threshold: 0.8 → none"
    )
    assert (facts["Changed by"], facts["Answer"], facts["Repair"]) == ("supervisor-7", "repair started", "d-9")
    assert notification.text == "Distribution d-1 is applied again."


def test_an_approval_says_what_is_asked_until_when_and_how_to_answer():
    notification = notification_of(AWAITING, None)
    assert (notification.kind, notification.about) == (Kind.AWAITING_APPROVAL, "d-1")
    facts = dict(notification.facts)
    assert (facts["Answer until"], facts["Hash"]) == ("2026-07-11 12:00 UTC", "ab12")
    assert "POST /distributions/d-1/approve or /distributions/d-1/reject" in notification.text


def test_an_approval_says_who_gave_it_and_a_rejection_leaves_it_to_the_outcome():
    notification = notification_of(ANSWERED, "Support")
    assert (notification.heading, notification.about) == ("Approved: Support", "d-1")
    assert dict(notification.facts)["Approved by"] == "arn:user/lead"
    console = notification_of(ANSWERED.model_copy(update={"caller": None}), None)
    assert dict(console.facts)["Approved by"] == "somebody in the console"
    assert notification_of(ANSWERED.model_copy(update={"answer": "rejected"}), "Support") is None


def test_of_a_fleet_that_waits_the_message_says_how_to_answer_all():
    assert "POST /fleets/f-1/approve or /fleets/f-1/reject" in notification_of(AWAITING, None).for_fleet("f-1").text
    assert notification_of(ANSWERED, None).for_fleet("f-1") is None


@pytest.mark.parametrize("status", FleetStatus)
def test_a_fleet_is_one_message_which_says_so(status):
    notification = notification_of(FLEET.model_copy(update={"status": status.value}), None)
    assert notification.about == "fleet f-1"
    assert notification.kind is (Kind.FLEET_ENDED if status.terminal else Kind.FLEET_HELD)
    assert notification.text.endswith("This message stands for all queues of the fleet.")
    assert dict(notification.facts)["Ended"] == "completed 997, verification failed 3"
    assert notification.tone == ("good" if status.green else "bad" if status.terminal else "warning")


@pytest.mark.parametrize(
    ("changes", "is_sent"),
    [
        ({}, False),
        ({"status": "saturation_blocked"}, False),
        ({"status": "member_update_failed", "restore": RESTORE | {"outcome": "restored"}}, False),
        ({"status": "member_update_failed", "restore": RESTORE | {"outcome": "failed"}}, True),
        ({"purpose": "expiry", "reverts": "f-1.0"}, True),
    ],
)
def test_of_a_queue_of_a_fleet_only_what_the_fleet_does_not_say_is_sent_once_a_day(changes, is_sent):
    first, second = (
        notification_of(outcome(id=f"f-1.{n}:x", distribution_id=f"f-1.{n}", **changes), None).for_fleet("f-1")
        for n in range(2)
    )
    assert bool(first) is is_sent
    if is_sent:
        assert first.event_id == second.event_id == f"f-1:{first.kind}:2026-07-11"
        assert first.about == "fleet f-1"
        assert "first queue of fleet f-1 today" in first.text


def test_an_event_of_a_later_release_is_read_without_its_new_fields():
    detail = OUTCOME.model_dump(mode="json") | {"new": 1}
    detail["projection"] |= {"newer": 2}
    detail["before"]["values"][0] |= {"newest": 3}
    assert event_of(detail) == OUTCOME
    assert event_of(FLEET.model_dump(mode="json")) == FLEET
    with pytest.raises(ValueError, match="none of the events"):
        event_of({"type": "of another system"})


@pytest.mark.parametrize("event", [OUTCOME, MEASURED, DRIFT, AWAITING, ANSWERED, FLEET], ids=lambda event: event.type)
def test_every_event_is_read_as_it_was_written(event):
    assert event_of(json.loads(event.model_dump_json())) == event


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-07-11T20:00:00.000+02:00", "2026-07-11 18:00 UTC"),
        ("no time", "no time"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_times_are_in_utc(text, expected):
    assert moment(text) == expected


@given(st.text(max_size=400))
def test_plain_text_is_one_short_visible_line_without_an_address(text):
    line = plain(text)
    assert len(line) <= 300
    assert line.isprintable()
    assert "://" not in line
    assert plain(line) == line


# ---- each channel, with hostile names --------------------------------------------------------------------------------


def hostile_events(name):
    errors = [{"type": name[:50], "message": name, "path": None}]
    words = {
        "queue_name": name[:1000],
        "caller_name": name[:200],
        "requested_by": name[:1000],
        "reason": name[:1000],
        "caller": name[:1000],
    }
    yield outcome(**words, errors=errors, error_count=1, projection={"verdict": "pass", "reason": name[:1000]})
    yield AWAITING.model_copy(
        update={key: word for key, word in words.items() if key != "caller_name"} | {"reasons": [name] * 5}
    )
    yield ANSWERED.model_copy(update={"caller": name, "reason": name, "hash": name})
    yield DRIFT.model_copy(update={"changed_by": name, "why": name, "differences": [{"member": name}] * 5})
    yield FLEET.model_copy(update={"reason": name, "caller": name})


@pytest.mark.parametrize("name", HOSTILE)
def test_slack_acts_on_nothing_but_our_link(name):
    for event in hostile_events(name):
        message = slack.message(notification_of(event, name), "https://desk.example/distributions/d-1")
        assert refusal(json.loads(json.dumps(message))) is None
        assert acted_on(message) == ["https://desk.example/distributions/d-1|Open the record"]
        assert "://" not in json.dumps([block for block in message["blocks"] if block["type"] != "context"])


@pytest.mark.parametrize("name", HOSTILE)
def test_teams_takes_every_card_and_reads_no_markdown(name):
    system = TeamsSystem()
    channel = teams.Teams(Poster(session(system), lambda key: (system.secret()[key],)))
    for event in hostile_events(name):
        sent = channel.send(notification_of(event, name), "https://desk.example/d-1", Earlier())
        assert sent.reply == Reply("taken", "status 202")
        card = system.cards[-1]
        assert [action["url"] for action in card["actions"]] == ["https://desk.example/d-1"]
        assert "://" not in "".join(lines_of(card))


@pytest.mark.parametrize("name", HOSTILE)
def test_an_email_has_one_line_of_subject_and_no_address_but_ours(name):
    for event in hostile_events(name):
        notification = notification_of(event, name)
        text = body(notification, "https://desk.example/d-1", Earlier())
        assert 0 < len(subject(notification)) < 100
        assert subject(notification).isprintable()
        assert [line for line in text.splitlines() if "://" in line] == ["https://desk.example/d-1"]
        assert len(text.encode()) < 262_144


def test_without_a_link_no_channel_shows_one():
    notification = notification_of(OUTCOME, None)
    assert acted_on(slack.message(notification, "")) == []
    assert "actions" not in teams.message(notification, "")["attachments"][0]["content"]
    assert "://" not in body(notification, "", Earlier())


# ---- Slack, as a webhook and as a bot --------------------------------------------------------------------------------


class Slack(SimpleNamespace):
    def __init__(self, kind, **changes):
        self.system = SlackSystem()
        secret = self.system.secret() | changes
        poster = Poster(session(self.system), lambda key: (secret[key],) if secret[key] else ())
        self.channel = kind(poster)

    def send(self, event, earlier=None):
        return self.channel.send(notification_of(event, None), "", earlier or Earlier())


def test_a_webhook_posts_and_cannot_answer():
    chat = Slack(slack.SlackWebhook)
    assert chat.send(OUTCOME).reply.verdict == "taken"
    sent = chat.send(outcome(id="b"), Earlier(reference="17.1"))
    assert (sent.reference, len(chat.system.channel)) == ("", 2)


def test_a_bot_answers_in_the_thread_and_updates_the_first_message():
    chat = Slack(slack.SlackBot)
    first = chat.send(AWAITING)
    ts = first.reference
    assert chat.system.texts() == ["Waits for approval: Support"]
    later = chat.send(OUTCOME, Earlier(reference=ts, newest_at=AWAITING.at))
    assert later.reference == ts
    assert chat.system.texts() == ["Applied: Support"]
    assert [answer["text"] for answer in chat.system.threads[ts]] == ["Applied: Support"]


def test_an_event_that_is_late_does_not_update_the_newest_state():
    chat = Slack(slack.SlackBot)
    ts = chat.send(OUTCOME).reference
    chat.send(
        DRIFT.model_copy(update={"at": "2026-07-11T07:00:00.000Z"}), Earlier(reference=ts, newest_at=OUTCOME.ended_at)
    )
    assert chat.system.texts() == ["Applied: Support"]
    assert len(chat.system.threads[ts]) == 1


def test_a_message_that_somebody_deleted_is_followed_by_a_new_one():
    chat = Slack(slack.SlackBot)
    ts = chat.send(AWAITING).reference
    chat.system.deleted.add(ts)
    for newest_at in (AWAITING.at, "2027"):  # with and without an update before the answer
        sent = chat.send(OUTCOME, Earlier(reference=ts, newest_at=newest_at))
        assert (sent.reply.verdict, sent.reference in chat.system.channel, sent.reference != ts) == (
            "taken",
            True,
            True,
        )


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ((429, {"Retry-After": "30"}, '{"ok":false,"error":"ratelimited"}'), Reply("later", "status 429", 30)),
        ((200, {}, '{"ok":false,"error":"ratelimited"}'), Reply("later", "chat.postMessage: ratelimited")),
        ((200, {}, '{"ok":false,"error":"is_archived"}'), Reply("never", "chat.postMessage: is_archived")),
        ((200, {}, "<html>"), Reply("later", "chat.postMessage: no answer that can be read")),
        ((200, {}, "[]"), Reply("later", "chat.postMessage: no answer that can be read")),
        ((503, {}, ""), Reply("later", "status 503")),
        ((302, {"Location": "https://evil.example"}, ""), Reply("never", "status 302")),
        ((OSError("https://slack.example/secret"), {}, ""), Reply("later", "OSError")),
    ],
)
def test_each_answer_of_slack_has_its_consequence(answer, reply):
    chat = Slack(slack.SlackBot)
    chat.system.script = [answer]
    assert chat.send(OUTCOME).reply == reply


def test_while_an_update_fails_nothing_is_answered():
    chat = Slack(slack.SlackBot)
    ts = chat.send(AWAITING).reference
    chat.system.script = [(429, {"Retry-After": "1"}, "")]
    assert chat.send(OUTCOME, Earlier(reference=ts, newest_at=AWAITING.at)).reply == Reply("later", "status 429", 1)
    assert chat.system.threads[ts] == []


@pytest.mark.parametrize(
    ("kind", "changes", "name"),
    [
        (slack.SlackWebhook, {"slack_webhook_url": ""}, "slack_webhook_url"),
        (slack.SlackBot, {"slack_bot_token": ""}, "slack_bot_token"),
        (slack.SlackBot, {"slack_channel": ""}, "slack_channel"),
        (slack.SlackWebhook, {"slack_webhook_url": "http://hooks.example/planted"}, "not an https URL"),
        (slack.SlackWebhook, {"slack_webhook_url": "file:///planted"}, "not an https URL"),
    ],
)
def test_a_secret_that_holds_no_usable_value_is_named_without_its_value(kind, changes, name):
    with pytest.raises(ConfigurationInvalid, match=name) as raised:
        Slack(kind, **changes).send(OUTCOME)
    assert "planted" not in str(raised.value)


def test_a_wrong_token_is_refused_for_ever():
    chat = Slack(slack.SlackBot)
    chat.system.token = "xoxb-another"
    assert chat.send(OUTCOME).reply == Reply("never", "chat.postMessage: invalid_auth")


# ---- e-mail ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def topic(aws):
    """A topic of which a queue has every message."""
    arn = aws("sns").create_topic(Name="people")["TopicArn"]
    url = aws("sqs").create_queue(QueueName="inbox")["QueueUrl"]
    aws("sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint="arn:aws:sqs:eu-central-1:123456789012:inbox")
    return SimpleNamespace(
        channel=Topic(arn),
        inbox=lambda: [
            json.loads(message["Body"]) for message in aws("sqs").receive_message(QueueUrl=url).get("Messages", [])
        ],
    )


def test_an_email_is_published_and_says_what_it_follows(topic):
    earlier = Earlier(events=frozenset({"d-1:awaiting_approval"}))
    assert (
        topic.channel.send(notification_of(OUTCOME, None), "https://desk.example/d", earlier).reply.verdict == "taken"
    )
    (mail,) = topic.inbox()
    assert mail["Subject"] == "Applied: Support"
    assert "Before: ring 1: 12\n" in mail["Message"]
    assert mail["Message"].endswith("https://desk.example/d\n\nAn earlier message was about the same: d-1\n")


@pytest.mark.usefixtures("aws")
def test_a_topic_that_is_gone_refuses_for_ever():
    sent = Topic("arn:aws:sns:eu-central-1:123456789012:gone").send(notification_of(OUTCOME, None), "", Earlier())
    assert sent.reply == Reply("never", "SNS: NotFound")


def test_the_page_shows_what_the_code_sends():
    text = PAGE.read_text(encoding="utf-8")
    assert with_samples(text) == text, "python -m local.checks.notifications --write"
    assert page() in text
    kinds = {notification.kind for notification in samples().values()}
    assert kinds == set(Kind) - {Kind.REVERTED, Kind.REPAIRED, Kind.FLEET_HELD}, "which look like the others"
