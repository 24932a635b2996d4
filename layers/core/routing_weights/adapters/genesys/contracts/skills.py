"""The look-up of an organisation's skills, by id or by name."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts.reading import (
    GONE,
    PAGE_SIZE,
    Entity,
    child,
    children,
    is_active,
    page_of,
)
from routing_weights.domain.problems import not_applicable
from routing_weights.domain.queue import named
from routing_weights.domain.types import folded
from routing_weights.errors import GenesysRefused

SKILLS = "/api/v2/routing/skills"
MAX_SKILL_PAGES = 20
GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
SKILL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Skills:
    client: GenesysClient

    def carrier(self, wanted: str, members: Iterable[Entity]) -> tuple[str, str | None]:
        """Return id and name of the skill that is to carry weights, from the organisation or else from its members.

        Raises:
            PlanNotApplicable: there is none, several have the name, or it is not active.
        """
        skills = self.find(wanted)
        usable = list(filter(is_active, skills))
        if skills and not usable:
            message = f"skill {wanted} is {named(_states(skills))} in Genesys: activate it, or name another one"
            raise not_applicable("skill", message, "skill_inactive")
        if not skills:  # the client may not see the division of a skill that members hold
            assignments = [
                skill
                for entity in members
                for skill in children(child(entity, "user"), "skills") + children(entity, "skills")
                if is_active(skill)
            ]
            usable = with_key(assignments, "id", wanted) or with_key(assignments, "name", wanted)
        by_id = {str(skill.get("id")): skill for skill in usable if SKILL_ID.fullmatch(str(skill.get("id")))}
        if len(by_id) > 1:
            raise not_applicable("skill", ambiguous(wanted, by_id), "skill_ambiguous")
        for skill_id, skill in by_id.items():
            return skill_id, skill["name"] if isinstance(skill.get("name"), str) else None
        message = (
            f"Genesys knows no skill {wanted}, by id or by name: create it, name another one, or give the client's "
            "role the skill's division"
        )
        raise not_applicable("skill", message, "skill_not_found")

    def find(self, wanted: str) -> list[Entity]:
        """Return the organisation's skills with this id, or else with this name, in any state."""
        is_guid = GUID.fullmatch(wanted) is not None
        by_id = self._by_id(wanted.lower()) if is_guid else []
        by_id = by_id or (self._by_id(wanted) if is_guid and wanted != wanted.lower() else [])
        return by_id or self._by_name(wanted) or ([] if is_guid else self._by_id(wanted))

    def _by_id(self, wanted: str) -> list[Entity]:
        if not SKILL_ID.fullmatch(wanted):
            return []
        try:
            skill = self.client.get(f"{SKILLS}/{wanted}")
        except GenesysRefused as error:
            # Genesys may refuse a text that is not shaped like its ids, instead of not finding it.
            if error.details.get("http_status") not in {400, 404}:
                raise
            return []
        return [skill] if isinstance(skill, dict) else []

    def _by_name(self, wanted: str) -> list[Entity]:
        """The listing has every skill whose name begins with `name`."""
        skills: list[Entity] = []
        number, name = 1, unicodedata.normalize("NFC", wanted)
        for _ in range(MAX_SKILL_PAGES):
            listing = self.client.get(SKILLS, pageSize=PAGE_SIZE, pageNumber=number, name=name)
            page = page_of(listing, SKILLS, number)
            skills += with_key(page.entities, "name", wanted)
            if page.following is None and not page.more:
                break
            number = page.following or number + 1
        return skills


def with_key(skills: Iterable[Entity], key: str, wanted: str) -> list[Entity]:
    return [skill for skill in skills if isinstance(skill.get(key), str) and folded(skill[key]) == folded(wanted)]


def ambiguous(wanted: str, ids: Iterable[str]) -> str:
    return f"several skills are named {wanted}, with the ids {named(sorted(ids))}: name one by its id"


def _states(skills: Iterable[Entity]) -> list[str]:
    states = (str(skill["state"]).lower() for skill in skills)
    return sorted({state if state in GONE else "not active" for state in states})
