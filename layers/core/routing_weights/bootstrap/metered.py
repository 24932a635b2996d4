"""Makes a state's function report its effort."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from routing_weights.adapters import meter
from routing_weights.domain.effort import KEY
from routing_weights.errors import RoutingWeightsError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

Handler = Callable[[dict[str, Any], "LambdaContext"], dict[str, Any]]


def metered(function: str) -> Callable[[Handler], Handler]:
    """The handler of `function` with its effort: in its answer, or in the details of the error that it raises."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def counted(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
            def report() -> dict[str, Any]:
                effort = meter.effort(function, int(context.memory_limit_in_mb))
                return {KEY: effort.model_dump(exclude_defaults=True)}

            meter.begin()
            try:
                answer = handler(event, context)
            except RoutingWeightsError as error:
                error.details |= report()
                raise
            return answer | report()

        return counted

    return decorate
