"""The resolver of a function behind the API. It answers every error as application/problem+json."""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from routing_weights.api.access import Owner, guard
from routing_weights.api.foreign import without_foreign
from routing_weights.api.problem import problem_of
from routing_weights.domain.problems import problem, request_invalid
from routing_weights.errors import RouteNotFound, RoutingWeightsError


def new_app(logger: Logger, *routers: APIGatewayHttpRouter, **owners: Owner) -> APIGatewayHttpResolver:
    """`owners` find what a `distribution`, a `fleet` or a `schedule` belongs to, for the routes that name one."""
    app = APIGatewayHttpResolver(
        enable_validation=True, response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR
    )

    def match_whole(app: APIGatewayHttpResolver, next_middleware: Callable[..., Any]) -> Any:
        """Refuse a path that ends in a line break: Powertools would match it, by `$` of a regular expression."""
        if app.current_event.path.endswith("\n"):
            return explain_route(NotFoundError())
        return next_middleware(app)

    def answer(error: RoutingWeightsError) -> Response[str]:
        if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("Request failed", error_type=type(error).__name__, reason=error.message)
        details = problem_of(error)
        shown = without_foreign(details.model_dump(mode="json", exclude_none=True), app.context.get("queues"))
        return Response(details.status, "application/problem+json", json.dumps(shown, separators=(",", ":")))

    # Powertools does not type these decorators.
    @app.exception_handler(RequestValidationError)  # type: ignore[untyped-decorator]
    def explain_parameters(error: RequestValidationError) -> Response[str]:
        problems = [problem(str(e["loc"][-1]), str(e["msg"]), str(e["type"])) for e in error.errors()]
        return answer(request_invalid(*problems))

    @app.not_found
    def explain_route(_error: NotFoundError) -> Response[str]:
        return answer(RouteNotFound(f"There is no {app.current_event.http_method} {app.current_event.path[:200]}."))

    @app.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def explain_bug(error: Exception) -> Response[str]:
        logger.error("Unexpected error", exc_info=error)
        return answer(
            RoutingWeightsError("Something unexpected went wrong; it is in the log. Nothing was written to Genesys.")
        )

    app.exception_handler(RoutingWeightsError)(answer)
    app.use([match_whole, guard(owners)])
    for router in routers:
        app.include_router(router)
    return app
