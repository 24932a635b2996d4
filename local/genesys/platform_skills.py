"""Contract `platform`: the organisation's skills, and the proficiency that a user has in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.genesys.platform_listing import Query, bad_request, body_of, check_distinct
from local.genesys.wire import ApiError, Reply, SkillChange

if TYPE_CHECKING:
    from local.genesys.organisation import Document
    from local.genesys.platform_organisation import PlatformOrganisation
    from local.genesys.wire import Request

_USER_SKILLS = "/api/v2/users/{userId}/routingskills"


def list_skills(organisation: PlatformOrganisation, request: Request) -> Reply:
    query = Query(request)
    skills = sorted(organisation.skills.values(), key=lambda skill: (skill["name"], skill["id"]))
    if (start := query.one("name")) is not None:
        skills = [skill for skill in skills if skill["name"].casefold().startswith(start.casefold())]
    if ids := query.many("id"):
        skills = [skill for skill in skills if skill["id"] in ids]
    return Reply(body=query.page(skills, counted=True))


def get_skill(organisation: PlatformOrganisation, request: Request, skill_id: str) -> Reply:  # noqa: ARG001
    return Reply(body=organisation.skill(skill_id))


def list_user_skills(organisation: PlatformOrganisation, request: Request, user_id: str) -> Reply:
    query = Query(request)
    skills = organisation.skills_of(user_id)
    if query.one("sortOrder", "ascending", "descending", "asc", "desc") in ("descending", "desc", "DESC"):
        skills.reverse()
    return Reply(body=query.page(skills, counted=True))


def post_user_skill(organisation: PlatformOrganisation, request: Request, user_id: str) -> Reply:
    """Assign a skill, or set the proficiency in one that is assigned."""
    organisation.user(user_id)
    body = body_of(request, _USER_SKILLS)
    return _assigned(organisation, user_id, body["id"], body["proficiency"])


def put_user_skill(organisation: PlatformOrganisation, request: Request, user_id: str, skill_id: str) -> Reply:
    """Set the proficiency in a skill that is assigned; another is 404 (our choice)."""
    _require_assigned(organisation, user_id, skill_id)
    body = body_of(request, f"{_USER_SKILLS}/{{skillId}}")
    if body.get("id", skill_id) != skill_id:  # our choice
        raise bad_request("id must be the one in the path.")
    if "proficiency" not in body:  # our choice; without it nothing would be updated
        raise bad_request("proficiency is required.")
    if body.get("state", "active") != "active":
        raise ApiError(501, "not.simulated", "state: only active is simulated.")
    return _assigned(organisation, user_id, skill_id, body["proficiency"])


def delete_user_skill(
    organisation: PlatformOrganisation,
    request: Request,  # noqa: ARG001
    user_id: str,
    skill_id: str,
) -> Reply:
    _require_assigned(organisation, user_id, skill_id)
    return Reply(204, changes=(SkillChange(user_id, skill_id, None),))  # 204 is our choice


def patch_user_skills(organisation: PlatformOrganisation, request: Request, user_id: str) -> Reply:
    """Assign up to 50 skills, all or none; skills that are not named stay."""
    organisation.user(user_id)
    body = body_of(request, f"{_USER_SKILLS}/bulk")
    if not body:  # our choice
        raise bad_request("The body must name at least one skill.")
    check_distinct(item["id"] for item in body)
    for item in body:
        organisation.skill(item["id"])
    wanted = {item["id"]: float(item["proficiency"]) for item in body}
    page = Query(request).page(organisation.skills_of(user_id, wanted), counted=True)
    return Reply(body=page, changes=tuple(SkillChange(user_id, skill_id, level) for skill_id, level in wanted.items()))


def _assigned(organisation: PlatformOrganisation, user_id: str, skill_id: str, proficiency: float) -> Reply:
    organisation.skill(skill_id)
    skills: list[Document] = organisation.skills_of(user_id, {skill_id: float(proficiency)})
    shown = next(skill for skill in skills if skill["id"] == skill_id)
    return Reply(body=shown, changes=(SkillChange(user_id, skill_id, float(proficiency)),))


def _require_assigned(organisation: PlatformOrganisation, user_id: str, skill_id: str) -> None:
    if all(skill["id"] != skill_id for skill in organisation.skills_of(user_id)):
        raise ApiError(404, "not.found", f"The skill {skill_id!r} is not assigned to {user_id!r}.")
