"""One message for each event and channel, whatever comes twice, late or at once; and what becomes of a refused one."""

import json

import pytest

from routing_weights.adapters.aws.notifications_table import TAKEN_S, Conversations, Known
from routing_weights.adapters.http.chat import Poster
from routing_weights.adapters.http.slack import SlackBot, SlackWebhook
from routing_weights.adapters.http.teams import Teams
from routing_weights.application.messages import Message
from routing_weights.application.notify import Notify
from routing_weights.domain.notifications import Earlier, notification_of
from tests.support.chat import TOKEN, SlackSystem, TeamsSystem, lines_of, session
from tests.support.fakes import FakeDeadLetters, FakeQueue
from tests.support.notices import ANSWERED, AWAITING, DRIFT, FLEET, MEASURED, OUTCOME, outcome

NOW = 1_800_000_000.0
DRY_RUN = outcome(status="dry_run", id="d-2:dry_run", queue_name="Sales", queue_id="queue-002")


@pytest.fixture
def table(aws):
    aws("dynamodb").create_table(
        TableName="notifications",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "item", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "item", "KeyType": "HASH"}],
    )
    return "notifications"


class People:
    """The use case over moto's table, a Slack and a Teams."""

    def __init__(self, table, slack=SlackBot):
        self.slack, self.teams, self.now = SlackSystem(), TeamsSystem(), NOW
        self.queue, self.dead = FakeQueue(), FakeDeadLetters()
        secret = self.slack.secret() | self.teams.secret()
        poster = Poster(session(self.slack, self.teams), lambda name: (secret[name],))
        self.conversations, self.known = (kind(table, lambda: self.now) for kind in (Conversations, Known))
        self.use_case = Notify(
            (slack(poster), Teams(poster)), self.conversations, self.known, self.queue, self.dead,
            "https://desk.example", lambda: self.now,
        )  # fmt: skip

    def hear(self, *events, received=1):
        """The events come, one after another. Returns the numbers of those that come back."""
        bodies = [event if isinstance(event, str) else json.dumps({"detail": event.model_dump()}) for event in events]
        messages = [Message(f"m-{n}", body, f"r-{n}", received, 0) for n, body in enumerate(bodies)]
        return [int(failed.removeprefix("m-")) for failed in self.use_case.notify(messages)]

    def cards(self):
        return [lines_of(card)[0] for card in self.teams.cards]


@pytest.fixture
def people(table):
    return People(table)


def test_an_event_that_comes_twice_is_one_message_in_each_channel(people):
    assert people.hear(OUTCOME, OUTCOME) == []
    assert people.slack.texts() == people.cards() == ["Applied: Support"]
    (ts,) = people.slack.channel
    assert people.slack.threads[ts] == []
    (link,) = [action["url"] for action in people.teams.cards[0]["actions"]]
    assert link == "https://desk.example/distributions/d-1"


def test_a_later_result_answers_where_the_channel_can_and_is_new_where_it_cannot(people):
    people.hear(AWAITING, OUTCOME)
    assert people.slack.texts() == ["Applied: Support"]
    assert people.cards() == ["Waits for approval: Support", "Applied: Support"]


def test_a_measurement_answers_and_leaves_the_first_message_as_it_is(people):
    people.hear(OUTCOME, MEASURED)
    assert people.slack.texts() == ["Applied: Support"]
    assert [message["text"] for thread in people.slack.threads.values() for message in thread] == ["Measured: Support"]
    assert people.cards() == ["Applied: Support", "Measured: Support"]


def test_without_a_message_about_the_distribution_no_measurement_is_sent(people):
    assert people.hear(MEASURED) == []
    people.hear(outcome(distribution_id="f-1.0", id="f-1.0:completed", fleet_id="f-1"))
    people.hear(MEASURED.model_copy(update={"distribution_id": "f-1.0", "id": "f-1.0:measured"}))
    assert (people.slack.channel, people.teams.cards) == ({}, [])


def test_an_expiry_answers_the_plan_that_expired(people):
    expiry = outcome(id="d-2:completed", distribution_id="d-2", purpose="expiry", reverts="d-1", ended_at="2026-07-12")
    people.hear(OUTCOME, expiry)
    assert people.slack.texts() == ["Expired, and reverted: Support"]


def test_a_question_its_answer_and_what_came_of_it_are_one_message(people):
    people.hear(AWAITING, ANSWERED, OUTCOME)
    assert people.slack.texts() == ["Applied: Support"]
    (thread,) = people.slack.threads.values()
    assert [message["text"] for message in thread] == ["Approved: Support", "Applied: Support"]


def test_a_question_that_was_answered_before_it_arrived_is_not_asked(people):
    assert people.hear(OUTCOME, AWAITING, ANSWERED, AWAITING) == []
    assert people.slack.texts() == people.cards() == ["Applied: Support"]


def test_the_name_of_a_queue_is_remembered_for_events_that_do_not_have_it(people):
    people.hear(OUTCOME, DRIFT)
    assert people.cards() == ["Applied: Support", "Drift: Support"]
    refused = outcome(id="d-7:validation_failed", distribution_id="d-7", status="validation_failed", queue_name=None)
    people.hear(refused, refused.model_copy(update={"id": "x", "distribution_id": "x", "queue_id": "queue-009"}))
    assert people.cards()[2:] == ["Not applied: Support", "Not applied: queue-009"]


def test_a_dry_run_is_no_message_and_teaches_the_name(people):
    assert people.hear(DRY_RUN) == []
    assert (people.slack.channel, people.teams.cards) == ({}, [])
    assert people.known.queue_name("queue-002") == "Sales"


def test_a_fleet_of_a_thousand_queues_is_one_message(people):
    failed = {"outcome": "failed", "unrestored": 1, "unconfirmed": 0, "edited": 0}
    for n in range(40):
        of_queue = {"distribution_id": f"f-1.{n}", "id": f"f-1.{n}:x", "fleet_id": "f-1", "queue_id": f"queue-{n}"}
        people.hear(outcome(**of_queue, ended_at=f"2026-07-11T09:00:{n:02}.000Z"))
        if n % 10 == 0:
            people.hear(outcome(**of_queue | {"id": f"f-1.{n}:y"}, status="interrupted", restore=failed))
    people.hear(FLEET, FLEET)
    assert people.cards() == ["NOT RESTORED: Support · a queue of a fleet", "Fleet ended: 1000 queues"]
    assert people.slack.texts() == ["Fleet ended: 1000 queues"]


def test_the_plans_of_a_fleet_expire_with_one_message_although_no_expiry_names_the_fleet(people):
    for n in range(3):
        people.hear(outcome(distribution_id=f"f-1.{n}", id=f"f-1.{n}:completed", fleet_id="f-1"))
    for n in range(3):
        expiry = {"id": f"e-{n}:completed", "distribution_id": f"e-{n}", "purpose": "expiry", "reverts": f"f-1.{n}"}
        people.hear(outcome(**expiry))
        people.hear(DRIFT.model_copy(update={"id": f"q:{n}", "distribution_id": f"f-1.{n}"}))
    assert people.cards() == [
        "Expired, and reverted: Support · a queue of a fleet",
        "Drift: Support · a queue of a fleet",
    ]


def test_a_channel_that_fails_delays_no_other_and_gets_its_message_later(people):
    people.slack.script = [(429, {"Retry-After": "30"}, "")]
    assert people.hear(OUTCOME) == [0]
    assert people.queue.postponed == {"r-0": 30}
    assert (people.slack.texts(), people.cards()) == ([], ["Applied: Support"])
    assert people.hear(OUTCOME) == []
    assert people.slack.texts() == people.cards() == ["Applied: Support"]
    assert people.dead.letters == []


def test_a_refused_message_is_a_dead_letter_and_a_redrive_sends_it_to_that_channel_only(people, logs):
    people.slack.token = "xoxb-revoked"
    assert people.hear(OUTCOME) == []
    ((body, why),) = people.dead.letters
    assert why == "chat.postMessage: invalid_auth"
    assert [log["channel"] for log in logs() if log["levelname"] == "ERROR"] == ["slack_bot"]
    people.slack.token = TOKEN
    assert people.hear(body) == []
    assert people.slack.texts() == people.cards() == ["Applied: Support"]


def test_a_refusal_waits_for_a_channel_that_comes_later(people):
    people.slack.token = "xoxb-revoked"
    people.teams.script = [(503, {}, "")]
    assert people.hear(OUTCOME) == [0]
    assert people.dead.letters == []
    assert people.hear(OUTCOME) == []
    assert len(people.dead.letters) == 1


def test_a_dead_letter_that_cannot_be_put_is_not_lost(people):
    people.slack.token, people.dead.is_down = "xoxb-revoked", True
    assert people.hear(OUTCOME) == [0]


@pytest.mark.parametrize("body", ["no JSON", "{}", '{"detail": {"type": "of another system"}}'])
def test_a_message_that_is_no_event_comes_again_until_it_is_a_dead_letter(people, body, logs):
    assert people.hear(body, received=3) == [0]
    assert people.queue.postponed == {"r-0": 4}
    assert any(log["levelname"] == "ERROR" for log in logs())


def test_a_defect_of_one_channel_delays_no_other(people, logs):
    people.slack.script = [(RuntimeError("a defect"), {}, "")]
    assert people.hear(OUTCOME) == [0]
    assert people.cards() == ["Applied: Support"]
    assert any(log["msg"] == "Unexpected error" for log in logs())
    assert people.hear(OUTCOME) == [], "the conversation was given back"
    assert people.slack.texts() == ["Applied: Support"]


def test_while_another_function_sends_in_the_conversation_the_event_waits(people):
    other = people.conversations.begin("slack_bot", "d-1", NOW)
    assert people.hear(OUTCOME) == [0]
    assert (people.slack.channel, people.cards()) == ({}, ["Applied: Support"])
    notification = notification_of(OUTCOME, None)
    people.conversations.sent("slack_bot", "d-1", other, notification, "17.1")
    assert people.hear(OUTCOME) == []
    assert people.slack.channel == {}, "the other one has sent it"


def test_a_conversation_of_a_function_that_died_is_taken_over_and_only_then(people):
    first = people.conversations.begin("teams", "d-1", NOW)
    assert people.conversations.begin("teams", "d-1", NOW + TAKEN_S) is None
    second = people.conversations.begin("teams", "d-1", NOW + TAKEN_S + 1)
    assert second.taken_until > first.taken_until
    people.conversations.give_back("teams", "d-1", first)  # too late: it changes nothing
    assert people.conversations.begin("teams", "d-1", NOW + TAKEN_S + 2) is None


def test_a_conversation_keeps_its_newest_state_and_expires(people, aws):
    newest = notification_of(outcome(ended_at="2026-07-12"), None)
    people.conversations.sent("teams", "d-1", people.conversations.begin("teams", "d-1", NOW), newest, "17.1")
    late = notification_of(AWAITING, None)
    people.conversations.sent("teams", "d-1", people.conversations.begin("teams", "d-1", NOW), late, "17.1")
    known = people.conversations.begin("teams", "d-1", NOW)
    assert known == Earlier(known.taken_until, "17.1", "2026-07-12", frozenset({newest.event_id, late.event_id}))
    items = aws("dynamodb").scan(TableName="notifications")["Items"]
    assert all(float(item["expires_at"]["N"]) > NOW for item in items)


def test_a_webhook_of_slack_posts_each_result(table):
    people = People(table, SlackWebhook)
    people.hear(AWAITING, OUTCOME, OUTCOME)
    assert people.slack.texts() == ["Waits for approval: Support", "Applied: Support"]
