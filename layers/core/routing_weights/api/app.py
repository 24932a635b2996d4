"""What functions behind the API share: how a request is read, and how every error becomes a problem."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from pydantic import BaseModel

from routing_weights.api.body import raw_body
from routing_weights.api.views import ProblemDetails, problem_of
from routing_weights.domain.problems import problem, request_invalid
from routing_weights.domain.strict_json import read
from routing_weights.errors import RouteNotFound, RoutingWeightsError

Model = TypeVar("Model", bound=BaseModel)


def new_app(logger: Logger) -> APIGatewayHttpResolver:
    """A resolver that answers every error as application/problem+json."""
    app = APIGatewayHttpResolver(
        enable_validation=True, response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR
    )

    def match_whole(app: APIGatewayHttpResolver, next_middleware: Callable[..., Any]) -> Any:
        """Powertools matches a path that ends in a line break as if it did not: `$` of a regular expression."""
        if app.current_event.path.endswith("\n"):
            return explain_route(NotFoundError())
        return next_middleware(app)

    def answer(error: RoutingWeightsError) -> Response[str]:
        if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("Request failed", error_type=type(error).__name__, reason=error.message)
        told = problem_of(error)
        return Response(told.status, "application/problem+json", told.model_dump_json(exclude_none=True))

    # Powertools does not type these decorators.
    @app.exception_handler(RequestValidationError)  # type: ignore[untyped-decorator]
    def explain_parameters(error: RequestValidationError) -> Response[str]:
        problems = [problem(str(e["loc"][-1]), str(e["msg"]), str(e["type"])) for e in error.errors()]
        return answer(request_invalid(*problems))

    @app.not_found
    def explain_route(_error: NotFoundError) -> Response[str]:
        return answer(RouteNotFound(f"There is no {app.current_event.http_method} {app.current_event.path}."))

    @app.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def explain_bug(error: Exception) -> Response[str]:
        logger.error("Unexpected error", exc_info=error)
        return answer(
            RoutingWeightsError("Something unexpected went wrong; it is in the log. Nothing was written to Genesys.")
        )

    app.exception_handler(RoutingWeightsError)(answer)
    app.use([match_whole])
    return app


def body_of(app: APIGatewayHttpResolver) -> bytes:
    """The body as it was sent, whatever its content type says: the code that judges it sees all of it.

    No route has a `Body` of Powertools: that reads some content types, and raises for all others.
    """
    return raw_body(app.current_event.raw_event)


def body_as(app: APIGatewayHttpResolver, model: type[Model]) -> Model:
    """The body as a model whose fields are all optional; an empty body says nothing.

    Raises:
        RequestInvalid: with every problem, each at its path.
    """
    new, problems = read(body_of(app) or b"{}", model)
    if problems or new is None:
        raise request_invalid(*problems)
    return new


def caller_of(app: APIGatewayHttpResolver) -> str:
    """The caller's ARN; empty where the gateway has not said who it is."""
    identity = app.current_event.request_context.authorizer.get("iam") or {}
    return str(identity.get("userArn") or "")


def answers(
    code: HTTPStatus, model: type[BaseModel] | None, meanings: dict[HTTPStatus, str], *problems: HTTPStatus
) -> dict[int, Any]:
    """For openapi.json: the good answer, the problems of a route, and those that every route has."""
    every = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
    problem_content = {"application/problem+json": {"model": ProblemDetails}}
    content = {"content": {"application/json": {"model": model}}} if model else {}
    return {code.value: {"description": code.phrase, **content}} | {
        code.value: {"description": meanings[code], "content": problem_content} for code in (*problems, *every)
    }
