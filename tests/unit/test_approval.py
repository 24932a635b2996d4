"""Approval: what needs one, what it is bound to, who may give it, and that nothing goes on without it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import get_args

import pytest

from routing_weights.application.answer_approval import AnswerApproval, AnswerFleet, AnswerInConsole
from routing_weights.application.ask_approval import AskApproval
from routing_weights.domain.approval import Approval, Ask, Intent, Policy, Reason, content_hash
from routing_weights.domain.inputs import asker_in, console_answer, origin_of, parse
from routing_weights.domain.record import timestamp
from routing_weights.domain.run import GRACE_S, MOST_ASKS, Door, Failure, Origin
from routing_weights.errors import (
    AnswerNotPlan,
    ApprovalConflict,
    ApprovalForbidden,
    ApprovalNotFound,
    ApprovalRequired,
    ConfigurationInvalid,
    PlanInvalid,
    QueueSaturated,
)
from routing_weights.projection.checks.base import Check
from routing_weights.projection.verdict import Judgement
from tests.support.fakes import (
    FakeApprovals,
    FakeBus,
    FakeDocuments,
    FakeRunAnswers,
    FakeTrail,
    gate,
    member,
    plan,
    queue,
    run_of,
    target,
    work,
)

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
ASKER, BOSS, OTHER = "arn:user/ops", "arn:user/boss", "arn:user/other"
RUN = run_of(NOW).model_copy(update={"asked_by": ASKER, "can_wait": True})
BEFORE = queue(member("agent-1", 0.4), member("agent-2", 0.1))
DEFAULT = '[{"verdicts": ["needs_approval", "inconclusive"]}]'


def decided(before=BEFORE, weights=None, **changes):
    """What was decided for a plan that gives agent-1 and agent-2 these weights."""
    weights = weights or {"agent-1": 0.5, "agent-2": 0.3}
    statement = {"actuator": "ring", "without_effect": None, "notes": ["a note"], "members": {}}
    return work(plan(member_weights=weights, **changes), target(weights), before, statement=statement)


def projected(verdict="pass", *names, blocked=False):
    """A projection with this verdict, whose checks of these names are in doubt."""

    def raise_if_blocked():
        if blocked:
            raise QueueSaturated("The queue would not cope.")

    checks = tuple(Check(name=name, verdict=verdict, sentence=f"{name} is in doubt.") for name in names)
    judgement = Judgement(verdict, "It is in doubt.", checks)
    return SimpleNamespace(
        judgement=judgement, raise_if_blocked=raise_if_blocked, raise_unless_passed=judgement.raise_unless_passed
    )


# ---- what needs approval ---------------------------------------------------------------------------------------------

INTENT = Intent("queue-1", "api", False, False, "pass", (), 12, 0.25)


@pytest.mark.parametrize(
    ("rule", "changes", "holds"),
    [
        ({}, {}, True),
        ({"queues": ["QUEUE-1"]}, {}, True),
        ({"queues": ["queue-2"]}, {}, False),
        ({"doors": ["schedule", "api"]}, {}, True),
        ({"doors": ["schedule"]}, {}, False),
        ({"verdicts": ["inconclusive"]}, {"verdict": "inconclusive"}, True),
        ({"verdicts": ["inconclusive"]}, {}, False),
        ({"members": 12}, {}, True),
        ({"members": 13}, {}, False),
        ({"shift": 0.25}, {}, True),
        ({"shift": 0.26}, {}, False),
        ({"queues": ["queue-1"], "shift": 0.26}, {}, False),
        ({"queues": ["queue-1"]}, {"is_revert": True}, False),
        ({"doors": ["api"]}, {"is_revert": True}, True),
        ({"doors": ["expiry"]}, {"is_revert": True, "door": "schedule"}, False),
        ({"doors": ["expiry"]}, {"is_revert": True, "door": "expiry"}, True),
    ],
)
def test_a_rule_holds_where_all_of_its_conditions_do(rule, changes, holds):
    reasons = Policy.parse(json.dumps([rule])).reasons(replace(INTENT, **changes))
    assert bool(reasons) is (holds and not ("verdicts" in rule and not changes.get("doubts"))) or holds


def test_whoever_approves_for_any_reason_has_seen_every_doubt():
    doubt = Reason(name="staffing", sentence="Nobody is on queue.")
    uncertain = replace(INTENT, verdict="needs_approval", doubts=(doubt,))
    assert Policy.parse(DEFAULT).reasons(uncertain) == (doubt,)
    assert [r.name for r in Policy.parse('[{"queues": ["queue-1"]}]').reasons(uncertain)] == ["staffing", "policy"]
    assert [r.name for r in Policy.parse("[]").reasons(replace(uncertain, is_wished=True))] == ["plan", "staffing"]
    assert Policy.parse("[]").reasons(uncertain) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '[{"queue": ["a"]}]',
        '[{"queues": []}]',
        '[{"doors": ["window"]}]',
        '[{"verdicts": ["blocked"]}]',
        '[{"members": 0}]',
        '[{"members": true}]',
        '[{"shift": 2}]',
        json.dumps([{}] * 51),
    ],
)
def test_a_policy_that_is_not_understood_is_refused_and_never_ignored(text):
    with pytest.raises(ConfigurationInvalid, match="not a list of rules"):
        Policy.parse(text)


# ---- what an approval is bound to ------------------------------------------------------------------------------------


def test_the_hash_changes_with_plan_decision_and_before_image_and_with_nothing_else():
    first = content_hash(decided())
    edited = queue(member("agent-1", 0.4), member("agent-2", 0.2))
    joined = queue(member("agent-1", 0.4), member("agent-2", 0.1), member("agent-3", 0.0))
    others = [
        decided(weights={"agent-1": 0.5, "agent-2": 0.31}),
        decided(reason="Another reason"),
        decided(edited),
        decided(joined),
        decided(queue(*BEFORE.members, overflow_threshold=0.9)),
        decided(queue(member("agent-1", 0.4), member("agent-2", 0.1, joined=False))),
    ]
    assert len({first, *map(content_hash, others)}) == 1 + len(others)
    on_a_break = queue(member("agent-1", 0.4, active=False), member("agent-2", 0.1, skills=["Latin"]))
    noted = decided()
    noted.decision.statement["notes"].append("another note")
    for same in (decided(), decided(on_a_break), decided(queue(*reversed(BEFORE.members))), noted):
        assert content_hash(same) == first


# ---- the gate --------------------------------------------------------------------------------------------------------


def approved(content, number=1, state="approved", *names):
    return Approval(
        distribution_id="d-1",
        number=number,
        state=state,
        hash=content,
        reasons=tuple(Reason(name=name, sentence="") for name in names),
        queue_id="queue-001",
        door="api",
        asked_at=timestamp(NOW),
        expires_at=timestamp(NOW),
    )


def test_a_plan_that_nobody_doubts_is_not_asked_about():
    assert gate().judge(RUN, decided(), projected()) == Ask(wanted=False)
    assert gate().judge(RUN, decided(), None) == Ask(wanted=False)


@pytest.mark.parametrize("verdict", ["needs_approval", "inconclusive"])
def test_a_doubtful_plan_is_asked_about_with_its_doubts(verdict):
    ask = gate(timeout_s=60).judge(RUN, decided(), projected(verdict, "staffing"))
    assert ask == Ask(
        True, content_hash(decided()), 1, 60, (Reason(name="staffing", sentence="staffing is in doubt."),)
    )
    assert Ask.parse(json.loads(json.dumps(ask.to_json()))) == ask
    assert ask.to_json()["wait_s"] == 60 + GRACE_S


def test_a_plan_asks_by_its_own_wish_and_a_dry_run_never_does():
    wished = decided(require_approval=True)
    assert gate(policy="[]").judge(RUN, wished, projected()).wanted
    dry = RUN.model_copy(update={"dry_run": True})
    assert gate().judge(dry, wished, projected()) == Ask(wanted=False)
    with pytest.raises(ApprovalRequired, match="It is in doubt"):
        gate().judge(dry, decided(), projected("needs_approval", "staffing"))


def test_nobody_can_approve_what_a_gate_blocks():
    with pytest.raises(QueueSaturated):
        gate().judge(RUN, decided(require_approval=True), projected("blocked", blocked=True))


@pytest.mark.parametrize(
    ("door", "asks"), [("drift", False), ("schedule", False), ("expiry", True)], ids=["repair", "revert", "expiry"]
)
def test_a_revert_asks_only_where_the_policy_names_its_door(door, asks):
    reverted = decided(restores={"distribution_id": "d-0"})
    run = RUN.model_copy(update={"returns": "d-0" if door == "expiry" else "", "origin": Origin(door="schedule")})
    ruled = gate(policy='[{"doors": ["expiry"]}, {"queues": ["queue-001"]}, {"verdicts": ["needs_approval"]}]')
    assert ruled.judge(run, reverted, projected("needs_approval", "staffing")).wanted is asks
    blocked = projected("blocked", blocked=True)
    assert ruled.judge(run, reverted, blocked).wanted is asks, "its projection decides nothing"


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("no time", "ApprovalTimeoutS is 0"),
        ("unknown asker", "Nobody knows who asks"),
        ("an execution from before an upgrade", "Its execution began before"),
    ],
)
@pytest.mark.parametrize("wished", [False, True])
def test_where_nobody_can_approve_the_run_ends_at_once(case, wished, sentence):
    ruled = gate(policy=DEFAULT, timeout_s=0 if case == "no time" else 60)
    changes = {"unknown asker": {"asked_by": ""}, "an execution from before an upgrade": {"can_wait": False}}
    run, sentence = RUN.model_copy(update=changes.get(case, {})), sentence if wished else "It is in doubt"
    projection = projected() if wished else projected("needs_approval", "staffing")
    with pytest.raises(ApprovalRequired, match=sentence):
        ruled.judge(run, decided(require_approval=wished), projection)


def test_a_deployment_that_trusts_its_console_asks_for_its_runs():
    run = RUN.model_copy(update={"asked_by": ""})
    assert gate(console=True).judge(run, decided(), projected("needs_approval", "staffing")).wanted


def test_only_an_approval_of_exactly_this_lets_the_run_go_on():
    approvals, doubtful = FakeApprovals(), projected("needs_approval", "staffing")
    judge = lambda work_=None, projection=doubtful: gate(approvals).judge(RUN, work_ or decided(), projection)  # noqa: E731
    approvals.held["d-1"] = approved(content_hash(decided()), 1, "approved", "staffing", "effect")
    assert judge() == Ask(wanted=False)
    edited = decided(queue(member("agent-1", 0.4), member("agent-2", 0.2)))
    again = judge(edited)
    assert (again.wanted, again.number, again.hash) == (True, 2, content_hash(edited))
    assert judge(projection=projected("needs_approval", "staffing", "stability")).number == 2, "a doubt nobody has seen"
    for state in ("rejected", "over"):
        approvals.held["d-1"] = approved(content_hash(decided()), 1, state, "staffing")
        assert judge().number == 2
    approvals.held["d-1"] = approved(content_hash(decided()), 1, "waiting", "staffing")
    assert judge().number == 1, "Project is repeated, because its answer was lost"


def test_a_queue_that_changes_after_every_approval_is_not_asked_about_for_ever():
    approvals = FakeApprovals()
    approvals.held["d-1"] = approved("0" * 64, MOST_ASKS, "approved", "staffing")
    with pytest.raises(ApprovalRequired, match=f"after each of {MOST_ASKS} approvals"):
        gate(approvals).judge(RUN, decided(), projected("needs_approval", "staffing"))


# ---- question and answer ---------------------------------------------------------------------------------------------

WISHED = decided(require_approval=True)
TOKEN = "a-secret-token"


class Office:
    """Distribution d-1, which waits with the token TOKEN, and the use cases around it."""

    def __init__(self):
        self.approvals, self.trail, self.bus = FakeApprovals(), FakeTrail(), FakeBus()
        self.documents, self.machine = FakeDocuments(), FakeRunAnswers(TOKEN)
        self.documents.keep_work("d-1", WISHED)
        self.asking = AskApproval(self.approvals, self.documents, self.trail, self.bus, self.machine)
        self.answering = AnswerApproval(self.approvals, self.trail, self.machine)
        self.asked = Ask(True, content_hash(WISHED), 1, 600, (Reason(name="plan", sentence="It asks."),))

    def ask(self, token=TOKEN, **changes):
        return self.asking.ask(RUN.model_copy(update=changes), self.asked, token, NOW)

    def answer(self, answer="approved", caller=BOSS, at=LATER, **more):
        return self.answering.answer("d-1", answer, "It is all right.", caller, at, **more)

    @property
    def records(self):
        return self.trail.find("d-1")

    def goes_on(self):
        """True if Project would write now."""
        return not gate(self.approvals, "[]").judge(RUN, WISHED, projected()).wanted


@pytest.fixture
def office():
    office = Office()
    assert office.ask() is True
    assert not office.goes_on()
    return office


def test_a_question_is_stored_on_record_and_on_the_bus_and_its_token_nowhere_else(office):
    asked = office.records.asked[0]
    assert (asked.number, asked.hash, asked.asked_by) == (1, office.asked.hash, ASKER)
    assert asked.expires_at == timestamp(NOW + timedelta(seconds=600))
    ((detail_type, event),) = office.bus.events
    assert (detail_type, event.hash, event.caller) == ("Distribution Awaiting Approval", asked.hash, ASKER)
    told = json.dumps(office.trail.records) + event.model_dump_json() + repr(office.approvals.held)
    assert TOKEN not in told + office.approvals.held["d-1"].model_dump_json()


def test_an_approval_ends_the_wait_after_it_is_on_record(office):
    assert office.answer(hash_=office.asked.hash).state == "approved"
    (answer,) = office.records.answered
    assert (answer.answer, answer.caller, answer.reason) == ("approved", BOSS, "It is all right.")
    assert answer.hash == office.asked.hash
    assert office.machine.sent == [(TOKEN, "approved")]
    assert office.goes_on()


def test_the_same_answer_twice_counts_once_and_another_one_is_refused(office):
    office.answer()
    assert office.answer(at=LATER + timedelta(seconds=1)).answered_at == timestamp(LATER)
    for caller, answer in ((OTHER, "approved"), (BOSS, "rejected"), (OTHER, "rejected")):
        with pytest.raises(ApprovalConflict, match=f"was approved by {BOSS}"):
            office.answer(answer, caller)
    assert len(office.records.answered) == 1
    assert office.machine.sent == [(TOKEN, "approved")]


@pytest.mark.parametrize(
    ("error", "more"),
    [
        (ApprovalForbidden, {"caller": ASKER}),
        (ApprovalForbidden, {"caller": ""}),
        (ApprovalForbidden, {"caller": "", "answer": "rejected"}),
        (ApprovalConflict, {"hash_": "0" * 64}),
        (ApprovalConflict, {"at": NOW + timedelta(seconds=600)}),
        (ApprovalConflict, {"at": NOW + timedelta(seconds=600), "answer": "rejected"}),
    ],
    ids=["own", "nobody", "rejected by nobody", "another hash", "expired", "rejected after expiry"],
)
def test_an_answer_that_does_not_count_changes_nothing(office, error, more):
    with pytest.raises(error):
        office.answer(**more)
    assert office.records.answered == ()
    assert office.machine.sent == []
    assert office.approvals.held["d-1"].state == "waiting"
    assert not office.goes_on()


def test_whoever_asked_may_withdraw(office):
    office.answer("rejected", ASKER)
    assert office.machine.sent == [(TOKEN, "rejected")]
    assert not office.goes_on()


def test_a_token_that_is_no_longer_valid_leaves_a_record_that_is_true(office):
    office.machine.tokens.clear()  # the execution was stopped
    with pytest.raises(ApprovalConflict, match="on record, but the execution no longer waits"):
        office.answer()
    assert office.records.answered[0].answer == "approved"
    assert office.machine.sent == []


def test_an_answer_that_was_lost_on_its_way_is_delivered_by_its_repetition(office):
    def lost(_answered):
        raise ConnectionError

    office.answering = replace(office.answering, answers=SimpleNamespace(deliver=lost))
    with pytest.raises(ConnectionError):
        office.answer()
    office.answering = replace(office.answering, answers=office.machine)
    office.answer(at=LATER + timedelta(seconds=30))
    assert office.machine.sent == [(TOKEN, "approved")]
    assert len(office.records.answered) == 1


@pytest.mark.parametrize(
    ("caller", "answer", "error"),
    [
        (OTHER, "approved", ApprovalConflict),
        (OTHER, "rejected", ApprovalConflict),
        (ASKER, "approved", ApprovalForbidden),
    ],
)
def test_an_answer_that_was_lost_is_delivered_by_the_next_one_of_anybody(office, caller, answer, error):
    """The function was killed after it had stored the answer."""
    office.approvals.answer(office.approvals.find("d-1"), "approved", BOSS, "It is all right.", LATER)
    assert (office.machine.sent, office.records.answered) == ([], ())
    with pytest.raises(error):
        office.answer(answer, caller)
    assert office.machine.sent == [(TOKEN, "approved")]
    assert [(each.answer, each.caller) for each in office.records.answered] == [("approved", BOSS)]


ROLE = "arn:aws:sts::123456789012:assumed-role/Planners"


@pytest.mark.parametrize(
    ("asker", "caller", "is_refused"),
    [
        (f"{ROLE}/ada", f"{ROLE}/bob", True),
        (f"{ROLE}/ada", f"{ROLE}/a/b", True),
        ("arn:aws:sts::123456789012:federated-user/ada", "arn:aws:sts::123456789012:federated-user/bob", True),
        ("arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:root", True),
        ("arn:aws:iam::123456789012:user/ada", "arn:aws:iam::123456789012:user/ada", True),
        (f"{ROLE}/ada", "arn:aws:sts::123456789012:assumed-role/Approvers/ada", False),
        (f"{ROLE}/ada", "arn:aws:sts::210987654321:assumed-role/Planners/ada", False),
        ("arn:aws:iam::123456789012:user/team/ada", "arn:aws:iam::123456789012:user/team/bob", False),
        ("genesys:u-1", "genesys:u-2", False),
        ("jwt:https://id.example/a#1", "jwt:https://id.example/a#2", False),
    ],
)
def test_all_sessions_of_a_role_are_one_caller(asker, caller, is_refused):
    office = Office()
    office.ask(asked_by=asker)
    if is_refused:
        with pytest.raises(ApprovalForbidden):
            office.answer(caller=caller)
        assert office.machine.sent == []
    else:
        assert office.answer(caller=caller).state == "approved"


def test_a_question_that_is_repeated_keeps_its_time_and_gets_the_new_token(office):
    office.machine.tokens = {"new"}
    assert office.asking.ask(RUN, office.asked, "new", LATER) is False
    held = office.approvals.held["d-1"]
    assert (held.token, held.expires_at) == ("new", timestamp(NOW + timedelta(seconds=600)))
    assert len(office.records.asked) == 1
    assert len({event.id for _, event in office.bus.events}) == 1


def test_a_question_that_was_answered_between_two_attempts_ends_at_once(office):
    office.answer()
    office.machine.tokens = {"new"}
    assert office.ask("new") is False
    assert office.machine.sent[-1] == ("new", "approved")


def test_a_second_question_needs_a_second_answer(office):
    office.answer()
    office.asked = replace(office.asked, number=2, hash="f" * 64)
    office.machine.tokens = {"second"}
    office.ask("second")
    with pytest.raises(ApprovalConflict, match="asks for something else"):
        office.answer(hash_=content_hash(WISHED))
    office.answer()
    assert [asked.number for asked in office.records.asked] == [1, 2]
    assert [answer.number for answer in office.records.answered] == [1, 2]


def test_a_run_that_is_over_takes_no_answer(office):
    office.approvals.end("d-1")
    with pytest.raises(ApprovalConflict, match="It is over"):
        office.answer()
    assert office.records.answered == ()


def test_what_never_asked_cannot_be_answered(office):
    with pytest.raises(ApprovalNotFound):
        office.answering.answer("d-2", "approved", "why", BOSS, NOW)


# ---- fleets ----------------------------------------------------------------------------------------------------------


def test_an_answer_to_a_fleet_reaches_the_queues_that_wait_and_no_other():
    office = Office()
    office.machine.tokens = {"t1", "t2", "t3"}
    for number, fleet in ((1, "f-1"), (2, "f-1"), (3, "f-2")):
        name = f"d-{number}"
        office.documents.keep_work(name, WISHED)
        office.ask(f"t{number}", distribution_id=name, fleet_id=fleet)
    office.machine.tokens.discard("t2")  # its execution was stopped
    fleet = AnswerFleet(office.approvals, office.answering)
    with pytest.raises(ApprovalForbidden):
        fleet.answer("f-1", "approved", "why", ASKER, LATER)
    done = fleet.answer("f-1", "approved", "why", BOSS, LATER)
    assert (done.answered, list(done.refused), done.left) == (["d-1"], ["d-2"], 0)
    assert office.machine.sent == [("t1", "approved")]
    with pytest.raises(ApprovalNotFound):
        fleet.answer("f-1", "rejected", "why", BOSS, LATER)


# ---- the console -----------------------------------------------------------------------------------------------------


def in_console(office, document, *, may=True):
    run = run_of(LATER).model_copy(update={"distribution_id": "console", "origin": Origin()})
    return AnswerInConsole(office.answering, office.trail, may).answer(run, document, LATER)


def test_the_console_answers_where_the_deployment_trusts_it(office):
    assert in_console(office, {"approves": "d-1", "reason": "why"}).state == "approved"
    (answer,) = office.records.answered
    assert answer.caller is None
    assert office.trail.find("console").closing is None, "an answer is no distribution"


@pytest.mark.parametrize(
    ("document", "may", "path"),
    [
        ({"approves": "d-1", "reason": "why"}, False, "approves"),
        ({"rejects": "d-1", "reason": "why"}, False, "rejects"),
        ({"approves": "d-1"}, True, "reason"),
        ({"approves": "d-1", "rejects": "d-1", "reason": "why"}, True, "approves"),
        ({"approves": "d-9", "reason": "why"}, True, "approves"),
        ({"approves": "d-1", "reason": "why", "hash": "0" * 64}, True, "approves"),
        ({"approves": 7, "reason": "why"}, True, "approves"),
        ({"approves": "d-1", "reason": "why", "queue_id": "q"}, True, "queue_id"),
    ],
)
def test_a_refused_answer_of_the_console_is_on_record_and_approves_nothing(office, document, may, path):
    with pytest.raises(PlanInvalid):
        in_console(office, document, may=may)
    closing = office.trail.find("console").closing
    assert closing.status == "validation_failed"
    assert {error.path for error in closing.errors} == {path}
    assert not office.goes_on()
    assert office.machine.sent == []


@pytest.mark.parametrize("document", [{"approves": "d-1"}, {"rejects": None, "queue_id": "q"}])
def test_an_answer_is_never_read_as_a_plan(document):
    with pytest.raises(AnswerNotPlan):
        parse(document)


def test_an_answer_names_one_distribution():
    assert console_answer({"rejects": "d-1", "reason": "why"}).answer == "rejected"


# ---- who asks --------------------------------------------------------------------------------------------------------

REFERENCE = {"plan_ref": f"plans/{'0' * 64}.json"}
OF_FLEET = {"fleet": "f", "number": 0, "start": 0, "length": 2}
BY_SCHEDULE = {**REFERENCE, "origin": {"door": "schedule", "caller": "mornings"}}


@pytest.mark.parametrize(
    ("document", "door", "asker"),
    [
        ({"queue_id": "q"}, "execution", ""),
        ({"restore": "d-1"}, "execution", ""),
        ({**REFERENCE, "origin": {"door": "api", "caller": ASKER}}, "api", ASKER),
        ({**REFERENCE, "origin": {"door": "drift", "caller": "drift entry 1"}}, "drift", "drift entry 1"),
        ({**BY_SCHEDULE, "schedule": {"set_by": ASKER, "set_at": "x"}}, "schedule", ASKER),
        (BY_SCHEDULE, "schedule", ""),
        ({**BY_SCHEDULE, "schedule": "x"}, "schedule", ""),
        ({"returns": "d-1"}, "expiry", "return of d-1"),
        ({**OF_FLEET, "origin": {"door": "fleet", "caller": ASKER}}, "fleet", ASKER),
        (OF_FLEET, "fleet", ""),
    ],
)
def test_by_every_door_a_run_waits_if_its_asker_is_known_and_never_goes_on_by_itself(document, door, asker):
    given = parse(document)
    assert asker_in(document, given) == asker
    returns = document.get("returns", "")
    run = RUN.model_copy(update={"origin": origin_of(given), "asked_by": asker, "returns": returns})
    assert run.policy_door == door
    ruled = gate(policy=json.dumps([{"doors": [door]}]))
    if asker:
        assert ruled.judge(run, decided(), projected()).wanted
    else:
        with pytest.raises(ApprovalRequired, match="Nobody knows who asks"):
            ruled.judge(run, decided(), projected())
    others = [each for each in get_args(Door) if each != door]
    assert not gate(policy=json.dumps([{"doors": others}])).judge(run, decided(), projected()).wanted


def test_a_rejection_travels_as_an_error_that_the_record_understands():
    from routing_weights.adapters.aws.run_answers import rejection  # noqa: PLC0415 - boto3 is not needed above

    answered = approved("0" * 64, 1, "rejected").model_copy(update={"answered_by": BOSS, "reason": "Too much."})
    caught = Failure.of(rejection(answered))
    assert (caught.name, caught.error().message) == ("Rejected", f"{BOSS} rejected it: Too much.")
