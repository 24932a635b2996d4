"""Decided once: what Project decided is what the later states, drift and reverts do, whatever is deployed meanwhile."""

import json
from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from routing_weights.application.revert import revert_plan
from routing_weights.bootstrap import genesys, patch, project, projector, stores
from routing_weights.domain import actuation, strategies
from routing_weights.domain.actuators import ACTUATORS, names_for
from routing_weights.domain.actuators.joined import Joined
from routing_weights.domain.actuators.proficiency import Proficiency
from routing_weights.domain.actuators.ring import Ring
from routing_weights.domain.actuators.score import Score
from routing_weights.domain.decision import Work
from routing_weights.domain.drift import differences
from routing_weights.domain.effort import Effort, reported_in
from routing_weights.domain.plan import parse_plan
from routing_weights.domain.queue import RINGS
from routing_weights.domain.revert import RevertOptions
from routing_weights.domain.run import Run
from routing_weights.domain.strategies import OverflowGroup
from routing_weights.domain.target import image
from routing_weights.errors import PlanNotApplicable
from routing_weights.settings import Settings
from tests.support.deployment import DEFAULTS
from tests.support.fakes import (
    FakeDocuments,
    FakePlatform,
    FakeShares,
    FakeSkillOwners,
    FakeTrail,
    function_module,
    member,
    plan,
    queue,
    target,
    work,
)

SKILL = {"id": "9c2e6f0a-5f1e-4b6e-9d53-000000000001", "name": "Queue 1"}
AGENTS = ("agent-1", "agent-2", "agent-3")
BY_PROFICIENCY = {"strategy_reference": "proficiency-by-weight", "skill": SKILL["name"]}


class Deployment:
    """The functions, and a platform in memory. What is deployed may change between two states of a run."""

    def __init__(self, monkeypatch, documents, trail):
        self.monkeypatch, self.documents, self.trail = monkeypatch, documents, trail
        self.environment = DEFAULTS | {
            "SKILLS_TABLE": "skills",
            "SHARES_TABLE": "shares",
            "LOCKS_TABLE": "locks",
            "APPROVALS_TABLE": "approvals",
            "APPROVAL_TIMEOUT_S": "14400",
            "APPROVAL_POLICY": "[]",
            "CONSOLE_MAY_APPROVE": "false",
            "FORECAST_TABLE": "forecasts",
            "DRIFT_TABLE": "drift",
            "FLEETS_TABLE": "fleets",
            "BASELINES_TABLE": "baselines",
            "DOCUMENTS_BUCKET": "documents-bucket",
            "AUDIT_TABLE": "audit",
            "CHAINS_TABLE": "chains",
            "GENESYS_REGION": "eu-central-1",
            "TOKEN_SECRET": "token",
            "TOKEN_FUNCTION": "token",
            "BUDGET_TABLE": "budget",
            "REQUESTS_PER_MINUTE": "0",
            "TOKEN_POOL": "1",
            "MAX_CONCURRENT_WRITES": "1",
            "VERIFY_TIMEOUT_S": "0",
            "SATURATION_LIMIT": "1",
            "REQUIRED_GATES": "",
            "ONE_TIME_GROUP": "one-time",
            "POWERTOOLS_METRICS_NAMESPACE": "test",
        }
        monkeypatch.setattr(
            genesys, "tokens", lambda _: SimpleNamespace(current=lambda _: "token", begin=lambda _: None)
        )
        monkeypatch.setattr(genesys, "fence", lambda *_: None)
        self.holds()
        self.deploys()

    def deploys(self, **environment):
        """A deployment with other parameters."""
        for name, value in (self.environment | environment).items():
            self.monkeypatch.setenv(name, value)
        Settings.load.__func__.cache_clear()

    def deploys_strategies(self, **changes):
        """A deployment with a strategies file whose entries differ; None takes one out of it."""
        known = {name: entry for name, entry in strategies.strategies().items() if name not in changes}
        for name, fields in changes.items():
            if fields is not None:
                known[name] = strategies.strategies()[name].model_copy(update=fields)
        self.monkeypatch.setattr(actuation, "strategies", lambda: known)
        self.monkeypatch.setattr("routing_weights.domain.plan.strategies", lambda: known)

    def holds(self, rings=6, ring=2, method="BEST"):
        """A queue of three agents, as Genesys has it before any run."""
        timeout = {"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": 2}]}
        raw = {
            "id": "queue-001",
            "name": "Support",
            "acwSettings": {"wrapupPrompt": "MANDATORY_TIMEOUT", "timeoutMs": 30000},
            "skillEvaluationMethod": method,
            "bullseye": {"rings": [timeout] * rings},
        }
        skills = [SKILL | {"proficiency": 1.0, "state": "active"}]
        members = [
            {
                "id": user,
                "user": {"id": user, "skills": [dict(skill) for skill in skills]},
                "routingStatus": {"status": "IDLE"},
                "joined": True,
                "memberBy": "user",
                "ringNumber": ring,
            }
            for user in AGENTS
        ]
        self.genesys = FakePlatform(raw, members, [SKILL | {"state": "active"}])
        self.genesys.request = self._by_path(self.genesys.request)
        self.monkeypatch.setattr(genesys, "shared_session", lambda: self.genesys)

    @staticmethod
    def _by_path(request):
        return lambda method, url, **more: request(
            method, url.replace("https://api.mypurecloud.de", "https://genesys.example.com"), **more
        )

    def held(self):
        skill = lambda user: user["skills"][0]["proficiency"]  # noqa: E731
        return {m["id"]: (m["ringNumber"], m["joined"], skill(m["user"])) for m in self.genesys.members}

    def call(self, function, run="d-1", **event):
        app = function_module(function)
        context = SimpleNamespace(
            get_remaining_time_in_millis=lambda: 300_000,
            function_name=function,
            memory_limit_in_mb=256,
            invoked_function_arn=f"arn:{function}",
            aws_request_id="request",
        )
        one = Run(distribution_id=run, execution_arn="", started_at=datetime.now(UTC), queue_id="queue-001")
        return app.handler(one.model_dump(mode="json") | event, context)

    def projects(self, wanted, run="d-1"):
        self.documents.save_plan(run, wanted)
        return self.call("project", run)

    def patches(self, run="d-1", *, last=False):
        """The answers of the function."""
        answers = [self.call("patch", run, target="queue", part="first")]
        answers.append(self.call("patch", run, target="members", next=0))
        if last:
            answers.append(self.call("patch", run, target="queue", part="last"))
        return answers

    def carries_out(self, wanted, run="d-1"):
        projected = self.projects(wanted, run)
        self.genesys.sent.clear()
        self.patches(run, last=projected["settings_last"])
        self.call("verify", run)

    def reverts(self, run="d-1", by="d-2"):
        self.carries_out(parse_plan(revert_plan(run, "before", self.documents, RevertOptions())), by)


@pytest.fixture
def deployment(monkeypatch):
    """Stores are fakes. Documents pass through JSON: another deployment may read them."""
    documents, trail, owners = FakeDocuments(), FakeTrail(), FakeSkillOwners()
    monkeypatch.setattr(stores, "documents", lambda _settings: documents)
    monkeypatch.setattr(stores, "trail", lambda *_: trail)
    monkeypatch.setattr(projector, "Forecasts", lambda _table: SimpleNamespace(find=lambda _queue_id: None))
    for function in (project, patch):
        monkeypatch.setattr(function, "SkillOwners", lambda _table: owners)
    monkeypatch.setattr(project, "SharesTable", lambda _table: FakeShares())
    yield Deployment(monkeypatch, documents, trail)
    Settings.load.__func__.cache_clear()


@pytest.fixture
def deployment_on_aws(monkeypatch, documents, trail, aws):
    """The stores are the adapters, on moto."""
    keys = {
        "shares": ("queue_id", "kind"),
        "skills": ("skill_id",),
        "locks": ("queue_id",),
        "forecasts": ("queue_id",),
        "drift": ("queue_id", "record"),
    }
    for table, names in keys.items():
        aws("dynamodb").create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=[
                {"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)
            ],
        )
    yield Deployment(monkeypatch, documents, trail)
    Settings.load.__func__.cache_clear()


def wanted(**changes):
    return plan(projected_load=0.5, **changes)


# ---- a deployment in mid-run -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("deployed", [{"proficiency_digits": 2}, None], ids=["fewer digits", "no such strategy"])
def test_a_deployment_between_patch_and_restore_leaves_no_value_of_the_run_behind(deployment, deployed):
    deployment.deploys_strategies(**{"proficiency-by-weight": {"proficiency_digits": 6}})
    before = deployment.held()
    deployment.projects(wanted(member_weights={"agent-1": 0.7, "agent-2": 0.23}, **BY_PROFICIENCY))
    deployment.patches()
    assert deployment.held()["agent-2"][2] == 1.642857
    deployment.deploys_strategies(**{"proficiency-by-weight": deployed})
    deployment.call("restore", accepted=2, settings_left={"first": False, "last": False})
    assert deployment.held() == before
    restored = deployment.documents.find_restoration("d-1")
    assert (restored.outcome, restored.edited, restored.unrestored) == ("restored", [], [])


@pytest.mark.parametrize("deployed", [{"proficiency_digits": 2}, None], ids=["fewer digits", "no such strategy"])
def test_a_deployment_between_project_and_verify_changes_nothing_of_the_run(deployment, deployed):
    deployment.deploys_strategies(**{"proficiency-by-weight": {"proficiency_digits": 6}})
    deployment.projects(wanted(member_weights={"agent-1": 0.7, "agent-2": 0.23}, **BY_PROFICIENCY))
    deployment.deploys_strategies(**{"proficiency-by-weight": deployed})
    deployment.deploys(ACTUATOR="joined")
    deployment.patches()
    assert deployment.held()["agent-2"][2] == 1.642857
    assert deployment.call("verify")["verified"] == 2


def test_rings_are_made_with_the_time_outs_that_were_decided(deployment):
    deployment.holds(rings=1, ring=1)
    deployment.projects(wanted(strategy_reference="ring-by-weight"))
    deployment.deploys_strategies(**{"ring-by-weight": {"bullseye_timeouts_s": (99.0,) * 5}})
    deployment.patches()
    timeouts = [ring["expansionCriteria"][0]["threshold"] for ring in deployment.genesys.raw["bullseye"]["rings"]]
    assert timeouts[:5] == [10] * 5


# ---- a revert --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actuator", "other"),
    [(name, "ring" if name == "joined" else "joined") for name in names_for("platform") if name != "share"],
)
@pytest.mark.parametrize("strategy", ["kept", "gone", "of another actuator"])
def test_a_revert_writes_by_the_actuator_of_what_it_reverts(deployment, actuator, other, strategy):
    """Ring numbers must not go over the wire as `joined`, because another actuator is deployed since."""
    deployment.deploys(ACTUATOR=actuator)
    deployment.deploys_strategies(**{"longest-available-agent": {"skill": SKILL["name"]}})
    deployment.holds(ring=1)
    for entity in deployment.genesys.members:
        entity["joined"] = actuator != "joined"
    before = deployment.held()
    deployment.carries_out(wanted())
    after, first = deployment.held(), {(method, path) for method, path, _ in deployment.genesys.written()}
    assert after != before
    deployment.deploys(ACTUATOR=other)
    changed = {"gone": None, "of another actuator": {"actuator": other, "skill": "Another"}, "kept": {}}[strategy]
    deployment.deploys_strategies(**{"longest-available-agent": changed})
    deployment.reverts()
    assert deployment.held() == before
    assert {(method, path) for method, path, _ in deployment.genesys.written()} == first
    deployment.reverts("d-2", "d-3")
    assert deployment.held() == after


def test_a_revert_writes_the_skill_of_the_reverted_decision(deployment):
    deployment.deploys_strategies(**{"proficiency-by-weight": {"skill": SKILL["name"]}})
    before = deployment.held()
    deployment.carries_out(wanted(strategy_reference="proficiency-by-weight"))
    another = SKILL | {"id": "9c2e6f0a-5f1e-4b6e-9d53-000000000002", "name": "Another"}
    deployment.genesys.skills.append(another)
    deployment.genesys.skills[0]["name"] = "Renamed"
    deployment.deploys_strategies(**{"proficiency-by-weight": {"skill": "Another"}})
    deployment.reverts()
    assert deployment.held() == before
    assert {body[0]["id"] for _, path, body in deployment.genesys.written() if "/bulk" in path} == {SKILL["id"]}


def test_a_revert_under_another_contract_is_refused(deployment):
    deployment.carries_out(wanted())
    again = parse_plan(revert_plan("d-1", "before", deployment.documents, RevertOptions()))
    deployment.deploys(GENESYS_CONTRACT="score", GENESYS_BASE_URL="https://genesys.example.com")
    deployment.genesys.sent.clear()
    with pytest.raises(PlanNotApplicable, match="decided under contract platform, and GenesysContract is score now"):
        deployment.projects(again, "d-2")
    assert deployment.genesys.sent == []


@pytest.mark.parametrize("deployed", names_for("platform"))
def test_another_actuator_that_is_deployed_makes_no_queue_drift(deployment, deployed):
    deployment.carries_out(wanted())
    deployment.deploys(ACTUATOR=deployed)
    decision = deployment.documents.work("d-1").decision
    settings = function_module("drift").DriftSettings
    assert "actuator" not in settings.model_fields
    caller = function_module("verify").VerifySettings.load()
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 300_000)
    run = Run(distribution_id="d-1", execution_arn="", started_at=datetime.now(UTC))
    held = genesys.decided(caller, context, run, decision).read_queue("queue-001")
    after = deployment.documents.find_image("d-1", "after")
    assert differences(image(after.held, decision.target), held) == ()


# ---- the document ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("actuator", [Score(), Ring(0.4), Proficiency(0.7, 3), Joined(0.25)])
def test_work_comes_back_from_json_as_it_went(actuator):
    before = queue(member("agent-1", 0.1), member("agent-2", 0.35), **{RINGS: 6})
    reached = target({"agent-1": 0.4, "agent-2": 0.35}, **{RINGS: 3}, overflow_threshold=0.9)
    groups = (OverflowGroup(id="group-1", type="TEAM"),)
    kept = work(plan(on_drift="repair"), reached, before, actuator, skill=("id-1", "Queue 1"), groups=groups)
    assert Work.from_json(json.loads(json.dumps(kept.to_json()))) == kept
    assert kept.decision.order == ("agent-1",)
    assert kept.decision.parts == {"first": (), "last": (RINGS, "overflow_threshold")}


def test_what_a_later_release_adds_to_a_strategy_does_not_hide_an_earlier_run():
    document = work(plan(), target({"agent-1": 0.4}), queue(member("agent-1"))).to_json()
    document["decision"]["strategy"]["of_a_later_release"] = True
    assert Work.from_json(document).decision.actuation.strategy.description == "of a test"


@pytest.mark.parametrize("name", ACTUATORS)
def test_a_run_of_a_release_without_decisions_is_read_from_its_four_documents(documents, name):
    before = queue(member("agent-1", 0.1), member("agent-2", 0.35))
    documents.put("d-0", "plan", plan(member_weights={"agent-1": 0.4}).model_dump(exclude_defaults=True))
    documents.put("d-0", "before", before.to_json())
    documents.put("d-0", "target", {"weights": {"Agent-1": 0.4}, "values": {"Agent-1": 2}})
    documents.put("d-0", "actuation", {"actuator": name, "skill": "Queue 1", "members": {}})
    found = documents.find_work("d-0")
    assert (found.decision.contract, found.before) == ("score" if name == "score" else "platform", before)
    assert (found.decision.actuation.actuator.name, found.decision.actuation.skill) == (name, "Queue 1")
    assert (found.decision.order, found.decision.target.actuator) == (("agent-1",), name)
    assert found.decision.statement["actuator"] == name


def test_a_run_that_decided_nothing_has_no_work(documents):
    documents.put("d-0", "plan", plan().model_dump(exclude_defaults=True))
    documents.put("d-0", "before", queue(member("agent-1")).to_json())
    assert documents.find_work("d-0") is None
    assert documents.find_image("d-0", "before") is None


# ---- what it costs ---------------------------------------------------------------------------------------------------


def test_a_completed_distribution_reads_s3_nine_times_and_writes_it_six_times(deployment_on_aws, aws):
    """As many as there can be without a pause: accepted by the API, with settings before the members and after them."""
    deployment_on_aws.holds(rings=6, ring=3)
    deployment_on_aws.genesys.raw["conditionalGroupRouting"] = None
    count = Counter()
    aws("s3").meta.events.register("before-call.s3.*", lambda model, **_: count.update([model.name]))
    reference = deployment_on_aws.documents.keep_plan(wanted(wrap_up_timeout_s=45, on_drift="record"))
    given = {"plan_ref": reference, "origin": {"door": "api", "caller": "somebody"}}
    run = deployment_on_aws.call("validate", input=given)
    answers = [run, deployment_on_aws.call("project")]
    answers += deployment_on_aws.patches(last=True)
    answers.append(deployment_on_aws.call("verify"))
    audited = function_module("audit").handler(
        {"run": run, "outcome": {"status": "completed"}, "holder": ""},
        SimpleNamespace(function_name="audit", memory_limit_in_mb=256, invoked_function_arn="arn", aws_request_id="1"),
    )
    record = deployment_on_aws.trail.find("d-1").closing
    assert (record.status, record.balance_accuracy is not None) == ("completed", True)
    assert set(count) == {"GetObject", "PutObject"}
    assert count["GetObject"] <= 9
    assert count["PutObject"] <= 6
    effort = sum(map(reported_in, [*answers, audited]), Effort())
    assert (effort.s3_reads, effort.s3_writes + 1) == (count["GetObject"], count["PutObject"]), (
        "the door keeps the plan"
    )
    assert effort.requests == len(deployment_on_aws.genesys.sent)
    assert {name: busy.invocations for name, busy in effort.functions.items()} == {
        "validate": 1,
        "project": 1,
        "patch": 3,
        "verify": 1,
        "audit": 1,
    }
