"""Makes a state's function report its effort."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from routing_weights.adapters import meter
from routing_weights.domain.effort import KEY
from routing_weights.errors import RoutingWeightsError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.domain.effort import Effort

Handler = Callable[[dict[str, Any], "LambdaContext"], dict[str, Any]]


def metered(function: str) -> Callable[[Handler], Handler]:
    """The handler of `function` with its effort: in its answer, or in the details of the error that it raises."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def counted(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
            def report() -> dict[str, Any]:
                return {KEY: own_effort(function, context)().model_dump(exclude_defaults=True)}

            meter.begin(time.monotonic())
            try:
                answer = handler(event, context)
            except RoutingWeightsError as error:
                error.details |= report()
                raise
            return answer | report()

        return counted

    return decorate


def own_effort(function: str, context: LambdaContext) -> Callable[[], Effort]:
    """Measures this invocation of `function` so far, for whoever closes a record."""
    return lambda: meter.effort(function, int(context.memory_limit_in_mb), time.monotonic())
