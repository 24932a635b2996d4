"""The state transitions of a distribution of any size: the deployed definition, walked with functions of formulas."""

import json
from pathlib import Path

import pytest
import yaml
from jsonata.jsonata import Jsonata

from routing_weights.adapters.aws.budget_table import BLOCK_S, LARGEST_BLOCK
from routing_weights.adapters.aws.locks_table import FENCE_HOLDS_S
from routing_weights.bootstrap.deadlines import RESERVE_S
from routing_weights.domain.effort import prices
from routing_weights.projection.effort import LOCK_S, SLOTS, SLOTS_S, TICK_S, expected

ROOT = Path(__file__).resolve().parents[2]
DEFINITION = yaml.safe_load((ROOT / "statemachine/distribute.asl.yaml").read_text(encoding="utf-8"))
STATES = DEFINITION["States"]
PATCH_S = 300
"""The time-out of PatchFunction."""
CONTEXT = {
    "Execution": {"Name": "d-1", "Id": "arn:d-1", "StartTime": "2026-01-31T08:00:00Z"},
    "StateMachine": {"Id": "arn:distribute"},
}
RUN = {"distribution_id": "d-1", "queue_id": "queue-001", "execution_arn": "arn:d-1", "dry_run": False, "until": ""}


def evaluated(value, bindings):
    """A part of the definition with its JSONata expressions evaluated."""
    if isinstance(value, dict):
        return {key: evaluated(part, bindings) for key, part in value.items()}
    if isinstance(value, str) and value.startswith("{%"):
        return Jsonata(value.removeprefix("{%").removesuffix("%}")).evaluate(None, bindings)
    return value


def walk(functions):
    """The states that an execution enters whose tasks answer what `functions` say, by the name of the state."""
    entered, variables, state, result = [], {}, DEFINITION["StartAt"], None
    while True:
        entered.append(state)
        definition = STATES[state]
        if definition["Type"] in {"Succeed", "Fail"}:
            return entered
        bindings = variables | {"states": {"context": CONTEXT, "input": {}}}
        way = definition
        if definition["Type"] == "Task":
            payload = evaluated(definition["Arguments"], bindings).get("Payload")
            answer = functions[state](payload) if state in functions else {}
            result = {"Payload": json.loads(json.dumps(answer))}
        elif definition["Type"] == "Choice":
            chosen = (rule for rule in definition["Choices"] if evaluated(rule["Condition"], bindings))
            way = next(chosen, {"Next": definition["Default"]})
        bindings["states"]["result"] = result
        variables = variables | evaluated(way.get("Assign", {}), bindings)
        state = way["Next"]


def states_of(members, requests_per_minute, settings_last=False):
    """The states of a distribution that changes all `members` of a queue and takes each slot of the rate."""

    def patch_members(payload):
        written = int((PATCH_S - 2 * RESERVE_S) * requests_per_minute / 60)
        return {"next": min(members, payload["next"] + written), "total": members, "pause_s": 0}

    return walk(
        {
            "Validate": lambda _payload: RUN,
            "Project": lambda _payload: {
                "writes": members,
                "settings_last": settings_last,
                "approval": {"wanted": False},
            },
            "Patch members": patch_members,
            "Audit": lambda payload: {"status": payload["outcome"]["status"], "message": ""},
        }
    )


@pytest.mark.parametrize(("members", "rate", "most"), [(0, 300, 15), (100, 300, 15), (5000, 3000, 25), (5000, 300, 25)])
@pytest.mark.parametrize("settings_last", [False, True])
def test_a_completed_distribution_takes_few_transitions(members, rate, most, settings_last):
    entered = states_of(members, rate, settings_last)
    assert entered[-1] == "Completed"
    assert len(entered) <= most
    foreseen = expected(
        members=members,
        changed=members,
        writes=members,
        sets_queue=1 + settings_last,
        settings_last=settings_last,
        concurrent_writes=16,
        requests_per_minute=rate,
        prices=prices("us-east-1"),
    )
    assert foreseen.transitions == len(entered), "and a dry run says so"


def test_the_expected_effort_knows_how_long_a_patch_writes():
    assert TICK_S == PATCH_S - 2 * RESERVE_S


def test_the_expected_effort_knows_how_often_a_run_asks_its_own_tables():
    assert (SLOTS, SLOTS_S) == (LARGEST_BLOCK, BLOCK_S)
    assert LOCK_S == FENCE_HOLDS_S
