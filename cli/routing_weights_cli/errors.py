"""What ends a command early, and the exit codes of all commands."""

from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """What a script can rely on."""

    DONE = 0
    REFUSED = 1
    """Nothing was changed: wrong usage, a refused plan, no connection."""
    DIFFERS = 2
    """A dry run, a comparison or a look at drift: something would change, or is different."""
    RESTORED = 3
    """A run failed, and the queue holds again what it held before."""
    NEEDS_A_PERSON = 4
    """Somebody must look: an approval, a name with two meanings, a queue that could not be restored."""


class CliError(Exception):
    """Ends the command with a sentence, and another one that says what to do. Never with a traceback."""

    def __init__(self, message: str, remedy: str = "", exit_code: Exit = Exit.REFUSED) -> None:
        super().__init__(message)
        self.message, self.remedy, self.exit_code = message, remedy, exit_code


class ProblemError(CliError):
    """The API refused a request, as application/problem+json.

    `errors` has every problem: `path`, `message`, `type`, and `line` and `column` for an uploaded file.
    """

    def __init__(self, status: int, problem: dict[str, Any], remedy: str = "") -> None:
        super().__init__(str(problem.get("detail") or problem.get("message") or f"HTTP {status}"), remedy)
        self.status, self.problem = status, problem
        self.type = str(problem.get("type") or "")
        self.errors: list[dict[str, Any]] = list(problem.get("errors") or [])
        self.error_count = int(problem.get("error_count") or len(self.errors))
