"""The state of an organisation under contract `platform`: rings and joining per member, skills per user.

A user has one set of skills for the whole organisation. Ring, joining and the way into the queue belong to one
membership. On the real platform, the routing status belongs to the user; here it belongs to the membership (our
choice), so that a test that replaces one queue does not change the agents of another.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from local.genesys import platform_analytics, platform_login, platform_people
from local.genesys.organisation import (
    MEDIA_SETTINGS,
    SKILLS,
    STATES,
    ById,
    Document,
    Organisation,
    check_fields,
    check_keys,
    check_user,
    is_status,
    members_of,
    without_absent,
)
from local.genesys.platform_events import Events
from local.genesys.wire import ApiError, Change, SkillChange, is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local.genesys.settings import Settings
    from local.genesys.tokens import Clock

ORGANISATION = {"id": "0b1f0f6e-3d3c-4a64-9d0e-5f5f6f0a1b2c", "name": "The simulated organisation"}
HOME = {"id": "division-home", "name": "Home", "selfUri": "/api/v2/authorization/divisions/division-home"}
ROOT = "/api/v2"
# Fields that no write changes. The counts follow the members, whatever a queue document says.
_COUNTS = ("memberCount", "userMemberCount", "joinedMemberCount")
FACTS = ("id", "dateCreated", "createdBy", *_COUNTS, "selfUri")
_MEMBER_FIELDS: dict[str, Callable[[Any], bool]] = {
    "ringNumber": lambda value: isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 6,  # noqa: PLR2004
    "joined": lambda value: isinstance(value, bool),
    "memberBy": lambda value: value in ("user", "group"),
    "routingStatus": is_status,
}


class PlatformOrganisation(Organisation):
    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self.skills = ById()
        self.users = ById()
        self._assigned = ById()
        self.people: dict[str, Document] = {}
        self.codes: dict[str, platform_login.Code] = {}
        self.itself = ORGANISATION
        self.analytics = platform_analytics.checked({})
        self.events: Events = Events()

    def put_queue(self, queue_id: str, spec: Document) -> None:
        """Create or replace a queue. Delayed writes to an earlier queue of that id are dropped.

        Users keep the skills that the specification does not name. New agents of a specification that only counts its
        agents get Support or Billing, because real agents have skills.
        """
        check_keys(spec, {*self.mix, "members", "queue", "skills"})
        fields = spec.get("queue", {})
        self.check_edit(fields)
        shared = [_skill(given) for given in _list_of(spec, "skills")]
        listed = "members" in spec
        members = members_of(spec, self.mix)
        for given in members:
            self.check_member(given)

        queue_id = self.queues.stored(queue_id)
        self._forget_writes_to(queue_id)
        stamp = self._stamp()
        self._members[queue_id] = ById()
        for number, given in enumerate(members):
            usual = [] if listed or given["user"]["id"] in self.users else [_skill(SKILLS[number % len(SKILLS)])]
            self._enrol(queue_id, given, [*usual, *shared], stamp)
        for skill in shared:
            self._know(skill, stamp)
        document = _new_queue(queue_id, stamp, self.settings.editor) | fields
        self.queues[queue_id] = {name: value for name, value in document.items() if value is not None}

    def check_edit(self, fields: Document) -> None:
        if not isinstance(fields, dict) or {"id", "selfUri", *_COUNTS} & fields.keys():
            raise ValueError(f"the fields of a queue are an object without id, selfUri, {', '.join(_COUNTS)}")

    def edit_queue(self, queue_id: str, fields: Document) -> None:
        """Change fields of a queue; None removes a field. Sets editor and time unless the fields have them."""
        self.check_edit(fields)
        self.queue(queue_id)
        stamp, editor = self._stamp(), self.settings.editor
        edited = self.queues[queue_id] | {"dateModified": stamp, "modifiedBy": editor} | fields
        self.queues[queue_id] = {name: value for name, value in edited.items() if value is not None}
        self.events.queue(self.queue(queue_id), list(fields), editor, stamp)

    def edit_member(self, queue_id: str, user_id: str, fields: Document) -> None:
        changed = self.member(queue_id, user_id) | check_fields(fields, _MEMBER_FIELDS)
        if "routingStatus" in fields:
            changed = _with_status(changed, self.users.stored(user_id), self._stamp())
        self._members[queue_id][user_id] = changed
        if "joined" in fields:
            self._publish_member("update", queue_id, user_id, changed, self.settings.editor)

    def check_member(self, spec: Document) -> None:
        check_user(spec)
        _membership(spec)
        for given in _list_of(spec, "skills"):
            _skill(given)

    def add_member(self, queue_id: str, spec: Document) -> None:
        self.check_member(spec)
        self.members(queue_id)
        self._enrol(queue_id, spec, [], self._stamp())
        user_id = spec["user"]["id"]
        self._publish_member("add", queue_id, user_id, self.member(queue_id, user_id), self.settings.editor)

    def remove_member(self, queue_id: str, user_id: str) -> None:
        super().remove_member(queue_id, user_id)
        self._publish_member("delete", queue_id, user_id, {"joined": False}, self.settings.editor)

    def edit_user(self, user_id: str, fields: Document) -> None:
        """Change name, e-mail address or state of a user. The user stays a member of queues in every state."""
        check_keys(fields, {"name", "email", "state"})
        user = self.user(user_id)
        edited = user | fields
        check_user({"user": edited})
        self.users[user_id] = edited | {"version": user["version"] + 1}

    def edit_skill(self, user_id: str, skill_id: str, proficiency: float | None, state: str | None = None) -> None:
        if not _is_proficiency(proficiency) or state not in (None, *STATES):
            raise ValueError(f"not a proficiency, or not a state of one: {proficiency!r}, {state!r}")
        self.user(user_id)
        self.skill(skill_id)
        self._assign(user_id, skill_id, proficiency, state)

    def edit_organisation_skill(self, skill_id: str, fields: Document) -> None:
        self.skill(skill_id)
        skill = _skill({**fields, "id": self.skills.stored(skill_id)})
        if "proficiency" in fields or "assignment" in fields:
            raise ValueError("proficiency and assignment are a user's")
        self._know(skill, self._stamp())

    def put_person(self, user_id: str, spec: Document) -> None:
        self.people[user_id] = platform_people.checked(spec)

    def user_token(self, user_id: str) -> str:
        if user_id not in self.people:
            raise ValueError(f"there is no person {user_id!r}: PUT people/{user_id} makes one")
        return self.tokens.issue(frozenset(), self.settings.expires_in, user=user_id)

    def put_analytics(self, spec: Document) -> None:
        self.analytics = platform_analytics.checked(spec)

    def forecasts(self, unit: str) -> list[Document]:
        """Return the forecasts of a business unit."""
        known: list[Document] = self.analytics["forecasts"]
        forecasts = [forecast for forecast in known if forecast["businessUnitId"] == unit]
        if not forecasts:  # our choice: a business unit exists if it has forecasts
            raise ApiError(404, "not.found", f"There is no business unit {unit!r}.")
        return forecasts

    def forecast(self, unit: str, week: str, forecast_id: str) -> Document:
        for forecast in self.forecasts(unit):
            if (forecast["weekDate"], forecast["id"]) == (week, forecast_id):
                return forecast
        raise ApiError(404, "not.found", f"There is no forecast {forecast_id!r} of week {week}.")

    def state(self) -> Document:
        return {
            "queues": {queue_id: self.state_of(queue_id) for queue_id in self.queues},
            "users": {
                user_id: {"state": user["state"], "skills": self.skills_of(user_id)}
                for user_id, user in self.users.items()
            },
            "skills": dict(self.skills),
            "replays": self.replays,
            "tokens_issued": len(self.tokens),
        }

    def state_of(self, queue_id: str) -> Document:
        return {
            "queue": self.queue(queue_id),
            "members": [self.member_document(queue_id, user_id) for user_id in self.members(queue_id)],
        }

    def stored(self, parameter: str, given: str) -> str:
        """Return a path parameter, such as `queueId`, in its stored case."""
        known = {"queueId": self.queues, "memberId": self.users, "userId": self.users, "skillId": self.skills}
        return known[parameter].stored(given) if parameter in known else given

    def queue(self, queue_id: str) -> Document:
        """Return a queue with its current counts."""
        document = super().queue(queue_id)
        members = self._members[queue_id].values()
        counts = (
            len(members),
            sum(member["memberBy"] == "user" for member in members),
            sum(member["joined"] for member in members),
        )
        return document | dict(zip(_COUNTS, counts, strict=True))

    def user(self, user_id: str) -> Document:
        if user_id not in self.users:
            raise ApiError(404, "not.found", f"There is no user {user_id!r}.")
        user: Document = self.users[user_id]
        return user

    def existing_user(self, user_id: str) -> Document:
        """Return a user. Raises ApiError for a deleted user, who cannot be written (our choice)."""
        user = self.user(user_id)
        if user["state"] == "deleted":
            raise ApiError(404, "not.found", f"The user {user_id!r} is deleted.")
        return user

    def skill(self, skill_id: str) -> Document:
        if skill_id not in self.skills:
            raise ApiError(404, "not.found", f"There is no skill {skill_id!r}.")
        skill: Document = self.skills[skill_id]
        return skill

    def visible_skill(self, skill_id: str) -> Document:
        """Return a skill that the client may see: the client's role must cover the skill's division, if it has one."""
        skill = self.skill(skill_id)
        if not self.sees(skill):
            raise ApiError(404, "not.found", f"There is no skill {skill_id!r}.")
        return skill

    def sees(self, skill: Document) -> bool:
        return "division" not in skill or skill["division"]["id"] in self.settings.divisions.split()

    def member_document(self, queue_id: str, user_id: str) -> Document:
        """Return a member with all its fields."""
        membership, user = self.member(queue_id, user_id), self.users[user_id]
        return {
            "id": user["id"],
            "name": user["name"],
            "user": user,
            **membership,
            "skills": self.skills_of(user_id),
        }

    def skills_of(self, user_id: str, changes: Iterable[SkillChange] = ()) -> list[Document]:
        """Return a user's skills by name, as they would be after these changes."""
        self.user(user_id)
        user_id = self.users.stored(user_id)
        uri = f"{ROOT}/users/{quote(user_id, safe='')}/routingskills"
        assigned: Document = {**self._assigned.get(user_id, {})}
        for change in changes:
            if change.proficiency is None:
                assigned.pop(change.skill_id, None)
            else:
                assigned[change.skill_id] = self._assignment(change)
        skills = [
            {
                "id": skill_id,
                "name": self.skills[skill_id]["name"],
                **assignment,
                "skillUri": self.skills[skill_id]["selfUri"],
                "selfUri": f"{uri}/{quote(skill_id, safe='')}",
            }
            for skill_id, assignment in assigned.items()
        ]
        return sorted(skills, key=lambda skill: (skill["name"], skill["id"]))

    def replaced(self, change: Change) -> Document:
        """Return the queue after a replacement: read-only fields stay, editor and time are set."""
        now = self.queue(change.queue_id)
        facts = {name: now[name] for name in FACTS if name in now}
        stamp = {"dateModified": self._next_stamp(), "modifiedBy": self.settings.client_id}
        return {**change.fields, **facts, **stamp}

    def apply(self, change: Change | SkillChange) -> None:
        if isinstance(change, SkillChange):
            self._assign(change.user_id, change.skill_id, change.proficiency, change.state)
        elif change.user_id:
            member = {**self.member(change.queue_id, change.user_id), **change.fields}
            self._members[change.queue_id][change.user_id] = member
            if "joined" in change.fields:
                self._publish_member("update", change.queue_id, change.user_id, member, None)
            if self.settings.members_date_queue:
                written = {"dateModified": self._stamp(), "modifiedBy": self.settings.client_id}
                self.queues[change.queue_id] = self.queues[change.queue_id] | written
        else:
            before, after = self.queue(change.queue_id), self.replaced(change)
            self.queues[change.queue_id] = after
            changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
            self.events.queue(after, changed, None, self._stamp())

    def _publish_member(self, action: str, queue_id: str, user_id: str, member: Document, by: str | None) -> None:
        user_id, at = self.users.stored(user_id), self._stamp()
        self.events.member(action, self.queue(queue_id), user_id, joined=member["joined"], by=by, at=at)

    def _enrol(self, queue_id: str, given: Document, usual: list[Document], stamp: str) -> None:
        """Add a member from a specification, with the usual skills."""
        user_id = self.users.stored(given["user"]["id"])
        known = self.users.get(user_id, {"name": user_id, "state": "active", "version": 1})
        user = {name: given["user"][name] for name in ("name", "email", "state") if name in given["user"]}
        self.users[user_id] = {"id": user_id, **known, **user}
        self._members[queue_id][user_id] = _with_status(_membership(given), user_id, stamp)
        for skill in [*usual, *map(_skill, _list_of(given, "skills"))]:
            self._know(skill, stamp)
            if skill["proficiency"] is not None:
                self._assign(user_id, skill["id"], skill["proficiency"], skill.get("assignment"))

    def _assign(self, user_id: str, skill_id: str, proficiency: float | None, state: str | None = None) -> None:
        if user_id not in self._assigned:
            self._assigned[user_id] = ById()
        if proficiency is None:
            self._assigned[user_id].pop(skill_id, None)
        else:
            stored = self.skills.stored(skill_id)
            self._assigned[user_id][stored] = self._assignment(SkillChange(user_id, stored, proficiency, state))

    def _assignment(self, change: SkillChange) -> Document:
        """Return an assignment after a write. A write without a state keeps the state (our choice)."""
        assigned = self._assigned.get(change.user_id, {}).get(change.skill_id, {"state": "active"})
        return {"proficiency": self._kept(change.proficiency or 0.0), "state": change.state or assigned["state"]}

    def _kept(self, proficiency: float) -> float:
        """Return a proficiency as the platform stores it. One decimal is proven (live tests of the Terraform provider).

        Halves are rounded up by our choice. The real platform may cut decimals off.
        """
        unit = Decimal(1).scaleb(-self.settings.proficiency_decimals)
        return float(Decimal(str(proficiency)).quantize(unit, ROUND_HALF_UP))

    def _know(self, skill: Document, stamp: str) -> None:
        known = self.skills.get(skill["id"], {"id": skill["id"], "name": skill["id"], "state": "active"})
        changed = known | {name: skill[name] for name in ("name", "state", "division") if name in skill}
        if changed != known or skill["id"] not in self.skills:
            self.skills[skill["id"]] = changed | {
                "dateModified": stamp,
                "version": str(int(known.get("version", 0)) + 1),
                "selfUri": f"{ROOT}/routing/skills/{quote(known['id'], safe='')}",
            }


def _new_queue(queue_id: str, stamp: str, editor: str) -> Document:
    """Return a new queue as the console makes it, with the fields of the real platform."""
    return {
        "id": queue_id,
        "name": f"Queue {queue_id}",
        "division": HOME,
        "description": "Kept by people in the admin console",
        "dateCreated": stamp,
        "dateModified": stamp,
        "modifiedBy": editor,
        "createdBy": editor,
        "mediaSettings": {
            **MEDIA_SETTINGS,
            "callback": {"alertingTimeoutSeconds": 30, "serviceLevel": {"percentage": 0.8, "durationMs": 20_000}},
            "email": {"alertingTimeoutSeconds": 300, "serviceLevel": {"percentage": 0.8, "durationMs": 86_400_000}},
            "message": {"alertingTimeoutSeconds": 30, "serviceLevel": {"percentage": 0.8, "durationMs": 20_000}},
        },
        "routingRules": [],
        "acwSettings": {"wrapupPrompt": "MANDATORY_TIMEOUT", "timeoutMs": 300_000},
        "skillEvaluationMethod": "ALL",
        "scoringMethod": "TimestampAndPriority",
        "lastAgentRoutingMode": "AnyAgent",
        "memberGroups": [],
        "queueFlow": {"id": "flow-music", "name": "Music", "selfUri": f"{ROOT}/flows/flow-music"},
        "autoAnswerOnly": True,
        "cannedResponseLibraries": {"mode": "All"},
        "enableTranscription": False,
        "enableAudioMonitoring": False,
        "enableManualAssignment": False,
        "agentOwnedRouting": {
            "enableAgentOwnedCallbacks": False,
            "maxOwnedCallbackHours": 168,
            "maxOwnedCallbackDelayHours": 336,
        },
        "defaultScripts": {},
        "suppressInQueueCallRecording": True,
        "selfUri": f"{ROOT}/routing/queues/{quote(queue_id, safe='')}",
    }


def _membership(given: Document) -> Document:
    usual = {"ringNumber": 1, "joined": True, "memberBy": "user", "routingStatus": {"status": "IDLE"}}
    own = {name: value for name, value in given.items() if name not in ("user", "skills")}
    return usual | check_fields(own, _MEMBER_FIELDS)


def _with_status(membership: Document, user_id: str, stamp: str) -> Document:
    """Return a membership with the routing status as the platform shows it, or without one."""
    status = membership["routingStatus"]
    if isinstance(status, dict):
        membership = membership | {"routingStatus": {"userId": user_id, "startTime": stamp} | status}
    return without_absent(membership)


def _list_of(spec: Document, name: str) -> list[Any]:
    given = spec.get(name, [])
    if not isinstance(given, list):
        raise ValueError(f"{name} must be a list")  # noqa: TRY004 - to the caller, it is a wrong value
    return given


def _skill(given: Any) -> Document:
    """Complete the specification of a skill, which must have an id."""
    if not isinstance(given, dict) or not isinstance(given.get("id"), str) or not given["id"]:
        raise ValueError('a skill is an object with at least {"id": "…"}')
    check_keys(given, {"id", "name", "proficiency", "state", "division", "assignment"})
    skill = {"proficiency": None, **given}
    states = (skill.get("state", "active"), skill.get("assignment", "active"))
    division = skill.get("division", HOME)
    if (
        not (isinstance(skill.get("name", "x"), str) and skill.get("name", "x"))
        or not _is_proficiency(skill["proficiency"])
        or not all(state in STATES for state in states)
        or not (isinstance(division, dict) and isinstance(division.get("id"), str))
    ):
        raise ValueError(f"not a skill: {given!r}")
    return skill


def _is_proficiency(value: Any) -> bool:
    return value is None or (is_number(value) and 0 <= value <= 5)  # noqa: PLR2004 - the platform's bound
