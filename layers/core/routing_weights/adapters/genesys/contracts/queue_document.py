"""A queue of the platform as raw JSON: the settings that a plan can change, and their merge for the PUT.

The PUT replaces the whole queue, so every other field is sent as it was read, also unknown ones. No HTTP.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from routing_weights.adapters.genesys.contracts.reading import Entity, child, children, number
from routing_weights.domain.actuation import Actuation
from routing_weights.domain.queue import (
    RING_GROUPS,
    RINGS,
    ROUTING_RULES,
    QueueSettings,
    Setting,
    SettingName,
    Settings,
    holds,
)
from routing_weights.domain.shares import from_text
from routing_weights.errors import QueueChanged

MAX_OVERFLOW_RULES = 5
ROUTING_FIELD = "routingRules"
FIELDS: Mapping[SettingName, str] = {
    "wrap_up_timeout_s": "acwSettings",
    "skill_evaluation_method": "skillEvaluationMethod",
    RINGS: "bullseye",
    RING_GROUPS: "bullseye",
    "overflow_threshold": "conditionalGroupRouting",
    ROUTING_RULES: ROUTING_FIELD,
}
"""The field of the queue that carries each of our settings. The options of shares are not in the queue."""
LAST_RING_S = 5
"""Every ring has a time-out. For the last ring, the console writes this value (developer forum, thread 21142)."""
RULE_WAIT_S = 2
"""The default wait of a rule before the next one, from Genesys's Terraform provider.

Genesys ignores the wait of the last rule, where it may be absent.
"""
TIMED_PROMPTS = ("AGENT_REQUESTED", "MANDATORY_TIMEOUT", "MANDATORY_FORCED_TIMEOUT")
READ_ONLY = {"dateModified", "modifiedBy", "memberCount", "userMemberCount", "joinedMemberCount", "version"}
"""The fields that Genesys changes itself with every change of a queue."""


@dataclass(frozen=True)
class QueueDocument:
    """The raw queue, with the overflow groups and the strategy of a plan."""

    raw: Entity
    actuation: Actuation

    def settings(self) -> QueueSettings:
        """Return the queue's own settings. The overflow threshold is one of them only if overflow groups carry it."""
        wrap_up = number(child(self.raw, "acwSettings"), "timeoutMs")
        method = self.raw.get("skillEvaluationMethod")
        rule = next(filter(self._is_ours, self._rules), {}) if self.actuation.overflow_groups else {}
        return QueueSettings(
            overflow_threshold=number(rule, "conditionValue"),
            wrap_up_timeout_s=None if wrap_up is None else wrap_up / 1000,
            skill_evaluation_method=method if isinstance(method, str) else None,
            bullseye_rings=len(self._rings),
            ring_groups=self._ring_groups,
            routing_rules="; ".join(map(_rule_as_text, children(self.raw, ROUTING_FIELD))) or None,
        )

    @property
    def ring_timeouts_s(self) -> tuple[float, ...]:
        """The seconds that a call stays in each ring except the last. 0 for a ring without a time-out."""
        seconds = []
        for ring in self._rings[:-1]:
            timeouts = [c for c in children(ring, "expansionCriteria") if c.get("type") == "TIMEOUT_SECONDS"]
            seconds.append(number(timeouts[0], "threshold") if timeouts else None)
        return tuple(value or 0.0 for value in seconds)

    def no_room_for_overflow(self) -> str | None:
        """Return the reason why the queue cannot have the rule that carries the overflow threshold, or None."""
        if child(self.raw, "conditionalGroupActivation"):
            return "the queue uses conditional group activation, which excludes conditional group routing"
        if not any(map(self._is_ours, self._rules)) and len(self._rules) >= MAX_OVERFLOW_RULES:
            return f"the queue has {len(self._rules)} conditional group routing rules, and Genesys takes no more"
        return None

    def notes(self, settings: Settings) -> list[str]:
        """Return notes for the reader of a dry run about the settings that a plan sets."""
        groups = {group.id for group in self.actuation.overflow_groups}
        foreign = sorted(groups - {str(group.get("id")).lower() for group in children(self.raw, "memberGroups")})
        prompt = child(self.raw, "acwSettings").get("wrapupPrompt")
        rings = settings.get(RINGS) or child(self.raw, "bullseye")
        notes = {
            "The plan names no overflow groups: overflow_threshold is only a gate of this system.": not groups,
            f"Not member groups of the queue: {', '.join(foreign)}. Genesys calls in member groups only.": foreign,
            "Genesys offers bullseye and conditional group routing as alternatives: see which one the queue uses.": (
                groups and rings
            ),
            "Genesys offers bullseye rings and preferred agents as alternatives: see which one the queue uses.": (
                settings.get(ROUTING_RULES) and child(self.raw, "bullseye")
            ),
            f"The wrap-up prompt is {prompt}: Genesys takes a time-out only with {', '.join(TIMED_PROMPTS)}.": (
                "wrap_up_timeout_s" in settings and prompt not in TIMED_PROMPTS
            ),
        }
        return [note for note, applies in notes.items() if applies]

    def fields_of(self, names: Iterable[SettingName]) -> dict[str, Any]:
        """Return the field that carries each setting, or None if the queue has no such field."""
        return {name: self.raw.get(FIELDS[name]) for name in names if name in FIELDS}

    def merged(self, settings: Settings, then: Mapping[str, Any] | None = None) -> Entity:
        """Return the whole queue with only `settings` changed.

        `then` has, for a setting that is restored, the field as it was read when the queue held that value.
        """
        body = dict(self.raw)
        for name, value in settings.items():
            written = self._as_it_was(name, value, then[name]) if then and name in then else self._field(name, value)
            body[FIELDS[name]] = written
            if written is None:
                del body[FIELDS[name]]
        return body

    def restored(self, read: Entity, names: Collection[SettingName]) -> Entity:
        """Return the whole queue with the named settings as they were `read`. New fields are removed."""
        then = QueueDocument(read, self.actuation)
        settings = then.settings()
        return self.merged({name: settings.get(name) for name in names}, then.fields_of(names))

    def without_ring_groups(self) -> Entity:
        """Return the whole queue without groups in its rings, because Genesys removes no ring with a group."""
        return self.merged({RING_GROUPS: None})

    def require_unchanged(self, read: Entity, settings: Collection[SettingName], own: Settings | None = None) -> None:
        """Raise QueueChanged if somebody else has changed the queue, or a field that `settings` change, since `read`.

        A queue has no version and no ETag, so only the date of its last change can be compared. `own` has the settings
        that this run has written since; it is None if the run has written nothing at all. The run's own writes, perhaps
        also those of members, may change the date. After them, a later date alone does not mean somebody else's change,
        so an edit that no field shows, or that was undone, goes unnoticed.
        """
        ours = {FIELDS[name] for name, value in (own or {}).items() if holds(self.settings().get(name), value)}
        known = (read.keys() | self.raw.keys()) - READ_ONLY - ours
        differs = sorted(name for name in known if read.get(name) != self.raw.get(name))
        touched = {FIELDS[name] for name in settings}
        is_dated = self.raw.get("dateModified") != read.get("dateModified")
        if not touched & set(differs) and not (is_dated and (own is None or differs)):
            return
        who = str(self.raw.get("modifiedBy") or "somebody")
        when = str(self.raw.get("dateModified") or "an unknown time")
        fields = ", ".join(differs) or "no field that a reading shows"
        changed = f"Queue {self.raw.get('id')} was changed"
        if own is None:
            changed += f" by {who} at {when}, after this run had read it ({fields})."
            named = {"modified_by": who, "date_modified": when}
        else:
            changed += f" by somebody after this run had read it ({fields}); the last write, of {who} at {when}, "
            changed += "may be this run's own."
            named = {}
        raise QueueChanged(
            f"{changed} Nothing was overwritten: look at the change, then send the plan again.", fields=differs, **named
        )

    @property
    def _rings(self) -> list[Entity]:
        return children(child(self.raw, "bullseye"), "rings")

    @property
    def _ring_groups(self) -> str | None:
        """The groups in each ring, as text. None if no ring has a group."""
        return "; ".join(filter(None, self._groups_by_ring())) or None

    def _groups_by_ring(self) -> list[str]:
        """Return for each ring its number and its groups, or an empty text if it has none."""
        groups = [sorted(str(group.get("id")) for group in children(ring, "memberGroups")) for ring in self._rings]
        return [f"{n}: {', '.join(ids)}" if ids else "" for n, ids in enumerate(groups, 1)]

    @property
    def _rules(self) -> list[Entity]:
        return children(child(self.raw, "conditionalGroupRouting"), "rules")

    def _field(self, name: SettingName, value: Setting) -> Any:
        """Return the field with one setting changed."""
        field = self.raw.get(FIELDS[name]) or {}
        match name:
            case "wrap_up_timeout_s":
                return {**field, "timeoutMs": round(1000 * float(value or 0))}
            case "ring_groups":
                stay = {"", *str(value or "").split("; ")}
                pairs = zip(self._rings, self._groups_by_ring(), strict=True)
                rings = [ring if groups in stay else {**ring, "memberGroups": []} for ring, groups in pairs]
                return {**field, "rings": rings}
            case "bullseye_rings":
                return {**field, "rings": self._new_rings()} if value else None
            case "overflow_threshold":
                rules = self._rules_with(value)
                return {**field, "rules": rules} if rules or field.keys() - {"rules"} else None
            case "routing_rules":
                return [
                    {"operator": "ANY", "waitSeconds": rule.wait_s}
                    if rule.threshold is None
                    else {"operator": "MEETS_THRESHOLD", "threshold": rule.threshold, "waitSeconds": rule.wait_s}
                    for rule in from_text(str(value))
                ]
            case "skill_evaluation_method":
                return value
            case "share_options":
                raise ValueError("the options of shares are not in the queue")
            case unreachable:
                assert_never(unreachable)

    def _new_rings(self) -> list[Entity]:
        """Return the rings of the strategy. The first one keeps its other fields."""
        timeouts = (*self.actuation.strategy.bullseye_timeouts_s, LAST_RING_S)
        rings = [{"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": t}]} for t in timeouts]
        return [{**(self._rings or [{}])[0], **rings[0]}, *rings[1:]]

    def _rules_with(self, threshold: Setting) -> list[Entity]:
        if threshold is None:
            return [rule for rule in self._rules if not self._is_ours(rule)]
        if any(map(self._is_ours, self._rules)):
            return [{**rule, "conditionValue": threshold} if self._is_ours(rule) else rule for rule in self._rules]
        groups = [{"id": group.id, "type": group.type} for group in self.actuation.overflow_groups]
        ours = {"metric": "ServiceLevel", "operator": "LessThan", "conditionValue": threshold, "groups": groups}
        others = self._rules
        if others and others[-1].get("waitSeconds") is None:
            others = [*others[:-1], {**others[-1], "waitSeconds": RULE_WAIT_S}]
        return [*others, ours]

    def _as_it_was(self, name: SettingName, value: Setting, then: Any) -> Any:
        """Return the field with a restored setting. `then` is the field as it was read."""
        field = self.raw.get(FIELDS[name]) or {}
        match name:
            case "overflow_threshold" if value is None:
                known = children(then or {}, "rules")
                rules = [_unwaiting(rule, known) for rule in self._rules if not self._is_ours(rule)]
                written = {**field, "rules": rules}
            case "wrap_up_timeout_s" if value is None:
                written = {key: part for key, part in field.items() if key != "timeoutMs"}
            case "overflow_threshold" | "wrap_up_timeout_s":
                written = self._field(name, value)
            case "skill_evaluation_method" | "bullseye_rings" | "ring_groups" | "routing_rules":
                return then
            case "share_options":
                raise ValueError("the options of shares are not in the queue")
            case unreachable:
                assert_never(unreachable)
        return None if then is None and written in ({}, {"rules": []}) else written

    def _is_ours(self, rule: Entity) -> bool:
        """Recognise our rule: a service-level rule about this queue for exactly these groups. Rules have no names."""
        groups, queue = [group.get("id") for group in children(rule, "groups")], child(rule, "queue").get("id")
        ours = {group.id for group in self.actuation.overflow_groups}
        return (
            rule.get("metric") == "ServiceLevel"
            and rule.get("operator") == "LessThan"
            and (queue is None or _is_same(queue, self.raw.get("id")))
            and ours == {group.lower() for group in groups if isinstance(group, str)}
            and len(groups) == len(ours)
        )


def _rule_as_text(rule: Entity) -> str:
    """Return a rule for preferred agents as text: ours as domain.shares writes it."""
    threshold, wait_s = number(rule, "threshold"), number(rule, "waitSeconds")
    operator = rule.get("operator")
    whom = {"ANY": "any", "MEETS_THRESHOLD": f"{threshold or 0:g}"}.get(str(operator), str(operator))
    return whom if wait_s is None else f"{whom} for {wait_s:g} s"


def _unwaiting(rule: Entity, known: list[Entity]) -> Entity:
    """Return a rule without the wait that it got when our rule was added after it, if it had none in `known`."""
    if rule.get("waitSeconds") != RULE_WAIT_S:
        return rule
    bare = [then for then in known if then.get("waitSeconds") is None]
    return next((then for then in bare if {**then, "waitSeconds": RULE_WAIT_S} == rule), rule)


def _is_same(a: Any, b: Any) -> bool:
    """Compare two ids, ignoring case."""
    return isinstance(a, str) and isinstance(b, str) and a.lower() == b.lower()
