"""The function that reads back: what differs is named, and so is whoever left the queue in the meantime."""

from types import SimpleNamespace

import pytest

from routing_weights.errors import VerificationFailed
from tests.support.fakes import LambdaContext, function_module, member, plan, queue, target, work

GONE = "No longer in the queue: agent-1. See in the record what was put back, then send the plan again without them."
RUN = {
    "distribution_id": "d-1",
    "execution_arn": "arn:d-1",
    "started_at": "2026-01-31T08:00:00Z",
    "queue_id": "queue-001",
}


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (["agent-1"], "else for agent-1. See in the record what was put back, then send the plan again."),
        ([], "for agent-1. " + GONE),
    ],
)
def test_a_member_who_left_is_named(documents, monkeypatch, held, message):
    app = function_module("verify")
    settings = SimpleNamespace(documents_bucket=documents.bucket, verify_timeout_s=0.0)
    monkeypatch.setattr(app.VerifySettings, "load", lambda: settings)
    before = queue(member("agent-1"), member("agent-2"))
    documents.keep_work("d-1", work(plan(), target({"agent-1": 0.4}), before))
    after = queue(*map(member, held), member("agent-2"))
    monkeypatch.setattr(app, "decided", lambda *_, **__: SimpleNamespace(read_queue=lambda _: after))
    with pytest.raises(VerificationFailed) as caught:
        app.handler(RUN, LambdaContext())
    assert caught.value.message.endswith(message)
