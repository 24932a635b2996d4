"""Contract `platform`: the public Genesys Cloud Platform API v2.

The API has no weights. An actuator (domain.actuators) says which value carries one and where Genesys keeps the value;
this module makes the requests. Writes set absolute values, so a repeat is safe. An answer says that a write was
accepted, not that it was applied.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts.member_writes import member_write, write_each
from routing_weights.adapters.genesys.contracts.queue_document import FIELDS, QueueDocument
from routing_weights.adapters.genesys.contracts.reading import (
    PAGE_SIZE,
    Entity,
    Page,
    as_shown,
    away,
    child,
    get_queue,
    is_active,
    members_hold,
    name_of,
    number,
    page_of,
    proficiencies,
    queue_path,
    read_listing,
    text,
    user_id,
    wire_id,
    with_pages_anew,
)
from routing_weights.adapters.genesys.contracts.skills import Skills, ambiguous, with_key
from routing_weights.domain.actuation import Actuation, Statement, statement
from routing_weights.domain.actuators import names_for
from routing_weights.domain.actuators.base import MemberField, Ranking, SharesItem, SkillProficiency
from routing_weights.domain.plan import Plan, RequiredSkill
from routing_weights.domain.problems import Problem, not_applicable, problem
from routing_weights.domain.queue import (
    RING_GROUPS,
    RINGS,
    SHARE_OPTIONS,
    Member,
    Queue,
    Setting,
    SettingName,
    Settings,
    holds,
    notes_on_users,
)
from routing_weights.domain.requirements import lacking, other_timeouts
from routing_weights.domain.shares import SharesInForce
from routing_weights.domain.target import Answers, Target, image, members_to_write, settings_to_write, with_others
from routing_weights.domain.types import folded
from routing_weights.errors import PlanNotApplicable, RoutingWeightsError

if TYPE_CHECKING:
    from routing_weights.adapters.genesys.contracts.shares import QueueShares


def needs(method: str, path: str) -> str:
    """Return the permission that a request needs, for the sentence about a 403."""
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
    shares: "QueueShares | None" = None
    """For actuator share. None: nothing of this system's own is read, and no share can be written."""
    raise_first: ClassVar[bool] = True
    _carrier: tuple[str | None, str | None] | None = field(default=None, init=False)
    """Id and name of the skill that carries the weights, looked up once in a run. Both are None if no skill does."""

    def __post_init__(self) -> None:
        self._carrier = self.actuation.found

    @property
    def per_write(self) -> float:
        return self.actuation.actuator.carrier.per_write

    # ---- reading ----------------------------------------------------------------------------------------------------

    def read_queue(self, queue_id: str) -> Queue:
        raw, listed = read_listing(self.client, queue_id, lambda page: self._page(queue_id, page))
        if self._carrier is None:
            wanted, members = self.actuation.skill, [entity for _, entity in listed]
            self._carrier = Skills(self.client).carrier(wanted, members) if wanted else (None, None)
        skill_id, skill_name = self._carrier
        shares = self._shares_of(queue_id)
        in_force = str(shares.options) if shares and shares.weights else None
        settings = replace(QueueDocument(raw, self.actuation).settings(), share_options=in_force)
        ranks = not self.actuation.actuator.without_effect(settings)
        return Queue(
            queue_id=queue_id,
            settings=settings,
            members=tuple(self._member(entity, page, skill_id, shares, ranks=ranks) for page, entity in listed),
            native={"raw": raw} | (self.shares.note(shares) if self.shares and shares else {}),
            ranks=ranks,
            skill_id=skill_id,
            skill_name=skill_name,
            name=text(raw, "name"),
            modified_by=text(raw, "modifiedBy"),
            modified_at=text(raw, "dateModified"),
        )

    def _shares_of(self, queue_id: str) -> SharesInForce | None:
        is_carried = isinstance(self.actuation.actuator.carrier, SharesItem)
        return self.shares.read(queue_id) if self.shares and is_carried else None

    def read_again(self, queue: Queue, user_ids: Collection[str]) -> Queue:
        shares = self._shares_of(queue.queue_id)

        def page(number: int) -> Iterator[Member]:
            listed = self._page(queue.queue_id, number).entities
            return (self._member(entity, number, queue.skill_id, shares, ranks=queue.ranks) for entity in listed)

        return with_pages_anew(self.client, queue, user_ids, page) or self.read_queue(queue.queue_id)

    def _page(self, queue_id: str, page: int) -> Page:
        path = f"{queue_path(queue_id)}/members"
        listing = self.client.get(path, pageSize=PAGE_SIZE, pageNumber=page, expand="skills,routingStatus")
        return page_of(listing, path, page)

    def _member(
        self, entity: Entity, page: int, skill_id: str | None, shares: SharesInForce | None, *, ranks: bool
    ) -> Member:
        member = _Listed(entity, skill_id, shares.weights.get(user_id(entity), 0.0) if shares else 0.0)
        value = self.actuation.actuator.read(member)
        return Member(
            user_id=user_id(entity),
            weight=self.actuation.actuator.weight(value) if ranks and value is not None else None,
            joined=member.joined,
            away=away(entity),
            skills=proficiencies(member.skills),
            native={"page": page} | as_shown(entity),
            carried=value,
            by_group=entity.get("memberBy") == "group",
            assignment_inactive=member.is_inactive,
            name=name_of(entity),
            email=text(child(entity, "user"), "email"),
        )

    def with_skills_in_use(self, queue: Queue, required: Sequence[RequiredSkill]) -> Queue:
        problems: list[Problem] = []
        ids: dict[str, str | None] = {}
        for index, requirement in enumerate(required):
            skills = Skills(self.client).find(requirement.skill)
            usable = {str(skill.get("id")): skill for skill in skills if is_active(skill)}
            if len(usable) > 1:
                message = ambiguous(requirement.skill, usable)
                problems.append(problem(f"required_skills.{index}", message, "skill_ambiguous"))
            elif skills:  # a skill that Genesys does not show is decided by the members' own assignments
                ids[requirement.key] = folded(next(iter(usable))) if usable else None
        if problems:
            raise PlanNotApplicable(f"{problems[0]['path']}: {problems[0]['message']}.", errors=problems)

        def in_use(member: Member) -> Member:
            skills = {key: held for key, held in member.skills.items() if key not in ids}
            covered = {key: member.skills[id_] for key, id_ in ids.items() if id_ in member.skills and id_ is not None}
            return replace(member, skills=skills | covered)

        return replace(queue, members=tuple(map(in_use, queue.members))) if ids else queue

    # ---- what a plan comes to ---------------------------------------------------------------------------------------

    def target(self, plan: Plan, before: Queue) -> Target:
        actuator = self.actuation.actuator
        if actuator.contract != "platform":
            names = " or ".join(", ".join(names_for("platform")).rsplit(", ", 1))
            message = f"contract platform has no {actuator.name}: name {names}, or take another strategy"
            raise not_applicable("actuator", message, "actuator_unavailable")
        settings = lacking(self.actuation.strategy, actuator, before.settings)
        if plan.wrap_up_timeout_s is not None:
            settings["wrap_up_timeout_s"] = plan.wrap_up_timeout_s
        if self.actuation.overflow_groups:
            reason = QueueDocument(before.native["raw"], self.actuation).no_room_for_overflow()
            if reason:
                message = f"{reason}: change that in the admin console, or leave the groups out"
                raise not_applicable("overflow_groups", message, "overflow_unavailable")
            settings["overflow_threshold"] = plan.overflow_threshold
        if actuator.share:
            has_shares = not all(holds(weight, 0) for weight in plan.weights.values())
            settings[SHARE_OPTIONS] = str(actuator.share) if has_shares else None
        target = self.actuation.target(plan, settings)
        actuator.require_members(before, target, self.actuation.skill)
        return self.completed(target, before)

    def completed(self, target: Target, before: Queue) -> Target:
        """Return `target` with the other settings, and the values of other members, that have to change for it.

        Rings that are to be removed must have no groups. The other rings get the groups that they had then.

        Raises:
            PlanNotApplicable: the queue cannot hold the target.
        """
        target = with_others(target, before)
        if SHARE_OPTIONS in target.settings and not any(target.values.values()):  # all who had a share have left
            kept = before.settings.share_options == target.settings[SHARE_OPTIONS]
            target = target if kept else replace(target, settings={**target.settings, SHARE_OPTIONS: None})
        self.actuation.actuator.require_queue(before, target)
        will = before.settings.changed(target.settings)
        now, then = _count(before.settings.bullseye_rings), _count(will.bullseye_rings)
        if self.actuation.actuator.without_effect(will):
            target = replace(target, weights=dict.fromkeys(target.weights))
        if before.settings.ring_groups and then < now:
            then_held = QueueDocument({FIELDS[RINGS]: target.fields.get(RINGS)}, self.actuation).settings()
            return replace(target, settings={RING_GROUPS: then_held.ring_groups, **target.settings})
        return target

    def fields_of(self, queue: Queue, names: Iterable[SettingName]) -> Mapping[str, Any]:
        return QueueDocument(queue.native["raw"], self.actuation).fields_of(names)

    def statement(self, plan: Plan, target: Target, before: Queue) -> Statement:
        actuator, will = self.actuation.actuator, before.settings.changed(target.settings)
        document = QueueDocument(before.native["raw"], self.actuation)
        without_effect, notes = None, list[str]()
        if not plan.restores:
            without_effect = actuator.without_effect(will)
            notes += [f"{without_effect}."] if without_effect else []
            notes += other_timeouts(self.actuation.strategy, actuator, document.ring_timeouts_s)
        return statement(
            plan,
            target,
            self.actuation,
            overflow="conditional_group_routing" if self.actuation.overflow_groups else "gate",
            notes=[
                *notes,
                actuator.does_not,
                *document.notes(target.settings),
                *notes_on_users(target.weights, before),
            ],
            without_effect=without_effect,
        )

    def rankings(self, before: Queue, target: Target) -> tuple[Ranking, Ranking]:
        actuator, now = self.actuation.actuator, QueueDocument(before.native["raw"], self.actuation)
        will, then = before.settings.changed(target.settings), now
        if RINGS in target.settings and will.bullseye_rings != before.settings.bullseye_rings:
            then = QueueDocument(now.merged({RINGS: will.bullseye_rings}, target.fields), self.actuation)
        return (
            actuator.ranking(before.settings, now.ring_timeouts_s),
            actuator.ranking(will, then.ring_timeouts_s),
        )

    def service_goal(self, queue: Queue) -> tuple[float, float] | None:
        """Return the goal for calls. A queue with a goal for other media only is projected against the assumed goal."""
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
        """PUT the queue as it is at that moment, with only the named settings changed.

        The options of shares are in no PUT, but in the write of the shares. If no share changes, they are written here:
        after the rules, or before these are removed.
        """
        options_alone = SHARE_OPTIONS in names and not members_to_write(target, before, raise_first=self.raise_first)
        ends = not any(target.values.values())
        if options_alone and ends:
            # Without the notes: those who hold a share may all have left, and these shares do not come back.
            self._write_shares(replace(before, native={}), (), target)
        own = None if own is None else {name: value for name, value in own.items() if name != SHARE_OPTIONS}
        self._put_settings(before, target, [name for name in names if name != SHARE_OPTIONS], own)
        if options_alone and not ends:
            self._write_shares(before, (), target)

    def _put_settings(self, before: Queue, target: Target, names: Sequence[SettingName], own: Settings | None) -> None:
        """A PUT of its own takes the groups out of the rings. The next PUT removes the rings."""
        groups: list[SettingName] = [name for name in names if name == RING_GROUPS]
        if groups:
            self._set(before, target, groups, own)
            own = {**(own or {}), RING_GROUPS: target.settings[RING_GROUPS]}
        if len(names) > len(groups):
            self._set(before, target, [name for name in names if name not in groups], own)

    def _set(self, before: Queue, target: Target, names: Collection[SettingName], own: Settings | None) -> None:
        """PUT the named settings, and those of `own`, which this run has written, that Genesys does not show yet."""
        settings = {**(own or {}), **{name: target.settings[name] for name in names}}
        wanted = Target({}, {}, settings)

        def change(document: QueueDocument) -> Entity | None:
            missing = settings_to_write(wanted, Queue(before.queue_id, document.settings(), ()))
            if not missing:
                return None
            document.require_unchanged(before.native["raw"], missing, own)
            return document.merged(missing, target.fields)

        self._put_queue(before.queue_id, change)

    def restore_settings(self, before: Queue, target: Target, names: Collection[SettingName], key: str) -> None:  # noqa: ARG002 - absolute
        """PUT the queue as it is at that moment. A setting that still holds the run's value gets its earlier one."""
        if SHARE_OPTIONS in names:
            self._write_shares(before, (), image(before, target), as_read=False)
        names = [name for name in names if name != SHARE_OPTIONS]
        emptying = False

        def ours(document: QueueDocument) -> list[SettingName]:
            now = document.settings()
            return [name for name in names if holds(now.get(name), target.settings[name])]

        def change(document: QueueDocument) -> Entity | None:
            nonlocal emptying
            settings = ours(document)
            fewer = RINGS in settings and _count(before.settings.bullseye_rings) < _count(target.settings[RINGS])
            emptying = fewer and document.settings().ring_groups is not None
            if emptying:
                return document.without_ring_groups()
            return document.restored(before.native["raw"], settings) if settings else None

        if names:
            self._put_queue(before.queue_id, change)
        if emptying:
            self._put_queue(before.queue_id, change)

    def _put_queue(self, queue_id: str, change: Callable[[QueueDocument], Entity | None]) -> None:
        """PUT the queue that `change` returns for the queue as it is at that moment. None writes nothing."""

        def body() -> Entity:
            changed = change(QueueDocument(get_queue(self.client, queue_id), self.actuation))
            if changed is None:
                raise _Held
            return changed

        try:
            self.client.write("PUT", queue_path(queue_id), body)
        except _Held:
            return

    def write_members(
        self,
        before: Queue,
        members: Sequence[Member],
        target: Target,
        key: str,  # noqa: ARG002 - absolute
        *,
        go_on: Callable[[], bool],
        stops_at: tuple[type[RoutingWeightsError], ...],
    ) -> Answers:
        carrier = self.actuation.actuator.carrier
        if isinstance(carrier, SharesItem):
            return self._write_together(before, members, target) if go_on() else {}
        per_write = carrier.per_write

        def write(chunk: Sequence[Member]) -> None:
            self._write(carrier, before, chunk, target)

        return write_each(self.client, write, members, per_write, go_on=go_on, stops_at=stops_at)

    def _write_together(self, before: Queue, members: Sequence[Member], target: Target) -> Answers:
        error = None
        try:
            self._write_shares(before, members, target)
        except RoutingWeightsError as refused:
            error = refused
        return {member.user_id: error for member in members}

    def _write_shares(self, before: Queue, members: Sequence[Member], target: Target, *, as_read: bool = True) -> None:
        if self.shares is None:
            raise ValueError("shares cannot be written without their table")
        self.shares.write(
            before,
            {member.user_id: float(target.values[member.user_id] or 0) for member in members},
            target.settings.get(SHARE_OPTIONS),
            self.client.transport.fence,
            as_read=as_read,
        )

    def _write(
        self,
        carrier: MemberField | SkillProficiency,
        before: Queue,
        members: Sequence[Member],
        target: Target,
    ) -> None:
        def held() -> bool:
            return members_hold(self.read_again(before, {member.user_id for member in members}), members, target)

        values = {wire_id(member): target.values[member.user_id] for member in members}
        write = member_write(carrier, before.queue_id, values, before.skill_id or "")
        if write.method == "DELETE":
            self.client.delete(write.path)
        else:
            self.client.write(write.method, write.path, write.body, applied=held)


class _Held(Exception):
    """Nothing to write: an attempt whose answer was lost, or somebody else, has written it already."""


@dataclass(frozen=True)
class _Listed:
    """A member of a listing, as an actuator reads it."""

    entity: Entity
    skill_id: str | None
    share: float

    @property
    def joined(self) -> bool:
        return self.entity.get("joined") is not False

    @property
    def skills(self) -> Any:
        return child(self.entity, "user").get("skills") or self.entity.get("skills")

    @property
    def is_inactive(self) -> bool:
        """True if the user has the skill that carries the weights, and its assignment is not active."""
        return not all(map(is_active, self._assignments))

    @property
    def proficiency(self) -> float | None:
        if not self._assignments or self.is_inactive:
            return None
        return number(self._assignments[0], "proficiency")

    def number(self, field: str) -> float | None:
        return number(self.entity, field)

    @cached_property
    def _assignments(self) -> list[Entity]:
        """The proficiency in the skill that carries the weights."""
        skills = [skill for skill in self.skills or [] if isinstance(skill, dict)]
        return with_key(skills, "id", self.skill_id) if self.skill_id else []


def _count(rings: Setting) -> int:
    return int(rings) if isinstance(rings, int | float) else 0
