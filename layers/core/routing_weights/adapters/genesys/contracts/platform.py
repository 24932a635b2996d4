"""Contract `platform`: the public Genesys Cloud Platform API v2.

It has no weights. An actuator (`actuation`) says which value carries one: a member's ring number, the proficiency of a
skill that is dedicated to the queue, or whether the member is joined. Writes set absolute values, so a repeat is safe,
and an answer says that a write was accepted, not that it was applied.
"""

import base64
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts.queue_document import FIELDS, QueueDocument, child, children
from routing_weights.adapters.genesys.contracts.reading import (
    GONE,
    PAGE_SIZE,
    Entity,
    Page,
    as_shown,
    away,
    get_queue,
    is_active,
    members_hold,
    number,
    page_of,
    proficiencies,
    queue_path,
    read_listing,
    user_id,
    wire_id,
    with_pages_anew,
)
from routing_weights.adapters.genesys.tokens import TokenRequest
from routing_weights.domain.actuation import Actuation, Ranking, not_applicable, statement
from routing_weights.domain.plan import Plan, RequiredSkill
from routing_weights.domain.problems import MAX_PROBLEMS_LISTED, Problem, problem
from routing_weights.domain.queue import (
    RING_GROUPS,
    RINGS,
    Member,
    Queue,
    QueueSettings,
    Setting,
    SettingName,
    Settings,
    Target,
    beyond,
    holds,
    named,
    notes_on_users,
    same,
    settings_to_write,
)
from routing_weights.domain.types import folded
from routing_weights.errors import GenesysRefused, PlanNotApplicable

MAX_BULK = 100
SKILLS = "/api/v2/routing/skills"
MAX_SKILL_PAGES = 20
GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
SKILL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def token_request(login_url: str, client_id: str, client_secret: str) -> TokenRequest:
    pair = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
    arguments = {"data": {"grant_type": "client_credentials"}, "headers": {"Authorization": f"Basic {pair}"}}
    return TokenRequest(f"{login_url}/oauth/token", arguments, (client_secret, pair))


def needs(method: str, path: str) -> str:
    """What a request needs, for the answer 403."""
    if path.startswith("/api/v2/workforcemanagement"):
        permission = "wfm:shortTermForecast:view"
    elif path.startswith("/api/v2/analytics"):
        permission = f"analytics:{'queueObservation' if '/observations/' in path else 'conversationAggregate'}:view"
    elif "/routingskills" in path:
        permission = "routing:skill:assign"
    elif path.startswith("/api/v2/routing/skills"):
        permission = "routing:skill:view"
    elif method == "GET":
        permission = "routing:queue:view"
    elif path.endswith("/members") or "/members/" in path:
        permission = "routing:queueMember:manage"
    else:
        permission = "routing:queue:edit"
    return f"the permission {permission}, in a role of the client and in the division of what it is about"


@dataclass
class PlatformContract:
    client: GenesysClient
    actuation: Actuation
    raise_first: ClassVar[bool] = True
    _carrier: tuple[str | None, str | None] | None = field(default=None, init=False)
    """Id and name of the skill that carries the weights, looked up once in a run; both None where none does."""

    def __post_init__(self) -> None:
        self._carrier = self.actuation.found

    @property
    def per_write(self) -> int:
        return MAX_BULK if self.actuation.actuator.name == "joined" else 1

    # ---- reading ----------------------------------------------------------------------------------------------------

    def read_queue(self, queue_id: str) -> Queue:
        raw, listed = read_listing(self.client, queue_id, lambda page: self._page(queue_id, page))
        skill_id, skill_name = self._carrier = self._carrier or self._skill(listed)
        settings = QueueDocument(raw, self.actuation).settings()
        ranks = self._ranks(settings)
        return Queue(
            queue_id=queue_id,
            settings=settings,
            members=tuple(self._member(entity, page, skill_id, ranks=ranks) for page, entity in listed),
            native={"raw": raw},
            ranks=ranks,
            skill_id=skill_id,
            skill_name=skill_name,
        )

    def _ranks(self, settings: QueueSettings) -> bool:
        """Whether a queue with these settings looks at the values that the actuator writes.

        One ring is everybody's. Whether the flow requests the skill of a proficiency cannot be known.
        """
        match self.actuation.actuator.name:
            case "ring":
                return _count(settings.bullseye_rings) > 1
            case "proficiency":
                return settings.skill_evaluation_method == "BEST"
        return True

    def read_again(self, queue: Queue, user_ids: Collection[str]) -> Queue:
        def page(number: int) -> Iterator[Member]:
            listed = self._page(queue.queue_id, number).entities
            return (self._member(entity, number, queue.skill_id, ranks=queue.ranks) for entity in listed)

        return with_pages_anew(queue, user_ids, page) or self.read_queue(queue.queue_id)

    def _page(self, queue_id: str, page: int) -> Page:
        path = f"{queue_path(queue_id)}/members"
        listing = self.client.get(path, pageSize=PAGE_SIZE, pageNumber=page, expand="skills,routingStatus")
        return page_of(listing, path, page)

    def _member(self, entity: Entity, page: int, skill_id: str | None, *, ranks: bool) -> Member:
        user = child(entity, "user")
        skills = user.get("skills") or entity.get("skills")
        inactive = False
        joined = entity.get("joined") is not False
        match self.actuation.actuator.name:
            case "ring":
                value: float | bool | None = int(number({"ringNumber": 1} | entity, "ringNumber") or 1)
            case "joined":
                value = joined
            case _:
                held = _named(skill_id or "", [skill for skill in skills or [] if isinstance(skill, dict)], "id")
                inactive = any(not is_active(skill) for skill in held)
                value = number(held[0], "proficiency") if held and not inactive else None
        return Member(
            user_id=user_id(entity),
            weight=self.actuation.actuator.weight(value) if ranks and value is not None else None,
            joined=joined,
            away=away(entity),
            skills=proficiencies(skills),
            native={"page": page} | as_shown(entity),
            carried=value,
            by_group=entity.get("memberBy") == "group",
            assignment_inactive=inactive,
        )

    def _skill(self, listed: list[tuple[int, Entity]]) -> tuple[str | None, str | None]:
        """The actuator's skill, id and name: the one that Genesys has, else the one that members hold."""
        wanted = self.actuation.skill
        if wanted is None:
            return None, None
        found = self._skills_of(wanted)
        usable = list(filter(is_active, found))
        if found and not usable:
            message = f"skill {wanted} is {named(_states(found))} in Genesys: activate it, or name another one"
            raise not_applicable("skill", message, "skill_inactive")
        if not found:  # the client may not see the division of a skill that members hold
            held = [
                skill
                for _, entity in listed
                for skill in children(child(entity, "user"), "skills") + children(entity, "skills")
                if is_active(skill)
            ]
            usable = _named(wanted, held, "id") or _named(wanted, held, "name")
        skills = {str(skill.get("id")): skill for skill in usable if SKILL_ID.fullmatch(str(skill.get("id")))}
        if len(skills) > 1:
            raise not_applicable("skill", _ambiguous(wanted, skills), "skill_ambiguous")
        for skill_id, skill in skills.items():
            return skill_id, skill["name"] if isinstance(skill.get("name"), str) else None
        message = (
            f"Genesys knows no skill {wanted}, by id or by name: create it, name another one, or give the client's "
            "role the skill's division"
        )
        raise not_applicable("skill", message, "skill_not_found")

    def _skills_of(self, wanted: str) -> list[Entity]:
        """The organisation's skills with this id or else this name, in whatever state."""
        by_id = self._skill_by_id(wanted.lower()) if GUID.fullmatch(wanted) else []
        by_id = by_id or (self._skill_by_id(wanted) if GUID.fullmatch(wanted) and wanted != wanted.lower() else [])
        return by_id or self._skills_by_name(wanted) or ([] if GUID.fullmatch(wanted) else self._skill_by_id(wanted))

    def _skill_by_id(self, wanted: str) -> list[Entity]:
        if not SKILL_ID.fullmatch(wanted):
            return []
        try:
            skill = self.client.get(f"{SKILLS}/{wanted}")
        except GenesysRefused as error:
            # What is not shaped like an id of theirs may be refused instead of not found.
            if error.details.get("http_status") not in {400, 404}:
                raise
            return []
        return [skill] if isinstance(skill, dict) else []

    def _skills_by_name(self, wanted: str) -> list[Entity]:
        """The listing has every skill whose name begins with the one asked for."""
        found: list[Entity] = []
        number, name = 1, unicodedata.normalize("NFC", wanted)
        for _ in range(MAX_SKILL_PAGES):
            listing = self.client.get(SKILLS, pageSize=PAGE_SIZE, pageNumber=number, name=name)
            page = page_of(listing, SKILLS, number)
            found += _named(wanted, page.entities, "name")
            if page.following is None and not page.more:
                break
            number = page.following or number + 1
        return found

    def with_skills_in_use(self, queue: Queue, required: Sequence[RequiredSkill]) -> Queue:
        problems: list[Problem] = []
        ids: dict[str, str | None] = {}
        for number_, one in enumerate(required):
            found = self._skills_of(one.skill)
            usable = {str(skill.get("id")): skill for skill in found if is_active(skill)}
            if len(usable) > 1:
                message = _ambiguous(one.skill, usable)
                problems.append(problem(f"required_skills.{number_}", message, "skill_ambiguous"))
            elif found:  # what Genesys does not show, the members' own assignments decide
                ids[one.key] = folded(next(iter(usable))) if usable else None
        if problems:
            raise PlanNotApplicable(f"{problems[0]['path']}: {problems[0]['message']}.", errors=problems)

        def in_use(member: Member) -> Member:
            skills = {key: held for key, held in member.skills.items() if key not in ids}
            covered = {key: member.skills[id_] for key, id_ in ids.items() if id_ in member.skills and id_ is not None}
            return replace(member, skills=skills | covered)

        return replace(queue, members=tuple(map(in_use, queue.members))) if ids else queue

    # ---- what a plan comes to ---------------------------------------------------------------------------------------

    def target(self, plan: Plan, before: Queue) -> Target:
        if self.actuation.actuator.name == "score":
            message = "contract platform has no score: name ring, proficiency or joined, or take another strategy"
            raise not_applicable("actuator", message, "actuator_unavailable")
        settings = self._required(before)
        if plan.wrap_up_timeout_s is not None:
            settings["wrap_up_timeout_s"] = plan.wrap_up_timeout_s
        if self.actuation.overflow_groups:
            reason = QueueDocument(before.native["raw"], self.actuation).no_room_for_overflow()
            if reason:
                message = f"{reason}: change that in the admin console, or leave the groups out"
                raise not_applicable("overflow_groups", message, "overflow_unavailable")
            settings["overflow_threshold"] = plan.overflow_threshold
        target = self.actuation.target(plan, settings)
        self._require_own_rings(before, target)
        self._require_active_assignments(before, target)
        return self.completed(target, before)

    def completed(self, target: Target, before: Queue) -> Target:
        """`target` with what else has to change for it; PlanNotApplicable where it uses rings that there will not be.

        Rings that are to be removed must have no groups. Those that stay have the groups that they had then.
        """
        will = before.settings.changed(target.settings)
        now, then = _count(before.settings.bullseye_rings), _count(will.bullseye_rings)
        if self.actuation.actuator.name == "ring":
            _require_rings(target, max(now, then))  # those that go are removed after the members are written
        if not self._ranks(will):
            target = replace(target, weights=dict.fromkeys(target.weights))
        if before.settings.ring_groups and then < now:
            then_held = QueueDocument({FIELDS[RINGS]: target.fields.get(RINGS)}, self.actuation).settings()
            return replace(target, settings={RING_GROUPS: then_held.ring_groups, **target.settings})
        return target

    def fields_of(self, queue: Queue, names: Iterable[SettingName]) -> Mapping[str, Any]:
        return QueueDocument(queue.native["raw"], self.actuation).fields_of(names)

    def statement(self, plan: Plan, target: Target, before: Queue) -> dict[str, Any]:
        groups = bool(self.actuation.overflow_groups)
        overflow = "conditional_group_routing" if groups else "gate"
        without_effect = None if plan.restores else self._without_effect(target, before)
        notes = [f"{without_effect}."] if without_effect else []
        return statement(
            plan,
            target,
            self.actuation,
            overflow=overflow,
            notes=[*notes, *self._notes(target, before), *notes_on_users(target.values, before)],
            without_effect=without_effect,
        )

    def _without_effect(self, target: Target, before: Queue) -> str | None:
        """Why the weights will do nothing on this queue, and what would; None where they will do something."""
        will = before.settings.changed(target.settings)
        if self._ranks(will):
            return None
        if self.actuation.actuator.name == "ring":
            return (
                f"The weights have no effect: the bullseye rings of the queue are {_shown(will.bullseye_rings)}, so "
                "nobody is ahead of anybody. Take strategy ring-by-weight, which makes six"
            )
        return (
            f"The weights have no effect: the queue evaluates skills by {will.skill_evaluation_method}, and only "
            "BEST looks at proficiencies. Take strategy proficiency-by-weight, which sets that"
        )

    def _required(self, before: Queue) -> dict[SettingName, Setting]:
        """What the strategy requires and the queue does not have, to be written; PlanNotApplicable where it may not."""
        strategy, missing = self.actuation.strategy, dict[SettingName, Setting]()
        wanted, held = strategy.skill_evaluation_method, _count(before.settings.bullseye_rings)
        # A strategy that is for any actuator says what each of them needs.
        carrier = None if strategy.actuator else self.actuation.actuator.name
        concerns = wanted != "BEST" or carrier in {None, "proficiency"}
        if wanted and concerns and wanted != before.settings.skill_evaluation_method:
            missing["skill_evaluation_method"] = wanted
        rings = len(strategy.bullseye_timeouts_s) + 1
        if strategy.bullseye_timeouts_s and held < rings and carrier in {None, "ring"}:
            missing[RINGS] = rings
        if missing and strategy.if_different == "verify":
            advice = "set it in the admin console, or take a strategy that sets it"
        elif missing.get(RINGS) and held > 1:  # one ring is everybody's, which is as good as none
            missing = {RINGS: rings}
            advice = "somebody has configured its rings, which are not replaced: add the missing ones in the console"
        else:
            return missing
        problems = [
            problem(
                "strategy_reference",
                f"the strategy requires {n} {_said(n, value)}, the queue has {_said(n, before.settings.get(n))}: "
                f"{advice}",
                "queue_not_ready",
            )
            for n, value in missing.items()
        ]
        message = "; ".join(found["message"] for found in problems)
        raise PlanNotApplicable(f"{message}.", errors=problems)

    def _require_own_rings(self, before: Queue, target: Target) -> None:
        """A member who is in the queue through a group gets its ring from the group."""
        if self.actuation.actuator.name != "ring":
            return
        advice = "a member through a group: its ring is the group's. Take it out of the plan, or add the user itself"
        owned = [
            member.user_id
            for member in before.members
            if member.by_group
            and member.user_id in target.values
            and not same(member.value, target.values[member.user_id])
        ]
        if owned:
            raise PlanNotApplicable(
                f"In queue {before.queue_id} through a group, whose ring they have: {named(owned)}. Take them out of "
                "the plan, or add the users themselves.",
                errors=[
                    problem(f"member_weights.{member}", advice, "member_by_group")
                    for member in owned[:MAX_PROBLEMS_LISTED]
                ],
                error_count=len(owned),
            )

    def _require_active_assignments(self, before: Queue, target: Target) -> None:
        """An inactive assignment carries no weight, and a write of the proficiency may leave it inactive."""
        inactive = [m.user_id for m in before.members if m.assignment_inactive and m.user_id in target.values]
        if inactive:
            advice = f"its skill {self.actuation.skill} is not active: activate it for the user, or take the user out"
            raise PlanNotApplicable(
                f"Inactive assignments of skill {self.actuation.skill}: {named(inactive)}. Activate them, or take the "
                "members out of member_weights.",
                errors=[
                    problem(f"member_weights.{member}", advice, "skill_assignment_inactive")
                    for member in inactive[:MAX_PROBLEMS_LISTED]
                ],
                error_count=len(inactive),
            )

    def _notes(self, target: Target, before: Queue) -> list[str]:
        """What the reader of a dry run has to know."""
        will = before.settings.changed(target.settings)
        name, notes = self.actuation.actuator.name, []
        others = replace(before, members=_others(before, target))
        outside = beyond(will.bullseye_rings, others) if name == "ring" else []
        if outside and _count(will.bullseye_rings) < _count(before.settings.bullseye_rings):
            notes.append(
                f"Members whom the plan does not name are in rings that it removes: {named(outside)}. Genesys may "
                "refuse to remove a ring that somebody is in: give them ring 1 in the admin console first."
            )
        return notes + QueueDocument(before.native["raw"], self.actuation).notes(target.settings)

    def rankings(self, before: Queue, target: Target) -> tuple[Ranking, Ranking]:
        now = QueueDocument(before.native["raw"], self.actuation)
        will = before.settings.changed(target.settings)
        match self.actuation.actuator.name:
            case "ring":
                timeouts = now.ring_timeouts_s
                then = timeouts
                if RINGS in target.settings and will.bullseye_rings != before.settings.bullseye_rings:
                    wanted = now.merged({RINGS: will.bullseye_rings}, target.fields)
                    then = QueueDocument(wanted, self.actuation).ring_timeouts_s
                return _rings(timeouts), _rings(then)
            case "proficiency":
                sides = (before.settings.skill_evaluation_method, will.skill_evaluation_method)
                first, second = ("proficiency" if method == "BEST" else "joined" for method in sides)
                return Ranking(first), Ranking(second)  # type: ignore[arg-type]  # mypy widens what a generator gives
        return Ranking("joined"), Ranking("joined")

    def service_goal(self, queue: Queue) -> tuple[float, float] | None:
        """That of calls. A queue that has one for other media only is projected against the assumed target."""
        call = child(child(queue.native["raw"], "mediaSettings"), "call")
        level = child(call, "serviceLevel")
        share, duration = number(level, "percentage"), number(level, "durationMs")
        return None if share is None or not duration else (share, duration / 1000)

    # ---- writing ----------------------------------------------------------------------------------------------------

    def write_queue(
        self,
        before: Queue,
        target: Target,
        names: Collection[SettingName],
        key: str,  # noqa: ARG002 - absolute
        own: Settings | None = None,
    ) -> None:
        """PUT the queue as it is at that moment, with nothing changed but the named settings.

        Rings without groups are a PUT of their own, before the one that removes the rings.
        """
        groups: list[SettingName] = [name for name in names if name == RING_GROUPS]
        if groups:
            self._set(before, target, groups, own)
            own = {**(own or {}), RING_GROUPS: target.settings[RING_GROUPS]}
        self._set(before, target, [name for name in names if name not in groups], own)

    def _set(self, before: Queue, target: Target, names: Collection[SettingName], own: Settings | None) -> None:
        """PUT the named settings, and this run's `own` again where Genesys does not show them yet."""
        wanted = Target({}, {}, {**(own or {}), **{name: target.settings[name] for name in names}})

        def change(document: QueueDocument) -> Entity | None:
            missing = settings_to_write(wanted, Queue(before.queue_id, document.settings(), ()))
            if not missing:
                return None
            document.require_unchanged(before.native["raw"], missing, own)
            return document.merged(missing, target.fields)

        self._put_queue(before.queue_id, change)

    def put_back_queue(self, before: Queue, target: Target, names: Collection[SettingName], key: str) -> None:  # noqa: ARG002 - absolute
        """PUT the queue as it is at that moment, with what it held before where it still holds what we wrote."""
        emptying = False

        def ours(document: QueueDocument) -> list[SettingName]:
            now = document.settings()
            return [name for name in names if holds(now.get(name), target.settings[name])]

        def change(document: QueueDocument) -> Entity | None:
            nonlocal emptying
            found = ours(document)
            fewer = RINGS in found and _count(before.settings.bullseye_rings) < _count(target.settings[RINGS])
            emptying = fewer and document.settings().ring_groups is not None
            if emptying:
                return document.without_ring_groups()
            return document.put_back(before.native["raw"], found) if found else None

        self._put_queue(before.queue_id, change)
        if emptying:
            self._put_queue(before.queue_id, change)

    def _put_queue(self, queue_id: str, change: Callable[[QueueDocument], Entity | None]) -> None:
        """PUT what `change` makes of the queue as it is at that moment, where it makes anything."""

        def body() -> Entity:
            changed = change(QueueDocument(get_queue(self.client, queue_id), self.actuation))
            if changed is None:
                raise _Held
            return changed

        try:
            self.client.write("PUT", queue_path(queue_id), body)
        except _Held:
            return

    def write_members(self, before: Queue, members: Sequence[Member], target: Target, key: str) -> None:  # noqa: ARG002 - absolute
        def held() -> bool:
            return members_hold(self.read_again(before, {member.user_id for member in members}), members, target)

        if self.actuation.actuator.name == "joined":
            body = [{"id": wire_id(m), "joined": target.values[m.user_id]} for m in members]
            self.client.write("PATCH", f"{queue_path(before.queue_id)}/members", body, applied=held)
            return
        (member,) = members
        value = target.values[member.user_id]
        if self.actuation.actuator.name == "ring":
            path = f"{queue_path(before.queue_id)}/members/{wire_id(member)}"
            self.client.write("PATCH", path, {"id": wire_id(member), "ringNumber": value}, applied=held)
        else:
            self._put_proficiency(member, before.skill_id or "", value, held)

    def _put_proficiency(self, member: Member, skill_id: str, value: float | None, held: Callable[[], bool]) -> None:
        path = f"/api/v2/users/{wire_id(member)}/routingskills"
        if value is None:
            self.client.delete(f"{path}/{skill_id}")
        else:  # assigns the skill where it is not, and leaves the user's other skills alone
            self.client.write("PATCH", f"{path}/bulk", [{"id": skill_id, "proficiency": value}], applied=held)


class _Held(Exception):
    """There is nothing to write: the queue holds it already, from a try whose answer was lost, or from somebody."""


def _require_rings(target: Target, rings: Setting) -> None:
    """Genesys refuses a ring that a queue does not have; a queue without any knows ring 1 alone (TF PR #37)."""
    wrong = {
        user: value for user, value in target.values.items() if value is not None and value > max(1, _count(rings))
    }
    if not wrong:
        return
    advice = (
        "take strategy ring-by-weight, which makes six, or configure rings in the admin console"
        if _count(rings) <= 1
        else "add the missing rings in the admin console, or send weights that are closer together"
    )
    message = f"the bullseye rings of the queue are {_shown(rings)}: {advice}"
    raise PlanNotApplicable(
        f"The plan uses ring {max(wrong.values()):g}, and {message}. Nothing was written.",
        errors=[
            problem(f"member_weights.{user}", f"this weight is ring {value:g}, and {message}", "ring_unknown")
            for user, value in list(wrong.items())[:MAX_PROBLEMS_LISTED]
        ],
        error_count=len(wrong),
    )


def _count(rings: Setting) -> int:
    return int(rings) if isinstance(rings, int | float) else 0


def _shown(rings: Setting) -> str:
    """How many rings, in words that do not contradict the admin console, which shows the last one as the queue."""
    return f"{_count(rings)} (the admin console shows {max(0, _count(rings) - 1)})"


def _said(name: str, value: Setting) -> str:
    return _shown(value) if name == RINGS else str(value)


def _others(before: Queue, target: Target) -> tuple[Member, ...]:
    return tuple(member for member in before.members if member.user_id not in target.values)


def _rings(timeouts_s: tuple[float, ...]) -> Ranking:
    """Without rings, who is longest idle takes the call, whatever ring numbers there are."""
    return Ranking("ring", timeouts_s) if timeouts_s else Ranking("joined")


def _named(wanted: str, skills: Iterable[Entity], key: str) -> list[Entity]:
    return [skill for skill in skills if isinstance(skill.get(key), str) and folded(skill[key]) == folded(wanted)]


def _states(skills: Iterable[Entity]) -> list[str]:
    states = (str(skill["state"]).lower() for skill in skills)
    return sorted({state if state in GONE else "not active" for state in states})


def _ambiguous(wanted: str, ids: Iterable[str]) -> str:
    return f"several skills are named {wanted}, with the ids {named(sorted(ids))}: name one by its id"
