"""Names of people and queues to ids, as the API knows them. A name with two meanings is an error, never a guess."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from routing_weights_cli.api import Api, Json, segment
from routing_weights_cli.errors import CliError, Exit, ProblemError

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SUGGESTED = 3
_PAGE = 50


class UnknownNameError(CliError):
    """Nothing has this name. `suggestions` are the names that are near it."""

    def __init__(self, message: str, suggestions: Sequence[str]) -> None:
        self.suggestions = tuple(suggestions)
        super().__init__(message, f"Did you mean {' or '.join(suggestions)}?" if suggestions else "")


class AmbiguousNameError(CliError):
    """Two or more things have this name: a person must choose, by id."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy, Exit.NEEDS_A_PERSON)


def folded(text: str) -> str:
    """A name as names are compared: without regard to case, to the form of its accents, and to spaces around it."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def near(text: str, names: Iterable[str]) -> list[str]:
    """At most three names that somebody may have meant, the nearest first."""
    known = {folded(name): name for name in names}
    wanted = folded(text)
    close = difflib.get_close_matches(wanted, known, _SUGGESTED, 0.6)
    inside = sorted(name for name in known if wanted and (wanted in name or name in wanted) and name not in close)
    return [known[name] for name in (*close, *inside)][:_SUGGESTED]


@dataclass
class Names:
    """Finds queues and members. What it has read once, it does not ask for again.

    `queue` takes a name or an id; `member` an e-mail address, a name or an id.
    """

    api: Api
    _queues: list[Json] | None = None
    _found: dict[str, Json] = field(default_factory=dict)
    _members: dict[str, list[Json]] = field(default_factory=dict)

    def queue(self, text: str) -> Json:
        """The line of a queue, as GET /queues has it: `queue_id`, `name`, and the rest.

        Raises:
            UnknownNameError, AmbiguousNameError.
        """
        key = folded(text)
        if key not in self._found:
            self._found[key] = self._find(text)
        return self._found[key]

    def queues(self) -> list[Json]:
        """All queues that the caller may see, by name."""
        if self._queues is None:
            self._queues = list(self.api.pages("/queues", limit=_PAGE))
        return self._queues

    def members(self, queue_id: str) -> list[Json]:
        """The members of a queue, by name: `user_id`, `name`, `email`, `weight`, `holds`, and the rest."""
        if queue_id not in self._members:
            self._members[queue_id] = self.api.get(f"/queues/{segment(queue_id)}/members")["items"]
        return self._members[queue_id]

    def member(self, queue: Json, text: str) -> Json:
        """The member of a queue with this e-mail address, name or id.

        Raises:
            UnknownNameError, AmbiguousNameError.
        """
        return member_among(self.members(queue["queue_id"]), text, str(queue["name"]))

    def _find(self, text: str) -> Json:
        if self._queues is None:
            listed: Iterable[Json] = self.api.pages("/queues", limit=_PAGE, name=" ".join(text.split()))
        else:
            listed = self._queues
        matches = [line for line in listed if folded(line["name"]) == folded(text)]
        if len(matches) > 1:
            ids = ", ".join(f"{line['queue_id']} ({line.get('division') or 'no division'})" for line in matches)
            raise AmbiguousNameError(f"{len(matches)} queues have the name {text}.", f"Name one by its id: {ids}.")
        if matches:
            return matches[0]
        if _ID.fullmatch(text.strip()):
            try:
                line: Json = self.api.get(f"/queues/{segment(text.strip())}")
            except ProblemError as error:
                if error.status != 404:  # noqa: PLR2004
                    raise
            else:
                return line
        names = [line["name"] for line in self.queues()]
        raise UnknownNameError(f"No queue of yours has the name or id {text}.", near(text, names))


def member_among(members: Sequence[Json], text: str, queue_name: str) -> Json:
    """One of these members, by e-mail address, id or name, in this order.

    Raises:
        UnknownNameError, AmbiguousNameError.
    """
    wanted = folded(text)
    for key in ("email", "user_id", "name"):
        matches = [member for member in members if folded(str(member.get(key) or "")) == wanted]
        if len(matches) == 1:
            return matches[0]
        if matches:
            known = ", ".join(f"{_told_apart(member)}" for member in matches)
            raise AmbiguousNameError(
                f"{len(matches)} members of {queue_name} have the {key.replace('_', ' ')} {text}.",
                f"Use one of: {known}.",
            )
    known_as: list[Any] = [m.get("email") if "@" in text else m.get("name") for m in members]
    message = f"{text} is not a member of queue {queue_name}."
    raise UnknownNameError(message, near(text, [str(name) for name in known_as if name]))


def _told_apart(member: Json) -> str:
    return str(member.get("email") or member["user_id"])
