"""Names for the agents of the simulator, made of common first and last names. They are nobody's."""

from __future__ import annotations

_FIRST = (
    *("Ada", "Ben", "Carla", "Dario", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Katja", "Luis", "Mira"),
    *("Nils", "Olga", "Pavel", "Quinn", "Rosa", "Sven", "Tara", "Umar", "Vida", "Wanda", "Xenia", "Yara", "Zeno"),
)
_LAST = (
    *("Abel", "Brandt", "Castro", "Duarte", "Engel", "Fuchs", "Garcia", "Haddad", "Ivanov", "Jansen", "Keller"),
    *("Lopez", "Moreau", "Novak", "Okafor", "Peters", "Quist", "Rossi", "Silva", "Toth", "Ueda", "Varga", "Weber"),
)


def agent_name(number: int) -> str:
    """Return the name of agent `number`, from 0. The first 26 are in the order of the alphabet; no two are equal."""
    turn, first = divmod(number, len(_FIRST))
    round_, turn = divmod(turn, len(_LAST))
    name = f"{_FIRST[first]} {_LAST[(first + turn) % len(_LAST)]}"
    return f"{name} {round_ + 1}" if round_ else name


def email_of(name: str) -> str:
    return ".".join(name.lower().split()) + "@example.com"
