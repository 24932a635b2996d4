"""Suggest: a plan that is suggested needs no approval that the plan would need."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from routing_weights.application.suggest import Suggest, draft_of
from routing_weights.domain.queue import QueueSettings
from routing_weights.domain.shares import SharesInForce
from routing_weights.domain.types import ShareOptions
from tests.support.fakes import FakeShares, PlainContract, member, queue, target

LIMITS = {"overflow_threshold": 0.85, "utilization_target": 0.8}
DRAFT = json.dumps({"queue_id": "queue-001", "strategy_reference": "by-weight"} | LIMITS)


class Ruled(PlainContract):
    """A queue with routing rules."""

    def read_queue(self, _queue_id):
        return replace(queue(member("agent-1", 0.4)), settings=QueueSettings(routing_rules="100 for 10 s"))

    def with_skills_in_use(self, held, _requirements):
        return held

    def target(self, wanted, _queue):
        return target(wanted.weights)

    def statement(self, *_):
        return {"without_effect": None, "notes": []}


@pytest.mark.parametrize(("weights", "passes"), [({"agent-1": 0.3}, False), ({}, True)])
def test_a_ranking_beside_shares_in_force_is_not_suggested_as_a_plan_that_passes(weights, passes):
    def project(*of, frontier):
        assert frontier
        without_effect = of[5]["without_effect"]
        verdict = "needs_approval" if without_effect else "pass"
        return SimpleNamespace(document={"verdict": verdict, "reason": without_effect}, outlook=None)

    projector = SimpleNamespace(deployed_actuator="ring", forecast_for=lambda _plan: None, project=project)
    shares = FakeShares(SharesInForce("queue-001", "d-0", weights, ShareOptions(), 1))
    suggestion = Suggest(projector, lambda _actuation: Ruled(), shares).suggest(*draft_of(DRAFT))
    assert suggestion["passes"] is passes
    reasons = [
        str(tried["reason"]).startswith("The weights have hardly any effect: shares of")
        for tried in suggestion["tried"]
    ]
    assert set(reasons) == {not passes}
