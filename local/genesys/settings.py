"""Every setting: constructor arguments, command-line flags and run-time changes come from this class."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_type_hints

CONTRACTS = ("platform", "score")
MAX_DECIMALS = 15  # as many as a float has
RETRY_AFTER = ("seconds", "date", "absent")
DEFAULT_SCOPE = "routing:queue:read routing:queue:write webhooks:write analytics:queue:read"
DEFAULT_PERMISSIONS = (
    "analytics:conversationAggregate:view analytics:queueObservation:view "
    "routing:queue:edit routing:queue:readonly routing:queue:view routing:queueMember:manage "
    "routing:skill:assign routing:skill:view "
    "wfm:publishedSchedule:view wfm:schedule:generate wfm:schedule:view wfm:shortTermForecast:view"
)


def _setting(default: Any, text: str, *, live: bool = True) -> Any:
    """Declare a setting. A setting that is not `live` can only be set at the start."""
    return field(default=default, metadata={"text": text, "live": live})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings. A value with a wrong type or out of bounds raises ValueError, which names the setting."""

    host: str = _setting("127.0.0.1", "address to listen on", live=False)
    port: int = _setting(0, "port to listen on, 0 for a free one", live=False)
    contract: str = _setting("platform", "the dialect: platform (the public API v2) or score", live=False)
    client_id: str = _setting("demo-client", "the one OAuth client")
    client_secret: str = _setting("demo-client-secret", "its secret")
    scope: str = _setting(DEFAULT_SCOPE, "score: scopes the client may be granted, separated by spaces")
    permissions: str = _setting(DEFAULT_PERMISSIONS, "platform: what the client's role allows, separated by spaces")
    editor: str = _setting("user-in-the-console", "platform: the user who makes the edits of people")
    desk_client_id: str = _setting("", "platform: the OAuth client with PKCE, with which people sign in; empty: none")
    redirect_uris: str = _setting("", "platform: the addresses to which its sign-in may return, separated by spaces")
    divisions: str = _setting("division-home", "platform: divisions that the role covers, separated by spaces")
    second_page: int | None = _setting(
        None, "platform: how many members the second page of a listing has; absent: a full page"
    )
    proficiency_decimals: int = _setting(1, "platform: how many decimals of a proficiency are kept, at most 15")
    members_date_queue: bool = _setting(False, "platform: a write of a member changes its queue's dateModified")
    expires_in: int = _setting(86_400, "life of a token in seconds")
    latency_ms: float = _setting(0.0, "wait before every reply, in milliseconds")
    rate_limit: int | None = _setting(None, "requests per token in any window (sliding); absent: no limit")
    rate_window_s: float = _setting(60.0, "the window in seconds")
    retry_after: str = _setting("seconds", "a 429 has a Retry-After in seconds, as an HTTP date, or it is absent")
    login_limit: int | None = _setting(None, "platform: tokens in any rate_window_s; absent: no limit")
    flaky: float = _setting(
        0.0, "share of requests answered 408, a write also 409 or 400 (version), drawn by seed; repeating them helps"
    )
    seed: int = _setting(1, "the seed of random draws")
    apply_delay_s: float = _setting(0.0, "above 0, a write is readable this many seconds after its answer")
    sum_rule: bool = _setting(True, "score: refuse a score that lifts the sum of a queue's scores above 1")
    webhook_secret: str = _setting("", "score: the secret that signs webhooks")
    verbose: bool = _setting(False, "print request lines on stderr")
    queue_id: str = _setting("queue-001", "id of the queue that exists at the start", live=False)
    agents: int = _setting(12, "its members, agent-001 and up", live=False)
    off_queue: int | None = _setting(None, "how many are OFF_QUEUE; absent: 1 in 12", live=False)
    unjoined: int | None = _setting(None, "how many have not joined; absent: 1 in 20", live=False)
    initial_score: float = _setting(0.0, "score: the score each member starts with", live=False)

    def __post_init__(self) -> None:
        for name, kind in HINTS.items():
            value = getattr(self, name)
            wanted = int | float if kind is float else kind
            if isinstance(value, bool) != (kind is bool) or not isinstance(value, wanted):
                raise ValueError(f"{name} must be {getattr(kind, '__name__', kind)}, not {value!r}")
            if isinstance(value, int | float) and not 0 <= value < math.inf:
                raise ValueError(f"{name} must be a finite number, 0 or more, not {value!r}")
        if self.rate_limit == 0 or self.rate_window_s == 0:
            raise ValueError("rate_limit and rate_window_s must be above 0")
        if self.contract not in CONTRACTS:
            raise ValueError(f"contract must be {' or '.join(CONTRACTS)}, not {self.contract!r}")
        if self.retry_after not in RETRY_AFTER:
            raise ValueError(f"retry_after must be one of {', '.join(RETRY_AFTER)}, not {self.retry_after!r}")
        if self.proficiency_decimals > MAX_DECIMALS:
            raise ValueError(f"proficiency_decimals must be in [0, {MAX_DECIMALS}], not {self.proficiency_decimals}")
        if self.flaky > 1:
            raise ValueError(f"flaky must be in [0, 1], not {self.flaky}")
        if self.initial_score > 1:
            raise ValueError(f"initial_score must be in [0, 1], not {self.initial_score}")

    def changed(self, **changes: Any) -> Settings:
        """Return these settings with some live ones changed."""
        live = {item.name for item in fields(self) if item.metadata["live"]}
        if unknown := sorted(changes.keys() - live):
            raise ValueError(f"not a setting that can change at run time: {', '.join(unknown)}")
        return replace(self, **changes)


HINTS = get_type_hints(Settings)
