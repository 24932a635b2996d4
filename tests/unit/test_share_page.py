"""docs/administer/shares.md and its two files: the data action and the flow fit the code that answers them."""

import json
import math
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from local.checks.shares import example
from routing_weights.api.draws import DrawAnswer, DrawRequest
from routing_weights.domain.actuators.share import MAX_SHARED
from routing_weights.domain.deficit import BOUND
from routing_weights.domain.draw import Tally, draw
from routing_weights.domain.plan import parse_plan
from routing_weights.domain.shares import SCORES, SharesInForce
from routing_weights.domain.standings import Standings
from routing_weights.domain.strategies import strategies
from routing_weights.domain.types import ShareOptions

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/administer"
PAGE = (FOLDER / "shares.md").read_text(encoding="utf-8")
FOR_PLANNERS = (ROOT / "docs/use/shares.md").read_text(encoding="utf-8")
PRICES = json.loads((ROOT / "layers/core/routing_weights/domain/prices.json").read_text(encoding="utf-8"))
TEMPLATE = (ROOT / "template.yaml").read_text(encoding="utf-8")
ACTION = json.loads((FOLDER / "share-draw.custom.json").read_text(encoding="utf-8"))
FLOW = yaml.safe_load((FOLDER / "share-flow.yaml").read_text(encoding="utf-8"))["inboundCall"]
INPUT, OUTPUT = ACTION["contract"]["input"]["inputSchema"], ACTION["contract"]["output"]["successSchema"]
ARN = "arn:aws:lambda:us-east-1:210987654321:function:routing-weights-DrawFunction-1ABC"


def types(schema):
    """The type of each field, and of the entries of a list: a data action knows no more."""
    return {
        name: (field["type"], field["items"]["type"]) if field["type"] == "array" else field["type"]
        for name, field in schema["properties"].items()
    }


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


# ---- the data action -------------------------------------------------------------------------------------------------


def test_the_data_action_sends_what_a_draw_takes():
    ours = DrawRequest.model_json_schema()
    sent = types(INPUT)
    assert sent == dict.fromkeys(sent, "string")  # the input contract is flat
    assert sent.keys() == ours["properties"].keys() - {"dry_run"}
    assert set(INPUT["required"]) == set(ours["required"])
    request = DrawRequest.model_validate({"queue_id": "queue-1", "conversation_id": "conversation-1", "media": "voice"})
    assert not request.dry_run
    named = set(re.findall(r"\w+", INPUT["properties"]["media"]["description"])) - {"or"}
    for media in named:
        DrawRequest.model_validate({"queue_id": "queue-1", "conversation_id": "conversation-1", "media": media})


def test_the_data_action_expects_what_a_draw_answers():
    assert types(OUTPUT) == types(DrawAnswer.model_json_schema(mode="serialization"))


def test_the_data_action_passes_the_input_and_the_answer_on_unchanged():
    request, response = ACTION["config"]["request"], ACTION["config"]["response"]
    assert (request["requestType"], request["requestTemplate"]) == ("POST", "${input.rawRequest}")
    assert response == {"translationMap": {}, "translationMapDefaults": {}, "successTemplate": "${rawResult}"}
    assert ACTION["integrationType"] == "aws-lambda-data-actions"


def test_the_command_of_the_page_puts_the_arn_of_the_function_into_the_file(tmp_path):
    (script,) = blocks(PAGE, "sh")
    answering = tmp_path / "aws"
    answering.write_text(f'#!/bin/sh\ncase "$*" in *DrawFunctionArn*) echo {ARN} ;; esac\n')
    answering.chmod(0o755)
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, env={"PATH": path}, check=True)
    made = json.loads((tmp_path / "draw-preferred-agents.custom.json").read_text())
    assert made["config"]["request"].pop("requestUrlTemplate") == ARN
    assert made["config"]["request"].items() <= ACTION["config"]["request"].items()
    assert made | {"config": None} == ACTION | {"config": None}


# ---- the flow --------------------------------------------------------------------------------------------------------


def actions_of(steps):
    return [next(iter(step.items())) for step in steps]


def test_the_flow_gives_the_data_action_its_inputs_and_takes_its_outputs():
    ((task,), variables) = FLOW["tasks"], {}
    for variable in task["task"]["variables"]:
        ((kind, described),) = variable.items()
        variables[described["name"]] = kind
    ((name, call), *_) = actions_of(task["task"]["actions"])
    assert name == "callData"
    ((integration, category),) = call["category"].items()
    ((action, bound),) = category["dataAction"].items()
    assert f"name it `{integration}`" in PAGE
    assert action == ACTION["name"]
    assert bound["inputs"].keys() == types(INPUT).keys()
    assert bound["successOutputs"].keys() == types(OUTPUT).keys()
    collections = {"string": "stringCollectionVariable", "integer": "integerCollectionVariable"}
    for output, field in types(OUTPUT).items():
        if isinstance(field, tuple):
            assert variables[bound["successOutputs"][output]["var"]] == collections[field[1]]


def test_each_path_of_the_flow_that_does_not_transfer_reaches_the_transfer_to_the_whole_queue():
    (task,) = FLOW["tasks"]
    (_, draw), (name, last), (end, _) = actions_of(task["task"]["actions"])
    assert (name, end) == ("transferToAcd", "disconnect")
    assert "preferredAgents" not in last
    assert draw["timeout"] == {"lit": {"seconds": 2}}
    assert draw["outputs"].keys() == {"success"}  # failure and timeout go on to the last transfer
    ((kind, decision),) = actions_of(draw["outputs"]["success"]["actions"])
    assert (kind, decision["outputs"].keys()) == ("decision", {"yes"})
    ((kind, found),) = actions_of(decision["outputs"]["yes"]["actions"])
    assert (kind, found["outputs"].keys()) == ("findUsersById", {"found"})
    ((kind, transfer),) = actions_of(found["outputs"]["found"]["actions"])
    assert kind == "transferToAcd"
    assert transfer["targetQueue"] == last["targetQueue"]
    assert transfer["preferredAgents"]["exp"] == "MakeListAgentScorePair(Task.Users, Task.Scores)"
    for expression in (transfer["preferredAgents"]["exp"], decision["condition"]["exp"], "Call.ConversationId"):
        assert f"`{expression}`" in PAGE


def test_the_picture_is_drawn_from_the_flow_and_the_rules():
    assert (ROOT / "docs/shares.svg").read_text(encoding="utf-8") == example(), "docs/shares.svg is old: make pictures"


# ---- numbers and names of the pages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [PAGE, FOR_PLANNERS], ids=["administer", "use"])
def test_the_plans_of_the_pages_are_plans_for_shares(page):
    for text in (text for text in blocks(page, "json") if "member_weights" in text):
        plan = parse_plan(text)
        assert strategies()[plan.strategy_reference].actuator == "share"
        assert plan.share == ShareOptions()


def test_the_parameters_and_outputs_of_the_page_are_in_the_template():
    outputs = TEMPLATE[TEMPLATE.index("\nOutputs:") :]
    for name in ("DrawRoleArn", "DrawFunctionArn"):
        assert f"{name}" in PAGE
        assert f"\n  {name}:\n" in outputs
    named = {*re.findall(r"(Genesys\w+)=", PAGE), *re.findall(r"^\| `(\w+)` \| how", PAGE, re.MULTILINE)}
    assert named == {"GenesysAwsAccountId", "GenesysOrganisationId", "DrawLimit", "StandingsReadSeconds"}
    parameters = TEMPLATE[: TEMPLATE.index("\nResources:")]
    assert [name for name in named if f"\n  {name}:\n" not in parameters] == []
    limit = re.search(r"\n  DrawLimit:\n(?:    .*\n)*?    Default: (\d+)\n", parameters)
    assert limit
    assert int(limit[1]) == 20  # what Genesys takes without asking


def test_the_pages_say_how_strict_shares_are_by_default():
    options = ShareOptions()
    assert BOUND == 5
    assert "up to five contacts" in FOR_PLANNERS
    assert "their bound of five contacts" in PAGE
    assert f"`hold_s` is 2 to 600 ({options.hold_s} if you leave it out)" in FOR_PLANNERS
    assert f"or 2 to 600 ({options.then})" in FOR_PLANNERS
    decision = (ROOT / "docs/adr/0028-a-share-is-a-draw-per-contact.md").read_text(encoding="utf-8")
    first, *others = SCORES
    assert f"has score {first}" in decision
    assert f"get {', '.join(map(str, others[:-1]))} and {others[-1]} " in decision


@pytest.mark.parametrize(("members", "usd"), [(3, 5), (20, 7)])
def test_the_page_says_what_a_draw_costs(members, usd):
    """A queue with 24 contacts a minute, in us-east-1; a draw takes 20 ms of DrawFunction."""
    users = [f"1f0b7a52-3c1d-4a0e-8a55-6d0f8c2b{number:04}" for number in range(members)]
    distribution = "distribution-1f0b7a52-3c1d-4a0e"
    shares = SharesInForce("queue", distribution, dict.fromkeys(users, 1 / members), ShareOptions(), 1)
    tally, now = Tally(), 1.7e9
    for number in range(2000):
        now += 2.5
        _, tally = draw(shares, tally, Standings(), f"conversation-{number}", "voice", now, 20)
    size, read = len(tally.to_json()), len(shares.to_json()) + 60 * members
    price = {name: float(value) for name, value in PRICES["regions"]["us-east-1"].items()}
    cost = (
        price["invocation"]
        + price["gb_second"] * 0.02
        + price["write_unit"] * math.ceil(size / 1024)
        + price["read_unit"] * math.ceil((size + read) / 4096)
    )
    assert abs(cost * 1e6 - usd) < usd / 4
    assert f"{usd} USD" in PAGE


def test_the_page_says_what_shares_do_not_do():
    section = PAGE[PAGE.index("## What shares do not do") :]
    limits = re.findall(r"^- \*\*(.+?)\*\*", section, re.MULTILINE)
    for limit in ("Consult and blind", "Outbound", "Last-agent", "Bullseye", "WFM", "Required skills", "20 agents"):
        assert [entry for entry in limits if limit in entry] != [], limit
    assert f"at most {MAX_SHARED} members" in " ".join(section.split())
