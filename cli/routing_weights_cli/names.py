"""Names of people and queues to ids, as the API knows them. A name with two meanings is an error, never a guess."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cached_property

from routing_weights_cli.api import Api, Json, segment
from routing_weights_cli.errors import CliError, Exit, ProblemError

_WORD = re.compile(r"(?<![\w/-])[\w-]+")
"""A word that is no part of a path."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SUGGESTED = 3
_COMPARED = 12
"""So many names, those that share most pairs of letters, are compared letter by letter."""
_ALIKE, _FURTHER = 0.6, 0.1
_PAGE, _NOT_LISTED = 50, 409


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


class Near:
    """Finds the names that somebody may have meant. Built once for many questions: a sheet has thousands of rows."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {folded(name): name for name in names}
        self._with: dict[str, list[str]] = defaultdict(list)
        for name in self._names:
            for part in _parts(name):
                self._with[part].append(name)

    def to(self, text: str) -> list[str]:
        """At most three names, the nearest first. Names that are much less near than the first are left out."""
        wanted = folded(text)
        shared = Counter(name for part in _parts(wanted) for name in self._with.get(part, ()))
        likeness = {
            name: max(SequenceMatcher(None, wanted, name).ratio(), _ALIKE if _is_part(wanted, name) else 0)
            for name, _ in shared.most_common(_COMPARED)
        }
        best = max(likeness.values(), default=0.0)
        near = [name for name, ratio in likeness.items() if ratio >= max(_ALIKE, best - _FURTHER)]
        near.sort(key=lambda name: (-likeness[name], name))
        return [self._names[name] for name in near[:_SUGGESTED]]


def _parts(name: str) -> set[str]:
    """The pairs of letters in a name. Of an address, only what is before the @: the rest is alike in all of them."""
    text = f" {name.partition('@')[0]} "
    return {text[place : place + 2] for place in range(len(text) - 1)}


def _is_part(one: str, other: str) -> bool:
    return bool(one and other) and (one in other or other in one)


@dataclass
class Names:
    """Finds queues and members. What it has read once, it does not ask for again.

    `queue` takes a name or an id; `member` an e-mail address, a name or an id.
    """

    api: Api
    _queues: list[Json] | None = None
    _found: dict[str, Json] = field(default_factory=dict)
    """By what somebody typed. An id may be the name of another queue."""
    _by_id: dict[str, Json] = field(default_factory=dict)
    _members: dict[str, list[Json]] = field(default_factory=dict)

    def queue(self, text: str) -> Json:
        """The line of a queue, as GET /queues has it: `queue_id`, `name`, and the rest.

        Raises:
            UnknownNameError, AmbiguousNameError.
        """
        key = folded(text)
        if key not in self._found:
            line = self._found[key] = self._find(text)
            self._by_id[line["queue_id"]] = line
        return self._found[key]

    def queues(self) -> list[Json]:
        """All queues that the caller may see, by name."""
        if self._queues is None:
            self._queues = self._listed()
            self._by_id |= {line["queue_id"]: line for line in self._queues}
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
        return Members(self.members(queue["queue_id"]), queue["name"]).find(text)

    def of_queue(self, queue_id: str) -> str:
        """The name of a queue that the API has named by its id."""
        if queue_id not in self._by_id:
            self._by_id[queue_id] = self.api.get(f"/queues/{segment(queue_id)}")
        return str(self._by_id[queue_id]["name"])

    def in_words(self, text: str) -> str:
        """A sentence of the API with names in the place of ids, as far as this command has read them."""
        known = {queue_id: line["name"] for queue_id, line in self._by_id.items()}
        known |= {member["user_id"]: member["name"] for members in self._members.values() for member in members}
        return _WORD.sub(lambda word: str(known.get(word[0], word[0])), text)

    def _listed(self, name: str | None = None) -> list[Json]:
        """The queues with this part in their name. None at contract score, which knows queues by their ids only."""
        try:
            return list(self.api.pages("/queues", limit=_PAGE, name=name))
        except ProblemError as error:
            if error.status == _NOT_LISTED:
                return []
            raise

    def _find(self, text: str) -> Json:
        listed = self._listed(" ".join(text.split())) if self._queues is None else self._queues
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
        near = Near(line["name"] for line in self.queues())
        raise UnknownNameError(f"No queue of yours has the name or id {text}.", near.to(text))


class Members:
    """The members of one queue, found by e-mail address, id or name, in this order."""

    def __init__(self, members: Sequence[Json], queue_name: str) -> None:
        self._queue_name = queue_name
        self._by: dict[str, dict[str, list[Json]]] = {key: defaultdict(list) for key in ("email", "user_id", "name")}
        for member in members:
            for key, known in self._by.items():
                if member.get(key):
                    known[folded(member[key])].append(member)

    def find(self, text: str) -> Json:
        """The member that is meant.

        Raises:
            UnknownNameError, AmbiguousNameError.
        """
        for key, known in self._by.items():
            matches = known.get(folded(text), [])
            if len(matches) == 1:
                return matches[0]
            if matches:
                ids = ", ".join(str(member.get("email") or member["user_id"]) for member in matches)
                raise AmbiguousNameError(
                    f"{len(matches)} members of {self._queue_name} have the {key.replace('_', ' ')} {text}.",
                    f"Use one of: {ids}.",
                )
        near = self._near_addresses if "@" in text else self._near_names
        raise UnknownNameError(f"{text} is not a member of queue {self._queue_name}.", near.to(text))

    @cached_property
    def _near_names(self) -> Near:
        return Near(member["name"] for members in self._by["name"].values() for member in members)

    @cached_property
    def _near_addresses(self) -> Near:
        return Near(member["email"] for members in self._by["email"].values() for member in members)
