"""Contract `platform`: the organisation's skills, and the proficiency that a user has in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.genesys.platform_listing import Query, bad_request, body_of, check_distinct, has_name
from local.genesys.wire import ApiError, Reply, SkillChange

if TYPE_CHECKING:
    from local.genesys.organisation import Document
    from local.genesys.platform_organisation import PlatformOrganisation
    from local.genesys.wire import Request

_USER_SKILLS = "/api/v2/users/{userId}/routingskills"


def list_skills(organisation: PlatformOrganisation, request: Request) -> Reply:
    """List the skills that the client may see, in any state, by the beginning of their names."""
    query = Query(request)
    seen = filter(organisation.sees, organisation.skills.values())
    skills = sorted(seen, key=lambda skill: (skill["name"], skill["id"]))
    if (start := query.one("name")) is not None:
        skills = [skill for skill in skills if has_name(skill["name"], f"{start}*")]
    if ids := query.ids():
        skills = [skill for skill in skills if skill["id"].lower() in ids]
    return Reply(body=query.page(skills, counted=True))


def get_skill(organisation: PlatformOrganisation, request: Request, skill_id: str) -> Reply:  # noqa: ARG001
    return Reply(body=organisation.visible_skill(skill_id))


def list_user_skills(organisation: PlatformOrganisation, request: Request, user_id: str) -> Reply:
    query = Query(request)
    skills = organisation.skills_of(user_id)
    if query.one("sortOrder", "ascending", "descending", "asc", "desc") in ("descending", "desc", "DESC"):
        skills.reverse()
    return Reply(body=query.page(skills, counted=True))


def post_user_skill(organisation: PlatformOrganisation, request: Request, user_id: str) -> Reply:
    """Assign a skill, or set the proficiency in an assigned one."""
    organisation.existing_user(user_id)
    body = body_of(request, _USER_SKILLS)
    return _assigned(organisation, _change(organisation, user_id, body))


def put_user_skill(organisation: PlatformOrganisation, request: Request, user_id: str, skill_id: str) -> Reply:
    """Set the proficiency in an assigned skill. Any other skill is 404 (our choice)."""
    _require_assigned(organisation, user_id, skill_id)
    body = body_of(request, f"{_USER_SKILLS}/{{skillId}}")
    if body.get("id", skill_id).lower() != skill_id.lower():  # our choice
        raise bad_request("id must be the one in the path.")
    if "proficiency" not in body:  # our choice; without it nothing would be updated
        raise bad_request("proficiency is required.")
    return _assigned(organisation, _change(organisation, user_id, {**body, "id": skill_id}))


def delete_user_skill(
    organisation: PlatformOrganisation,
    request: Request,  # noqa: ARG001
    user_id: str,
    skill_id: str,
) -> Reply:
    _require_assigned(organisation, user_id, skill_id)
    return Reply(204, changes=(SkillChange(user_id, skill_id, None),))  # 204 is our choice


def patch_user_skills(organisation: PlatformOrganisation, request: Request, user_id: str) -> Reply:
    """Assign up to 50 skills, all or none. Other skills stay."""
    changes = _bulk(organisation, request, user_id)
    if not changes:  # our choice
        raise bad_request("The body must name at least one skill.")
    return _listed(organisation, request, user_id, changes)


def put_user_skills(organisation: PlatformOrganisation, request: Request, user_id: str) -> Reply:
    """Replace all skills of a user. Skills that are not named are removed."""
    changes = _bulk(organisation, request, user_id)
    kept = {change.skill_id for change in changes}
    gone = [SkillChange(user_id, skill["id"], None) for skill in organisation.skills_of(user_id)]
    return _listed(
        organisation, request, user_id, [*(change for change in gone if change.skill_id not in kept), *changes]
    )


def _bulk(organisation: PlatformOrganisation, request: Request, user_id: str) -> list[SkillChange]:
    organisation.existing_user(user_id)
    body = body_of(request, f"{_USER_SKILLS}/bulk")
    check_distinct(item["id"] for item in body)
    return [_change(organisation, user_id, item) for item in body]


def _listed(organisation: PlatformOrganisation, request: Request, user_id: str, changes: list[SkillChange]) -> Reply:
    page = Query(request).page(organisation.skills_of(user_id, changes), counted=True)
    return Reply(body=page, changes=tuple(changes))


def _change(organisation: PlatformOrganisation, user_id: str, body: Document) -> SkillChange:
    skill = organisation.visible_skill(body["id"])
    if skill["state"] == "deleted":  # our choice
        raise bad_request(f"The skill {skill['id']!r} is deleted.")
    return SkillChange(user_id, skill["id"], float(body["proficiency"]), body.get("state"))


def _assigned(organisation: PlatformOrganisation, change: SkillChange) -> Reply:
    skills: list[Document] = organisation.skills_of(change.user_id, [change])
    shown = next(skill for skill in skills if skill["id"] == change.skill_id)
    return Reply(body=shown, changes=(change,))


def _require_assigned(organisation: PlatformOrganisation, user_id: str, skill_id: str) -> None:
    organisation.existing_user(user_id)
    if all(skill["id"] != skill_id for skill in organisation.skills_of(user_id)):
        raise ApiError(404, "not.found", f"The skill {skill_id!r} is not assigned to {user_id!r}.")
