"""Actuator `share` from its plan to a restore: one write changes all shares, and rules are there before a share is."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts import platform
from routing_weights.adapters.genesys.contracts.platform import PlatformContract
from routing_weights.adapters.genesys.contracts.shares import QueueShares
from routing_weights.adapters.genesys.transport import Deadline, Transport
from routing_weights.domain.actuation import resolve
from routing_weights.domain.actuators.share import MAX_SHARED
from routing_weights.domain.decision import Decision, Image
from routing_weights.domain.drift import Difference, differences, edited_at, fingerprint
from routing_weights.domain.images import require_known_drift, target_of
from routing_weights.domain.plan import Restores
from routing_weights.domain.queue import Queue
from routing_weights.domain.restore import Restorer
from routing_weights.domain.shares import SharesInForce
from routing_weights.domain.target import image, in_groups, members_to_write, settings_by_part, settings_to_write
from routing_weights.domain.types import ShareOptions
from routing_weights.domain.verify import unverified
from routing_weights.errors import Interrupted, PlanInvalid, PlanNotApplicable, QueueChanged, StoreUnavailable
from tests.support.fakes import FakePlatform, FakeShares, FakeTime, answer, plan, written

RULES = [
    {"operator": "MEETS_THRESHOLD", "threshold": 100, "waitSeconds": 10},
    {"operator": "MEETS_THRESHOLD", "threshold": 80, "waitSeconds": 5},
    {"operator": "MEETS_THRESHOLD", "threshold": 60, "waitSeconds": 5},
    {"operator": "MEETS_THRESHOLD", "threshold": 40, "waitSeconds": 5},
    {"operator": "ANY", "waitSeconds": 5},
]
TEXT = "100 for 10 s; 80 for 5 s; 60 for 5 s; 40 for 5 s; any for 5 s"
SOMEBODYS = [{"operator": "MEETS_THRESHOLD", "threshold": 70, "waitSeconds": 30.5}, {"operator": "ANY", "threshold": 3}]
SHORT = {"hold_s": 4, "then": 0}
WEIGHTS = {"agent-1": 0.4, "agent-2": 0.35}
OTHER = {"agent-1": 0.2, "agent-3": 0.5}
BY_WEIGHT = {"strategy_reference": "share-by-weight"}


class World:
    """A queue of four agents in memory, with the table of its shares. Each plan is carried out as the states do it."""

    def __init__(self, *shares, **fields):
        raw = {"id": "queue-001", "name": "Support", "acwSettings": {"wrapupPrompt": "MANDATORY_TIMEOUT"}} | fields
        members = [
            {"id": user, "user": {"id": user}, "routingStatus": {"status": "IDLE"}, "joined": True}
            for user in ("agent-1", "agent-2", "agent-3", "agent-4")
        ]
        self.genesys, self.shares, self.time = FakePlatform(raw, members), FakeShares(*shares), FakeTime()
        self.before = self.decision = None
        self.fence = None

    @property
    def rules(self):
        return self.genesys.raw.get("routingRules")

    @property
    def in_force(self):
        shares = self.shares.find("queue-001")
        return dict(shares.weights) if shares else None

    def contract(self, actuation, run="d-1"):
        transport = Transport(
            self.genesys,
            Deadline(at=self.time.now + 1000),
            5.0,
            clock=self.time.clock,
            wall_clock=self.time.wall_clock,
            sleep=self.time.sleep,
            jitter=lambda: 0.5,
            fence=self.fence,
        )
        tokens = type("Tokens", (), {"current": lambda *_: "token"})()
        client = GenesysClient("https://genesys.example.com", tokens, transport, platform.needs)
        return PlatformContract(client, actuation, QueueShares(self.shares, run))

    def project(self, run="d-1", *, weights=WEIGHTS, revert=None, **changes):
        """Decide what a plan will write, or a revert of an earlier image."""
        restores = {"restores": {"distribution_id": "d-1"}} if revert else {}
        wanted = plan(member_weights=weights, **BY_WEIGHT | changes | restores)
        actuation = revert[0].decision.for_revert() if revert else resolve(wanted, deployed="ring")
        contract = self.contract(actuation, run)
        self.before = Queue.from_json(json.loads(json.dumps(contract.read_queue("queue-001").to_json())))
        target = target_of(contract, revert, self.before) if revert else contract.target(wanted, self.before)
        statement = contract.statement(wanted, target, self.before)
        decision = Decision.of("platform", actuation, target, self.before, statement, raise_first=True)
        self.decision = Decision.from_json(json.loads(json.dumps(decision.to_json())))
        self.run = run
        self.genesys.sent.clear()
        return statement

    @property
    def target(self):
        return self.decision.target

    def opened(self):
        return self.contract(self.decision.actuation, self.run)

    def patch_queue(self, part):
        own = None if part == "first" else self.decision.settings("first")
        if names := self.decision.settings(part):
            self.opened().write_queue(self.before, self.target, names, "key", own)

    def patch_members(self):
        written(self.opened(), self.before, self.decision.members(self.before), self.target)

    def carry_out(self, run="d-1", **changes):
        """Project, patch and verify. Returns the image of the run."""
        self.project(run, **changes)
        self.patch_queue("first")
        self.patch_members()
        self.patch_queue("last")
        held = self.read()
        assert unverified(self.target, held) == []
        return Image(self.decision, held)

    def leave(self, *users):
        self.genesys.members = [member for member in self.genesys.members if member["id"] not in users]

    def read(self):
        return self.opened().read_queue("queue-001")

    def restore(self, accepted=0):
        restorer = Restorer(
            self.opened(),
            self.before,
            self.target,
            key="d-1:restore",
            has_time=lambda: True,
            clock=self.time.clock,
            sleep=self.time.sleep,
        )
        return restorer.run(accepted=accepted, watch_s=2.0)[0]

    def writes(self):
        return [method for method, _, _ in self.genesys.written()]


def in_force(**weights):
    named = {user.replace("_", "-"): weight for user, weight in weights.items()}
    return SharesInForce("queue-001", "earlier", named, ShareOptions(**SHORT), 7)


SHARED = in_force(agent_1=0.1, agent_4=0.9)


# ---- a plan ----------------------------------------------------------------------------------------------------------


def test_a_plan_puts_its_weights_in_force_and_sets_the_queues_rules():
    world = World()
    world.carry_out()
    assert world.shares.find("queue-001") == SharesInForce("queue-001", "d-1", WEIGHTS, ShareOptions(), 1)
    assert world.rules == RULES
    assert (world.writes(), world.shares.puts) == (["PUT"], 1)


def test_the_same_plan_again_writes_nothing():
    world = World()
    world.carry_out()
    world.carry_out("d-2")
    assert (world.writes(), world.shares.puts, world.decision.order) == ([], 1, ())
    assert world.shares.find("queue-001").distribution_id == "d-1"


def test_the_plans_options_win_over_the_strategys():
    world = World()
    world.carry_out(share=SHORT)
    assert world.shares.find("queue-001").options == ShareOptions(**SHORT)
    assert world.rules == [{"operator": "MEETS_THRESHOLD", "threshold": 100, "waitSeconds": 4}]


def test_the_strategy_for_any_actuator_sets_the_rules_of_shares():
    world = World(routingRules=SOMEBODYS)
    world.carry_out(strategy_reference="by-weight", actuator="share")
    assert (world.rules, world.in_force) == (RULES, WEIGHTS)


def test_a_change_of_the_options_alone_is_carried_out_and_taken_back():
    world = World()
    world.carry_out()
    second = world.carry_out("d-2", share=SHORT)
    assert second.decision.parts == {"first": ("routing_rules", "share_options"), "last": ()}
    assert (world.writes(), world.shares.puts) == (["PUT"], 2)
    assert world.shares.find("queue-001").options == ShareOptions(**SHORT)
    world.carry_out("d-3", revert=[Image(second.decision, world.before)])
    assert (world.shares.find("queue-001").options, world.rules) == (ShareOptions(), RULES)
    assert world.in_force == WEIGHTS


def test_members_whom_the_plan_does_not_name_lose_their_share():
    world = World(SHARED)
    world.carry_out()
    assert world.in_force == WEIGHTS
    assert world.target.values == WEIGHTS | {"agent-4": 0}


def test_a_member_of_weight_zero_has_no_share():
    world = World(SHARED)
    world.carry_out(weights=WEIGHTS | {"agent-4": 0.0})
    assert world.in_force == WEIGHTS


def test_nobody_has_a_share_where_every_weight_is_zero():
    world = World(SHARED)
    world.carry_out(weights=dict.fromkeys(WEIGHTS, 0.0))
    assert (world.in_force, world.read().settings.share_options) == ({}, None)


def test_one_write_is_that_of_all_members():
    world = World(SHARED)
    world.project()
    members = members_to_write(world.target, world.before, raise_first=True)
    assert {member.user_id for member in members} == {"agent-1", "agent-2", "agent-4"}
    assert len(in_groups(world.target, members)) == 1
    assert world.opened().per_write == float("inf")


def test_weights_that_differ_from_zero_in_no_visible_place_are_no_shares():
    world = World()
    world.carry_out(weights={"agent-1": 1e-10})
    assert (world.in_force, world.target.settings["share_options"]) == (None, None)


def test_a_member_who_only_loses_its_share_may_leave_meanwhile():
    world = World(SHARED)
    world.project()
    world.leave("agent-4")
    world.patch_queue("first")
    world.patch_members()
    assert (unverified(world.target, world.read()), world.in_force) == ([], WEIGHTS)


def test_a_member_of_the_plan_who_leaves_meanwhile_fails_the_run_and_everything_is_restored():
    world = World()
    world.project()
    world.leave("agent-2")
    world.patch_queue("first")
    world.patch_members()
    assert unverified(world.target, world.read()) == ["agent-2"]
    assert world.restore(accepted=2).outcome == "restored"
    assert (world.rules, world.in_force) == (None, {})


@pytest.mark.parametrize("ends", ["a revert", "a plan"])
def test_shares_end_although_everybody_who_has_one_has_left(ends):
    world = World()
    first = world.carry_out()
    before = world.before
    world.leave(*WEIGHTS)
    how = {"revert": [Image(first.decision, before)]} if ends == "a revert" else {"weights": {"agent-3": 0.0}}
    world.carry_out("d-2", **how)
    assert world.in_force == {}


def test_a_revert_to_shares_of_members_who_have_all_left_leaves_nobody_with_a_share():
    world = World(SHARED, routingRules=RULES)
    done = world.carry_out()
    before = world.before
    world.leave("agent-1", "agent-4")
    world.carry_out("d-2", revert=[Image(done.decision, before)])
    assert (world.in_force, world.rules) == ({}, RULES)


def test_a_repair_of_the_rules_leaves_shares_of_members_who_have_all_left():
    world = World()
    done = world.carry_out()
    world.leave(*WEIGHTS)
    world.genesys.raw["routingRules"] = SOMEBODYS
    world.carry_out("d-2", revert=[done])
    assert (world.decision.parts["first"], world.decision.parts["last"]) == ((), ("routing_rules",))
    assert world.rules == RULES


def test_shares_are_of_the_queue_in_any_spelling_of_its_id():
    world = World()
    world.project()
    shares = QueueShares(world.shares, "d-1")
    shares.write(replace(world.before, queue_id="QUEUE-001"), WEIGHTS, str(ShareOptions()), None)
    assert shares.read("Queue-001").weights == WEIGHTS


# ---- what is refused, and what is stated -----------------------------------------------------------------------------


def test_a_queue_without_the_rules_is_refused_by_a_strategy_that_sets_nothing():
    world = World(routingRules=SOMEBODYS)
    with pytest.raises(PlanNotApplicable, match=r"requires the routing rules 100 for 10 s; .* 70 for 30.5 s; any:"):
        world.project(strategy_reference="longest-available-agent", actuator="share")
    assert World(routingRules=RULES).project(strategy_reference="longest-available-agent", actuator="share")


def test_more_members_than_the_counters_hold_are_refused():
    world = World()
    weights = {f"agent-{n}": 0.001 for n in range(MAX_SHARED + 1)}
    with pytest.raises(PlanNotApplicable, match="501 members have a share, and a queue can have 500"):
        world.project(weights=weights)


@pytest.mark.parametrize("changes", [{"actuator": "ring"}, {"strategy_reference": "join-by-weight"}])
def test_options_of_shares_beside_another_actuator_are_a_problem(changes):
    with pytest.raises(PlanInvalid) as caught:
        plan(share=SHORT, **changes)
    assert [(found["path"], found["type"]) for found in caught.value.details["errors"]] == [("share", "share_unused")]


def test_options_of_shares_are_refused_where_the_deployed_actuator_is_another():
    wanted = plan(share=SHORT)
    with pytest.raises(PlanNotApplicable, match="actuator is ring, whose values are no shares"):
        resolve(wanted, deployed="ring")
    assert resolve(wanted, deployed="share").actuator.share == ShareOptions(**SHORT)


def test_the_statement_says_what_is_requested_and_what_shares_do_not_do():
    statement = World(SHARED).project()
    assert statement["members"]["agent-2"] == {"requested": 0.35, "value": 0.35, "represented": 0.35, "error": 0}
    assert (statement["largest_error"], statement["without_effect"]) == (0, None)
    loses = {"requested": None, "value": 0, "represented": 0, "error": None}
    assert statement["members"]["agent-4"] == loses, "so the record names this change, too"
    assert any("only for contacts whose flow asks" in note for note in statement["notes"])
    assert not any("bullseye" in note for note in statement["notes"])
    rings = {"rings": [{"expansionCriteria": []}] * 2}
    assert any("bullseye" in note for note in World(bullseye=rings).project()["notes"])


def test_a_queue_is_ranked_by_shares_once_somebody_has_one_and_the_rules_are_there():
    world = World()
    world.project()
    before, after = world.opened().rankings(world.before, world.target)
    assert (before.rule, after.rule, after.share) == ("joined", "share", ShareOptions())
    world = World(in_force(agent_1=0.5), routingRules=RULES)
    world.project()
    before, after = world.opened().rankings(world.before, world.target)
    assert (before.rule, before.share, after.share) == ("share", ShareOptions(**SHORT), ShareOptions())
    assert [member.weight for member in world.before.members] == [0.5, 0, 0, 0]


def test_shares_on_a_queue_without_rules_have_no_effect():
    world = World(in_force(agent_1=0.5))
    world.project()
    assert not world.before.ranks
    assert {member.weight for member in world.before.members} == {None}


# ---- the order of the writes -----------------------------------------------------------------------------------------


def test_rules_are_made_before_a_share_and_removed_after_the_last_one():
    world = World()
    first = world.carry_out()
    assert first.decision.parts == {"first": ("routing_rules", "share_options"), "last": ()}
    world.carry_out("d-2", revert=[Image(first.decision, world.before)])
    assert world.decision.parts == {"first": (), "last": ("routing_rules", "share_options")}
    assert (world.writes(), world.shares.puts) == (["PUT"], 2)
    assert (world.rules, world.in_force) == (None, {})


def test_somebodys_rules_come_back_as_they_were():
    world = World(routingRules=SOMEBODYS)
    first = world.carry_out(wrap_up_timeout_s=20)
    assert {"routing_rules", "wrap_up_timeout_s"} < settings_by_part(world.target, world.before)["first"].keys()
    world.carry_out("d-2", revert=[Image(first.decision, world.before)])
    assert world.rules == SOMEBODYS


# ---- a restore -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [(), (SHARED,)], ids=["nobody had a share", "others had shares"])
def test_a_failed_run_is_restored_with_its_options_and_its_distribution(before):
    world = World(*before, routingRules=SOMEBODYS)
    world.project()
    world.patch_queue("first")
    world.patch_members()
    assert (world.rules, world.in_force) == (RULES, WEIGHTS)
    assert world.restore(accepted=3).outcome == "restored"
    assert world.rules == SOMEBODYS
    if before:
        assert world.shares.find("queue-001") == replace(SHARED, version=9)
    else:
        assert world.in_force == {}


def test_shares_that_somebody_has_made_sum_to_more_than_one_are_restored_as_they_were():
    world = World(in_force(agent_1=0.9, agent_3=0.9))
    world.carry_out()
    assert world.restore().outcome == "restored"
    assert world.in_force == {"agent-1": 0.9, "agent-3": 0.9}


def test_an_edit_by_hand_does_not_keep_others_from_getting_their_share_again():
    """The sum is above 1 then: the draws take the shares in proportion."""
    world = World(SHARED)
    world.carry_out()
    world.shares.edit("queue-001", **{"agent-3": 0.2})
    restoration = world.restore()
    assert restoration.outcome == "restored"
    assert world.in_force == SHARED.weights | {"agent-3": 0.2}


def test_members_who_have_left_get_their_share_again_with_a_restore():
    gone = in_force(agent_1=0.1, gone=0.2)
    world = World(gone)
    world.carry_out()
    assert world.in_force == WEIGHTS, "whoever has left counts no more"
    world.restore()
    assert world.in_force == gone.weights


def test_rules_stay_while_their_shares_cannot_be_taken_back():
    def refuse(*_):
        raise QueueChanged("Changed at the same moment.", fields=[])

    world = World()
    world.carry_out()
    world.shares.put = refuse
    restoration = world.restore()
    assert restoration.outcome == "failed"
    assert restoration.unrestored == ["agent-1", "agent-2", "routing_rules", "share_options"]
    assert (world.rules, world.in_force) == (RULES, WEIGHTS)


def test_options_that_somebody_has_edited_survive_a_restore_and_are_named():
    world = World(SHARED, routingRules=RULES)
    world.carry_out()
    held = world.shares.find("queue-001")
    world.shares.queues["queue-001"] = replace(held, options=ShareOptions(hold_s=99), version=held.version + 1)
    restoration = world.restore()
    assert (restoration.outcome, restoration.edited) == ("restored", ["share_options"])
    assert (world.in_force, world.shares.find("queue-001").options.hold_s) == (SHARED.weights, 99)


def test_an_edit_by_hand_survives_a_restore_and_is_named():
    world = World(in_force(agent_1=0.1), routingRules=RULES)
    world.carry_out()
    world.shares.edit("queue-001", **{"agent-2": 0.2})
    restoration = world.restore()
    assert (restoration.outcome, restoration.edited) == ("restored", ["agent-2"])
    assert world.in_force == {"agent-1": 0.1, "agent-2": 0.2}


# ---- faults of the store ---------------------------------------------------------------------------------------------


def test_a_write_whose_answer_was_lost_is_recognised_and_not_repeated():
    world = World()
    world.project()
    world.shares.lost = 1
    with pytest.raises(StoreUnavailable):
        world.patch_members()
    assert world.in_force == WEIGHTS
    world.patch_members()
    assert world.shares.puts == 1


@pytest.mark.parametrize("user", ["agent-1", "agent-3"], ids=["of the plan", "another member"])
def test_shares_that_somebody_has_changed_since_they_were_read_are_not_overwritten(user):
    world = World(SHARED)
    world.project()
    world.shares.edit("queue-001", **{user: 0.05})
    with pytest.raises(QueueChanged, match=rf"were changed by somebody .* \({user}\)"):
        world.patch_members()
    assert world.in_force == SHARED.weights | {user: 0.05}


def test_options_that_somebody_has_changed_since_they_were_read_are_not_overwritten():
    world = World(SHARED)
    world.project()
    world.shares.queues["queue-001"] = replace(SHARED, options=ShareOptions(hold_s=99), version=8)
    with pytest.raises(QueueChanged, match=r"were changed by somebody .* \(share_options\)"):
        world.patch_members()
    assert world.shares.find("queue-001").options.hold_s == 99


def test_rules_that_somebody_has_changed_since_they_were_read_leave_the_options_too():
    world = World()
    world.carry_out()
    world.project("d-2", share=SHORT)
    world.genesys.raw["routingRules"] = SOMEBODYS
    with pytest.raises(QueueChanged):
        world.patch_queue("first")
    assert (world.rules, world.shares.find("queue-001").options) == (SOMEBODYS, ShareOptions())


def test_a_write_at_the_same_moment_is_not_overwritten():
    world = World(SHARED)
    world.project()
    find = world.shares.find
    world.shares.find = lambda queue_id: replace(find(queue_id), version=6)
    with pytest.raises(QueueChanged):
        world.patch_members()
    world.shares.find = find
    assert world.in_force == SHARED.weights


def test_a_run_that_lost_its_lock_puts_nothing_in_force():
    def lost():
        raise Interrupted("The lock is another run's.")

    world = World()
    world.project()
    world.fence = lost
    with pytest.raises(Interrupted):
        world.patch_members()
    assert world.in_force is None


def test_a_refused_put_of_the_rules_leaves_the_shares():
    world = World(SHARED)
    world.project()
    world.genesys.scripted["PUT"] = [answer(403)] * 9
    with pytest.raises(Exception, match="may not do PUT"):
        world.patch_queue("first")
    assert world.in_force == SHARED.weights


# ---- reverts, baselines and drift ------------------------------------------------------------------------------------


def test_a_revert_to_an_earlier_plan_takes_the_shares_of_a_later_one():
    world = World()
    first = world.carry_out()
    world.carry_out("d-2", weights=OTHER, share=SHORT)
    assert world.in_force == OTHER
    world.carry_out("d-3", revert=[first])
    assert world.in_force == WEIGHTS
    assert world.shares.find("queue-001").options == ShareOptions()
    assert world.rules == RULES


def test_two_temporary_plans_that_expire_together_leave_the_shares_before_both():
    world = World(SHARED, routingRules=RULES)
    images = []
    for run, weights in (("d-1", WEIGHTS), ("d-2", OTHER)):
        done = world.carry_out(run, weights=weights)
        images.insert(0, Image(done.decision, world.before))
    world.carry_out("d-3", revert=images)
    assert (world.in_force, world.shares.find("queue-001").options) == (SHARED.weights, SHARED.options)
    assert world.shares.find("queue-001").distribution_id == "d-3"


@pytest.mark.parametrize(
    ("edit", "drift"),
    [
        ({"agent-1": 0.3}, {"agent-1": (0.4, 0.3)}),
        ({"agent-4": 0.1}, {"agent-4": (0.0, 0.1)}),
        ({}, {}),
    ],
    ids=["a share", "a share of somebody else", "nothing"],
)
def test_an_edit_of_the_table_is_drift(edit, drift):
    world = World()
    done = world.carry_out()
    world.shares.edit("queue-001", **edit)
    found = differences(image(done.held, world.target), world.read())
    assert {difference.name: (difference.expected, difference.held) for difference in found} == drift


def test_edits_of_the_rules_and_of_the_options_are_drift():
    world = World()
    done = world.carry_out()
    world.genesys.raw["routingRules"] = SOMEBODYS
    held = world.shares.find("queue-001")
    world.shares.queues["queue-001"] = replace(held, options=ShareOptions(**SHORT))
    found = differences(image(done.held, world.target), world.read())
    assert {difference.name: (difference.expected, difference.held) for difference in found} == {
        "routing_rules": (TEXT, "70 for 30.5 s; any"),
        "share_options": ("10 s alone, then 20 s", "4 s alone, then 0 s"),
    }
    world.carry_out("d-2", revert=[Image(done.decision, done.held)])
    assert (world.rules, world.shares.find("queue-001").options) == (RULES, ShareOptions())


def test_a_revert_of_a_revert_puts_shares_and_rules_in_force_again():
    world = World()
    first = world.carry_out()
    second = world.carry_out("d-2", revert=[Image(first.decision, world.before)])
    assert world.in_force == {}
    world.carry_out("d-3", revert=[Image(second.decision, world.before)])
    assert (world.in_force, world.rules, world.shares.find("queue-001").options) == (WEIGHTS, RULES, ShareOptions())


@pytest.mark.parametrize("change", ["deleted in Genesys", "left", "nobody", "the item is deleted"])
def test_a_repair_carries_out_what_it_was_decided_on(change):
    world = World()
    done = world.carry_out()
    if change == "left":
        world.leave("agent-2")
    elif change == "deleted in Genesys":
        world.genesys.member("agent-2")["user"]["state"] = "deleted"
    world.shares.edit("queue-001", **{"agent-1": 0.3})
    if change == "the item is deleted":
        del world.shares.queues["queue-001"]
    found = differences(image(done.held, world.target), world.read())
    drift = fingerprint("d-1", [difference for difference in found if difference.can_be_reverted])
    repaired = world.carry_out("d-2", revert=[done])
    require_known_drift(Restores(distribution_id="d-1", drift=drift), world.target, world.before, "d-1")
    stays = change in {"nobody", "the item is deleted"}
    assert world.in_force == (WEIGHTS if stays else {"agent-1": 0.4})
    assert differences(image(repaired.held, world.target), world.read()) == ()


def test_a_member_without_a_share_who_leaves_is_no_drift():
    world = World(SHARED)
    done = world.carry_out()
    world.leave("agent-4")
    assert differences(image(done.held, world.target), world.read()) == ()


def test_the_date_of_the_queue_is_about_its_rules_and_not_about_the_table():
    rules, options, share = (
        Difference("setting", "routing_rules", TEXT, None),
        Difference("setting", "share_options", "10 s alone, then 20 s", None),
        Difference("member", "agent-1", 0.4, 0.3),
    )
    queue, now = World(), datetime(2026, 1, 31, 12, tzinfo=UTC)
    queue.project()
    dated = replace(queue.before, modified_at="2026-01-31T08:00:00Z")
    assert edited_at([rules], dated, now).hour == 8
    assert {edited_at(drift, dated, now) for drift in ([options], [rules, options], [share])} == {now}


def test_the_settings_that_differ_are_told_before_they_are_written():
    world = World(SHARED, routingRules=SOMEBODYS)
    world.project()
    assert settings_to_write(world.target, world.before) == {
        "routing_rules": TEXT,
        "share_options": "10 s alone, then 20 s",
    }
