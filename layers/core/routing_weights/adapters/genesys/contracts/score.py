"""Contract `score`: the dialect of the source document. The real platform does not speak it (README)."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts.member_writes import write_each
from routing_weights.adapters.genesys.contracts.reading import (
    PAGE_SIZE,
    Entity,
    Page,
    as_shown,
    away,
    get_queue,
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
from routing_weights.adapters.genesys.tokens import SCOPES
from routing_weights.domain.actuation import Actuation, Statement, statement
from routing_weights.domain.actuators.base import Ranking
from routing_weights.domain.plan import Plan, RequiredSkill
from routing_weights.domain.problems import not_applicable
from routing_weights.domain.queue import Member, Queue, QueueSettings, Setting, SettingName, Settings, notes_on_users
from routing_weights.domain.target import Answers, Target
from routing_weights.errors import GenesysAnswerInvalid, RoutingWeightsError

WORKING_TYPES = {"Automatic", "Manual"}
FIELDS: Mapping[SettingName, str] = {"overflow_threshold": "utilizationThreshold", "wrap_up_timeout_s": "wrapUpTimeout"}


def needs(method: str, path: str) -> str:
    """Return the scope that a request needs, for the sentence about a 403."""
    of_routing = SCOPES[0] if method == "GET" else SCOPES[1]
    return f"the scope {SCOPES[2] if '/platform/webhooks' in path else of_routing}"


@dataclass(frozen=True)
class ScoreContract:
    """A member's `score` is its weight. The queue's `utilizationThreshold` is the overflow threshold."""

    client: GenesysClient
    actuation: Actuation
    per_write: ClassVar[int] = 1
    raise_first: ClassVar[bool] = False

    def read_queue(self, queue_id: str) -> Queue:
        queue, listed = read_listing(self.client, queue_id, lambda page: self._page(queue_id, page))
        return Queue(
            queue_id=queue_id,
            settings=QueueSettings.from_json({ours: number(queue, theirs) for ours, theirs in FIELDS.items()}),
            members=tuple(_members(listed)),
            name=text(queue, "name"),
        )

    def read_again(self, queue: Queue, user_ids: Collection[str]) -> Queue:
        def page(number: int) -> Iterator[Member]:
            return _members([(number, entity) for entity in self._page(queue.queue_id, number).entities])

        return with_pages_anew(self.client, queue, user_ids, page) or self.read_queue(queue.queue_id)

    def with_skills_in_use(self, queue: Queue, required: Sequence[RequiredSkill]) -> Queue:  # noqa: ARG002
        return queue  # the document has no listing of skills

    def target(self, plan: Plan, before: Queue) -> Target:  # noqa: ARG002 - the same for every queue
        actuator = self.actuation.actuator
        if actuator.contract != "score":
            message = f"contract score has no {actuator.name}: leave actuator out, or take another strategy"
            raise not_applicable("actuator", message, "actuator_unavailable")
        if plan.overflow_groups:
            message = "contract score has no overflow groups: it sets the queue's own threshold. Leave them out"
            raise not_applicable("overflow_groups", message, "overflow_groups_unavailable")
        settings: dict[SettingName, Setting] = {"overflow_threshold": plan.overflow_threshold}
        if plan.wrap_up_timeout_s is not None:
            settings["wrap_up_timeout_s"] = plan.wrap_up_timeout_s
        return self.actuation.target(plan, settings)

    def statement(self, plan: Plan, target: Target, before: Queue) -> Statement:
        notes = [self.actuation.actuator.does_not, *notes_on_users(target.values, before)]
        return statement(plan, target, self.actuation, overflow="utilization_threshold", notes=notes)

    def rankings(self, before: Queue, target: Target) -> tuple[Ranking, Ranking]:  # noqa: ARG002 - no setting matters
        ranking = self.actuation.actuator.ranking(before.settings, ())
        return ranking, ranking

    def service_goal(self, queue: Queue) -> tuple[float, float] | None:  # noqa: ARG002 - the document knows none
        return None

    def completed(self, target: Target, before: Queue) -> Target:  # noqa: ARG002 - no setting depends on another
        return target

    def fields_of(self, queue: Queue, names: Iterable[SettingName]) -> Mapping[str, Any]:  # noqa: ARG002 - the values suffice
        return {}

    def write_queue(
        self,
        before: Queue,
        target: Target,
        names: Collection[SettingName],
        key: str,
        own: Settings | None = None,  # noqa: ARG002 - nobody else's change can be seen
    ) -> None:
        body = {FIELDS[name]: target.settings[name] for name in names}
        if isinstance(timeout := body.get("wrapUpTimeout"), float) and timeout.is_integer():
            body["wrapUpTimeout"] = int(timeout)  # whole seconds, as they were read

        def applied() -> bool:
            now = get_queue(self.client, before.queue_id)
            return all(number(now, name) == value for name, value in body.items())

        self.client.write("PATCH", queue_path(before.queue_id), body, idempotency_key=key, applied=applied)

    def restore_settings(self, before: Queue, target: Target, names: Collection[SettingName], key: str) -> None:  # noqa: ARG002
        held = {name: value for name in names if (value := before.settings.get(name)) is not None}
        if held:
            self.write_queue(before, Target({}, {}, held), held, key)

    def write_members(
        self,
        before: Queue,
        members: Sequence[Member],
        target: Target,
        key: str,
        *,
        go_on: Callable[[], bool],
        stops_at: tuple[type[RoutingWeightsError], ...],
    ) -> Answers:
        def write(chunk: Sequence[Member]) -> None:
            (member,) = chunk
            self._write(before, member, target, f"{key}:{member.user_id}")

        return write_each(self.client, write, members, self.per_write, go_on=go_on, stops_at=stops_at)

    def _write(self, before: Queue, member: Member, target: Target, key: str) -> None:
        body = {
            "user_id": wire_id(member),
            "routing_type": member.native["routing_type"],
            "score": target.values[member.user_id] or 0.0,  # a score cannot be taken away
        }
        path = f"{queue_path(before.queue_id)}/members/{wire_id(member)}"

        def applied() -> bool:
            return members_hold(self.read_again(before, {member.user_id}), [member], target)

        self.client.write("PATCH", path, body, idempotency_key=key, applied=applied)

    def _page(self, queue_id: str, page: int) -> Page:
        path = f"{queue_path(queue_id)}/members"
        # The document pages with `page`, the real listing with `pageNumber`: both are sent, with the same value.
        listing = self.client.get(path, pageSize=PAGE_SIZE, page=page, pageNumber=page)
        return page_of(listing, path, page)


def _members(listed: list[tuple[int, Entity]]) -> Iterator[Member]:
    # The listing of the source document has no routing statuses: its members count as able to work.
    asked = any("routingStatus" in entity for _, entity in listed)
    return (_member(entity, page, asked=asked) for page, entity in listed)


def _member(entity: Entity, page: int, *, asked: bool) -> Member:
    routing_type = entity.get("routingType") or "Automatic"
    if not isinstance(routing_type, str):
        raise GenesysAnswerInvalid("Genesys lists a member whose routingType is not text.")
    return Member(
        user_id=user_id(entity),
        weight=number(entity, "score"),
        joined=entity.get("joined") is not False,
        away=away(entity, asked=asked) if routing_type in WORKING_TYPES else "routing type of no agent",
        skills=proficiencies(entity.get("skills")),
        native={"page": page, "routing_type": routing_type} | as_shown(entity),
        name=name_of(entity),
    )
