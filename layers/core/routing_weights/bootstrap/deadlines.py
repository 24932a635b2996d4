"""How long an invocation, and a run, may wait for Genesys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from routing_weights.adapters.genesys.transport import Deadline

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.domain.run import Run

RESERVE_S = 12.0
"""The part of its time that a function reserves for one more answer (read time-out 10 s) and for its own end."""
MAX_RUN_S = 5400.0
"""How long a run may wait for Genesys: half of the state machine's time-out."""
MAX_RESTORE_S = 9900.0
"""How long a run that restores may wait: 75 minutes more, until 15 minutes before the state machine's time-out."""


def remaining_s(context: LambdaContext) -> float:
    return context.get_remaining_time_in_millis() / 1000


def deadline(context: LambdaContext, run: Run | None = None, *, restoring: bool = False) -> Deadline:
    at = time.monotonic() + remaining_s(context) - RESERVE_S
    if run is None:
        return Deadline(at)
    since = run.since.timestamp()
    return Deadline(at, since + (MAX_RESTORE_S if restoring else MAX_RUN_S), since, insists=restoring)


def has_time(context: LambdaContext) -> bool:
    """True while this invocation can begin one more write and still finish it in order."""
    return remaining_s(context) > 2 * RESERVE_S
