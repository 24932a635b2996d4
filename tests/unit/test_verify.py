"""Verify: the members that differ are named, and those who left the queue in the meantime."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from routing_weights.application.verify import Verify
from routing_weights.domain.verify import Settling
from routing_weights.errors import VerificationFailed
from tests.support.fakes import (
    FakeDocuments,
    FakeTime,
    LambdaContext,
    function_module,
    member,
    plan,
    queue,
    run_of,
    target,
    work,
)

GONE = "No longer in the queue: agent-1. See in the record what was restored, then send the plan again without them."
START = datetime(2026, 1, 31, 8, tzinfo=UTC)


def verifying(after):
    """The use case, for a run that is to give agent-1 the weight 0.4 in a queue that holds `after`."""
    documents, time = FakeDocuments(), FakeTime()
    documents.keep_work("d-1", work(plan(), target({"agent-1": 0.4}), queue(member("agent-1"), member("agent-2"))))
    connect = lambda _decision: SimpleNamespace(read_queue=lambda _: after)  # noqa: E731
    return Verify(documents, connect, Settling(0.0, time.clock, time.sleep)), documents


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (["agent-1"], "else for agent-1. See in the record what was restored, then send the plan again."),
        ([], "for agent-1. " + GONE),
    ],
)
def test_a_member_who_left_is_named(held, message):
    after = queue(*map(member, held), member("agent-2"))
    verify, documents = verifying(after)
    with pytest.raises(VerificationFailed) as caught:
        verify.verify(run_of(START))
    assert caught.value.message.endswith(message)
    assert documents.find_after("d-1") == after


def test_the_function_says_how_many_members_hold_the_target(monkeypatch):
    app = function_module("verify")
    verify, _ = verifying(queue(member("agent-1", 0.4), member("agent-2")))
    monkeypatch.setattr(app.VerifySettings, "load", lambda: None)
    monkeypatch.setattr(app.bootstrap, "verify", lambda *_: verify)
    assert app.handler(run_of(START).model_dump(mode="json"), LambdaContext())["verified"] == 1
