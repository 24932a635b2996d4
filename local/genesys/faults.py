"""Scripted faults: rules that are read in order. The first rule that fires spoils the request."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any

from local.genesys.wire import is_number

ACTIONS = {
    "status": "answer `status` with `body` and `headers`; nothing is applied",
    "delay": "wait `delay_s`, then answer as usual (every other action takes a `delay_s` too)",
    "reset_before": "close the connection; nothing is applied",
    "reset_after": "apply, then close the connection without a reply",
    "drop": "answer as if applied, and never apply",
    "malformed": "apply, then answer with a body that is not JSON",
    "timeout": "apply, then answer 408 as the platform does",
    "conflict": "answer 409 as the platform does; nothing is applied",
    "outdated": "answer 400 `does not match the current version`; nothing is applied",
    "cut": "apply, then answer with half of the body and close the connection",
    "repeat_page": "a listing of members answers with page 1 for every page",
    "edit": "change the fields in `body` of the queue in the path, as people do, before the request is handled",
    "add_member": "add the member in `body` to the queue in the path before the request is handled",
    "remove_member": "remove the member with the `id` in `body`, before the request is handled",
    "revoke_tokens": "revoke every token before the request is handled",
}
PASSING = {
    "timeout": (408, "request.timeout", "The client did not produce a request within the server timeout limit."),
    "conflict": (409, "general.conflict", "The request conflicts with the current state of the target resource."),
    "outdated": (400, "general.conflict", "The version of the resource does not match the current version."),
}
"""Temporary answers: a repeated request succeeds. Statuses and messages are real, the codes are our choice."""
CHANGES = ("edit", "add_member", "remove_member")
"""Edits by people in the queue of a request, between two requests of ours."""


@dataclass(kw_only=True)
class Fault:
    """A rule. `method` must match the whole method, `path` any part of the path. The query does not count.

    The first `skip` matching requests pass to the next rules. Then the rule fires `times` times (null: for ever).
    """

    action: str
    method: str = ".*"
    path: str = ""
    skip: int = 0
    times: int | None = 1
    delay_s: float = 0.0
    status: int | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    lifted: bool = field(default=False, init=False)
    """Nothing waits for this rule any more."""

    @classmethod
    def parse(cls, rule: Any) -> Fault:
        """Build a rule from JSON. Raises ValueError, which names the wrong key."""
        if not isinstance(rule, dict) or not isinstance(rule.get("action"), str):
            raise ValueError(f"a fault is an object whose action is one of {', '.join(ACTIONS)}")  # noqa: TRY004
        if unknown := sorted(rule.keys() - {item.name for item in fields(cls) if item.init}):
            raise ValueError(f"unknown key in a fault: {', '.join(unknown)}")
        fault = cls(**rule)
        fault._check()
        return fault

    def _check(self) -> None:
        if self.action not in ACTIONS:
            raise ValueError(f"unknown action {self.action!r}; one of {', '.join(ACTIONS)}")
        for name in ("method", "path"):
            try:
                re.compile(getattr(self, name))
            except (re.error, TypeError) as error:
                raise ValueError(f"{name} is not a regular expression: {error}") from error
        for name in ("skip", "times", "delay_s"):
            value = getattr(self, name)
            whole = isinstance(value, int) or name == "delay_s"
            if not (name == "times" and value is None) and not (is_number(value) and whole and value >= 0):
                raise ValueError(f"{name} must be a number, 0 or more")
        if self.action == "delay" and not self.delay_s:
            raise ValueError("action delay needs delay_s")
        self._check_answer()

    def _check_answer(self) -> None:
        if self.action in CHANGES:
            self._check_change()
        elif self.action != "status":
            if self.status is not None or self.body is not None or self.headers:
                raise ValueError("status, body and headers belong to action status")
        else:
            self._check_status()

    def _check_change(self) -> None:
        if self.status is not None or self.headers:
            raise ValueError("status and headers belong to action status")
        if not isinstance(self.body, dict) or not self.body:
            raise ValueError(f"action {self.action} needs a body: the fields to change, a member, or the id of one")
        if self.action == "remove_member" and not isinstance(self.body.get("id"), str):
            raise ValueError("action remove_member needs the id of a member")

    def _check_status(self) -> None:
        if not isinstance(self.status, int) or self.status not in range(200, 600):
            raise ValueError("action status needs a status from 200 to 599")
        if not isinstance(self.headers, dict):
            raise ValueError("headers must be an object")  # noqa: TRY004
        self.headers = {name.title(): str(value) for name, value in self.headers.items()}
        if not all(text.isascii() and text.isprintable() for pair in self.headers.items() for text in pair):
            raise ValueError("headers must be printable ASCII")

    def fires(self, method: str, path: str) -> bool:
        """Count a matching request, and return True if it is to be spoilt."""
        if self.times == 0 or not (re.fullmatch(self.method, method) and re.search(self.path, path)):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True
