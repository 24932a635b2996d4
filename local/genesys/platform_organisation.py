"""What an organisation holds under contract `platform`: rings and joining per member, skills per user.

A user's skills are one set for the whole organisation, whatever queues the user is in. Ring, joining and the
way into the queue belong to one membership. The routing status is the user's on the real platform and the
membership's here (our choice), so that putting one queue leaves the agents of another as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from local.genesys import platform_analytics
from local.genesys.organisation import (
    MEDIA_SETTINGS,
    SKILLS,
    Document,
    Organisation,
    check_fields,
    check_keys,
    is_status,
    members_of,
)
from local.genesys.wire import ApiError, Change, SkillChange, is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.genesys.settings import Settings
    from local.genesys.tokens import Clock

HOME = {"id": "division-home", "name": "Home", "selfUri": "/api/v2/authorization/divisions/division-home"}
ROOT = "/api/v2"
# What no write changes. The counts follow the members, whatever a queue document says.
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
        self.skills: dict[str, Document] = {}
        self.users: dict[str, Document] = {}
        self._proficiencies: dict[str, dict[str, float]] = {}
        self.analytics = platform_analytics.checked({})

    def put_queue(self, queue_id: str, spec: Document) -> None:
        """Create or replace a queue; writes on their way to an earlier one of that id are forgotten.

        Users keep the skills that the specification does not name. Agents that were never seen before and are
        only counted get Support or Billing, as real ones have skills.
        """
        check_keys(spec, {*self.mix, "members", "queue", "skills"})
        fields = spec.get("queue", {})
        self.check_edit(fields)
        shared = [_skill(given) for given in _list_of(spec, "skills")]
        listed = "members" in spec
        members = members_of(spec, self.mix)
        kept = [_membership(given) for given in members]
        own = [[_skill(skill) for skill in _list_of(given, "skills")] for given in members]

        self._forget_writes_to(queue_id)
        stamp = self._stamp()
        self._members[queue_id] = {}
        for number, (given, membership, skills) in enumerate(zip(members, kept, own, strict=True)):
            user_id = given["user"]["id"]
            usual = [] if listed or user_id in self.users else [SKILLS[number % len(SKILLS)]]
            name = given["user"].get("name", self.users.get(user_id, {}).get("name", user_id))
            self.users[user_id] = {"id": user_id, "name": name}
            membership["routingStatus"] = {"userId": user_id, "startTime": stamp} | membership["routingStatus"]
            self._members[queue_id][user_id] = membership
            for skill in [*usual, *shared, *skills]:
                self._know(skill, stamp)
                if skill["proficiency"] is not None:
                    self._assign(user_id, skill["id"], skill["proficiency"])
        for skill in shared:
            self._know(skill, stamp)
        document = _new_queue(queue_id, stamp, self.settings.editor) | fields
        self.queues[queue_id] = {name: value for name, value in document.items() if value is not None}

    def check_edit(self, fields: Document) -> None:
        if not isinstance(fields, dict) or {"id", "selfUri", *_COUNTS} & fields.keys():
            raise ValueError(f"the fields of a queue are an object without id, selfUri, {', '.join(_COUNTS)}")

    def edit_queue(self, queue_id: str, fields: Document) -> None:
        """Change fields; None takes one away. Who and when are on record unless the fields say otherwise."""
        self.check_edit(fields)
        self.queue(queue_id)
        edited = self.queues[queue_id] | {"dateModified": self._stamp(), "modifiedBy": self.settings.editor} | fields
        self.queues[queue_id] = {name: value for name, value in edited.items() if value is not None}

    def edit_member(self, queue_id: str, user_id: str, fields: Document) -> None:
        membership = self.member(queue_id, user_id)
        changed = membership | check_fields(fields, _MEMBER_FIELDS)
        if "routingStatus" in fields:
            changed["routingStatus"] = {"userId": user_id, "startTime": self._stamp()} | fields["routingStatus"]
        self._members[queue_id][user_id] = changed

    def edit_skill(self, user_id: str, skill_id: str, proficiency: float | None) -> None:
        if not _is_proficiency(proficiency):
            raise ValueError(f"not a proficiency: {proficiency!r}")
        self.user(user_id)
        self.skill(skill_id)
        self._assign(user_id, skill_id, proficiency)

    def put_analytics(self, spec: Document) -> None:
        self.analytics = platform_analytics.checked(spec)

    def forecasts(self, unit: str) -> list[Document]:
        """Return the forecasts of a business unit."""
        known: list[Document] = self.analytics["forecasts"]
        found = [forecast for forecast in known if forecast["businessUnitId"] == unit]
        if not found:  # our choice: a unit is known by its forecasts
            raise ApiError(404, "not.found", f"There is no business unit {unit!r}.")
        return found

    def forecast(self, unit: str, week: str, forecast_id: str) -> Document:
        for forecast in self.forecasts(unit):
            if (forecast["weekDate"], forecast["id"]) == (week, forecast_id):
                return forecast
        raise ApiError(404, "not.found", f"There is no forecast {forecast_id!r} of week {week}.")

    def state(self) -> Document:
        return {
            "queues": {
                queue_id: {
                    "queue": self.queue(queue_id),
                    "members": [self.member_document(queue_id, user_id) for user_id in self._members[queue_id]],
                }
                for queue_id in self.queues
            },
            "users": {user_id: {"skills": self.skills_of(user_id)} for user_id in self.users},
            "skills": self.skills,
            "replays": self.replays,
            "tokens_issued": len(self.tokens),
        }

    def queue(self, queue_id: str) -> Document:
        """Return a queue with its counts as they are now."""
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
        return self.users[user_id]

    def skill(self, skill_id: str) -> Document:
        if skill_id not in self.skills:
            raise ApiError(404, "not.found", f"There is no skill {skill_id!r}.")
        return self.skills[skill_id]

    def member_document(self, queue_id: str, user_id: str) -> Document:
        """Return a member with all that can be told of it."""
        membership, user = self.member(queue_id, user_id), self.users[user_id]
        return {
            "id": user_id,
            "name": user["name"],
            "user": user,
            **membership,
            "skills": self.skills_of(user_id),
        }

    def skills_of(self, user_id: str, changes: Mapping[str, float] | None = None) -> list[Document]:
        """Return a user's skills by name, as these changes would leave them."""
        self.user(user_id)
        uri = f"{ROOT}/users/{quote(user_id, safe='')}/routingskills"
        assigned = {**self._proficiencies.get(user_id, {}), **(changes or {})}
        skills = [
            {
                "id": skill_id,
                "name": self.skills[skill_id]["name"],
                "proficiency": proficiency,
                "state": "active",
                "skillUri": self.skills[skill_id]["selfUri"],
                "selfUri": f"{uri}/{quote(skill_id, safe='')}",
            }
            for skill_id, proficiency in assigned.items()
        ]
        return sorted(skills, key=lambda skill: (skill["name"], skill["id"]))

    def replaced(self, change: Change) -> Document:
        """Return the queue as a replacement will leave it: the facts stay, and who and when are on record."""
        now = self.queue(change.queue_id)
        facts = {name: now[name] for name in FACTS if name in now}
        stamp = {"dateModified": self._next_stamp(), "modifiedBy": self.settings.client_id}
        return {**change.fields, **facts, **stamp}

    def apply(self, change: Change | SkillChange) -> None:
        if isinstance(change, SkillChange):
            self._assign(change.user_id, change.skill_id, change.proficiency)
        elif change.user_id:
            self._members[change.queue_id][change.user_id] = {
                **self.member(change.queue_id, change.user_id),
                **change.fields,
            }
        else:
            self.queues[change.queue_id] = self.replaced(change)
            self._stamp()

    def _assign(self, user_id: str, skill_id: str, proficiency: float | None) -> None:
        skills = self._proficiencies.setdefault(user_id, {})
        if proficiency is None:
            skills.pop(skill_id, None)
        else:
            skills[skill_id] = float(proficiency)

    def _know(self, skill: Document, stamp: str) -> None:
        known = self.skills.get(skill["id"])
        name = skill.get("name") or (known["name"] if known else skill["id"])
        if known is None or name != known["name"]:
            self.skills[skill["id"]] = {
                "id": skill["id"],
                "name": name,
                "dateModified": stamp,
                "state": "active",
                "version": str(int(known["version"]) + 1 if known else 1),
                "selfUri": f"{ROOT}/routing/skills/{quote(skill['id'], safe='')}",
            }


def _new_queue(queue_id: str, stamp: str, editor: str) -> Document:
    """Make a queue as the console makes one, in the fields that the real platform has."""
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
    if not isinstance(given["user"].get("name", ""), str):
        raise ValueError("a user's name is a string")  # noqa: TRY004 - the caller is told of a wrong value
    own = {name: value for name, value in given.items() if name not in ("user", "skills")}
    return usual | check_fields(own, _MEMBER_FIELDS)


def _list_of(spec: Document, name: str) -> list[Any]:
    given = spec.get(name, [])
    if not isinstance(given, list):
        raise ValueError(f"{name} must be a list")  # noqa: TRY004 - the caller is told of a wrong value
    return given


def _skill(given: Any) -> Document:
    """Complete a skill of which at least the id is given."""
    if not isinstance(given, dict) or not isinstance(given.get("id"), str) or not given["id"]:
        raise ValueError('a skill is an object with at least {"id": "…"}')
    check_keys(given, {"id", "name", "proficiency"})
    skill = {"proficiency": None, **given}
    if not isinstance(skill.get("name", ""), str) or not _is_proficiency(skill["proficiency"]):
        raise ValueError(f"not a skill: {given!r}")
    return skill


def _is_proficiency(value: Any) -> bool:
    return value is None or (is_number(value) and 0 <= value <= 5)  # noqa: PLR2004 - the platform's bound
