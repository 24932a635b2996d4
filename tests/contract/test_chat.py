"""Posts to chat systems over a socket: what a broken answer means, and that no log shows a secret address."""

import pytest

from local.planted import found_in
from routing_weights.adapters.genesys.transport import new_session
from routing_weights.adapters.http.chat import Poster
from routing_weights.adapters.http.slack import SlackBot, SlackWebhook
from routing_weights.adapters.http.teams import Teams
from routing_weights.domain.notifications import Earlier, notification_of
from routing_weights.domain.signing import Reply
from tests.support.chat import SlackSystem, TeamsSystem, served
from tests.support.notices import OUTCOME


@pytest.mark.parametrize(
    ("kind", "system", "status", "reply"),
    [
        (SlackWebhook, SlackSystem, 200, Reply("taken", "status 200")),
        (Teams, TeamsSystem, 202, Reply("taken", "status 202")),
        (Teams, TeamsSystem, 503, Reply("later", "status 503")),
        (SlackBot, SlackSystem, 200, Reply("later", "chat.postMessage: no answer that can be read")),
    ],
)
@pytest.mark.parametrize("broken", [{"Content-Encoding": "gzip"}, {"a broken line\r\nX": "y"}])
def test_a_broken_answer_is_judged_by_its_status_and_no_log_shows_the_address(
    kind, system, status, reply, broken, caplog
):
    chat = system()
    chat.script = [(status, broken, "ok")]
    with served(chat) as base, new_session() as http:
        secret = chat.secret(base)
        poster = Poster(http, lambda name: (secret[name],))
        assert kind(poster).send(notification_of(OUTCOME, None), "", Earlier()).reply == reply
    assert found_in(caplog.text.encode()) == []
