"""A problem is one entry of `errors`: where, what is wrong, and of which kind."""

from collections.abc import Callable, Sequence
from typing import Any, NotRequired, TypedDict

from pydantic import ValidationError

from routing_weights.errors import PlanNotApplicable, RequestInvalid

MAX_PROBLEMS_LISTED = 100
"""Further problems are counted, not listed: a Step Functions cause holds 32 KiB, a body may have 100,000 problems."""
_QUOTED = 3

Location = Sequence[str | int]
"""Keys and indexes on the way to a value."""
Explain = Callable[[Location, str, str], tuple[Location, str, str]]
"""Location, message and kind as pydantic has them -> the same for the reader."""


class Problem(TypedDict):
    path: str
    """The keys and indexes joined with dots; empty for the whole document."""
    message: str
    type: str
    line: NotRequired[int]
    """The line of an uploaded file, from 1."""
    column: NotRequired[str]
    """The column of a CSV file, as its heading names it. For JSON Lines: the path in the line."""


class Listed(TypedDict):
    """What an error's `details` hold of its problems."""

    errors: list[Problem]
    error_count: int


def problem(path: str, message: str, kind: str) -> Problem:
    """Each text is cut to a length that fits a record."""
    return {"path": sendable(path[:200]), "message": sendable(message[:300]), "type": sendable(kind)}


def sendable(text: str) -> str:
    """The text without half surrogate pairs, which no response and no record can carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def as_sentence(problems: Sequence[Problem], whole: str = "body", more: int = 0) -> str:
    """The first three problems, and how many there are besides. `whole` names the document where a path is empty.

    `more` counts problems that are not in the list.
    """
    lead = "; ".join(f"{_place(found) or whole}: {found['message']}" for found in problems[:_QUOTED])
    more += max(0, len(problems) - _QUOTED)
    return f"{lead}; and {more} more" if more else lead


def _place(found: Problem) -> str:
    if "line" not in found:
        return found["path"]
    column = f", {found['column']}" if found.get("column") else ""
    return f"line {found['line']}{column}"


def listed(problems: Sequence[Problem]) -> Listed:
    return {"errors": list(problems[:MAX_PROBLEMS_LISTED]), "error_count": len(problems)}


def request_invalid(*problems: Problem) -> RequestInvalid:
    return RequestInvalid(as_sentence(problems), **listed(problems))


def as_pydantic_says(location: Location, message: str, kind: str) -> tuple[Location, str, str]:
    return location, message, kind


def problems_of(error: ValidationError, explain: Explain = as_pydantic_says) -> list[Problem]:
    """Every finding of pydantic as a problem."""
    problems = []
    for entry in error.errors(include_url=False, include_input=False):
        kind, message = entry["type"], entry["msg"].removeprefix("Value error, ")
        if kind == "extra_forbidden":
            message = "this field is unknown"
        location, message, kind = explain(entry["loc"], message, kind)
        problems.append(problem(joined(location), message, kind))
    return problems


def joined(location: Location | tuple[Any, ...]) -> str:
    """A location as a path. A long key above many others would be copied into the path of each, so it is cut."""
    return ".".join(str(part)[:80] for part in location)


def not_applicable(path: str, message: str, kind: str) -> PlanNotApplicable:
    """A refusal with one problem."""
    return PlanNotApplicable(f"{path}: {message}.", errors=[problem(path, message, kind)])


def members_not_applicable(
    sentence: str, users: Sequence[str], advice: str | Callable[[str], str], kind: str
) -> PlanNotApplicable:
    """A refusal with one problem for each of the members."""
    problems = [
        problem(f"member_weights.{user}", advice if isinstance(advice, str) else advice(user), kind) for user in users
    ]
    return PlanNotApplicable(sentence, **listed(problems))
