"""Errors as application/problem+json (RFC 9457)."""

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, Field

from routing_weights.domain.problems import sendable
from routing_weights.errors import RoutingWeightsError

EVERYWHERE = {
    HTTPStatus.UNAUTHORIZED: "The sign-in is over",
    HTTPStatus.FORBIDDEN: "The route needs a role that the caller does not have",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A parameter or the body breaks a rule; `errors` has each one with its path",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A defect of this system",
    HTTPStatus.SERVICE_UNAVAILABLE: "An AWS service did not answer; send the request again",
}
"""The problems that every route has."""


class FieldProblem(BaseModel):
    path: str = Field(description="Keys and indexes joined with dots; empty for the whole body.")
    message: str
    type: str
    line: int | None = Field(default=None, description="The line of an uploaded file, from 1.")
    column: str | None = Field(
        default=None,
        description="The column of a CSV file, as its heading names it. For JSON Lines: the path in the line.",
    )


class ProblemDetails(BaseModel):
    """An error, after RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    distribution_id: str | None = Field(default=None, description="The audit record of a refused plan.")
    errors: Annotated[list[FieldProblem], Field(default_factory=list)]
    error_count: int | None = Field(default=None, description="All errors; at most 100 are listed.")


def problem_of(error: RoutingWeightsError) -> ProblemDetails:
    details = error.details
    return ProblemDetails(
        type=error.problem_type(),
        title=error.title,
        status=error.http_status,
        detail=sendable(error.message),  # it may quote a path, or an id in it
        distribution_id=details.get("distribution_id"),
        errors=[FieldProblem.model_validate(e) for e in details.get("errors", [])],
        error_count=details.get("error_count"),
    )


def answers(code: HTTPStatus, model: type[BaseModel] | None, problems: dict[HTTPStatus, str]) -> dict[int, Any]:
    """For openapi.json: the good answer of a route, its own problems in words, and those of every route."""
    content = {"content": {"application/json": {"model": model}}} if model else {}
    problem = {"application/problem+json": {"model": ProblemDetails}}
    return {code.value: {"description": code.phrase, **content}} | {
        code.value: {"description": text, "content": problem} for code, text in (EVERYWHERE | problems).items()
    }
