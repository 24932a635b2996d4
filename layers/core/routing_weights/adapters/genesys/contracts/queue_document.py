"""A queue of the platform as raw JSON: what of it a plan can reach, and how it is merged for the PUT.

The PUT replaces the whole queue, so everything else goes back as it was read, fields that nobody here knows included.
No HTTP.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from routing_weights.adapters.genesys.contracts.reading import Entity, child, children, number
from routing_weights.domain.actuation import Actuation
from routing_weights.domain.queue import RING_GROUPS, RINGS, QueueSettings, Setting, SettingName, Settings, holds
from routing_weights.errors import QueueChanged

MAX_OVERFLOW_RULES = 5
FIELDS: Mapping[SettingName, str] = {
    "wrap_up_timeout_s": "acwSettings",
    "skill_evaluation_method": "skillEvaluationMethod",
    RINGS: "bullseye",
    RING_GROUPS: "bullseye",
    "overflow_threshold": "conditionalGroupRouting",
}
"""Which field of the queue carries each of our settings."""
LAST_RING_S = 5
"""Every ring has a time-out, the last one too: the console writes this there (developer forum, thread 21142)."""
RULE_WAIT_S = 2
"""What a rule waits before the next one, unless it says so: the default of Genesys' Terraform provider.

Genesys ignores it in the last rule, where it may be absent.
"""
TIMED_PROMPTS = ("AGENT_REQUESTED", "MANDATORY_TIMEOUT", "MANDATORY_FORCED_TIMEOUT")
READ_ONLY = {"dateModified", "modifiedBy", "memberCount", "userMemberCount", "joinedMemberCount", "version"}
"""What Genesys changes on its own whenever something of a queue changes."""


@dataclass(frozen=True)
class QueueDocument:
    """The raw queue, seen with the overflow groups and the strategy of one plan."""

    raw: Entity
    actuation: Actuation

    def settings(self) -> QueueSettings:
        """The overflow threshold is one of the queue's own settings only where overflow groups carry it."""
        wrap_up = number(child(self.raw, "acwSettings"), "timeoutMs")
        method = self.raw.get("skillEvaluationMethod")
        rule = next(filter(self._is_ours, self._rules), {}) if self.actuation.overflow_groups else {}
        return QueueSettings(
            overflow_threshold=number(rule, "conditionValue"),
            wrap_up_timeout_s=None if wrap_up is None else wrap_up / 1000,
            skill_evaluation_method=method if isinstance(method, str) else None,
            bullseye_rings=len(self._rings),
            ring_groups=self._ring_groups,
        )

    @property
    def ring_timeouts_s(self) -> tuple[float, ...]:
        """Seconds that a call stays in each ring but the last, as far as the rings say so."""
        found = []
        for ring in self._rings[:-1]:
            timeouts = [c for c in children(ring, "expansionCriteria") if c.get("type") == "TIMEOUT_SECONDS"]
            found.append(number(timeouts[0], "threshold") if timeouts else None)
        return tuple(seconds or 0.0 for seconds in found)

    def no_room_for_overflow(self) -> str | None:
        """Why the queue cannot have the rule that carries the overflow threshold; None where it can."""
        if child(self.raw, "conditionalGroupActivation"):
            return "the queue uses conditional group activation, which excludes conditional group routing"
        if not any(map(self._is_ours, self._rules)) and len(self._rules) >= MAX_OVERFLOW_RULES:
            return f"the queue has {len(self._rules)} conditional group routing rules, and Genesys takes no more"
        return None

    def notes(self, settings: Settings) -> list[str]:
        """What the reader of a dry run has to know of the settings that a plan sets."""
        groups = {group.id for group in self.actuation.overflow_groups}
        foreign = sorted(groups - {str(group.get("id")).lower() for group in children(self.raw, "memberGroups")})
        prompt = child(self.raw, "acwSettings").get("wrapupPrompt")
        rings = settings.get(RINGS) or child(self.raw, "bullseye")
        found = {
            "No overflow groups are named: overflow_threshold is a gate of this system only.": not groups,
            f"Not member groups of the queue: {', '.join(foreign)}. Genesys calls in only groups that are.": foreign,
            "Genesys offers bullseye and conditional group routing as alternatives: see which one the queue uses.": (
                groups and rings
            ),
            f"The wrap-up prompt is {prompt}: Genesys takes a time-out only with {', '.join(TIMED_PROMPTS)}.": (
                "wrap_up_timeout_s" in settings and prompt not in TIMED_PROMPTS
            ),
        }
        return [note for note, applies in found.items() if applies]

    def fields_of(self, names: Iterable[SettingName]) -> dict[str, Any]:
        """By setting, the field that carries it, None where there is none."""
        return {name: self.raw.get(FIELDS[name]) for name in names}

    def merged(self, settings: Settings, then: Mapping[str, Any] | None = None) -> Entity:
        """The whole queue with nothing changed but `settings`.

        `then` has, of a setting that is put back, the field as it was read when the queue held that value.
        """
        body = dict(self.raw)
        for name, value in settings.items():
            written = self._as_it_was(name, value, then[name]) if then and name in then else self._field(name, value)
            body[FIELDS[name]] = written
            if written is None:
                del body[FIELDS[name]]
        return body

    def put_back(self, read: Entity, names: Collection[SettingName]) -> Entity:
        """The whole queue with the named settings as they were `read`; a field that was not there is taken out."""
        then = QueueDocument(read, self.actuation)
        held = then.settings()
        return self.merged({name: held.get(name) for name in names}, then.fields_of(names))

    def without_ring_groups(self) -> Entity:
        """The whole queue with no group in any ring: Genesys removes no ring that has one."""
        return self.merged({RING_GROUPS: None})

    def require_unchanged(self, read: Entity, settings: Collection[SettingName], own: Settings | None = None) -> None:
        """Raise QueueChanged where somebody else wrote the queue since it was `read`, or what `settings` would touch.

        Genesys has no version and no ETag of a queue: the date of the last change is all there is to compare. `own` is
        what this run has written of the queue since, None where it has written nothing, members neither. Its writes may
        move the date, those of members too (nobody knows). So then a later date alone is no change by somebody else,
        and an edit that no field shows, or that was taken back, is not noticed.
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
        """Which groups are in which ring, as text; None where no ring has one."""
        return "; ".join(filter(None, self._groups_by_ring())) or None

    def _groups_by_ring(self) -> list[str]:
        """Of each ring its number and its groups, empty where it has none."""
        groups = [sorted(str(group.get("id")) for group in children(ring, "memberGroups")) for ring in self._rings]
        return [f"{n}: {', '.join(ids)}" if ids else "" for n, ids in enumerate(groups, 1)]

    @property
    def _rules(self) -> list[Entity]:
        return children(child(self.raw, "conditionalGroupRouting"), "rules")

    def _field(self, name: SettingName, value: Setting) -> Any:
        held = self.raw.get(FIELDS[name]) or {}
        if name == "wrap_up_timeout_s":
            return {**held, "timeoutMs": round(1000 * float(value or 0))}
        if name == RING_GROUPS:
            stay = {"", *str(value or "").split("; ")}
            pairs = zip(self._rings, self._groups_by_ring(), strict=True)
            return {
                **held,
                "rings": [ring if groups in stay else {**ring, "memberGroups": []} for ring, groups in pairs],
            }
        if name == RINGS and not value:
            return None
        if name == RINGS:
            timeouts = (*self.actuation.strategy.bullseye_timeouts_s, LAST_RING_S)
            rings = [{"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": t}]} for t in timeouts]
            return {**held, "rings": [{**(self._rings or [{}])[0], **rings[0]}, *rings[1:]]}
        if name == "overflow_threshold":
            rules = self._rules_with(value)
            return {**held, "rules": rules} if rules or held.keys() - {"rules"} else None
        return value

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
        """The field with a setting that is put back; `then` is the field when it was read."""
        held = self.raw.get(FIELDS[name]) or {}
        if name == "overflow_threshold" and value is None:
            known = children(then or {}, "rules")
            rules = [_unwaiting(rule, known) for rule in self._rules if not self._is_ours(rule)]
            written = {**held, "rules": rules}
        elif name == "wrap_up_timeout_s" and value is None:
            written = {key: part for key, part in held.items() if key != "timeoutMs"}
        elif name in {"overflow_threshold", "wrap_up_timeout_s"}:
            written = self._field(name, value)
        else:
            return then
        return None if then is None and written in ({}, {"rules": []}) else written

    def _is_ours(self, rule: Entity) -> bool:
        """A service-level rule about this queue for just these groups: there is no name to know it by."""
        groups, queue = [group.get("id") for group in children(rule, "groups")], child(rule, "queue").get("id")
        ours = {group.id for group in self.actuation.overflow_groups}
        return (
            rule.get("metric") == "ServiceLevel"
            and rule.get("operator") == "LessThan"
            and (queue is None or _is_same(queue, self.raw.get("id")))
            and ours == {group.lower() for group in groups if isinstance(group, str)}
            and len(groups) == len(ours)
        )


def _unwaiting(rule: Entity, known: list[Entity]) -> Entity:
    """A rule without the waiting time that it was given when ours came after it, as it is among the `known` ones."""
    if rule.get("waitSeconds") != RULE_WAIT_S:
        return rule
    bare = [then for then in known if then.get("waitSeconds") is None]
    return next((then for then in bare if {**then, "waitSeconds": RULE_WAIT_S} == rule), rule)


def _is_same(a: Any, b: Any) -> bool:
    """Whether two ids are the same: they compare without regard to case."""
    return isinstance(a, str) and isinstance(b, str) and a.lower() == b.lower()
