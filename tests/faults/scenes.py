"""A queue under one actuator: its state, the state after a plan, and the order of the writes.

Every expectation is stated here, by the formulas of docs/use/weights.md. None comes from the system under test.
"""

import copy
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.support.mechanisms import MECHANISMS, Mechanism
from tests.support.world import NO_RINGS, Run, World, a_plan, skill_of

VOLATILE = {"version", "dateModified", "modifiedBy", "joinedMemberCount"}
"""The fields that Genesys changes itself."""
CARRIERS = tuple(name for name in MECHANISMS if name != "share")
"""The actuators whose values Genesys holds."""
SOMEBODYS_RULES = [{"operator": "MEETS_THRESHOLD", "threshold": 70, "waitSeconds": 30}]
GROUP = {"id": "group-that-helps-out", "type": "GROUP"}
OUR_RULE = {"metric": "ServiceLevel", "operator": "LessThan", "groups": [GROUP]}
_ANOTHERS = {"metric": "EstimatedWaitTime", "operator": "GreaterThan", "conditionValue": 60, "groups": [GROUP]}
"""Somebody else's rule. It has a wait only once another rule comes after it."""
RINGS = 6

FEW = 4


@dataclass
class Scene:
    """A queue of four members, or of `size`. Each member's value differs from the plan's."""

    world: World
    actuator: str
    narrows: bool = False
    """True if the plan lowers the queue's overflow threshold, which is then written last."""
    size: int = FEW
    changes: dict[str, Any] = field(default_factory=dict)
    """A value of the plan."""
    makes_rings: bool = False
    """True if the queue has no rings, so that the plan makes them. Unless it narrows the queue, a rule is made, too."""
    makes_rules: bool = False
    """True if nobody has a share, and the queue has no routing rules, so that the plan makes them."""
    restores: str = ""
    """The distribution that the plan reverts; see `revert`."""

    def __post_init__(self) -> None:
        self.queue_id = self.world.queue(1)
        # Users of this queue alone: under the platform, skills belong to the user and not to the queue.
        self.users = [f"{self.queue_id}-agent-{number:02}" for number in range(1, self.size + 1)]
        self._held, self._wanted, self._weights = self._values_of_all()
        held = (1,) * self.size if self.makes_rings else (0.0,) * self.size if self.makes_rules else self._held
        self.old = dict(zip(self.users, held, strict=True))
        self.settings_old: dict[str, float] = {"wrap_up_timeout_s": 300.0}
        self.settings_new: dict[str, float] = {"wrap_up_timeout_s": 45.0}
        spec: dict[str, Any] = {}
        if self.actuator == "proficiency":
            spec["skills"] = [{"id": self.skill, "name": "Dedicated"}]
        if self.actuator == "score":
            spec["queue"] = {"utilizationThreshold": 0.8, "wrapUpTimeout": 300}
            self.settings_old["overflow_threshold"] = 0.8
            self.settings_new["overflow_threshold"] = self.threshold
        elif self.narrows:
            spec["queue"] = {"conditionalGroupRouting": {"rules": [OUR_RULE | {"conditionValue": 0.8}]}}
            self.settings_old["overflow_threshold"] = 0.8
            self.settings_new["overflow_threshold"] = self.threshold
        if self.makes_rings:
            spec["queue"] = NO_RINGS | spec.get("queue", {"conditionalGroupRouting": {"rules": [_ANOTHERS]}})
            self.settings_old |= {"bullseye_rings": 0} | ({} if self.narrows else {"overflow_threshold": None})
            self.settings_new |= {"bullseye_rings": RINGS, "overflow_threshold": self.threshold}
        if self.actuator == "share":
            self.settings_old |= {"routing_rules": None, "share_options": None}
            self.settings_new |= {"routing_rules": "100 for 4 s", "share_options": "4 s alone, then 0 s"}
        if self.actuator == "share" and not self.makes_rules:
            spec["queue"] = {"routingRules": SOMEBODYS_RULES}
            self.settings_old |= {"routing_rules": "70 for 30 s", "share_options": "10 s alone, then 20 s"}
            self.world.put_shares(self.queue_id, {user: share for user, share in self.old.items() if share})
        self.world.put_queue(self.queue_id, members=[self._member(u, v) for u, v in self.old.items()], **spec)
        self.before = self.snapshot()
        self.edits: dict[str, Any] = {}
        """The values that somebody else gave members or settings during the run. They must stay."""
        self.edited_fields: dict[str, Any] = {}
        """Fields of the queue that somebody else changed, and that no plan can change."""

    @property
    def mechanism(self) -> Mechanism:
        return MECHANISMS[self.actuator]

    @property
    def skill(self) -> str:
        return skill_of(self.queue_id)

    @property
    def threshold(self) -> float:
        return 0.5 if self.narrows else 0.85

    @cached_property
    def weights(self) -> dict[str, float]:
        return dict(zip(self.users, self._weights, strict=True))

    @cached_property
    def new(self) -> dict[str, Any]:
        return dict(zip(self.users, self._wanted, strict=True))

    @cached_property
    def order(self) -> list[str]:
        """The members in the order of their writes: with a limited sum, lowered ones first, else raised ones."""
        goes_up = {user: self.weight(self.new[user]) > self.weight(self.old[user]) for user in self.users}
        changing = [user for user in self.users if self.new[user] != self.old[user]]
        return sorted(changing, key=lambda user: goes_up[user] == (self.actuator == "score"))

    def weight(self, value: Any) -> float:
        """The weight that a value on the wire stands for."""
        return self.mechanism.weight(value, tuple(self.weights.values()))

    def _values_of_all(self) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[float, ...]]:
        """Return the members' values before and after the plan, and the weights. Of many members, nearly all change."""
        if self.size == FEW:
            return self.mechanism.held, self.mechanism.wanted, self.mechanism.weights
        weights = tuple(round(0.9 * n / (self.size * (self.size + 1) / 2), 6) for n in range(1, self.size + 1))
        wanted = tuple(self.mechanism.value(weight, max(weights)) for weight in weights)
        return self.mechanism.others(wanted), wanted, weights

    def plan(self, **changes: Any) -> dict[str, Any]:
        if self.restores:
            return {"restore": self.restores, **self.changes, **changes}
        carried: dict[str, Any] = {"actuator": self.actuator} if self.mechanism.is_named else {}
        if self.actuator == "proficiency":
            carried["skill"] = self.skill
        if self.actuator != "score" and (self.narrows or self.makes_rings):
            carried["overflow_groups"] = [GROUP]
        if self.makes_rings:
            carried["strategy_reference"] = "ring-by-weight"
        if self.actuator == "share":
            carried |= {"strategy_reference": "share-by-weight", "share": {"hold_s": 4, "then": 0}}
        carried |= {"overflow_threshold": self.threshold, "wrap_up_timeout_s": 45}
        return a_plan(self.queue_id, self.weights, **carried | self.changes | changes)

    def run(self, **changes: Any) -> Run:
        run = self.world.run(self.plan(**changes))
        run.queue_id = self.queue_id
        return run

    def revert(self, of: Run, *, with_group: bool = False) -> "Scene":
        """Return the scene of a revert: the queue after `of`, a completed run, and the plan that reverts it.

        Somebody has put a group `with_group` into a ring meanwhile.
        """
        back = copy.copy(self)
        back.restores = of.distribution_id
        back.old, back.new = self.new, self.old
        back.settings_old, back.settings_new = dict(self.settings_new), dict(self.settings_old)
        back.edits, back.edited_fields = {}, {}
        vars(back).pop("order", None)
        if with_group:
            rings = [dict(ring) for ring in rings_of(self.snapshot()["queue"])]
            rings[2]["memberGroups"] = [GROUP]
            self.world.sim.edit_queue(self.queue_id, bullseye={"rings": rings})
            back.settings_old["ring_groups"], back.settings_new["ring_groups"] = f"3: {GROUP['id']}", None
        back.before = back.snapshot()
        return back

    # ---- the requests, for faults -----------------------------------------------------------------------------------

    def writes_of(self, user: str) -> dict[str, Any]:
        """The write of a member. Under `joined`, one write is that of all members."""
        return self.mechanism.write_of(self.queue_id, user)

    @property
    def writes(self) -> dict[str, Any]:
        """The write of every member, each once in a run."""
        paths = sorted({self.writes_of(user)["path"] for user in self.users})
        return {"method": self.writes_of(self.users[0])["method"], "path": "|".join(paths)}

    @property
    def settings_write(self) -> dict[str, Any]:
        return {"method": self.mechanism.settings_write, "path": f"/queues/{self.queue_id}$"}

    @property
    def listing(self) -> dict[str, Any]:
        """The listing of members: the first is Project's, the second is that of Verify, or of Restore."""
        return {"method": "GET", "path": f"/queues/{self.queue_id}/members$"}

    @property
    def reading(self) -> dict[str, Any]:
        """The reading of the queue itself. Under the platform, it is also read right before each PUT."""
        return {"method": "GET", "path": f"/queues/{self.queue_id}$"}

    # ---- what Genesys holds -----------------------------------------------------------------------------------------

    def snapshot(self, state: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the current `{queue, members}`, or those of an earlier state of the organisation."""
        queue = state["queues"][self.queue_id] if state else self.world.sim.state_of(self.queue_id)
        members = {member["user"]["id"]: member for member in queue["members"]}
        if self.actuator != "share":
            return {"queue": queue["queue"], "members": members}
        shares = self.world.shares(self.queue_id)
        members = {user: member | {"share": shares["weights"].get(user, 0.0)} for user, member in members.items()}
        return {"queue": queue["queue"] | {"share": shares["weights"] and shares["share"]}, "members": members}

    def values(self, snapshot: dict[str, Any]) -> dict[str, Any]:
        return {
            user: self.mechanism.read(snapshot["members"][user], self.skill)
            for user in self.users
            if user in snapshot["members"]
        }

    def settings(self, snapshot: dict[str, Any]) -> dict[str, float]:
        queue = snapshot["queue"]
        if self.actuator == "score":
            return {"wrap_up_timeout_s": queue["wrapUpTimeout"], "overflow_threshold": queue["utilizationThreshold"]}
        held = {"wrap_up_timeout_s": queue["acwSettings"]["timeoutMs"] / 1000}
        if self.narrows or self.makes_rings:
            held["overflow_threshold"] = next(
                (rule["conditionValue"] for rule in rules_of(queue) if is_ours(rule)), None
            )
        if self.makes_rings:
            held["bullseye_rings"] = len(rings_of(queue))
        if self.actuator == "share":
            rules = [f"{rule['threshold']} for {rule['waitSeconds']} s" for rule in queue.get("routingRules", [])]
            held["routing_rules"] = "; ".join(rules) or None
            share = queue["share"]
            held["share_options"] = f"{share['hold_s']} s alone, then {share['then']} s" if share else None
        if "ring_groups" in self.settings_old:
            groups = {n: ring.get("memberGroups") for n, ring in enumerate(rings_of(queue), 1)}
            held["ring_groups"] = "; ".join(f"{n}: {of[0]['id']}" for n, of in groups.items() if of) or None
        return held

    def claimed(self, snapshot: dict[str, Any]) -> dict[str, float | None]:
        """Return the weights that a record may claim. None if nobody is ranked, or if a revert did not request it."""
        if self.restores:
            return {}
        ranks = not self.makes_rings or len(rings_of(snapshot["queue"])) > 1
        ranks = ranks and bool(not self.makes_rules or snapshot["queue"].get("routingRules"))
        return {user: self.weight(value) if ranks else None for user, value in self.values(snapshot).items()}

    def others(self, snapshot: dict[str, Any]) -> dict[str, Any]:
        """Return everything that no run may change: the other fields of the queue and of its members."""
        queue = {name: value for name, value in snapshot["queue"].items() if name not in VOLATILE}
        for name in (
            "wrapUpTimeout",
            "utilizationThreshold",
            *(("routingRules", "share") if self.actuator == "share" else ()),
        ):
            queue.pop(name, None)
        if "acwSettings" in queue:
            queue["acwSettings"] = {k: v for k, v in queue["acwSettings"].items() if k != "timeoutMs"}
        if self.narrows and "conditionalGroupRouting" in queue:
            queue["conditionalGroupRouting"] = [{**rule, "conditionValue": None} for rule in rules_of(queue)]
        elif self.makes_rings:
            others = [rule for rule in rules_of(queue) if not is_ours(rule)]
            if len(others) < len(rules_of(queue)):  # then the other one waits
                others = [{name: value for name, value in rule.items() if name != "waitSeconds"} for rule in others]
            queue["conditionalGroupRouting"] = others
        if self.makes_rings:
            is_new = len(rings_of(queue)) == self.settings_new["bullseye_rings"]
            queue["bullseye"] = (self.before["queue"] if is_new else queue).get("bullseye")
        return {
            "queue": queue,
            "members": {user: self.mechanism.rest(m, self.skill) for user, m in snapshot["members"].items()},
        }

    def edit(self, user: str, value: Any) -> None:
        """Give a member a value, as a person does."""
        self.edits[user] = value
        if self.actuator == "proficiency":
            self.world.sim.edit_skill(user, self.skill, value)
        else:
            self.world.sim.edit_member(self.queue_id, user, **self.mechanism.fields(value, self.skill))

    def edit_wrap_up(self, seconds: int) -> None:
        self.edits["wrap_up_timeout_s"] = seconds
        if self.actuator == "score":
            self.world.sim.edit_queue(self.queue_id, wrapUpTimeout=seconds)
        else:
            acw = self.snapshot()["queue"]["acwSettings"] | {"timeoutMs": 1000 * seconds}
            self.world.sim.edit_queue(self.queue_id, acwSettings=acw)

    def edit_description(self, text: str) -> None:
        self.edited_fields["description"] = text
        self.world.sim.edit_queue(self.queue_id, description=text)

    def _member(self, user: str, value: Any) -> dict[str, Any]:
        member = {"user": {"id": user}, "routingStatus": {"status": "IDLE"}}
        return member | self.mechanism.fields(value, self.skill)


def rings_of(queue: dict[str, Any]) -> list[dict[str, Any]]:
    return queue.get("bullseye", {}).get("rings", [])


def rules_of(queue: dict[str, Any]) -> list[dict[str, Any]]:
    return queue.get("conditionalGroupRouting", {}).get("rules", [])


def is_ours(rule: dict[str, Any]) -> bool:
    return rule["metric"] == "ServiceLevel"


def matches(rule: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Return True if `rule` would spoil this request of the simulator's log."""
    return bool(re.fullmatch(rule.get("method", ".*"), entry["method"]) and re.search(rule["path"], entry["path"]))
